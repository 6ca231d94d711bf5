"""Whether the world is still the one that a model was trained in: shares of inputs, and the share of what is bad.

A model that is never trained again is the commonest way to fail; `suyuan bench sffsd` shows how fast. Two alarms say
when it is time, or when somebody is attacking:

- *An input has drifted*: its values, in at most ten parts of equal share, one for what is missing and two for what was
  below or above all of them, now have other shares. The population stability index adds (now - then) * ln(now / then)
  over the parts; from 0.25 on it counts as drift, which is the custom of the field.
- *The base rate has changed*: the share of bad among attempts whose outcome is known is now at least half as large
  again, or two thirds or less, and so far away that chance alone would not do it (four standard deviations).

>>> baseline = baseline_of("hour", np.arange(1000.0) % 24)
>>> round(psi(baseline, np.arange(500.0) % 24), 2), psi(baseline, np.full(500, 3.0)) > PSI_ALARM
(0.0, True)
>>> is_other_rate(then=(50, 1_000), now=(100, 1_000)), is_other_rate(then=(50, 1_000), now=(55, 1_000))
(True, False)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from suyuan.base.wire import WHOLE_NUMBER_MAX
from suyuan.risk.model.fitting import Rows

PARTS = 10
PSI_ALARM = 0.25
RATE_FACTOR = 1.5
DEVIATIONS = 4.0

Column = NDArray[np.float64]


class Baseline(msgspec.Struct, frozen=True):
    """An input as it was: the last value of each part but the last, and the rows in each; missing ones come last."""

    name: str
    edges: tuple[int, ...]
    counts: tuple[int, ...]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed: inputs with their index in hundredths, and base rates in hundredths of a percent."""

    rows: int
    drifted: dict[str, int]
    base_rate_bp: int
    trained_base_rate_bp: int
    is_rate_changed: bool

    @property
    def is_alarm(self) -> bool:
        """Whether a person should look, and most likely train a new model."""
        return bool(self.drifted) or self.is_rate_changed


def baselines_of(names: Sequence[str], rows: Rows) -> tuple[Baseline, ...]:
    """All inputs as they are in these rows."""
    return tuple(baseline_of(name, rows[:, place]) for place, name in enumerate(names))


def baseline_of(name: str, column: Column) -> Baseline:
    """One input as it is."""
    known = np.clip(np.sort(column[~np.isnan(column)]), 1 - WHOLE_NUMBER_MAX, WHOLE_NUMBER_MAX)
    edges: set[int] = set()
    if len(known):
        # Whole values, each in one part, and a part on either side for what was never seen.
        edges = {int(known[len(known) * part // PARTS]) for part in range(1, PARTS)}
        edges |= {int(known[0]) - 1, int(known[-1])}
    return Baseline(name, tuple(sorted(edges)), tuple(_counts(tuple(sorted(edges)), column)))


def psi(baseline: Baseline, column: Column) -> float:
    """The population stability index of an input; half a row is added to each part, so that none is empty."""
    then = np.array(baseline.counts, np.float64) + 0.5
    now = np.array(_counts(baseline.edges, column), np.float64) + 0.5
    was, is_now = then / then.sum(), now / now.sum()
    return float(np.sum((is_now - was) * np.log(is_now / was)))


def drifted(baselines: Sequence[Baseline], rows: Rows) -> dict[str, int]:
    """The inputs that have drifted, the most first, with their index in hundredths."""
    found = {baseline.name: psi(baseline, rows[:, place]) for place, baseline in enumerate(baselines)}
    worst = sorted(found.items(), key=lambda it: (-it[1], it[0]))
    return {name: round(100 * value) for name, value in worst if value >= PSI_ALARM}


def is_other_rate(*, then: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether the share of bad, as (bad, all), has changed by more than chance; with nothing to go by it has not."""
    if not then[1] or not now[1]:
        return False
    was, is_now = (then[0] + 0.5) / (then[1] + 1), (now[0] + 0.5) / (now[1] + 1)
    both = (then[0] + now[0] + 1) / (then[1] + now[1] + 2)
    deviation = sqrt(both * (1 - both) * (1 / then[1] + 1 / now[1]))
    return abs(log(is_now / was)) >= log(RATE_FACTOR) and abs(is_now - was) >= DEVIATIONS * deviation


def _counts(edges: tuple[int, ...], column: Column) -> list[int]:
    known = column[~np.isnan(column)]
    parts = np.searchsorted(np.array(edges, np.float64), known, side="left")
    counts = np.bincount(parts, minlength=len(edges) + 1).tolist()
    return [*counts, len(column) - len(known)]
