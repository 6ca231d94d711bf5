"""The face check over HTTP: whether a capture shows the registered person, for a step-up.

It is asked like an operator or a channel – one order, one number, an answer that can be asked for again – so that a
check that is paid for and recorded is never made twice.

>>> verdict_of(OrderAnswer("stp1", "refused", code="face_differs"))
FaceDiffers()
>>> verdict_of(OrderAnswer("stp1", "refused", code="too_dark"))
Unknown(why='unknown_code')
"""

from __future__ import annotations

from suyuan.outside import protocol
from suyuan.outside.caller import Caller, is_reference
from suyuan.outside.protocol import FaceBody, OrderAnswer
from suyuan.settle.providers import FaceDiffers, FaceMatched, FaceOrder, FaceVerdict, NotFound, Unknown

FACE_DIFFERS = "face_differs"


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
