"""What exports and officers' reads need of settle's tables: what is sealed, as it is kept, and redemptions.

Nothing here opens a field, and nothing here is a list of everybody: whoever asks names the sellers, a page at a time.

>>> Traded("slr_1", redemptions=2, paid_fen_total=160_00).paid_fen_total
16000
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.settle.account import Seller

Connection = psycopg.AsyncConnection[TupleRow]


class Traded(NamedTuple):
    """What a seller has redeemed and been paid, in money, so far."""

    seller: str
    redemptions: int
    paid_fen_total: int


class TradedOnce(NamedTuple):
    """One redemption, as an export may tell of it."""

    redemption: str
    seller: str
    face_fen: int
    paid: int
    value_kind: str
    state: str
    taken_at: int


class Source(NamedTuple):
    """What a redemption was made of: a card's serial, or the number whose balance it was, sealed."""

    kind: str
    sealed_serial: str


def find_sellers(
    connection: psycopg.Connection[TupleRow], *, partner: str, registered_from: int, registered_to: int, rows_max: int
) -> list[str]:
    """The ids of the sellers that a filter finds, for whoever proposes an export."""
    values = (partner, partner, registered_from, registered_to, rows_max)
    return [str(row[0]) for row in connection.execute(_FOUND, values).fetchall()]


async def sellers_of(connection: Connection, ids: Sequence[str]) -> dict[str, Seller]:
    """These sellers."""
    rows = await (await connection.execute(_SELLERS, (list(ids),))).fetchall()
    return {row[0]: Seller(*row) for row in rows}


async def sources_of(connection: Connection, redemptions: Sequence[str]) -> dict[str, Source]:
    """What these redemptions were made of."""
    rows = await (await connection.execute(_SOURCES, (list(redemptions),))).fetchall()
    return {row[0]: Source(row[1], row[2]) for row in rows}


async def traded(connection: Connection, ids: Sequence[str]) -> dict[str, Traded]:
    """The sums of these sellers; who never redeemed anything is not among them."""
    rows = await (await connection.execute(_SUMS, (list(ids),))).fetchall()
    return {row[0]: Traded(row[0], int(row[1]), int(row[2])) for row in rows}


async def trades(connection: Connection, ids: Sequence[str], *, rows_max: int) -> list[TradedOnce]:
    """The redemptions of these sellers, the oldest first."""
    rows = await (await connection.execute(_TRADES, (list(ids), rows_max))).fetchall()
    return [TradedOnce(*row) for row in rows]


_FOUND = """
SELECT id FROM seller
WHERE (%s::text = '' OR partner = %s) AND registered_at >= %s AND registered_at < %s ORDER BY id LIMIT %s
"""
_SELLERS = f"SELECT {', '.join(Seller.__struct_fields__)} FROM seller WHERE id = ANY(%s)"
_SOURCES = """
SELECT r.id, r.source, c.sealed_serial FROM redemption r JOIN card c ON c.id = r.card WHERE r.id = ANY(%s)
"""
# Held cards were paid for as well; what a coupon or points are worth is no sum of fen.
_SUMS = """
SELECT seller, count(*),
       coalesce(sum(paid) FILTER (WHERE value_kind = 'money' AND state IN ('paid', 'held', 'selling')), 0)
FROM redemption WHERE seller = ANY(%s) GROUP BY seller
"""
_TRADES = """
SELECT id, seller, face_fen, paid, value_kind, state, taken_at
FROM redemption WHERE seller = ANY(%s) ORDER BY seq LIMIT %s
"""
