"""`suyuan bench evidence`: what it costs to make history checkable by strangers.

1. The log by itself: appending beside its hashing floor, durable appends, proofs made and checked (`log_cost`).
2. The line at one offered load without and with the sealer, in turns: what sealing an event costs, how long its proof
   takes, and what the line feels (`sealing`). The sealer, three witnesses and their quorum are real processes.

`line_slowdown` is by how much fewer steps a second the line does at the equal load; how much longer callers wait, and
the line's own CPU, stand beside it. Of the runs the middle one counts, so that a neighbour who wakes up meanwhile
spoils one of them at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from suyuan.app.line import spare_the_collector
from suyuan.faces.bench.laboratory import laboratory, temporary_folder
from suyuan.faces.bench.line_run import Measured
from suyuan.faces.bench.log_cost import Appending, Durable, Proving, appending, durable, proving
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.faces.bench.sealing import Sealed, keep_house, load_of, run_alone, run_sealed
from suyuan.faces.bench.traffic import crowd_for

STEPS_MIN = 100


class Report(NamedTuple):
    """Everything that `bench evidence` found."""

    before: Machine
    after: Machine
    appending: Appending
    durable: list[Durable]
    proving: Proving
    offered_per_s: float
    alone: list[Measured]
    sealed: list[Sealed]

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        return {
            "append_us_cpu": round(self.appending.append_us, 3),
            "append_over_floor": round(self.appending.over_floor, 2),
            "seal_us_cpu_per_event": _middle(run.sealer_us for run in self.sealed),
            "durable_appends_per_s": round(self.durable[0].per_s),
            "proof_latency_p99_s": _middle((run.proof_p99_s for run in self.sealed), 3),
            "cosigned_latency_p99_s": _middle((run.cosigned_p99_s for run in self.sealed), 3),
            "verify_us": self.proving.verify_us,
            "line_slowdown": round(self.line_slowdown, 4),
            **self._further(),
        }

    @property
    def line_slowdown(self) -> float:
        """Each run with the sealer beside the run before it, which had none."""
        pairs = zip(self.sealed, self.alone, strict=True)
        return 1 - median(sealed.line.steps_per_s / alone.steps_per_s for sealed, alone in pairs)

    def _further(self) -> dict[str, object]:
        return {
            "append_floor_us_cpu": round(self.appending.floor_us, 3),
            "durable": {str(one.at_once): _durable_figures(one) for one in self.durable},
            "prove_us": self.proving.prove_us,
            "verify_with_stdlib_us": self.proving.verify_alone_us,
            "seal_database_us_cpu_per_event": _middle(run.database_us for run in self.sealed),
            "seal_rss_mb": max(run.sealer_rss_mb for run in self.sealed),
            "offered_per_s": self.offered_per_s,
            "runs": {
                "line_alone": [_line_figures(run) for run in self.alone],
                "line_beside_sealer": [_line_figures(run.line) for run in self.sealed],
                "sealing": [_sealing_figures(run) for run in self.sealed],
            },
            "rss_mb": rss_mb(),
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }


def measure(*, offered_per_s: float, seconds: float, runs: int) -> Report:
    """Measures everything: so many runs without and with the sealer, each of about so many seconds at that load."""
    before = machine_now()
    spare_the_collector()
    with temporary_folder() as folder:
        found = appending(), durable(folder), proving(folder / "log-proofs")
        count = max(STEPS_MIN, round(offered_per_s * seconds))
        crowd = crowd_for(count)
        house = folder / "house"
        load = load_of(count, crowd, keep_house(house), per_s=offered_per_s)
        alone, sealed = [], []
        with laboratory() as bench:
            bench.prepare(crowd)
            for number in range(runs):
                alone.append(run_alone(bench, load))
                sealed.append(run_sealed(bench, load, house, folder / f"run-{number}"))
    return Report(before, machine_now(), *found, offered_per_s, alone, sealed)


def _middle(values: Iterable[float], digits: int = 1) -> float:
    return round(median(values), digits)


def _durable_figures(one: Durable) -> dict[str, float]:
    return {"per_s": round(one.per_s), "us_cpu": round(one.cpu_us, 2)}


def _line_figures(run: Measured) -> dict[str, float]:
    return {
        "steps_per_s": round(run.steps_per_s, 1),
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "cpu_us_per_step": round(run.cpu_s / run.steps * 1e6, 1),
    }


def _sealing_figures(run: Sealed) -> dict[str, float]:
    return {
        "us_cpu_per_event": round(run.sealer_us, 1),
        "database_us_cpu_per_event": round(run.database_us, 1),
        "checkpoints": run.checkpoints,
        "proof_latency_p99_s": round(run.proof_p99_s, 3),
        "cosigned_latency_p99_s": round(run.cosigned_p99_s, 3),
    }
