"""What the batch executors share: the features that they return, and how measured parts become them.

A cell is a value, whether there is one, and whether the feature is saturated; where there is none the value is 0, so
that two answers are equal exactly where their arrays are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from suyuan.base.clock import SECOND
from suyuan.risk.batch.columns import Column, Columns, Flags, Ints, Places
from suyuan.risk.features import Condition, FeatureSpec, Operator
from suyuan.risk.finalise import COMPARES_OWN, finalise_columns, share_columns

K = TypeVar("K")

THREADS = 2
OPERATORS: dict[Operator, Callable[[Ints, int], Flags]] = {
    "eq": np.equal, "ne": np.not_equal, "ge": np.greater_equal, "le": np.less_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of a stretch of attempts: a row for each feature, in order, and a column for each attempt."""

    seq: Ints
    values: Ints
    present: Flags
    saturated: Flags

    def __len__(self) -> int:
        return len(self.seq)

    def differing_cells(self, other: Features) -> int:
        """How many cells differ in value, in being known or in being saturated; all of them if the attempts do."""
        if not np.array_equal(self.seq, other.seq) or self.values.shape != other.values.shape:
            return max(self.values.size, other.values.size, 1)
        differs = (self.present != other.present) | (self.saturated != other.saturated)
        return int(np.count_nonzero(differs | (self.values != other.values)))

    def listed(self, attempt: int) -> list[int | None]:
        """The features of one attempt, as the line measures them."""
        cells = zip(self.values[:, attempt].tolist(), self.present[:, attempt].tolist(), strict=True)
        return [value if known else None for value, known in cells]


class Measured(NamedTuple):
    """One attempt as the line measures it: its features, and the places of those that are saturated."""

    seq: int
    values: Sequence[int | None]
    saturated: Sequence[int]


class Asked(NamedTuple):
    """The attempts that have a certain key, in the order in which an executor measures them."""

    rows: Ints | Places
    at: Ints
    turn_of: Places
    """For each attempt in the order of history, which of these it is; behind the last where it has no such key."""


class Answer:
    """Features in the making: executors put parts, each feature once, and take the whole."""

    def __init__(self, columns: Columns, features: Sequence[FeatureSpec], asked_from: int = 0) -> None:
        """Asks for the attempts from row `asked_from` on."""
        self.columns = columns
        self.specs = tuple(features)
        self.rows: Ints = asked_from + np.flatnonzero(columns.is_attempt[asked_from:])
        shape = (len(self.specs), len(self.rows))
        self._features = Features(
            columns["seq"].values[self.rows], np.zeros(shape, np.int64), np.zeros(shape, np.bool_),
            np.zeros(shape, np.bool_),
        )  # fmt: skip
        self._place_of = {spec.name: place for place, spec in enumerate(self.specs)}

    @property
    def measured(self) -> list[FeatureSpec]:
        """The features that look at rows; shares are made of these."""
        return [spec for spec in self.specs if spec.aggregate != "share"]

    def asked(self, places: Ints | Places) -> Asked:
        """The attempts that stand at these places among all that are asked about."""
        turn_of = np.full(len(self.rows), len(places), np.int32)
        turn_of[places] = np.arange(len(places), dtype=np.int32)
        rows = self.rows[places]
        return Asked(rows, self.columns.at[rows], turn_of)

    def put(self, spec: FeatureSpec, parts: Mapping[str, Ints], asked: Asked) -> None:
        """Makes a feature of its parts, for attempts that have its key."""
        own = self._own(spec, asked) if spec.aggregate in COMPARES_OWN else None
        known = np.ones(len(asked.at), np.bool_)
        made = finalise_columns(spec, parts, known=known, at=asked.at, own=own)
        saturated = parts["held"] > spec.cap
        place = self._place_of[spec.name]
        _spread(np.where(made.present, made.values, 0), asked, self._features.values[place])
        _spread(made.present, asked, self._features.present[place])
        _spread(saturated if own is None else saturated & own.present, asked, self._features.saturated[place])

    def whole(self) -> Features:
        """The features, once the parts of each that is measured are there."""
        made = self._features
        for spec in (spec for spec in self.specs if spec.aggregate == "share"):
            place, one, other = (self._place_of[name] for name in (spec.name, *spec.of))
            made.saturated[place] = made.saturated[one] | made.saturated[other]
            parts = [Column(made.values[of], made.present[of]) for of in (one, other)]
            share = share_columns(spec, *parts, saturated=made.saturated[place])
            made.values[place] = np.where(share.present, share.values, 0)
            made.present[place] = share.present
        return made

    def _own(self, spec: FeatureSpec, asked: Asked) -> Column:
        column = self.columns[spec.value]
        return Column(column.values[asked.rows], column.present[asked.rows])


def _spread(cells: Ints | Flags, asked: Asked, to: Ints | Flags) -> None:
    """Puts cells where their attempts stand. Reading here and there and writing in a row is several times as fast as
    the other way round: what is read fits in the cache, what is written does not."""
    with_none = np.append(cells, cells.dtype.type(0))
    np.take(with_none, asked.turn_of, out=to, mode="clip")


def join_features(parts: Sequence[Features]) -> Features:
    """The features of stretches that follow each other; there is at least one."""
    columns = zip(*((part.values, part.present, part.saturated) for part in parts), strict=True)
    return Features(np.concatenate([part.seq for part in parts]), *(np.concatenate(cells, axis=1) for cells in columns))


def columns_of(features: Iterable[FeatureSpec]) -> set[str]:
    """The columns that are read for these features, beside those that every row has."""
    return {
        name
        for spec in features
        for name in (*spec.key, spec.value, *(condition.column for condition in spec.where))
        if name
    }


def bounds_of(spec: FeatureSpec) -> tuple[int, int]:
    """The window of a feature in micros before the attempt: how far it reaches back, and how near it comes."""
    return spec.window_s * SECOND, max(spec.lag_s * SECOND, 1)


def passes(columns: Columns, where: tuple[Condition, ...]) -> Flags:
    """Which rows pass a filter; what is not known never does."""
    passing = np.ones(len(columns), np.bool_)
    for condition in where:
        column = columns[condition.column]
        passing &= column.present & OPERATORS[condition.operator](column.values, condition.operand)
    return passing


def grouped(features: Iterable[FeatureSpec], by: Callable[[FeatureSpec], K]) -> dict[K, list[FeatureSpec]]:
    """Features that have something in common, in the order of their first."""
    groups: dict[K, list[FeatureSpec]] = {}
    for spec in features:
        groups.setdefault(by(spec), []).append(spec)
    return groups


def features_of(width: int, measured: Sequence[Measured]) -> Features:
    """The same from an executor that takes one attempt after the other, `width` features each."""
    shape = (width, len(measured))
    made = Features(
        np.array([one.seq for one in measured], np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.bool_),
        np.zeros(shape, np.bool_),
    )  # fmt: skip
    for attempt, (_, values, saturated) in enumerate(measured):
        made.values[:, attempt] = [0 if value is None else value for value in values]
        made.present[:, attempt] = [value is not None for value in values]
        made.saturated[list(saturated), attempt] = True
    return made
