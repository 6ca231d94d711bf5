"""The process of the line: waits until it leads, then serves every command of the platform.

It ends, rather than repair itself, when its database is gone, when another leader has taken over, or when a commit was
not flushed. Whoever started it starts it again, and it begins from what is committed.
"""

from __future__ import annotations

import asyncio
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


async def run_line(settings: Settings, database_url: str) -> None:
    """Leads, or stands by until it does; then serves until it must stop."""
    with db.connect(database_url, autocommit=True) as connection:
        db.refuse_unsafe(connection)
    async with writing_connection(database_url) as connection:
        present_leader = LineCaller(settings.line_socket, ANSWERS)
        lead = await wait_for_lead(connection, present_leader.is_alive)
        present_leader.close()
        line = Line(connection, Shelves(LimitRules()), APPLIERS, lead, SystemClock())
        server = await frames.serve(line, tuple(APPLIERS), settings.line_socket)
        async with server:
            await line.run()


@asynccontextmanager
async def writing_connection(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The one connection that writes."""
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
