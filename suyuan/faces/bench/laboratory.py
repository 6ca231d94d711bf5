"""Where benches measure: an embedded PostgreSQL in a temporary folder on disk, and fresh databases in one same state.

Every run gets a copy of one prepared database, so that the second run finds no larger tables than the first. The
databases are the production's: same migrations, same settings, `fsync` and `synchronous_commit` on.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suyuan.base import db
from suyuan.faces.bench.machine import on_disk
from suyuan.faces.bench.traffic import Crowd, settle_in

PREPARED = "prepared"


class Laboratory:
    """One server, and as many databases as runs."""

    def __init__(self, server: db.Server) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def prepare(self, crowd: Crowd) -> None:
        """Makes the database that `fresh` copies: migrated, with this crowd registered."""
        self._admin(f"DROP DATABASE IF EXISTS {PREPARED}")
        self._admin(f"CREATE DATABASE {PREPARED}")
        url = self._server.url(PREPARED)
        db.migrate(url)
        with db.connect(url, autocommit=True) as connection:
            settle_in(connection, crowd)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a new copy, gone afterwards."""
        name = f"run_{next(self._numbers)}"
        # Copying files ends with a checkpoint, so every run starts with as many pages to log whole.
        self._admin(f"CREATE DATABASE {name} TEMPLATE {PREPARED} STRATEGY file_copy")
        try:
            yield self._server.url(name)
        finally:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def wal_syncs(self) -> int:
        """How often the server's log was synced, by all sessions that have ended."""
        with db.connect(self._server.url("postgres"), autocommit=True) as connection:
            return db.wal_syncs(connection)

    def _admin(self, statement: str) -> None:
        with db.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """A laboratory for the time of one bench."""
    with temporary_folder() as folder, db.Server(folder / "pg") as server:
        yield Laboratory(server)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder on a disk."""
    places = (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd())  # noqa: S108 - mkdtemp makes a folder of its own in it.
    folder = Path(tempfile.mkdtemp(prefix="suyuan-bench-", dir=next(filter(on_disk, places), places[0])))
    # A server that root starts runs under another account and must be able to pass.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
