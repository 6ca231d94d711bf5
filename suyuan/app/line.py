"""The process of the line: waits until it leads, then serves every command of the platform.

Once it leads, it reads what decisions rest on: the newest snapshot of the windows, and history from there to its end.
Until it has all of it, whoever asks is told that the platform is starting; nothing is ever decided blind.

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
import structlog

from suyuan.app.appliers import ANSWERS, APPLIERS
from suyuan.base import db
from suyuan.base.clock import SystemClock, monotonic_s
from suyuan.base.refusals import Reason, Refusal
from suyuan.config import Settings
from suyuan.flows.shelves import Shelves
from suyuan.history import frames
from suyuan.history.frames import Answer, Command, LineCaller
from suyuan.history.leader import Lead, wait_for_lead
from suyuan.history.line import Line
from suyuan.risk.memory import Risk, catalogue_here, remember
from suyuan.risk.tail import SNAPSHOT, begin, catch_up
from suyuan.settle.limits import LimitRules

log = structlog.get_logger()

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
        front = Front()
        server = await frames.serve(front, tuple(APPLIERS), settings.line_socket)
        async with server:
            # In a thread, so that a standby sees a leader that is alive.
            risk = await asyncio.to_thread(_remember, settings, database_url, lead)
            spare_the_collector()
            shelves = Shelves(LimitRules(), settings.disclosure_caps, settings.retention_rules, risk=risk)
            front.line = Line(connection, shelves, APPLIERS, lead, SystemClock(), reading=reading)
            await front.line.run()


class Front:
    """Where callers reach the line, and what tells them to wait until there is one."""

    def __init__(self) -> None:
        self.line: Line[Shelves] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is one, and it goes on."""
        return self.line is not None and self.line.is_ready

    def submit(self, command: Command) -> asyncio.Future[Answer]:
        """Passes a command on. One that comes too early changes nothing, and may come again."""
        if self.line is not None:
            return self.line.submit(command)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        answer.set_result(Refusal(Reason.platform_is_starting))
        return answer


def _remember(settings: Settings, database_url: str, lead: Lead) -> Risk:
    """Everything that decisions rest on, up to where this leader begins."""
    began_s = monotonic_s()
    with db.connect(database_url, autocommit=True) as connection:
        windows = begin(connection, settings.risk_folder / SNAPSHOT, catalogue_here())
        from_seq = windows.next_seq
        catch_up(connection, windows, lead.next_seq)
        risk = remember(connection, windows)
    log.info("line_remembers", from_seq=from_seq, to_seq=lead.next_seq, seconds=round(monotonic_s() - began_s, 1))
    return risk


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
