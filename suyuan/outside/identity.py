"""Checks of identity over HTTP: whether a capture shows the registered person, and whether somebody holds a number.

They are asked like an operator or a channel – one order, one number, an answer that can be asked for again – so that a
check that is paid for and recorded is never made twice, and no phone gets the same code two times.

>>> verdict_of(OrderAnswer("stp1", "refused", code="face_differs"))
FaceDiffers()
>>> verdict_of(OrderAnswer("stp1", "refused", code="too_dark"))
Unknown(why='unknown_code')
>>> sent_of(OrderAnswer("npf1", "done", "R-1")), checked_of(OrderAnswer("R-1", "refused", code="wrong")).value
(CodeSent(reference='R-1'), 'wrong')
"""

from __future__ import annotations

from suyuan.base import wire
from suyuan.outside import protocol
from suyuan.outside.caller import Caller, Stated, is_reference
from suyuan.outside.protocol import CheckBody, CodeBody, FaceBody, OrderAnswer
from suyuan.settle.providers import (
    CodeOrder,
    CodeRefused,
    CodeSent,
    CodeVerdict,
    FaceDiffers,
    FaceMatched,
    FaceOrder,
    FaceVerdict,
    NotFound,
    SendVerdict,
    Unknown,
)

FACE_DIFFERS = "face_differs"
NUMBER_IS_NOT_SERVED = "number_is_not_served"


class HttpFaceCheck:
    """A `FaceCheck` that is reached through a `Caller`."""

    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self._caller = caller
        self._orders = f"/faces/{name}/orders"

    async def check(self, order: FaceOrder) -> FaceVerdict:
        answer = await self._caller.order(self._orders, FaceBody.of(order), order.order_no)
        return answer if isinstance(answer, Unknown) else verdict_of(answer)

    async def ask(self, order_no: str) -> FaceVerdict | NotFound:
        answer = await self._caller.ask(self._orders, order_no)
        return answer if isinstance(answer, NotFound | Unknown) else verdict_of(answer)


def verdict_of(answer: OrderAnswer) -> FaceVerdict:
    """What the provider's answer about a check means."""
    if answer.state == protocol.DONE and is_reference(answer.reference):
        return FaceMatched(answer.reference)
    if answer.state == protocol.REFUSED and answer.code == FACE_DIFFERS:
        return FaceDiffers()
    return Unknown("unknown_code")


class HttpNumberProof:
    """A `NumberProof` that is reached through a `Caller`."""

    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self._caller = caller
        self._orders = f"/numbers/{name}/orders"
        self._checks = f"/numbers/{name}/checks"

    async def begin(self, order: CodeOrder) -> SendVerdict:
        answer = await self._caller.order(self._orders, CodeBody.of(order), order.order_no)
        return answer if isinstance(answer, Unknown) else sent_of(answer)

    async def ask(self, order_no: str) -> SendVerdict | NotFound:
        answer = await self._caller.ask(self._orders, order_no)
        return answer if isinstance(answer, NotFound | Unknown) else sent_of(answer)

    async def check(self, reference: str, code: str) -> CodeVerdict | Unknown:
        content = wire.canonical_record(CheckBody(reference, code))
        answer = await self._caller.call("POST", self._checks, content, about=reference, answer=OrderAnswer)
        if isinstance(answer, Stated):
            return answer.doubt
        return answer if isinstance(answer, Unknown) else checked_of(answer)


def sent_of(answer: OrderAnswer) -> SendVerdict:
    """What the provider's answer about a code that was to be sent means."""
    if answer.state == protocol.DONE and is_reference(answer.reference):
        return CodeSent(answer.reference)
    if answer.state == protocol.REFUSED and answer.code == NUMBER_IS_NOT_SERVED:
        return CodeRefused()
    return Unknown("unknown_code")


def checked_of(answer: OrderAnswer) -> CodeVerdict | Unknown:
    """What the provider's answer about a code that came back means."""
    if answer.state == protocol.DONE:
        return CodeVerdict.PROVEN
    is_known = answer.state == protocol.REFUSED and answer.code in (CodeVerdict.WRONG, CodeVerdict.EXPIRED)
    return CodeVerdict(answer.code) if is_known else Unknown("unknown_code")
