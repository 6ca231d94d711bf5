"""History as it is kept: read again, followed, and checked, from outside the line.

`read` gives what is kept as it stands, `replay` as events, from any place on, page by page, so that memory does not
grow and no transaction stays open over a long reading. That is safe because history only grows, and only in order: a
page that was read never changes, and what a reader sees is always a whole beginning of it. `follow` goes on with what
comes. All three refuse a gap (`HistoryIsBroken`) rather than read over it.

    for recorded in replay(connection, from_seq=1_000):
        windows.take(recorded.event, at=recorded.at)

Owns, together with the line that appends to them, the tables `event` and `line_head`. What other parts may join with
is published here as two queries, so that no other part's SQL names these tables: `PLACES` (where each event stands)
and `TOLD` (what each event tells, as JSON).

Invariants that `check_history` proves: `seq` starts at 0 and has no gaps; `at` strictly increases; the head stands
right behind the last event; every event is of a kind that this suyuan knows, and says so in its own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.events import Event, decode, kind_of_type
from suyuan.history.fact import Fact

PLACES = "SELECT seq, at, kind FROM event"
TOLD = "SELECT seq, at, kind, convert_from(body, 'UTF8')::jsonb AS told FROM event"

FINDINGS_MAX = 20
PAGE_EVENTS = 5_000

KINDS = [event.__struct_config__.tag for event in get_args(Event)]


class HistoryIsBroken(Exception):
    """Raised when an event is missing, or stands where it cannot; nothing may be concluded from such a history."""


class Kept(NamedTuple):
    """An event as it is stored."""

    seq: int
    at: int
    kind: str
    body: bytes


class Recorded(NamedTuple):
    """An event and its place in history."""

    seq: int
    at: int
    event: Event


def read(connection: psycopg.Connection[TupleRow], from_seq: int = 0, *, to_seq: int | None = None) -> Iterator[Kept]:
    """What is kept from `from_seq` on, up to `to_seq` (not included) or to the end that it finds when it gets there."""
    seq, last_at = from_seq, 0
    while to_seq is None or seq < to_seq:
        rows = PAGE_EVENTS if to_seq is None else min(PAGE_EVENTS, to_seq - seq)
        page = connection.execute(_PAGE, (seq, rows), binary=True).fetchall()
        for kept in map(Kept._make, page):
            if kept.seq != seq or kept.at <= last_at:
                raise HistoryIsBroken(f"event {seq} is missing, or event {kept.seq} is not later than the one before")
            yield kept
            seq, last_at = seq + 1, kept.at
        if len(page) < rows:
            break
    if to_seq is not None and seq < to_seq:
        raise HistoryIsBroken(f"history ends before event {seq}, though event {to_seq - 1} was promised")


def replay(
    connection: psycopg.Connection[TupleRow], from_seq: int = 0, *, to_seq: int | None = None
) -> Iterator[Recorded]:
    """The events from `from_seq` on. Raises `HistoryIsBroken`, and `msgspec.DecodeError` for an unknown kind."""
    for kept in read(connection, from_seq, to_seq=to_seq):
        yield Recorded(kept.seq, kept.at, decode(kept.body))


def follow(
    connection: psycopg.Connection[TupleRow], from_seq: int, *, wait: Callable[[], object]
) -> Iterator[Recorded]:
    """The events from `from_seq` on, for ever; calls `wait` whenever there is nothing new."""
    assert connection.autocommit, "who follows for ever must not keep a transaction open"
    while True:
        for recorded in replay(connection, from_seq):
            yield recorded
            from_seq = recorded.seq + 1
        wait()


def of_kinds(connection: psycopg.Connection[TupleRow], kinds: Sequence[type[Fact]]) -> Iterator[Recorded]:
    """All events of these kinds, in order."""
    found = connection.execute(_OF_KINDS, ([kind_of_type(kind) for kind in kinds],))
    for seq, at, body in found:
        yield Recorded(seq, at, decode(bytes(body)))


def stretch(
    connection: psycopg.Connection[TupleRow], kinds: Sequence[type[Fact]], first: int, behind: int
) -> list[Recorded]:
    """The events of these kinds among those from a place up to another (not included), in order.

    Raises `HistoryIsBroken` where any event of the stretch is missing, of whatever kind.
    """
    (count,) = connection.execute(_COUNT, (first, behind)).fetchone() or (0,)
    if count != behind - first:
        raise HistoryIsBroken(f"of the events {first} to {behind - 1} only {count} are there")
    found = connection.execute(_STRETCH, (first, behind, [kind_of_type(kind) for kind in kinds]))
    return [Recorded(seq, at, decode(bytes(body))) for seq, at, body in found]


def at_places(connection: psycopg.Connection[TupleRow], places: Collection[int]) -> list[Recorded]:
    """The events at these places, in order."""
    found = connection.execute(_AT_PLACES, (list(places),))
    return [Recorded(seq, at, decode(bytes(body))) for seq, at, body in found]


def place_of(connection: psycopg.Connection[TupleRow], at: int) -> int:
    """The place of the first event at an instant or behind it, found in a few steps, since time rises with places."""
    low, high = 0, next_seq(connection)
    while low < high:
        middle = (low + high) // 2
        row = connection.execute("SELECT at FROM event WHERE seq = %s", (middle,)).fetchone()
        if row is None:
            raise HistoryIsBroken(f"event {middle} is missing")
        low, high = (middle + 1, high) if row[0] < at else (low, middle)
    return low


def about_sources(
    connection: psycopg.Connection[TupleRow], kinds: Sequence[type[Fact]], indexes: Collection[str]
) -> Iterator[Recorded]:
    """All events of these kinds that name one of these cards by its blind index, in order."""
    found = connection.execute(_ABOUT_SOURCES, ([kind_of_type(kind) for kind in kinds], list(indexes)))
    for seq, at, body in found:
        yield Recorded(seq, at, decode(bytes(body)))


def next_seq(connection: psycopg.Connection[TupleRow]) -> int:
    """The place of the event that comes next."""
    return int(_ask(connection, "SELECT next_seq FROM line_head")[0][0])


def count_events(connection: psycopg.Connection[TupleRow]) -> int:
    """How many events history holds."""
    return int(_ask(connection, "SELECT count(*) FROM event")[0][0])


def check_history(connection: psycopg.Connection[TupleRow]) -> list[str]:
    """What is wrong with history, as sentences; nothing is the good answer."""
    found = [f"event {seq} does not follow event {before}" for seq, before in _ask(connection, _GAPS)]
    found += [f"event {seq} is not later than the one before it" for (seq,) in _ask(connection, _TIMES)]
    found += [f"the head stands at {head}, behind {count} events" for head, count in _ask(connection, _HEAD)]
    found += [f"event {seq} is of the kind {kind}, unknown here" for seq, kind in _ask(connection, _UNKNOWN)]
    return found + [f"event {seq} says another kind in its body" for (seq,) in _ask(connection, _OTHER_BODY)]


def _ask(connection: psycopg.Connection[TupleRow], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query, {"kinds": KINDS, "most": FINDINGS_MAX}).fetchall()


_PAGE = "SELECT seq, at, kind, body FROM event WHERE seq >= %s ORDER BY seq LIMIT %s"
_OF_KINDS = "SELECT seq, at, body FROM event WHERE kind = ANY(%s) ORDER BY seq"
_COUNT = "SELECT count(*) FROM event WHERE seq >= %s AND seq < %s"
_STRETCH = "SELECT seq, at, body FROM event WHERE seq >= %s AND seq < %s AND kind = ANY(%s) ORDER BY seq"
_AT_PLACES = "SELECT seq, at, body FROM event WHERE seq = ANY(%s) ORDER BY seq"
_ABOUT_SOURCES = """
SELECT seq, at, body FROM event
WHERE kind = ANY(%s) AND convert_from(body, 'UTF8')::jsonb ->> 'source_index' = ANY(%s) ORDER BY seq
"""
_GAPS = """
SELECT seq, before FROM (SELECT seq, lag(seq, 1, -1::bigint) OVER (ORDER BY seq) AS before FROM event) AS placed
WHERE seq <> before + 1 ORDER BY seq LIMIT %(most)s
"""
_TIMES = """
SELECT seq FROM (SELECT seq, at, lag(at, 1, -1::bigint) OVER (ORDER BY seq) AS before FROM event) AS placed
WHERE at <= before ORDER BY seq LIMIT %(most)s
"""
_HEAD = """
SELECT next_seq, kept.count FROM line_head, (SELECT count(*), coalesce(max(at), 0) AS last_at FROM event) AS kept
WHERE next_seq <> kept.count OR line_head.last_at < kept.last_at
"""
_UNKNOWN = "SELECT seq, kind FROM event WHERE kind <> ALL(%(kinds)s) ORDER BY seq LIMIT %(most)s"
# The body is canonical JSON, so its kind stands there in exactly these bytes.
_OTHER_BODY = """
SELECT seq FROM event WHERE position(convert_to('"kind":"' || kind || '"', 'UTF8') IN body) = 0
ORDER BY seq LIMIT %(most)s
"""
