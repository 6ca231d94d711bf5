"""Whether a database keeps what it confirms, and how often it made sure on disk.

`refuse_unsafe` asks the session itself, because `synchronous_commit` can be turned off for one role or one database
while the server as a whole looks safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from suyuan.base.db.trouble import UnsafeDatabase

OLDEST_MAJOR = 15

_FACTS = """
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
       current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()
"""


@dataclass(frozen=True, slots=True)
class SafetyFacts:
    """What decides whether an answered commit survives a power cut, as the session sees it."""

    fsync: str
    full_page_writes: str
    synchronous_commit: str
    version_num: int
    encoding: str
    in_recovery: bool


def refuse_unsafe(connection: psycopg.Connection[Any]) -> None:
    """Raises `UnsafeDatabase`, naming everything that is wrong, so that the operator mends it in one go."""
    with connection.transaction():
        row = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(_FACTS).fetchone()
    assert row is not None
    if reasons := unsafe_because(SafetyFacts(*row)):
        raise UnsafeDatabase("This database is not safe for the books. " + " ".join(reasons))


def unsafe_because(facts: SafetyFacts) -> list[str]:
    """One sentence for each thing that is wrong; empty when the database is safe."""
    findings = [
        (facts.fsync == "off", "fsync is off: a power cut would lose or tear committed money; set fsync = on."),
        (
            facts.full_page_writes == "off",
            "full_page_writes is off: a power cut could tear a page for good; set full_page_writes = on.",
        ),
        (
            facts.synchronous_commit == "off",
            "synchronous_commit is off: it answers before the disk knows; turn it on for server, database and role.",
        ),
        (
            facts.version_num < OLDEST_MAJOR * 10_000,
            f"The server is PostgreSQL {facts.version_num // 10_000}; suyuan needs {OLDEST_MAJOR} or later.",
        ),
        (
            facts.encoding != "UTF8",
            f"The database is encoded in {facts.encoding}; make one with ENCODING 'UTF8' TEMPLATE template0.",
        ),
        (facts.in_recovery, "The server is a standby and cannot write; give the URL of the primary, or promote it."),
    ]
    return [sentence for is_wrong, sentence in findings if is_wrong]


def wal_syncs(connection: psycopg.Connection[Any]) -> int:
    """How often the server has synced its write-ahead log since its statistics began.

    A session hands in its counts at most once a second, and ten seconds late when it falls idle. Those of `connection`
    are complete, so ask on the very connection that did the commits, or wait. It must be in autocommit, because counts
    are handed in between transactions only.
    """
    assert connection.autocommit, "wal_syncs needs an autocommit connection: counts are handed in between transactions"
    cursor = connection.cursor(row_factory=psycopg.rows.tuple_row)
    cursor.execute("SELECT pg_stat_force_next_flush()")
    # Version 18 moved the count to pg_stat_io, where filling new log files (context `init`) is counted apart.
    if connection.info.server_version >= 180_000:
        cursor.execute("SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal' AND context = 'normal'")
    else:
        cursor.execute("SELECT wal_sync FROM pg_stat_wal")
    row = cursor.fetchone()
    assert row is not None
    return int(row[0] or 0)
