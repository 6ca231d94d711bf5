"""Long histories in blocks: each with new rows, and before them the older ones that windows still look back on.

So memory holds one block, whatever the length of the history, and every executor measures a block as if it had read
everything before it: a row is carried on for as long as the longest window over rows of its sort still reaches it.

With the catalogue that comes with suyuan that is 30 days of attempts and 90 days of what turned out bad. A block takes
at least `block_rows` new rows, and a quarter as many as it carries, so that reading the same rows again costs less than
half of what the new ones do. Measured over 1.6 million rows, the replay took 650 bytes for each row of a block, all 24
columns and its own work in it, and 720 more for the features of each attempt that is asked about. That makes:

| 10^8 rows in | rows in a block, at most | memory |
|---|---|---|
| three years | 3.0 million carried, 0.75 million new | 3 GB |
| one year | 8.8 million carried, 2.2 million new | 9 GB |

Reading only the columns that features and rules ask for takes a third off. A history so dense that 30 days of it do
not fit is cut by key: the rows of every so many-th seller, device and so on are a history of its own for the features
of that key. Spark partitions so by itself, at any size.

>>> from suyuan.risk.features import FeatureSpec
>>> from suyuan.risk.batch.columns import row_blocks
>>> from suyuan.risk.row import ATTEMPT, Row
>>> rows = [Row(place, 1_000_000 * place, ATTEMPT, seller=7) for place in range(1, 9)]
>>> two_s = FeatureSpec(name="n", zh="两秒", en="two seconds", aggregate="count", key=("seller",), window_s=2)
>>> [(len(block.columns), block.asked_from) for block in in_blocks(row_blocks(rows, 3), [two_s], block_rows=3)]
[(3, 0), (5, 2), (4, 2)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from suyuan.risk.batch.columns import Columns, in_order, join
from suyuan.risk.batch.parts import bounds_of, grouped, passes
from suyuan.risk.features import FeatureSpec

BLOCK_ROWS = 1 << 18
FRESH_SHARE = 4
"""A block has one new row for so many that it carries, at least; a row that is carried costs a tenth of a new one."""


class Block(NamedTuple):
    """Rows, of which those from `asked_from` on are new."""

    columns: Columns
    asked_from: int


def in_blocks(
    stream: Iterable[Columns], features: Sequence[FeatureSpec], *, block_rows: int = BLOCK_ROWS
) -> Iterator[Block]:
    """A stream of columns as blocks of at least so many new rows. Raises `BrokenRows` where it is out of order."""
    carried: list[Columns] = []
    fresh: list[Columns] = []
    for part in in_order(stream):
        fresh.append(part)
        if _length(fresh) >= max(block_rows, _length(carried) // FRESH_SHARE):
            block = Block(join([*carried, *fresh]), _length(carried))
            yield block
            carried, fresh = [still_seen(block.columns, features)], []
    if _length(fresh):
        yield Block(join([*carried, *fresh]), _length(carried))


def still_seen(columns: Columns, features: Sequence[FeatureSpec]) -> Columns:
    """The rows that a window of some later attempt may hold; the next one is at least a micro away."""
    if not len(columns):
        return columns
    age = int(columns.at[-1]) + 1 - columns.at
    is_seen = np.zeros(len(columns), np.bool_)
    measured = [spec for spec in features if spec.aggregate != "share"]
    for where, specs in grouped(measured, lambda spec: spec.where).items():
        is_seen |= passes(columns, where) & (age <= max(bounds_of(spec)[0] for spec in specs))
    return columns.where(is_seen)


def _length(parts: list[Columns]) -> int:
    return sum(map(len, parts))
