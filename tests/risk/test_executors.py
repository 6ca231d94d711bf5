"""One list of laws for every executor of features: 0 differing cells, over histories made to find one.

Each executor is held against the definition (`naive`), read off `risk.features` line by line. Spark takes the same
histories nightly, laid one behind the other, since it takes seconds to begin where the others take milliseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.risk.batch import blocks, duck, kernels, replay, spark, sql
from suyuan.risk.batch.columns import from_rows, row_blocks
from suyuan.risk.batch.parts import Features, join_features
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.features import CAP, Condition, FeatureSpec
from suyuan.risk.row import ATTEMPT, BAD, Row
from tests.changed_code import change
from tests.risk.executors import (
    BATCHES,
    EXECUTORS,
    HISTORIES,
    Batch,
    Executor,
    by_definition,
    edges,
    some_aggregates,
)
from tests.risk.rows import AT, every_aggregate

SOME = [some_aggregates(part, 12) for part in range(12)]
EDGES = edges()
EVERY = every_aggregate(features=88)

of_each = pytest.mark.parametrize("executor", EXECUTORS, ids=str)
of_each_batch = pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)


# --- The laws --------------------------------------------------------------------------------------------------------


@of_each
@settings(max_examples=settings().max_examples * 2 // 5)
@given(rows=HISTORIES, catalogue=st.sampled_from(SOME))
def test_every_executor_says_what_the_definition_says(
    executor: Executor, rows: list[Row], catalogue: Catalogue
) -> None:
    """Equal keys and missing ones, gaps at the edge of a window and a micro beside it, windows filled over the cap."""
    assert_same(executor.measure(rows, catalogue), by_definition(rows, catalogue), catalogue)


@of_each_batch
@settings(max_examples=settings().max_examples // 10)
@given(rows=HISTORIES, block_rows=st.integers(1, 9), catalogue=st.sampled_from(SOME))
def test_a_history_in_blocks_is_the_history_at_once(
    batch: Batch, rows: list[Row], block_rows: int, catalogue: Catalogue
) -> None:
    """What is carried from block to block is all that a window still reaches; one row less would show here."""
    stream = row_blocks(rows, 4)
    cut = list(blocks.in_blocks(stream, catalogue.features, block_rows=block_rows))
    assert sum(len(block.columns) - block.asked_from for block in cut) == len(rows)
    found = [batch(block.columns, catalogue.features, asked_from=block.asked_from) for block in cut]
    assert_same(join_features(found), by_definition(rows, catalogue), catalogue)


@of_each
@pytest.mark.parametrize("over", [0, 1])
def test_a_window_that_holds_the_cap_is_whole_and_one_row_more_is_saturated(executor: Executor, over: int) -> None:
    """At the real cap, by rows a micro apart; with a lag, rows count for saturation that are not in the window yet."""
    rows = [Row(place, AT + place, ATTEMPT, seller=7, face_fen=2) for place in range(CAP + over)]
    rows.append(Row(CAP + over, AT + CAP + over, ATTEMPT, seller=7, face_fen=2))
    catalogue = Catalogue(
        (
            feature("count"), feature("sum", value="face_fen"), feature("spread", value="face_fen"),
            feature("count", name="lagged", lag_s=3_000), feature("gap", name="no_gap", lag_s=3_000),
        )
    )  # fmt: skip
    found = executor.measure(rows, catalogue)
    assert found.listed(len(rows) - 1) == [CAP, *([None, None] if over else [2 * CAP, 0]), CAP if over else 0, None]
    assert found.saturated[:, -1].tolist() == [bool(over)] * 5
    assert not found.saturated[:, -2].any()


@of_each
def test_both_ends_of_a_window_belong_to_it(executor: Executor) -> None:
    """By hand: a row counts from the instant at which its lag is over to that at which its window is, and no longer."""
    window, lag = 3_600 * SECOND, 60 * SECOND
    ages = [window + 1, window, window - 1, lag + 1, lag, lag - 1, 1]
    now = AT + 2 * window
    rows = [Row(place, now - age, BAD, seller=7, face_fen=place) for place, age in enumerate(ages)]
    rows.append(Row(len(ages), now, ATTEMPT, seller=7))
    catalogue = Catalogue(
        (
            feature("count"), feature("count", name="known", lag_s=60),
            feature("min", value="face_fen"), feature("last", value="face_fen", lag_s=60),
            feature("distinct", value="face_fen", lag_s=60),
        )
    )  # fmt: skip
    assert executor.measure(rows, catalogue).listed(0) == [6, 4, 1, 4, 4]


@of_each
def test_a_label_counts_when_it_was_known_not_when_it_was_earned(executor: Executor) -> None:
    """A card turns out bad a day after the attempt: attempts in between saw nothing of it, and never will."""
    day = 86_400 * SECOND
    rows = [
        Row(0, AT, ATTEMPT, seller=7),
        Row(1, AT + day - 1, ATTEMPT, seller=7),
        Row(2, AT + day, BAD, seller=7),
        Row(3, AT + day + 1, ATTEMPT, seller=7),
    ]
    catalogue = Catalogue((feature("count", where=(Condition("kind", "eq", BAD),), window_s=30 * 86_400),))
    assert executor.measure(rows, catalogue).values.tolist() == [[0, 0, 1]]


@of_each
def test_what_has_no_key_has_no_feature_and_joins_nobody(executor: Executor) -> None:
    """Rows without a seller are not the same seller's; and half of a pair is no pair."""
    rows = [Row(place, AT + place, ATTEMPT, prefix=5) for place in range(4)]
    catalogue = Catalogue((feature("count"), feature("count", name="pair", key=("seller", "prefix"))))
    found = executor.measure(rows, catalogue)
    assert not found.present.any()
    assert not found.saturated.any()


@of_each
@pytest.mark.parametrize("rows", [[], [Row(0, AT, BAD, seller=7)], [Row(0, AT, ATTEMPT)]], ids=len)
def test_a_history_without_anything_to_measure_is_no_trouble(executor: Executor, rows: list[Row]) -> None:
    found = executor.measure(rows, SOME[0])
    assert found.values.shape == (len(SOME[0].features), sum(row.kind == ATTEMPT for row in rows))
    assert not found.present.any()


@of_each_batch
def test_sums_over_the_cap_may_leave_64_bits(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hot key at 10^8 rows: its totals pass 2^63, while the windows of all that is not saturated do not."""
    for module in (replay, sql):
        monkeypatch.setattr(module, "VALUE_MAX", 1 << 31)
    rows = [Row(place, AT + place * SECOND, ATTEMPT, seller=7, face_fen=1 << 31) for place in range(12)]
    catalogue = Catalogue((feature("sum_squares", value="face_fen", window_s=1), feature("sum", value="face_fen")))
    assert batch(from_rows(rows), catalogue.features).listed(11) == [1 << 62, 11 << 31]


# --- A micro beside the edge is seen ----------------------------------------------------------------------------------


Taken = Callable[[pytest.MonkeyPatch], Batch]


def a_changed_kernel(old: str, new: str) -> Taken:
    def taken(patch: pytest.MonkeyPatch) -> Batch:
        change(patch, kernels, "frames", old, new)
        changed = kernels.PLAIN._replace(frames=kernels.frames)
        return lambda columns, features: replay.measure(columns, features, kernels=changed)

    return taken


def a_changed_text(name: str, old: str, new: str) -> Taken:
    def taken(patch: pytest.MonkeyPatch) -> Batch:
        change(patch, sql, name, old, new)
        return duck.measure

    return taken


def a_later_carry(patch: pytest.MonkeyPatch) -> Batch:
    change(patch, blocks, "still_seen", "int(columns.at[-1]) + 1", "int(columns.at[-1]) + 2")

    def batch(columns: object, features: tuple[FeatureSpec, ...]) -> Features:
        stream = row_blocks(EDGES, 1)
        cut = blocks.in_blocks(stream, features, block_rows=1)
        return join_features([replay.measure(block.columns, features, asked_from=block.asked_from) for block in cut])

    return batch


@pytest.mark.parametrize(
    "taken",
    [
        a_changed_kernel("at[begin] < since", "at[begin] <= since"),
        a_changed_kernel("at[begin] < since", "at[begin] < since - 1"),
        a_changed_kernel("at[end] <= until", "at[end] < until"),
        a_changed_kernel("at[end] <= until", "at[end] <= until + 1"),
        a_changed_text("_difference", "window + 1", "window"),
        a_changed_text("_difference", "window + 1", "window + 2"),
        a_changed_text("_frame", "{until} PRECEDING", "{until - 1} PRECEDING"),
        a_changed_text("_frame", "{until} PRECEDING", "{until + 1} PRECEDING"),
        a_changed_text("_of_distinct", "{at} + {window} + 1 AS until", "{at} + {window} AS until"),
        a_changed_text("_of_distinct", "{at} + {lag} AS since", "{at} + {lag} + 1 AS since"),
        a_changed_text("_of_distinct", "LEAST(until, COALESCE(taken_over, until))", "until"),
        a_later_carry,
    ],
)
def test_an_edge_that_is_off_by_a_micro_is_seen(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws have teeth: each of these is the smallest mistake that an executor can make."""
    expected = by_definition(EDGES, EVERY)
    with monkeypatch.context() as patch:
        changed = taken(patch)(from_rows(EDGES), EVERY.features)
    assert changed.differing_cells(expected) > 0
    assert replay.measure(from_rows(EDGES), EVERY.features).differing_cells(expected) == 0


# --- Without numba ----------------------------------------------------------------------------------------------------

WITHOUT_NUMBA = """
import json, sys
sys.modules["numba"] = None
from suyuan.risk.batch import kernels, replay
from suyuan.risk.batch.columns import from_rows
from tests.risk.test_executors import EDGES, EVERY
assert kernels.COMPILED is kernels.PLAIN
found = replay.measure(from_rows(EDGES), EVERY.features)
print(json.dumps([found.values.tolist(), found.present.tolist(), found.saturated.tolist()]))
"""


def test_where_numba_is_missing_the_replay_says_the_same() -> None:
    """A real process in which it cannot be imported: slower, and equal."""
    ran = subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    expected = by_definition(EDGES, EVERY)
    parts = (expected.values, expected.present, expected.saturated)
    assert json.loads(ran.stdout) == [part.tolist() for part in parts]


def test_kernels_that_cannot_be_kept_on_disk_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account without a home, and code that it may not write beside: numba says so with a RuntimeError."""
    import numba

    njit = numba.njit

    def nowhere(*, nogil: bool, cache: bool = False) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(nogil=nogil)

    monkeypatch.setattr(numba, "njit", nowhere)
    made = kernels._compiled()
    codes, different = made.dense(np.array([5, 5, 9]), np.array([True, True, False]), 3)
    assert (codes.tolist(), different) == ([0, 0, -1], 1)


# --- Spark ------------------------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_spark_says_the_same() -> None:
    """Many histories laid one behind the other, each farther from the one before than any window reaches."""
    rows: list[Row] = []

    @settings(max_examples=200, database=None)
    @given(HISTORIES)
    def lay(more: list[Row]) -> None:
        seq, at = (rows[-1].seq + 1, rows[-1].at + 86_400 * SECOND) if rows else (0, AT)
        rows.extend(row._replace(seq=seq + place, at=at + row.at - AT) for place, row in enumerate(more))

    lay()
    every, columns = every_aggregate(), from_rows(rows)
    try:
        with spark.local_session(os.environ.get("JAVA_HOME")) as session:
            found = spark.measure(session, columns, every.features)
    except spark.NoSpark as missing:
        pytest.skip(f"!! THE SPARK EXECUTOR IS NOT TESTED: {missing}")
    assert_same(found, replay.measure(columns, every.features), every)


def test_without_spark_one_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(spark.NoSpark, match="suyuan\\[spark\\]"), spark.local_session(None):
        pass
    assert spark.lacking_java("/nowhere") == "it needs a Java 17 or newer, and here is none"


# --- Words ------------------------------------------------------------------------------------------------------------


def feature(aggregate: str, *, name: str = "", **told: object) -> FeatureSpec:
    spec = {"key": ("seller",), "window_s": 3_600, "zh": "特征", "en": "a feature"} | told
    return FeatureSpec(name=name or f"a_{aggregate}", aggregate=aggregate, **spec)  # type: ignore[arg-type]  # A catalogue checks it.


def assert_same(found: Features, expected: Features, catalogue: Catalogue) -> None:
    """No cell differs; if some do, which features they are of."""
    if found.differing_cells(expected):
        assert found.seq.tolist() == expected.seq.tolist()
        wrong = (found.values != expected.values) | (found.present != expected.present)
        wrong |= found.saturated != expected.saturated
        lines = [
            f"{catalogue.names[place]} of seq {found.seq[attempt]}: {found.listed(attempt)[place]},"
            f" not {expected.listed(attempt)[place]}"
            for place, attempt in islice(zip(*np.nonzero(wrong), strict=True), 10)
        ]
        raise AssertionError("\n".join(lines))
