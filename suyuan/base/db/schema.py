"""The tables, brought forward by numbered revisions; there is no way back.

A revision is a file of plain SQL in `suyuan/base/migrations/versions`, named `NNNN_word.py`; its number is its name in
the database (table `alembic_version`, owned here). `migrate` does all that is missing in one transaction under an
advisory lock, so a database stands at one revision or another, never between, and two starters do not collide.
Alembic and SQLAlchemy are imported only when there is something to do, because that takes two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from suyuan.base.db.address import connect
from suyuan.base.db.trouble import NewerDatabase

MIGRATIONS = Path(__file__).parents[1] / "migrations"

# Any number will do as long as nothing else of ours takes it: the letters of "suyuan" in ASCII.
MIGRATION_LOCK = 0x7375_7975_616E


@dataclass(frozen=True, slots=True)
class Migration:
    """What `migrate` did; equal ends mean that nothing was missing."""

    from_revision: str | None
    to_revision: str


@cache
def revisions() -> tuple[str, ...]:
    """Every revision this suyuan knows, oldest first."""
    return tuple(sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py")))


def newest_revision() -> str:
    """The revision at which this suyuan works."""
    return revisions()[-1]


def current_revision(connection: psycopg.Connection[Any]) -> str | None:
    """Where the database stands; `None` before its first migration."""
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        if cursor.execute("SELECT to_regclass('alembic_version') IS NULL").fetchone() == (True,):
            return None
        row = cursor.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def refuse_newer(revision: str | None) -> None:
    """Raises `NewerDatabase` for a revision that this suyuan does not know."""
    if revision is not None and revision not in revisions():
        raise NewerDatabase(
            f"The database stands at revision {revision}, but this suyuan knows only {newest_revision()} and older:"
            " start the later suyuan that migrated it, or another database."
        )


def migrate(url: str, *, to: str | None = None) -> Migration:
    """Brings the tables forward, from wherever they are to the newest revision (or to `to`, for tests)."""
    wanted = to or newest_revision()
    with connect(url, autocommit=True) as connection:
        found = current_revision(connection)
    refuse_newer(found)
    return Migration(found, wanted) if found == wanted else _upgrade(url, wanted)


def _upgrade(url: str, wanted: str) -> Migration:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import NullPool, create_engine

    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        # Another starter may have done the work while this one waited for the lock.
        found = current_revision(_driver(connection.connection.driver_connection))
        refuse_newer(found)
        if found is not None and found > wanted:
            return Migration(found, found)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)
    return Migration(found, wanted)


def _driver(connection: object) -> psycopg.Connection[Any]:
    assert isinstance(connection, psycopg.Connection)
    return connection
