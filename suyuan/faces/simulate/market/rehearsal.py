"""What can be learned from months that are over: rehearsals against a sparring partner, with or without a family.

A `Rehearsal` keeps history and truth. `lessons_of` computes the features of its attempts by the compiled replay, over
a history from which one family may be taken out to the last row: its attempts, registrations, phones, labels and
forged requests, so no window of anybody else has ever seen it either. That is how a family is left out of training.

A label is what history says, not the truth: a BAD row that had come by the end of the month. An attempt teaches only
once it is `LABEL_DELAY_S` old, and only if it was taken. Truth is for tuning, which asks how many of the honest a
threshold would hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market.defence import Sparring
from suyuan.faces.simulate.market.month import DAYS, live
from suyuan.faces.simulate.market.world import World
from suyuan.risk.batch.columns import Columns, from_rows
from suyuan.risk.batch.replay import measure
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.finalise import Column, Flags, Integers
from suyuan.risk.inputs import FACTS
from suyuan.risk.row import BAD

LABEL_DELAY_S = 7 * DAY_S
HONEST, BAIT = "", "bait"
_NO_FACTS = (None,) * len(FACTS)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A month that was lived for learning: its rows, whose each of them is, and what was known at each attempt."""

    rows: Columns
    whose: NDArray[np.str_]
    truth: NDArray[np.str_]  # Of an attempt: honest, bait or a family.
    was_asked: Flags  # Whether risk was asked about it.
    facts: Column  # A row for each fact; a column for each row of history.

    def without(self, family: str | None) -> Rehearsal:
        """The same month as it would be remembered by who never met a family; `None` leaves nothing out."""
        kept = self.whose != family
        return Rehearsal(
            self.rows.where(kept),
            self.whose[kept],
            self.truth[kept],
            self.was_asked[kept],
            Column(self.facts.values[:, kept], self.facts.present[:, kept]),
        )


@dataclass(frozen=True, slots=True)
class Lessons:
    """The attempts of a month that risk was asked about: what it saw, what they were, and what became known of them."""

    names: tuple[str, ...]
    values: Integers  # A row for each input, a column for each attempt.
    present: Flags
    owner: NDArray[np.str_]
    face_fen: Integers
    is_taken: Flags
    is_labelled: Flags
    age_s: Integers  # How old an attempt is at the end of the month.

    def matrix(self) -> NDArray[np.float64]:
        """A row for each attempt, NaN where an input is missing, as models take it."""
        return np.where(self.present, self.values, np.nan).T

    def columns(self) -> dict[str, Column]:
        """The inputs by name, as policies take them."""
        pairs = zip(self.names, self.values, self.present, strict=True)
        return {name: Column(values, present) for name, values, present in pairs}

    @property
    def is_honest(self) -> Flags:
        """Which attempts were honest in truth."""
        found: Flags = self.owner == HONEST
        return found

    @property
    def is_attack(self) -> Flags:
        """Which attempts were for loot."""
        found: Flags = (self.owner != HONEST) & (self.owner != BAIT)
        return found


def rehearse(seed: int, *, days: int = DAYS, scale: float = 1.0) -> Rehearsal:
    """A month of all families against a sparring partner."""
    return remembered(live(seed, Sparring(), days=days, scale=scale, keeps_tape=True).world)


def remembered(world: World) -> Rehearsal:
    """What a month with a tape leaves behind."""
    facts = [world.facts.get(row.seq, _NO_FACTS) for row in world.tape]
    return Rehearsal(
        rows=from_rows(world.tape),
        whose=np.array([world.whose[row.seq] for row in world.tape]),
        truth=np.array([world.truth.get(row.seq, HONEST) for row in world.tape]),
        was_asked=np.array([row.seq in world.facts for row in world.tape], np.bool_),
        facts=Column(
            np.array([[0 if value is None else value for value in told] for told in facts], np.int64).T,
            np.array([[value is not None for value in told] for told in facts], np.bool_).T,
        ),
    )


def lessons_of(rehearsal: Rehearsal, catalogue: Catalogue, *, without: str | None = None) -> Lessons:
    """What a month teaches, in a world in which the family `without` never was."""
    known = rehearsal.without(without)
    measured = measure(known.rows, catalogue.features)
    # Features are measured for all attempts; some of them were refused before risk was asked.
    of_attempts = known.was_asked[known.rows.is_attempt]
    attempts = known.rows.where(known.was_asked)
    is_taken = attempts["taken"].values == 1
    bad = known.rows["card"].values[known.rows["kind"].values == BAD]
    return Lessons(
        names=(*catalogue.names, *(fact.name for fact in FACTS)),
        values=np.vstack([measured.values[:, of_attempts], known.facts.values[:, known.was_asked]]),
        present=np.vstack([measured.present[:, of_attempts], known.facts.present[:, known.was_asked]]),
        owner=known.truth[known.was_asked],
        face_fen=attempts["face_fen"].values,
        is_taken=is_taken,
        is_labelled=is_taken & np.isin(attempts["card"].values, bad),
        age_s=(known.rows.at[-1] - attempts.at) // SECOND,
    )
