"""CPU time a call, measured so that a busy machine spoils little: calls take turns, and the best batch of each counts.

A neighbour only ever makes a batch slower, so the best one says most about the call; and since all take turns, all see
the machine in the same moods.

>>> [us >= 0 for us in best_in_turns(lambda: None, lambda: sum(range(100)), batch_calls=10)]
[True, True]
"""

from __future__ import annotations

from collections.abc import Callable

from suyuan.base.clock import cpu_s

BATCHES = 10


def best_in_turns(*calls: Callable[[], object], batch_calls: int) -> list[float]:
    """Microseconds of each call in its best batch of so many."""
    best = [float("inf")] * len(calls)
    for _ in range(BATCHES):
        for place, call in enumerate(calls):
            best[place] = min(best[place], _batch_us(call, batch_calls))
    return [round(us, 2) for us in best]


def _batch_us(call: Callable[[], object], count: int) -> float:
    began_s = cpu_s()
    for _ in range(count):
        call()
    return (cpu_s() - began_s) / count * 1e6
