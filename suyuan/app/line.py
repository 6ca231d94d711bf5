"""The process of the line: waits until it leads, then serves every command of the platform.

It ends, rather than repair itself, when its database is gone, when another leader has taken over, or when a commit was
not flushed. Whoever started it starts it again, and it begins from what is committed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from suyuan.app.appliers import ANSWERS, APPLIERS
from suyuan.base import db
from suyuan.base.clock import SystemClock
from suyuan.config import Settings
from suyuan.flows.shelves import Shelves
from suyuan.history import frames
from suyuan.history.frames import LineCaller
from suyuan.history.leader import wait_for_lead
from suyuan.history.line import Line
from suyuan.settle.limits import LimitRules

COLLECT_AFTER_OBJECTS = 50_000
COLLECT_OLDER_EVERY = 20


async def run_line(settings: Settings, database_url: str) -> None:
    """Leads, or stands by until it does; then serves until it must stop."""
    spare_the_collector()
    with db.connect(database_url, autocommit=True) as connection:
        db.refuse_unsafe(connection)
    async with writing_connection(database_url) as connection, reading_connection(database_url) as reading:
        present_leader = LineCaller(settings.line_socket, ANSWERS)
        lead = await wait_for_lead(connection, present_leader.is_alive)
        present_leader.close()
        shelves = Shelves(LimitRules(), settings.disclosure_caps, settings.retention_rules)
        line = Line(connection, shelves, APPLIERS, lead, SystemClock(), reading=reading)
        server = await frames.serve(line, tuple(APPLIERS), settings.line_socket)
        async with server:
            await line.run()


def spare_the_collector() -> None:
    """Rows hold no cycles, and looking through all of them for some costs a tenth of every step; so it is done rarely.

    What is there at the start stays, so it is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, COLLECT_OLDER_EVERY, COLLECT_OLDER_EVERY)


@asynccontextmanager
async def writing_connection(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The one connection that writes."""
    async with _connection(database_url) as connection:
        yield connection


@asynccontextmanager
async def reading_connection(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The connection on which the line looks up rows while the other one writes."""
    async with _connection(database_url) as connection:
        await connection.execute("SET default_transaction_read_only = on")
        yield connection


@asynccontextmanager
async def _connection(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(db.for_asyncpg(database_url))
    try:
        # The line reads by key alone. Young tables have no statistics yet, and a plan that reads them whole would be
        # kept for the connection's life; compiling such plans costs more than running them.
        await connection.execute("SET enable_seqscan = off; SET jit = off")
        yield connection
    finally:
        await asyncio.shield(_close(connection))


async def _close(connection: asyncpg.Connection[Any]) -> None:
    connection.terminate()
