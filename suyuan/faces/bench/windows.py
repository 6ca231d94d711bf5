"""`suyuan bench windows`: what features cost in the line, what they hold in memory, and how soon they are there again.

Rows of a large platform are measured and appended one after the other, as the line does, and settled in commits. Times
are CPU time of this thread: of an attempt what `measure` and `append` take, of a commit what `settle` takes, which also
packs what was not asked for. The second half counts, when windows are as full as so many rows can make them. Then
everything is written as a snapshot, opened again, and asked once more.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from suyuan.app.line import spare_the_collector
from suyuan.base.clock import monotonic_s, thread_cpu_s
from suyuan.faces.bench.attempts import LARGE, Trade, attempts
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.online.snapshot import open_snapshot, write_snapshot
from suyuan.risk.online.states import Bounds
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, Row

COMMIT_ROWS = 64
_MB = 1 << 20


class Spent(NamedTuple):
    """CPU microseconds, in the second half of the rows."""

    measure: list[float]
    append: list[float]
    settle: list[float]  # Of a commit.


class Kept(NamedTuple):
    """What a snapshot of it all costs."""

    bytes: int
    keys: int
    write_s: float
    open_s: float
    differing_cells: int  # Of a later attempt, between the windows that were written and those that were opened.


class Report(NamedTuple):
    """Everything that `bench windows` found."""

    before: Machine
    after: Machine
    features: int
    rows: int
    spent: Spent
    keys: int
    open_states: int
    held_mb: float
    kept: Kept

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        both = [measure + append for measure, append in zip(self.spent.measure, self.spent.append, strict=True)]
        return {
            "features": self.features,
            "rows": self.rows,
            "us_p50": at_share(both, 0.5),
            "us_p99": at_share(both, 0.99),
            "measure_us_p50": at_share(self.spent.measure, 0.5),
            "measure_us_p99": at_share(self.spent.measure, 0.99),
            "append_us_p50": at_share(self.spent.append, 0.5),
            "append_us_p99": at_share(self.spent.append, 0.99),
            "settle_us_a_row": round(sum(self.spent.settle) / len(self.spent.settle) / COMMIT_ROWS, 1),
            "settle_us_p99": at_share(self.spent.settle, 0.99),
            "keys": self.keys,
            "open_states": self.open_states,
            "held_mb": self.held_mb,
            "rss_mb": rss_mb(),
            "snapshot_mb": round(self.kept.bytes / _MB, 1),
            "snapshot_bytes_a_key": round(self.kept.bytes / max(self.kept.keys, 1)),
            "snapshot_write_s": self.kept.write_s,
            "snapshot_open_s": self.kept.open_s,
            "snapshot_differing_cells": self.kept.differing_cells,
        }


def measure(*, rows: int, seed: int = 1, trade: Trade = LARGE, bounds: Bounds = Bounds()) -> Report:  # noqa: B008 - a frozen value
    """Runs so many rows of a platform of this size through the windows."""
    before, catalogue = machine_now(), load_catalogue()
    spare_the_collector()
    rss_before_mb = rss_mb()
    windows = Windows(catalogue, bounds)
    spent, last = run_through(windows, rows=rows, seed=seed, trade=trade)
    states = windows.states
    held_mb = round(rss_mb() - rss_before_mb, 1)
    open_states = sum(map(len, states.open)) + sum(map(len, states.aside))
    with tempfile.TemporaryDirectory() as folder:
        kept = _kept(windows, catalogue, last, Path(folder) / "windows")
    return Report(before, machine_now(), len(catalogue.features), rows, spent, states.keys, open_states, held_mb, kept)


def run_through(windows: Windows, *, rows: int, seed: int, trade: Trade) -> tuple[Spent, Row]:
    """Measures and appends so many rows; returns what it took, and the last of them."""
    spent = Spent([], [], [])
    row = None
    for number, row in enumerate(attempts(rows, seed=seed, trade=trade), 1):
        began_s = thread_cpu_s()
        if row.kind == ATTEMPT:
            windows.measure(row)
        measured_s = thread_cpu_s()
        windows.append(row)
        appended_s = thread_cpu_s()
        counts = 2 * number > rows
        if counts and row.kind == ATTEMPT:
            spent.measure.append((measured_s - began_s) * 1e6)
            spent.append.append((appended_s - measured_s) * 1e6)
        if number % COMMIT_ROWS == 0 or number == rows:
            began_s = thread_cpu_s()
            windows.settle()
            spent.settle.extend([(thread_cpu_s() - began_s) * 1e6] if counts else [])
    assert row is not None, "there is a row"
    return spent, row


def at_share(times: list[float], share: float) -> float:
    """The time that so large a share of them stays within.

    >>> at_share([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    return round(sorted(times)[min(int(share * len(times)), len(times) - 1)], 1)


def _kept(windows: Windows, catalogue: Catalogue, last: Row, file: Path) -> Kept:
    began_s = monotonic_s()
    written = write_snapshot(windows, file)
    written_s = monotonic_s()
    opened = open_snapshot(file, catalogue)
    open_s = monotonic_s() - written_s
    later = last._replace(at=last.at + 1, kind=ATTEMPT)
    cells = zip(windows.measure(later), opened.measure(later), strict=True)
    differing = sum(before != after for before, after in cells)
    return Kept(written.bytes, written.keys, round(written_s - began_s, 2), round(open_s, 2), differing)
