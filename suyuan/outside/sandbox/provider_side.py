"""The side that the platform sees: signatures, order numbers, faults – and the journal before every answer.

One request, step by step:
(1) The platform's signature is checked over the bytes as they came.
(2) What time alone has brought about is recorded: a holder confirmed, a consumption was reversed.
(3) The fault that this request meets is drawn; some strike before anything is done.
(4) An order is done once per number: the same bytes get the same answer, other bytes a conflict.
(5) The fact is in the journal; then the answer leaves, unless the fault has other plans for it.

Nothing waits between deciding an order and recording it, so no two requests can meet in the middle of one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from suyuan.base import wire
from suyuan.base.clock import Clock
from suyuan.base.crypto import BadSignature, Checker
from suyuan.base.money import is_amount
from suyuan.outside import protocol
from suyuan.outside.protocol import (
    CheckBody,
    CodeBody,
    ConsumeBody,
    FaceBody,
    OrderAnswer,
    PayBody,
    Problem,
    ReversalsAnswer,
    SecretAnswer,
    SecretBody,
)
from suyuan.outside.sandbox import connections, faults
from suyuan.outside.sandbox.facts import CodeTried, OrderTaken, Strange
from suyuan.outside.sandbox.faults import Fault
from suyuan.outside.sandbox.world import CHANNELS, FACES, NUMBERS, OPERATORS, TELLS_SECRETS, Memory, OrderBody
from suyuan.settle.providers import CodeVerdict

EXIT_WENT_DOWN = 70
CODE_THAT_NOBODY_KNOWS = "E9731"

_FAMILIES: dict[str, tuple[type[OrderBody], tuple[str, ...]]] = {
    "operators": (ConsumeBody, OPERATORS),
    "channels": (PayBody, tuple(CHANNELS)),
    "faces": (FaceBody, FACES),
    "numbers": (CodeBody, NUMBERS),
}
_MS_PER_S = 1_000
_MICROS_PER_MS = 1_000


class Said(NamedTuple):
    """An answer before it is sent."""

    status: int
    answer: OrderAnswer | SecretAnswer | ReversalsAnswer | Problem


Body = TypeVar("Body", bound=msgspec.Struct)
Act: TypeAlias = Callable[[Fault | None], Said]


class ProviderSide:
    """Answers the platform for every twin."""

    def __init__(self, memory: Memory, platform: Checker, clock: Clock) -> None:
        self._memory = memory
        self._world = memory.world
        self._platform = platform
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/{family}/{target}/orders", self.post_order, methods=["POST"]),
            Route("/{family}/{target}/orders/{order_no}", self.get_order, methods=["GET"]),
            Route("/{family}/{target}/secrets", self.post_secret, methods=["POST"]),
            Route("/{family}/{target}/checks", self.post_check, methods=["POST"]),
            Route("/{family}/{target}/reversals", self.get_reversals, methods=["GET"]),
        ]

    async def post_order(self, request: Request) -> Response:
        content = await request.body()
        family, target = _addressed(request)
        if refused := self._refuse(request, content):
            return refused
        body = _body(content, _FAMILIES[family][0])
        if body is None:
            return _response(Said(400, Problem("", protocol.BODY_IS_UNREADABLE)))
        digest = wire.digest(content).hex()
        return await self._answer(request, "order", body.order_no, lambda fault: self._do(target, body, digest, fault))

    async def get_order(self, request: Request) -> Response:
        _, target = _addressed(request)
        order_no = request.path_params["order_no"]
        if refused := self._refuse(request, b""):
            return refused
        return await self._answer(request, "ask", order_no, lambda _: self._tell(target, order_no))

    async def post_secret(self, request: Request) -> Response:
        content = await request.body()
        family, target = _addressed(request)
        if refused := self._refuse(request, content):
            return refused
        body = _body(content, SecretBody)
        if body is None:
            return _response(Said(400, Problem("", protocol.BODY_IS_UNREADABLE)))
        if family != "operators" or target not in TELLS_SECRETS:
            return _response(Said(501, Problem(body.serial, protocol.NOT_OFFERED)))
        valid = self._world.is_valid_secret(target, body)
        return await self._answer(request, "secret", body.serial, lambda _: Said(200, SecretAnswer(body.serial, valid)))

    async def post_check(self, request: Request) -> Response:
        content = await request.body()
        family, target = _addressed(request)
        if refused := self._refuse(request, content):
            return refused
        body = _body(content, CheckBody)
        if body is None or family != "numbers":
            return _response(Said(400, Problem("", protocol.BODY_IS_UNREADABLE)))
        return await self._answer(request, "check", body.reference, lambda _: self._judge(target, body))

    async def get_reversals(self, request: Request) -> Response:
        family, target = _addressed(request)
        since = request.query_params.get("since", "")
        if refused := self._refuse(request, b""):
            return refused
        if family != "operators" or not (since.isdecimal() or not since):
            return _response(Said(400, Problem(since, protocol.BODY_IS_UNREADABLE)))
        start = int(since or "0")
        lines = self._world.reversals[target][start : start + protocol.REVERSALS_PER_ANSWER]
        return await self._answer(request, "reversals", since, lambda _: Said(200, ReversalsAnswer(since, lines)))

    # Steps 1 to 3.

    def _refuse(self, request: Request, content: bytes) -> Response | None:
        """A problem for a request to nobody, or one that the platform did not sign."""
        family, target = _addressed(request)
        if family not in _FAMILIES or target not in _FAMILIES[family][1]:
            return _response(Said(404, Problem("", "provider_not_found")))
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        try:
            signature = wire.unb64(request.headers.get(protocol.SIGNATURE_HEADER, ""))
            self._platform.check(protocol.signed_bytes(request.method, path, content), signature)
        except (BadSignature, ValueError):
            self._memory.record(Strange(target, "bad_signature"))
            return _response(Said(401, Problem("", protocol.SIGNATURE_REFUSED)))
        self._memory.catch_up(self._clock.now())
        return None

    async def _answer(self, request: Request, route: faults.Route, about: str, act: Act) -> Response:
        """Acts and answers – or fails as the plan for this target wants it."""
        dice = self._world.dice.get(request.path_params["target"])
        fault = dice.draw(route, about) if dice else None
        match fault:
            case Fault.NEVER_ANSWERS:
                await connections.until_gone(request)
                return Response()
            case Fault.FAILS:
                return _failed(about)
            case Fault.GOES_DOWN_BEFORE:
                os._exit(EXIT_WENT_DOWN)
            case Fault.DELIVERED_TWICE:
                act(fault)
        said = act(fault)
        late_ms = dice.plan.late_ms if dice else 0
        return await _deliver(request, said, fault, late_ms=late_ms)

    # Step 4.

    def _do(self, target: str, body: OrderBody, digest: str, fault: Fault | None) -> Said:
        """Does an order, or says again what became of it."""
        if self._world.answer(target, body.order_no) is None:
            taken = self._world.take(target, body, digest, self._clock.now())
            self._memory.record(self._reversed_later(taken) if fault is Fault.REVERSES_LATER else taken)
        elif not self._world.is_same_body(target, body.order_no, digest):
            self._memory.record(Strange(target, "conflict"))
            return Said(409, Problem(body.order_no, protocol.ORDER_CONFLICT))
        return self._tell(target, body.order_no)

    def _tell(self, target: str, order_no: str) -> Said:
        answer = self._world.answer(target, order_no)
        return Said(200, answer) if answer else Said(404, Problem(order_no, protocol.ORDER_NOT_FOUND))

    def _judge(self, target: str, body: CheckBody) -> Said:
        """Says what a code is worth; a wrong one is remembered before that is said."""
        order_no = self._world.order_of_code(target, body.reference)
        if order_no is None:
            return Said(404, Problem(body.reference, protocol.ORDER_NOT_FOUND))
        verdict = self._world.judge_code(target, order_no, body.code, self._clock.now())
        if verdict is CodeVerdict.PROVEN:
            return Said(200, OrderAnswer(body.reference, protocol.DONE, body.reference))
        if verdict is CodeVerdict.WRONG:
            self._memory.record(CodeTried(target, order_no))
        return Said(200, OrderAnswer(body.reference, protocol.REFUSED, code=verdict.value))

    def _reversed_later(self, taken: OrderTaken) -> OrderTaken:
        """Only consumptions are reversed, and only after they were made."""
        if taken.target not in OPERATORS or taken.state == protocol.REFUSED:
            return taken
        wait_ms = self._world.dice[taken.target].plan.reversed_after_ms
        at = max(taken.holder_at, self._clock.now()) + wait_ms * _MICROS_PER_MS
        return msgspec.structs.replace(taken, reversed_at=at)


# Step 5.


async def _deliver(request: Request, said: Said, fault: Fault | None, *, late_ms: int) -> Response:
    """Sends what was done. By now the journal has it, so a fault can only hide it."""
    about = said.answer.about
    match fault:
        case Fault.ANSWERS_LATE:
            await asyncio.sleep(late_ms / _MS_PER_S)
        case Fault.LOSES_ANSWER:
            await connections.break_off(request)
            return Response()
        case Fault.UNKNOWN_CODE:
            return _response(Said(200, OrderAnswer(about, protocol.REFUSED, code=CODE_THAT_NOBODY_KNOWS)))
        case Fault.DOES_BUT_FAILS:
            return _failed(about)
        case Fault.ANSWERS_TWICE:
            return connections.AnswerTwice(msgspec.json.encode(said.answer), media_type="application/json")
        case Fault.GOES_DOWN_AFTER:
            os._exit(EXIT_WENT_DOWN)
    return _response(said)


def _failed(about: str) -> Response:
    return _response(Said(500, Problem(about, protocol.PROVIDER_FAILED)))


def _response(said: Said) -> Response:
    return Response(msgspec.json.encode(said.answer), said.status, media_type="application/json")


def _addressed(request: Request) -> tuple[str, str]:
    return request.path_params["family"], request.path_params["target"]


def _body(content: bytes, kind: type[Body]) -> Body | None:
    """The body, or nothing where it is not one that an honest platform sends."""
    try:
        body = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if is_amount(_amount(body)) else None


def _amount(body: msgspec.Struct) -> int:
    if isinstance(body, PayBody):
        return body.amount
    return body.face_fen if isinstance(body, ConsumeBody | SecretBody) else 1
