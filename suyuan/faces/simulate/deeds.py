"""What happens in a simulated day, as records: who does what, at which time of day, and whether it is right.

A plan is a list of deeds in the order of the day. A deed names the one that it comes `after`; all others may run at
once. `may_be_taken` is the truth that the platform does not see: whether a redemption of this kind may be accepted at
all. How much may be accepted together, the limits say, and `truth` recomputes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from suyuan.faces.simulate.cast import Cast

HONEST = ""

Repeat = Literal["", "replayed", "same", "other"]
"""How a sale repeats an earlier one: its very bytes; the same body and key signed anew; the key for another body."""

By = Literal["partner", "device"]


@dataclass(frozen=True, slots=True)
class SimCard:
    """A card as it is shown for sale. `true_pin` is what the operator knows: another one, or none at all."""

    operator: str
    serial: str
    pin: str = field(repr=False)
    face_fen: int
    true_pin: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """How the sandbox's tally names it."""
        return f"{self.operator}/{self.serial}"


@dataclass(frozen=True, slots=True)
class SimBalance:
    """A part of a number's balance that is shown for sale, and what the holder says when asked."""

    operator: str
    number: str
    amount_fen: int
    has_fen: int
    answer: Literal["confirms", "declines", "silent"]
    after_ms: int

    @property
    def face_fen(self) -> int:
        """What is asked for, as with a card."""
        return self.amount_fen


Source: TypeAlias = SimCard | SimBalance


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One request for a redemption."""

    n: int
    at_s: int
    scheme: str
    """The attack it belongs to, or `HONEST`."""
    variant: str
    seller: int
    contract: int
    source: Source
    signs: int
    """The partner whose key signs; the seller's device signs where `by` says so."""
    by: By
    address: str
    idempotency_key: str
    after: int | None
    extras: Mapping[str, Any]
    """Fields that are put into the body beside, or over, the honest ones."""
    forged: str
    """How the request is forged, by a name of `forging`, or nothing."""
    repeat: Repeat
    repeats: int | None
    agent: str | None
    expected_payout: int | None
    may_be_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """A seller shows a face, perhaps somebody else's."""

    n: int
    at_s: int
    scheme: str
    seller: int
    capture: str = field(repr=False)
    after: int | None
    may_be_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The holder uses the PIN behind the platform's back: at once, or when the payout of that sale has come."""

    n: int
    at_s: int
    card: SimCard
    after: int | None
    waits_for_payout: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SameDevice:
    """Somebody enrols the phone of one seller for a second one."""

    n: int
    at_s: int
    scheme: str
    first: int
    second: int
    after: int | None


Deed: TypeAlias = Sale | StepUp | Spending | SameDevice


@dataclass(frozen=True, slots=True)
class Plan:
    """A day: who takes part, and what they do, in order."""

    seed: int
    cast: Cast
    deeds: tuple[Deed, ...]

    @property
    def sales(self) -> list[Sale]:
        """The requests for redemptions."""
        return [deed for deed in self.deeds if isinstance(deed, Sale)]

    def schemes(self) -> dict[str, int]:
        """How often each attack is tried."""
        tried: dict[str, int] = {}
        for deed in self.deeds:
            scheme = getattr(deed, "scheme", HONEST)
            if scheme != HONEST:
                tried[scheme] = tried.get(scheme, 0) + 1
        return tried
