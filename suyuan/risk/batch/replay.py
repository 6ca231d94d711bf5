"""The compiled replay: all features of all attempts of a block, by two pointers over rows sorted by key.

1. Each column that is a key, or is compared by equality, gets dense numbers once; a pair of keys gets its own.
2. For each key, the rows that have it are laid out key by key, in order of their instants (a counting sort: linear).
3. For each filter, the rows that pass; for each window, the stretch of them that every attempt looks at.
4. Counts and sums are differences of running totals, the smallest comes from a monotone queue, different values from a
   count for each value. No step looks at a row more often than it enters and leaves a window.
5. The finaliser makes features of these numbers, and they are put where their attempts stand.

Keys are independent of each other, so threads share them out; the compiled sweeps hold no lock of the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from suyuan.risk.batch.columns import Column, Columns, Flags, Ints, Places
from suyuan.risk.batch.kernels import COMPILED, Kernels
from suyuan.risk.batch.parts import THREADS, Answer, Asked, Features, bounds_of, grouped, passes
from suyuan.risk.features import VALUE_MAX, Condition, FeatureSpec
from suyuan.risk.finalise import FORMS

BY_EQUALITY = frozenset({"distinct", "new", "same"})
"""The aggregates that ask of a value only whether it equals another."""


class Codes(NamedTuple):
    """A column, or several together, as dense numbers; -1 where one is not known."""

    numbers: Places
    different: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows, what is asked about them, and what all keys share."""

    answer: Answer
    columns: Columns
    kernels: Kernels
    is_asked: Flags
    place_of: Places  # Of a row that is asked about, its place among those.
    codes: dict[str, Codes] = field(default_factory=dict)
    passes: dict[tuple[Condition, ...], Flags] = field(default_factory=dict)


class _Frame(NamedTuple):
    """The stretch of passing rows that each question looks at, and how many rows count for saturation."""

    low: Places
    high: Places
    held: Ints


@dataclass(slots=True)
class _Passing:
    """The rows of one key that pass one filter, and how the questions stand among them."""

    block: _Block
    rows: Places
    at: Ints
    asked: Asked
    first: Places
    before: Places
    frames: dict[tuple[int, int], _Frame] = field(default_factory=dict)
    totals: dict[tuple[str, str], Ints] = field(default_factory=dict)
    tallies: dict[tuple[str, tuple[int, int]], tuple[Ints, Ints]] = field(default_factory=dict)


def measure(
    columns: Columns,
    features: Sequence[FeatureSpec],
    *,
    asked_from: int = 0,
    kernels: Kernels = COMPILED,
    threads: int = THREADS,
) -> Features:
    """All features of the attempts from row `asked_from` on; the rows before it are only looked back upon."""
    answer = Answer(columns, features, asked_from)
    is_asked = np.zeros(len(columns), np.bool_)
    is_asked[answer.rows] = True
    block = _Block(answer, columns, kernels, is_asked, np.cumsum(is_asked, dtype=np.int32) - 1)
    with ThreadPoolExecutor(threads) as pool:
        _number_columns(block, pool)
        for _ in pool.map(lambda of_key: _measure_key(block, *of_key), _by_key(answer.measured)):
            pass
    return answer.whole()


def _by_key(features: list[FeatureSpec]) -> list[tuple[tuple[str, ...], list[FeatureSpec]]]:
    # The key with the most features first, so that no thread begins it when the others are done.
    return sorted(grouped(features, lambda spec: spec.key).items(), key=lambda of_key: -len(of_key[1]))


def _number_columns(block: _Block, pool: ThreadPoolExecutor) -> None:
    features = block.answer.measured
    names = dict.fromkeys(name for spec in features for name in spec.key)
    names |= dict.fromkeys(spec.value for spec in features if spec.aggregate in BY_EQUALITY)
    codes = pool.map(lambda name: _numbered(block.kernels, block.columns[name]), names)
    block.codes.update(zip(names, codes, strict=True))
    for where in dict.fromkeys(spec.where for spec in features):
        block.passes[where] = passes(block.columns, where)


def _numbered(kernels: Kernels, column: Column) -> Codes:
    # Half of the slots stay empty at least, so that no search is long.
    slot_bits = (2 * len(column.values)).bit_length()
    # What Arrow lends may not be written to, which for the compiler is another type, and would be compiled once more.
    values, present = (np.require(part, requirements=("C", "W")) for part in column)
    return Codes(*kernels.dense(values, present, slot_bits))


def _codes_of(block: _Block, key: tuple[str, ...]) -> Codes:
    codes = block.codes[key[0]]
    for name in key[1:]:
        other = block.codes[name]
        both = codes.numbers.astype(np.int64) * other.different + other.numbers
        codes = _numbered(block.kernels, Column(both, (codes.numbers >= 0) & (other.numbers >= 0)))
    return codes


def _measure_key(block: _Block, key: tuple[str, ...], features: list[FeatureSpec]) -> None:
    order, starts = block.kernels.layout(*_codes_of(block, key))
    asked = block.answer.asked(block.place_of[order[block.is_asked[order]]])
    for where, specs in grouped(features, lambda spec: spec.where).items():
        found = block.kernels.passing(order, starts, block.passes[where], block.is_asked, len(asked.rows))
        passing = _Passing(block, found[0], block.columns.at[found[0]], asked, *found[1:])
        for spec in specs:
            frame = _frame(passing, bounds_of(spec))
            parts = {name: _part(spec, name, passing, frame) for name in FORMS[spec.aggregate].parts}
            block.answer.put(spec, {**parts, "held": frame.held}, asked)


def _frame(passing: _Passing, bounds: tuple[int, int]) -> _Frame:
    if bounds not in passing.frames:
        low, high = passing.block.kernels.frames(passing.at, passing.asked.at, passing.first, passing.before, bounds)
        passing.frames[bounds] = _Frame(low, high, np.subtract(passing.before, low, dtype=np.int64))
    return passing.frames[bounds]


def _part(spec: FeatureSpec, name: str, passing: _Passing, frame: _Frame) -> Ints:
    """One part of a feature, as the finaliser names them, for every question."""
    match name:
        case "rows":
            return np.subtract(frame.high, frame.low, dtype=np.int64)
        case "newest":
            return _taken(passing.at, frame.high - 1, frame)
        case "oldest":
            return _taken(passing.at, frame.low, frame)
        case "n" | "total" | "squares":
            totals = _totals(passing, spec.value, name)
            return totals[frame.high] - totals[frame.low]
        case "latest":
            return _latest(passing, spec.value, frame)
        case "least" | "greatest":
            return _extreme(passing, spec.value, frame, name)
        case "different":
            return _tally(passing, spec, frame)[0]
        case "equal":
            return _tally(passing, spec, frame)[1]
        case _:
            raise AssertionError(f"the finaliser asks {spec.aggregate} for a part {name!r} that nobody measures")


def _values(passing: _Passing, name: str) -> Column:
    column = passing.block.columns[name]
    return Column(column.values[passing.rows], column.present[passing.rows])


def _totals(passing: _Passing, name: str, what: str) -> Ints:
    """Running totals over the passing rows; they may wrap at 64 bits, and their differences are right all the same."""
    if (name, what) not in passing.totals:
        column = _values(passing, name)
        cut = np.minimum(column.values, VALUE_MAX)
        added = {"n": column.present, "total": cut, "squares": cut * cut}[what]
        totals = np.zeros(len(added) + 1, np.int64)
        np.cumsum(added, dtype=np.int64, out=totals[1:])
        passing.totals[name, what] = totals
    return passing.totals[name, what]


def _latest(passing: _Passing, name: str, frame: _Frame) -> Ints:
    column = _values(passing, name)
    # The place of the newest known value up to each place; where it lies before the window, `n` is 0.
    newest = np.maximum.accumulate(np.where(column.present, np.arange(len(column.present)), 0))
    return _taken(column.values[newest], frame.high - 1, frame)


def _extreme(passing: _Passing, name: str, frame: _Frame, which: str) -> Ints:
    column = _values(passing, name)
    # The complement turns the order round and, unlike the negative, never leaves 64 bits.
    ordered = column.values if which == "least" else ~column.values
    places = passing.block.kernels.smallest(ordered, column.present, frame.low, frame.high)
    return _taken(column.values, places, frame)


def _tally(passing: _Passing, spec: FeatureSpec, frame: _Frame) -> tuple[Ints, Ints]:
    wanted = spec.value, bounds_of(spec)
    if wanted not in passing.tallies:
        codes = passing.block.codes[spec.value]
        passing.tallies[wanted] = passing.block.kernels.tally(
            codes.numbers[passing.rows], codes.different, codes.numbers[passing.asked.rows], frame.low, frame.high
        )
    return passing.tallies[wanted]


def _taken(values: Ints, places: Ints | Places, frame: _Frame) -> Ints:
    """The values at these places; any number where the window is empty, which the finaliser never looks at."""
    if not len(values):
        return np.zeros(len(places), np.int64)
    return values[np.where(frame.high > frame.low, places, 0)]
