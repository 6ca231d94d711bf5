"""Marks are the same for the same export, different for every other, and touch nothing that the books say."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.privacy.keyring import KEY_BYTES, Ring
from suyuan.privacy.marks import DIGITS, Marker, mark_key
from suyuan.privacy.vault import Vault

KEY = bytes(range(32))
MARKER = Marker(KEY, "exp_1")
subjects = st.text(min_size=1, max_size=40)
instants = st.integers(0, 4_000_000_000 * SECOND)


@given(subjects, instants)
def test_the_second_that_the_books_say_is_kept(subject: str, at: int) -> None:
    shown = datetime.fromisoformat(MARKER.instant(subject, at))
    assert int(shown.timestamp()) == at // SECOND
    assert shown.utcoffset() == datetime.fromisoformat("2026-01-01T00:00:00+08:00").utcoffset()


@given(subjects, instants)
def test_the_digits_behind_it_are_the_mark_and_not_the_truth(subject: str, at: int) -> None:
    """Two instants in one second show alike, so nothing of the true digits is left to compare with."""
    same_second = at - at % SECOND
    assert MARKER.instant(subject, at) == MARKER.instant(subject, same_second)
    digits = MARKER.instant(subject, at)[20 : 20 + DIGITS]
    assert digits != "000"
    assert all(MARKER.fits(subject, at // SECOND, digits[:kept]) for kept in (1, 2, 3))
    assert not MARKER.fits(subject, at // SECOND, "")


@given(subjects, instants, st.integers(-12, 14))
def test_a_change_of_time_zone_leaves_the_mark(subject: str, at: int, hours: int) -> None:
    assert MARKER.digits(subject, at // SECOND) == MARKER.digits(subject, at // SECOND + hours * 3600)


@given(st.lists(subjects, unique=True), st.randoms())
def test_the_order_is_the_exports_whatever_came_first(people: list[str], chance: object) -> None:
    """And dropping rows leaves the others in it."""
    ordered = MARKER.order(people)
    assert sorted(ordered) == sorted(people)
    assert MARKER.order(reversed(people)) == ordered
    assert MARKER.order(people[::2]) == [person for person in ordered if person in set(people[::2])]


def test_no_two_exports_or_platforms_mark_alike() -> None:
    people = [f"slr_{number}" for number in range(200)]
    markers = (MARKER, Marker(KEY, "exp_2"), Marker(bytes(32), "exp_1"))
    orders = {tuple(marker.order(people)) for marker in markers}
    digits = {tuple(marker.digits(person, 0) for person in people) for marker in markers}
    assert (len(orders), len(digits)) == (3, 3)


def test_every_mark_is_as_likely_as_the_next() -> None:
    """Each of 1 … 999 comes up; far from even counts would let a bound promise too much."""
    drawn = [MARKER.digits(f"slr_{number}", number) for number in range(50_000)]
    counts = {digits: drawn.count(digits) for digits in set(drawn)}
    assert sorted(counts) == [f"{number:03}" for number in range(1, 1000)]
    assert 15 < min(counts.values()) <= max(counts.values()) < 95


def test_the_key_of_the_marks_derives_from_the_vaults() -> None:
    ring = Ring({1: bytes(KEY_BYTES)})
    first, second = (mark_key(Vault(bytes([number]) * KEY_BYTES, ring)) for number in (1, 2))
    assert len(first) == len(second) == 32
    assert first != second
