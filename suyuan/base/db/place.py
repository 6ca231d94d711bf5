"""Where the database is, and what an operator may ask of it: status, migrate, start, stop.

A `Place` is a `Path` (the folder of an embedded server) or a `str` (the URL of a server that is somebody else's to
start and stop). The answers are records; `suyuan db …` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suyuan.base import clock
from suyuan.base.db.address import connect, without_password
from suyuan.base.db.safety import refuse_unsafe
from suyuan.base.db.schema import Migration, current_revision, migrate, newest_revision
from suyuan.base.db.server import Server, Started, StopMode
from suyuan.base.db.trouble import DatabaseUnreachable, ServerRefused, UnsafeDatabase

Place = Path | str


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What there is to know about a database; `trouble` is a sentence, empty when all is well."""

    place: str
    embedded: bool
    running: bool
    pid: int | None
    server_version: str
    revision: str | None
    newest_revision: str
    size_bytes: int
    trouble: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """What `stop` found and how long it took."""

    was_running: bool
    seconds: float


@contextmanager
def serving(place: Place) -> Iterator[str]:
    """The URL of a running database. An embedded server is started or adopted, and the last one out stops it."""
    if isinstance(place, str):
        yield place
        return
    with Server(place) as server:
        yield server.url()


def start(folder: Path) -> Started:
    """Starts the embedded server, to stay until `stop` is asked for."""
    server = Server(folder)
    started = server.ensure_running()
    server.stay()
    return started


def stop(folder: Path, mode: StopMode = "fast") -> Stopped:
    """Stops the embedded server, whoever uses it."""
    began_s = clock.monotonic_s()
    was_running = Server(folder).stop(mode)
    return Stopped(was_running, clock.monotonic_s() - began_s)


def migrate_place(place: Place) -> Migration:
    """Brings the tables forward; an embedded server that sleeps is woken for it."""
    with serving(place) as url:
        return migrate(url)


def status(place: Place) -> DatabaseStatus:
    """What is there; starts nothing."""
    server = None if isinstance(place, str) else Server(place)
    shown = without_password(place) if isinstance(place, str) else str(place)
    try:
        if server is not None:
            server.refuse_foreign()
        pid = server.pid() if server else None
        if server is not None and pid is None:
            return _silent(shown, embedded=True, trouble="")
        return _asked(server.url() if server else str(place), shown, pid)
    except (DatabaseUnreachable, ServerRefused) as error:
        return _silent(shown, embedded=server is not None, trouble=str(error))


def _silent(shown: str, *, embedded: bool, trouble: str) -> DatabaseStatus:
    return DatabaseStatus(
        place=shown, embedded=embedded, running=False, pid=None, server_version="", revision=None,
        newest_revision=newest_revision(), size_bytes=0, trouble=trouble,
    )  # fmt: skip


def _asked(url: str, shown: str, pid: int | None) -> DatabaseStatus:
    with connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database())"
        ).fetchone()
        assert row is not None
        revision = current_revision(connection)
        try:
            refuse_unsafe(connection)
            trouble = ""
        except UnsafeDatabase as error:
            trouble = str(error)
    return DatabaseStatus(
        place=shown, embedded=pid is not None, running=True, pid=pid, server_version=str(row[0]), revision=revision,
        newest_revision=newest_revision(), size_bytes=int(row[1]), trouble=trouble,
    )  # fmt: skip
