"""History as it is kept: checked from outside the line, for audits and for whoever reads it.

Owns, together with the line that appends to them, the tables `event` and `line_head`. What other parts may join with
is published here as two queries, so that no other part's SQL names these tables: `PLACES` (where each event stands)
and `TOLD` (what each event tells, as JSON).

Invariants that `check_history` proves: `seq` starts at 0 and has no gaps; `at` strictly increases; the head stands
right behind the last event; every event is of a kind that this suyuan knows, and says so in its own bytes.
"""

from __future__ import annotations

from typing import Any, get_args

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.events import Event

PLACES = "SELECT seq, at, kind FROM event"
TOLD = "SELECT seq, at, kind, convert_from(body, 'UTF8')::jsonb AS told FROM event"

FINDINGS_MAX = 20

KINDS = [event.__struct_config__.tag for event in get_args(Event)]


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
