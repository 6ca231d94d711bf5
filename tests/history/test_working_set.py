"""The working set: rows are read only where they were wanted, written once, and forgotten without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from suyuan.base import db
from suyuan.history.working_set import Journal, RowWasNotWanted, Shelf


class Pot(msgspec.Struct):
    key: str
    honey: int
    owner: str | None
    mark: bytes = b""
    is_open: bool = False


Story = Callable[["_Pots"], Awaitable[None]]


class _Pots:
    """A table of pots, and a shelf over it."""

    def __init__(self, connection: asyncpg.Connection[Any], rows_max: int) -> None:
        self.connection = connection
        self.shelf = Shelf("pot", Pot, changing=("honey", "owner", "mark", "is_open"), rows_max=rows_max)

    async def want(self, *keys: str) -> bool:
        for key in keys:
            self.shelf.want(key)
        return await self.shelf.load(self.connection)

    async def commit(self) -> None:
        async with self.connection.transaction():
            await self.shelf.flush(self.connection)
        self.shelf.settle()

    async def rows(self) -> dict[str, int]:
        return {row[0]: row[1] for row in await self.connection.fetch("SELECT key, honey FROM pot")}


def tell(database: str, story: Story, *, rows_max: int = 100) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(db.for_asyncpg(database))
        try:
            await connection.execute(
                "CREATE TABLE pot (key text PRIMARY KEY, honey bigint, owner text, mark bytea, is_open boolean);"
                "INSERT INTO pot VALUES ('a', 1, 'bear', '', false), ('b', 2, NULL, '', false)"
            )
            await story(_Pots(connection, rows_max))
        finally:
            await connection.close()

    asyncio.run(run())


def test_what_is_decided_during_a_look_up_is_newer_than_what_it_finds(database: str) -> None:
    """The next part's rows are looked up while one is decided: nothing dropped rises again, no old row wins."""

    async def story(pots: _Pots) -> None:
        await pots.want("a")
        for key in ("b", "c"):
            pots.shelf.want(key)
        looking_up = asyncio.create_task(pots.shelf.load(pots.connection))
        await asyncio.sleep(0)
        pots.shelf.add(Pot("b", 7, None))
        pots.shelf.add(Pot("c", 8, None))
        first = pots.shelf.get("a")
        assert first is not None
        pots.shelf.drop(first)
        with pytest.raises(RowWasNotWanted):
            pots.shelf.get("d")
        await looking_up
        assert pots.shelf.get("b") == Pot("b", 7, None)
        assert pots.shelf.get("c") == Pot("c", 8, None)
        assert not pots.shelf.is_absent("c")
        assert pots.shelf.get("a") is None

    tell(database, story)


def test_a_row_that_is_on_its_way_is_not_yet_absent(database: str) -> None:
    """Whoever reads it too early has forgotten to want it, and must not take it for one that does not exist."""

    async def story(pots: _Pots) -> None:
        pots.shelf.want("a")
        looking_up = asyncio.create_task(pots.shelf.load(pots.connection))
        await asyncio.sleep(0)
        with pytest.raises(RowWasNotWanted):
            pots.shelf.get("a")
        await looking_up
        assert pots.shelf.get("a") == Pot("a", 1, "bear")

    tell(database, story)


def test_a_row_that_was_not_wanted_is_not_read(database: str) -> None:
    """Neither one that exists, nor one that does not: only what was looked for is known to be absent."""

    async def story(pots: _Pots) -> None:
        for key in ("a", "nowhere"):
            with pytest.raises(RowWasNotWanted, match="pot"):
                pots.shelf.get(key)
        assert await pots.want("a", "nowhere")
        found = pots.shelf.get("a")
        assert found == Pot("a", 1, "bear")
        assert pots.shelf.get("nowhere") is None
        assert pots.shelf.is_absent("nowhere")
        with pytest.raises(RowWasNotWanted):
            pots.shelf.get("b")

    tell(database, story)


def test_what_is_known_is_not_asked_for_again(database: str) -> None:
    async def story(pots: _Pots) -> None:
        assert await pots.want("a", "nowhere")
        assert not await pots.want("a", "nowhere")
        pots.shelf.settle()
        assert not await pots.want("a")
        assert await pots.want("nowhere"), "absence is known for one batch only"

    tell(database, story)


def test_rows_are_added_changed_and_dropped_at_once(database: str) -> None:
    """One batch: `a` is changed twice, `b` dropped, `c` made and changed, `d` made and dropped, `e` was never there."""

    async def story(pots: _Pots) -> None:
        shelf = pots.shelf
        await pots.want("a", "b", "c", "d", "e")
        for honey in (10, 11):
            row = shelf.get("a")
            assert row is not None
            row.honey, row.owner, row.mark, row.is_open = honey, None, b"\0", True
            shelf.change("a", row)
        shelf.drop(shelf.get("b"))  # type: ignore[arg-type]  # It is there.
        for key in ("c", "d"):
            shelf.add(Pot(key, 3, "fox"))
        made = shelf.get("c")
        assert made is not None
        made.honey = 4
        shelf.change("c", made)
        shelf.drop(shelf.get("d"))  # type: ignore[arg-type]  # It was just made.
        await pots.commit()
        assert shelf.is_clean
        assert await pots.rows() == {"a": 11, "c": 4}
        (row_of_a,) = await pots.connection.fetch("SELECT owner, mark, is_open FROM pot WHERE key = 'a'")
        assert tuple(row_of_a) == (None, b"\0", True)

    tell(database, story)


def test_a_dropped_row_may_be_made_again_in_the_same_batch(database: str) -> None:
    async def story(pots: _Pots) -> None:
        await pots.want("a")
        pots.shelf.drop(pots.shelf.get("a"))  # type: ignore[arg-type]  # It is there.
        assert pots.shelf.get("a") is None
        pots.shelf.add(Pot("a", 7, None))
        await pots.commit()
        assert (await pots.rows())["a"] == 7

    tell(database, story)


def test_a_row_is_not_made_twice(database: str) -> None:
    async def story(pots: _Pots) -> None:
        await pots.want("a")
        with pytest.raises(AssertionError, match="already"):
            pots.shelf.add(Pot("a", 7, None))

    tell(database, story)


def test_forgetting_leaves_no_trace(database: str) -> None:
    """A batch that did not commit: the next one reads what the database says, and writes nothing of the old one."""

    async def story(pots: _Pots) -> None:
        await pots.want("a", "b", "c")
        row = pots.shelf.get("a")
        assert row is not None
        row.honey = 99
        pots.shelf.change("a", row)
        pots.shelf.drop(pots.shelf.get("b"))  # type: ignore[arg-type]  # It is there.
        pots.shelf.add(Pot("c", 3, None))
        pots.shelf.want("d")
        pots.shelf.forget()
        assert pots.shelf.is_clean
        assert not await pots.shelf.load(pots.connection), "nothing is wanted any more"
        with pytest.raises(RowWasNotWanted):
            pots.shelf.get("a")
        await pots.want("a", "b", "c")
        assert [pots.shelf.get(key) for key in "abc"] == [Pot("a", 1, "bear"), Pot("b", 2, None), None]
        await pots.commit()
        assert await pots.rows() == {"a": 1, "b": 2}

    tell(database, story)


def test_a_shelf_makes_room_but_not_within_a_batch(database: str) -> None:
    """Ten rows on a shelf for four: all are there until the commit, then the ones that came first go."""

    async def story(pots: _Pots) -> None:
        keys = [f"new {n}" for n in range(10)]
        await pots.want(*keys)
        for key in keys:
            pots.shelf.add(Pot(key, 1, None))
        assert all(pots.shelf.get(key) is not None for key in keys)
        await pots.commit()
        in_memory = [key for key in keys if pots.shelf.peek(key) is not None]
        assert in_memory == keys[-len(in_memory) :]
        assert 0 < len(in_memory) <= 4
        assert await pots.want(keys[0])
        assert pots.shelf.get(keys[0]) == Pot(keys[0], 1, None)

    tell(database, story, rows_max=4)


def test_a_shelf_for_none_keeps_none(database: str) -> None:
    async def story(pots: _Pots) -> None:
        await pots.want("a")
        pots.shelf.settle()
        assert pots.shelf.peek("a") is None

    tell(database, story, rows_max=0)


def test_a_journal_is_written_in_order_and_once(database: str) -> None:
    async def story(pots: _Pots) -> None:
        journal = Journal[tuple[str, int]]("pot", ("key", "honey"))
        journal.append(("y", 1))
        journal.append(("x", 2))
        await journal.flush(pots.connection)
        journal.settle()
        await journal.flush(pots.connection)
        journal.append(("z", 3))
        journal.forget()
        assert journal.is_clean
        await journal.flush(pots.connection)
        assert list(await pots.rows()) == ["a", "b", "y", "x"]

    tell(database, story)
