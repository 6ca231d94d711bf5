"""A large batch is looked up, decided and written in parts, side by side; it still happens at once or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from suyuan.base import db
from suyuan.base.refusals import Reason
from suyuan.history import line as line_module
from suyuan.history.line import PART_COMMANDS_MAX
from tests.history.small_line import (
    Add,
    Counting,
    Leading,
    Overfill,
    Poison,
    Stuff,
    Told,
    counts,
    history,
    is_refused,
    leading,
    prepare,
    writing,
)

MANY = 4 * PART_COMMANDS_MAX + 7
NAMES = 50
STORY_S = 30


@pytest.fixture
def url(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every part is worth writing early here; otherwise only a long story would show what early writing does."""
    monkeypatch.setattr(line_module, "EARLY_ROWS_MIN", 1)
    prepare(database)
    return database


def tell(url: str, story: Callable[[Leading, Counting], Awaitable[None]]) -> None:
    """Runs a story on a fresh line that writes on one connection and reads on another."""

    async def run() -> None:
        async with writing(url) as connection, writing(url) as reading, asyncio.timeout(STORY_S):
            counting = Counting(connection)
            async with leading(counting, reading=reading) as line:
                await story(line, counting)

    asyncio.run(run())


def many() -> list[msgspec.Struct]:
    return [Add(f"n{number % NAMES}") for number in range(MANY)]


def places(url: str) -> list[int]:
    return [seq for seq, _ in history(url)]


def test_a_large_batch_is_written_in_parts_and_committed_once(url: str) -> None:
    """Each part changes the rows that the part before has added, while those are on their way to the disk."""

    async def story(line: Leading, counting: Counting) -> None:
        answers = await line.ask(*many())
        assert [answer.seq for answer in answers] == list(range(MANY))
        assert [answer.times for answer in answers] == [number // NAMES + 1 for number in range(MANY)]
        assert counting.statements.count("COPY event") >= MANY // PART_COMMANDS_MAX
        assert (counting.statements.count("BEGIN"), counting.statements.count("COMMIT")) == (1, 1)

    tell(url, story)
    assert counts(url) == {f"n{name}": len(range(name, MANY, NAMES)) for name in range(NAMES)}
    assert places(url) == list(range(MANY))


def test_a_part_that_changes_little_waits_for_the_last_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement for a few rows costs more than the waiting that it saves."""
    monkeypatch.setattr(line_module, "EARLY_ROWS_MIN", MANY + 1)

    async def story(line: Leading, counting: Counting) -> None:
        await line.ask(*many())
        assert (counting.statements.count("COPY event"), counting.statements.count("COPY counted")) == (1, 1)

    tell(url, story)
    assert sum(counts(url).values()) == MANY


@pytest.mark.parametrize("broken", [Poison("n1"), Stuff("n1"), Overfill("n1")])
@pytest.mark.parametrize("place", [0, PART_COMMANDS_MAX + 3, MANY])
def test_one_broken_command_fails_alone_wherever_it_stands(url: str, broken: msgspec.Struct, place: int) -> None:
    """Its applier, the driver or the database finds out, while other parts are decided or written already."""

    async def story(line: Leading, _: Counting) -> None:
        commands = many()
        commands.insert(place, broken)
        answers = await line.ask(*commands)
        assert is_refused(answers.pop(place), Reason.platform_has_a_fault)
        assert all(isinstance(answer, Told) for answer in answers)

    tell(url, story)
    assert sum(counts(url).values()) == MANY
    assert places(url) == list(range(MANY))


def test_a_session_killed_between_two_parts_leaves_nothing(url: str) -> None:
    """The first parts are written, in a transaction that never ends."""

    async def story(line: Leading, counting: Counting) -> None:
        async def kill_at_the_third_part(statement: str) -> None:
            if statement == "COPY event" and counting.statements.count("COPY event") == 3:
                kill(url, counting.get_server_pid())

        counting.before = kill_at_the_third_part
        answers = await line.ask(*many())
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
        assert await line.ended_by() is not None
        assert line.counts.shelf.peek("n1") is None

    tell(url, story)
    assert counts(url) == {}
    assert places(url) == []


def test_a_line_that_can_no_longer_read_ends(url: str) -> None:
    """It would refuse everything as its own fault for ever; a new process has a new connection."""

    async def run() -> None:
        async with (
            writing(url) as connection, writing(url) as reading, leading(connection, reading=reading) as line,
            asyncio.timeout(STORY_S),
        ):  # fmt: skip
            kill(url, reading.get_server_pid())
            (answer,) = await line.ask(Add("a"))
            assert is_refused(answer, Reason.answer_is_not_known_yet)
            assert await line.ended_by() is not None

    asyncio.run(run())
    assert counts(url) == {}


def kill(url: str, pid: int) -> None:
    with db.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
