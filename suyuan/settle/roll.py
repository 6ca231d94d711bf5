"""The roll: lists of the register for officers, read from the database as committed.

Sellers are shown by their pseudonyms alone; nothing here opens a sealed field.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]


class ListedProposal(NamedTuple):
    """A change, who proposed it, and who approved it, if anybody has."""

    id: str
    change: str
    proposer: str
    approver: str | None


class ListedSeller(NamedTuple):
    """A seller as officers see one."""

    id: str
    partner: str
    state: str
    tier: int
    registered_at: int


class FrozenSeller(NamedTuple):
    """A seller who redeems nothing for now; `frozen_by` is the attempt that was decided so, or an officer."""

    id: str
    partner: str
    frozen_at: int
    frozen_for: str
    frozen_by: str


class ListedContract(NamedTuple):
    """The terms of one contract."""

    id: str
    partner: str
    source: str
    value_kind: str
    ratio_face: int
    ratio_value: int
    channel: str
    merchant_id: str
    disposition: str
    begins_at: int
    ends_at: int


class ListedKey(NamedTuple):
    """A signing key and its place in its life."""

    id: str
    owner: str
    algorithm: str
    state: str
    device: str | None
    ends_at: int


def frozen(connection: Connection, *, rows_max: int) -> list[FrozenSeller]:
    """Who is frozen now, the newest first."""
    return [FrozenSeller(*row) for row in connection.execute(_FROZEN, (rows_max,)).fetchall()]


def proposals(connection: Connection, *, only_open: bool, rows_max: int) -> list[ListedProposal]:
    """The proposals, those that wait for a second officer first."""
    rows = connection.execute(_PROPOSALS, {"only_open": only_open, "rows_max": rows_max}).fetchall()
    return [ListedProposal(*row) for row in rows]


def proposal_text(connection: Connection, proposal: str) -> str | None:
    """The change that a proposal is about, as it is signed; None for no such proposal."""
    row = connection.execute("SELECT change FROM proposal WHERE id = %s", (proposal,)).fetchone()
    return None if row is None else str(row[0])


def switch_turned_at(connection: Connection, target: str) -> int:
    """When a kill switch was last turned; 0 for never."""
    row = connection.execute("SELECT turned_at FROM kill_switch WHERE target = %s", (target,)).fetchone()
    return 0 if row is None else int(row[0])


def sellers(connection: Connection, *, partner: str, after: str, rows_max: int) -> list[ListedSeller]:
    """The sellers of one partner, or of all where none is named, in the order of their ids."""
    rows = connection.execute(_SELLERS, {"partner": partner, "after": after, "rows_max": rows_max}).fetchall()
    return [ListedSeller(*row) for row in rows]


def contracts(connection: Connection, *, partner: str) -> list[ListedContract]:
    """The contracts of one partner, or of all."""
    return [ListedContract(*row) for row in connection.execute(_CONTRACTS, {"partner": partner}).fetchall()]


def partner_keys(connection: Connection, *, partner: str) -> list[ListedKey]:
    """The keys of one partner, or of all partners; those of sellers' devices are left out."""
    return [ListedKey(*row) for row in connection.execute(_KEYS, {"partner": partner}).fetchall()]


def identity_of(connection: Connection, seller: str) -> str:
    """The pseudonym of the person that a seller is."""
    row = connection.execute("SELECT identity FROM seller WHERE id = %s", (seller,)).fetchone()
    return "" if row is None else str(row[0])


async def trade_channels(connection: psycopg.AsyncConnection[TupleRow]) -> dict[str, str]:
    """Where each partner meets its sellers."""
    return dict(await (await connection.execute("SELECT id, trade_channel FROM partner")).fetchall())


_PROPOSALS = f"""
SELECT {", ".join(ListedProposal._fields)} FROM proposal
WHERE approver IS DISTINCT FROM 'founding' AND NOT (%(only_open)s AND approver IS NOT NULL)
ORDER BY approver IS NOT NULL, id LIMIT %(rows_max)s
"""
_SELLERS = f"""
SELECT {", ".join(ListedSeller._fields)} FROM seller
WHERE (%(partner)s::text = '' OR partner = %(partner)s) AND id > %(after)s ORDER BY id LIMIT %(rows_max)s
"""
_FROZEN = f"""
SELECT {", ".join(FrozenSeller._fields)} FROM seller WHERE state = 'frozen' ORDER BY frozen_at DESC LIMIT %s
"""
_CONTRACTS = f"""
SELECT {", ".join(ListedContract._fields)} FROM contract
WHERE (%(partner)s::text = '' OR partner = %(partner)s) ORDER BY partner, begins_at, id
"""
_KEYS = f"""
SELECT {", ".join(ListedKey._fields)} FROM signing_key
WHERE owner_kind = 'partner' AND (%(partner)s::text = '' OR owner = %(partner)s) ORDER BY owner, id
"""
