"""The payments of S-FFSD as rows of history, and what is measured over them by the platform's own replay.

A payment is an attempt; sender, receiver, place and type stand in the columns of seller, payee, prefix and operator,
and the exact amount in that of the card, because equal amounts go together here. The file knows the order of payments
and no time, so each takes one second, and a window of 1,000 s is the 1,000 payments before.

A label that is known is a row of its own (`BAD`; `taken` says which label), half a second after the payment or, with a
delay, after the payment that comes so many later. So what is not known yet counts nowhere, by the same rule as in
history, and a label that must not be known is simply not among the rows. All payments have one partner, so that the key
of the partner says what is known of the platform as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from suyuan.faces.bench.sffsd.table import UNKNOWN, Ints, Table
from suyuan.risk.batch import replay
from suyuan.risk.batch.columns import Column, Columns
from suyuan.risk.features import CAP, Aggregate, Condition, FeatureSpec
from suyuan.risk.finalise import CAP_MAX
from suyuan.risk.row import ATTEMPT, BAD

SENDER, RECEIVER, PLACE, TYPE, AMOUNT = KEYS = ("seller", "payee", "prefix", "operator", "card")
PLATFORM = "partner"
PAIRS = tuple((one, other) for place, one in enumerate(KEYS) for other in KEYS[place + 1 :])
ALL_S = 90_000
"""A window that reaches back to the first payment."""

_PAYMENTS = (Condition("kind", "eq", ATTEMPT),)
_LABELS = (Condition("kind", "eq", BAD),)
_BAD_LABELS = (*_LABELS, Condition("taken", "eq", 1))
_SECOND, _HALF = 1_000_000, 500_000


@cache
def causal_features() -> tuple[FeatureSpec, ...]:
    """What payments alone tell: how many, how much, how spread, how long ago, how new, per key and pair of keys."""
    return tuple(feature for key in [*((key,) for key in KEYS), *PAIRS] for feature in _of_payments(key))


@cache
def label_features() -> tuple[FeatureSpec, ...]:
    """What known labels tell: how many, how many of them bad, how long ago, and which the newest was."""
    keys: list[tuple[str, ...]] = [*((key,) for key in KEYS), *PAIRS]
    windows_s: dict[tuple[str, ...], tuple[int, ...]] = dict.fromkeys(keys, (1_000, ALL_S))
    # What is new shows first in the last few payments of a receiver, a place or a type, and in those of all.
    quick = [(SENDER,), (RECEIVER,), (PLACE,), (TYPE,), (AMOUNT,), (RECEIVER, PLACE), (RECEIVER, TYPE), (PLACE, TYPE)]
    windows_s |= {key: (50, 200, *windows_s[key]) for key in quick}
    windows_s[(PLATFORM,)] = (50, 200, 1_000, 10_000)
    return tuple(feature for key, windows in windows_s.items() for feature in _of_labels(key, windows))


def rows_of(table: Table, known: Ints, *, delay: int = 0) -> Columns:
    """The payments, and the labels of the rows `known`, each told once so many more payments were made."""
    assert (table.label[known] != UNKNOWN).all(), "only a label that there is can be known"
    told = known[known + delay < len(table)]
    source = np.concatenate([np.arange(len(table)), told])
    at = np.concatenate([(np.arange(len(table)) + 1) * _SECOND, (told + delay + 1) * _SECOND + _HALF])
    order = np.argsort(at, kind="stable")
    source, is_label = source[order], np.repeat([False, True], [len(table), len(told)])[order]
    everywhere = np.ones(len(order), np.bool_)
    columns = {
        "seq": np.arange(len(order)),
        "at": at[order],
        "kind": np.where(is_label, BAD, ATTEMPT),
        SENDER: table.sender[source],
        RECEIVER: table.receiver[source],
        PLACE: table.place[source],
        TYPE: table.type[source],
        AMOUNT: table.amount_cents[source],
        PLATFORM: np.ones(len(order), np.int64),
        "face_fen": table.amount_cents[source],
    }
    made = {name: Column(values.astype(np.int64), everywhere) for name, values in columns.items()}
    made["taken"] = Column(np.where(is_label, table.label[source], 0), is_label)
    return Columns(len(order), made)


def measured(rows: Columns, features: tuple[FeatureSpec, ...]) -> NDArray[np.float64]:
    """A row of features for each payment; NaN is what is missing."""
    found = replay.measure(rows, features, threads=1)
    assert not found.saturated.any(), "no key of the file has more rows than a feature may look at"
    return np.where(found.present, found.values, np.nan).T


def facts_of(table: Table) -> NDArray[np.float64]:
    """The payment itself, and its time, as those who published have it: its place in the file."""
    facts = [table.amount_cents, table.receiver, table.place, table.type, np.arange(len(table))]
    return np.column_stack(facts).astype(np.float64)


FACTS = ("amount_cents", "receiver", "place", "type", "time")


def _of_payments(key: tuple[str, ...]) -> Iterator[FeatureSpec]:
    for window_s in (100, 1_000, 10_000, ALL_S):
        yield _feature(key, "count", window_s=window_s)
    if AMOUNT not in key:
        yield from _of_amounts(key)
    yield _feature(key, "gap")
    yield _feature(key, "age")
    for other in KEYS if len(key) == 1 else ():
        if other not in key:
            for window_s in (1_000, ALL_S):
                yield _feature(key, "distinct", other, window_s=window_s)
            yield _feature(key, "new", other)
            yield _feature(key, "same", other)


def _of_amounts(key: tuple[str, ...]) -> Iterator[FeatureSpec]:
    aggregates: tuple[Aggregate, ...] = ("mean", "min", "max", "ratio")
    for window_s in (1_000, ALL_S):
        for aggregate in aggregates:
            yield _feature(key, aggregate, "face_fen", window_s=window_s)
    # No longer, so that no square leaves 64 bits.
    yield _feature(key, "spread", "face_fen", window_s=CAP - 1)
    yield _feature(key, "sum", "face_fen", window_s=1_000)
    yield _feature(key, "last", "face_fen")
    if len(key) > 1:
        yield _feature(key, "same", AMOUNT)


def _of_labels(key: tuple[str, ...], windows_s: tuple[int, ...]) -> Iterator[FeatureSpec]:
    for window_s in windows_s:
        bad = _feature(key, "count", window_s=window_s, where=_BAD_LABELS)
        told = _feature(key, "count", window_s=window_s, where=_LABELS)
        yield from (bad, told)
        yield FeatureSpec(
            name=f"{bad.name}_share",
            zh="坏标签占比",
            en="bad labels of all",
            aggregate="share",
            of=(bad.name, told.name),
        )
    yield _feature(key, "gap", where=_LABELS)
    yield _feature(key, "gap", where=_BAD_LABELS)
    yield _feature(key, "last", "taken", where=_LABELS)


def _feature(
    key: tuple[str, ...],
    aggregate: Aggregate,
    value: str = "",
    *,
    window_s: int = ALL_S,
    where: tuple[Condition, ...] = _PAYMENTS,
) -> FeatureSpec:
    rows = {_PAYMENTS: "payments", _LABELS: "labels", _BAD_LABELS: "bad labels"}[where]
    words = [*key, aggregate, value, str(window_s), rows.replace(" ", "_")]
    return FeatureSpec(
        name="_".join(filter(None, words)),
        zh=f"{'、'.join(key)} 最近 {window_s} 笔的 {aggregate}",
        en=f"{aggregate} of {value or rows} of the same {' and '.join(key)} among the last {window_s}",
        aggregate=aggregate,
        key=key,
        value=value,
        window_s=window_s,
        where=where,
        cap=CAP if aggregate == "spread" else CAP_MAX,
    )
