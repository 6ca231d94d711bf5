"""The keeper's part of papers: those of forgotten people and of ended terms go, and what a crash left is swept.

Rows go before files (`drop_papers`, in the line), so nothing is shown that is not there. The files of deleted papers
follow in the same round of the house. Once an hour the whole folder is looked through: torn files, files of deleted
papers and files without a row go if they are an hour old, because by then no signature over such a row is good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.base.clock import plus
from suyuan.base.refusals import Refusal
from suyuan.flows.keep_papers import DropPapers
from suyuan.history.frames import Commands
from suyuan.privacy import papers
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.papers import DELETED

SWEEP_S = 3_600
PAPERS_AT_ONCE = 1_000
# So many files without a row crashes may explain; more of them mean that the database is an old copy, so they stay.
STRAYS_MAX = 100

Connection = psycopg.AsyncConnection[TupleRow]

log = structlog.get_logger()


@dataclass(slots=True)
class PaperTidying:
    """How far the files have followed the rows. Lost on a restart, and then simply done again."""

    files: PaperFiles
    followed_at: int = 0
    swept_at: int = 0


async def drop_papers(line: Commands, names: Iterable[str], *, reason: str) -> Refusal | None:
    """Marks papers as deleted, as far as they are kept and no case holds them; their files follow."""
    left = sorted(set(names))
    for start in range(0, len(left), PAPERS_AT_ONCE):
        answer = await line.submit(DropPapers(tuple(left[start : start + PAPERS_AT_ONCE]), reason))
        if isinstance(answer, Refusal):
            return answer
    return None


async def tidy_papers(tidying: PaperTidying, connection: Connection, *, now: int) -> None:
    """One round: the files of papers that were deleted since the last one, and once an hour the whole folder."""
    gone = await papers.deleted_since(connection, tidying.followed_at)
    await asyncio.to_thread(tidying.files.remove, gone)
    tidying.followed_at = max([tidying.followed_at, *gone.values()])
    if not tidying.swept_at <= now < plus(tidying.swept_at, SWEEP_S):
        await sweep_papers(tidying.files, connection, now=now)
        tidying.swept_at = now


async def sweep_papers(files: PaperFiles, connection: Connection, *, now: int) -> int:
    """Takes away what a crash left: torn files, files without a row, files of deleted papers. Returns how many."""
    old = await asyncio.to_thread(files.older_than, plus(now, -SWEEP_S))
    states: dict[str, str] = {}
    names = [found.paper for found in old]
    for start in range(0, len(names), PAPERS_AT_ONCE):
        states |= await papers.states(connection, names[start : start + PAPERS_AT_ONCE])
    left = [found for found in old if not found.is_whole or states.get(found.paper) == DELETED]
    strays = [found for found in old if found.is_whole and found.paper not in states]
    if len(strays) > STRAYS_MAX:
        log.error("papers_have_no_rows", papers=len(strays))
        strays = []
    for found in (*left, *strays):
        found.path.unlink(missing_ok=True)
    return len(left) + len(strays)
