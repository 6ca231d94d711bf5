"""Ids say what they name, sort by time and cannot be guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.ids import CHANCE_BYTES, PREFIXES, is_id, new_id

instants = st.integers(0, 2**52)
chances = st.binary(min_size=CHANCE_BYTES, max_size=CHANCE_BYTES)


@given(st.sampled_from(sorted(PREFIXES)), instants, chances)
def test_an_id_is_recognised_as_its_own_kind_only(prefix: str, at: int, chance: bytes) -> None:
    """A seller's id in the place of a contract's is noticed at the door."""
    made = new_id(prefix, at=at, chance=chance)
    assert [kind for kind in PREFIXES if is_id(kind, made)] == [prefix]


@given(instants, instants, chances, chances)
def test_later_ids_sort_later(one: int, other: int, chance: bytes, another: bytes) -> None:
    """To the millisecond."""
    first, second = new_id("rdm", at=one, chance=chance), new_id("rdm", at=other, chance=another)
    if one // 1000 < other // 1000:
        assert first < second


@given(chances, chances)
def test_chance_tells_ids_of_one_moment_apart(one: bytes, other: bytes) -> None:
    """All eighty bits count."""
    assert (new_id("rdm", at=0, chance=one) == new_id("rdm", at=0, chance=other)) == (one == other)


@pytest.mark.parametrize("spoiled", ["", "rdm_", "rdm_1", "rdm_" + "0" * 25, "rdm_" + "I" * 26, "rdm_8" + "0" * 25])
def test_what_is_not_an_id_is_not_taken_for_one(spoiled: str) -> None:
    """Nor an id with a newline behind it, which a `$` would let through."""
    assert not is_id("rdm", spoiled)
    assert not is_id("rdm", new_id("rdm", at=0, chance=bytes(CHANCE_BYTES)) + "\n")
