"""Who may write: one leader, by an advisory lock *and* a fencing epoch.

The lock lives as long as the leader's database session, so a leader that dies frees it at once. A leader that only
hangs keeps it; then the standby, after `SILENCE_S` without a sign of life, ends that session itself and raises the
epoch. Should the old leader wake up, its next commit finds a higher epoch and does nothing (`line.Fenced`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import structlog

from suyuan.base.clock import monotonic_s

SILENCE_S = 3.0
POLL_S = 0.1

# An arbitrary constant of ours: the high half says "suyuan", the low half which of its locks.
LEADER_LOCK = 0x73757975_00000001

log = structlog.get_logger()


class Lead(NamedTuple):
    """The right to write, and where history stood when it was won."""

    epoch: int
    next_seq: int
    last_at: int


async def take_lead(connection: asyncpg.Connection[Any]) -> Lead | None:
    """Tries once to become the leader on this session."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
        return None
    row = await connection.fetchrow(
        "UPDATE line_head SET epoch = epoch + 1, leader_pid = pg_backend_pid() RETURNING epoch, next_seq, last_at"
    )
    assert row is not None, "the migration puts exactly one row here"
    log.info("line_leads", epoch=row[0], next_seq=row[1])
    return Lead(*row)


async def wait_for_lead(connection: asyncpg.Connection[Any], leader_is_alive: Callable[[], Awaitable[bool]]) -> Lead:
    """Stands by until the leader is gone or silent, then leads."""
    last_sign = monotonic_s()
    while (lead := await take_lead(connection)) is None:
        if await leader_is_alive():
            last_sign = monotonic_s()
        elif monotonic_s() - last_sign > SILENCE_S:
            await depose(connection)
            last_sign = monotonic_s()
        await asyncio.sleep(POLL_S)
    return lead


async def depose(connection: asyncpg.Connection[Any]) -> None:
    """Ends the session of a leader that no longer answers; its open transaction is rolled back with it."""
    log.warning("line_deposes_silent_leader")
    await connection.execute(_DEPOSE, LEADER_LOCK >> 32, LEADER_LOCK & 0xFFFFFFFF)


# One server may hold several platforms, each a database of its own, and all of them lock by the same number.
_DEPOSE = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objid = $2::bigint::oid AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""
