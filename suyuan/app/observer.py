"""The process that looks whether decisions are what they say they are, and writes down what the line starts from.

There is one at a time, by an advisory lock. It is no part of any payment: while it stands still everything else goes
on, the line only reads more at its next start, and decisions go by older signals of rings. CPU that is short belongs to
whoever pays, so it runs behind everybody else.

What differs is said in its log and in history, and stands in the file `observer.prom` beside the snapshot, in the text
format of Prometheus, for whoever watches over the platform.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, write_to_textfile
from psycopg.rows import TupleRow

from suyuan.app.alone import be_the_only_one
from suyuan.app.appliers import ANSWERS
from suyuan.base import db
from suyuan.base.clock import DAY_S, Clock, Micros, SystemClock, plus
from suyuan.config import Settings
from suyuan.flows.replay_decision import Texts
from suyuan.flows.watch_decisions import ONE_IN, Checking, ChecksRecorded, GraphStands, PublishGraph
from suyuan.history.frames import Commands, LineCaller
from suyuan.history.store import next_seq, place_of
from suyuan.risk.gangs import WINDOW_S, find_rings
from suyuan.risk.memory import catalogue_here
from suyuan.risk.online.snapshot import write_snapshot
from suyuan.risk.online.windows import Windows
from suyuan.risk.tail import SNAPSHOT, begin, catch_up_some, rows_from

OBSERVER_LOCK = 0x73757975_00000004
NICE = 10
PAUSE_S = 1.0
# A line that starts reads what came since the last snapshot; a hundred thousand events take it some seconds.
SNAPSHOT_EVENTS = 50_000
SNAPSHOT_S = 300
GRAPH_S = DAY_S
REPORT_S = DAY_S
METRICS = "observer.prom"

log = structlog.get_logger()


async def run_observer(settings: Settings, database_url: str) -> None:
    """Watches until its database is gone."""
    os.nice(NICE)
    line = LineCaller(settings.line_socket, ANSWERS)
    settings.risk_folder.mkdir(mode=0o700, exist_ok=True)
    async with AsyncExitStack() as stack:
        holding = await stack.enter_async_context(await psycopg.AsyncConnection.connect(database_url, autocommit=True))
        await be_the_only_one(holding, OBSERVER_LOCK)
        stack.callback(line.close)
        connection = stack.enter_context(db.connect(database_url, autocommit=True))
        connection.execute("SET default_transaction_read_only = on")
        observer = Observer(connection, line, settings.risk_folder, SystemClock())
        while True:
            is_behind = await observer.round()
            await asyncio.sleep(0 if is_behind else PAUSE_S)


class Observer:
    """Windows of its own, and what it still has to say."""

    def __init__(
        self,
        connection: psycopg.Connection[TupleRow],
        line: Commands,
        folder: Path,
        clock: Clock,
        *,
        one_in: int = ONE_IN,
    ) -> None:
        self._connection = connection
        self._line = line
        self._folder = folder
        self._clock = clock
        self.windows: Windows = begin(connection, folder / SNAPSHOT, catalogue_here())
        self.checking = Checking(self.windows, Texts(connection), self.windows.next_seq, one_in)
        self._metrics = _Metrics()
        self._written_seq = self.windows.next_seq
        self._written_at = self._reported_at = clock.now()
        self._graph_at: Micros | None = None

    async def round(self) -> bool:
        """One stretch of history, and what is due. Returns whether there is more to read."""
        end = next_seq(self._connection)
        if self.windows.next_seq < end:
            catch_up_some(self._connection, self.windows, end, on_attempt=self.checking.look)
        now, is_behind = self._clock.now(), self.windows.next_seq < end
        self._metrics.note(self.checking, end - self.windows.next_seq)
        self._write_down(now)
        if not is_behind:
            await self._report(now)
            await self._publish_graph(now)
        return is_behind

    def _write_down(self, now: Micros) -> None:
        behind = self.windows.next_seq - self._written_seq
        is_due = behind >= SNAPSHOT_EVENTS or (behind and now >= plus(self._written_at, SNAPSHOT_S))
        if is_due:
            write_snapshot(self.windows, self._folder / SNAPSHOT)
            self._written_seq, self._written_at = self.windows.next_seq, now
        self._metrics.write(self._folder / METRICS)

    async def _report(self, now: Micros) -> None:
        """Once a day, and at once where something differs."""
        checking = self.checking
        if not checking.checked or not (checking.differing or now >= plus(self._reported_at, REPORT_S)):
            return
        to_seq = self.windows.next_seq
        if isinstance(await self._line.submit(checking.command(to_seq)), ChecksRecorded):
            checking.begin_again(to_seq)
            self._reported_at = now

    async def _publish_graph(self, now: Micros) -> None:
        if self._graph_at is not None and now < plus(self._graph_at, GRAPH_S):
            return
        behind = self.windows.next_seq
        first = place_of(self._connection, plus(now, -WINDOW_S))
        as_of = max(now, self.windows.settled.at)
        graph = find_rings(rows_from(self._connection, first, behind), as_of=as_of)
        members = tuple((seller, *ring) for seller, ring in graph.members.items())
        if isinstance(await self._line.submit(PublishGraph(graph.digest, graph.as_of, members)), GraphStands):
            self._graph_at = now


class _Metrics:
    """What whoever watches over the platform wants to see."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._checked = Counter("suyuan_decisions_checked", "decisions computed again", registry=self._registry)
        self._differing = Counter("suyuan_decisions_differing", "of these, differing ones", registry=self._registry)
        self._behind = Gauge("suyuan_observer_behind_events", "events not read yet", registry=self._registry)
        self._said = (0, 0)

    def note(self, checking: Checking, behind: int) -> None:
        """Counts what was found since the last time."""
        checked, differing = checking.checked, len(checking.differing)
        before = self._said if checked >= self._said[0] else (0, 0)
        self._checked.inc(checked - before[0])
        self._differing.inc(max(0, differing - before[1]))
        self._said = (checked, differing)
        self._behind.set(behind)

    def write(self, file: Path) -> None:
        """Replaces the file."""
        write_to_textfile(str(file), self._registry)
