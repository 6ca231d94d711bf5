"""What truly happened, judged by the plan, the sandbox's tally and the platform's answers.

Limits are recomputed here from the limits' definition alone: what was taken and not yet given back, in the order of
the platform's own instants, for every subject and window. Payouts are judged by what the channels really paid: to
whom, for which merchant, how much, how often. So a platform that errs and tells itself otherwise is still found out.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from suyuan.base.clock import DAY_S, plus, shanghai_day
from suyuan.base.money import split
from suyuan.faces.sdk import RedemptionState
from suyuan.faces.sdk.records import PAYOUT_REFUSED, REJECTED, REVERSED
from suyuan.faces.simulate.deeds import Plan, Sale, SameDevice, SimBalance, SimCard, Source, StepUp
from suyuan.faces.simulate.traffic import Answered
from suyuan.flows.record_outcome import PAY_SUFFIX
from suyuan.flows.who_asks import ip_prefix
from suyuan.outside.sandbox.world import PayoutTruth, Tally
from suyuan.settle.limits import LimitRules, Rule

UNEXPLAINED = -1
"""Stands for a deed where none is known: a payout for a redemption that nobody was told of."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Everything that a judge looks at."""

    plan: Plan
    answers: Mapping[int, Answered]
    states: Mapping[str, RedemptionState]
    tally: Tally


class Breach(NamedTuple):
    """One thing that must not happen: which deed got through, and the sentence for people."""

    deed: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All breaches, the fen over any limit, and what became of every redemption."""

    breaches: list[Breach] = field(default_factory=list)
    over_limit_fen: int = 0
    taken: dict[str, Sale] = field(default_factory=dict)
    """Each redemption by id, and the sale that it began with; repetitions of it are left out."""


class Take(NamedTuple):
    """What one redemption held, from one instant to another, on one limit account."""

    at: int
    until: int | None
    fen: int
    tier: int
    deed: int


def judge(seen: Witnessed, rules: LimitRules) -> Judgement:
    """Judges everything."""
    taken = first_sales(seen)
    breaches = [
        *_taken_wrongly(seen, taken),
        *_granted_wrongly(seen),
        *_paid_wrongly(seen, taken),
        *_paid_twice(seen, taken),
        *_paid_for_nothing(seen, taken),
        *_withheld_wrongly(seen, taken),
    ]
    over_limit_fen, over = over_limits(seen, taken, rules)
    return Judgement([*breaches, *over], over_limit_fen, taken)


def first_sales(seen: Witnessed) -> dict[str, Sale]:
    """The redemptions that were taken, each by the sale that asked for it first."""
    taken: dict[str, Sale] = {}
    for sale in sorted(seen.plan.sales, key=lambda sale: sale.n):
        answer = seen.answers.get(sale.n)
        if answer is not None and answer.taken is not None:
            taken.setdefault(answer.taken.redemption, sale)
    return taken


def _taken_wrongly(seen: Witnessed, taken: Mapping[str, Sale]) -> Iterator[Breach]:
    """Requests that no platform may accept, and repetitions that were taken for something new."""
    for sale in seen.plan.sales:
        answer = seen.answers.get(sale.n)
        if answer is None or answer.taken is None:
            continue
        redemption = answer.taken.redemption
        if sale.repeat == "same" and taken[redemption].n == sale.repeats:
            continue
        if not sale.may_be_taken:
            yield Breach(sale.n, f"{sale.scheme}/{sale.variant} was accepted as {redemption}")
        parts = split(sale.source.face_fen, seen.plan.cast.contracts[sale.contract].ratio)
        said = answer.taken
        if (said.face_fen, said.paid, said.fee_fen, said.rounding_fen) != (
            sale.source.face_fen, parts.paid, parts.fee, parts.rounding,
        ):  # fmt: skip
            yield Breach(sale.n, f"{redemption} has another ratio than its contract")
        if said.value_kind != seen.plan.cast.contracts[sale.contract].value_kind:
            yield Breach(sale.n, f"{redemption} has another value kind than its contract")


def _granted_wrongly(seen: Witnessed) -> Iterator[Breach]:
    for deed in seen.plan.deeds:
        answer = seen.answers.get(deed.n)
        if answer is None or answer.said != "granted":
            continue
        if isinstance(deed, SameDevice):
            yield Breach(deed.n, "one device was enrolled for two sellers")
        elif isinstance(deed, StepUp) and not deed.may_be_granted:
            yield Breach(deed.n, "a limit was raised by a wrong face, or twice")


def payouts_of(tally: Tally) -> Iterator[tuple[str, str, PayoutTruth]]:
    """What the channels paid: channel, redemption, truth."""
    for name, payout in tally.payouts.items():
        channel, _, order_no = name.partition("/")
        if payout.times:
            yield channel, order_no.removesuffix(PAY_SUFFIX), payout


def _paid_wrongly(seen: Witnessed, taken: Mapping[str, Sale]) -> Iterator[Breach]:
    """Payouts to anybody, for any merchant, of any kind or amount other than what is registered; and paid again."""
    cast = seen.plan.cast
    for channel, redemption, payout in payouts_of(seen.tally):
        sale = taken.get(redemption)
        if sale is None:
            if not _is_unanswered(seen):
                yield Breach(UNEXPLAINED, f"{redemption} was paid, and nobody was told of it")
            continue
        contract, payee = cast.contracts[sale.contract], cast.sellers[sale.seller].payee
        paid = split(sale.source.face_fen, contract.ratio).paid
        state = seen.states.get(redemption)
        owed_fen = state.debt_fen if state is not None else 0
        if payout.payee != payee:
            yield Breach(sale.n, f"{redemption} was paid to another account than the seller's")
        if (channel, payout.merchant_id) != (contract.channel, contract.merchant_id):
            yield Breach(sale.n, f"{redemption} was paid by another channel or merchant than the contract's")
        if payout.value_kind != contract.value_kind or payout.amount != paid - owed_fen:
            yield Breach(sale.n, f"{redemption} was paid another amount or kind than the contract's")
        if payout.times > 1:
            yield Breach(sale.n, f"{redemption} was paid {payout.times} times")


def _is_unanswered(seen: Witnessed) -> bool:
    """Whether some request got no answer, so that the platform may know more than the sellers."""
    return any(answer.said == "unanswered" for answer in seen.answers.values())


def _paid_twice(seen: Witnessed, taken: Mapping[str, Sale]) -> Iterator[Breach]:
    """Cards, known by their PIN, that brought more than one payout; and sources consumed more than once."""
    paid: dict[tuple[str, str], list[int]] = defaultdict(list)
    for _, redemption, _ in payouts_of(seen.tally):
        sale = taken.get(redemption)
        if sale is not None and isinstance(sale.source, SimCard):
            paid[sale.source.operator, sale.source.pin].append(sale.n)
    for deeds in paid.values():
        for deed in sorted(deeds)[1:]:
            yield Breach(deed, "a card was paid for twice")
    for name, truth in seen.tally.cards.items():
        if truth.consumed > 1:
            yield Breach(UNEXPLAINED, f"a card of {name.partition('/')[0]} was consumed {truth.consumed} times")
    for what, times in seen.tally.strange.items():
        yield Breach(UNEXPLAINED, f"the platform sent its providers a {what} {times} times")


def _paid_for_nothing(seen: Witnessed, taken: Mapping[str, Sale]) -> Iterator[Breach]:
    """Sources that were paid for and brought nothing, without their seller owing it."""
    for _, redemption, _ in payouts_of(seen.tally):
        sale, state = taken.get(redemption), seen.states.get(redemption)
        if sale is None or state is None:
            continue
        if is_worthless(sale.source, seen.tally) and state.state != REVERSED:
            yield Breach(sale.n, f"{redemption} was paid for a card that is worth nothing, and nobody owes it")


def _withheld_wrongly(seen: Witnessed, taken: Mapping[str, Sale]) -> Iterator[Breach]:
    """Sellers of whose payouts more was kept for old debts than they ever owed."""
    owed_fen: dict[int, int] = defaultdict(int)
    kept: dict[int, list[int]] = defaultdict(list)
    for redemption, sale in taken.items():
        state = seen.states.get(redemption)
        if state is None:
            continue
        owed_fen[sale.seller] += state.paid if state.state == REVERSED else 0
        if state.debt_fen and state.state not in (REJECTED, PAYOUT_REFUSED):
            owed_fen[sale.seller] -= state.debt_fen
            kept[sale.seller].append(sale.n)
    for seller, deeds in kept.items():
        if owed_fen[seller] < 0:
            yield Breach(max(deeds), "more was kept for debts than was owed")


def is_worthless(source: Source, tally: Tally) -> bool:
    """Whether a source brings nothing: its PIN is wrong, its holder has used it, or the operator took it back."""
    if isinstance(source, SimBalance):
        number = tally.numbers.get(f"{source.operator}/{source.number}")
        return number is not None and number.reversed > 0
    truth = tally.cards.get(source.name)
    return source.pin != source.true_pin or (truth is not None and (truth.spent_by_holder or truth.reversed > 0))


# --- limits --------------------------------------------------------------------------------------


def over_limits(seen: Witnessed, taken: Mapping[str, Sale], rules: LimitRules) -> tuple[int, list[Breach]]:
    """Recomputes every limit. Gives the fen over them, the largest excess of each account, and who got through."""
    accounts: dict[tuple[Rule, str], list[Take]] = defaultdict(list)
    breaches: list[Breach] = []
    total_fen = 0
    for redemption, sale in taken.items():
        take = _take(seen, redemption, sale)
        excess_fen = take.fen - rules.transaction_fen_max[take.tier]
        if excess_fen > 0:
            total_fen += excess_fen
            breaches.append(Breach(sale.n, f"{redemption} is over the limit of one transaction"))
        subjects = _subjects(seen.plan, sale)
        for rule in rules.rules:
            if rule.subject in subjects:
                window = shanghai_day(take.at) if rule.window == "day" else ""
                accounts[rule, f"{subjects[rule.subject]}/{window}"].append(take)
    raised = _raised_from(seen)
    for (rule, account), takes in accounts.items():
        raised_from = (
            raised.get(account.partition("/")[0]) if (rule.subject, rule.window) == ("seller", "day") else None
        )
        excess_fen, deeds = _excess(rule, takes, raised_from, rules.step_up_raise_fen)
        total_fen += excess_fen
        breaches += [Breach(deed, f"a limit was passed: {rule.subject} within {rule.window}") for deed in deeds]
    return total_fen, breaches


def _excess(rule: Rule, takes: Iterable[Take], raised_from: int | None, raise_fen: int) -> tuple[int, list[int]]:
    """By how much the takes of one account ever pass its cap, and the deeds that made them."""
    ends: list[tuple[int, int]] = []
    held_fen, excess_fen, deeds = 0, 0, []
    for take in sorted(takes, key=lambda take: take.at):
        while ends and ends[0][0] <= take.at:
            held_fen -= heapq.heappop(ends)[1]
        held_fen += take.fen
        window_end = [plus(take.at, DAY_S)] if rule.window == "24h" else []
        given_back = [take.until] if take.until is not None else []
        if end := min(window_end + given_back, default=None):
            heapq.heappush(ends, (end, take.fen))
        is_raised = raised_from is not None and take.at >= raised_from
        over_fen = held_fen - rule.cap_fen[take.tier] - raise_fen * is_raised
        if over_fen > 0:
            excess_fen = max(excess_fen, over_fen)
            deeds.append(take.deed)
    return excess_fen, deeds


def _take(seen: Witnessed, redemption: str, sale: Sale) -> Take:
    """What a redemption held. One that came to nothing gave everything back at its last change."""
    answer, state = seen.answers[sale.n], seen.states.get(redemption)
    assert answer.taken is not None, "only what was taken is judged by limits"
    until = state.changed_at if state is not None and state.state in (REJECTED, PAYOUT_REFUSED) else None
    # A phone that was enrolled today sells in the lowest tier; everybody else is verified.
    return Take(answer.taken.at, until, sale.source.face_fen, 0 if sale.by == "device" else 1, sale.n)


def _subjects(plan: Plan, sale: Sale) -> dict[str, str]:
    """Whom the limits count a sale for, by the truth of the cast."""
    seller = plan.cast.sellers[sale.seller]
    subjects = {
        "seller": seller.id,
        "identity": seller.identity_number,
        "payee": seller.payee,
        "partner": plan.cast.partners[seller.partner].id,
        "ip_prefix": ip_prefix(sale.address).replace("/", "-"),
    }
    return subjects | ({"device": seller.device.id} if sale.by == "device" and seller.device is not None else {})


def _raised_from(seen: Witnessed) -> dict[str, int]:
    """From when on each seller's limit may have been raised: not before the face check was asked for."""
    return {
        seen.plan.cast.sellers[deed.seller].id: answer.asked_at
        for deed in seen.plan.deeds
        if isinstance(deed, StepUp) and (answer := seen.answers.get(deed.n)) is not None and answer.said == "granted"
    }
