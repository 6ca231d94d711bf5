"""A few connections that only read, for processes that must answer many callers at once.

Every connection is read-only in the database's own eyes, so whoever holds a `ReadPool` cannot write by mistake. One
that broke is replaced, and its query asked once more, because asking twice changes nothing. A query that takes longer
than `QUERY_MS_MAX` is ended, so that one slow question cannot keep all connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db.address import CONNECT_TIMEOUT_S, without_password
from suyuan.base.db.trouble import DatabaseUnreachable

CONNECTIONS = 4
QUERY_MS_MAX = 5_000
TRIES = 2

Connection = psycopg.AsyncConnection[TupleRow]
Fetch = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]
"""How a worker asks: `ReadPool.fetch`."""


def fetch_of(connection: Connection) -> Fetch:
    """The same on one connection, for work that has its own."""

    async def fetch(query: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await (await connection.execute(query.encode(), parameters)).fetchall()

    return fetch


class ReadPool:
    """Connections, opened when they are first needed."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._url = url
        # The last one given back is taken first, so that a quiet platform keeps one connection busy and warm.
        self._idle: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(connections):
            self._idle.put_nowait(None)

    async def fetch(self, query: str, parameters: Sequence[Any] = ()) -> list[TupleRow]:
        """The rows of a query. Raises `DatabaseUnreachable`."""
        connection = await self._idle.get()
        try:
            for _ in range(TRIES):
                try:
                    if connection is None or connection.closed:
                        connection = await self._connect()
                    cursor = await connection.execute(query.encode(), parameters, prepare=True)
                    return await cursor.fetchall()
                except psycopg.OperationalError:
                    await _drop(connection)
                    connection = None
        finally:
            self._idle.put_nowait(connection)
        raise DatabaseUnreachable(f"The database at {without_password(self._url)} does not answer; is it starting?")

    async def close(self) -> None:
        """Closes every connection that is not in use."""
        while not self._idle.empty():
            await _drop(self._idle.get_nowait())

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
        )
        await connection.execute(_READ_ONLY)
        return connection


async def _drop(connection: Connection | None) -> None:
    if connection is not None:
        await connection.close()


_READ_ONLY = f"SET default_transaction_read_only = on; SET statement_timeout = {QUERY_MS_MAX}"
