"""Connections to one provider: kept open, one question at a time each, thrown away at the first irregularity.

A transport for httpx. httpx's own pool looks at every connection for every request (encode/httpcore#1035): at 32 in
flight one call took it 1.3–2.6 ms of CPU here, through `Lanes` it takes a tenth. And it keeps a connection on which an
answer came twice, so that the next question is answered with it.

Invariants: a lane carries one question at a time; bytes that nobody asked for, an answer that cannot be parsed, that
has no end or is too long, a question that was given up – each closes its lane; a lane that rested for longer than
`IDLE_S` is not used again, because its other end may be about to close it.

What goes wrong is raised as httpx's own errors: `ConnectError`, `ConnectTimeout`, `ReadError`, `RemoteProtocolError`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeAlias, cast

import httptools
import httpx

from suyuan.base import clock

IDLE_S = 30.0
ANSWER_BYTES_MAX = 1 << 20

StatusAndContent: TypeAlias = tuple[int, bytes]
Pairs: TypeAlias = list[tuple[bytes, bytes]]


class AnswerIsTooLong(httpx.ReadError):
    """The answer passed `ANSWER_BYTES_MAX`; an answer without end must not fill our memory."""


class Lane(asyncio.Protocol):
    """One connection. Its methods `on_…` are called by the parser."""

    def __init__(self) -> None:
        self.usable = True
        self.rests_since_s = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._content = bytearray()
        self.headers: Pairs = []
        self._answer: asyncio.Future[StatusAndContent] | None = None
        self._transport: asyncio.Transport

    async def ask(self, question: bytes) -> StatusAndContent:
        """Sends a request and waits for its answer. Whoever stops waiting closes the lane."""
        assert self._answer is None, "one question at a time"
        self._answer = asyncio.get_running_loop().create_future()
        self._content.clear()
        self.headers = []
        self._transport.write(question)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        self._end(httpx.ReadError("the connection was given up"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A promise and not a check, because uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(httpx.RemoteProtocolError("the answer is not HTTP/1.1"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(httpx.ReadError("the connection was closed before the answer was complete"))

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self._end(httpx.RemoteProtocolError("an answer came that nobody asked for"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._content += body
        if len(self._content) > ANSWER_BYTES_MAX:
            self._end(AnswerIsTooLong("the answer is too long"))

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), bytes(self._content)))

    def _end(self, error: httpx.TransportError) -> None:
        self.usable = False
        self._transport.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Lanes(httpx.AsyncBaseTransport):
    """At most `lanes_max` connections to one address, the last used first; more questions wait for their turn."""

    def __init__(
        self, origin: httpx.URL, *, connect_s: float, lanes_max: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._origin = origin
        self._connect_s = connect_s
        self._tls = (tls or ssl.create_default_context()) if origin.scheme == "https" else None
        self._places = asyncio.Semaphore(lanes_max)
        self._resting: list[Lane] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carries one request. Extensions of the response: `headers`, its pairs; `drop` closes the lane it came by."""
        assert request.url.host == self._origin.host, "a lane leads to its own provider"
        question = _bytes_of(request)
        async with self._places:
            lane = self._rested() or await self._open()
            try:
                status, content = await lane.ask(question)
            except BaseException:
                # Also when the asker gives up: an answer that is still to come must meet nobody else's question.
                lane.close()
                raise
            lane.rests_since_s = clock.monotonic_s()
            if lane.usable:
                self._resting.append(lane)
            drop: Callable[[], None] = lane.close
            # Headers travel beside the response, so that nothing in them can make httpx decode or follow anything.
            extensions = {"drop": drop, "headers": lane.headers}
            return httpx.Response(status, content=content, extensions=extensions)

    async def aclose(self) -> None:
        for lane in self._resting:
            lane.close()
        self._resting.clear()

    def _rested(self) -> Lane | None:
        """A lane that can be used again, if there is one."""
        oldest_s = clock.monotonic_s() - IDLE_S
        while self._resting:
            lane = self._resting.pop()
            if lane.usable and lane.rests_since_s > oldest_s:
                return lane
            lane.close()
        return None

    async def _open(self) -> Lane:
        port = self._origin.port or (443 if self._tls else 80)
        try:
            async with asyncio.timeout(self._connect_s):
                _, lane = await asyncio.get_running_loop().create_connection(
                    Lane, self._origin.host, port, ssl=self._tls
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("the provider did not take the connection in time") from None
        except OSError as error:
            raise httpx.ConnectError("the provider cannot be reached") from error
        return lane


def _bytes_of(request: httpx.Request) -> bytes:
    """The request as it goes over the line."""
    lines = [f"{request.method} ".encode() + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + content for name, content in request.headers.raw]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    assert head.count(b"\n") == len(lines) + 1, "a line break in a header would smuggle a request"
    return head + request.content
