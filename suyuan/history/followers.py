"""Whoever follows history keeps its place here, and moves it in the transaction that keeps what it has learnt.

So each event is taken into account exactly once, however often the follower dies. Owns the table `follower`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.events import decode
from suyuan.history.store import Recorded

TABLE = "follower"


class Stretch(NamedTuple):
    """A stretch of history: the events of the kinds asked for, and the place behind the stretch."""

    recorded: list[Recorded]
    next_seq: int
    is_last: bool  # Whether history went no further when it was read.


async def next_stretch(
    connection: psycopg.AsyncConnection[TupleRow], name: str, kinds: Sequence[str], *, rows_max: int
) -> Stretch:
    """What comes behind a follower's place, as far as `rows_max` events of any kind."""
    row = await (await connection.execute(_PLACE, (rows_max, name))).fetchone()
    assert row is not None
    first, behind, end = int(row[0]), int(row[1]), int(row[2])
    found = await (await connection.execute(_EVENTS, (first, behind, list(kinds)))).fetchall()
    return Stretch([Recorded(seq, at, decode(bytes(body))) for seq, at, body in found], behind, behind == end)


async def advance(connection: psycopg.AsyncConnection[TupleRow], name: str, next_seq: int) -> None:
    """Moves a follower's place, in the caller's transaction."""
    await connection.execute(_ADVANCE, (name, next_seq))


_PLACE = """
SELECT place.seq, least(place.seq + %s, head.next_seq), head.next_seq
FROM line_head head, (SELECT coalesce((SELECT next_seq FROM follower WHERE name = %s), 0) AS seq) place
"""
_EVENTS = "SELECT seq, at, body FROM event WHERE seq >= %s AND seq < %s AND kind = ANY(%s) ORDER BY seq"
_ADVANCE = """
INSERT INTO follower (name, next_seq) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET next_seq = excluded.next_seq
"""
