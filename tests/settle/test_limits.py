"""Limits: whatever is split, hurried, refused, given back or waited for, nobody takes more than a limit allows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S, SECOND, shanghai_day
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.keep_house import Released, ReleaseHolds
from suyuan.flows.record_outcome import TakeBack
from suyuan.flows.take_redemption import Taken
from suyuan.settle import limits
from suyuan.settle.audit import audit_books
from suyuan.settle.limits import LimitRules, Rule
from tests.settle.books_line import (
    NOON,
    BooksLine,
    Done,
    Knock,
    RaiseToday,
    a_key,
    a_seller,
    lay,
    outcome,
)

MIDNIGHT = NOON + 12 * 3600 * SECOND  # The first instant of 2026-11-23 in Shanghai.


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    """The ordinary rules: 5,000.00 a day, 10,000.00 in 24 hours, 1,000.00 at once. The books end balanced."""
    with lay(BooksLine(database)) as line:
        yield line
        with db.connect(database) as connection:
            audit = audit_books(connection, line.rules)
        assert audit.balanced, audit.findings


def reasons(answers: list[Any]) -> list[Reason | None]:
    return [answer.reason if isinstance(answer, Refusal) else None for answer in answers]


def sell(line: BooksLine, *numbers: int, **facts: Any) -> list[Any]:
    """Cards of 1,000.00 in one batch, unless told otherwise."""
    return line.submit(*[Knock(number, **({"face_fen": 1_000_00} | facts)).command() for number in numbers])


def taken_fen(answers: list[Any]) -> int:
    return sum(answer.face_fen for answer in answers if isinstance(answer, Taken))


# --- one limit -----------------------------------------------------------------------------------


def test_splitting_cannot_pass_the_daily_limit(line: BooksLine) -> None:
    """40 requests of 500.00 at once against 5,000.00: exactly ten pass, as many as one after the other."""
    answers = sell(line, *range(40), face_fen=500_00)
    assert taken_fen(answers) == 5_000_00
    assert set(reasons(answers)) == {None, Reason.step_up_is_needed}


@pytest.mark.parametrize("step_fen", [1_00, 10_00, 499_00])
def test_the_last_fen_fits_and_the_next_does_not(line: BooksLine, step_fen: int) -> None:
    sell(line, 1, 2, 3, 4)
    assert reasons(sell(line, 5, face_fen=1_000_00 - step_fen)) == [None]
    assert reasons(sell(line, 6, face_fen=step_fen + 1)) == [Reason.step_up_is_needed]
    assert reasons(sell(line, 7, face_fen=step_fen)) == [None]


def test_one_redemption_may_not_be_too_large(line: BooksLine) -> None:
    assert reasons(sell(line, 1, face_fen=1_000_01)) == [Reason.transaction_limit_is_reached]


def test_a_refused_redemption_takes_nothing(line: BooksLine) -> None:
    """Ten tries that the last rule refuses leave every other limit untouched."""
    tight = LimitRules(rules=(*LimitRules().rules[:-1], Rule("partner", "day", (100_00, 100_00, 100_00))))
    line.restart(tight)
    assert set(reasons(sell(line, *range(10)))) == {Reason.daily_limit_is_reached}
    with db.connect(line.url) as connection:
        assert connection.execute("SELECT FROM account").fetchall() == []


@pytest.mark.parametrize(
    ("subject", "facts"),
    [
        ("identity", {"identity": "one person"}),
        ("payee", {"payee": "one account"}),
    ],
)
def test_splitting_over_accounts_is_caught_by_what_they_share(line: BooksLine, subject: str, facts: Any) -> None:
    """Five sellers with one identity, or one payee, take 10,000.00 together, not 25,000.00."""
    names = [f"slr_{n}" for n in range(10, 15)]
    line.register(*[a_seller(name, **facts) for name in names])
    answers = [answer for n, name in enumerate(names) for answer in sell(line, *range(n * 5, n * 5 + 5), seller=name)]
    assert taken_fen(answers) == 10_000_00
    assert {(answer.reason, answer.where) for answer in answers if isinstance(answer, Refusal)} == {
        (Reason.daily_limit_is_reached, subject)
    }


def test_splitting_over_sellers_of_one_device_is_caught(line: BooksLine) -> None:
    names = [f"slr_{n}" for n in range(10, 15)]
    line.register(*[a_seller(name) for name in names])
    line.register(*[a_key(f"key_{name}", owner_kind="seller", owner=name, device="dev_1") for name in names])
    answers = [
        answer
        for n, name in enumerate(names)
        for answer in sell(line, *range(n * 5, n * 5 + 5), seller=name, key=f"key_{name}")
    ]
    assert taken_fen(answers) == 10_000_00
    assert {answer.where for answer in answers if isinstance(answer, Refusal)} == {"device"}


def test_a_new_device_starts_at_the_lowest_tier_for_a_day(line: BooksLine) -> None:
    """500.00 with a device that was bound at noon; a day later, to the microsecond, the tier of the seller."""
    line.register(a_seller("slr_2", bound_at=NOON), a_key("key_2", owner_kind="seller", owner="slr_2", device="dev_2"))
    answers = sell(line, 1, 2, seller="slr_2", key="key_2", face_fen=500_00)
    assert reasons(answers) == [None, Reason.daily_limit_is_reached]
    line.clock.advance(DAY_S - 0.000_001)
    assert reasons(sell(line, 3, seller="slr_2", key="key_2")) == [Reason.transaction_limit_is_reached]
    line.clock.advance(0.000_001)
    assert reasons(sell(line, 4, seller="slr_2", key="key_2")) == [None]


def test_a_raise_does_not_help_a_new_device(line: BooksLine) -> None:
    """A stolen account with the thief's own phone and a face on it still sells for 500.00 today, not for 5,500.00."""
    line.register(a_seller("slr_2", bound_at=NOON), a_key("key_2", owner_kind="seller", owner="slr_2", device="dev_2"))
    line.one(RaiseToday("slr_2"))
    answers = sell(line, 1, 2, seller="slr_2", key="key_2", face_fen=500_00)
    assert reasons(answers) == [None, Reason.daily_limit_is_reached]


# --- the windows ---------------------------------------------------------------------------------


def test_a_day_ends_at_midnight_in_shanghai(line: BooksLine) -> None:
    """At 23:59:59.999999 today's limit still counts; one microsecond later it is another day."""
    sell(line, 1, 2, 3, 4, 5)
    line.clock.advance((MIDNIGHT - 1 - NOON) / SECOND)
    assert shanghai_day(line.clock.now()) == "2026-11-22"
    assert reasons(sell(line, 6)) == [Reason.step_up_is_needed]
    line.clock.advance(0.000_001)
    assert (shanghai_day(line.clock.now()), reasons(sell(line, 7))) == ("2026-11-23", [None])


def test_midnight_within_one_batch_splits_it_where_it_falls(line: BooksLine) -> None:
    """The line's time moves by a microsecond an event, so a batch may begin on one day and end on the next.

    A refusal takes three: its turn, its decision, and itself.
    """
    sell(line, 1, 2, 3, 4, 5)
    line.clock.advance((MIDNIGHT - 4 - NOON) / SECOND)
    answers = sell(line, 6, 7, 8, 9)
    assert reasons(answers) == [Reason.step_up_is_needed] * 2 + [None] * 2


def test_around_midnight_the_rolling_limit_holds(line: BooksLine) -> None:
    """5,000.00 before midnight and 5,000.00 after it are the 10,000.00 of 24 hours; what is more has to wait."""
    line.clock.advance((MIDNIGHT - NOON) / SECOND - 60)
    sell(line, 1, 2, 3, 4, 5)
    line.clock.advance(120)
    sell(line, 6, 7, 8, 9, 10)
    line.one(RaiseToday("slr_1"))
    assert reasons(sell(line, 11)) == [Reason.rolling_limit_is_reached]


def fill_24_hours(line: BooksLine) -> int:
    """Takes all of the rolling limit over two days. Returns when the first card of it was taken."""
    line.clock.advance((MIDNIGHT - NOON) / SECOND - 60)
    first_at = sell(line, 1)[0].at
    line.clock.advance(1)
    sell(line, 2, 3, 4, 5)
    line.clock.advance(100)
    sell(line, 6, 7, 8, 9, 10)
    line.one(RaiseToday("slr_1"))
    return int(first_at)


def test_a_rolling_hold_ends_after_24_hours_to_the_microsecond(line: BooksLine) -> None:
    ends_at = fill_24_hours(line) + DAY_S * SECOND
    line.clock.advance((ends_at - 1 - line.clock.now()) / SECOND)
    assert reasons(sell(line, 11)) == [Reason.rolling_limit_is_reached]
    line.clock.advance(0.000_001)
    assert line.clock.now() == ends_at
    assert reasons(sell(line, 12)) == [None]
    assert reasons(sell(line, 13)) == [Reason.rolling_limit_is_reached]


def test_holds_come_back_from_the_database(line: BooksLine) -> None:
    """Another leader, with nothing in memory, meets the same holds and ends them at the same instant."""
    ends_at = fill_24_hours(line) + DAY_S * SECOND
    line.restart()
    line.clock.advance((ends_at - 1 - line.clock.now()) / SECOND)
    assert reasons(sell(line, 11)) == [Reason.rolling_limit_is_reached]
    line.restart()
    line.clock.advance(0.000_001)
    assert reasons(sell(line, 12, 13)) == [None, Reason.rolling_limit_is_reached]


def test_forgetting_brings_the_same_holds_back(line: BooksLine) -> None:
    """After a commit that failed, the holds of that batch are gone and those before it are there."""
    ends_at = fill_24_hours(line) + DAY_S * SECOND
    line.clock.advance((ends_at - line.clock.now()) / SECOND)
    line.break_next_commit("refused")
    assert reasons(sell(line, 11)) == [Reason.platform_has_a_fault]
    assert reasons(sell(line, 12, 13)) == [None, Reason.rolling_limit_is_reached]


def test_no_turn_releases_more_than_its_share(line: BooksLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 small cards, a day later: each turn releases ten holds, and so sees the room of ten and no more."""
    monkeypatch.setattr(limits, "RELEASES_PER_TAKE_MAX", 10)
    sell(line, *range(100), face_fen=10_00)
    line.clock.advance(DAY_S + 1)
    sell(line, 100, face_fen=10_00)
    with db.connect(line.url) as connection:
        released = connection.execute("SELECT seq FROM transfer WHERE state = 'expire'").fetchall()
    # Each card is two events, one that it was taken and one what was decided.
    assert released == [(200,)] * 10


def test_a_hold_that_was_given_back_does_not_expire_as_well(line: BooksLine) -> None:
    """The operator rejects the first card; a day later only the second one's hold is there to be released."""
    first, second = sell(line, 1, 2)
    line.submit(outcome(first.redemption, "rejected"))
    line.clock.advance(DAY_S + 1)
    key = "limit/seller/slr_1/24h"
    assert line.one(ReleaseHolds((key,))) == Released(1, second.face_fen)
    line.restart()
    assert line.one(ReleaseHolds((key,))) == Released(0, 0)


def test_the_sweeper_comes_for_what_is_there_to_release(line: BooksLine) -> None:
    """One hold of two is given back: once the other one is released, there is nothing to come for."""
    first, _ = sell(line, 1, 2)
    line.submit(outcome(first.redemption, "rejected"))
    assert asyncio.run(_swept(line)) == []
    line.clock.advance(DAY_S + 1)
    assert asyncio.run(_swept(line)) == ["limit/seller/slr_1/24h"]
    line.submit(ReleaseHolds(("limit/seller/slr_1/24h",)), Knock(3).command())
    assert asyncio.run(_swept(line)) == []


async def _swept(line: BooksLine) -> list[str]:
    async with await psycopg.AsyncConnection.connect(line.url) as connection:
        return await limits.accounts_with_expired_holds(connection, now=line.clock.now(), rows_max=9)


def test_the_sweeper_passes_by_what_was_given_back(line: BooksLine) -> None:
    """The newest hold is given back and an older one released; a third stays open, so the account holds something."""
    sell(line, 1)
    line.clock.advance(10)
    (second,) = sell(line, 2)
    line.submit(outcome(second.redemption, "rejected"))
    line.clock.advance(DAY_S - 5)
    sell(line, 3)
    line.clock.advance(10)
    assert asyncio.run(_swept(line)) == []


def test_a_hold_that_has_expired_is_not_given_back_as_well(line: BooksLine) -> None:
    """The operator takes two days to reject a card: the daily limit of that day gets it back, the rolling one has."""
    (first,) = sell(line, 1)
    line.clock.advance(2 * DAY_S)
    line.one(ReleaseHolds(("limit/seller/slr_1/24h",)))
    assert line.one(outcome(first.redemption, "rejected")).state == "rejected"
    with db.connect(line.url) as connection:
        states = connection.execute("SELECT DISTINCT state FROM transfer WHERE ledger = 'limit'").fetchall()
    assert {state for (state,) in states} == {"pending", "void", "expire"}


# --- giving back, raising ------------------------------------------------------------------------


def test_a_rejected_card_gives_every_limit_back_once(line: BooksLine) -> None:
    """Five cards fill the day; one is rejected, told twice; one more fits, and no second one."""
    answers = sell(line, 1, 2, 3, 4, 5)
    rejected = outcome(answers[0].redemption, "rejected")
    assert reasons(line.submit(rejected, rejected)) == [None, Reason.redemption_is_settled_already]
    assert reasons(sell(line, 6, 7)) == [None, Reason.step_up_is_needed]


def test_a_refused_payout_gives_every_limit_back(line: BooksLine) -> None:
    answers = sell(line, 1, 2, 3, 4, 5)
    line.submit(outcome(answers[0].redemption, "consumed"))
    line.submit(outcome(answers[0].redemption, "pay_refused"))
    assert reasons(sell(line, 6, 7)) == [None, Reason.step_up_is_needed]


def test_a_reversed_card_gives_nothing_back(line: BooksLine) -> None:
    """The seller had the money: what the operator takes back afterwards is a debt, not room for more."""
    answers = sell(line, 1, 2, 3, 4, 5)
    for kind in ("consumed", "paid"):
        line.submit(outcome(answers[0].redemption, kind))
    line.submit(TakeBack(answers[0].redemption, "ref", "cmcc"))
    assert reasons(sell(line, 6)) == [Reason.step_up_is_needed]


def test_a_step_up_raises_today_once(line: BooksLine) -> None:
    """5,000.00, a face check, 5,000.00 more; a second check raises nothing, and nothing but tomorrow helps."""
    sell(line, 1, 2, 3, 4, 5)
    assert reasons(sell(line, 6)) == [Reason.step_up_is_needed]
    assert line.one(RaiseToday("slr_1")) == Done(5_000_00)
    assert reasons(line.submit(RaiseToday("slr_1"))) == [Reason.step_up_was_granted_before]
    assert taken_fen(sell(line, *range(7, 20))) == 5_000_00
    assert set(reasons(sell(line, 20))) == {Reason.daily_limit_is_reached}


def test_two_checks_at_once_raise_once(line: BooksLine) -> None:
    answers = line.submit(RaiseToday("slr_1"), RaiseToday("slr_1"))
    assert reasons(answers) == [None, Reason.step_up_was_granted_before]


def test_a_raise_does_not_outlive_its_day(line: BooksLine) -> None:
    line.one(RaiseToday("slr_1"))
    line.clock.advance(DAY_S)
    assert taken_fen(sell(line, *range(10))) == 5_000_00
    assert line.one(RaiseToday("slr_1")) == Done(5_000_00)


def test_more_than_a_raise_is_not_promised_by_one(line: BooksLine) -> None:
    """A step-up that could not help is not asked for."""
    line.restart(replace(line.rules, step_up_raise_fen=500_00))
    sell(line, 1, 2, 3, 4, 5)
    assert reasons(sell(line, 6)) == [Reason.daily_limit_is_reached]
    assert reasons(sell(line, 7, face_fen=500_00)) == [Reason.step_up_is_needed]


def test_a_hold_given_back_in_this_batch_is_not_found_open_again(line: BooksLine) -> None:
    """It is looked up beside the transaction that voids it. A ghost would leave with the real ones, a day later."""
    (first,) = sell(line, 1)
    line.restart()
    line.decide_in_parts()
    line.submit(outcome(first.redemption, "rejected"), Knock(2, face_fen=1_000_00).command())
    (holds,) = line.shelves.limits._holds.values()
    assert len(holds) == 1
