"""Events of history, read back by their places; for whoever has to show what history says of a thing."""

from __future__ import annotations

from collections.abc import Iterable

from suyuan.base.db import Fetch
from suyuan.history.events import Event, decode, kind_of_type
from suyuan.history.fact import Fact
from suyuan.history.store import Kept, Recorded

_EVENT = "SELECT body FROM event WHERE seq = %s"
_KEPT = "SELECT seq, at, kind, body FROM event WHERE seq = %s"
_ABOUT = "SELECT seq FROM event WHERE kind = %s AND convert_from(body, 'UTF8')::jsonb -> 'subjects' ? %s ORDER BY seq"
_EVENTS = "SELECT seq, at, body FROM event WHERE seq = ANY(%s) ORDER BY seq"


async def event_at(fetch: Fetch, seq: int) -> Event | None:
    """The event at this place, or None where history has not come that far. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_EVENT, [seq])
    return decode(bytes(rows[0][0])) if rows else None


async def kept_at(fetch: Fetch, seq: int) -> Kept | None:
    """The same as it is stored, with its place and instant."""
    rows = await fetch(_KEPT, [seq])
    return Kept(*rows[0]) if rows else None


async def places_about(fetch: Fetch, kind: type[Fact], subject: str) -> list[int]:
    """Where the events of a kind stand that name somebody among their subjects. Looks through all of that kind."""
    return [seq for (seq,) in await fetch(_ABOUT, [kind_of_type(kind), subject])]


async def events_at(fetch: Fetch, places: Iterable[int]) -> list[Recorded]:
    """The events at these places, in their order."""
    rows = await fetch(_EVENTS, [list(places)])
    return [Recorded(seq, at, decode(bytes(body))) for seq, at, body in rows]
