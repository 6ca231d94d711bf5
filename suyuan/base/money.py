"""Money is whole fen; a ratio is two whole numbers; every division says how it rounds.

Invariants: no float anywhere; 0 < amount ≤ `FEN_MAX`; for every face value and ratio
`face = paid + fee + rounding`, none of them negative, `rounding` at most one fen.

>>> split(Fen(10_000), Ratio(10, 8))
Split(paid=8000, fee=2000, rounding=0)
>>> split(Fen(5_001), Ratio(1000, 805))
Split(paid=4025, fee=975, rounding=1)
>>> yuan(4025)
'40.25'
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

Fen = NewType("Fen", int)

FEN_MAX = 10**13
RATIO_TERM_MAX = 10**6


class ValueKind(StrEnum):
    """What a redemption may become. Units of `coupon` and `points` are booked in ledgers of their own."""

    MONEY = "money"
    COUPON = "coupon"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Ratio:
    """`face` units of card value become `value` units of payout: 1 : 0.8 is `Ratio(10, 8)`."""

    face: int
    value: int

    def __post_init__(self) -> None:
        if not 0 < self.value <= self.face <= RATIO_TERM_MAX:
            raise ValueError(f"a ratio pays out more than nothing and no more than the face value, not {self}")


@dataclass(frozen=True, slots=True)
class Split:
    """Where a face value goes. The three parts add up to it, always."""

    paid: int
    fee: int
    rounding: int


def floor_fen(amount: int, times: int, by: int) -> int:
    """`amount × times ÷ by`, rounded down, exactly."""
    return amount * times // by


def split(face: int, ratio: Ratio) -> Split:
    """Divides a face value by a contract's ratio: payout and fee both rounded down, the rest named."""
    assert is_amount(face), "a face value is a whole number of fen within bounds"
    paid = floor_fen(face, ratio.value, ratio.face)
    fee = floor_fen(face, ratio.face - ratio.value, ratio.face)
    rounding = face - paid - fee
    assert 0 <= rounding <= 1
    return Split(paid, fee, rounding)


def is_amount(amount: object) -> bool:
    """Whether this is a whole, positive number of fen within bounds; `True` is a bool, not one fen."""
    return type(amount) is int and 0 < amount <= FEN_MAX


def yuan(fen: int) -> str:
    """For people: fen as yuan with two decimals."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"
