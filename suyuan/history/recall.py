"""One event of history, read back by its place; for whoever has to show what history says of a thing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from suyuan.history.events import Event, decode

Fetch = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]

_EVENT = "SELECT body FROM event WHERE seq = %s"


async def event_at(fetch: Fetch, seq: int) -> Event | None:
    """The event at this place, or None where history has not come that far. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_EVENT, [seq])
    return decode(bytes(rows[0][0])) if rows else None
