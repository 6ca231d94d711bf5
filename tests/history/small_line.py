"""The real line over a real database, with the smallest thing to decide over: counts by name, each at most `COUNT_MAX`.

`Add` counts and tells history of it; `Poison` breaks its applier, `Stuff` the driver, `Overfill` the database's CHECK.
`leading` starts a line on an open connection; `stopped` ends it and gives back what ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from suyuan.base import db
from suyuan.base.clock import Clock, SetClock
from suyuan.base.refusals import Reason, Refusal
from suyuan.history.events import SwitchTurned
from suyuan.history.fact import Fact
from suyuan.history.leader import Lead, take_lead
from suyuan.history.line import Applier, Decided, Line, Turn
from suyuan.history.working_set import Connection, Shelf

COUNT_MAX = 1_000_000
BEGUN_AT = 1_795_320_000_000_000

TABLE = f"CREATE TABLE counted (name text PRIMARY KEY, times bigint NOT NULL CHECK (times BETWEEN 0 AND {COUNT_MAX}))"


class Counted(msgspec.Struct):
    """A row."""

    name: str
    times: int


class Add(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Counts once under a name, and has history tell of it `events` times."""

    name: str
    events: int = 1


class Peek(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks, and changes nothing."""

    name: str


class Poison(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Breaks its applier, after it has changed a row."""

    name: str


class Stuff(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks for a number that no column holds; the driver refuses it."""

    name: str


class Overfill(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks for a count that only the database's CHECK forbids."""

    name: str


class Told(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a command came to, and its place in history."""

    times: int
    seq: int
    at: int


class Counts:
    """A working set of one shelf."""

    def __init__(self) -> None:
        self.shelf = Shelf("counted", Counted, changing=("times",))
        self.heard: list[tuple[int, int, Fact]] = []

    async def load(self, connection: Connection) -> bool:
        return await self.shelf.load(connection)

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> bool:
        if self.shelf.is_clean:
            return False
        await self.shelf.flush(connection, rows_min=rows_min)
        return True

    def settle(self) -> None:
        self.shelf.settle()

    def forget(self) -> None:
        self.shelf.forget()

    def hear(self, seq: int, at: int, event: Fact) -> None:
        self.heard.append((seq, at, event))


def _want(counts: Counts, command: Any, now: int) -> bool:
    counts.shelf.want(command.name)
    return True


def _set(counts: Counts, name: str, times: int) -> None:
    row = counts.shelf.get(name)
    if row is None:
        counts.shelf.add(Counted(name, times))
        return
    row.times = times
    counts.shelf.change(name, row)


def _times(counts: Counts, name: str) -> int:
    row = counts.shelf.get(name)
    return 0 if row is None else row.times


def _add(counts: Counts, command: Add, turn: Turn) -> Decided:
    times = _times(counts, command.name) + 1
    _set(counts, command.name, times)
    events = (SwitchTurned("key", command.name, True, "ofc_1"),) * command.events
    return Decided(Told(times, turn.seq, turn.at), events)


def _peek(counts: Counts, command: Peek, turn: Turn) -> Decided:
    return Decided(Told(_times(counts, command.name), turn.seq, turn.at))


def _poison(counts: Counts, command: Poison, turn: Turn) -> Decided:
    _set(counts, command.name, 13)
    raise ValueError(f"broken by {command.name}")


def _stuff(counts: Counts, command: Stuff, turn: Turn) -> Decided:
    _set(counts, command.name, 1 << 80)
    return Decided(Told(0, turn.seq, turn.at))


def _overfill(counts: Counts, command: Overfill, turn: Turn) -> Decided:
    _set(counts, command.name, COUNT_MAX + 1)
    return Decided(Told(0, turn.seq, turn.at))


APPLIERS: dict[type, Applier] = {
    Add: Applier(_want, _add),
    Peek: Applier(_want, _peek),
    Poison: Applier(_want, _poison),
    Stuff: Applier(_want, _stuff),
    Overfill: Applier(_want, _overfill),
}


def prepare(url: str) -> None:
    """Makes the table that the counts stand in."""
    with db.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.encode())


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection for a line."""
    connection = await asyncpg.connect(db.for_asyncpg(url))
    try:
        yield connection
    finally:
        connection.terminate()


class Leading:
    """A line that runs, and what it decides over."""

    def __init__(self, connection: Any, lead: Lead, clock: Clock, reading: Any = None) -> None:
        self.counts = Counts()
        self.line = Line(connection, self.counts, APPLIERS, lead, clock, reading=reading)
        self.running = asyncio.create_task(self.line.run())

    async def ask(self, *commands: msgspec.Struct) -> list[Any]:
        """The answers to commands that are submitted at once."""
        return await asyncio.gather(*[self.line.submit(command) for command in commands])

    async def ended_by(self) -> BaseException | None:
        """What ended it. Waits until something has."""
        await asyncio.wait([self.running])
        return self.running.exception()


@asynccontextmanager
async def leading(
    connection: Any, *, clock: Clock | None = None, lead: Lead | None = None, reading: Any = None
) -> AsyncIterator[Leading]:
    """The line on this connection; it takes the lead if none is given. With `reading` it works in parts."""
    lead = lead or await take_lead(connection)
    assert lead is not None, "somebody else leads"
    running = Leading(connection, lead, clock or SetClock(BEGUN_AT), reading)
    try:
        yield running
    finally:
        running.running.cancel()
        with contextlib.suppress(BaseException):
            await running.running


def history(url: str) -> list[tuple[int, int]]:
    """The place and instant of every event that is committed."""
    with db.connect(url) as connection:
        return connection.execute("SELECT seq, at FROM event ORDER BY seq").fetchall()


def counts(url: str) -> dict[str, int]:
    """The counts that are committed."""
    with db.connect(url) as connection:
        return dict(connection.execute("SELECT name, times FROM counted").fetchall())


def is_refused(answer: object, reason: Reason) -> bool:
    """Whether the answer is this refusal."""
    return isinstance(answer, Refusal) and answer.reason is reason


class Counting:
    """A connection that counts what the line does on it, and can be told to fail at the nth statement of a kind."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.statements: list[str] = []
        self.before: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def _note(self, statement: str) -> None:
        self.statements.append(statement)
        if self.before is not None:
            await self.before(statement)

    async def execute(self, query: str, *arguments: object) -> Any:
        await self._note(query.split(maxsplit=1)[0])
        return await self._connection.execute(query, *arguments)

    async def fetch(self, query: str, *arguments: object) -> Any:
        await self._note("LOAD")
        return await self._connection.fetch(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        await self._note("ADVANCE" if "UPDATE" in query else "FLUSHED" if "flush_lsn" in query else "STANDS")
        return await self._connection.fetchval(query, *arguments)

    async def copy_records_to_table(self, table: str, **how: Any) -> Any:
        await self._note(f"COPY {table}")
        return await self._connection.copy_records_to_table(table, **how)
