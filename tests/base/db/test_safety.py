"""A database that could forget is refused, and the syncs that make it remember are counted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from suyuan.base import db
from suyuan.base.db.safety import SafetyFacts, unsafe_because

SAFE = SafetyFacts("on", "on", "on", 150_000, "UTF8", in_recovery=False)


@contextmanager
def server_setting(server: db.Server, name: str, value: str) -> Iterator[None]:
    """The whole server with another setting, then as before."""
    with db.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            connection.execute("SELECT pg_reload_conf()")


def refusal(url: str, *, reloaded: bool = False) -> str:
    """What `refuse_unsafe` says, or nothing. A reload reaches the postmaster, and so new sessions, a little later."""
    for _ in range(200 if reloaded else 1):
        with db.connect(url) as connection:
            try:
                db.refuse_unsafe(connection)
            except db.UnsafeDatabase as unsafe:
                return str(unsafe)
    return ""


def test_our_own_database_is_safe(running: db.Server) -> None:
    assert refusal(running.url()) == ""


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_could_forget_is_refused(running: db.Server, name: str) -> None:
    with server_setting(running, name, "off"):
        said = refusal(running.url(), reloaded=True)
    assert f"{name} is off: " in said


def test_one_role_that_could_forget_is_refused(running: db.Server) -> None:
    """The server looks safe, but whoever enters as this role answers before the disk has it."""
    with db.connect(running.url(), autocommit=True) as connection:
        connection.execute("ALTER ROLE suyuan SET synchronous_commit = off")
        said = refusal(running.url())
        connection.execute("ALTER ROLE suyuan RESET synchronous_commit")
    assert "synchronous_commit is off" in said


def test_another_encoding_is_refused(running: db.Server) -> None:
    with db.connect(running.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        said = refusal(running.url("latin"))
        connection.execute("DROP DATABASE latin")
    assert "encoded in LATIN1" in said


def test_a_standby_is_refused(server: db.Server) -> None:
    """It answers questions, and would lose the first thing it is told."""
    signal_file = server.folder.data / "standby.signal"
    subprocess.run(["install", "-m", "644", "/dev/null", signal_file], check=True)
    with server:
        assert "is a standby and cannot write" in refusal(server.url())
        assert "is a standby" in db.status(server.folder.path).trouble


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert unsafe_because(SAFE) == []
    worst = SafetyFacts("off", "off", "off", 140_011, "SQL_ASCII", in_recovery=True)
    said = unsafe_because(worst)
    assert len(said) == 6
    assert "The server is PostgreSQL 14; suyuan needs 15 or later." in said


def test_each_commit_is_a_sync_and_a_question_is_none(running: db.Server) -> None:
    """Seven commits, one after the other, reach the disk seven times; asking reaches it not once."""
    with db.connect(running.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE counted (n int)")
        before = db.wal_syncs(connection)
        for n in range(7):
            connection.execute("INSERT INTO counted VALUES (%s)", [n])
        after = db.wal_syncs(connection)
        connection.execute("SELECT count(*) FROM counted")
        assert db.wal_syncs(connection) == after
        connection.execute("DROP TABLE counted")
    # The server's own processes may sync now and then, so a few more are no lie.
    assert 7 <= after - before <= 10
