"""Every payout channel keeps the laws; and what only channels do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from suyuan.base.money import ValueKind
from suyuan.outside.caller import Caller
from suyuan.outside.channels import HttpChannel
from suyuan.outside.sandbox.facts import Payee, PayeeState
from suyuan.outside.sandbox.world import CHANNELS, PayoutTruth, Tally
from suyuan.settle.providers import NotFound, Paid, PayOrder, PayRefusal, PayRefused, PayVerdict
from tests.laws.order_laws import LAWS, Law, fresh_number, law_name
from tests.laws.twins import Twins


@dataclass(frozen=True)
class PayoutsOf:
    """Payouts of one channel."""

    target: str

    def order(self, twins: Twins) -> PayOrder:
        number = fresh_number()
        return PayOrder(number, self.target, "m-1", f"payee-{number}", CHANNELS[self.target], 8_000)

    def bad_order(self, twins: Twins) -> PayOrder:
        """A payout for a shell merchant."""
        return replace(self.order(twins), merchant_id="m-shell")

    def with_other_bytes(self, order: PayOrder) -> PayOrder:
        return replace(order, payee="somebody-else")

    async def send(self, caller: Caller, order: PayOrder) -> PayVerdict:
        return await HttpChannel(self.target, caller).pay(order)

    async def ask(self, caller: Caller, order_no: str) -> PayVerdict | NotFound:
        return await HttpChannel(self.target, caller).ask(order_no)

    def is_done(self, verdict: PayVerdict | NotFound) -> bool:
        return isinstance(verdict, Paid)

    def is_refused(self, verdict: PayVerdict | NotFound) -> bool:
        return isinstance(verdict, PayRefused)

    def times_done(self, tally: Tally, order: PayOrder) -> int:
        nobody = PayoutTruth(order.merchant_id, order.payee, order.value_kind, order.amount)
        truth = tally.payouts.get(f"{self.target}/{order.order_no}", nobody)
        assert (truth.payee, truth.amount) == (order.payee, order.amount)
        assert tally.by_payee.get(f"{self.target}/{order.payee}") is None or truth.times
        return truth.times


@pytest.mark.parametrize("law", LAWS, ids=law_name)
@pytest.mark.parametrize("kind", [*map(PayoutsOf, CHANNELS)], ids=repr)
def test_channels_keep_the_law(kind: PayoutsOf, law: Law, twins: Twins) -> None:
    twins.run(law(kind, twins))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("asked", ValueKind)
def test_a_channel_pays_its_own_kind_of_value_only(channel: str, asked: ValueKind, twins: Twins) -> None:
    """Coupons become no cash here either: the last door of many against a change of kind."""
    payouts = PayoutsOf(channel)
    order = replace(payouts.order(twins), value_kind=asked)
    verdict = twins.run(payouts.send(twins.platform, order))
    refused = PayRefused(PayRefusal.VALUE_KIND_IS_NOT_OFFERED)
    assert isinstance(verdict, Paid) if asked is CHANNELS[channel] else verdict == refused


def test_only_registered_merchants_are_paid_for(twins: Twins) -> None:
    payouts = PayoutsOf("bank_transfer")
    order = payouts.bad_order(twins)
    assert twins.run(payouts.send(twins.platform, order)) == PayRefused(PayRefusal.MERCHANT_IS_NOT_REGISTERED)
    assert "bank_transfer/m-shell" not in twins.control.tally().by_merchant


@pytest.mark.parametrize(
    ("state", "code"),
    [("closed", PayRefusal.PAYEE_IS_CLOSED), ("unknown", PayRefusal.PAYEE_DOES_NOT_EXIST)],
)
def test_an_account_that_cannot_take_it_refuses_for_good(state: PayeeState, code: PayRefusal, twins: Twins) -> None:
    """Refused while closed; the same order stays refused when the account opens, a new one is paid."""
    payouts = PayoutsOf("bank_transfer")
    order = payouts.order(twins)
    twins.control.change_payees([Payee("bank_transfer", order.payee, state)])
    assert twins.run(payouts.send(twins.platform, order)) == PayRefused(code)
    twins.control.change_payees([Payee("bank_transfer", order.payee, "open")])
    assert twins.run(payouts.send(twins.platform, order)) == PayRefused(code)
    again = replace(order, order_no=fresh_number())
    assert isinstance(twins.run(payouts.send(twins.platform, again)), Paid)


def test_the_tally_counts_every_payout(twins: Twins) -> None:
    """Three payouts of 80.00 to one payee: the sums of payee, merchant and channel all move by it."""
    payouts = PayoutsOf("coupon_hall")
    orders = [replace(payouts.order(twins), payee="one-payee") for _ in range(3)]
    before = twins.control.tally(sums_only=True)
    for order in orders:
        twins.run(payouts.send(twins.platform, order))
    after = twins.control.tally(sums_only=True)
    assert after.payouts == {}
    assert after.by_payee["coupon_hall/one-payee"].amount == 24_000
    for name, sums in (("coupon_hall", "by_channel"), ("coupon_hall/m-1", "by_merchant")):
        moved = getattr(after, sums)[name].amount - getattr(before, sums)[name].amount
        assert moved == 24_000
