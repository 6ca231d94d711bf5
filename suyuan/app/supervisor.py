"""`suyuan serve`: starts the database and every process of the platform, and starts again what dies.

    supervisor ─┬─ PostgreSQL (embedded, unless a URL is given)
                ├─ line            the leader; with `standby`, a second one that takes over
                ├─ api × workers   all listening on one socket, which the supervisor holds, so no caller is turned
                │                  away while a worker is started again
                ├─ completer       finishes payouts, tells partners, keeps the house
                ├─ sealer          seals history into the public log
                └─ observer        writes down what the line starts from, and computes decisions again

A process that dies is started again after a pause that grows to `RESTART_S_MAX`. When the supervisor itself dies, by
whatever signal, its processes see the end of a pipe that it holds and stop.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Self

import structlog

from suyuan.app.keys import load_keys, make_keys
from suyuan.app.sealer import read_log_policy
from suyuan.base import db
from suyuan.base.clock import monotonic_s
from suyuan.config import Settings

RESTART_S_MIN = 0.1
RESTART_S_MAX = 5.0
STEADY_S = 10.0
POLL_S = 0.1
STOP_S = 10.0
LISTEN_BACKLOG = 1024

log = structlog.get_logger()


class Child:
    """One process of the platform, started again whenever it ends."""

    def __init__(self, role: str, command: list[str], log_file: Path, inherited: tuple[int, ...]) -> None:
        self.role = role
        self._command = command
        self._log_file = log_file
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause_s = RESTART_S_MIN

    @property
    def pid(self) -> int | None:
        """The number of the running process."""
        return self._process.pid if self._process is not None else None

    def keep_running(self) -> None:
        """Starts the process if it should run and does not."""
        if self._process is not None and self._process.poll() is not None:
            self._note_end(self._process.returncode)
        if self._process is None and monotonic_s() >= self._start_at:
            self._start()

    def stop(self, how: signal.Signals) -> None:
        """Sends a signal, if there is anybody to get it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)

    def wait(self, until: float) -> None:
        """Waits for its end, and kills it when that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - monotonic_s()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _note_end(self, status: int) -> None:
        now = monotonic_s()
        self._pause_s = RESTART_S_MIN if now - self._started_at > STEADY_S else min(self._pause_s * 2, RESTART_S_MAX)
        log.warning("process_ended", role=self.role, status=status, again_in_s=self._pause_s)
        self._process, self._start_at = None, now + self._pause_s

    def _start(self) -> None:
        with self._log_file.open("ab") as log_file:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                pass_fds=self._inherited,
                start_new_session=True,
            )
        self._started_at = monotonic_s()


class Supervisor:
    """All processes of one platform. A context: leaving it stops them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._children: list[Child] = []
        self._server: db.Server | None = None
        self._stopping = False

    def __enter__(self) -> Self:
        settings = self.settings
        # Others may pass through the data folder, since a server started as root runs under another account; they may
        # enter nothing in it but what is theirs.
        settings.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in ("run", "log"):
            (settings.data / name).mkdir(mode=0o700, exist_ok=True)
        make_keys(settings)
        # Every process loads them for itself; a start that no process would survive says so at once.
        load_keys(settings)
        read_log_policy(settings)
        url = self._open_database()
        db.migrate(url)
        listening = self._stack.enter_context(_listen(settings))
        self.port: int = listening.getsockname()[1]
        lifeline, holding = os.pipe()
        self._stack.callback(os.close, holding)
        self._children = self._plan(lifeline, listening.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.stop(signal.SIGTERM)
        until = monotonic_s() + STOP_S
        for child in self._children:
            child.wait(until)
        self._stack.close()

    def run(self) -> None:
        """Keeps everything running until a signal says to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            self.keep_running()
            signal.sigtimedwait([], POLL_S)

    def keep_running(self) -> None:
        """Starts again whatever has ended."""
        if self._server is not None and not self._server.is_alive():
            log.warning("database_ended")
            self._server.ensure_running()
        for child in self._children:
            child.keep_running()

    def pids(self) -> dict[str, int]:
        """The running processes by role; for those who want to kill one."""
        return {child.role: child.pid for child in self._children if child.pid is not None}

    def _open_database(self) -> str:
        if self.settings.database_url:
            return self.settings.database_url
        self._server = self._stack.enter_context(db.Server(self.settings.data / "pg"))
        return self._server.url()

    def _plan(self, lifeline: int, listening: int) -> list[Child]:
        roles = ["line"] + ["standby"] * self.settings.standby
        roles += [f"api-{number}" for number in range(1, self.settings.workers + 1)]
        roles += ["completer", "sealer", "observer"]
        return [self._child(role, lifeline, listening) for role in roles]

    def _child(self, role: str, lifeline: int, listening: int) -> Child:
        is_api = role.startswith("api")
        # The API is a face, which stands above this part, so it is started by name and never imported.
        module = "suyuan.faces.http" if is_api else "suyuan.app"
        arguments = ["api" if is_api else "line" if role == "standby" else role, str(self.settings.data), str(lifeline)]
        command = [sys.executable, "-m", module, *arguments, *([str(listening)] if is_api else [])]
        inherited = (lifeline, listening) if is_api else (lifeline,)
        return Child(role, command, self.settings.data / "log" / f"{role}.log", inherited)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def database_url(settings: Settings) -> str:
    """Where the processes of a platform find its database; the supervisor has started it."""
    return settings.database_url or db.Server(settings.data / "pg").url()


def _listen(settings: Settings) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.port))
    listening.listen(LISTEN_BACKLOG)
    return listening
