"""Runs the real line over a stream of commands, with so many in flight or offered at a steady rate, and measures it.

The callers are callbacks in the line's own process: with so many in flight, the next command is queued the moment an
answer comes, so what is measured is the line and little else. `Recording` notes every statement that the line writes
with, row for row, so that the floor can write the same rows barely.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import asyncpg
import msgspec
import uvloop

from suyuan.app.line import reading_connection, writing_connection
from suyuan.base.clock import SystemClock, cpu_s, monotonic_s
from suyuan.faces.bench.machine import rss_mb
from suyuan.flows import read_fields
from suyuan.flows.read_fields import ReadRecorded, RecordRead
from suyuan.flows.shelves import Shelves
from suyuan.flows.take_redemption import APPLIER, Taken, TakeRedemption
from suyuan.history.leader import take_lead
from suyuan.history.line import Applier, Line
from suyuan.settle.limits import LimitRules

T = TypeVar("T")

MEMORY_MARKS = 20
OFFER_EVERY_S = 0.005


class Measured(NamedTuple):
    """What one run came to."""

    steps: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: list[float]
    read_p99_ms: float = 0.0  # Of the recorded reads among the steps, where there were any.
    answered_at_s: Sequence[float] = ()  # By the monotonic clock, in the order of history.

    @property
    def steps_per_s(self) -> float:
        return self.steps / self.seconds


Step: TypeAlias = TakeRedemption | RecordRead


class InFlight(NamedTuple):
    """So many callers, each of whom asks again as soon as it is answered."""

    callers: int


class Offered(NamedTuple):
    """So many new callers a second, whether or not anybody is answered: an equal load for whatever is compared."""

    per_s: float


class Statement(NamedTuple):
    """One write of the line: an SQL statement with its arguments, or a COPY where `columns` are named."""

    text: str
    arguments: Sequence[object]
    columns: Sequence[str] | None = None


class Recording:
    """The line's connection, noting what is written, transaction by transaction."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.transactions: list[list[Statement]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, text: str, *arguments: object) -> object:
        """Runs and notes a statement; `BEGIN` opens a new transaction."""
        if text == "BEGIN":
            self.transactions.append([])
        elif arguments:
            self.transactions[-1].append(Statement(text, arguments))
        return await self._connection.execute(text, *arguments)

    async def fetchval(self, text: str, *arguments: object) -> Any:
        """Runs a statement and notes it where it writes."""
        if text.lstrip().startswith("UPDATE"):
            self.transactions[-1].append(Statement(text, arguments))
        return await self._connection.fetchval(text, *arguments)

    async def copy_records_to_table(
        self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[object]]
    ) -> object:
        """Copies and notes the records."""
        rows = [tuple(record) for record in records]
        self.transactions[-1].append(Statement(table, rows, tuple(columns)))
        return await self._connection.copy_records_to_table(table, columns=columns, records=rows)


class _Callers:
    """Whoever asks."""

    def __init__(self, line: Line[Shelves], commands: Iterable[Step], count: int) -> None:
        self._line = line
        self._commands = iter(commands)
        self._count = count
        self._asks_again = True
        # Filled at once, so that the memory of measuring does not grow while memory is measured.
        self.waited_s = array("d", [0.0]) * count
        self.answered_at_s = array("d", [0.0]) * count
        self.read_waited_s: list[float] = []
        self.answered = 0
        self.finished = asyncio.get_running_loop().create_future()
        self.rss_mb: list[float] = [rss_mb()]

    def begin(self, load: InFlight | Offered) -> None:
        self._asks_again = isinstance(load, InFlight)
        match load:
            case InFlight(callers):
                for _ in range(callers):
                    self.ask()
            case Offered(per_s):
                self._offer(per_s, monotonic_s(), 0)

    def _offer(self, per_s: float, began_s: float, asked: int) -> None:
        due = min(self._count, int((monotonic_s() - began_s) * per_s))
        for _ in range(due - asked):
            self.ask()
        if due < self._count:
            asyncio.get_running_loop().call_later(OFFER_EVERY_S, self._offer, per_s, began_s, due)

    def ask(self) -> None:
        command = next(self._commands, None)
        if command is None:
            return
        asked_at_s = monotonic_s()
        self._line.submit(command).add_done_callback(lambda done: self._heed(done.result(), asked_at_s))

    def _heed(self, answer: msgspec.Struct, asked_at_s: float) -> None:
        if isinstance(answer, ReadRecorded):
            self.read_waited_s.append(monotonic_s() - asked_at_s)
        elif not isinstance(answer, Taken):
            if not self.finished.done():
                self.finished.set_exception(AssertionError(f"ordinary traffic was refused: {answer}"))
            return
        answered_at_s = monotonic_s()
        self.waited_s[self.answered] = answered_at_s - asked_at_s
        self.answered_at_s[self.answered] = answered_at_s
        self.answered += 1
        if self.answered * MEMORY_MARKS % self._count < MEMORY_MARKS:
            self.rss_mb.append(rss_mb())
        if self.answered == self._count:
            self.finished.set_result(None)
        if self._asks_again:
            self.ask()


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end on the loop that the line has in production."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def run_line(
    url: str, commands: Iterable[Step], count: int, *, in_flight: int, shelves: Shelves, taking: Applier = APPLIER
) -> Measured:
    """Runs `count` commands through a line of its own."""
    async with writing_connection(url) as connection, reading_connection(url) as reading:
        load = InFlight(in_flight)
        return await _run(connection, reading, commands, count, load=load, shelves=shelves, taking=taking)


async def offer_line(url: str, commands: Iterable[Step], count: int, *, per_s: float, shelves: Shelves) -> Measured:
    """Offers `count` commands to a line of its own, so many a second."""
    async with writing_connection(url) as connection, reading_connection(url) as reading:
        return await _run(connection, reading, commands, count, load=Offered(per_s), shelves=shelves)


async def record_line(
    url: str, commands: Iterable[Step], count: int, *, in_flight: int, rules: LimitRules
) -> list[list[Statement]]:
    """Runs them and returns what was written, transaction by transaction, each table in one go."""
    async with writing_connection(url) as connection:
        recording = Recording(connection)
        await _run(recording, None, commands, count, load=InFlight(in_flight), shelves=Shelves(rules))
        return recording.transactions


async def _run(
    connection: Any,
    reading: Any,
    commands: Iterable[Step],
    count: int,
    *,
    load: InFlight | Offered,
    shelves: Shelves,
    taking: Applier = APPLIER,
) -> Measured:
    lead = await take_lead(connection)
    assert lead is not None, "nobody else leads in a database of our own"
    appliers: dict[type, Applier] = {TakeRedemption: taking, RecordRead: read_fields.APPLIER}
    line = Line(connection, shelves, appliers, lead, SystemClock(), reading=reading)
    serving = asyncio.ensure_future(line.run())
    callers = _Callers(line, commands, count)
    began_s, began_cpu_s = monotonic_s(), cpu_s()
    callers.begin(load)
    try:
        await asyncio.wait([serving, callers.finished], return_when=asyncio.FIRST_COMPLETED)
        callers.finished.result() if callers.finished.done() else serving.result()
        seconds, used_cpu_s = monotonic_s() - began_s, cpu_s() - began_cpu_s
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    waited_s = sorted(callers.waited_s)
    return Measured(
        steps=count,
        seconds=seconds,
        cpu_s=used_cpu_s,
        p50_ms=round(waited_s[count // 2] * 1e3, 2),
        p99_ms=round(waited_s[min(count - 1, count * 99 // 100)] * 1e3, 2),
        rss_mb=callers.rss_mb,
        read_p99_ms=_p99_ms(callers.read_waited_s),
        answered_at_s=callers.answered_at_s,
    )


def _p99_ms(waited_s: list[float]) -> float:
    return round(sorted(waited_s)[len(waited_s) * 99 // 100] * 1e3, 2) if waited_s else 0.0
