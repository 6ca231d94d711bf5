"""Every operator keeps the laws, with cards and with balances; and what only operators do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from suyuan.base.money import Fen
from suyuan.outside.caller import Caller
from suyuan.outside.operators import HttpOperator
from suyuan.outside.sandbox.facts import Balance, Card, CardName, HolderAnswer
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from suyuan.outside.sandbox.world import OPERATORS, Tally
from suyuan.settle.providers import (
    CardSecret,
    Consumed,
    ConsumeOrder,
    ConsumeVerdict,
    NotFound,
    Rejected,
    Rejection,
    Unknown,
)
from tests.laws.order_laws import LAWS, Law, fresh_number, law_name
from tests.laws.twins import Twins

FACE = Fen(10_000)
WAITING = Unknown("waiting_for_holder")


@dataclass(frozen=True)
class CardsOf:
    """Cards of one operator."""

    target: str

    def order(self, twins: Twins) -> ConsumeOrder:
        order = self.bad_order(twins)
        twins.control.issue_cards([Card(self.target, order.serial, order.pin, FACE)])
        return order

    def bad_order(self, twins: Twins) -> ConsumeOrder:
        """A card that was never issued."""
        number = fresh_number()
        return ConsumeOrder(number, self.target, "card", f"serial-{number}", f"pin-{number}", "", FACE)

    def with_other_bytes(self, order: ConsumeOrder) -> ConsumeOrder:
        return replace(order, face_fen=Fen(50_000))

    async def send(self, caller: Caller, order: ConsumeOrder) -> ConsumeVerdict | NotFound:
        operator = HttpOperator(self.target, caller)
        verdict: ConsumeVerdict | NotFound = await operator.consume(order)
        return await operator.ask(order.order_no) if verdict == WAITING else verdict

    async def ask(self, caller: Caller, order_no: str) -> ConsumeVerdict | NotFound:
        return await HttpOperator(self.target, caller).ask(order_no)

    def is_done(self, verdict: ConsumeVerdict | NotFound) -> bool:
        return isinstance(verdict, Consumed)

    def is_refused(self, verdict: ConsumeVerdict | NotFound) -> bool:
        return isinstance(verdict, Rejected)

    def times_done(self, tally: Tally, order: ConsumeOrder) -> int:
        truth = tally.cards[f"{self.target}/{order.serial}"]
        assert truth.consumed == len(truth.by)
        return truth.by.count(order.order_no)


@dataclass(frozen=True)
class BalancesOf(CardsOf):
    """Balances of one operator, whose holders confirm at once."""

    def order(self, twins: Twins) -> ConsumeOrder:
        order = self.bad_order(twins)
        twins.control.open_balances([Balance(self.target, order.number, balance_fen=FACE)])
        return order

    def bad_order(self, twins: Twins) -> ConsumeOrder:
        """A number that nobody has."""
        number = fresh_number()
        return ConsumeOrder(number, self.target, "balance", "", "", f"number-{number}", FACE)

    def times_done(self, tally: Tally, order: ConsumeOrder) -> int:
        return tally.numbers[f"{self.target}/{order.number}"].by.count(order.order_no)


KINDS = [*map(CardsOf, OPERATORS), *map(BalancesOf, OPERATORS)]


@pytest.mark.parametrize("law", LAWS, ids=law_name)
@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_operators_keep_the_law(kind: CardsOf, law: Law, twins: Twins) -> None:
    twins.run(law(kind, twins))


def test_each_bad_card_has_its_own_definite_word(twins: Twins) -> None:
    """Never issued · another PIN · another face value · its seller spent the PIN after selling it."""
    cards = CardsOf("unicom")
    wrong_pin = replace(cards.order(twins), pin="000000")
    wrong_face = replace(cards.order(twins), face_fen=Fen(5_000))
    spent = cards.order(twins)
    assert twins.control.spend([CardName("unicom", spent.serial)]) == 1

    async def send(order: ConsumeOrder) -> ConsumeVerdict | NotFound:
        return await cards.send(twins.platform, order)

    assert twins.run(send(cards.bad_order(twins))) == Rejected(Rejection.CARD_DOES_NOT_EXIST)
    assert twins.run(send(wrong_pin)) == Rejected(Rejection.PIN_IS_WRONG)
    assert twins.run(send(wrong_face)) == Rejected(Rejection.FACE_DIFFERS)
    assert twins.run(send(spent)) == Rejected(Rejection.CARD_IS_USED)


def test_a_card_is_consumed_by_one_order_only(twins: Twins) -> None:
    """Two orders for one card: the first has it, the second is told that it is used."""
    cards = CardsOf("cmcc")
    first = cards.order(twins)
    second = replace(first, order_no=fresh_number())
    assert isinstance(twins.run(cards.send(twins.platform, first)), Consumed)
    assert twins.run(cards.send(twins.platform, second)) == Rejected(Rejection.CARD_IS_USED)
    assert twins.control.tally().cards[f"cmcc/{first.serial}"].by == [first.order_no]
    assert twins.control.spend([CardName("cmcc", first.serial)]) == 0


@pytest.mark.parametrize(
    ("answer", "balance_fen", "verdict"),
    [
        ("confirms", 10_000, None),
        ("confirms", 9_999, Rejected(Rejection.BALANCE_IS_SHORT)),
        ("declines", 10_000, Rejected(Rejection.HOLDER_DECLINED)),
        ("silent", 10_000, WAITING),
    ],
)
def test_a_balance_waits_for_its_holder(
    answer: HolderAnswer, balance_fen: int, verdict: ConsumeVerdict | None, twins: Twins
) -> None:
    """The first answer is never a verdict. What the holder says decides; a holder who says nothing decides nothing."""
    balances = BalancesOf("cmcc")
    order = balances.bad_order(twins)
    twins.control.open_balances([Balance("cmcc", order.number, balance_fen, answer)])
    operator = HttpOperator("cmcc", twins.platform)
    assert twins.run(operator.consume(order)) == WAITING
    told = twins.run(operator.ask(order.order_no))
    assert told == verdict if verdict else isinstance(told, Consumed)
    truth = twins.control.tally().numbers[f"cmcc/{order.number}"]
    assert truth.consumed == (1 if verdict is None else 0)


def test_a_holder_who_takes_time_is_waited_for(twins: Twins) -> None:
    """An hour to think: waiting, however often it is asked – and still waiting after a restart."""
    order = BalancesOf("telecom").bad_order(twins)
    twins.control.open_balances([Balance("telecom", order.number, FACE, "confirms", after_ms=3_600_000)])
    operator = HttpOperator("telecom", twins.platform)
    assert twins.run(operator.consume(order)) == WAITING
    twins.sandbox.kill()
    twins.sandbox.start()
    # The first ask may go out on a connection whose end has not been noticed yet.
    heard = [twins.run(operator.ask(order.order_no)) for _ in range(2)]
    assert heard[0] in (WAITING, Unknown("connection_lost"))
    assert heard[1] == WAITING


def test_only_telecom_tells_whether_a_secret_is_valid(twins: Twins) -> None:
    """Good, wrong PIN, spent – and `None` from those who do not tell. Asking spends nothing."""
    telecom = HttpOperator("telecom", twins.platform)
    order = CardsOf("telecom").order(twins)
    assert twins.run(telecom.check_secret(order.secret)) is True
    assert twins.run(telecom.check_secret(CardSecret(order.serial, "000000", FACE))) is False
    assert isinstance(twins.run(telecom.consume(order)), Consumed)
    assert twins.run(telecom.check_secret(order.secret)) is False
    for name in ("cmcc", "unicom"):
        card = CardsOf(name).order(twins)
        assert twins.run(HttpOperator(name, twins.platform).check_secret(card.secret)) is None


def test_a_secret_that_cannot_be_asked_about_is_unknown(twins: Twins) -> None:
    """No answer is not "does not tell", and not "is bad"."""
    telecom = HttpOperator("telecom", twins.platform)
    order = CardsOf("telecom").order(twins)
    twins.control.set_faults(FaultPlan("telecom", {Fault.FAILS: 1.0}, on=("secret",)))
    assert twins.run(telecom.check_secret(order.secret)) == Unknown("http_500")
    twins.control.heal("telecom")
    stranger = HttpOperator("telecom", twins.stranger)
    assert twins.run(stranger.check_secret(order.secret)) == Unknown("signature_refused")


def test_a_late_reversal_is_heard_once_by_its_cursor(twins: Twins) -> None:
    """Consumed, answered, then taken back: it stands in the list behind the last cursor, and nowhere twice."""
    unicom = HttpOperator("unicom", twins.platform)
    seen = twins.run(unicom.reversals(""))
    assert isinstance(seen, list)
    since = seen[-1].cursor if seen else ""
    orders = [CardsOf("unicom").order(twins) for _ in range(3)]
    twins.control.set_faults(FaultPlan("unicom", {Fault.REVERSES_LATER: 1.0}, reversed_after_ms=0))
    consumed = [twins.run(unicom.consume(order)) for order in orders]
    twins.control.heal("unicom")
    assert all(isinstance(verdict, Consumed) for verdict in consumed)
    heard = twins.run(unicom.reversals(since))
    assert isinstance(heard, list)
    assert [reversal.order_no for reversal in heard] == [order.order_no for order in orders]
    assert [Consumed(reversal.reference) for reversal in heard] == consumed
    assert {reversal.face_fen for reversal in heard} == {FACE}
    assert twins.run(unicom.reversals(heard[0].cursor)) == heard[1:]
    assert twins.run(unicom.reversals(heard[-1].cursor)) == []
    tally = twins.control.tally()
    assert all(tally.cards[f"unicom/{order.serial}"].reversed == 1 for order in orders)
    twins.sandbox.kill()
    twins.sandbox.start()
    again = [twins.run(unicom.reversals(since)) for _ in range(2)]
    assert again[-1] == heard
    assert twins.control.tally() == tally


def test_reversals_that_cannot_be_asked_for_are_unknown_not_none(twins: Twins) -> None:
    assert twins.run(HttpOperator("unicom", twins.stranger).reversals("")) == Unknown("signature_refused")
    twins.control.set_faults(FaultPlan("unicom", {Fault.LOSES_ANSWER: 1.0}, on=("reversals",)))
    assert twins.run(HttpOperator("unicom", twins.platform).reversals("")) == Unknown("connection_lost")
    twins.control.heal("unicom")
