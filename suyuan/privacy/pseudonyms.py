"""Pseudonyms: a random name for each identity, account and number, and what leads from a value to its name.

Limits, features and traces have to know that two sellers are one person, and history remembers that for ever. If it
remembered a keyed digest of the person's ID number, whoever holds the key could try all numbers and find the person,
long after the person was forgotten. So history and books hold a *random* pseudonym, and only this table leads to it:

    value ──HMAC, a key per purpose──▶ blind index ──AES-SIV under an epoch's key──▶ mark ──this table──▶ pseudonym

A mark can be looked up by whoever can make it, which takes the epoch's key; it is made again under the newest epoch at
each roll (`flows.roll_epoch`), and goes when the last seller who bears the pseudonym is forgotten. Then the epoch dies,
and with it every copy of the mark in logs and backups: the pseudonym in history stays and leads to nobody.

Owns the table `pseudonym`. Invariants: one value of one purpose has one pseudonym at a time; a mark is stored under an
epoch that every process knows (`keyring.Ring.marking`), so nobody overlooks one that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch

TABLE = "pseudonym"
IDENTITY, PAYEE, NUMBER = "idn", "pye", "num"
"""What a pseudonym stands for, as its prefix says; also the purpose of the blind index behind its mark."""


class Pseudonym(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What leads from a value to its pseudonym."""

    mark: bytes
    pseudonym: str
    epoch: int


class Marks(msgspec.Struct, frozen=True, array_like=True):
    """All marks that a value may be kept under; a new one is kept under the first, which is of `epoch`.

    `fresh` is the pseudonym to give where there is none yet.
    """

    epoch: int
    marks: tuple[bytes, ...]
    fresh: str


class Remarked(NamedTuple):
    """How far a pass over the marks has come."""

    last: bytes
    broken: int  # Those that nobody can read.
    is_done: bool


Connection = psycopg.AsyncConnection[TupleRow]


async def mark_again(
    connection: Connection,
    remark: Callable[[Pseudonym], Pseudonym | None],
    *,
    until: int,
    after: bytes,
    rows_max: int,
) -> Remarked:
    """Makes the marks of old epochs anew, one stretch of the table at a time; a broken one gives nothing and stays."""
    rows = await (await connection.execute(_OLD, (after, until, rows_max))).fetchall()
    old = [Pseudonym(bytes(mark), pseudonym, epoch) for mark, pseudonym, epoch in rows]
    made = [(row.mark, fresh) for row in old if (fresh := remark(row)) is not None]
    if made:
        columns = ([mark for mark, _ in made], [fresh.mark for _, fresh in made], [fresh.epoch for _, fresh in made])
        await connection.execute(_REMARK, columns)
    return Remarked(old[-1].mark if old else after, len(old) - len(made), len(old) < rows_max)


async def find(fetch: Fetch, marks: Marks) -> str | None:
    """The pseudonym that a value has, for a worker. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_FIND, [list(marks.marks)])
    return str(rows[0][0]) if rows else None


async def numbers_after(connection: Connection, after: str, *, rows_max: int) -> list[str]:
    """The pseudonyms of numbers that something leads to, a stretch of them in their order."""
    found = await connection.execute(_NUMBERS, (after or NUMBER, rows_max))
    return [row[0] for row in await found.fetchall()]


async def forget(connection: Connection, pseudonyms: Collection[str]) -> None:
    """Takes away what leads to these pseudonyms."""
    await connection.execute("DELETE FROM pseudonym WHERE pseudonym = ANY(%s)", (list(pseudonyms),))


async def count_of_epochs(connection: Connection, *, until: int) -> int:
    """How many marks still hang on epochs up to this one."""
    row = await (await connection.execute("SELECT count(*) FROM pseudonym WHERE epoch <= %s", (until,))).fetchone()
    assert row is not None
    return int(row[0])


_FIND = "SELECT pseudonym FROM pseudonym WHERE mark = ANY(%s)"
# From `num` to `nun` every collation finds the same, and by the index.
_NUMBERS = "SELECT pseudonym FROM pseudonym WHERE pseudonym > %s AND pseudonym < 'nun' ORDER BY pseudonym LIMIT %s"
_OLD = "SELECT mark, pseudonym, epoch FROM pseudonym WHERE mark > %s AND epoch <= %s ORDER BY mark LIMIT %s"
_REMARK = """
UPDATE pseudonym SET mark = new.mark, epoch = new.epoch
FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[]) AS new (before, mark, epoch) WHERE pseudonym.mark = new.before
"""
