"""Which redemptions of a seller were refused: where in history each refusal stands, so that it can be explained.

Owns the table `refused_redemption`: one row a refusal, made from history (`flows.follow_history`). Why it was refused
is told by its event.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch


async def note(connection: psycopg.AsyncConnection[TupleRow], refusals: Iterable[tuple[int, str]]) -> None:
    """Keeps that the refusal at this place in history was about this seller."""
    rows = list(refusals)
    if rows:
        await connection.execute(_NOTE, ([seq for seq, _ in rows], [seller for _, seller in rows]))


async def refusals_of(fetch: Fetch, seller: str, *, after_seq: int, rows_max: int) -> list[int]:
    """The places of a seller's refusals behind a place, the oldest first. `fetch` is `base.db.ReadPool.fetch`."""
    return [int(row[0]) for row in await fetch(_OF_SELLER, [seller, after_seq, rows_max])]


_NOTE = "INSERT INTO refused_redemption SELECT * FROM unnest(%s::bigint[], %s::text[]) ON CONFLICT DO NOTHING"
_OF_SELLER = "SELECT seq FROM refused_redemption WHERE seller = %s AND seq > %s ORDER BY seq LIMIT %s"
