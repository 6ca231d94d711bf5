"""History is read again from any place on, in order and whole, in no more memory for a million events than for one."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from suyuan.base import db
from suyuan.history import store
from suyuan.history.events import SwitchTurned
from suyuan.history.store import HistoryIsBroken, check_history, follow, next_seq, replay
from tests.history.small_line import Add, leading, prepare, writing


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    return database


def tell_events(url: str, events: int, *, name: str = "a") -> None:
    """Has the line append so many events."""

    async def story() -> None:
        async with writing(url) as connection, leading(connection) as line:
            await line.ask(*[Add(f"{name}{number}") for number in range(events)])

    asyncio.run(story())


def test_an_empty_history_replays_to_nothing(url: str) -> None:
    with db.connect(url) as connection:
        assert list(replay(connection)) == []
        assert next_seq(connection) == 0


def test_replay_gives_every_event_in_its_place(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty-three events in pages of five; read whole, from the middle, to the middle, and from beyond the end."""
    monkeypatch.setattr(store, "PAGE_EVENTS", 5)
    tell_events(url, 23)
    with db.connect(url) as connection:
        recorded = list(replay(connection))
        assert [it.seq for it in recorded] == list(range(23))
        assert [it.at for it in recorded] == sorted({it.at for it in recorded})
        assert [it.event for it in recorded] == [SwitchTurned("key", f"a{n}", True, "ofc_1") for n in range(23)]
        assert list(replay(connection, 7)) == recorded[7:]
        assert list(replay(connection, 7, to_seq=11)) == recorded[7:11]
        assert list(replay(connection, 23)) == []
        with pytest.raises(HistoryIsBroken, match="before event 23"):
            list(replay(connection, 20, to_seq=30))


def test_replayed_into_an_empty_database_history_is_the_same(url: str) -> None:
    """What one database's history tells is put into another, event by event: both hold the same, to the byte."""
    tell_events(url, 40)
    with db.connect(url) as connection:
        first = list(store.read(connection))
        connection.execute("DELETE FROM event")
        for recorded in first:
            connection.execute("INSERT INTO event VALUES (%s, %s, %s, %s)", recorded)
        assert list(store.read(connection)) == first
        assert check_history(connection) == []


def test_a_gap_is_never_read_over(url: str) -> None:
    """Somebody deletes an event, then puts one back with an earlier instant."""
    tell_events(url, 9)
    with db.connect(url, autocommit=True) as connection:
        kept = list(store.read(connection))
        connection.execute("DELETE FROM event WHERE seq = 4")
        with pytest.raises(HistoryIsBroken, match="event 4 is missing"):
            list(replay(connection))
        assert [it.seq for it in replay(connection, 5)] == [5, 6, 7, 8]
        connection.execute("INSERT INTO event VALUES (4, 1, %s, %s)", (kept[4].kind, kept[4].body))
        with pytest.raises(HistoryIsBroken, match="not later"):
            list(replay(connection))


def test_whoever_follows_gets_what_comes(url: str) -> None:
    """A follower has read three events when two more come, and then one; it misses none and sees none twice."""
    tell_events(url, 3)
    coming = [2, 1]

    def wait() -> None:
        tell_events(url, coming.pop(0), name=f"later{len(coming)}")

    with db.connect(url, autocommit=True) as connection:
        following = follow(connection, 1, wait=wait)
        assert [next(following).seq for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_long_replay_needs_no_more_memory_than_a_short_one(url: str) -> None:
    """Sixty thousand events are replayed within the memory of a few pages."""
    with db.connect(url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO event SELECT n, n + 1, \'switch_turned/1\', convert_to(\'{"by":"ofc_1","kind":'
            '"switch_turned/1","stopped":true,"target":"\' || repeat(\'x\', 500) || \'","target_kind":"key"}\','
            " 'UTF8') FROM generate_series(0, 59999) AS n"
        )
        tracemalloc.start()
        try:
            count = sum(1 for _ in replay(connection))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 60_000
    assert peak_bytes < 20_000_000, "all of it would take more than forty million bytes"
