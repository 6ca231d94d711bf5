"""Whose checkpoints a witness looks at: a file of verifier keys, one a line, that may change while the witness runs.

    # Anything behind a # at the beginning of a line is for people.
    partner.example/log/2026+a3f1c2d4+AUx…
    sum.golang.org+033de0ae+Ac4z… go.sum database tree

A line is a log's vkey (C2SP signed-note), and behind a space the log's origin where that is not the key's name. A log
whose key is being rotated has a line for each of its keys. Only Ed25519 keys of logs (type 0x01) are taken.

The file is looked at whenever somebody asks, so a log is added without a restart. One that cannot be read as a whole
changes nothing: the logs stay what they were, and the witness's log says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from suyuan.evidence.check import ED25519, BadEvidence, Vkey, read_vkey

FILE_BYTES_MAX = 1 << 20

log = structlog.get_logger()


class BadLogs(Exception):
    """Raised when the file of logs cannot be taken; its text names the line."""


class WatchedLogs:
    """The keys of the logs that a witness watches, as the file says now. May be shared between threads."""

    def __init__(self, file: Path) -> None:
        """Reads the file. Raises `BadLogs`."""
        self._file = file
        self._stamp = _stamp(file)
        self._vkeys = read_logs(file)

    def vkeys(self, origin: str) -> tuple[Vkey, ...]:
        """The keys that may sign checkpoints of this origin; none where the log is not watched."""
        self._look_again()
        return self._vkeys.get(origin, ())

    def origins(self) -> list[str]:
        """All logs that are watched."""
        self._look_again()
        return sorted(self._vkeys)

    def _look_again(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._vkeys = read_logs(self._file)
        except BadLogs as bad:
            log.error("logs_file_is_bad", why=str(bad))
        else:
            log.info("logs_file_was_read", logs=len(self._vkeys))


def read_logs(file: Path) -> Mapping[str, tuple[Vkey, ...]]:
    """The keys by origin. Raises `BadLogs`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLogs(f"the file of logs {file} cannot be read: {error}") from None
    if len(content) > FILE_BYTES_MAX:
        raise BadLogs(f"the file of logs {file} has more than {FILE_BYTES_MAX} bytes")
    logs: dict[str, tuple[Vkey, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        origin, vkey = _entry(file, number, line.strip())
        if vkey in logs.get(origin, ()):
            raise BadLogs(f"{file}, line {number}: this key is there twice")
        logs[origin] = (*logs.get(origin, ()), vkey)
    return logs


def _entry(file: Path, number: int, line: str) -> tuple[str, Vkey]:
    text, _, origin = line.partition(" ")
    try:
        vkey = read_vkey(text)
    except BadEvidence as bad:
        raise BadLogs(f"{file}, line {number}: {bad}") from None
    if vkey.kind != ED25519:
        raise BadLogs(f"{file}, line {number}: this is no Ed25519 key of a log (type 0x01); ask the log for that one")
    return origin.strip() or vkey.name, vkey


def _stamp(file: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
