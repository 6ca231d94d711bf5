"""Clocks of requests over real holidays of 2026, and the closed list of reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import DAY_S, SECOND, Micros, shanghai_day
from suyuan.privacy import requests
from suyuan.privacy.requests import KINDS, OF_A_NUMBER, REFUSALS, WITH_BUNDLE, WITH_VALUES, due_at, slot_of
from suyuan.privacy.working_days import is_working_day, last_instant


def instant(text: str) -> Micros:
    return Micros(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND)


@pytest.mark.parametrize(
    ("came", "due"),
    [
        # Noon in Shanghai is four in the morning in UTC.
        ("2026-02-13T04:00", "2026-03-12"),  # Saturday the 14th is worked; then nine days of Spring Festival.
        ("2026-02-14T04:00", "2026-03-13"),  # On that working Saturday itself.
        ("2026-04-30T04:00", "2026-05-25"),  # Labour Day to the 5th; Saturday the 9th is worked.
        ("2026-09-18T04:00", "2026-10-15"),  # Sunday the 20th is worked; the 25th is Mid-Autumn; then National Day.
        ("2026-09-30T15:59", "2026-10-27"),  # A minute before midnight in Shanghai.
        ("2026-09-30T16:00", "2026-10-27"),  # On the holiday that follows.
        ("2026-11-22T04:00", "2026-12-11"),
    ],
)
def test_a_request_is_due_at_the_end_of_the_fifteenth_working_day(came: str, due: str) -> None:
    received_at = instant(came)
    assert shanghai_day(due_at(received_at)) == due
    assert shanghai_day(due_at(received_at) + 1) != due


def test_make_up_saturdays_are_worked_and_holidays_are_not() -> None:
    worked = ["2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
    free = ["2026-02-15", "2026-02-17", "2026-02-23", "2026-05-01", "2026-10-01", "2026-10-07", "2026-11-21"]
    assert all(is_working_day(date.fromisoformat(day)) for day in worked)
    assert not any(is_working_day(date.fromisoformat(day)) for day in free)


@given(st.integers(0, 200 * 366 * DAY_S))
def test_no_request_waits_longer_than_thirty_days(received_s: int) -> None:
    """In any year of two centuries, known to the calendar or not."""
    received_at = received_s * SECOND
    assert received_at < due_at(received_at) <= received_at + 30 * DAY_S * SECOND


def test_where_holidays_were_endless_thirty_days_would_be_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "last_instant", lambda at, *, working_days: at + 90 * DAY_S * SECOND)
    assert due_at(5) == 5 + 30 * DAY_S * SECOND


@given(st.integers(1_577_836_800, 1_798_700_000), st.integers(1, 20))
def test_one_working_day_more_is_one_working_day_later(at_s: int, days: int) -> None:
    at = at_s * SECOND
    sooner, later = last_instant(at, working_days=days), last_instant(at, working_days=days + 1)
    between = [date.fromordinal(day) for day in range(ordinal(sooner) + 1, ordinal(later) + 1)]
    assert [is_working_day(day) for day in between] == [False] * (len(between) - 1) + [True]


def ordinal(at: int) -> int:
    return date.fromisoformat(shanghai_day(at)).toordinal()


def test_there_are_nine_kinds_and_each_stands_in_its_slot() -> None:
    assert len(set(KINDS)) == 9
    assert WITH_VALUES < WITH_BUNDLE < set(KINDS)
    assert set(KINDS) > OF_A_NUMBER
    slots = {slot_of(kind, seller="slr_1", number="num_1", proof="key") for kind in KINDS}
    assert len(slots) == 9
    assert slot_of("know", seller="slr_1", number="", proof="partner") not in slots


def test_no_reason_says_that_something_is_secret() -> None:
    """What belongs to a secret investigation is left out; that it is would be the tip."""
    said = " ".join(f"{code} {each.en} {each.zh}" for code, each in REFUSALS.items()).lower()
    assert not any(
        word in said for word in ("secret", "investigat", "suspici", "police", "秘密", "侦查", "可疑", "公安")
    )
