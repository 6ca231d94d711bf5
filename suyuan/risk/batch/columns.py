"""Rows as columns: numpy for the replay, Arrow and Parquet for everybody else, and back again.

A column is its values in int64 and a mask of those that are known; under an absent value stands 0, so two equal columns
are equal in every byte. A file of rows is Parquet with one nullable int64 column for each name of `risk.row.COLUMNS`,
`seq`, `at` and `kind` never null, in the order of history. A column that a file does not have is unknown throughout, so
a foreign table needs to bring only what it knows.

Invariants, checked wherever columns come from outside: `seq` and `at` rise strictly, and `kind` is one that exists.
Windows are cut by `at` alone, so a table out of order would not be a slow answer but a wrong one.

>>> from suyuan.risk.row import ATTEMPT, Row
>>> columns = from_rows([Row(0, 1_000, ATTEMPT, seller=7), Row(1, 2_000, ATTEMPT)])
>>> columns["seller"].values.tolist(), columns["seller"].present.tolist()
([7, 0], [True, False])
>>> list(to_rows(columns))[1].seller is None, from_arrow(to_arrow(columns)) == columns
(True, True)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from suyuan.risk import finalise
from suyuan.risk.row import ATTEMPT, COLUMNS, FORGED, Row

if TYPE_CHECKING:
    import pyarrow

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Column = finalise.Column
"""Whole numbers, and which of them are known; the others are 0."""

Places = NDArray[np.int32]
"""Places of rows in a block, which has fewer than 2^31 of them."""

ALWAYS = ("seq", "at", "kind")
"""The columns that every row has, so that they are read whatever is asked for."""

GROUP_ROWS = 65_536


class BrokenRows(Exception):
    """Raised for a table that is no history of rows; its text says which column, and where."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows by their columns, in the order of history."""

    length: int
    columns: dict[str, Column]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, name: str) -> Column:
        found = self.columns.get(name)
        return _unknown(self.length) if found is None else found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Columns) or len(self) != len(other):
            return False
        names = self.columns.keys() | other.columns.keys()
        return all(
            np.array_equal(mine, theirs) for name in names for mine, theirs in zip(self[name], other[name], strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # Arrays may be written to, so they are no key.

    @property
    def at(self) -> Ints:
        """The instants, in micros."""
        return self["at"].values

    @property
    def is_attempt(self) -> Flags:
        """Which rows features are measured for."""
        return np.equal(self["kind"].values, ATTEMPT)

    def part(self, first: int, end: int | None = None) -> Columns:
        """The rows from one place to before another, without a copy."""
        places = slice(first, end)
        cut = {name: Column(column.values[places], column.present[places]) for name, column in self.columns.items()}
        return Columns(len(range(self.length)[places]), cut)

    def where(self, chosen: Flags) -> Columns:
        """A copy of the chosen rows."""
        kept = {name: Column(column.values[chosen], column.present[chosen]) for name, column in self.columns.items()}
        return Columns(int(np.count_nonzero(chosen)), kept)


def join(parts: list[Columns]) -> Columns:
    """Columns one after the other."""
    names = {name: None for part in parts for name in part.columns}
    joined = {name: _join_column([part[name] for part in parts]) for name in names}
    return Columns(sum(map(len, parts)), joined)


def from_rows(rows: Iterable[Row]) -> Columns:
    """Rows as columns, all at once; `row_blocks` is for more than memory holds."""
    import pyarrow as pa

    by_column = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    columns = {}
    for name, values in zip(COLUMNS, by_column, strict=True):
        try:
            columns[name] = _from_array(pa.array(values, pa.int64()))
        except (OverflowError, pa.ArrowException) as error:
            raise BrokenRows(f"column {name} has a value that is no whole number of 64 bits: {error}") from error
    return _checked(columns)


def row_blocks(rows: Iterable[Row], block_rows: int) -> Iterator[Columns]:
    """A stream of rows as columns, so many rows at a time."""
    stream = iter(rows)
    while block := list(islice(stream, block_rows)):
        yield from_rows(block)


def to_rows(columns: Columns) -> Iterator[Row]:
    """The rows again."""
    for first in range(0, len(columns), GROUP_ROWS):
        table = to_arrow(columns.part(first, first + GROUP_ROWS))
        yield from map(Row._make, zip(*(table[name].to_pylist() for name in COLUMNS), strict=True))


# --- Arrow and Parquet ------------------------------------------------------------------------------------------------


def to_arrow(columns: Columns, names: Iterable[str] = COLUMNS) -> pyarrow.Table:
    """An Arrow table of these columns; what is not known is null."""
    import pyarrow as pa

    arrays = {}
    for name in names:
        column = columns[name]
        arrays[name] = pa.array(column.values, pa.int64(), mask=~column.present)
    return pa.table(arrays)


def from_arrow(table: pyarrow.Table) -> Columns:
    """Columns from an Arrow table. Raises `BrokenRows` where one is no whole number, or the rows are out of order."""
    import pyarrow as pa

    columns = {}
    for name in (name for name in COLUMNS if name in table.column_names):
        chunked = table[name]
        if not pa.types.is_integer(chunked.type) and not pa.types.is_null(chunked.type):
            raise BrokenRows(f"column {name} holds {chunked.type}; rows hold whole numbers alone")
        try:
            columns[name] = _from_array(chunked.cast(pa.int64()).combine_chunks())
        except pa.ArrowInvalid as error:
            raise BrokenRows(f"column {name}: {error}") from error
    return _checked(columns)


def write_parquet(blocks: Iterable[Columns], file: Path) -> int:
    """Writes a file of rows, and returns how many. It has its name only once it is whole and on disk."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([pa.field(name, pa.int64(), nullable=name not in ALWAYS) for name in COLUMNS])
    torn = file.with_name(f".{file.name}.torn")
    written = 0
    descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
            for block in blocks:
                writer.write_table(to_arrow(block).cast(schema), GROUP_ROWS)
                written += len(block)
        sink.flush()
        os.fsync(sink.fileno())
    torn.rename(file)
    return written


def read_parquet(file: Path, names: Iterable[str] = COLUMNS, *, block_rows: int = GROUP_ROWS) -> Iterator[Columns]:
    """Reads these columns of a file of rows, so many rows at a time. Raises `BrokenRows` for what is no such file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise BrokenRows(f"{file} cannot be read as Parquet: {error}") from error
    with opened:
        if lacking := [name for name in ALWAYS if name not in opened.schema_arrow.names]:
            raise BrokenRows(f"{file} has no column {', '.join(lacking)}")
        wanted = [name for name in opened.schema_arrow.names if name in {*ALWAYS, *names}]
        batches = opened.iter_batches(block_rows, columns=wanted)
        yield from in_order(from_arrow(pa.Table.from_batches([batch])) for batch in batches)


def in_order(stream: Iterable[Columns]) -> Iterator[Columns]:
    """The same, as long as it goes on in order. Two parts that are in order by themselves may not be so together."""
    last = None
    for part in stream:
        if not len(part):
            continue
        seq, at = int(part["seq"].values[0]), int(part.at[0])
        if last is not None and (seq <= last[0] or at <= last[1]):
            raise BrokenRows(f"seq {seq} at {at} follows seq {last[0]} at {last[1]}; sort the rows by seq")
        last = int(part["seq"].values[-1]), int(part.at[-1])
        yield part


def _from_array(array: pyarrow.Array) -> Column:
    values: Ints = array.fill_null(0).to_numpy(zero_copy_only=False)
    present: Flags = array.is_valid().to_numpy(zero_copy_only=False)
    return Column(values, present)


def _checked(columns: dict[str, Column]) -> Columns:
    for name in ALWAYS:
        if name not in columns:
            raise BrokenRows(f"there is no column {name}")
        if not columns[name].present.all():
            raise BrokenRows(f"column {name} is null in row {int(columns[name].present.argmin())}")
    for name in ("seq", "at"):
        if len(late := np.flatnonzero(np.diff(columns[name].values) <= 0)):
            raise BrokenRows(f"column {name} does not rise after row {late[0]}")
    kinds = columns["kind"].values
    if len(odd := np.flatnonzero((kinds < ATTEMPT) | (kinds > FORGED))):
        raise BrokenRows(f"row {odd[0]} is of kind {kinds[odd[0]]}, which does not exist")
    return Columns(len(kinds), columns)


def _join_column(parts: list[Column]) -> Column:
    return Column(np.concatenate([part.values for part in parts]), np.concatenate([part.present for part in parts]))


def _unknown(length: int) -> Column:
    # Views of one zero: a column that nobody brought takes no room.
    return Column(np.broadcast_to(np.int64(0), length), np.broadcast_to(np.bool_(False), length))
