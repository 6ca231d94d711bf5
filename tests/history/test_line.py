"""The line keeps its invariants, each with the failure that would break it done to a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from suyuan.base import db
from suyuan.base.clock import SetClock
from suyuan.base.refusals import Reason
from suyuan.history import line as line_module
from suyuan.history.leader import take_lead
from suyuan.history.line import Fenced, NotDurable
from tests.history.small_line import (
    BEGUN_AT,
    Add,
    Counting,
    Leading,
    Overfill,
    Peek,
    Poison,
    Stuff,
    counts,
    history,
    is_refused,
    leading,
    prepare,
    writing,
)

IN_FLIGHT = 64
STORY_S = 30


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    return database


def tell(url: str, story: Callable[[Leading, Counting], Awaitable[None]], **how: Any) -> None:
    """Runs a story on a fresh line."""

    async def run() -> None:
        async with writing(url) as connection:
            counting = Counting(connection)
            async with leading(counting, **how) as line, asyncio.timeout(STORY_S):
                await story(line, counting)

    asyncio.run(run())


def is_gapless(url: str) -> bool:
    """Whether committed history is in order and whole, as invariant 1 says."""
    events = history(url)
    instants = [at for _, at in events]
    return [seq for seq, _ in events] == list(range(len(events))) and instants == sorted(set(instants))


# --- 1: order --------------------------------------------------------------------------------------


def test_commands_are_decided_in_the_order_in_which_they_came(url: str) -> None:
    """Two hundred callers count under one name, some in one batch and some not: each sees its own place."""

    async def story(line: Leading, _: Counting) -> None:
        answers = await line.ask(*[Add("a") for _ in range(150)])
        answers += await line.ask(*[Add("a") for _ in range(50)])
        assert [answer.times for answer in answers] == list(range(1, 201))
        assert [answer.seq for answer in answers] == list(range(200))

    tell(url, story)
    assert counts(url) == {"a": 200}
    assert is_gapless(url)


def test_history_moves_on_when_the_clock_jumps_back(url: str) -> None:
    """Somebody sets the machine's clock back by an hour between two batches, and one command tells three events."""
    clock = SetClock(BEGUN_AT)

    async def story(line: Leading, _: Counting) -> None:
        await line.ask(Add("a"), Add("b", events=3))
        clock.advance(-3600)
        await line.ask(Add("a", events=2), Add("b"))

    tell(url, story, clock=clock)
    assert len(history(url)) == 7
    assert is_gapless(url)


def test_history_moves_on_under_a_new_leader_whose_clock_is_behind(url: str) -> None:
    async def story(line: Leading, _: Counting) -> None:
        await line.ask(Add("a"), Add("a"))

    tell(url, story)
    tell(url, story, clock=SetClock(BEGUN_AT - 3_600_000_000))
    assert counts(url) == {"a": 4}
    assert is_gapless(url)


def test_a_command_that_tells_nothing_takes_no_place(url: str) -> None:
    async def story(line: Leading, counting: Counting) -> None:
        answers = await line.ask(Peek("a"), Add("a"), Peek("a"), Add("a"))
        assert [answer.seq for answer in answers] == [0, 0, 1, 1]
        commits = counting.statements.count("COMMIT")
        await line.ask(Peek("a"))
        assert counting.statements.count("COMMIT") == commits, "asking costs no commit"

    tell(url, story)
    assert is_gapless(url)


def test_many_in_flight_share_a_commit(url: str) -> None:
    """64 callers, each asking again as soon as it is answered: 640 commands in about ten commits."""

    async def caller(line: Leading, name: str) -> None:
        for _ in range(10):
            await line.ask(Add(name))

    async def story(line: Leading, counting: Counting) -> None:
        await asyncio.gather(*[caller(line, f"n{number}") for number in range(IN_FLIGHT)])
        assert counting.statements.count("COMMIT") <= 20

    tell(url, story)
    assert len(history(url)) == 640


# --- 2: durable ------------------------------------------------------------------------------------


def test_no_answer_leaves_before_its_commit_is_known_to_be_flushed(url: str) -> None:
    """Each COMMIT is followed by one question for the flush position, and until it is answered nobody is."""

    async def story(line: Leading, counting: Counting) -> None:
        waiting: list[asyncio.Future[Any]] = []

        async def look(statement: str) -> None:
            if statement == "FLUSHED":
                await asyncio.sleep(0.01)
                assert not any(answer.done() for answer in waiting)

        counting.before = look
        for _ in range(5):
            waiting[:] = [line.line.submit(Add("a")) for _ in range(3)]
            assert [answer.times for answer in await asyncio.gather(*waiting)][-1] % 3 == 0
        commits = [at for at, statement in enumerate(counting.statements) if statement == "COMMIT"]
        assert len(commits) == 5
        assert all(counting.statements[at + 1] == "FLUSHED" for at in commits)

    tell(url, story)


def test_a_session_that_does_not_wait_for_the_disk_is_found_out(url: str) -> None:
    """An operator turns synchronous_commit off for the role, behind the back of a line that is serving."""

    async def story(line: Leading, counting: Counting) -> None:
        await line.ask(Add("a"))
        await counting.execute("SET synchronous_commit = off")
        assert is_refused((await line.ask(Add("a")))[0], Reason.answer_is_not_known_yet)
        assert isinstance(await line.ended_by(), NotDurable)

    tell(url, story)


def test_the_flush_position_itself_is_checked(url: str) -> None:
    """Only the transaction is told not to wait, so the session looks safe: the position alone gives it away.

    The server flushes by itself now and then, so a commit may be lucky; ten in a row are not.
    """

    async def story(line: Leading, counting: Counting) -> None:
        async def hurry(statement: str) -> None:
            if statement == "COMMIT":
                await counting._connection.execute("SET LOCAL synchronous_commit = off")

        counting.before = hurry
        for _ in range(50):
            if is_refused((await line.ask(Add("a")))[0], Reason.answer_is_not_known_yet):
                break
        assert isinstance(await line.ended_by(), NotDurable)

    tell(url, story)


def test_another_sessions_flush_does_not_speak_for_ours(url: str) -> None:
    """Our session does not wait for the disk; a neighbour's commit flushes the log beyond ours just then, by luck."""

    async def story(line: Leading, counting: Counting) -> None:
        async def neighbour_flushes(statement: str) -> None:
            if statement == "FLUSHED":
                with db.connect(url, autocommit=True) as other:
                    other.execute("CREATE TABLE noise ()")

        await counting.execute("SET synchronous_commit = off")
        counting.before = neighbour_flushes
        await line.ask(Add("a"))
        assert isinstance(await line.ended_by(), NotDurable)

    tell(url, story)


# --- 3: fenced -------------------------------------------------------------------------------------


def test_a_leader_that_was_replaced_commits_nothing_and_stops(url: str) -> None:
    """Another leader has raised the epoch; this one had rows in memory, and half a batch decided."""

    async def story(line: Leading, _: Counting) -> None:
        await line.ask(Add("a"))
        with db.connect(url, autocommit=True) as other:
            other.execute("UPDATE line_head SET epoch = epoch + 1")
        answers = await line.ask(Add("a"), Add("b"))
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
        assert isinstance(await line.ended_by(), Fenced)
        assert line.counts.shelf.peek("a") is None, "what it had decided is forgotten"
        assert is_refused((await line.ask(Add("a")))[0], Reason.platform_is_starting), (
            "nobody waits for a line that ended"
        )

    tell(url, story)
    assert counts(url) == {"a": 1}
    assert len(history(url)) == 1


def test_a_leader_that_is_behind_history_stops(url: str) -> None:
    """Its epoch is right but its place is not: history went on without it, and no command of its own is to blame."""

    async def story() -> None:
        async with writing(url) as connection:
            lead = await take_lead(connection)
            assert lead is not None
            async with leading(connection, lead=lead) as line:
                await line.ask(Add("a"), Add("a"))
            async with leading(connection, lead=lead) as line:
                answers = await asyncio.wait_for(line.ask(Add("b"), Add("c")), 5)
                assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
                assert isinstance(await line.ended_by(), Fenced)

    asyncio.run(story())
    assert counts(url) == {"a": 2}


# --- 4: no trace of what failed --------------------------------------------------------------------


@pytest.mark.parametrize("broken", [Poison("bad"), Stuff("bad"), Overfill("bad")], ids=lambda it: type(it).__name__)
def test_a_command_that_breaks_breaks_only_itself(url: str, broken: msgspec.Struct) -> None:
    """In one batch: two good commands, a broken one, two good ones. The broken one had changed its row in memory."""

    async def story(line: Leading, _: Counting) -> None:
        await line.ask(Add("bad"))
        good_1, good_2, bad, good_3, good_4 = await line.ask(Add("a"), Add("b"), broken, Add("a"), Add("b"))
        assert [good.times for good in (good_1, good_2, good_3, good_4)] == [1, 1, 2, 2]
        assert is_refused(bad, Reason.platform_has_a_fault)
        assert (await line.ask(Peek("bad")))[0].times == 1

    tell(url, story)
    assert counts(url) == {"a": 2, "b": 2, "bad": 1}
    assert is_gapless(url)


def test_a_commit_that_the_database_refuses_leaves_no_trace(url: str) -> None:
    """A constraint that is only checked at COMMIT says no; when it is gone, the line goes on with what is true."""
    with db.connect(url, autocommit=True) as connection:
        connection.execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
        connection.execute(
            "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON counted DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.name = 'b') EXECUTE FUNCTION no()"
        )

    async def story(line: Leading, counting: Counting) -> None:
        await line.ask(Add("a"))
        answers = await line.ask(Add("a"), Add("b"))
        assert answers[0].times == 2
        assert is_refused(answers[1], Reason.platform_has_a_fault)
        await counting._connection.execute("DROP TRIGGER no ON counted")
        assert (await line.ask(Add("b")))[0].times == 1

    tell(url, story)
    assert counts(url) == {"a": 2, "b": 1}
    assert is_gapless(url)


STATEMENTS = ["LOAD", "BEGIN", "UPDATE", "COPY counted", "COPY event", "ADVANCE", "COMMIT", "FLUSHED"]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_connection_that_is_killed_leaves_no_trace_in_memory(url: str, statement: str) -> None:
    """The server ends the session right before one of the statements of a commit; a new line takes over."""

    async def story(line: Leading, counting: Counting) -> None:
        await line.ask(Add("a"))
        pid = counting.get_server_pid()

        async def kill(about_to: str) -> None:
            if about_to == statement:
                counting.before = None
                with db.connect(url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        counting.before = kill
        answers = await line.ask(Add("a"), Add("b"), Add("c"))
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
        assert await line.ended_by() is not None
        assert line.counts.shelf.peek("a") is None

    tell(url, story)
    is_done = statement == "FLUSHED"
    assert counts(url) == ({"a": 2, "b": 1, "c": 1} if is_done else {"a": 1}), "all or nothing"
    assert is_gapless(url)

    async def after(line: Leading, _: Counting) -> None:
        assert (await line.ask(Add("a")))[0].times == (3 if is_done else 2)

    tell(url, after)
    assert is_gapless(url)


def test_whoever_waits_behind_the_end_of_the_line_is_told(url: str) -> None:
    """A poisoned batch is decided one by one, and the connection breaks at the second: the rest must not hang."""

    async def story(line: Leading, counting: Counting) -> None:
        async def break_second(statement: str) -> None:
            if statement == "BEGIN" and counting.statements.count("COMMIT") == 1:
                raise ConnectionResetError("gone")

        counting.before = break_second
        answers = await asyncio.wait_for(line.ask(Poison("x"), Add("a"), Add("b"), Add("c")), 5)
        assert is_refused(answers[0], Reason.platform_has_a_fault)
        assert answers[1].times == 1
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers[2:])

    tell(url, story)
    assert counts(url) == {"a": 1}


def test_a_line_that_is_stopped_tells_whoever_waits(url: str) -> None:
    """Told to stop in the middle of a commit: the caller learns that nobody knows, rather than hang."""

    async def story(line: Leading, counting: Counting) -> None:
        async def stop(statement: str) -> None:
            if statement == "COPY event":
                line.running.cancel()
                await asyncio.sleep(0)

        counting.before = stop
        answers = await asyncio.wait_for(line.ask(Add("a"), Add("b")), 5)
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
        with contextlib.suppress(asyncio.CancelledError):
            await line.running

    tell(url, story)
    assert counts(url) == {}


# --- 5: bounded ------------------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once_and_does_nothing_half(url: str) -> None:
    """Room for ten, thirty knock at once: ten are served, twenty are told at once to come again, and may."""

    async def story(line: Leading, counting: Counting) -> None:
        line.line.queue_max = 10
        asked = [line.line.submit(Add(f"n{number}")) for number in range(30)]
        refused = [answer for answer in asked if answer.done()]
        assert all(is_refused(answer.result(), Reason.platform_is_busy) for answer in refused)
        assert len(refused) == 20
        await asyncio.gather(*asked)
        assert (await line.ask(Add("n29")))[0].times == 1

    tell(url, story)
    assert counts(url) == {f"n{number}": 1 for number in (*range(10), 29)}
    assert is_gapless(url)


def test_a_batch_is_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, one commit takes so many, and the next commit the next."""
    monkeypatch.setattr(line_module, "BATCH_COMMANDS_MAX", 50)

    async def story(line: Leading, counting: Counting) -> None:
        await line.ask(*[Add("a") for _ in range(120)])
        assert counting.statements.count("COMMIT") == 3

    tell(url, story)
    assert counts(url) == {"a": 120}
