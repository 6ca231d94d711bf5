"""History as Parquet files, for analytics: segments that are written once and never change.

A segment `history-000000000000-000000099999.parquet` holds the events of these places, first and last included, in
order: `seq` and `at` (integers; `at` in micros), `kind` and `body` (the canonical JSON, exactly as it is stored).
Bodies hold pseudonyms and sealed fields, so no personal value stands in a segment in the clear; files have mode 0600
all the same, because a pseudonym is still personal information. (`at` is a word of DuckDB's; write it in quotes.)

Invariants: the segments of a folder follow each other without a gap; a segment has its name only once it is whole and
on disk, so an export that was killed is simply started again; a folder never mixes two histories, which is checked.

    exported = export(connection, Path("/srv/suyuan/history"))
    duckdb.sql("SELECT kind, count(*) FROM '/srv/suyuan/history/*.parquet' GROUP BY kind")

Parquet's library is imported only when it is used: it takes longer to import than most commands run.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.store import Kept, next_seq, read

if TYPE_CHECKING:
    import pyarrow

SEGMENT_EVENTS = 100_000
GROUP_EVENTS = 10_000
SCHEMA_NAME = b"suyuan history 1"

_NAME = re.compile(r"history-(\d{12})-(\d{12})\.parquet")


class BrokenExport(Exception):
    """Raised when a folder's segments have a gap or tell another history; its text says what to do."""


class Segment(NamedTuple):
    """A file, and the places of its first and last event."""

    first: int
    last: int
    file: Path


class Exported(NamedTuple):
    """What an export wrote, and where the next one goes on."""

    segments: list[Segment]
    next_seq: int


def export(
    connection: psycopg.Connection[TupleRow],
    folder: Path,
    *,
    segment_events: int = SEGMENT_EVENTS,
    full_only: bool = False,
    on_progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """Writes what the folder does not hold yet. With `full_only`, what fills no segment waits for the next time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(folder):
        _clear_torn(folder)
        present = segments(folder)
        _check_same_history(connection, present)
        first = present[-1].last + 1 if present else 0
        end = next_seq(connection)
        written: list[Segment] = []
        while first < end and not (full_only and end - first < segment_events):
            last = min(first + segment_events, end) - 1
            written.append(_write(connection, folder, first, last))
            first = last + 1
            if on_progress is not None:
                on_progress(first, end)
    return Exported(written, first)


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, in order. Raises `BrokenExport` for a gap or an overlap."""
    files = sorted(folder.glob("history-*.parquet"))
    named = [(name, file) for file in files if (name := _NAME.fullmatch(file.name)) is not None]
    found = [Segment(int(name[1]), int(name[2]), file) for name, file in named]
    expected = 0
    for segment in found:
        if segment.first != expected or segment.last < segment.first:
            raise BrokenExport(f"{segment.file.name} does not begin at event {expected}; move it away and export again")
        expected = segment.last + 1
    return found


def read_segments(folder: Path) -> Iterator[Kept]:
    """What the segments of a folder hold, in order."""
    from pyarrow import parquet

    for segment in segments(folder):
        for batch in parquet.ParquetFile(segment.file).iter_batches(GROUP_EVENTS):
            for row in batch.to_pylist():
                yield Kept(row["seq"], row["at"], row["kind"], row["body"].encode())


def _write(connection: psycopg.Connection[TupleRow], folder: Path, first: int, last: int) -> Segment:
    from pyarrow import parquet

    schema = _schema()
    segment = Segment(first, last, folder / f"history-{first:012}-{last:012}.parquet")
    torn = segment.file.with_suffix(".torn")
    events = read(connection, first, to_seq=last + 1)
    descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=["kind"]) as writer:
            while group := list(islice(events, GROUP_EVENTS)):
                writer.write_batch(_batch(group, schema))
        file.flush()
        os.fsync(file.fileno())
    torn.rename(segment.file)
    _sync(folder)
    return segment


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    columns = (("seq", pa.int64()), ("at", pa.int64()), ("kind", pa.string()), ("body", pa.string()))
    return pa.schema([pa.field(*column, nullable=False) for column in columns], metadata={b"schema": SCHEMA_NAME})


def _batch(group: list[Kept], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow as pa

    seqs, instants, kinds, bodies = zip(*group, strict=True)
    columns: tuple[Any, ...] = (seqs, instants, kinds, [body.decode() for body in bodies])
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _check_same_history(connection: psycopg.Connection[TupleRow], present: list[Segment]) -> None:
    """The last event of the folder must be the database's own: a folder of another platform would be continued."""
    if not present:
        return
    from pyarrow import parquet

    newest = parquet.ParquetFile(present[-1].file)
    row = newest.read_row_group(newest.num_row_groups - 1).to_pylist()[-1]
    kept = next(read(connection, present[-1].last), None)
    if kept is None or kept != Kept(row["seq"], row["at"], row["kind"], row["body"].encode()):
        raise BrokenExport(
            f"{present[-1].file.name} tells another history than this database; export to another folder"
        )


def _clear_torn(folder: Path) -> None:
    for torn in folder.glob("history-*.torn"):
        torn.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two exports at once would cut the same history at different places."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BrokenExport(f"another export is writing to {folder.name}; wait for its end") from None
    finally:
        os.close(descriptor)
