"""The report of a simulated day, as a record: what was offered and what became of it, and what each attack achieved.

`offered` is the sum of `paid`, `reversed`, `rejected`, `pending`, `repeated`, `unanswered` and all of `refused`, so
nothing is lost. What the counts mean:

- `paid`: the seller has the value. `reversed`: the operator took the card back, and the seller owes what was paid.
- `rejected`: the platform took it and the operator or the channel would not; nothing was paid.
- `repeated`: the first answer again, to a request that was the same act.

>>> Tried(10, 0)
Tried(tried=10, got_through=0)
"""

from __future__ import annotations

from collections import Counter

import msgspec

from suyuan.faces.sdk.records import PAID, PENDING, REVERSED
from suyuan.faces.simulate.deeds import HONEST, Sale, SimBalance
from suyuan.faces.simulate.truth import Judgement, Witnessed, payouts_of

BREACHES_SHOWN_MAX = 50
# What honest sellers may meet: their own mistakes, and limits that are really reached.
EXPECTED_OF_HONEST = frozenset({"not_offered", "mistyped", "big_seller"})


class Tried(msgspec.Struct, frozen=True):
    """One attack: how often it was tried, and how many of the tries got anything they should not."""

    tried: int
    got_through: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one day."""

    offered: int
    paid: int
    paid_fen: int
    """What the channels paid in money; coupons and points are counted apart."""
    paid_units: dict[str, int]
    reversed: int
    rejected: int
    refused: dict[str, int]
    pending: int
    silent_holders: int
    """How many of the pending wait for the holder of a number who says nothing, as the plan knows."""
    repeated: int
    unanswered: int
    honest_refused: dict[str, int]
    """Refusals of honest sellers that no mistake and no limit explains."""
    attacks: dict[str, Tried]
    attacks_got_through: int
    over_limit_fen: int
    breaches: list[str]


def sum_up(seen: Witnessed, judgement: Judgement) -> Verdict:
    """The report of what was witnessed and judged."""
    buckets: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    unfair: Counter[str] = Counter()
    silent = 0
    for sale in seen.plan.sales:
        bucket, code = _bucket(seen, judgement, sale)
        buckets[bucket] += 1
        silent += bucket == "pending" and _is_silent(sale)
        if bucket == "refused":
            refused[code] += 1
            unfair[code] += sale.scheme == HONEST and sale.variant not in EXPECTED_OF_HONEST
    attacks = _attacks(seen, judgement)
    units = _paid_units(seen)
    return Verdict(
        offered=len(seen.plan.sales),
        paid=buckets["paid"],
        paid_fen=units.pop("money", 0),
        paid_units=units,
        reversed=buckets["reversed"],
        rejected=buckets["rejected"],
        refused=dict(sorted(refused.items())),
        pending=buckets["pending"],
        silent_holders=silent,
        repeated=buckets["repeated"],
        unanswered=buckets["unanswered"],
        honest_refused={code: count for code, count in sorted(unfair.items()) if count},
        attacks=attacks,
        # Every breach counts, also one that no attack explains.
        attacks_got_through=max(
            sum(attack.got_through for attack in attacks.values()), min(1, len(judgement.breaches))
        ),
        over_limit_fen=judgement.over_limit_fen,
        breaches=sorted({breach.sentence for breach in judgement.breaches})[:BREACHES_SHOWN_MAX],
    )


def _bucket(seen: Witnessed, judgement: Judgement, sale: Sale) -> tuple[str, str]:
    answer = seen.answers.get(sale.n)
    if answer is None or answer.said == "unanswered":
        return "unanswered", ""
    if answer.taken is None:
        return "refused", answer.code
    redemption = answer.taken.redemption
    if judgement.taken[redemption].n != sale.n:
        return "repeated", ""
    state = seen.states.get(redemption)
    if state is None or state.state == PENDING:
        return "pending", ""
    return ({PAID: "paid", REVERSED: "reversed"}.get(state.state, "rejected"), "")


def _is_silent(sale: Sale) -> bool:
    return isinstance(sale.source, SimBalance) and sale.source.answer == "silent"


def _attacks(seen: Witnessed, judgement: Judgement) -> dict[str, Tried]:
    """Each attack of the plan. A deed that breached in two ways got through once."""
    scheme_of = {deed.n: getattr(deed, "scheme", HONEST) for deed in seen.plan.deeds}
    through = Counter(scheme_of.get(deed, HONEST) for deed in {breach.deed for breach in judgement.breaches})
    return {scheme: Tried(tried, through[scheme]) for scheme, tried in sorted(seen.plan.schemes().items())}


def _paid_units(seen: Witnessed) -> dict[str, int]:
    units: Counter[str] = Counter()
    for _, _, payout in payouts_of(seen.tally):
        units[payout.value_kind] += payout.amount * payout.times
    return dict(sorted(units.items()))
