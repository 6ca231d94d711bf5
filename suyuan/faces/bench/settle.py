"""`suyuan bench settle`: what a redemption costs, from the signed request to the pending payout.

1. The floor: the rows that a recorded run of the line wrote, written barely (`floor`), and the line, in turns.
2. The line at 1, 16, 64 and 256 in flight, and how many steps share one sync of the log.
3. One hot seller: the line beside the design of row locks.
4. The door: signed HTTP requests against a whole platform (`door`).

The rows of one step are counted by the database, not by us.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple, TypeVar

from suyuan.app.line import spare_the_collector
from suyuan.base import db
from suyuan.faces.bench.door import Door, measure_doors
from suyuan.faces.bench.floor import Transactions, write_barely, write_under_row_locks
from suyuan.faces.bench.laboratory import Laboratory, laboratory, temporary_folder
from suyuan.faces.bench.line_run import Measured, drive, record_line, run_line
from suyuan.faces.bench.machine import Machine, machine_now
from suyuan.faces.bench.traffic import Crowd, crowd_for, roomy, steps
from suyuan.flows.shelves import Shelves
from suyuan.flows.take_redemption import TakeRedemption
from suyuan.settle.limits import LimitRules

MOST_IN_FLIGHT = 256
# Fewer in flight wait for the disk more often, so they get a part of the steps: one in so many.
FEWER_STEPS_AT = {1: 50, 16: 8, 64: 2}
RECORDED_STEPS_MAX = 20_000
STEPS_PER_SYNC_IN_FLIGHT = 64
LINE_RUNS = 3
HOT_STEPS_PER_S_MAX = 1_000
ALGORITHMS = ("ed25519", "sm2-sm3")

T = TypeVar("T")


class OverFloor(NamedTuple):
    """The line beside its floor, A-B-A, and the rows that one step leaves."""

    ratio: float
    line: list[Measured]
    floor: list[Measured]
    rows_per_step: dict[str, dict[str, float]]


class Hot(NamedTuple):
    """One hot seller, in the line and under row locks."""

    line: Measured
    row_lock: list[Measured]

    @property
    def ratio(self) -> float:
        return self.line.steps_per_s / _mean([run.steps_per_s for run in self.row_lock])


class Report(NamedTuple):
    """Everything that `bench settle` found."""

    before: Machine
    after: Machine
    over_floor: OverFloor
    in_flight: dict[int, Measured]
    steps_per_wal_sync: float
    hot: Hot
    doors: dict[str, Door]

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        most = self.in_flight[MOST_IN_FLIGHT]
        ed25519, sm2 = (self.doors[algorithm] for algorithm in ALGORITHMS)
        return {
            "steps_per_s": round(most.steps_per_s),
            "over_floor": round(self.over_floor.ratio, 3),
            "p50_ms": most.p50_ms,
            "p99_ms": most.p99_ms,
            "steps_per_wal_sync_at_64": round(self.steps_per_wal_sync, 1),
            "hot_over_row_lock": round(self.hot.ratio, 1),
            "cpu_us_per_step": round(most.cpu_s / most.steps * 1e6, 1),
            "http_redemptions_per_s": ed25519.per_s,
            "server_cpu_us_per_redemption": ed25519.server_cpu_us,
            "sm2_cpu_us_per_redemption": sm2.server_cpu_us,
            "rss_mb": most.rss_mb[-1],
            **self._further(),
        }

    def _further(self) -> dict[str, object]:
        marks = self.in_flight[MOST_IN_FLIGHT].rss_mb
        return {
            "steps": self.in_flight[MOST_IN_FLIGHT].steps,
            "rss_mb_at": {"start": marks[0], "quarter": marks[len(marks) // 4], "middle": marks[len(marks) // 2]},
            "line_steps_per_s": [round(run.steps_per_s) for run in self.over_floor.line],
            "floor_steps_per_s": [round(run.steps_per_s) for run in self.over_floor.floor],
            "floor_cpu_us_per_step": round(_mean([run.cpu_s / run.steps for run in self.over_floor.floor]) * 1e6, 1),
            "in_flight": {str(count): _figures(run) for count, run in self.in_flight.items()},
            "hot_steps_per_s": round(self.hot.line.steps_per_s),
            "row_lock_steps_per_s": [round(run.steps_per_s) for run in self.hot.row_lock],
            "rows_per_step": self.over_floor.rows_per_step,
            "doors": {name: door._asdict() for name, door in self.doors.items()},
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }


def measure(*, step_count: int, seconds: float) -> Report:
    """Measures everything. `step_count` steps at the most in flight, about `seconds` for each closed load."""
    before = machine_now()
    # The floor is spared as well, so that the two differ in nothing but what they do.
    spare_the_collector()
    crowd = crowd_for(step_count)
    # Only the run at the most in flight takes all the steps: it shows whether memory stays flat.
    few = min(step_count, RECORDED_STEPS_MAX)
    with laboratory() as bench:
        bench.prepare(crowd)
        over_floor = _over_floor(bench, crowd, few)
        in_flight = {count: _at(bench, crowd, few // fewer, count) for count, fewer in FEWER_STEPS_AT.items()}
        in_flight[MOST_IN_FLIGHT] = _at(bench, crowd, step_count, MOST_IN_FLIGHT)
        per_sync = _steps_per_wal_sync(bench, crowd, max(few // 4, 8 * STEPS_PER_SYNC_IN_FLIGHT))
        hot = _hot(bench, crowd, few, seconds)
    with temporary_folder() as folder:
        redemptions = max(100, round(min(step_count / 4, seconds * 400)))
        doors = measure_doors(folder / "platform", redemptions, ALGORITHMS)
    return Report(before, machine_now(), over_floor, in_flight, per_sync, hot, doors)


def _over_floor(bench: Laboratory, crowd: Crowd, count: int) -> OverFloor:
    """Floor, line, floor, line, …: each run of the line is compared with the floors beside it, and the middle one of
    these ratios counts, so that a neighbour who wakes up meanwhile spoils one of them at most."""
    with bench.fresh() as url:
        stream = steps(count, crowd, salt="step")
        recorded = drive(record_line(url, stream, count, in_flight=MOST_IN_FLIGHT, rules=LimitRules()))
        rows = _rows_per_step(url, count)
    floor, line = [_floor(bench, recorded, count)], []
    for _ in range(LINE_RUNS):
        line.append(_at(bench, crowd, count, MOST_IN_FLIGHT))
        floor.append(_floor(bench, recorded, count))
    beside = zip(line, pairwise(floor), strict=True)
    ratios = [run.steps_per_s / _mean([run.steps_per_s for run in floors]) for run, floors in beside]
    return OverFloor(sorted(ratios)[LINE_RUNS // 2], line, floor, rows)


def _floor(bench: Laboratory, recorded: Transactions, count: int) -> Measured:
    with bench.fresh() as url:
        return drive(write_barely(url, recorded, count))


def _at(bench: Laboratory, crowd: Crowd, count: int, in_flight: int, rules: LimitRules | None = None) -> Measured:
    """The line over `count` steps, in a fresh database."""
    with bench.fresh() as url:
        return _in(url, crowd, count, in_flight, rules)


def _in(url: str, crowd: Crowd, count: int, in_flight: int, rules: LimitRules | None = None) -> Measured:
    commands: Iterable[TakeRedemption] = steps(count, crowd, salt="step")
    if count <= RECORDED_STEPS_MAX:
        # Those that fit in memory are made before, so that making them costs nothing.
        commands = list(commands)
    return drive(run_line(url, commands, count, in_flight=in_flight, shelves=Shelves(rules or LimitRules())))


def _steps_per_wal_sync(bench: Laboratory, crowd: Crowd, count: int) -> float:
    with bench.fresh() as url:
        before = bench.wal_syncs()
        _in(url, crowd, count, STEPS_PER_SYNC_IN_FLIGHT)
        # The line's session has ended, so it has handed in its counts.
        return count / max(1, bench.wal_syncs() - before)


def _hot(bench: Laboratory, crowd: Crowd, count: int, seconds: float) -> Hot:
    """Everything on one seller. For row locks each step is recorded as a transaction of its own."""
    seller, rules = Crowd(1, crowd.algorithm), roomy(LimitRules())
    single = min(count, round(seconds * HOT_STEPS_PER_S_MAX))
    with bench.fresh() as url:
        recorded = drive(record_line(url, steps(single, seller, salt="hot"), single, in_flight=1, rules=rules))
    row_lock = [_row_lock(bench, recorded, seconds)]
    line = _at(bench, seller, count, MOST_IN_FLIGHT, rules)
    return Hot(line, [*row_lock, _row_lock(bench, recorded, seconds)])


def _row_lock(bench: Laboratory, recorded: Transactions, seconds: float) -> Measured:
    with bench.fresh() as url:
        return drive(write_under_row_locks(url, recorded, seconds=seconds))


def _rows_per_step(url: str, count: int) -> dict[str, dict[str, float]]:
    """What the database counted, table by table; its session has ended, so the counts are handed in."""
    with db.connect(url, autocommit=True) as connection:
        found = connection.execute(_ROWS).fetchall()
    return {
        table: {"inserted": round(inserted / count, 2), "updated": round(updated / count, 2)}
        for table, inserted, updated in found
    }


def _figures(run: Measured) -> dict[str, float]:
    return {
        "steps_per_s": round(run.steps_per_s),
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "cpu_us_per_step": round(run.cpu_s / run.steps * 1e6, 1),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


_ROWS = """
SELECT relname, n_tup_ins, n_tup_upd FROM pg_stat_user_tables
WHERE (n_tup_ins > 0 OR n_tup_upd > 0) AND relname NOT IN ('seller', 'signing_key', 'partner', 'contract')
ORDER BY relname
"""
