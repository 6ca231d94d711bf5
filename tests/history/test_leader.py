"""One leader at a time: by a lock that dies with its session, and by an epoch that outlives a leader that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from suyuan.base import db
from suyuan.base.refusals import Reason
from suyuan.history import leader
from suyuan.history.leader import depose, take_lead, wait_for_lead
from tests.history.small_line import Add, counts, history, is_refused, leading, prepare, writing

# The driver has several words for a session that the server ended.
SESSION_IS_OVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    return database


@pytest.fixture
def neighbour(cluster: db.Server, template: str) -> Iterator[str]:
    """Another platform's database in the same server."""
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE neighbour TEMPLATE {template} STRATEGY file_copy".encode())
        yield cluster.url("neighbour")
        connection.execute("DROP DATABASE neighbour WITH (FORCE)")


def test_two_cannot_lead(url: str) -> None:
    """While one leads the other gets nothing; when its session ends, the other leads under the next epoch."""

    async def story() -> None:
        async with writing(url) as second:
            async with writing(url) as first:
                lead = await take_lead(first)
                assert lead is not None
                assert await take_lead(second) is None
            async with asyncio.timeout(5):
                next_lead = await wait_for_lead(second, _is_silent)
            assert next_lead.epoch == lead.epoch + 1

    asyncio.run(story())


def test_a_leader_begins_where_history_stands(url: str) -> None:
    async def story() -> None:
        async with writing(url) as first, leading(first) as line:
            await line.ask(Add("a", events=3))
        async with writing(url) as second:
            async with asyncio.timeout(5):
                lead = await wait_for_lead(second, _is_silent)
            assert lead.next_seq == 3
            assert lead.last_at == history(url)[-1][1]

    asyncio.run(story())


def test_a_leader_that_gives_signs_of_life_is_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, if slowly: five times as long as silence may last, and nobody takes its place."""
    monkeypatch.setattr(leader, "SILENCE_S", 0.1)
    monkeypatch.setattr(leader, "POLL_S", 0.01)

    async def answers_slowly() -> bool:
        await asyncio.sleep(0.05)
        return True

    async def story() -> None:
        async with writing(url) as first, writing(url) as second, leading(first) as line:
            standby = asyncio.create_task(wait_for_lead(second, answers_slowly))
            await asyncio.sleep(0.5)
            assert not standby.done()
            assert (await line.ask(Add("a")))[0].times == 1
            standby.cancel()

    asyncio.run(story())


def test_a_silent_leader_is_deposed_and_what_it_had_open_is_undone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader hangs right before its COMMIT. The standby takes over; then the leader wakes up, and commits."""
    monkeypatch.setattr(leader, "SILENCE_S", 0.1)

    async def story() -> None:
        async with writing(url) as first, writing(url) as second:
            lead = await take_lead(first)
            assert lead is not None
            await first.execute("BEGIN")
            await first.execute("INSERT INTO counted VALUES ('a', 1)")
            await first.execute("INSERT INTO event VALUES (0, 1, 'switch_turned/1', '')")
            async with asyncio.timeout(5):
                next_lead = await wait_for_lead(second, _is_silent)
            assert next_lead.epoch == lead.epoch + 1
            with pytest.raises(SESSION_IS_OVER):
                await first.execute("COMMIT")
            async with leading(second, lead=next_lead) as line:
                assert (await line.ask(Add("a")))[0].times == 1

    asyncio.run(story())
    assert counts(url) == {"a": 1}
    assert len(history(url)) == 1


def test_the_epoch_alone_stops_a_leader_whose_session_lives_on(url: str) -> None:
    """The lock is lost without the leader's noticing, as behind a pooler: only the epoch stands between two writers."""

    async def story() -> None:
        async with writing(url) as first, writing(url) as second, leading(first) as line:
            await line.ask(Add("a"))
            await first.execute("SELECT pg_advisory_unlock_all()")
            async with leading(second) as next_line:
                assert (await next_line.ask(Add("b")))[0].times == 1
                assert is_refused((await line.ask(Add("a")))[0], Reason.answer_is_not_known_yet)

    asyncio.run(story())
    assert counts(url) == {"a": 1, "b": 1}


def test_deposing_leaves_a_neighbours_leader_alone(url: str, neighbour: str) -> None:
    """Two platforms in one server lock by the same number; each has a database of its own."""

    async def story() -> None:
        async with writing(neighbour) as theirs, writing(url) as ours, writing(url) as standby:
            assert await take_lead(theirs) is not None
            assert await take_lead(ours) is not None
            await depose(standby)
            assert await theirs.fetchval("SELECT 1") == 1
            with pytest.raises(SESSION_IS_OVER):
                await ours.fetchval("SELECT 1")

    asyncio.run(story())


async def _is_silent() -> bool:
    return False
