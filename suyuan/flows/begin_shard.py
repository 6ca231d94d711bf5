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

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg
from psycopg.rows import TupleRow

from suyuan.evidence.log.shard_list import read_list, signed_size, size_in
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT
from suyuan.evidence.records.leaves import (
    ShardStart,
    begin_shard,
    entries,
    forget_unpublished,
    leave_shards,
    next_leaf,
    shards,
    tell_of_shard,
)

Connection = psycopg.Connection[TupleRow]
T = TypeVar("T")


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


def begin_again(
    connection: Connection,
    folder: Path,
    *,
    log_name: str,
    second_copies: Path | None = None,
    witness_is_ahead: bool = False,
) -> ShardStart:
    """Begins a new shard where the newest one cannot go on. Raises `NothingIsLost` and `LogStopped`.

    With `witness_is_ahead` both the database and the files were put back, so that only a witness, or the second copies
    of the last checkpoints, know of the loss; or files are gone or damaged, and the database is too old to make them
    again.
    """
    with connection.transaction():
        for listed in read_list(folder):
            tell_of_shard(connection, ShardStart(listed.name, listed.first_seq, listed.origin, is_published=True))
        forget_unpublished(connection)
        known = shards(connection)
        if not known or not (witness_is_ahead or (folder / known[-1].name / CHECKPOINT).exists()):
            raise LogStopped(Stop.CHECKPOINT_IS_MISSING)
        compared = _Compared(connection, folder, second_copies, witness_is_ahead)
        first_seq, lost = compared.where_they_part(known)
        if not (lost or witness_is_ahead):
            raise NothingIsLost(known[-1].name, signed_size(folder, known[-1].name))
        leave_shards(connection, [*lost, known[-1].name])
        name = _name_after(known[-1].name)
        fresh = ShardStart(name, first_seq, f"{log_name}/{name}", is_published=False)
        begin_shard(connection, fresh)
    return fresh


class _Compared(NamedTuple):
    """The log beside the database. Where a loss is for good, files that cannot be read are a part of it."""

    connection: Connection
    folder: Path
    second_copies: Path | None
    is_for_good: bool

    def where_they_part(self, known: Sequence[ShardStart]) -> tuple[int, list[str]]:
        """The first event that the new shard has to hold, and which shards have signed others from there on."""
        part, lost = next_leaf(self.connection), []
        for start in reversed(known):
            agreed = self._agreed(start)
            if agreed < self._signed(start):
                lost.append(start.name)
            if start.name in lost or start == known[-1]:
                part = min(part, start.first_seq + agreed)
            # Where a shard is lost from its first event on, the one before it may have lost its last events as well.
            if agreed:
                break
        return part, lost

    def _signed(self, start: ShardStart) -> int:
        """How many events a shard has signed, as far as anything here tells."""
        sizes = [self._if_readable(partial(signed_size, self.folder, start.name))]
        if self.is_for_good and self.second_copies is not None:
            sizes.append(self._if_readable(partial(size_in, self.second_copies / f"{start.name}.checkpoint")))
        return max(size or 0 for size in sizes)

    def _agreed(self, start: ShardStart) -> int:
        """How many of a shard's published events the database still has, from its first one on."""
        tiles = Tiles(self.folder / start.name)
        published = self._if_readable(partial(signed_size, self.folder, start.name)) or 0
        # What differs once differs from there on, because the salts of a leaf are drawn anew; so a bisection finds it.
        agreed, differs = 0, min(max(next_leaf(self.connection) - start.first_seq, 0), published)
        while agreed < differs:
            middle = (agreed + differs) // 2
            seq = start.first_seq + middle
            entry = self._if_readable(partial(tiles.entry, middle, published))
            if entry == entries(self.connection, seq, seq + 1)[0]:
                agreed = middle + 1
            else:
                differs = middle
        return agreed

    def _if_readable(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except LogStopped:
            if not self.is_for_good:
                raise
            return None


def _name_after(name: str) -> str:
    """
    >>> _name_after("2026"), _name_after("2026-2")
    ('2026-2', '2026-3')
    """
    year, _, number = name.partition("-")
    return f"{year}-{int(number or 1) + 1}"
