"""Who read what of a person: where in history the reads of each seller stand.

Owns the table `field_read`: one row a seller and read, made from history (`flows.follow_history`). What a read was
about is told by its event; here stands only where to find it.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch

TABLE = "field_read"


async def note(connection: psycopg.AsyncConnection[TupleRow], reads: Iterable[tuple[str, int]]) -> None:
    """Keeps that the read at this place in history was about this seller."""
    rows = sorted(set(reads))
    if rows:
        await connection.execute(_NOTE, ([seller for seller, _ in rows], [seq for _, seq in rows]))


async def reads_of(fetch: Fetch, seller: str, *, before_seq: int, rows_max: int) -> list[int]:
    """The places of the newest reads of a seller before a place, the newest first. `fetch` is `ReadPool.fetch`."""
    return [int(row[0]) for row in await fetch(_OF_SELLER, [seller, before_seq, rows_max])]


_NOTE = "INSERT INTO field_read SELECT * FROM unnest(%s::text[], %s::bigint[]) ON CONFLICT DO NOTHING"
_OF_SELLER = "SELECT seq FROM field_read WHERE subject = %s AND seq < %s ORDER BY seq DESC LIMIT %s"
