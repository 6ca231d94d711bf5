"""The face check keeps the laws of orders: a check that is paid for is made once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from suyuan.outside.caller import Caller
from suyuan.outside.identity import HttpFaceCheck
from suyuan.outside.sandbox.facts import Person
from suyuan.outside.sandbox.world import FACES, Tally
from suyuan.settle.providers import FaceDiffers, FaceMatched, FaceOrder, FaceVerdict, NotFound
from tests.laws.order_laws import LAWS, Law, fresh_number, law_name
from tests.laws.twins import Twins


@dataclass(frozen=True)
class ChecksOf:
    """Checks of one provider."""

    target: str

    def order(self, twins: Twins) -> FaceOrder:
        number = fresh_number()
        twins.control.enrol_people([Person(f"person-{number}", f"capture-{number}")])
        return FaceOrder(number, f"person-{number}", f"capture-{number}")

    def bad_order(self, twins: Twins) -> FaceOrder:
        """Somebody else's face."""
        return replace(self.order(twins), capture="capture-of-another")

    def with_other_bytes(self, order: FaceOrder) -> FaceOrder:
        return replace(order, capture="capture-of-another")

    async def send(self, caller: Caller, order: FaceOrder) -> FaceVerdict:
        return await HttpFaceCheck(self.target, caller).check(order)

    async def ask(self, caller: Caller, order_no: str) -> FaceVerdict | NotFound:
        return await HttpFaceCheck(self.target, caller).ask(order_no)

    def is_done(self, verdict: FaceVerdict | NotFound) -> bool:
        return isinstance(verdict, FaceMatched)

    def is_refused(self, verdict: FaceVerdict | NotFound) -> bool:
        return isinstance(verdict, FaceDiffers)

    def times_done(self, tally: Tally, order: FaceOrder) -> int:
        return tally.checks.get(f"{self.target}/{order.order_no}", 0)


@pytest.mark.parametrize("law", LAWS, ids=law_name)
@pytest.mark.parametrize("kind", [*map(ChecksOf, FACES)], ids=repr)
def test_face_checks_keep_the_law(kind: ChecksOf, law: Law, twins: Twins) -> None:
    twins.run(law(kind, twins))


def test_nobody_is_somebody_who_was_never_enrolled(twins: Twins) -> None:
    stranger = FaceOrder(fresh_number(), "person-unknown", "capture-unknown")
    assert twins.run(ChecksOf("face").send(twins.platform, stranger)) == FaceDiffers()
