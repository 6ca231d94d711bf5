"""What the machine could do at best: the same rows, written barely.

`write_barely` replays what the line wrote into a fresh database in the same state: the same COPY and UPDATE statements
with the same rows in the same transactions, from tuples that lie ready. Nothing is looked up, decided or answered.

`write_under_row_locks` is the design without a line: each step is a transaction of its own on one of sixteen
connections, which locks the accounts that it changes (`SELECT … FOR UPDATE`, in one order, so nobody waits in a circle)
and then writes the same rows as the line does for one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from suyuan.app.line import writing_connection
from suyuan.base.clock import cpu_s, monotonic_s
from suyuan.faces.bench.line_run import Measured, Statement
from suyuan.history.leader import take_lead

CONNECTIONS = 16
_LOCK = "SELECT key FROM account WHERE key = ANY($1) ORDER BY key FOR UPDATE"

Transactions = list[list[Statement]]


async def write_barely(url: str, transactions: Transactions, steps: int) -> Measured:
    """Writes the recorded transactions, one after the other."""
    async with writing_connection(url) as connection:
        # The line's mark of its place names the epoch, so this leads just as the line did.
        await take_lead(connection)
        began_s, began_cpu_s = monotonic_s(), cpu_s()
        for transaction in transactions:
            await _write(connection, transaction)
        return _measured(steps, began_s, began_cpu_s)


async def write_under_row_locks(url: str, transactions: Transactions, *, seconds: float) -> Measured:
    """Writes them side by side for so long, or until all are written."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(writing_connection(url)) for _ in range(CONNECTIONS)]
        remaining = iter(transactions)
        # The first step opens the accounts that all later ones change.
        await _lock_and_write(connections[0], next(remaining))
        began_s, began_cpu_s = monotonic_s(), cpu_s()
        writers = [_write_until(connection, remaining, began_s + seconds) for connection in connections]
        written = sum(await asyncio.gather(*writers))
        return _measured(written, began_s, began_cpu_s)


async def _write_until(
    connection: asyncpg.Connection[Any], remaining: Iterator[list[Statement]], until_s: float
) -> int:
    written = 0
    for transaction in remaining:
        await _lock_and_write(connection, transaction)
        written += 1
        if monotonic_s() >= until_s:
            break
    return written


async def _lock_and_write(connection: asyncpg.Connection[Any], transaction: list[Statement]) -> None:
    changed = [key for statement in transaction for key in _changed_accounts(statement)]
    await connection.execute("BEGIN")
    await connection.execute(_LOCK, changed)
    for statement in transaction:
        # A place in one history is the line's own need; without a line there is none.
        if "line_head" not in statement.text:
            await _run(connection, statement)
    await connection.execute("COMMIT")


async def _write(connection: asyncpg.Connection[Any], transaction: list[Statement]) -> None:
    await connection.execute("BEGIN")
    for statement in transaction:
        await _run(connection, statement)
    await connection.execute("COMMIT")


async def _run(connection: asyncpg.Connection[Any], statement: Statement) -> None:
    if statement.columns is None:
        await connection.execute(statement.text, *statement.arguments)
    else:
        await connection.copy_records_to_table(statement.text, columns=statement.columns, records=statement.arguments)


def _changed_accounts(statement: Statement) -> list[object]:
    """The keys of the accounts that a statement changes; the first array of an UPDATE holds them."""
    keys = statement.arguments[0] if statement.text.startswith("UPDATE account") else ()
    assert isinstance(keys, Sequence)
    return list(keys)


def _measured(steps: int, began_s: float, began_cpu_s: float) -> Measured:
    return Measured(steps, monotonic_s() - began_s, cpu_s() - began_cpu_s, 0.0, 0.0, [])
