"""Who is to be forgotten, and who was: the intent comes first, and from it on nothing of theirs is opened.

Owns the table `shredding`: one row a subject, written with the intent and never deleted, so that a person who was
erased stays erased whatever is restored. `epoch` is 0 until the data keys are gone, and then the newest epoch that had
wrapped any of them: when that epoch's key is destroyed, no copy anywhere opens any more. Before `due_at` the keys stay,
because a law or a case keeps them; all the same nothing but an authority's order opens what they closed.

>>> Shredding("slr_1", "subject asked", intended_at=5, shredded_at=9, epoch=3, due_at=0).epoch
3
"""

from __future__ import annotations

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch

TABLE = "shredding"


class Shredding(msgspec.Struct, gc=False):
    """How far forgetting one subject has come."""

    subject: str
    reason: str
    intended_at: int
    shredded_at: int | None
    epoch: int
    due_at: int


async def unfinished(connection: psycopg.AsyncConnection[TupleRow], *, now: int, rows_max: int) -> list[str]:
    """Those who were to be forgotten by now and whose keys are still there, the longest waiting first."""
    found = await connection.execute(_UNFINISHED, (now, rows_max))
    return [row[0] for row in await found.fetchall()]


async def find(connection: psycopg.AsyncConnection[TupleRow], subject: str) -> Shredding | None:
    """How far forgetting one subject has come."""
    row = await (await connection.execute(_ONE, (subject,))).fetchone()
    return None if row is None else Shredding(*row)


async def progress_of(fetch: Fetch, subject: str) -> Shredding | None:
    """How far forgetting somebody has come; None where nobody asked for it. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_ONE, [subject])
    return Shredding(*rows[0]) if rows else None


def newest(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[Shredding]:
    """Who was or will be forgotten, the newest first."""
    return [Shredding(*row) for row in connection.execute(_NEWEST, (rows_max,)).fetchall()]


def is_over(connection: psycopg.Connection[TupleRow], subject: str) -> bool:
    """Whether somebody was forgotten."""
    row = connection.execute(_ONE, (subject,)).fetchone()
    return row is not None and Shredding(*row).shredded_at is not None


_UNFINISHED = """
SELECT subject FROM shredding WHERE shredded_at IS NULL AND due_at <= %s ORDER BY due_at, intended_at LIMIT %s
"""
_COLUMNS = ", ".join(Shredding.__struct_fields__)
_NEWEST = f"SELECT {_COLUMNS} FROM shredding ORDER BY intended_at DESC LIMIT %s"
_ONE = f"SELECT {_COLUMNS} FROM shredding WHERE subject = %s"
