"""What history teaches a model: the inputs of each decided attempt, and what is known of how it turned out, and when.

Features are measured again by the batch replay, over the same rows and by the same specification as in the line, so an
old history can teach a model of a new catalogue. Facts are those that the decision stored, where it was made under
this catalogue; else those that its row tells (`FACTS_OF_ROW`), and the others are missing.

A label has its instant. At `as_of`, an attempt is bad if its outcome was known by then, and good if it was taken, is
older than the delay after which outcomes are known, and none came. All others teach nothing yet: those that are too
young, and those that were refused, because nobody knows what would have become of them.

>>> at, bad_at, taken = map(np.array, ([1, 2, 3], [9, NEVER, NEVER], [1, 1, 0]))
>>> found = Examples("0" * 64, ("hour",), np.zeros((3, 1)), at, bad_at, taken, face_fen=at)
>>> [labels.tolist() for labels in found.labelled(as_of=9, delay_s=0)[:2]]
[[0, 1], [1, 0]]
>>> found.labelled(as_of=8, delay_s=0).places.tolist()
[0, 1]
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from suyuan.base.clock import SECOND
from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import SourceRejected, SourceReversed
from suyuan.history.store import Recorded
from suyuan.risk.batch import replay
from suyuan.risk.batch.blocks import in_blocks
from suyuan.risk.batch.columns import row_blocks
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.inputs import FACTS
from suyuan.risk.model.fitting import Rows
from suyuan.risk.model.metrics import Labels
from suyuan.risk.reading import hour_of, ratio_bp, rows_of
from suyuan.risk.vector import BadInputs, read_inputs

Instants = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
EXAMPLES_MAX = 500_000
"""The newest are kept; with 100 inputs they take 400 MB."""
BLOCK_ROWS = 65_536

FACTS_OF_ROW = ("face_fen", "paid", "ratio_bp", "hour")
FACT_NAMES = tuple(fact.name for fact in FACTS)
_NOTED = ("seq", "at", "bad_at", "taken", "face_fen")


class Labelled(NamedTuple):
    """The examples that teach something at one instant: their places, in order, and 1 for each that is bad."""

    places: Labels
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Decided attempts in order of time: inputs (NaN where missing), when they turned out bad, and what they were."""

    catalogue: str
    names: tuple[str, ...]
    rows: Rows
    at: Instants
    bad_at: Instants  # `NEVER` where nothing came of it.
    taken: Labels
    face_fen: Labels
    partly_known: int = 0  # How many were decided under another catalogue.
    read_to: int = 0  # The instant of the last event that was read.

    def __len__(self) -> int:
        return len(self.at)

    def labelled(self, *, as_of: int, delay_s: int) -> Labelled:
        """What was known at an instant."""
        is_bad = self.bad_at <= as_of
        is_good = (self.taken == 1) & ~is_bad & (self.at <= as_of - delay_s * SECOND)
        places = np.flatnonzero((is_bad | is_good) & (self.at <= as_of))
        return Labelled(places, is_bad[places].astype(np.int64))

    def known_after(self, places: Labels, *, as_of: int, delay_s: int) -> Labels:
        """Those of these examples that are older than the delay: of them good and bad are known alike."""
        return places[self.at[places] <= as_of - delay_s * SECOND]


@dataclass(slots=True)
class _Notes:
    """What decisions and outcomes say beside their rows; of the newest `most`, or up to twice as many."""

    catalogue: Catalogue
    most: int
    place_of: dict[str, int] = field(default_factory=dict)
    forgotten: int = 0
    columns: dict[str, array[int]] = field(default_factory=lambda: {name: array("q") for name in _NOTED})
    facts: array[float] = field(default_factory=lambda: array("d"))
    partly_known: int = 0
    read_to: int = 0

    def noting(self, recorded: Iterable[Recorded]) -> Iterator[Recorded]:
        """The same history, noted while somebody else reads it."""
        for it in recorded:
            match it.event:
                case DecisionMade():
                    self._decision(it.seq, it.at, it.event)
                case SourceRejected() | SourceReversed():
                    self._outcome(it.event.redemption, it.at)
                case ReviewDecided() if it.event.is_bad:
                    self._outcome(it.event.redemption, it.at)
                case _:
                    pass
            self.read_to = it.at
            yield it

    def _decision(self, seq: int, at: int, event: DecisionMade) -> None:
        if len(self.columns["seq"]) >= 2 * self.most:
            self._forget()
        self.place_of[event.redemption] = self.forgotten + len(self.columns["seq"])
        noted = (seq, at, NEVER, int(event.outcome == ""), event.face_fen)
        for column, value in zip(self.columns.values(), noted, strict=True):
            column.append(value)
        self.facts.extend(nan if value is None else value for value in self._facts(at, event))

    def _facts(self, at: int, event: DecisionMade) -> list[int | None]:
        first = len(self.catalogue.features)
        if event.features == self.catalogue.digest:
            try:
                found = read_inputs(event.inputs)[first : first + len(FACTS)]
            except BadInputs:
                found = []
            if len(found) == len(FACTS):
                return found
        self.partly_known += 1
        told = (event.face_fen, event.paid, ratio_bp(event.paid, event.face_fen), hour_of(at))
        by_name: dict[str, int | None] = dict(zip(FACTS_OF_ROW, told, strict=True))
        return [by_name.get(name) for name in FACT_NAMES]

    def _outcome(self, redemption: str, at: int) -> None:
        place = self.place_of.get(redemption)
        if place is not None:
            bad_at = self.columns["bad_at"]
            bad_at[place - self.forgotten] = min(bad_at[place - self.forgotten], at)

    def _forget(self) -> None:
        surplus = len(self.columns["seq"]) - self.most
        self.forgotten += surplus
        for column in self.columns.values():
            del column[:surplus]
        del self.facts[: surplus * len(FACT_NAMES)]
        self.place_of = {name: place for name, place in self.place_of.items() if place >= self.forgotten}


def read_examples(recorded: Iterable[Recorded], catalogue: Catalogue, *, most: int = EXAMPLES_MAX) -> Examples:
    """The newest decided attempts of a history, which must be read from its beginning."""
    notes = _Notes(catalogue, most)
    parts: list[tuple[Instants, Rows]] = [(np.zeros(0, np.int64), np.zeros((0, len(catalogue.features))))]
    stream = row_blocks(rows_of(notes.noting(recorded)), BLOCK_ROWS)
    for block in in_blocks(stream, catalogue.features, block_rows=BLOCK_ROWS):
        found = replay.measure(block.columns, catalogue.features, asked_from=block.asked_from)
        is_decided = np.isin(found.seq, np.array(notes.columns["seq"]))
        parts.append((found.seq[is_decided], np.where(found.present, found.values, np.nan).T[is_decided]))
        while sum(len(seq) for seq, _ in parts[1:]) >= most:
            del parts[0]
    return _joined(notes, *(np.concatenate(found)[-most:] for found in zip(*parts, strict=True)))


def _joined(notes: _Notes, seq: Instants, features: Rows) -> Examples:
    noted = {name: np.array(column[-notes.most :], np.int64) for name, column in notes.columns.items()}
    assert np.array_equal(seq, noted.pop("seq")), "each decision has its row, in order"
    facts = np.array(notes.facts[-notes.most * len(FACT_NAMES) :], np.float64).reshape(len(seq), len(FACT_NAMES))
    return Examples(
        catalogue=notes.catalogue.digest,
        names=(*notes.catalogue.names, *FACT_NAMES),
        rows=np.hstack([features, facts]),
        **noted,
        partly_known=notes.partly_known,
        read_to=notes.read_to,
    )
