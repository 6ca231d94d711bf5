"""The line: everything that changes state is a command in one line, decided in order by one writer.

The line takes what has queued (at most `BATCH_COMMANDS_MAX` commands, or as many as came within `LINGER_S`), loads the
rows that they want, applies them one after the other with pure functions, and commits all of it in one transaction.
So there is no race to lose: splitting 500 into 5 × 100 meets the same limit five times, in order.

A large batch is worked off in parts of `PART_COMMANDS_MAX`, still in order and in one transaction: while one part is
decided, PostgreSQL writes what the part before has much of, and looks up the next one's rows (on a second connection,
which only reads). What such a reader sees is what was committed before the batch; what the batch itself has changed is
in memory. A command that wants what an earlier one of its batch makes is not known to; such a batch is served singly.

Invariants:
1. Only the line appends to history. `seq` starts at 0 and has no gaps; `at` strictly increases.
2. An answer leaves only after its commit is flushed to disk, which is checked, not assumed.
3. Every commit checks the fencing epoch; a leader that was replaced commits nothing and stops (`Fenced`).
4. After a failed commit no trace of it is left in memory. Where the fault was in one command, the others are decided
   again, each by itself.
5. A full queue refuses at once (`platform_is_busy`); nothing is half done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import asyncpg
import msgspec
import structlog

from suyuan.base.clock import Clock, Micros
from suyuan.base.refusals import Reason, Refusal
from suyuan.history.events import encode, kind_of
from suyuan.history.fact import Fact
from suyuan.history.leader import Lead
from suyuan.history.working_set import Connection

BATCH_COMMANDS_MAX = 1_000
QUEUE_COMMANDS_MAX = 4_096
LINGER_S = 0.002
# Small enough that PostgreSQL soon has something to do, large enough that its statements stay few.
FIRST_PART_COMMANDS_MAX = 32
PART_COMMANDS_MAX = 80
# A part writes early only what is worth a statement of its own; the rest of it waits for the last part.
EARLY_ROWS_MIN = 256
# How many commands are decided before whoever writes gets a word in.
DECIDED_AT_ONCE = 4

log = structlog.get_logger()

Answer = msgspec.Struct
Command = msgspec.Struct
W = TypeVar("W", bound="WorkingSet")
_Entry = tuple[int, int, str, bytes]


# A session that the server ended says so once, before its connection is seen to be closed.
_SESSION_IS_OVER = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,
    OSError,
)


class Fenced(Exception):
    """Raised when another leader has taken the line over; this one must stop."""


class NotDurable(Exception):
    """Raised when a commit returned before it was flushed; the platform halts rather than acknowledge it."""


class Turn(NamedTuple):
    """A command's place in history: the number and instant of the first event that it appends."""

    seq: int
    at: Micros


class Decided(NamedTuple):
    """What a command comes to: the answer, and the events that tell of it.

    The first event happens at the command's turn, or so many micros `after` it, each further one a micro later.
    """

    answer: Answer
    events: tuple[Fact, ...] = ()
    after: int = 0


class WorkingSet(Protocol):
    """All the rows that appliers decide over.

    It hears every event of a batch as soon as it is decided, whoever's applier made it: what is computed of history
    needs no flow to remember it.
    """

    async def load(self, connection: Connection) -> bool: ...
    async def flush(self, connection: Connection, *, rows_min: int = 0) -> bool: ...
    def settle(self) -> None: ...
    def forget(self) -> None: ...
    def hear(self, seq: int, at: int, event: Fact) -> None: ...


class Applier(NamedTuple):
    """How one kind of command is served: which rows it wants, and what it then does to them.

    `want` says whether that was all: where what a command wants depends on rows that are not in memory yet, it is
    asked again once they are. Both are pure: no input or output, no clock, no chance.
    """

    want: Callable[[Any, Any, Micros], bool]
    apply: Callable[[Any, Any, Turn], Decided]


class _Batch:
    """What a batch has come to so far: its answers, and the entries of history that are not written yet."""

    def __init__(self, next_seq: int, now: int, hear: Callable[[int, int, Fact], None]) -> None:
        self.now = Micros(now)
        self._hear = hear
        self.next_seq = next_seq
        self.last_at = now - 1
        self.answers: list[Answer] = []
        self.unwritten: list[_Entry] = []
        self.has_begun = False
        self.has_written = False

    def take(self, decided: Decided, turn: Turn) -> None:
        """Adds what one command has come to. The working set hears each event before the next command is decided."""
        self.answers.append(decided.answer)
        for at, event in enumerate(decided.events, turn.at + decided.after):
            self.unwritten.append((self.next_seq, at, kind_of(event), encode(event)))
            self._hear(self.next_seq, at, event)
            self.next_seq += 1
            self.last_at = at

    def turn(self) -> Turn:
        """The next command's place."""
        return Turn(self.next_seq, Micros(self.last_at + 1))


class _Waiting(NamedTuple):
    command: Command
    answer: asyncio.Future[Answer]


class Line(Generic[W]):
    """The single writer. `submit` from any task; `run` in one."""

    def __init__(
        self,
        connection: asyncpg.Connection[Any],
        working_set: W,
        appliers: Mapping[type, Applier],
        lead: Lead,
        clock: Clock,
        *,
        reading: asyncpg.Connection[Any] | None = None,
    ) -> None:
        """With a connection for reading, a large batch is looked up, decided and written in parts, side by side."""
        self._connection = connection
        self._reading = reading or connection
        in_parts = (FIRST_PART_COMMANDS_MAX, PART_COMMANDS_MAX)
        self._part_sizes = in_parts if reading is not None else (BATCH_COMMANDS_MAX, BATCH_COMMANDS_MAX)
        self._working_set = working_set
        self._appliers = appliers
        self._lead = lead
        self._clock = clock
        self._next_seq = lead.next_seq
        self._last_at = lead.last_at
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._last_batch = 0
        self._is_over = False
        self.queue_max = QUEUE_COMMANDS_MAX

    @property
    def is_ready(self) -> bool:
        """Whether it decides; one that is over does no more."""
        return not self._is_over

    def submit(self, command: Command) -> asyncio.Future[Answer]:
        """Puts a command in the line. The future gives its answer, after the commit."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self._is_over:
            answer.set_result(Refusal(Reason.platform_is_starting))
            return answer
        if len(self._queue) >= self.queue_max:
            answer.set_result(Refusal(Reason.platform_is_busy))
            return answer
        self._queue.append(_Waiting(command, answer))
        self._arrived.set()
        return answer

    async def run(self) -> None:
        """Serves until it is cancelled, fenced, or loses its database; whoever waits then is told."""
        try:
            while True:
                await self._serve(await self._take_batch())
        finally:
            self._is_over = True
            self._abandon(self._queue)

    async def _take_batch(self) -> list[_Waiting]:
        """Waits for work, then a moment longer for as much as came last time: fewer flushes, same latency."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER_S
        while len(self._queue) < min(self._last_batch, BATCH_COMMANDS_MAX) and (left := until - loop.time()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        size = min(len(self._queue), BATCH_COMMANDS_MAX)
        self._last_batch = size
        return [self._queue.popleft() for _ in range(size)]

    async def _serve(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._decide_and_commit([waiting.command for waiting in batch])
        except (Fenced, NotDurable, asyncio.CancelledError, *_SESSION_IS_OVER):
            self._abandon(batch)
            raise
        except Exception as fault:
            # The driver's own errors tell of a lost connection as well as of a value that no column holds.
            if self._connection.is_closed() or self._reading.is_closed():
                self._abandon(batch)
                raise
            await self._serve_singly(batch, fault)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            _resolve(waiting, answer)

    async def _serve_singly(self, batch: list[_Waiting], fault: Exception) -> None:
        """One command broke the batch: all is forgotten, then each is decided by itself and only that one fails."""
        try:
            await self._undo()
            # The text of a database error may quote a row, so only the error's kind is logged.
            kind = type(batch[0].command).__name__
            log.error("line_fault", fault=type(fault).__name__, commands=len(batch), kind=kind)
            if len(batch) == 1:
                _resolve(batch[0], Refusal(Reason.platform_has_a_fault))
                return
            for waiting in batch:
                await self._serve([waiting])
        except BaseException:
            # Whoever stood behind the one at which the line ended is told as well.
            self._abandon(batch)
            raise

    async def _decide_and_commit(self, commands: list[Command]) -> list[Answer]:
        """Decides part by part, while the next one is looked up and the one before written. One commit."""
        now = max(self._clock.now(), self._last_at + 1)
        batch = _Batch(self._next_seq, now, self._working_set.hear)
        parts = _parts(commands, *self._part_sizes)
        loading = asyncio.create_task(self._load(parts[0], batch.now))
        writing: asyncio.Task[None] | None = None
        try:
            for number, part in enumerate(parts, 1):
                await loading
                is_last = number == len(parts)
                if not is_last:
                    loading = asyncio.create_task(self._load(parts[number], batch.now))
                await self._decide(part, batch)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(batch, rows_min=0 if is_last else EARLY_ROWS_MIN))
            assert writing is not None, "a batch has a command"
            await writing
        finally:
            # On a fault nothing may go on reading or writing behind the back of whoever undoes it.
            await asyncio.gather(loading, *(() if writing is None else (writing,)), return_exceptions=True)
        if batch.has_written:
            await self._commit(batch)
        else:
            await self._connection.execute("ROLLBACK")
        self._working_set.settle()
        return batch.answers

    async def _load(self, commands: list[Command], now: Micros) -> None:
        incomplete = commands
        while incomplete:
            incomplete = [
                command
                for command in incomplete
                if not self._appliers[type(command)].want(self._working_set, command, now)
            ]
            loaded = await self._working_set.load(self._reading)
            assert loaded or not incomplete, "a command that wants nothing more is complete"

    async def _decide(self, commands: list[Command], batch: _Batch) -> None:
        for number, command in enumerate(commands, 1):
            turn = batch.turn()
            batch.take(self._appliers[type(command)].apply(self._working_set, command, turn), turn)
            if number % DECIDED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _write(self, batch: _Batch, *, rows_min: int) -> None:
        """Writes what is decided and not written yet, where there are `rows_min` rows of it, in the one transaction."""
        connection = self._connection
        if not batch.has_begun:
            batch.has_begun = True
            await connection.execute("BEGIN")
        batch.has_written |= await self._working_set.flush(connection, rows_min=rows_min)
        entries = batch.unwritten
        if entries and len(entries) >= rows_min:
            batch.unwritten, batch.has_written = [], True
            await connection.copy_records_to_table("event", records=entries, columns=("seq", "at", "kind", "body"))

    async def _commit(self, batch: _Batch) -> None:
        connection = self._connection
        written_to = await connection.fetchval(
            _ADVANCE, batch.next_seq, batch.last_at, self._lead.epoch, self._next_seq
        )
        if written_to is None:
            await connection.execute("ROLLBACK")
            raise Fenced("another leader has taken over; this one stops and commits nothing")
        await connection.execute("COMMIT")
        if not await connection.fetchval(_FLUSHED, written_to):
            raise NotDurable("a commit was not flushed; set synchronous_commit = on and restart")
        self._next_seq, self._last_at = batch.next_seq, batch.last_at

    async def _undo(self) -> None:
        self._working_set.forget()
        if self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")
        # Where the fault is that history stands elsewhere, no command can be blamed and none would ever pass.
        if not await self._connection.fetchval(_STANDS, self._lead.epoch, self._next_seq):
            raise Fenced("history does not stand where this leader left it; this one stops and commits nothing")

    def _abandon(self, batch: deque[_Waiting] | list[_Waiting]) -> None:
        """Nobody knows whether these were done; the callers are told to ask again with the same key."""
        self._working_set.forget()
        for waiting in batch:
            _resolve(waiting, Refusal(Reason.answer_is_not_known_yet))


def _parts(commands: list[Command], first_max: int, part_max: int) -> list[list[Command]]:
    """The commands in order, part by part. The first part is short, because nothing is written while it is decided."""
    starts = [0, *range(first_max, len(commands), part_max)]
    return [commands[start:end] for start, end in pairwise([*starts, len(commands)])]


def _resolve(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


# The position is read in the last statement before COMMIT, so the commit record lies behind it: a flush position not
# beyond it proves that the commit did not reach the disk. Another session's flush could end between the two, so the
# session is asked as well whether it waits for the disk at all.
_ADVANCE = """
UPDATE line_head SET next_seq = $1, last_at = $2 WHERE sole AND epoch = $3 AND next_seq = $4
RETURNING pg_current_wal_insert_lsn()::text
"""
_STANDS = "SELECT epoch = $1 AND next_seq = $2 FROM line_head"
_FLUSHED = """
SELECT pg_current_wal_flush_lsn() > $1::text::pg_lsn
   AND current_setting('synchronous_commit') <> 'off' AND current_setting('fsync') = 'on'
"""
