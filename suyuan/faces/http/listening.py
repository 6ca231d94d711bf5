"""How a worker listens: uvicorn with httptools, and the bounds that neither of them has.

The parser below takes headers without end and waits for them without end, so one connection could fill our memory and
a thousand could keep all others out. Here the head of a request is bounded in bytes and in time, and so is all that
comes behind it, since trailers are headers too and an answer that went out early stops nobody from sending on. What is
no HTTP at all is refused in our own words, as a problem document. It is the one refusal that is not signed, since
there is nobody whom it would answer. Uvicorn's own log is closed, because its tracebacks could quote a request.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http.answers import problem

HEAD_BYTES_MAX = 32 * 1024
HEAD_S = 10.0
# More than `door` ever reads of a body and longer than it waits, so that its own refusals come first.
REST_BYTES_MAX = 2 << 20
REST_S = 15.0
KEEP_ALIVE_S = 75
STOP_S = 5

_PHRASES = {400: "Bad Request", 431: "Request Header Fields Too Large"}


def listening(app: ASGIApp) -> uvicorn.Config:
    """The server's settings; the socket is brought by who starts it."""
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


class BoundedHttp(HttpToolsProtocol):
    """One connection, whose requests must begin to make sense soon and briefly."""

    def __init__(self, *arguments: Any, **words: Any) -> None:
        super().__init__(*arguments, **words)
        self._is_in_head = True
        self._is_complete = False
        self._bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        self._is_in_head, self._bytes = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_complete = True
        self._stop_waiting()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_complete and self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # What came behind an answer and begins nothing has ended uvicorn's own waiting for the next head.
            self._begin()
        if self._is_complete or self.transport.is_closing():
            return
        self._bytes += len(data)
        if self._is_in_head and self._bytes > HEAD_BYTES_MAX:
            self._refuse(Reason.header_is_too_large)
        elif self._bytes > REST_BYTES_MAX:
            self.transport.close()
        elif self._deadline is None:
            self._wait(HEAD_S if self._is_in_head else REST_S)

    def send_400_response(self, msg: str) -> None:
        """What the parser does not understand. Its own words are in English only."""
        self._refuse(Reason.header_is_malformed)

    def _refuse(self, reason: Reason) -> None:
        reply = problem(Refusal(reason))
        head = f"HTTP/1.1 {reply.status} {_PHRASES[reply.status]}\r\ncontent-length: {len(reply.body)}\r\n"
        head += f"content-type: {reply.content_type.decode()}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + reply.body)
        self.transport.close()

    def _begin(self) -> None:
        self._is_in_head, self._is_complete, self._bytes = True, False, 0

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self._deadline = None
        if not self._is_complete and self.transport is not None:
            self.transport.close()
