"""The sweeps of the replay: six functions over arrays, compiled by numba where it is installed, plain Python otherwise.

Rows of one kind of key are laid out key by key, each key's rows in the order of their instants. Then every window is a
stretch `low:high` of that layout, both ends only ever move forward, and one pass with two pointers serves all keys.

`COMPILED` and `PLAIN` are the same functions, so what one computes the other does; arithmetic is on int64 in both. The
compiled ones hold no lock of the interpreter, so two threads use two cores, and are kept on disk between runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from suyuan.risk.batch.columns import Ints, Places

GOLDEN = -7_046_029_254_386_353_131
"""2^64 over the golden ratio, as int64: it spreads numbers that differ in few bits."""

F = TypeVar("F", bound=Callable[..., Any])


def dense(values: Any, present: Any, slot_bits: int) -> tuple[Places, int]:
    """Numbers 0, 1, 2 … for the different values in the order of their first appearance, -1 for an absent one."""
    mask = (1 << slot_bits) - 1
    keys = np.zeros(mask + 1, np.int64)
    # One more than the number, so that the table begins as fresh pages of zeros that are never touched.
    numbers = np.zeros(mask + 1, np.int32)
    codes = np.empty(len(values), np.int32)
    count = 0
    for row in range(len(values)):
        if not present[row]:
            codes[row] = -1
            continue
        value = values[row]
        # Bits 33 and up of the product, which are the same whether it wraps at 64 bits or does not.
        slot = ((value * GOLDEN) >> 33) & mask
        while numbers[slot] != 0 and keys[slot] != value:
            slot = (slot + 1) & mask
        if numbers[slot] == 0:
            count += 1
            keys[slot] = value
            numbers[slot] = count
        codes[row] = numbers[slot] - 1
    return codes, count


def layout(codes: Any, count: int) -> tuple[Places, Places]:
    """The rows that have a key, key by key and in order within each, and where each key begins."""
    starts = np.zeros(count + 1, np.int32)
    for code in codes:
        if code >= 0:
            starts[code + 1] += 1
    for key in range(count):
        starts[key + 1] += starts[key]
    free = starts[:-1].copy()
    order = np.empty(starts[count], np.int32)
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            order[free[code]] = row
            free[code] += 1
    return order, starts


def passing(order: Any, starts: Any, passes: Any, is_asked: Any, asked: int) -> tuple[Places, Places, Places]:
    """The rows of the layout that pass a filter; and for each row that is asked about, how many of these stand before
    its key begins, and before itself."""
    rows = np.empty(len(order), np.int32)
    first = np.empty(asked, np.int32)
    before = np.empty(asked, np.int32)
    found = 0
    question = 0
    for key in range(len(starts) - 1):
        begin = found
        for place in range(starts[key], starts[key + 1]):
            row = order[place]
            if is_asked[row]:
                first[question] = begin
                before[question] = found
                question += 1
            if passes[row]:
                rows[found] = row
                found += 1
    return rows[:found], first, before


def frames(at: Any, asked_at: Any, first: Any, before: Any, bounds: Any) -> tuple[Places, Places]:
    """The stretch of passing rows in `[t - window, t - lag]` for each question at `t`; `bounds` are window and lag."""
    low = np.empty(len(asked_at), np.int32)
    high = np.empty(len(asked_at), np.int32)
    window, lag = bounds
    begin = 0
    end = 0
    for question in range(len(asked_at)):
        since = asked_at[question] - window
        until = asked_at[question] - lag
        limit = before[question]
        # Keys follow each other in the layout, so a new key only moves both ends on to its beginning.
        begin = max(begin, first[question])
        end = max(end, first[question])
        while begin < limit and at[begin] < since:
            begin += 1
        while end < limit and at[end] <= until:
            end += 1
        low[question] = begin
        high[question] = max(begin, end)
    return low, high


def smallest(values: Any, present: Any, low: Any, high: Any) -> Ints:
    """The place of the smallest known value of each stretch, -1 where there is none.

    Places are kept whose value is smaller than all behind them, oldest first: the first of them is the answer.
    """
    answers = np.empty(len(low), np.int64)
    kept = np.empty(len(values), np.int32)
    head = 0
    tail = 0
    place = 0
    for question in range(len(low)):
        place = max(place, low[question])
        while place < high[question]:
            if present[place]:
                while tail > head and values[kept[tail - 1]] >= values[place]:
                    tail -= 1
                kept[tail] = place
                tail += 1
            place += 1
        while head < tail and kept[head] < low[question]:
            head += 1
        answers[question] = kept[head] if head < tail else -1
    return answers


def tally(codes: Any, count: int, own: Any, low: Any, high: Any) -> tuple[Ints, Ints]:
    """How many different values each stretch has, and how many rows have the question's `own` one."""
    different = np.empty(len(low), np.int64)
    same = np.empty(len(low), np.int64)
    times = np.zeros(count, np.int32)
    present = 0
    begin = 0
    end = 0
    for question in range(len(low)):
        if end < low[question]:
            # Nothing between here and there is in any later stretch.
            while begin < end:
                if codes[begin] >= 0:
                    times[codes[begin]] = 0
                begin += 1
            present = 0
            begin = low[question]
            end = low[question]
        while end < high[question]:
            code = codes[end]
            if code >= 0:
                present += times[code] == 0
                times[code] += 1
            end += 1
        while begin < low[question]:
            code = codes[begin]
            if code >= 0:
                times[code] -= 1
                present -= times[code] == 0
            begin += 1
        different[question] = present
        same[question] = times[own[question]] if own[question] >= 0 else 0
    return different, same


class Kernels(NamedTuple):
    """The six, compiled or not."""

    dense: Callable[[Any, Any, int], tuple[Places, int]]
    layout: Callable[[Any, int], tuple[Places, Places]]
    passing: Callable[[Any, Any, Any, Any, int], tuple[Places, Places, Places]]
    frames: Callable[[Any, Any, Any, Any, Any], tuple[Places, Places]]
    smallest: Callable[[Any, Any, Any, Any], Ints]
    tally: Callable[[Any, int, Any, Any, Any], tuple[Ints, Ints]]


class _Made(Protocol):
    def __call__(self, kernel: F, /) -> F: ...


def _kernels(made: _Made) -> Kernels:
    return Kernels(made(dense), made(layout), made(passing), made(frames), made(smallest), made(tally))


def _plain(kernel: F) -> F:
    """The function over lists: Python's own whole numbers are faster there than numpy's, and never wrap."""

    def on_lists(*arguments: Any) -> Any:
        return kernel(*(part.tolist() if isinstance(part, np.ndarray) else part for part in arguments))

    return cast("F", on_lists)


def _compiled() -> Kernels:
    try:
        import numba
    except ImportError:
        return PLAIN

    def made(kernel: F) -> F:
        try:
            return cast("F", numba.njit(nogil=True, cache=True)(kernel))
        except RuntimeError:
            # No folder to keep it in, as for a service account without a home: then each run compiles for itself.
            return cast("F", numba.njit(nogil=True)(kernel))

    return _kernels(made)


PLAIN = _kernels(_plain)
COMPILED = _compiled()
