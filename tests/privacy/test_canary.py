"""Canaries look like their neighbours, touch nobody, and are found again from key and export alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.ids import is_id, made_at, new_id
from suyuan.privacy.canary import (
    UNASSIGNED,
    BadPrefix,
    Canaries,
    Numbers,
    Shown,
    canary_card,
    canary_count,
    chance_of,
    is_canary_card,
    shows,
)
from suyuan.privacy.mask import masked_account, masked_identity, masked_name, masked_number
from suyuan.settle.card import load_formats

KEY = bytes(range(32))
EXPORT = new_id("exp", at=1_790_000_000_000_000, chance=bytes(10))
PEOPLE = [
    new_id("slr", at=1_780_000_000_000_000 + number * 10**9, chance=bytes([number % 256] * 10))
    for number in range(1_000)
]
CANARIES = Canaries(KEY, EXPORT).among(PEOPLE)
FORMATS = load_formats("2026-11-22")


def test_there_are_enough_of_them_and_never_too_many() -> None:
    """5 % to 2 % of the rows, at least 20; a fifth in a small export, none in a tiny one."""
    assert [canary_count(rows) for rows in (0, 4, 5, 99, 100, 400)] == [0, 0, 1, 19, 20, 20]
    assert [canary_count(rows) for rows in (1_000, 2_000, 5_000, 100_000)] == [50, 100, 100, 2_000]
    for rows in range(400, 20_000, 37):
        assert 0.02 * rows <= canary_count(rows) <= 0.05 * rows + 1


def test_they_are_the_same_again_whatever_the_order_of_the_people() -> None:
    assert Canaries(KEY, EXPORT).among(reversed(PEOPLE)) == CANARIES
    assert Canaries(KEY, EXPORT).among(PEOPLE * 2) == CANARIES


def test_no_other_export_has_them() -> None:
    others = {canary for number in range(50) for canary in Canaries(KEY, f"exp_{number}").among(PEOPLE)}
    assert not {it.subject for it in CANARIES} & {it.subject for it in others}
    assert not {it.number for it in CANARIES} & {it.number for it in others}


def test_each_looks_like_a_row_of_its_export() -> None:
    """By the form of every column, whole and masked, and by its place in time."""
    first, last = made_at(PEOPLE[0]), made_at(PEOPLE[-1])
    assert first is not None
    assert last is not None
    for canary in CANARIES:
        assert canary.like in PEOPLE
        assert is_id("slr", canary.subject)
        assert first - 1_800 * 10**6 <= (made_at(canary.subject) or 0) < last
        assert re.fullmatch(r"1[3-9]\d{9}", canary.number)
        assert re.fullmatch(r"\d{17}[\dX]", canary.identity_number)
        assert 2 <= len(canary.name) <= 3
        assert re.fullmatch(r".\*\*", masked_name(canary.name))
        assert re.fullmatch(r"\d{3}\*{4}\d{4}", masked_number(canary.number))
        assert re.fullmatch(r"\d\d\*{14}\d[\dX]", masked_identity(canary.identity_number))
        assert re.fullmatch(r"\*\*\d{4}", masked_account(canary.payee))


def test_none_of_their_numbers_can_be_a_persons() -> None:
    """Prefixes that nobody is assigned; a wrong check character and a wrong check digit, by their standards."""
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    for canary in CANARIES:
        assert canary.number.startswith(UNASSIGNED)
        right = sum(weight * int(digit) for weight, digit in zip(weights, canary.identity_number, strict=False)) % 11
        assert canary.identity_number[-1] != "10X98765432"[right]
        digits = [int(digit) for digit in reversed(canary.payee)]
        assert (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 != 0


def test_they_lie_in_the_numbers_that_we_own_where_we_own_some() -> None:
    """A block of a thousand and one single number; never more canaries than half of them."""
    owned = ("13800000", "13911112222")
    canaries = Canaries(KEY, EXPORT, owned).among(PEOPLE)
    assert len(canaries) == 50
    assert all(canary.number.startswith(owned) for canary in canaries)
    assert len(Canaries(KEY, EXPORT, ("1380000000",)).among(PEOPLE)) == 5


@pytest.mark.parametrize(
    "prefixes", [(), ("15",), ("154x",), ("123",), ("154", "1541"), ("154", "154"), ("154" + "0" * 9,)]
)
def test_prefixes_that_cannot_be_counted_out_are_refused(prefixes: tuple[str, ...]) -> None:
    with pytest.raises(BadPrefix):
        Numbers(prefixes)


@given(st.sampled_from([("154", "164", "194"), ("13800000", "13911112222"), ("154", "1381234", "138999999")]))
def test_the_chances_of_all_masked_numbers_add_up_to_one(prefixes: tuple[str, ...]) -> None:
    """Otherwise a bound would promise more than it can keep."""
    numbers = Numbers(prefixes)
    heads = {prefix[:3] for prefix in prefixes}
    total = sum(numbers.chance(f"{head}****{tail:04}") for head in heads for tail in range(10_000))
    assert total == pytest.approx(1)
    assert numbers.chance(numbers.number(0)) == 1 / numbers.count
    assert numbers.number(numbers.count - 1).startswith(prefixes)
    with pytest.raises(IndexError):
        numbers.number(numbers.count)


def test_a_row_shows_a_canary_only_if_all_that_is_left_of_it_fits() -> None:
    canary, other = CANARIES[:2]
    numbers = Numbers(UNASSIGNED)
    fitting = [
        Shown(canary.subject, canary.number, canary.name),
        Shown(number=masked_number(canary.number), name=masked_name(canary.name)),
        Shown(number=canary.number),
        Shown(subject=canary.subject),
    ]
    assert all(shows(canary, shown) for shown in fitting)
    chances = [chance_of(shown, numbers) for shown in fitting]
    assert all(0 < chance < 1e-5 for chance in chances)
    assert not shows(canary, Shown(number=canary.number, name=other.name + "x"))
    assert not shows(canary, Shown(subject=other.subject, number=canary.number))


@pytest.mark.parametrize("shown", [Shown(), Shown(name="王芳"), Shown(number="13800000001"), Shown(subject="17")])
def test_what_can_be_no_canary_is_no_trial(shown: Shown) -> None:
    assert chance_of(shown, Numbers(UNASSIGNED)) == 0


@pytest.mark.parametrize("operator", list(FORMATS.operators))
def test_a_canary_card_is_recognised_and_is_one_exports_alone(operator: str) -> None:
    form = FORMATS.operators[operator]
    serial, pin = canary_card(KEY, operator, "exp_7", 3, serial_digits=form.serial_digits, pin_digits=form.pin_digits)
    assert FORMATS.check(operator, serial=serial, pin=pin, face_fen=100_00) is None
    assert is_canary_card(KEY, operator, serial, pin)
    for export, number in (("exp_7", 2), ("exp_6", 3)):
        other = canary_card(KEY, operator, export, number, serial_digits=form.serial_digits, pin_digits=form.pin_digits)
        assert not {serial, pin} & set(other)
    assert not is_canary_card(bytes(32), operator, serial, pin)
    assert not is_canary_card(KEY, operator, pin[:-1] + serial[:1], pin)


def test_no_real_card_is_taken_for_a_canary() -> None:
    """Cards of any form, among them some that nobody can have printed."""
    assert not any(is_canary_card(KEY, "cmcc", f"{number:017}", f"{number:018}") for number in range(2_000))
    assert not is_canary_card(KEY, "cmcc", "1", "号" * 18)
