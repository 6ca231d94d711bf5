"""`suyuan bench executors`: every feature of one long history by every executor, cell against cell, and how fast.

The line's own executor says what is right, since it is what decides; the others are held against it. The replay goes
first and last, so that a machine that changed its mood meanwhile is seen. What each has used of CPU stands beside the
time that passed: with two threads there may be more of it, on a busy machine there is less.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from suyuan.base.clock import cpu_s, monotonic_s
from suyuan.faces.bench.attempts import attempts
from suyuan.faces.bench.machine import Machine, children_of, cpu_s_of_all, machine_now
from suyuan.risk.batch import duck, kernels, replay, spark
from suyuan.risk.batch.blocks import in_blocks
from suyuan.risk.batch.columns import GROUP_ROWS, Columns, from_rows, read_parquet, row_blocks, write_parquet
from suyuan.risk.batch.parts import Features, Measured, columns_of, features_of, join_features
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, Row

COMMIT_ROWS = 64
"""The line settles its windows after each commit, which holds about so many attempts under load."""


class Run(NamedTuple):
    """What one executor made of the history, and what that took."""

    features: Features
    seconds: float
    cpu_s: float


class Report(NamedTuple):
    """Everything that `bench executors` found."""

    before: Machine
    after: Machine
    events: int
    runs: dict[str, Run]
    replay_again: Run
    peak_rss_mb: int

    @property
    def differing_cells(self) -> dict[str, int]:
        """Of each executor, held against the line's."""
        right = self.runs["online"].features
        return {name: run.features.differing_cells(right) for name, run in self.runs.items()}

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        right = self.runs["online"].features
        return {
            "events": self.events,
            "attempts": len(right),
            "features": len(right.values),
            "cells": right.values.size,
            "saturated_cells": int(right.saturated.sum()),
            "differing_cells": self.differing_cells,
            "rows_per_s": {name: round(self.events / run.seconds) for name, run in self.runs.items()},
            "rows_per_cpu_s": {name: round(self.events / run.cpu_s) for name, run in self.runs.items()},
            "replay_again_rows_per_s": round(self.events / self.replay_again.seconds),
            "replay_is_compiled": kernels.COMPILED is not kernels.PLAIN,
            "peak_rss_mb": self.peak_rss_mb,
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }


def measure(*, events: int, seed: int, with_spark: bool) -> Report:
    """Measures a history of so many events. Raises `NoSpark` where Spark is wanted and cannot run."""
    before = machine_now()
    catalogue = load_catalogue()
    rows = list(attempts(events, seed=seed))
    columns = from_rows(rows)
    replayed = partial(replay.measure, columns, catalogue.features)
    # Compiling is not what is measured; it is done once for a machine, and kept.
    replay.measure(columns.part(0, 1_000), catalogue.features)
    runs = {
        "replay": _run(replayed),
        "replay_in_blocks": _run(partial(_in_blocks, rows, catalogue)),
        "replay_without_numba": _run(partial(replayed, kernels=kernels.PLAIN)),
        "duckdb": _run(partial(duck.measure, columns, catalogue.features)),
        "online": _run(partial(online, rows, catalogue)),
    }
    if with_spark:
        runs["spark"] = _by_spark(columns, catalogue)
    again = _run(replayed)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Report(before, machine_now(), events, runs, again, peak_kb // 1_024)


def online(rows: list[Row], catalogue: Catalogue) -> Features:
    """What the line would have seen at each attempt."""
    windows = Windows(catalogue)
    measured = []
    for row in rows:
        if row.kind == ATTEMPT:
            measured.append(Measured(row.seq, windows.measure(row), windows.saturated))
        windows.append(row)
        if row.seq % COMMIT_ROWS == 0:
            windows.settle()
    return features_of(len(catalogue.features), measured)


def _in_blocks(rows: list[Row], catalogue: Catalogue) -> Features:
    """As a backtest of a long history does it: written to a file, and read block by block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        write_parquet(row_blocks(rows, GROUP_ROWS), file)
        stream = read_parquet(file, columns_of(catalogue.features))
        cut = in_blocks(stream, catalogue.features, block_rows=GROUP_ROWS)
        return join_features(
            [replay.measure(block.columns, catalogue.features, asked_from=block.asked_from) for block in cut]
        )


def _by_spark(columns: Columns, catalogue: Catalogue) -> Run:
    with spark.local_session(os.environ.get("JAVA_HOME")) as session:
        # The Java beside this process does the work.
        used = partial(cpu_s_of_all, children_of(os.getpid()))
        return _run(partial(spark.measure, session, columns, catalogue.features), lambda: cpu_s() + used())


def _run(measured: Callable[[], Features], used_s: Callable[[], float] = cpu_s) -> Run:
    began, used = monotonic_s(), used_s()
    features = measured()
    return Run(features, monotonic_s() - began, used_s() - used)
