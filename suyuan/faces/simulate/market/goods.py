"""Cards and balances, the batches that they are from, and what becomes of them.

A card's fate is drawn when it comes into the market and never depends on who decides: whether its operator takes it,
and whether and when somebody reports it afterwards. Cards of a lot were stolen together; from `blocked_at` on their
operator takes none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market.parties import name_of
from suyuan.faces.simulate.market.places import HOUR_S

OPERATORS = ("mobile", "unicom", "telecom")
OPERATOR_WEIGHTS = (60, 22, 18)
BATCHES_PER_OPERATOR = 150
FACES_FEN = (10_00, 20_00, 30_00, 50_00, 100_00, 200_00, 300_00, 500_00)
CASUAL_FACES = (10, 12, 20, 28, 34, 6, 4, 3)
HEAVY_FACES = (4, 6, 12, 24, 36, 14, 7, 8)

# An honest card may be rejected (expired, used up by a relative) and, rarely, reversed by mistake.
REJECTED_PER_MILLE, REVERSED_PER_MILLE, MISTYPED_PER_MILLE = 3, 0.5, 15


@dataclass(slots=True)
class Lot:
    """Cards that were stolen, bought with stolen money or guessed together."""

    batches: tuple[tuple[int, int], ...]  # Operator and batch of each part.
    blocked_at: int | None
    rejected: int = 0
    is_tested: bool = False  # Whether one of its cards was taken.


@dataclass(slots=True, eq=False)
class Card:
    """A card, or the balance of a number; and the truth about it, which only the world looks at."""

    id: int
    operator: int
    batch: int | None
    face_fen: int
    family: str = ""  # Whose it is: somebody honest's, or a family's.
    variant: str = ""
    is_bait: bool = False  # A family's too, but no loot: a good card sold to look honest, or a guess that is wrong.
    is_mistyped: bool = False
    is_rejected: bool = False
    lot: Lot | None = None
    reversed_after_s: int | None = None  # How long after the sale somebody reports it; None is never.
    spent_after_s: int | None = None  # How long after the sale its seller spends it as well.
    offers: int = 0
    paid_fen: int = 0  # What its seller really got for it.
    promised_fen: int = 0  # The same before old debts were taken off.
    marks: set[str] = field(default_factory=set)  # What the defence has done with it, ever.
    last: str = ""  # How the last offer ended.
    was_refused_by_risk: bool = False  # The last offer, and by the defence rather than by settle.

    @property
    def is_attack(self) -> bool:
        """Whether money for it is loot."""
        return bool(self.family) and not self.is_bait

    @property
    def owner(self) -> str:
        """For tallies: `honest`, `bait` or the family."""
        return "honest" if not self.family else "bait" if self.is_bait else self.family

    @property
    def got_through_fen(self) -> int:
        """How much of its face value was really paid for; what was kept to pay a debt did not get through."""
        return self.face_fen * self.paid_fen // self.promised_fen if self.promised_fen else 0


@dataclass(frozen=True, slots=True)
class Batches:
    """Retail batches of each operator; newer ones are on sale now, older ones come back from drawers."""

    ids: tuple[tuple[int, ...], ...]
    weights: tuple[int, ...]

    def draw(self, rng: Random) -> tuple[int, int]:
        """Operator and batch of a card that somebody bought somewhere."""
        operator = rng.choices(range(len(OPERATORS)), OPERATOR_WEIGHTS)[0]
        return name_of("operator", OPERATORS[operator]), rng.choices(self.ids[operator], self.weights)[0]


def lay_batches() -> Batches:
    """The batches of the market."""
    ids = tuple(tuple(name_of("batch", operator, n) for n in range(BATCHES_PER_OPERATOR)) for operator in OPERATORS)
    return Batches(ids, tuple(1 + 400 // (n + 4) for n in range(BATCHES_PER_OPERATOR)))


def draw_honest_card(
    rng: Random, batches: Batches, faces: tuple[int, ...], *, of: tuple[int, int] | None = None
) -> Card:
    """A card of an honest person, of the batch `of` or of any."""
    operator, batch = of or batches.draw(rng)
    chance = rng.random() * 1000
    return Card(
        id=rng.getrandbits(62),
        operator=operator,
        batch=batch,
        face_fen=rng.choices(FACES_FEN, faces)[0],
        is_mistyped=rng.random() * 1000 < MISTYPED_PER_MILLE,
        is_rejected=chance < REJECTED_PER_MILLE,
        reversed_after_s=round(rng.uniform(1, 9) * DAY_S) if chance > 1000 - REVERSED_PER_MILLE else None,
    )


def draw_balance(rng: Random, batches: Batches) -> Card:
    """The balance of an honest person's number: any even amount."""
    card = draw_honest_card(rng, batches, CASUAL_FACES)
    card.batch, card.is_mistyped = None, False
    card.face_fen = rng.choices((30_00, 50_00, 80_00, 100_00, 150_00, 200_00, 300_00, 500_00), CASUAL_FACES[::-1])[0]
    return card


def delay_s(rng: Random, median_h: float, spread: float = 0.9) -> int:
    """How long it takes until something is found out: most often about the median, sometimes many times as long."""
    return round(median_h * HOUR_S * rng.lognormvariate(0, spread))


def in_seconds(seconds: float) -> int:
    """A span in micros."""
    return round(seconds * SECOND)
