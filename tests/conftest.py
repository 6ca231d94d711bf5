"""What all tests share: how long Hypothesis looks, and a real PostgreSQL.

`ci` does the same on every machine and every day, so a red run means a change; `nightly` looks for what nobody
thought of. A test that takes `database` gets the URL of a fresh, migrated database of its own within some 20 ms.
"""

import contextlib
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from suyuan.base import db

# A busy machine makes nothing wrong, so neither profile fails a test for being slow.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "nightly", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)

MEMORY = Path("/dev/shm")
# Less would not hold the log of a long run, and a container's default is 64 MB.
MEMORY_BYTES_MIN = 2 << 30
LEFT_OVER_AFTER_S = 3600

_numbers = itertools.count(1)


def room_for_a_server() -> Path:
    """A new folder, in memory where there is room: these tests ask what we do, not how fast the disk is."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    return Path(tempfile.mkdtemp(prefix="suyuan-test-", dir=MEMORY if in_memory else None))


def clear(folder: Path) -> None:
    """Stops whatever serves there, and takes the folder away together with a socket's folder elsewhere."""
    db.Server(folder).stop("immediate")
    run = folder / "run"
    if run.is_symlink():
        shutil.rmtree(run.readlink(), ignore_errors=True)
    shutil.rmtree(folder)


def sweep(parent: Path) -> None:
    """Takes away what a killed run has left here; a server in use has an owner, so it stays."""
    for folder in parent.glob("suyuan-test-*"):
        if time.time() - folder.stat().st_mtime > LEFT_OVER_AFTER_S:
            # Another user's folder is that user's to sweep.
            with contextlib.suppress(db.DatabaseTrouble):
                clear_unused(folder)


def clear_unused(folder: Path) -> None:
    server = db.Server(folder)
    if server.is_alive():
        with server:
            """Leaving as its last owner stops it."""
    if not server.is_alive():
        clear(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[db.Server]:
    """One embedded server for the whole run."""
    folder = room_for_a_server()
    sweep(folder.parent)
    with db.Server(folder) as server:
        yield server
    clear(folder)


@pytest.fixture(scope="session")
def template(cluster: db.Server) -> str:
    """The name of a migrated database to copy, because migrating takes fifty times as long."""
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_migrated")
    db.migrate(cluster.url("template_migrated"))
    return "template_migrated"


@contextlib.contextmanager
def fresh_database(cluster: db.Server, template: str) -> Iterator[str]:
    """The URL of a fresh database at the newest revision, gone afterwards."""
    name = f"fresh_{next(_numbers)}"
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        yield cluster.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database(cluster: db.Server, template: str) -> Iterator[str]:
    """One for a test."""
    with fresh_database(cluster, template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(cluster: db.Server, template: str) -> Iterator[str]:
    """One for all tests of a module, which change nothing in it."""
    with fresh_database(cluster, template) as url:
        yield url
