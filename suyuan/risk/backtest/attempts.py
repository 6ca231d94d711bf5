"""Attempts as policies judge them: stretches of rows with what history says beside them.

A stretch has the rows of some attempts and, before them, the rows that their features look back on. For each attempt it
knows the facts as they were when it was decided, whether its values stood on the lists that a policy asks for, what was
done then, and what it turned out to be. A stretch holds at most `STRETCH_ROWS` rows of its own, so memory is bounded by
these and by the rows that windows still reach.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from suyuan.base.clock import DAY_S, SECOND, SHANGHAI_AHEAD_S
from suyuan.history.decision_events import DecisionMade, ListEntryAdded, ListEntryRemoved
from suyuan.history.events import Event
from suyuan.history.store import Recorded
from suyuan.risk.backtest.foreign import ForeignRow
from suyuan.risk.backtest.tally import BAD, GOOD, ORDER, UNKNOWN
from suyuan.risk.batch.blocks import still_seen
from suyuan.risk.batch.columns import Column, Columns, Flags, Ints, from_rows, join
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.decision import Action
from suyuan.risk.inputs import FACTS, MODEL_SCORE
from suyuan.risk.reading import rows_of
from suyuan.risk.row import ATTEMPT, Row, id64
from suyuan.risk.vector import read_inputs

STRETCH_ROWS = 200_000
_PLACES = {action: place for place, action in enumerate(ORDER)}
FACT_NAMES = tuple(fact.name for fact in FACTS)
OF_THE_ROW = ("face_fen", "paid", "ratio_bp", "hour")
"""The facts that a row has as well, so that a table without decisions has them too."""
ListRef = tuple[str, str]


class Told(NamedTuple):
    """What is known of an attempt beside its row. Not `is_judged`: refused before a policy was asked."""

    redemption: str
    is_judged: bool
    action: Action
    truth: int
    facts: Sequence[int | None]
    model_bp: int | None
    hits: Sequence[int]


class Stretch(NamedTuple):
    """Rows, the place of the first that is asked about, and what is told of each attempt from there on."""

    columns: Columns
    asked_from: int
    redemptions: list[str]
    is_judged: Flags
    actions: Ints  # By their places in `tally.ORDER`.
    truth: Ints
    inputs: dict[str, Column]
    """The facts, the model's score and the list hits of the attempts, by the names that policies use."""


class Truth(NamedTuple):
    """What is known by now: redemptions that turned out bad; others that were taken before `good_before` are good."""

    bad: Collection[str]
    good_before: int


class Span(NamedTuple):
    """Attempts from one instant to before another; what came before them is looked back on all the same."""

    from_at: int = 0
    to_at: int = 1 << 62


ALL = Span()


@dataclass(slots=True)
class _Lists:
    """Who stands on which list, as history goes."""

    entries: dict[ListRef, dict[int | None, int]] = field(default_factory=dict)

    def follow(self, event: Event) -> None:
        match event:
            case ListEntryAdded():
                self.entries.setdefault((event.list, event.key), {})[id64(event.value)] = event.expires_at
            case ListEntryRemoved():
                self.entries.get((event.list, event.key), {}).pop(id64(event.value), None)

    def hits(self, row: Row, refs: Sequence[ListRef]) -> list[int]:
        return [int(row.at < self.entries.get(ref, {}).get(getattr(row, ref[1]), 0)) for ref in refs]


def of_history(
    recorded: Iterable[Recorded], catalogue: Catalogue, truth: Truth, *, refs: Sequence[ListRef], span: Span = ALL
) -> Iterator[Stretch]:
    """History in stretches."""
    lists, decisions = _Lists(), _Decisions()

    def rows() -> Iterator[tuple[Row, Told | None]]:
        for row in rows_of(decisions.watch(recorded, lists)):
            if row.kind != ATTEMPT:
                yield row, None
            else:
                told = told_of_row(row, hits=lists.hits(row, refs))
                yield row, _as_decided(told, row, decisions.of(row), catalogue, truth)

    return _stretches(rows(), catalogue, refs, span)


def of_table(
    rows: Iterable[ForeignRow], catalogue: Catalogue, *, refs: Sequence[ListRef], span: Span = ALL
) -> Iterator[Stretch]:
    """A foreign table in stretches; nobody decided there, so the old actions are approvals, and no list has entries."""
    truths = {None: UNKNOWN, True: BAD, False: GOOD}
    told = (
        (row, told_of_row(row, truth=truths[is_bad], hits=[0] * len(refs)) if row.kind == ATTEMPT else None)
        for row, is_bad in rows
    )
    return _stretches(told, catalogue, refs, span)


def days_of(at: Ints) -> Ints:
    """The days in Shanghai since 1970."""
    return (at // SECOND + SHANGHAI_AHEAD_S) // DAY_S


class _Decisions:
    """The decision that the row which is being read comes from."""

    def __init__(self) -> None:
        self._newest: tuple[int, DecisionMade] | None = None

    def watch(self, recorded: Iterable[Recorded], lists: _Lists) -> Iterator[Recorded]:
        for one in recorded:
            if isinstance(one.event, DecisionMade):
                self._newest = (one.seq, one.event)
            lists.follow(one.event)
            yield one

    def of(self, row: Row) -> DecisionMade | None:
        return self._newest[1] if self._newest is not None and self._newest[0] == row.seq else None


def _as_decided(told: Told, row: Row, decided: DecisionMade | None, catalogue: Catalogue, truth: Truth) -> Told:
    if decided is None:
        return told._replace(is_judged=False)
    is_good = row.taken and row.at < truth.good_before
    known = BAD if decided.redemption in truth.bad else GOOD if is_good else UNKNOWN
    told = told._replace(redemption=decided.redemption, action=Action(decided.action), truth=known)
    if decided.features != catalogue.digest:
        return told
    inputs = read_inputs(decided.inputs)
    first = len(catalogue.features)
    behind = first + len(FACT_NAMES)
    return told._replace(facts=inputs[first:behind], model_bp=inputs[behind])


def told_of_row(row: Row, *, truth: int = UNKNOWN, hits: Sequence[int] = ()) -> Told:
    """What a row alone tells of its attempt: the facts that stand in it, and that it was let through."""
    facts = [getattr(row, name) if name in OF_THE_ROW else None for name in FACT_NAMES]
    return Told("", True, Action.APPROVE, truth, facts, None, hits)


def _stretches(
    rows: Iterable[tuple[Row, Told | None]], catalogue: Catalogue, refs: Sequence[ListRef], span: Span
) -> Iterator[Stretch]:
    before, own, told = from_rows([]), list[Row](), list[Told]()
    for row, one in rows:
        if row.at >= span.to_at:
            break
        own.append(row)
        if one is not None:
            told.append(one if row.at >= span.from_at else one._replace(is_judged=False))
        if len(own) == STRETCH_ROWS:
            yield (stretch := _stretch(before, own, told, refs))
            before, own, told = still_seen(stretch.columns, catalogue.features), [], []
    if own:
        yield _stretch(before, own, told, refs)


def _stretch(before: Columns, own: list[Row], told: list[Told], refs: Sequence[ListRef]) -> Stretch:
    return Stretch(
        columns=join([before, from_rows(own)]),
        asked_from=len(before),
        redemptions=[one.redemption for one in told],
        is_judged=np.array([one.is_judged for one in told], np.bool_),
        actions=np.array([_PLACES[one.action] for one in told], np.int64),
        truth=np.array([one.truth for one in told], np.int64),
        inputs={
            **{name: _column([one.facts[place] for one in told]) for place, name in enumerate(FACT_NAMES)},
            MODEL_SCORE: _column([one.model_bp for one in told]),
            **{f"{ref[0]}:{ref[1]}": _column([one.hits[place] for one in told]) for place, ref in enumerate(refs)},
        },
    )


def _column(values: list[int | None]) -> Column:
    present = np.array([value is not None for value in values], np.bool_)
    return Column(np.array([value or 0 for value in values], np.int64), present)
