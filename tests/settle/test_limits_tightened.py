"""A decision may tighten limits for one attempt, and nothing ever loosens them: laws over all amounts and percents."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import Micros
from suyuan.history.line import Turn
from suyuan.settle.ledger import Books
from suyuan.settle.limits import LimitRules, Limits, Rule, Take

RULES = LimitRules(
    transaction_fen_max=(300, 600, 900),
    step_up_raise_fen=400,
    rules=(
        Rule("seller", "day", (400, 1_000, 2_000)),
        Rule("seller", "24h", (500, 1_200, 2_500)),
        Rule("payee", "day", (800, 1_500, 3_000)),
    ),
)
TURN = Turn(1, Micros(1_795_320_000_000_000))
tiers, amounts, percents = st.integers(0, 2), st.integers(1, 1_000), st.integers(-50, 400)


def limits_after(taken: Sequence[int], tier: int, *, raised: bool) -> tuple[Limits, Sequence[Take]]:
    """The limits of a seller who has taken these amounts, as far as there was room, and perhaps passed a face check."""
    books = Books()
    limits = Limits(books, RULES)
    takes = limits.takes({"seller": "slr_1", "payee": "pay_1"}, tier, "2026-11-22")
    for take in takes:
        limits._holds[take.key] = deque()
    keys = [take.key for take in takes]
    books.accounts._absent.update(["limit/spent", "limit/raised", *keys])
    for fen in taken:
        if limits.check(takes, fen, tier=tier, at=TURN.at) is None:
            limits.take(TURN, takes, fen)
    if raised:
        limits.raise_today(TURN, "slr_1", "2026-11-22")
    return limits, takes


@given(st.lists(amounts, max_size=4), tiers, amounts, percents, st.booleans())
def test_no_percent_gives_more_room_than_there_is(
    taken: list[int], tier: int, fen: int, percent: int, raised: bool
) -> None:
    """Whatever a policy says, be it below nothing or above everything."""
    limits, takes = limits_after(taken, tier, raised=raised)
    if limits.check(takes, fen, tier=tier, at=TURN.at, percent=percent) is None:
        assert limits.check(takes, fen, tier=tier, at=TURN.at) is None


@given(st.lists(amounts, max_size=4), tiers, amounts, st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_a_smaller_percent_is_never_milder(
    taken: list[int], tier: int, fen: int, one: int, other: int, raised: bool
) -> None:
    limits, takes = limits_after(taken, tier, raised=raised)
    smaller, larger = sorted((one, other))
    if limits.check(takes, fen, tier=tier, at=TURN.at, percent=smaller) is None:
        assert limits.check(takes, fen, tier=tier, at=TURN.at, percent=larger) is None


@given(tiers, amounts)
def test_nothing_is_left_at_no_percent(tier: int, fen: int) -> None:
    limits, takes = limits_after([], tier, raised=True)
    assert limits.check(takes, fen, tier=tier, at=TURN.at, percent=0) is not None


@given(st.lists(amounts, max_size=4), tiers, amounts, percents)
def test_looking_takes_nothing(taken: list[int], tier: int, fen: int, percent: int) -> None:
    limits, takes = limits_after(taken, tier, raised=False)
    before = [(a.debits_pending, a.credits_posted) for take in takes if (a := limits._books.accounts.peek(take.key))]
    limits.check(takes, fen, tier=tier, at=TURN.at, percent=percent)
    after = [(a.debits_pending, a.credits_posted) for take in takes if (a := limits._books.accounts.peek(take.key))]
    assert before == after
