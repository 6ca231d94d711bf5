"""The outbox: what is asked of the world, and what a kill switch keeps from being asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from suyuan.base.clock import DAY_S, plus
from suyuan.settle.redemption import due_redemptions
from tests.settle.books_line import NOON, BooksLine, Knock, Turned, lay


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    with lay(BooksLine(database)) as line:
        yield line


def due(database: str) -> list[str]:
    """The redemptions that a completer would take up now."""

    async def ask() -> list[str]:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            found = await due_redemptions(connection, now=plus(NOON, DAY_S), besides=(), rows_max=10)
            return [one.redemption.id for one in found]

    return asyncio.run(ask())


@pytest.mark.parametrize("target", ["platform", "channel:bank_transfer", "partner:ptn_1", "card_kind:cmcc"])
def test_a_kill_switch_stops_what_was_promised_already(line: BooksLine, database: str, target: str) -> None:
    """A card is taken and its payout pending when the switch is turned: nothing moves until it is opened again."""
    line.submit(Knock(1).command())
    (pending,) = due(database)
    line.submit(Turned(target, stopped=True))
    assert due(database) == []
    line.submit(Turned(target, stopped=False))
    assert due(database) == [pending]


def test_a_switch_of_something_else_stops_nothing(line: BooksLine, database: str) -> None:
    line.submit(Knock(1).command())
    line.submit(Turned("channel:coupon_hall", stopped=True))
    assert len(due(database)) == 1
