"""What the written code calls: how arrays of values are summed, searched and packed.

>>> values = array("q", [5, 3, NOT_KNOWN, 4])
>>> list(rising(values, 0, 10)), list(falling(values, 1, 10)), last_known(values, 10)
([11, 13], [13], 13)
>>> sums_between(array("q", [0, 5, 8, 12]), 1, 3).tolist()
[3, 7]
"""

from __future__ import annotations

from array import array
from collections import deque

from suyuan.risk.online.slots import Packed

NEVER = 2**63 - 1
NOT_KNOWN = -(2**63)
"""Stands for `None` in arrays; no row holds it, because ids and amounts are not negative."""
ZERO = array("q", [0])


def known(values: array[int]) -> list[int]:
    """Those that are known."""
    return [value for value in values if value != NOT_KNOWN]


def last_known(values: array[int], offset: int) -> int:
    """The row of the last known value, where the first value is of row `offset`; or -1."""
    return next((place + offset for place in reversed(range(len(values))) if values[place] != NOT_KNOWN), -1)


def different(values: array[int], low: int) -> int:
    """How many different known values stand from `low` on."""
    found = set(values[low:])
    return len(found) - (NOT_KNOWN in found)


def tally(values: array[int], low: int) -> dict[int, int]:
    """How often each value stands from `low` on."""
    found: dict[int, int] = {}
    for value in values[low:]:
        found[value] = found.get(value, 0) + 1
    return found


def take_away(found: dict[int, int], values: array[int]) -> None:
    """Takes values out of a tally."""
    for value in values:
        if found[value] == 1:
            del found[value]
        else:
            found[value] -= 1


def rising(values: array[int], low: int, offset: int) -> deque[int]:
    """The rows from the `low`-th on whose value is below every later one: the first has the smallest."""
    queue: deque[int] = deque()
    for place in range(low, len(values)):
        if values[place] != NOT_KNOWN:
            while queue and values[queue[-1] - offset] >= values[place]:
                queue.pop()
            queue.append(place + offset)
    return queue


def falling(values: array[int], low: int, offset: int) -> deque[int]:
    """The rows from the `low`-th on whose value is above every later one: the first has the largest."""
    queue: deque[int] = deque()
    for place in range(low, len(values)):
        if values[place] != NOT_KNOWN:
            while queue and values[queue[-1] - offset] <= values[place]:
                queue.pop()
            queue.append(place + offset)
    return queue


def placed_since(placed: dict[int, int], at: int) -> dict[int, int]:
    """What was placed at an instant or later; most often that is everything."""
    if placed and min(placed.values()) < at:
        return {value: placed_at for value, placed_at in placed.items() if placed_at >= at}
    return placed


def sums_between(sums: array[int], low: int, high: int) -> array[int]:
    """Running sums from a row up to another, as if there had been nothing before."""
    part = sums[low + 1 : high + 1]
    before = sums[low]
    return array("q", [total - before for total in part]) if before else part


def words_of(packed: Packed, offset: int) -> array[int]:
    """The whole numbers of a packed state behind its head."""
    words = array("q")
    words.frombytes(packed[offset:])
    return words
