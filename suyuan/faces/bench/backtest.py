"""`suyuan bench backtest`: how fast a policy is tried over the past, and how much memory that takes.

1. Features and policy: the whole catalogue by the compiled replay, then all rules, then the count, on all cores.
2. Rules alone: the policy's expressions over columns that are there already, on one core.

Rows are those of a made-up stream with hot partners and many sellers. Compiling comes before measuring. Memory grows
with a stretch and with the rows of the longest window, not with history.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from suyuan.base.clock import cpu_s, monotonic_s
from suyuan.faces.bench import attempts as streams
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.risk.backtest import attempts
from suyuan.risk.backtest.foreign import ForeignRow
from suyuan.risk.backtest.run import backtest, measured, refs_of
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import Policy, load_policy, shipped_text
from suyuan.risk.row import Row

RULES_RUNS = 5


class Report(NamedTuple):
    """Everything that `bench backtest` found."""

    before: Machine
    after: Machine
    figures: dict[str, object]

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        return self.figures


def measure(*, rows: int, seed: int = 1) -> Report:
    """Runs both parts over so many rows."""
    before, catalogue = machine_now(), load_catalogue()
    policy = load_policy(shipped_text(), names_of(catalogue.features))
    made = list(streams.attempts(rows, seed=seed))
    backtest(_stretches(made[:2_000], catalogue, policy), catalogue, policy)
    stretches = list(_stretches(made, catalogue, policy))
    rss_before, began_s, began_cpu_s = rss_mb(), monotonic_s(), cpu_s()
    result = backtest(stretches, catalogue, policy)
    seconds, used_s = monotonic_s() - began_s, cpu_s() - began_cpu_s
    judged = result.tally.figures()["attempts"]
    rules_per_s = _rules_only(stretches[-1], catalogue, policy)
    return Report(
        before, machine_now(),
        {
            "rows_per_s": round(len(made) / seconds),
            "rules_only_events_per_s": round(rules_per_s),
            "rss_mb": rss_mb(),
            "rows": len(made),
            "attempts": judged,
            "features": len(catalogue.features),
            "rules": len(policy.rules),
            "cpu_us_per_row": round(used_s / len(made) * 1e6, 2),
            "rss_mb_of_rows": round(rss_before, 1),
            "stretch_rows": attempts.STRETCH_ROWS,
            "load_1min": before.load_1min,
        },
    )  # fmt: skip


def _stretches(made: list[Row], catalogue: Catalogue, policy: Policy) -> Iterator[attempts.Stretch]:
    told = (ForeignRow(row, None if row.seq % 50 else True) for row in made)
    return attempts.of_table(told, catalogue, refs=refs_of(policy))


def _rules_only(stretch: attempts.Stretch, catalogue: Catalogue, policy: Policy) -> float:
    """Events a second through the rules alone; the middle one of some runs, by the CPU of the only thread."""
    columns = measured(stretch, catalogue) | stretch.inputs
    taken = []
    for _ in range(RULES_RUNS):
        began_s = cpu_s()
        policy.columns(columns)
        taken.append(cpu_s() - began_s)
    return len(stretch.truth) / float(np.median(taken))
