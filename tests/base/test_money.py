"""Money never appears, disappears or turns into a fraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.money import FEN_MAX, RATIO_TERM_MAX, Ratio, is_amount, split, yuan

amounts = st.integers(1, FEN_MAX)
ratios = st.integers(1, RATIO_TERM_MAX).flatmap(lambda face: st.integers(1, face).map(lambda value: Ratio(face, value)))


@given(amounts, ratios)
def test_payout_fee_and_rounding_are_the_face_value(face: int, ratio: Ratio) -> None:
    """Whatever the ratio, not one fen is lost, and none is invented for the seller."""
    parts = split(face, ratio)
    assert parts.paid + parts.fee + parts.rounding == face
    assert parts.paid * ratio.face <= face * ratio.value
    assert 0 <= parts.rounding <= 1
    assert parts.fee >= 0


@given(amounts, amounts, ratios)
def test_splitting_a_card_never_pays_more(one: int, other: int, ratio: Ratio) -> None:
    """Two small redemptions together pay at most what one large one pays."""
    if is_amount(one + other):
        assert split(one, ratio).paid + split(other, ratio).paid <= split(one + other, ratio).paid


@pytest.mark.parametrize(("face", "value"), [(10, 11), (10, 0), (0, 0), (10, -1), (RATIO_TERM_MAX + 1, 1)])
def test_a_ratio_never_pays_out_more_than_the_face(face: int, value: int) -> None:
    """100 credit for 101 cash is not a ratio."""
    with pytest.raises(ValueError, match="no more than the face value"):
        Ratio(face, value)


@pytest.mark.parametrize("thing", [0, -1, FEN_MAX + 1, True, 1.0, "1", None, float("nan")])
def test_only_whole_positive_fen_within_bounds_are_an_amount(thing: object) -> None:
    """`True` is not one fen, and `1.0` is not either."""
    assert not is_amount(thing)


def test_yuan_are_shown_with_two_decimals() -> None:
    """Also the small and the negative ones, where a sign is easily lost."""
    assert [yuan(fen) for fen in (0, 5, 100, -5, -12345)] == ["0.00", "0.05", "1.00", "-0.05", "-123.45"]
