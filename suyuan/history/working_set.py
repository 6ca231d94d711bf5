"""The working set: the rows that the line decides over, loaded before a batch and written after it, set by set.

A `Shelf` holds the rows of one table. A command first says which rows it *wants*; the shelf loads them in one query;
appliers then `get`, `add`, `change` and `drop` rows in memory, in order; `flush` writes what changed, one COPY and one
UPDATE a table. A large batch is flushed in parts, each while the next one is decided, all in one transaction. Because
the line is the only writer, a row that was loaded stays true until the line changes it, so shelves keep the rows they
used last.

Invariants: a row is only read after it was wanted and loaded (else `RowWasNotWanted`), so deciding never waits for the
database; `flush` writes inside the line's transaction; after a failed commit `forget` drops every row, and so nothing
that was not committed is left in memory.

A row is a msgspec Struct whose fields are the table's columns in order, the first being its key. Rows that change are
mutable and owned by the shelf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import filterfalse
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)
Entry = TypeVar("Entry", bound=tuple[object, ...])
Key = str | int | bytes

SHELF_ROWS_MAX = 100_000

_SQL_TYPES = {"str": "text", "int": "bigint", "bytes": "bytea", "bool": "boolean"}


class RowWasNotWanted(Exception):
    """Raised when an applier reads a row that its command did not want; a mistake in the applier."""


class Connection(Protocol):
    """What a shelf needs of the line's database connection (asyncpg's)."""

    async def fetch(self, query: str, *arguments: object) -> Sequence[Sequence[object]]: ...
    async def execute(self, query: str, *arguments: object) -> object: ...
    async def copy_records_to_table(
        self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[object]]
    ) -> object: ...


class Shelf(Generic[Row]):
    """The rows of one table that are in memory. `changing` names the columns that an UPDATE writes."""

    def __init__(
        self, table: str, row: type[Row], *, changing: Sequence[str] = (), rows_max: int = SHELF_ROWS_MAX
    ) -> None:
        self.table = table
        self._row = row
        self._columns = row.__struct_fields__
        self._key_column = self._columns[0]
        self._rows_max = rows_max
        self._rows: dict[Key, Row] = {}
        self._absent: set[Key] = set()
        self._wanted: set[Key] = set()
        self._added: dict[Key, Row] = {}
        self._changed: dict[Key, Row] = {}
        self._dropped: set[Key] = set()
        # These two are asked a dozen times a step, so they are the dictionaries' own methods.
        self.peek: Callable[[Key], Row | None] = self._rows.get
        """The row if it is in memory; for saying what else is wanted once it is."""
        self.change: Callable[[Key, Row], None] = self._changed.__setitem__
        """Marks a row as changed; all its `changing` columns are written."""
        self._load_sql = self._select_sql()
        self._changing = attrgetter(self._key_column, *changing)
        self._update_sql = self._bulk_update_sql(changing) if changing else ""
        self._delete_sql = f"DELETE FROM {table} WHERE {self._key_column} = ANY($1)"

    # --- before the batch ---

    def want(self, key: Key) -> None:
        """Asks for a row to be in memory before the batch is decided."""
        if key not in self._rows:
            self._wanted.add(key)

    def want_all(self, keys: Iterable[Key]) -> None:
        """Asks for many rows at once."""
        self._wanted.update(filterfalse(self._rows.__contains__, keys))

    async def load(self, connection: Connection) -> bool:
        """Loads what was wanted. Returns whether there was anything to load."""
        wanted, self._wanted = self._wanted - self._absent, set()
        if not wanted:
            return False
        found = await connection.fetch(self._load_sql, list(wanted))
        # Deciding went on meanwhile: what it has added or dropped is newer than what was found.
        for values in found:
            self._keep(self._row(*values))
        self._absent.update(filterfalse(self._rows.__contains__, wanted))
        return True

    # --- deciding ---

    def get(self, key: Key) -> Row | None:
        """The row, or None where the table has none."""
        row = self._rows.get(key)
        if row is None and key not in self._absent:
            raise RowWasNotWanted(f"{self.table} was read at a key that the command did not want")
        return row

    def is_absent(self, key: Key) -> bool:
        """Whether the row is known not to exist."""
        return key in self._absent

    def add(self, row: Row) -> None:
        """Puts a new row on the shelf; it must not exist."""
        key = getattr(row, self._key_column)
        assert key not in self._rows, f"{self.table} has this row already"
        self._rows[key] = self._added[key] = row
        self._absent.discard(key)

    def drop(self, row: Row) -> None:
        """Deletes a row."""
        key = getattr(row, self._key_column)
        self._rows.pop(key, None)
        self._changed.pop(key, None)
        self._absent.add(key)
        if self._added.pop(key, None) is None:
            self._dropped.add(key)

    # --- after the batch ---

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None:
        """Writes what was dropped, changed and added, in this order, inside the caller's transaction.

        Fewer than `rows_min` rows wait for a later flush of the same transaction, which pays for a statement anyway.
        All of it is taken down as it is now, before the first wait: deciding goes on meanwhile, and what it changes
        from here on is written by the next flush of the same transaction.
        """
        if len(self._added) + len(self._changed) + len(self._dropped) < rows_min:
            return
        dropped = list(self._dropped)
        # A row that is new and changed is written once, as it is now.
        changed = [self._changing(row) for key, row in self._changed.items() if key not in self._added]
        added = [msgspec.structs.astuple(row) for row in self._added.values()]
        self._mark_written()
        if dropped:
            await connection.execute(self._delete_sql, dropped)
        if changed:
            await connection.execute(self._update_sql, *zip(*changed, strict=True))
        if added:
            await connection.copy_records_to_table(self.table, columns=self._columns, records=added)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._added or self._changed or self._dropped)

    def settle(self) -> None:
        """After the commit: what was written is now simply known, and old rows make room."""
        self._mark_written()
        self._absent.clear()
        self._make_room()

    def forget(self) -> None:
        """After a failed commit: drops every row, since some of them never came to be."""
        self.settle()
        self._rows.clear()
        self._wanted.clear()

    def _mark_written(self) -> None:
        self._added.clear()
        self._changed.clear()
        self._dropped.clear()

    def _keep(self, row: Row) -> None:
        key = getattr(row, self._key_column)
        if key not in self._absent:
            self._rows.setdefault(key, row)

    def _make_room(self) -> None:
        """Forgets the rows that came first. Coming first is cheaper to know than being used last, and as good here."""
        excess = len(self._rows) - self._rows_max
        if self._rows_max == 0:
            self._rows.clear()
        elif excess > 0:
            for key in list(self._rows)[: excess + self._rows_max // 8]:
                del self._rows[key]

    def _select_sql(self) -> str:
        return f"SELECT {', '.join(self._columns)} FROM {self.table} WHERE {self._key_column} = ANY($1)"

    def _bulk_update_sql(self, changing: Sequence[str]) -> str:
        types = [_sql_type(self._row, name) for name in (self._key_column, *changing)]
        assignments = ", ".join(f"{name} = new.{name}" for name in changing)
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
        names = ", ".join((self._key_column, *changing))
        return (
            f"UPDATE {self.table} SET {assignments} FROM unnest({arrays}) AS new ({names})"
            f" WHERE {self.table}.{self._key_column} = new.{self._key_column}"
        )


class Journal(Generic[Entry]):
    """Rows of a table, as tuples, that are only ever appended and never read back by the line."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self.table = table
        self._columns = columns
        self._rows: list[Entry] = []
        self.append = self._rows.append

    async def load(self, connection: Connection) -> bool:
        """A journal is never read."""
        return False

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None:
        """Writes the new rows, in order; those that come meanwhile wait for the next flush."""
        if len(self._rows) < rows_min:
            return
        rows = self._rows.copy()
        self._rows.clear()
        if rows:
            await connection.copy_records_to_table(self.table, columns=self._columns, records=rows)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to write."""
        return not self._rows

    def settle(self) -> None:
        """After the commit."""
        self._rows.clear()

    def forget(self) -> None:
        """After a failed commit."""
        self._rows.clear()


def _sql_type(row: type[msgspec.Struct], column: str) -> str:
    annotation = str(row.__annotations__[column]).removesuffix(" | None")
    return _SQL_TYPES[annotation]
