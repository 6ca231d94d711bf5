"""What stands between a knock and the money, as the world sees it; and those that need no features to say something.

`Undefended` leaves everything to the rules of `settle`. `Coin` refuses a share of all attempts by chance: no defence,
but whoever learns from refusals meets some, so the generator can be watched without anything that is tuned.
`Sparring` is for rehearsals: it knows the truth and acts like a good defence that still lets some through, so history
to learn from has attackers in it who have tried everything. What it says depends on the card and the instant alone, so
a family can be taken out of a rehearsal's history and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from suyuan.risk.decision import Action, Decision
from suyuan.risk.row import Row

APPROVED = Decision(Action.APPROVE, 0, 0, 100, "", ())
REFUSED = Decision(Action.REFUSE, 100, 0, 100, "coin", ())

REVIEWED = Decision(Action.REVIEW, 50, 0, 100, "coin", ())
STEPPED = Decision(Action.STEP_UP, 20, 0, 100, "coin", ())

Facts = Sequence[int | None]


class Defence(Protocol):
    """Decides about attempts, and sees every row once it has happened."""

    def decide(self, row: Row, facts: Facts) -> Decision: ...

    def see(self, row: Row) -> None: ...


class Undefended:
    """Settle's rules alone."""

    def decide(self, row: Row, facts: Facts) -> Decision:
        """Everything is approved."""
        return APPROVED

    def see(self, row: Row) -> None:
        """Nobody looks."""


def _drawn(row: Row) -> int:
    """A number below 1,000 that is the same for the same attempt in each run."""
    return int.from_bytes(blake2b(f"{row.card}/{row.at}".encode(), digest_size=4).digest(), "big") % 1000


class Coin(Undefended):
    """Refuses so many of a thousand attempts, by the card and the instant alone."""

    def __init__(self, per_mille: int) -> None:
        self._per_mille = per_mille

    def decide(self, row: Row, facts: Facts) -> Decision:
        """The same attempt is decided alike in each run."""
        return REFUSED if _drawn(row) < self._per_mille else APPROVED


class Sparring(Undefended):
    """Refuses most attacks, or has them reviewed or stepped up, and lets one in seven pass; of the honest it asks
    some for a step-up too, so that being asked says little about anybody."""

    def __init__(self) -> None:
        self.attacks: set[int] = set()  # The cards that are loot; the world adds them as they are offered.

    def decide(self, row: Row, facts: Facts) -> Decision:
        """What somebody who knows the truth would say to keep attackers learning."""
        bounds = _FOR_ATTACKS if row.card in self.attacks else _FOR_HONEST
        drawn = _drawn(row)
        return next((said for bound, said in zip(bounds, _SAID, strict=True) if drawn < bound), APPROVED)


_SAID = (REFUSED, REVIEWED, STEPPED)
_FOR_ATTACKS, _FOR_HONEST = (400, 700, 850), (3, 12, 72)
