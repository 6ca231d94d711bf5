"""One process of a kind: an advisory lock that its connection holds for as long as it lives."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg.rows import TupleRow

LOCK_POLL_S = 0.2


async def be_the_only_one(connection: psycopg.AsyncConnection[TupleRow], lock: int) -> None:
    """Waits until no other process holds this lock."""
    while True:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,))).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(LOCK_POLL_S)
