"""A new shard after a loss: when history, or the log, was put back from an older day, and what came after is gone.

The log has then signed events that the platform no longer has. It cannot go on with that shard, since whoever holds one
of its later checkpoints would be shown another tree. So the shard is left as it is, signed and provable as far as both
agree, and a new one begins with the first event on which they do not. The link between the two says so to everybody:
its `first_seq` lies before the end of the old shard, and the events between are those that were lost.

    shard 2026    |0 ─────────────── 99|100 ──── 149|      signed, and lost from 100 on
    shard 2026-2                       |100 ──────────…    what the platform says now
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.evidence.check import read_checkpoint, read_note
from suyuan.evidence.leaves import ShardStart, begin_shard, entries, next_leaf, shards
from suyuan.evidence.log import Tiles

Connection = psycopg.Connection[TupleRow]


class NothingIsLost(Exception):
    """Raised where the newest shard and the database agree: it simply goes on."""


class Parted(NamedTuple):
    """How much of the newest shard the database still has, and how much was signed."""

    shard: ShardStart
    signed: int
    agreed: int


def where_they_part(connection: Connection, folder: Path) -> Parted:
    """Compares the newest shard's log with the database. Raises `LookupError` where there is no shard, `LogStopped`."""
    (*_, newest) = shards(connection)
    tiles = Tiles(folder / newest.name)
    note = tiles.checkpoint()
    signed = 0 if note is None else read_checkpoint(read_note(note).text).size
    known = min(max(next_leaf(connection) - newest.first_seq, 0), signed)
    # What differs once differs from there on, because the salts of a leaf are drawn anew; so a bisection finds it.
    agreed, differs = 0, known
    while agreed < differs:
        middle = (agreed + differs) // 2
        seq = newest.first_seq + middle
        if tiles.entry(middle) == entries(connection, seq, seq + 1)[0]:
            agreed = middle + 1
        else:
            differs = middle
    return Parted(newest, signed, agreed)


def begin_again(connection: Connection, folder: Path, *, log_name: str, witness_is_ahead: bool = False) -> ShardStart:
    """Begins a new shard where the newest one cannot go on. Raises `NothingIsLost` and `LogStopped`.

    With `witness_is_ahead` both the database and the files were put back, so that only a witness knows of the loss.
    """
    with connection.transaction():
        parted = where_they_part(connection, folder)
        if parted.agreed == parted.signed and not witness_is_ahead:
            raise NothingIsLost(
                f"shard {parted.shard.name} has signed {parted.signed} events and the database has every one of them;"
                " it simply goes on"
            )
        name = _name_after(parted.shard.name)
        fresh = ShardStart(name, parted.shard.first_seq + parted.agreed, f"{log_name}/{name}", is_published=False)
        begin_shard(connection, fresh)
    return fresh


def _name_after(name: str) -> str:
    """
    >>> _name_after("2026"), _name_after("2026-2")
    ('2026-2', '2026-3')
    """
    year, _, number = name.partition("-")
    return f"{year}-{int(number or 1) + 1}"
