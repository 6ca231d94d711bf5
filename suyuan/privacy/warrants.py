"""Orders of lawful authorities that are in force here: about whom, which fields, from when until when.

Owns the table `warrant`. An order is entered by one officer and approved by another; it opens what it names and
nothing else, and it stays on record after its end.

>>> order = Warrant("wrt_1", "某市公安局", "2026-17", "0" * 64, "slr_1 slr_2", "seller.name/1", "ofc_1", "ofc_2", 0, 9)
>>> order.names_subjects(["slr_2"]), order.names_subjects(["slr_3"]), order.names_fields(["seller.payee/1"])
(True, False, False)
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch

TABLE = "warrant"
SUBJECTS_MAX = 1_000


class Warrant(msgspec.Struct, gc=False):
    """An order. Subjects and field names are joined by spaces; instants are micros."""

    id: str
    authority: str
    document_no: str
    document_sha256: str
    subjects: str
    fields: str
    requested_by: str
    approved_by: str
    begins_at: int
    ends_at: int

    def names_subjects(self, subjects: Iterable[str]) -> bool:
        """Whether all of these persons, or redemptions, stand in it."""
        return set(subjects) <= set(self.subjects.split())

    def names_fields(self, fields: Iterable[str]) -> bool:
        """Whether all of these fields stand in it."""
        return set(fields) <= set(self.fields.split())


def newest(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[Warrant]:
    """The orders, those that end last first."""
    return [Warrant(*row) for row in connection.execute(_NEWEST, (rows_max,)).fetchall()]


def find(connection: psycopg.Connection[TupleRow], warrant: str) -> Warrant | None:
    """One order."""
    row = connection.execute(_ONE, (warrant,)).fetchone()
    return None if row is None else Warrant(*row)


async def ended(fetch: Fetch, warrants: Iterable[str], *, at: int) -> set[str]:
    """Those of these orders that have ended. `fetch` is `base.db.ReadPool.fetch`."""
    return {str(row[0]) for row in await fetch(_ENDED, [list(warrants), at])}


_COLUMNS = ", ".join(Warrant.__struct_fields__)
_NEWEST = f"SELECT {_COLUMNS} FROM warrant ORDER BY ends_at DESC, id LIMIT %s"
_ENDED = "SELECT id FROM warrant WHERE id = ANY(%s) AND ends_at <= %s"
_ONE = f"SELECT {_COLUMNS} FROM warrant WHERE id = %s"
