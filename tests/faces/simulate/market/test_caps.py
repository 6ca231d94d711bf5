"""The market counts limits by itself; the real line, over a real database, says the same about every attempt."""

from __future__ import annotations

from random import Random

import pytest

from suyuan.base.clock import SECOND, SetClock
from suyuan.base.refusals import Refusal
from suyuan.faces.simulate.market.caps import Caps
from suyuan.settle.limits import LimitRules
from tests.settle.books_line import (
    NOON,
    PARTNER_KEY,
    BooksLine,
    Knock,
    RaiseToday,
    a_contract,
    a_key,
    a_partner,
    a_seller,
    outcome,
)

SELLERS = 6
FACES = (50_00, 100_00, 300_00, 500_00, 1_000_00, 1_000_01)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_market_counts_limits_as_settle_does(database: str, seed: int) -> None:
    """260 attempts over three days: shared people, accounts and phones, raises, and cards that are given back."""
    rng = Random(seed)
    rules = LimitRules()
    caps = Caps(rules)
    answers: list[tuple[str, str]] = []
    with BooksLine(database, rules, SetClock(NOON)) as line:
        line.register(a_partner(), a_contract(), a_key())
        for n in range(SELLERS):
            line.register(a_seller(f"slr_{n}", identity=f"idn_{n // 2}", payee=f"pay_{n % 4}", bound_at=bound_at(n)))
            line.register(a_key(f"key_{n}", owner_kind="seller", owner=f"slr_{n}", device=f"dev_{n // 3}"))
        for number in range(260):
            line.clock.advance(rng.expovariate(1 / 900))
            n, face_fen, by_device = rng.randrange(SELLERS), rng.choice(FACES), rng.random() < 0.7
            if rng.random() < 0.03:
                line.one(RaiseToday(f"slr_{n}"))
                caps.raise_today(n, at=line.clock.now())
            at = line.next_at
            knock = Knock(number, f"slr_{n}", face_fen=face_fen, key=f"key_{n}" if by_device else PARTNER_KEY)
            answer = line.one(knock.command())
            subjects = {"seller": n, "identity": n // 2, "payee": n % 4, "partner": 0, "ip_prefix": 0}
            subjects |= {"device": n // 3} if by_device else {}
            tier = 0 if by_device and at < bound_at(n) + 86_400 * SECOND else 1
            refusal = caps.check(subjects, face_fen, tier=tier, at=at)
            answers.append(
                (answer.reason.value if isinstance(answer, Refusal) else "", refusal.value if refusal else "")
            )
            if refusal is None:
                caps.take(subjects, face_fen, at=at)
                if rng.random() < 0.1:
                    line.one(outcome(knock.id, "rejected"))
                    caps.give_back(subjects, face_fen, taken_at=at)
    assert [real for real, _ in answers] == [counted for _, counted in answers]
    assert len({real for real, _ in answers}) >= 4


def bound_at(n: int) -> int:
    """One seller's phone is a few hours old, one's is bound for a while, and some have long had theirs."""
    return {0: NOON - 3 * 3600 * SECOND, 1: NOON - 30 * 3600 * SECOND}.get(n, 0)
