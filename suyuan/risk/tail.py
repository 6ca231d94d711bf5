"""Windows come up to date: from a snapshot, or from the beginning, through the rest of history to its end.

The line does so once at its start, before it decides anything; the observer goes on for ever and writes the snapshots.
Both read history alone: an attempt that an outcome is about is looked up there again, by the place that the table of
decisions names.

A snapshot is of no use where the features have changed, or where history is another one, such as after the database was
put back from a backup: it must not be ahead of history, and its last row has to stand there at its instant. Then all
of history is read instead, which takes longer and comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import (
    DeviceBound,
    RedemptionRefused,
    SellerRegistered,
    SellerRegistered1,
    SourceRejected,
    SourceReversed,
    StrangersCounted,
    TierRaised,
)
from suyuan.history.fact import Fact
from suyuan.history.store import Recorded, at_places, place_of, stretch
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.decisions_kept import places_of
from suyuan.risk.online.snapshot import SnapshotIsUnusable, open_snapshot
from suyuan.risk.online.windows import Windows
from suyuan.risk.reading import row_of
from suyuan.risk.row import Row

STRETCH_EVENTS = 5_000
SNAPSHOT = "windows.snapshot"
TOLD_BY: tuple[type[Fact], ...] = (
    DecisionMade, RedemptionRefused, SourceRejected, SourceReversed, ReviewDecided, SellerRegistered1, SellerRegistered,
    DeviceBound, TierRaised, StrangersCounted,
)  # fmt: skip
"""The events that may come to a row; the others are not even read."""
_ABOUT_ATTEMPTS = (RedemptionRefused, SourceRejected, SourceReversed, ReviewDecided)

Connection = psycopg.Connection[TupleRow]
OnAttempt = Callable[[Recorded, Row], object]

log = structlog.get_logger()


def begin(connection: Connection, file: Path | None, catalogue: Catalogue) -> Windows:
    """Windows as a snapshot has them, or empty ones."""
    if file is None or not file.exists():
        return Windows(catalogue)
    try:
        windows = open_snapshot(file, catalogue)
    except SnapshotIsUnusable as bad:
        log.warning("snapshot_is_left_out", why=str(bad))
        return Windows(catalogue)
    if _is_of(connection, windows):
        return windows
    log.warning("snapshot_is_left_out", why="it tells of another history than the database's")
    return Windows(catalogue)


def _is_of(connection: Connection, windows: Windows) -> bool:
    last_at, next_seq = windows.settled.at, windows.next_seq
    if last_at < 0:
        return True
    place = place_of(connection, last_at)
    found = at_places(connection, [place])
    return bool(found) and found[0].at == last_at and place < next_seq and _reaches(connection, next_seq)


def _reaches(connection: Connection, next_seq: int) -> bool:
    return bool(at_places(connection, [next_seq - 1]))


def catch_up(connection: Connection, windows: Windows, to_seq: int, *, on_attempt: OnAttempt | None = None) -> None:
    """Takes in what came since, up to a place in history; `on_attempt` sees each decision before its row is in."""
    while windows.next_seq < to_seq:
        catch_up_some(connection, windows, to_seq, on_attempt=on_attempt)


def catch_up_some(
    connection: Connection, windows: Windows, to_seq: int, *, on_attempt: OnAttempt | None = None
) -> None:
    """The same for one stretch."""
    behind = min(windows.next_seq + STRETCH_EVENTS, to_seq)
    recorded = stretch(connection, TOLD_BY, windows.next_seq, behind)
    for (seq, at, event), row in rows_among(connection, recorded):
        if on_attempt is not None and isinstance(event, DecisionMade):
            on_attempt(Recorded(seq, at, event), row)
        windows.append(row)
    windows.pass_by(behind)
    windows.settle()


def rows_among(connection: Connection, recorded: Iterable[Recorded]) -> Iterable[tuple[Recorded, Row]]:
    """The events of a stretch that come to a row; attempts that lie before the stretch are looked up in history."""
    events = list(recorded)
    attempts = _attempts_before(connection, events)
    for one in events:
        row = row_of(one.seq, one.at, one.event, attempts.get)
        if row is None:
            continue
        if isinstance(one.event, DecisionMade):
            attempts[one.event.redemption] = row
        yield one, row


def rows_from(connection: Connection, first: int, behind: int) -> Iterator[Row]:
    """The rows of history from a place up to another, stretch by stretch."""
    for start in range(first, behind, STRETCH_EVENTS):
        recorded = stretch(connection, TOLD_BY, start, min(start + STRETCH_EVENTS, behind))
        yield from (row for _, row in rows_among(connection, recorded))


def _attempts_before(connection: Connection, events: list[Recorded]) -> dict[str, Row]:
    named = {event.redemption for _, _, event in events if isinstance(event, _ABOUT_ATTEMPTS)}
    decided = at_places(connection, places_of(connection, named)) if named else []
    attempts: dict[str, Row] = {}
    for seq, at, event in decided:
        row = row_of(seq, at, event, attempts.get)
        if row is not None and isinstance(event, DecisionMade):
            attempts[event.redemption] = row
    return attempts
