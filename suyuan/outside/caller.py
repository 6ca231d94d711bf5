"""One signed call to a provider, and what may be believed of the answer.

`Caller.call` returns the answer, a `Problem` that the provider stated, or `Unknown`; it raises nothing. The words of
`Unknown`, all of them:

    timed_out · not_reachable · connection_lost · answer_is_too_long · answer_is_unreadable
    answer_is_about_something_else · order_conflict · signature_refused · http_<status>

None of these says that an order was not done: a connection that broke may have carried it, and a conflict only says
that *something* under this number arrived before.

Invariants: the bytes of a request follow from the order alone; no proxy, redirect or variable of the environment can
lead a payout elsewhere; a call ends by its deadline even when the answer drips in; an answer that belongs to another
question is never used, and the connection it came over is dropped.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from suyuan.base import wire
from suyuan.base.crypto import Signer
from suyuan.outside import protocol
from suyuan.outside.lanes import AnswerIsTooLong, Lanes
from suyuan.outside.protocol import OrderAnswer, Problem, ReversalsAnswer, SecretAnswer
from suyuan.settle.providers import NotFound, Unknown

REFERENCE_LENGTH_MAX = 64

Answer = TypeVar("Answer", OrderAnswer, SecretAnswer, ReversalsAnswer)

_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "suyuan"}
_HEADERS |= {"content-type": "application/json", "connection": "keep-alive"}
_STATED_DOUBTS = {(409, protocol.ORDER_CONFLICT), (401, protocol.SIGNATURE_REFUSED)}


@dataclass(frozen=True, slots=True)
class Stated:
    """A provider's own "no": the status of its answer and the code in it."""

    status: int
    code: str

    @property
    def doubt(self) -> Unknown:
        """What this means for an order: nothing definite."""
        return Unknown(self.code if (self.status, self.code) in _STATED_DOUBTS else f"http_{self.status}")


class Caller:
    """Signs and carries calls to one address; shared by all providers that are reached there."""

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        *,
        connect_s: float = 2.0,
        deadline_s: float = 10.0,
        connections_max: int = 64,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._signer = signer
        self._deadline_s = deadline_s
        lanes = Lanes(httpx.URL(base_url), connect_s=connect_s, lanes_max=connections_max, tls=tls)
        # `trust_env=False`, because a variable of the environment must not send payouts through somebody's proxy.
        self._client = httpx.AsyncClient(base_url=base_url, transport=lanes, headers=_HEADERS, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def call(
        self, method: str, target: str, body: bytes, *, about: str, answer: type[Answer]
    ) -> Answer | Stated | Unknown:
        """Sends one request and reads its answer, which must be about `about`."""
        response = await self._exchange(method, target, body)
        if isinstance(response, Unknown):
            return response
        read = _read(response, answer)
        if isinstance(read, Unknown):
            return read
        if isinstance(read, Problem) and not read.about:
            # A provider that could not even read the question says so without naming it. That is never definite.
            return Stated(response.status_code, read.code).doubt
        if read.about != about:
            # This connection is out of step and would stay so: its next answer belongs to this question.
            response.extensions["drop"]()
            return Unknown("answer_is_about_something_else")
        return Stated(response.status_code, read.code) if isinstance(read, Problem) else read

    async def order(self, target: str, body: msgspec.Struct, order_no: str) -> OrderAnswer | Unknown:
        """Sends an order. Whatever the provider states against it leaves the order unknown."""
        content = wire.canonical_record(body)
        answer = await self.call("POST", target, content, about=order_no, answer=OrderAnswer)
        return answer.doubt if isinstance(answer, Stated) else answer

    async def ask(self, target: str, order_no: str) -> OrderAnswer | NotFound | Unknown:
        """Asks about an order. Only the provider's own words for "no such order" are `NotFound`."""
        answer = await self.call("GET", f"{target}/{order_no}", b"", about=order_no, answer=OrderAnswer)
        if not isinstance(answer, Stated):
            return answer
        return NotFound() if (answer.status, answer.code) == (404, protocol.ORDER_NOT_FOUND) else answer.doubt

    async def _exchange(self, method: str, target: str, body: bytes) -> httpx.Response | Unknown:
        signature = wire.b64(self._signer.sign(protocol.signed_bytes(method, target, body)))
        headers = {protocol.SIGNATURE_HEADER: signature}
        request = self._client.build_request(method, target, content=body, headers=headers)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._client.send(request)
        except (TimeoutError, httpx.TimeoutException):
            return Unknown("timed_out")
        except httpx.ConnectError:
            return Unknown("not_reachable")
        except AnswerIsTooLong:
            return Unknown("answer_is_too_long")
        except (httpx.HTTPError, OSError):
            return Unknown("connection_lost")


def is_reference(text: str) -> bool:
    """Whether this may be kept as a provider's reference: short, printable, and there."""
    return 0 < len(text) <= REFERENCE_LENGTH_MAX and text.isascii() and text.isprintable()


def _read(response: httpx.Response, answer: type[Answer]) -> Answer | Problem | Unknown:
    status = response.status_code
    try:
        if status == httpx.codes.OK:
            return msgspec.json.decode(response.content, type=answer)
        return msgspec.json.decode(response.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A gateway's page is no provider's word: its status is worth noting, its text is not.
        return Unknown("answer_is_unreadable" if status == httpx.codes.OK else f"http_{status}")
