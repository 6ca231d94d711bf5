"""Who is too young is not registered: by full years in Shanghai, to the day, and never by a number that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.refusals import Reason
from suyuan.privacy.minors import CHILD_BELOW, age_on, birthday_of, check_age

TODAY = "2026-11-22"


def said(birthday: str, age_min: int = 18) -> str | None:
    refusal = check_age(f"110101{birthday}1237", today=TODAY, age_min=age_min)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    ("birthday", "age_min", "code"),
    [
        ("20081122", 18, None),
        ("20081123", 18, "seller_is_too_young"),
        ("20081123", 16, None),
        ("20101122", 16, None),
        ("20101123", 16, "seller_is_too_young"),
        ("20121122", 16, "seller_is_too_young"),
        ("20121123", 16, "seller_is_a_child"),
        ("20261122", 16, "seller_is_a_child"),
        ("20261123", 16, "field_is_malformed"),
        ("99991231", 16, "field_is_malformed"),
        ("20080230", 16, "field_is_malformed"),
        ("00000101", 16, "field_is_malformed"),
        ("20080001", 16, "field_is_malformed"),
        ("18990101", 18, None),
    ],
)
def test_the_birthday_decides_to_the_day(birthday: str, age_min: int, code: str | None) -> None:
    assert said(birthday, age_min) == code


def test_no_policy_lets_a_child_in() -> None:
    """Even a platform that forgot to ask for an age."""
    assert said("20121123", age_min=0) == Reason.seller_is_a_child


@given(st.text("0123456789", min_size=17, max_size=17), st.sampled_from("0123456789X"))
def test_every_number_is_judged_and_none_is_repeated(digits: str, last: str) -> None:
    refusal = check_age(digits + last, today=TODAY, age_min=18)
    birthday = birthday_of(digits + last)
    if refusal is None:
        assert birthday is not None
    else:
        assert refusal.where == "identity_number"


@given(st.dates(), st.dates())
def test_nobody_grows_younger(birthday: object, day: object) -> None:
    from datetime import date, timedelta

    assert isinstance(birthday, date)
    assert isinstance(day, date)
    if birthday <= day < date.max:
        assert age_on(birthday, day) <= age_on(birthday, day + timedelta(1)) <= age_on(birthday, day) + 1
    assert CHILD_BELOW == 14
