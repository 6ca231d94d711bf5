"""The line as it runs in production: its own connection, every command of the platform, its socket.

What PostgreSQL itself is asked to do is read from its log of statements, so nothing of the line is replaced.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from suyuan.app.appliers import ANSWERS
from suyuan.app.line import run_line
from suyuan.base import crypto, db
from suyuan.config import Settings
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.history.frames import LineCaller
from tests.conftest import clear, room_for_a_server

OFFICER = Officer("ofc_a", crypto.suite("ed25519").signer(bytes(32)))
SPOKEN = re.compile(r"^line-(\d+) LOG:  (?:statement|execute [^:]*):\s+(.*(?:\n\t.*)*)", re.MULTILINE)
SWITCHES = 40


@pytest.fixture
def server() -> Iterator[db.Server]:
    """A server that writes down every statement of every session."""
    folder = room_for_a_server()
    with db.Server(folder) as server:
        with db.connect(server.url(), autocommit=True) as connection:
            for setting in ("log_statement = 'all'", "log_line_prefix = 'line-%p '"):
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
        db.migrate(server.url())
        yield server
    clear(folder)


def serve(server: db.Server, run: Path, story: Callable[[LineCaller], Awaitable[None]]) -> None:
    """Runs a story against the production line."""

    async def play() -> None:
        (run / "run").mkdir(mode=0o700)
        settings = Settings(data=run)
        line = asyncio.create_task(run_line(settings, server.url()))
        caller = LineCaller(settings.line_socket, ANSWERS)
        try:
            assert await caller.reach(within_s=20)
            async with asyncio.timeout(20):
                await story(caller)
        finally:
            caller.close()
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)

    asyncio.run(play())


def statements_by_session(server: db.Server) -> list[list[str]]:
    """What each session said, in order."""
    spoken: dict[str, list[str]] = {}
    for session, statement in SPOKEN.findall((server.folder.path / "server.log").read_text()):
        spoken.setdefault(session, []).append(statement)
    return list(spoken.values())


def test_every_commit_of_the_platform_is_followed_by_a_look_at_the_disk(server: db.Server, tmp_path: Path) -> None:
    """Forty commands, one after the other, each answered: forty commits, and after each the flush position is read.

    No answer overtakes its look: the next command, sent on the answer, always comes after it.
    """

    async def story(line: LineCaller) -> None:
        await line.submit(officers.register(OFFICER))
        for number in range(SWITCHES):
            target = f"channel:c{number}"
            assert getattr(await line.submit(officers.switch(OFFICER, target, stopped=True)), "subject", "") == target

    serve(server, tmp_path, story)
    (writer,) = [said for said in statements_by_session(server) if any("SET next_seq" in it for it in said)]
    commits = [place for place, statement in enumerate(writer) if statement.startswith("COMMIT")]
    assert len(commits) == SWITCHES + 1
    for place in commits:
        assert "pg_current_wal_flush_lsn" in writer[place + 1], writer[place : place + 2]
