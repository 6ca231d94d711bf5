"""The signals of rings that count now: for each seller in a ring how large it is, how often it was bad, how dense.

Owns the table `ring_member`, which is replaced as a whole whenever a newer graph is published. Sellers stand there by
`id64`, because that is all the graph knows of them. The line has all of it in memory; a graph has `MEMBERS_MAX` of them
at most, so that it fits into one command.

>>> rings = Rings()
>>> rings.publish(((5, 3, 1, 800),)); rings.of(5), rings.of(6)
((3, 1, 800), (None, None, None))
>>> rings.forget(); rings.of(5)
(None, None, None)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.working_set import Connection

TABLE = "ring_member"
COLUMNS = ("seller", "ring_size", "ring_bad", "ring_density")
MEMBERS_MAX = 20_000

Member: TypeAlias = tuple[int, int, int, int]
Signals: TypeAlias = tuple[int | None, int | None, int | None]
NO_RING: Signals = (None, None, None)


class Rings:
    """The present signals, and those that a batch publishes."""

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self._committed: dict[int, Signals] = {member[0]: member[1:] for member in members}
        self._now = self._committed
        self._is_written = True

    def of(self, seller: int | None) -> Signals:
        """The signals of a seller; none of whoever is in no ring."""
        return NO_RING if seller is None else self._now.get(seller, NO_RING)

    def publish(self, members: Iterable[Member]) -> None:
        """Other signals count from here on."""
        self._now = {member[0]: member[1:] for member in members}
        self._is_written = False

    async def load(self, connection: Connection) -> bool:
        """All of them are in memory already."""
        return False

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None:
        """Replaces all rows."""
        rows = [(seller, *signals) for seller, signals in self._now.items()]
        self._is_written = True
        await connection.execute("DELETE FROM ring_member")
        await connection.copy_records_to_table(TABLE, columns=COLUMNS, records=rows)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to write."""
        return self._is_written

    def settle(self) -> None:
        """After the commit."""
        self._committed = self._now

    def forget(self) -> None:
        """After a failed commit."""
        self._now, self._is_written = self._committed, True


def load_rings(connection: psycopg.Connection[TupleRow]) -> Rings:
    """The signals that count now, as committed."""
    found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM ring_member").fetchall()
    return Rings((row[0], row[1], row[2], row[3]) for row in found)
