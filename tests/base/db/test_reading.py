"""Connections that only read: they cannot write, and they outlive a server that drops them."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from suyuan.base import db


def test_a_read_pool_reads_and_cannot_write(database: str) -> None:
    async def story() -> None:
        pool = db.ReadPool(database, connections=2)
        assert await pool.fetch("SELECT %s + 1", [1]) == [(2,)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await pool.fetch("DELETE FROM partner")
        assert await asyncio.gather(*(pool.fetch("SELECT %s", [n]) for n in range(10))) == [[(n,)] for n in range(10)]
        await pool.close()

    asyncio.run(story())


def test_a_connection_that_broke_is_replaced(database: str) -> None:
    """The server ends every session; the next question is answered all the same."""

    async def story() -> None:
        pool = db.ReadPool(database, connections=1)
        ((pid,),) = await pool.fetch("SELECT pg_backend_pid()")
        with db.connect(database, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert await pool.fetch("SELECT 1") == [(1,)]
        await pool.close()

    asyncio.run(story())


def test_a_server_that_is_away_is_told_in_one_sentence() -> None:
    async def story() -> None:
        pool = db.ReadPool("postgresql://nobody:secret@127.0.0.1:1/nothing")
        with pytest.raises(db.DatabaseUnreachable) as raised:
            await pool.fetch("SELECT 1")
        assert "secret" not in str(raised.value)

    asyncio.run(story())
