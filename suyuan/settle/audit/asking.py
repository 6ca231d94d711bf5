"""How a check asks the database: a query is cut short, because a few examples say as much as a million."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.store import FINDINGS_MAX

Connection: TypeAlias = psycopg.Connection[TupleRow]
Check: TypeAlias = Callable[[Connection], Iterable[str]]


def ask(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """The first rows of an answer; all of them where the query takes values, since it then says itself how many."""
    limited = query if values else f"SELECT * FROM ({query}) AS found LIMIT {FINDINGS_MAX}"
    return connection.execute(limited.encode(), values or None).fetchall()
