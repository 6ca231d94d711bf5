"""Whose the rows of a list may be, by what the register holds in the open: ids, instants of registration, partners.

Nothing here opens a sealed field.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]


def registered(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of these ids are sellers."""
    return {row[0] for row in connection.execute(_BY_ID, (list(ids),)).fetchall()}


def registered_in(connection: Connection, seconds: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The sellers who were registered in each of these seconds since 1970."""
    found: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for second, seller in connection.execute(_BY_SECOND, (list(seconds),)).fetchall():
        found[second] += (seller,)
    return dict(found)


def who_sold(connection: Connection, redemptions: Collection[str]) -> dict[str, str]:
    """The sellers of these redemptions; other ids are left out."""
    return dict(connection.execute(_BY_REDEMPTION, (list(redemptions),)).fetchall())


def beside(connection: Connection, sellers: Collection[str]) -> list[frozenset[str]]:
    """All sellers of each partner who has one of these."""
    of_partner: dict[str, set[str]] = defaultdict(set)
    for partner, seller in connection.execute(_BESIDE, (list(sellers),)).fetchall():
        of_partner[partner].add(seller)
    return [frozenset(group) for group in of_partner.values()]


def count_sellers(connection: Connection) -> int:
    """How many sellers there are."""
    row = connection.execute("SELECT count(*) FROM seller").fetchone()
    assert row is not None
    return int(row[0])


_BY_ID = "SELECT id FROM seller WHERE id = ANY(%s)"
_BY_SECOND = """
SELECT registered_at / 1000000, id FROM seller WHERE registered_at / 1000000 = ANY(%s::bigint[]) ORDER BY id
"""
_BY_REDEMPTION = "SELECT id, seller FROM redemption WHERE id = ANY(%s)"
_BESIDE = """
SELECT partner, id FROM seller WHERE partner IN (SELECT DISTINCT partner FROM seller WHERE id = ANY(%s))
"""
