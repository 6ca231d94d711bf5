"""The judge of a simulated day: an honest platform is found innocent, and every planted breach is found.

The day here is never carried out. `a_good_day` writes down what a faultless platform would answer and a faultless
channel would pay; each test then changes one thing, as a thief would have it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import msgspec
import pytest

from suyuan.base.clock import SECOND
from suyuan.base.money import split
from suyuan.faces.sdk import Pending, RedemptionState
from suyuan.faces.simulate.deeds import HONEST, Plan, Sale, SimCard, StepUp
from suyuan.faces.simulate.plan import make_plan
from suyuan.faces.simulate.traffic import Answered
from suyuan.faces.simulate.truth import Judgement, Witnessed, judge
from suyuan.faces.simulate.verdict import sum_up
from suyuan.outside.sandbox.world import PayoutTruth, SourceTruth, Tally
from suyuan.settle.limits import LimitRules

MORNING = 1_795_300_000 * SECOND
RULES = LimitRules()
REFUSED = Answered("refused", "signature_is_wrong")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(seed=7, redemptions=600)


@pytest.fixture
def day(plan: Plan) -> Witnessed:
    return a_good_day(plan)


def a_good_day(plan: Plan) -> Witnessed:
    """Honest sales of good cards are paid, as far as 400 yuan a seller; everything else is refused."""
    answers: dict[int, Answered] = {}
    states: dict[str, RedemptionState] = {}
    tally = Tally(cards={}, payouts={}, strange={})
    sold_fen: dict[int, int] = defaultdict(int)
    for deed in plan.deeds:
        answers[deed.n] = REFUSED
        if not isinstance(deed, Sale) or deed.scheme != HONEST or not isinstance(deed.source, SimCard):
            continue
        sold_fen[deed.seller] += deed.source.face_fen
        if deed.variant == "" and sold_fen[deed.seller] <= 400_00:
            _take(plan, deed, answers, states)
            _pay(plan, deed, tally)
    return Witnessed(plan, answers, states, tally)


def _take(plan: Plan, sale: Sale, answers: dict[int, Answered], states: dict[str, RedemptionState]) -> None:
    contract = plan.cast.contracts[sale.contract]
    parts = split(sale.source.face_fen, contract.ratio)
    taken = Pending(
        redemption=f"rdm_{sale.n}", state="pending", seq=sale.n, at=MORNING + sale.n, face_fen=sale.source.face_fen,
        paid=parts.paid, fee_fen=parts.fee, rounding_fen=parts.rounding, debt_fen=0, value_kind=contract.value_kind,
    )  # fmt: skip
    answers[sale.n] = Answered("taken", taken=taken)
    fields = msgspec.structs.asdict(taken) | {"state": "paid", "changed_at": taken.at + SECOND, "reference": "r"}
    states[taken.redemption] = RedemptionState(**fields)


def _pay(plan: Plan, sale: Sale, tally: Tally) -> None:
    contract = plan.cast.contracts[sale.contract]
    assert isinstance(sale.source, SimCard)
    tally.cards[sale.source.name] = SourceTruth(consumed=1, consumed_fen=sale.source.face_fen, by=[f"rdm_{sale.n}-c"])
    tally.payouts[f"{contract.channel}/rdm_{sale.n}-p"] = PayoutTruth(
        contract.merchant_id, plan.cast.sellers[sale.seller].payee, contract.value_kind,
        split(sale.source.face_fen, contract.ratio).paid, times=1,
    )  # fmt: skip


def first_payout(day: Witnessed) -> PayoutTruth:
    return next(iter(day.tally.payouts.values()))


def first_taken(day: Witnessed) -> Sale:
    return next(sale for sale in day.plan.sales if day.answers[sale.n].taken is not None)


def attack(day: Witnessed, scheme: str, variant: str = "") -> Sale:
    return next(sale for sale in day.plan.sales if sale.scheme == scheme and variant in ("", sale.variant))


def got_through(day: Witnessed) -> int:
    judgement = judge(day, RULES)
    return sum_up(day, judgement).attacks_got_through


def judged(day: Witnessed) -> Judgement:
    return judge(day, RULES)


def test_an_honest_platform_is_innocent(day: Witnessed) -> None:
    """Nothing got through, and every redemption is in exactly one of the sums."""
    judgement = judged(day)
    assert judgement.breaches == []
    assert judgement.over_limit_fen == 0
    verdict = sum_up(day, judgement)
    assert verdict.attacks_got_through == 0
    assert verdict.paid == len(day.tally.payouts) > 100
    other = verdict.reversed + verdict.rejected + verdict.pending + verdict.repeated + verdict.unanswered
    assert verdict.offered == verdict.paid + other + sum(verdict.refused.values())


def test_a_double_payout_is_found(day: Witnessed) -> None:
    """The channel paid one order twice."""
    first_payout(day).times = 2
    assert got_through(day) == 1


def test_a_redirected_payout_is_found(day: Witnessed) -> None:
    first_payout(day).payee = "acct-thief"
    assert got_through(day) == 1


def test_a_payout_for_a_shell_merchant_is_found(day: Witnessed) -> None:
    first_payout(day).merchant_id = "m-shell"
    assert got_through(day) == 1


def test_a_hundred_for_a_hundred_is_found(day: Witnessed) -> None:
    """The channel paid more than the ratio gives, though the platform answered well."""
    first_payout(day).amount += 1
    assert got_through(day) == 1


def test_another_kind_is_found(day: Witnessed) -> None:
    payout = first_payout(day)
    payout.value_kind = "coupon" if payout.value_kind == "money" else "money"
    assert got_through(day) == 1


def test_a_payout_that_nobody_asked_for_is_found(day: Witnessed) -> None:
    day.tally.payouts["bank_transfer/rdm_ghost-p"] = PayoutTruth("m-blue", "acct-1", "money", 80_00, times=1)
    assert got_through(day) == 1


@pytest.mark.parametrize(
    "scheme", ["kind_change", "channel_hijack", "rule_bypass", "forged_signature", "replay", "doubled_key"]
)
def test_a_forbidden_request_that_was_taken_is_found(day: Witnessed, scheme: str) -> None:
    """It counts for its own attack, though it was never paid."""
    sale = attack(day, scheme)
    _take(day.plan, sale, day.answers, day.states)  # type: ignore[arg-type]  # They are dicts here.
    verdict = sum_up(day, judged(day))
    assert verdict.attacks[scheme].got_through == 1
    assert verdict.attacks_got_through == 1


def test_a_repetition_with_the_first_answer_is_none(day: Witnessed) -> None:
    """The same key and body got the same redemption: that is what the key is for."""
    again = attack(day, "doubled_key", "same")
    assert again.repeats is not None
    answers = {**day.answers, again.n: day.answers[again.repeats]}
    seen = replace(day, answers=answers)
    assert judged(seen).breaches == []
    assert sum_up(seen, judged(seen)).repeated == 1


def test_one_card_paid_through_two_partners_is_found(day: Witnessed) -> None:
    """Each payout is right by itself; together they are a card sold twice."""
    for sale in (sale for sale in day.plan.sales if sale.variant == "two_partners"):
        _take(day.plan, sale, day.answers, day.states)  # type: ignore[arg-type]  # They are dicts here.
        _pay(day.plan, sale, day.tally)
    assert sum_up(day, judged(day)).attacks["double_sale"].got_through >= 1


def test_a_card_spent_by_its_holder_must_be_owed(day: Witnessed) -> None:
    """Paid and worth nothing: a loss while the seller owes it not, and none once the redemption is reversed."""
    sale = first_taken(day)
    assert isinstance(sale.source, SimCard)
    truth = day.tally.cards[sale.source.name]
    truth.consumed, truth.spent_by_holder = 0, True
    assert got_through(day) == 1
    state = msgspec.structs.replace(day.states[f"rdm_{sale.n}"], state="reversed")
    assert judged(replace(day, states={**day.states, f"rdm_{sale.n}": state})).breaches == []


def test_a_card_that_was_taken_back_must_be_owed(day: Witnessed) -> None:
    """The operator reversed it after it was paid for, and nothing was booked."""
    sale = first_taken(day)
    assert isinstance(sale.source, SimCard)
    day.tally.cards[sale.source.name].reversed = 1
    assert got_through(day) == 1


def test_a_seller_who_owes_nothing_is_paid_in_full(day: Witnessed) -> None:
    """A platform that keeps 10 yuan for a debt that never was takes them from its seller."""
    sale = first_taken(day)
    state = msgspec.structs.replace(day.states[f"rdm_{sale.n}"], debt_fen=10_00)
    payout = next(payout for name, payout in day.tally.payouts.items() if f"/rdm_{sale.n}-p" in name)
    payout.amount -= 10_00
    assert got_through(replace(day, states={**day.states, f"rdm_{sale.n}": state})) == 1


def test_an_order_that_was_changed_on_the_way_is_found(day: Witnessed) -> None:
    """The same order number with another body: only a platform in disorder sends that."""
    day.tally.strange["bank_transfer/conflict"] = 1
    assert got_through(day) == 1


def test_a_raise_by_a_wrong_face_is_found(day: Witnessed) -> None:
    deed = next(deed for deed in day.plan.deeds if isinstance(deed, StepUp) and not deed.may_be_granted)
    seen = replace(day, answers={**day.answers, deed.n: Answered("granted", asked_at=MORNING)})
    assert sum_up(seen, judged(seen)).attacks["forged_face"].got_through == 1


def test_splitting_over_one_seller_is_measured_in_fen(day: Witnessed) -> None:
    """A phone that is new today may sell for 500. All eight of 100 were taken: 300 yuan over, twice (day and 24 h)."""
    split_up = [sale for sale in day.plan.sales if sale.variant == "below_the_limit"][:8]
    for sale in split_up:
        _take(day.plan, sale, day.answers, day.states)  # type: ignore[arg-type]  # They are dicts here.
    judgement = judged(day)
    assert judgement.over_limit_fen == 2 * 300_00
    assert sum_up(day, judgement).attacks["fund_splitting"].got_through == 3


@pytest.mark.parametrize("variant", ["one_person", "one_account"])
def test_splitting_over_sellers_is_found(day: Witnessed, variant: str) -> None:
    """Three sellers, each below its own limit, and 10,500 together."""
    for sale in [sale for sale in day.plan.sales if sale.variant == variant][:21]:
        _take(day.plan, sale, day.answers, day.states)  # type: ignore[arg-type]  # They are dicts here.
    assert judged(day).over_limit_fen == 500_00


def test_what_came_to_nothing_gives_its_limit_back(day: Witnessed) -> None:
    """Five were rejected before the other three were taken, so there was room."""
    split_up = sorted((sale for sale in day.plan.sales if sale.variant == "below_the_limit"), key=lambda sale: sale.n)[
        :8
    ]
    for sale in split_up:
        _take(day.plan, sale, day.answers, day.states)  # type: ignore[arg-type]  # They are dicts here.
    states = dict(day.states)
    for sale in split_up[:5]:
        state = states[f"rdm_{sale.n}"]
        states[state.redemption] = msgspec.structs.replace(state, state="rejected", changed_at=state.at)
    assert judged(replace(day, states=states)).over_limit_fen == 0
