"""A new shard after a loss: when history, or the log, was put back from an older day, and what came after is gone.

The log has then signed events that the platform no longer has. It cannot go on with that shard, since whoever holds one
of its later checkpoints would be shown another tree. So the shard is left as it is, signed and provable as far as both
agree, and a new one begins with the first event on which they do not. The link between the two says so to everybody:
its `first_seq` lies before the end of the old shard, and the events between are those that were lost.

    shard 2026    |0 ─────────────── 99|100 ──── 149|      signed, and lost from 100 on
    shard 2026-2                       |100 ──────────…    what the platform says now

A database that was put back to before a shard began does not even know of that shard. It is told of it again, since the
world knows it, and the new shard goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from suyuan.evidence.leaves import ShardStart, begin_shard, entries, next_leaf, shards
from suyuan.evidence.log import Tiles
from suyuan.evidence.shard_list import read_list, signed_size
from suyuan.evidence.stops import LogStopped, Stop
from suyuan.evidence.tiles import CHECKPOINT

Connection = psycopg.Connection[TupleRow]


class NothingIsLost(Exception):
    """Raised where the newest shard and the database agree: it simply goes on."""

    def __init__(self, shard: str, signed: int) -> None:
        super().__init__(
            f"Nothing is lost: shard {shard} has signed {signed} events and the database has every one of them. It"
            " simply goes on; only where a witness has seen more is --witness-is-ahead the answer."
        )
        self.zh = (
            f"没有丢失：分片 {shard} 已签署 {signed} 个事件，数据库全部具备，将直接继续；"
            "仅当见证方所见更多时，才应使用 --witness-is-ahead。"
        )


def begin_again(connection: Connection, folder: Path, *, log_name: str, witness_is_ahead: bool = False) -> ShardStart:
    """Begins a new shard where the newest one cannot go on. Raises `LookupError`, `NothingIsLost` and `LogStopped`.

    With `witness_is_ahead` both the database and the files were put back, so that only a witness, or the second copy of
    the last checkpoint, knows of the loss; or the files are gone and the database is too old to make them again.
    """
    with connection.transaction():
        _remember_shards(connection, folder)
        (*_, newest) = known = shards(connection)
        signed, agreed = signed_size(folder, newest.name), _agreed(connection, folder, newest)
        if newest.is_published and not (folder / newest.name / CHECKPOINT).exists() and not witness_is_ahead:
            raise LogStopped(Stop.CHECKPOINT_IS_MISSING)
        if agreed == signed and not witness_is_ahead:
            raise NothingIsLost(newest.name, signed)
        name = _name_after(newest.name)
        fresh = ShardStart(name, _where_they_part(connection, folder, known), f"{log_name}/{name}", is_published=False)
        begin_shard(connection, fresh)
    return fresh


def _remember_shards(connection: Connection, folder: Path) -> None:
    """Tells the database of the shards that were published and that it has forgotten."""
    names = {start.name for start in shards(connection)}
    for listed in read_list(folder):
        if listed.name not in names:
            begin_shard(connection, ShardStart(listed.name, listed.first_seq, listed.origin, is_published=True))


def _where_they_part(connection: Connection, folder: Path, known: Sequence[ShardStart]) -> int:
    """The first event of which the log and the database do not say the same."""
    for start in reversed(known):
        agreed = _agreed(connection, folder, start)
        # Where a shard is lost from its first event on, the one before it may have lost its last events as well.
        if agreed or not signed_size(folder, start.name) or start == known[0]:
            return min(start.first_seq + agreed, next_leaf(connection))
    raise LookupError("there is no shard yet")


def _agreed(connection: Connection, folder: Path, start: ShardStart) -> int:
    """How many of a shard's signed events the database still has, from its first one on."""
    tiles = Tiles(folder / start.name)
    # What differs once differs from there on, because the salts of a leaf are drawn anew; so a bisection finds it.
    agreed, differs = 0, min(max(next_leaf(connection) - start.first_seq, 0), signed_size(folder, start.name))
    while agreed < differs:
        middle = (agreed + differs) // 2
        seq = start.first_seq + middle
        if tiles.entry(middle) == entries(connection, seq, seq + 1)[0]:
            agreed = middle + 1
        else:
            differs = middle
    return agreed


def _name_after(name: str) -> str:
    """
    >>> _name_after("2026"), _name_after("2026-2")
    ('2026-2', '2026-3')
    """
    year, _, number = name.partition("-")
    return f"{year}-{int(number or 1) + 1}"
