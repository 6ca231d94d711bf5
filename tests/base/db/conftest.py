"""Every test of the database runs twice: on the PostgreSQL of the wheel, and on Debian's 15, the oldest we promise."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.base import db
from tests.conftest import clear, room_for_a_server

DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session", params=["wheel", "debian-15"])
def programs(request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """Where the programs are; also in SUYUAN_PG_BIN, as an operator would say it."""
    wanted = DEBIAN if request.param == "debian-15" else None
    if wanted and not (wanted / "postgres").exists():
        pytest.skip(f"NOT TESTED on PostgreSQL 15: there is no {wanted} here (apt install postgresql-15)")
    with pytest.MonkeyPatch.context() as patch:
        if wanted:
            patch.setenv("SUYUAN_PG_BIN", str(wanted))
        else:
            patch.delenv("SUYUAN_PG_BIN", raising=False)
        yield wanted


@pytest.fixture(scope="session")
def pristine(programs: Path | None) -> Iterator[Path]:
    """A folder with a fresh database that sleeps; copying it is ten times as fast as making one."""
    folder = room_for_a_server()
    with db.Server(folder, programs=programs):
        """Made, and stopped again."""
    yield folder
    clear(folder)


@pytest.fixture
def folder(programs: Path | None) -> Iterator[Path]:
    """An empty folder, cleared afterwards with whatever runs in it."""
    folder = room_for_a_server()
    yield folder
    clear(folder)


@pytest.fixture
def server(pristine: Path, folder: Path) -> db.Server:
    """A server of the test's own, which it may kill; asleep."""
    shutil.rmtree(folder)
    subprocess.run(["cp", "-a", pristine, folder], check=True)
    return db.Server(folder)


@pytest.fixture(scope="session")
def running(pristine: Path) -> Iterator[db.Server]:
    """One running server that tests share, and leave as they found it."""
    folder = room_for_a_server()
    shutil.rmtree(folder)
    subprocess.run(["cp", "-a", pristine, folder], check=True)
    with db.Server(folder) as server:
        yield server
    clear(folder)


@pytest.fixture
def empty(running: db.Server) -> Iterator[str]:
    """The URL of a database without any table."""
    with db.connect(running.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty STRATEGY file_copy")
        yield running.url("empty")
        connection.execute("DROP DATABASE empty WITH (FORCE)")
