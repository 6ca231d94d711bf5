"""What a witness remembers, on its disk: the newest checkpoint of each log, and what speaks against one.

In the witness's folder, where <log> is the SHA-256 of the log's origin in hexadecimal:

    logs/<log>/checkpoint      the newest checkpoint that was cosigned, a signed note; anybody may be served this file
    logs/<log>/lock            held while a checkpoint is compared and replaced
    logs/<log>/forks/*.json    each a `Fork`; `suspected-…` or `proven-…`, then the size and the start of the root

Invariants: what is written is on the disk, and so is its name, before the writer goes on; a file is replaced whole;
one process or thread at a time holds a log. Nothing here is ever deleted but a suspicion that the log has cleared. At
most `FORKS_MAX` of each kind are kept for a log, the first ones, so that nobody can fill the disk or push one out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from suyuan.evidence.check import Checkpoint
from suyuan.privacy.keyring import sync_folder

CHECKPOINT, FORKS, LOCK, LOGS = "checkpoint", "forks", "lock", "logs"
FORKS_MAX = 64

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Fork(msgspec.Struct, frozen=True):
    """A checkpoint that a log signed and that does not fit what this witness cosigned before.

    `is_proof` says that the two notes alone convict the log: it signed two trees of one size, or an empty tree that is
    not empty. Otherwise nobody showed that the tree goes on from the one before; an honest log can still show it.
    """

    at: int
    is_proof: bool
    cosigned: str
    refused: str
    old: int
    proof: list[str]


def origin_hash(origin: str) -> str:
    """How a log is named in addresses and folders (C2SP tlog-witness).

    >>> origin_hash("log.example")[:12]
    'd7612c54297e'
    """
    return hashlib.sha256(origin.encode()).hexdigest()


class Memory:
    """The folder of a witness."""

    def __init__(self, folder: Path) -> None:
        self._logs = folder / LOGS
        self._logs.mkdir(mode=0o755, parents=True, exist_ok=True)
        sync_folder(folder)

    def newest(self, log_hash: str) -> bytes | None:
        """The newest checkpoint of the log with this hash, as it was cosigned."""
        if not _HASH.fullmatch(log_hash):
            return None
        return _content(self._logs / log_hash / CHECKPOINT)

    def logs(self) -> list[str]:
        """The hashes of all logs of which something is remembered."""
        return sorted(place.name for place in self._logs.iterdir() if _HASH.fullmatch(place.name))

    def forks(self, log_hash: str) -> list[Path]:
        """The files of what speaks against a log."""
        return sorted((self._logs / log_hash / FORKS).glob("*.json"))

    @contextmanager
    def held(self, origin: str) -> Iterator[Place]:
        """Holds a log; whoever else wants it waits."""
        folder = self._logs / origin_hash(origin)
        folder.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Place(folder)
        finally:
            os.close(descriptor)


class Place:
    """One log's folder, while it is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self) -> bytes | None:
        """The newest checkpoint, as it was cosigned."""
        return _content(self._folder / CHECKPOINT)

    def replace(self, note: bytes) -> None:
        """Makes this the newest checkpoint. It is on the disk when this returns."""
        is_first = not (self._folder / CHECKPOINT).exists()
        _write(self._folder / CHECKPOINT, note)
        if is_first:
            # The log's folder is new itself, or a crash may have kept its name from the disk.
            sync_folder(self._folder.parent)

    def keep(self, fork: Fork, checkpoint: Checkpoint) -> bool:
        """Keeps what speaks against the log, if there is room for it. Says whether it is kept, now or already."""
        file = self._fork_file(checkpoint, is_proof=fork.is_proof)
        if file.exists():
            return True
        file.parent.mkdir(mode=0o755, exist_ok=True)
        kind = file.name.partition("-")[0]
        if len(list(file.parent.glob(f"{kind}-*.json"))) >= FORKS_MAX:
            return False
        _write(file, msgspec.json.format(msgspec.json.encode(fork)))
        sync_folder(self._folder)
        return True

    def clear(self, checkpoint: Checkpoint) -> None:
        """Ends a suspicion: the log has shown that this very tree goes on from the one before."""
        self._fork_file(checkpoint, is_proof=False).unlink(missing_ok=True)

    def _fork_file(self, checkpoint: Checkpoint, *, is_proof: bool) -> Path:
        kind = "proven" if is_proof else "suspected"
        return self._folder / FORKS / f"{kind}-{checkpoint.size}-{checkpoint.root[:8].hex()}.json"


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _write(file: Path, content: bytes) -> None:
    """Replaces a file whole, and waits until it and its name are on the disk."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
    sync_folder(file.parent)
