"""History as a backtest reads it: from the database of a platform, or from the folder of an export.

Both are read twice: first for the redemptions that turned out bad, which history tells long after their attempts, and
then from the beginning, page by page, so that memory does not grow with history.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from suyuan.base.clock import SECOND
from suyuan.history import segments, store
from suyuan.history.decision_events import ReviewDecided
from suyuan.history.events import SourceRejected, SourceReversed, decode, kind_of_type
from suyuan.history.store import Recorded
from suyuan.risk.backtest.attempts import Truth

TELLS_OF_BAD = (SourceRejected, SourceReversed, ReviewDecided)

Kept: TypeAlias = "psycopg.Connection[Any] | Path"


def recorded(kept: Kept) -> Iterator[Recorded]:
    """All events, in order."""
    if isinstance(kept, Path):
        return (Recorded(one.seq, one.at, decode(one.body)) for one in segments.read_segments(kept))
    return store.replay(kept)


def truth(kept: Kept, label_delay_s: int) -> Truth:
    """What operators and people said in the end; what nobody said anything of for so long is good."""
    found = _of_folder(kept) if isinstance(kept, Path) else store.of_kinds(kept, TELLS_OF_BAD)
    bad = {one.event.redemption for one in found if isinstance(one.event, TELLS_OF_BAD) and is_bad(one.event)}
    return Truth(bad, _newest_at(kept) - label_delay_s * SECOND)


def is_bad(event: SourceRejected | SourceReversed | ReviewDecided) -> bool:
    """Whether an outcome says that its attempt was not what it seemed."""
    return event.is_bad if isinstance(event, ReviewDecided) else True


def _newest_at(kept: Kept) -> int:
    if isinstance(kept, Path):
        import duckdb

        files = [str(segment.file) for segment in segments.segments(kept)]
        row = duckdb.execute('SELECT max("at") FROM read_parquet(?)', [files]).fetchone() if files else None
        return int(row[0]) if row else 0
    end = store.next_seq(kept)
    return next(store.read(kept, end - 1)).at if end else 0


def _of_folder(folder: Path) -> Iterator[Recorded]:
    kinds = {kind_of_type(kind) for kind in TELLS_OF_BAD}
    for one in segments.read_segments(folder):
        if one.kind in kinds:
            yield Recorded(one.seq, one.at, decode(one.body))
