"""Tables of other platforms, CSV or Parquet, read as rows by a mapping that says which column is what.

A mapping is TOML. `at` says how time is written; `[columns]` names a column of the table for each column of `risk.row`
that it has: names of people and things become numbers by `id64`, amounts are multiplied by `times` and rounded.
`[label]` says what is known of each attempt in the end, and after how long it was known:

    at = { column = "Time", unit = "s", origin = "2026-01-01" }

    [columns]
    seller = "Source"
    payee = "Target"
    face_fen = { column = "Amount", times = 100 }

    [label]
    column = "Labels"
    bad = [1]
    good = [0]
    delay_s = 604800

Rows that are bad teach that `delay_s` after their attempt, as outcomes do in history. Whoever sorts by a time that
others share keeps the order of the table: each row is at least one micro later than the one before. Every fault of a
table names its column, and the number of its row where it is about one.
"""

from __future__ import annotations

import heapq
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from suyuan.base.clock import SECOND
from suyuan.risk.reading import hour_of, ratio_bp
from suyuan.risk.row import AMOUNTS, ATTEMPT, BAD, KEYS, Row, id64

PAGE_ROWS = 50_000
_MICROS = {"us": 1, "ms": 1_000, "s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
# What follows from other columns is not to be contradicted by a table.
_MAPPABLE = frozenset({*KEYS, *AMOUNTS}) - {"hour", "ratio_bp", "taken", "reason", "times"}


class BadTable(Exception):
    """Raised where a mapping or a table cannot be read; its text says which column, and which row."""


class _Amount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: str
    times: int = 1


class _Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: str
    unit: Literal["us", "ms", "s", "min", "h", "d", "text"] = "text"
    origin: str = "1970-01-01"


class _Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: str
    bad: tuple[int | str | bool, ...]
    good: tuple[int | str | bool, ...]
    delay_s: int = 0


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column of a table is what."""

    at: _Time
    columns: dict[str, str | _Amount]
    label: _Label | None = None


class ForeignRow(NamedTuple):
    """An attempt of a table, or what was learnt of one; `is_bad` is None where the table does not say."""

    row: Row
    is_bad: bool | None


def read_mapping(text: str) -> Mapping:
    """A mapping from its TOML. Raises `BadTable`."""
    try:
        mapping = msgspec.convert(tomllib.loads(text), Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise BadTable(f"the mapping: {fault}") from None
    unknown = sorted(mapping.columns.keys() - _MAPPABLE)
    if unknown:
        raise BadTable(f"the mapping: {unknown[0]} is no column of a row; take one of {', '.join(sorted(_MAPPABLE))}")
    return mapping


def read_table(file: Path, mapping: Mapping) -> Iterator[ForeignRow]:
    """The rows of a table in the order of their time, each outcome where it was learnt. Raises `BadTable`."""
    learnt: list[tuple[int, int, Row]] = []
    last_at = seq = 0
    for number, (at, row, is_bad) in enumerate(_attempts(file, mapping), 1):
        for outcome in _due(learnt, at):
            last_at = max(outcome.at, last_at + 1)
            yield ForeignRow(outcome._replace(seq=seq, at=last_at), None)
            seq += 1
        last_at = max(at, last_at + 1)
        attempt = row._replace(seq=seq, at=last_at, hour=hour_of(last_at))
        yield ForeignRow(attempt, is_bad)
        seq += 1
        if is_bad and mapping.label is not None:
            due_at = last_at + max(1, mapping.label.delay_s * SECOND)
            heapq.heappush(learnt, (due_at, number, attempt._replace(kind=BAD, at=due_at)))


def _due(learnt: list[tuple[int, int, Row]], at: int) -> Iterator[Row]:
    while learnt and learnt[0][0] <= at:
        yield heapq.heappop(learnt)[2]


def _attempts(file: Path, mapping: Mapping) -> Iterator[tuple[int, Row, bool | None]]:
    for number, record in enumerate(_records(file, mapping), 1):
        named = {name: _read(record, name, how, number) for name, how in mapping.columns.items()}
        row = Row(seq=0, at=0, kind=ATTEMPT, taken=1, **named)
        if row.paid is not None and row.face_fen is not None:
            row = row._replace(ratio_bp=ratio_bp(row.paid, row.face_fen))
        yield _instant(record[mapping.at.column], mapping.at, number), row, _label(record, mapping.label)


def _records(file: Path, mapping: Mapping) -> Iterator[dict[str, Any]]:
    """The table's rows, sorted by time, those of one time in the order of the table."""
    import duckdb

    reads = "read_parquet" if file.suffix == ".parquet" else "read_csv"
    try:
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT * FROM {reads}(?)", [str(file)])
            _check_columns([str(column[0]) for column in found.description or ()], mapping, file)
            time = mapping.at.column
            # DuckDB wants a library more for instants with a zone; as text they are read here.
            columns = f'* REPLACE (CAST("{time}" AS VARCHAR) AS "{time}")' if mapping.at.unit == "text" else "*"
            found = connection.execute(
                f'SELECT {columns} FROM (SELECT *, row_number() OVER () AS "its place" FROM {reads}(?))'
                f' ORDER BY "{time}", "its place"',
                [str(file)],
            )
            names = [str(column[0]) for column in found.description or ()]
            while page := found.fetchmany(PAGE_ROWS):
                yield from (dict(zip(names, values, strict=True)) for values in page)
    except duckdb.Error as fault:
        # Its text may quote a value of somebody's, so only the kind of fault is said.
        raise BadTable(f"{file.name} cannot be read as a table ({type(fault).__name__})") from None


def _check_columns(present: list[str], mapping: Mapping, file: Path) -> None:
    wanted = [mapping.at.column, *map(_column_of, mapping.columns.values())]
    wanted += [mapping.label.column] if mapping.label is not None else []
    missing = [column for column in wanted if column not in present]
    if missing:
        raise BadTable(f"{file.name} has no column {missing[0]}; it has {', '.join(present)}")
    if any('"' in column for column in wanted):
        raise BadTable("a column's name with a quotation mark in it is not read; rename it")


def _column_of(how: str | _Amount) -> str:
    return how if isinstance(how, str) else how.column


def _read(record: dict[str, Any], name: str, how: str | _Amount, number: int) -> int | None:
    column = _column_of(how)
    value = record[column]
    if value is None:
        return None
    if name in KEYS:
        return id64(str(value))
    times = how.times if isinstance(how, _Amount) else 1
    try:
        amount = round(value * times)
    except (TypeError, ValueError, OverflowError):
        raise BadTable(f"row {number}, column {column}: an amount is a number") from None
    if not 0 <= amount < 1 << 53:
        raise BadTable(f"row {number}, column {column}: an amount is not negative, and below 2 to the power of 53")
    return int(amount)


def _instant(value: object, time: _Time, number: int) -> int:
    where = f"row {number}, column {time.column}"
    if time.unit == "text":
        try:
            told = datetime.fromisoformat(str(value))
        except ValueError:
            raise BadTable(f"{where}: no instant of ISO 8601; say its unit in the mapping") from None
        return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * SECOND)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise BadTable(f"{where}: a time in {time.unit} is a number")
    origin = datetime.fromisoformat(time.origin).replace(tzinfo=UTC)
    at = round(origin.timestamp() * SECOND + value * _MICROS[time.unit])
    if not 0 <= at < 1 << 60:
        raise BadTable(f"{where}: the time is before 1970 or far in the future")
    return at


def _label(record: dict[str, Any], label: _Label | None) -> bool | None:
    if label is None:
        return None
    value = record[label.column]
    if value in label.bad:
        return True
    return False if value in label.good else None
