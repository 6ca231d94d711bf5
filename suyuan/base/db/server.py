"""A PostgreSQL server of our own: started, adopted, stopped, and started again after its process was killed.

Two locks in its folder (`flock`, so that the kernel lets go of them whatever happens) carry everything:

- `lock` belongs to whoever starts the server, and then to the server: the descriptor is handed down to the postmaster
  and by it to every process it makes. So the lock is free if and only if nothing of the server lives any more, not even
  a session that outlived a killed postmaster; and a second starter finds it held, waits, and adopts what it finds.
- `owners` is shared by all who use the server through `with`. The last one out stops it, unless `stays` is there.
  After a `kill -9` of its owner the server runs on, and the next one to come adopts it.

    with Server(Path("/var/lib/suyuan/postgres")) as server:
        psycopg.connect(server.url())

`ensure_running` may be called at any time; it is also what brings the server back after somebody killed it, and
PostgreSQL then recovers every confirmed commit from its log.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from suyuan.base import clock
from suyuan.base.db.folder import (
    SOCKET_NAME,
    Folder,
    launch,
    make_data,
    make_ready,
    open_folder,
    refuse_foreign,
)
from suyuan.base.db.programs import Account, account_for, find_programs, within_reach
from suyuan.base.db.trouble import ServerFailed, ServerRefused

StopMode = Literal["fast", "immediate"]

# A server that dies is noticed at once, so this bounds one that recovers; giving up would make it begin again.
START_PATIENCE_S = 600.0
STOP_PATIENCE_S = 60.0
POLL_S = 0.005

ANSWER_TIMEOUT_S = 5.0
# The shortest question of the protocol (8 bytes, "SSL?"): it needs no login and leaves no line in the log.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_SIGNALS: dict[StopMode, str] = {"fast": "INT", "immediate": "QUIT"}


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers. `adopted` means that somebody else had started it."""

    url: str
    pid: int
    adopted: bool
    seconds: float


class Server:
    """One embedded server, known by its folder; any number of processes may hold a `Server` on the same one."""

    def __init__(self, folder: Path, *, programs: Path | None = None, account: str | None = None) -> None:
        self.folder = Folder(folder.absolute())
        self._wanted_programs = programs
        self._wanted_account = account
        self._share: int | None = None

    def __repr__(self) -> str:
        return f"Server({str(self.folder.path)!r})"

    def __enter__(self) -> Self:
        assert self._share is None, "this Server is in use already; make another for the same folder"
        self._open_folder()
        self._share = self._open("owners")
        # Waits only while the last owner before us is stopping the server.
        fcntl.flock(self._share, fcntl.LOCK_SH)
        try:
            self.ensure_running()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def url(self, database: str = "suyuan") -> str:
        """The URL of a database in this server."""
        return f"postgresql://suyuan@/{quote(database)}?host={quote(str(self.folder.sockets), safe='')}&port=5432"

    def refuse_foreign(self) -> None:
        """Raises `ServerRefused` for a folder that no server of ours may use; touches nothing."""
        refuse_foreign(self.folder)

    def pid(self) -> int | None:
        """The postmaster's process, while anything of the server lives."""
        return self._pid() if self.is_alive() else None

    def is_alive(self) -> bool:
        """Whether any process of the server, or somebody starting it, lives."""
        if not self._has_lock():
            return False
        if (lock := self._try_lock()) is None:
            return True
        os.close(lock)
        return False

    def ensure_running(self, *, patience_s: float = START_PATIENCE_S) -> Started:
        """Adopts the server or starts it; returns when it answers. Raises `ServerRefused` or `ServerFailed`."""
        began_s = clock.monotonic_s()
        self._open_folder()
        launched = False
        while clock.monotonic_s() - began_s < patience_s:
            if (pid := self._ready_pid()) is not None:
                return Started(self.url(), pid, adopted=not launched, seconds=clock.monotonic_s() - began_s)
            if (lock := self._try_lock()) is None:
                time.sleep(POLL_S)
                continue
            try:
                self._launch(lock, again=launched)
            finally:
                os.close(lock)
            launched = True
        raise ServerFailed(
            f"PostgreSQL in {self.folder.path} has not answered for {patience_s:.0f} s; perhaps it is still recovering."
            f" Its log ends: {self.folder.last_words()}"
        )

    def stop(self, mode: StopMode = "fast", *, patience_s: float = STOP_PATIENCE_S) -> bool:
        """Stops it, whoever started it, and returns when nothing of it lives. False if nothing did.

        `fast` ends all sessions and writes a checkpoint; `immediate` is a power cut: the next start recovers.
        """
        began_s, was_alive, told = clock.monotonic_s(), False, None
        if self._has_lock():
            (self.folder.path / "stays").unlink(missing_ok=True)
        while self.is_alive():
            was_alive = True
            if (pid := self._pid()) is not None and pid != told:
                self._signal(_SIGNALS[mode], pid)
                told = pid
            if clock.monotonic_s() - began_s > patience_s:
                raise ServerFailed(f"PostgreSQL in {self.folder.path} has not stopped for {patience_s:.0f} s.")
            time.sleep(POLL_S)
        return was_alive

    def stay(self) -> None:
        """From now on the server outlives its owners, until `stop`."""
        self._account().shell('touch "$1"', self.folder.path / "stays")

    def _leave(self) -> None:
        assert self._share is not None
        share, self._share = self._share, None
        with closing(os.fdopen(share, "rb")), suppress(BlockingIOError):
            # Only the last one gets the lock for itself; whoever comes meanwhile waits, and starts the server anew.
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not (self.folder.path / "stays").exists():
                self.stop()

    def _launch(self, lock: int, *, again: bool) -> None:
        if again:
            raise ServerFailed(f"PostgreSQL in {self.folder.path} did not start: {self.folder.last_words()}")
        account = self._account()
        programs = within_reach(find_programs(self._wanted_programs), account, self.folder.path)
        refuse_foreign(self.folder, programs.major)
        if not self.folder.data.exists():
            make_data(self.folder, programs, account, lock)
        self._clear_stale()
        make_ready(self.folder, account)
        launch(self.folder, programs, account, lock)

    def _clear_stale(self) -> None:
        """Takes away what a killed postmaster left: its number may belong to anybody by now, and would stop a start.

        We hold the lock, so no server of ours lives. One that somebody started by hand would still answer.
        """
        lines = self._pid_lines()
        if len(lines) > 4 and lines[4] and _answers(Path(lines[4]) / f".s.PGSQL.{lines[3]}"):
            raise ServerRefused(
                f"A PostgreSQL that suyuan did not start is running on {self.folder.data} (process {lines[0]}):"
                " stop it first."
            )
        sockets = self.folder.sockets
        for left in (self.folder.data / "postmaster.pid", sockets / SOCKET_NAME, sockets / f"{SOCKET_NAME}.lock"):
            left.unlink(missing_ok=True)

    def _ready_pid(self) -> int | None:
        lines = self._pid_lines()
        if len(lines) < 8 or lines[7].strip() not in ("ready", "standby"):
            return None
        # A killed postmaster leaves the file behind, so the word alone proves nothing.
        return int(lines[0]) if _answers(self.folder.sockets / SOCKET_NAME) else None

    def _pid(self) -> int | None:
        lines = self._pid_lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _pid_lines(self) -> list[str]:
        """PostgreSQL's own note: process, data, start, port, socket's folder, address, shared memory, state."""
        try:
            return (self.folder.data / "postmaster.pid").read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _signal(self, name: str, pid: int) -> None:
        # Sent as the account, so that a number which the account wrote down can only ever hit a process of its own.
        with suppress(OSError):
            self._account().shell('kill -s "$1" "$2"', name, str(pid))

    def _open_folder(self) -> None:
        self.refuse_foreign()
        open_folder(self.folder, self._account())

    def _account(self) -> Account:
        return account_for(self.folder.path, self._wanted_account)

    def _has_lock(self) -> bool:
        """Whether there ever was a server. Asking makes no file, because the folder may be somebody else's."""
        try:
            return (self.folder.path / "lock").exists()
        except PermissionError:
            self.refuse_foreign()
            raise

    def _try_lock(self) -> int | None:
        """The lock's descriptor, if nobody has it. Closing it lets go, unless it was handed down."""
        lock = self._open("lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _open(self, name: str) -> int:
        try:
            descriptor = os.open(self.folder.path / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except PermissionError:
            self.refuse_foreign()
            raise
        if os.geteuid() == 0:
            account = self._account()
            os.fchown(descriptor, account.uid, account.gid)
        return descriptor


def _answers(path: Path) -> bool:
    """Whether a PostgreSQL speaks at that socket: a dying one still takes the call, so it must say something, too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_TIMEOUT_S)
        try:
            probe.connect(str(path))
            probe.sendall(_SSL_REQUEST)
            return probe.recv(1) in (b"N", b"S")
        except OSError:
            return False
