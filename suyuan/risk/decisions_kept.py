"""What was decided about each attempt, as long as anybody may ask: the seller, a person who reviews, and later events.

Owns the table `decision`, one row an attempt that was decided. The event `decision_made` at `seq` holds everything that
the decision rested on; the row holds what the line needs at once: the attempt as a row of `risk.row`, because a card
that turns out bad months later is counted against whom the attempt had named, and how a review stands.

| review | |
|---|---|
| (nothing) | nobody has asked |
| `waits` | taken, and neither consumed nor paid before a person has decided |
| `asked` | the seller, or their partner, wants a person to look |
| `pay`, `refuse` | a person has decided what waited, or what was delayed |
| `upheld`, `overturned` | a person has decided what had been refused or delayed |

>>> from suyuan.risk.row import ATTEMPT
>>> unpack_row(pack_row(Row(7, 1_000, ATTEMPT, seller=3, face_fen=100_00))).face_fen
10000
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch
from suyuan.history.working_set import Shelf
from suyuan.risk.row import Row

TABLE = "decision"
NOT_ASKED, WAITS, ASKED = "", "waits", "asked"
PAY, REFUSE, UPHELD, OVERTURNED = "pay", "refuse", "upheld", "overturned"
OPEN_REVIEWS = frozenset({WAITS, ASKED})
# A card that was taken this lately may still be rejected, consumed or reviewed within the hour.
ROWS_IN_MEMORY_MAX = 20_000

_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(tuple[int | None, ...])


class KeptDecision(msgspec.Struct, gc=False):
    """One decision."""

    redemption: str
    seq: int  # The place of `decision_made`.
    at: int
    partner: str
    seller: str
    action: str
    reason: str
    limit_percent: int
    outcome: str
    review: str
    asked_at: int  # When somebody asked for a person; 0 for nobody.
    attempt: bytes

    @property
    def was_against(self) -> bool:
        """Whether a machine alone decided anything against the seller."""
        return self.action != "approve" or self.limit_percent < 100


class ListedDecision(NamedTuple):
    """One line of a list of decisions."""

    redemption: str
    seq: int
    at: int
    partner: str
    seller: str
    action: str
    reason: str
    outcome: str
    review: str
    asked_at: int


def shelf() -> Shelf[KeptDecision]:
    """The decisions that the line has in memory."""
    return Shelf(TABLE, KeptDecision, changing=("review", "asked_at"), rows_max=ROWS_IN_MEMORY_MAX)


def pack_row(row: Row) -> bytes:
    """A row as the table keeps it."""
    return _packed.encode(row)


def unpack_row(attempt: bytes) -> Row:
    """The row again."""
    return Row(*_unpacked.decode(attempt))  # type: ignore[arg-type]  # A row was packed, so the first three are there.


async def look_up(fetch: Fetch, redemption: str) -> KeptDecision | None:
    """What was decided about a redemption, for whoever shows it. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_BY_ID, [redemption])
    return KeptDecision(*rows[0]) if rows else None


def find(connection: psycopg.Connection[TupleRow], redemption: str) -> KeptDecision | None:
    """The same on a connection of one's own."""
    row = connection.execute(_BY_ID, (redemption,)).fetchone()
    return None if row is None else KeptDecision(*row)


def places_of(connection: psycopg.Connection[TupleRow], redemptions: Iterable[str]) -> list[int]:
    """Where in history the decisions about these redemptions stand, as far as there are any."""
    return [seq for (seq,) in connection.execute(_PLACES, (list(redemptions),)).fetchall()]


def newest(
    connection: psycopg.Connection[TupleRow], *, only: str = "", in_review: bool = False, rows_max: int
) -> list[ListedDecision]:
    """Decisions, the newest first; of one action, or those that wait for a person, the oldest of these first."""
    query = _IN_REVIEW if in_review else _NEWEST
    found = connection.execute(query, {"action": only, "rows_max": rows_max})
    return [ListedDecision(*row) for row in found.fetchall()]


_BY_ID = f"SELECT {', '.join(KeptDecision.__struct_fields__)} FROM decision WHERE redemption = %s"
_PLACES = "SELECT seq FROM decision WHERE redemption = ANY(%s)"
_NEWEST = f"""
SELECT {", ".join(ListedDecision._fields)} FROM decision
WHERE (%(action)s::text = '' OR action = %(action)s) ORDER BY seq DESC LIMIT %(rows_max)s
"""
_IN_REVIEW = f"""
SELECT {", ".join(ListedDecision._fields)} FROM decision
WHERE review IN ('waits', 'asked') AND (%(action)s::text = '' OR action = %(action)s) ORDER BY seq LIMIT %(rows_max)s
"""
