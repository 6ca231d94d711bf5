"""What a run has done so far, kept beside its result, so that a run that was killed goes on where it was.

Format: one JSON object per line, mode 0600. The first line says what is sold where (`Heading`); then for each card
`{"line":…,"round":…,"key":…}` before it is sent, and the same with its `outcome` once the platform has decided.

Invariants: no PIN, and nothing from which one could be guessed: file and cards are named by digests under the signing
key's secret. A line that was torn by a kill is dropped. The idempotency keys follow from secret, file, line and round
alone, so even without the journal a second run cannot sell a card twice; that is also why no line waits for the disk.
A *round* is one attempt at a card; the next begins only when a refused card is tried again on purpose.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from suyuan.base import crypto, wire

FORMAT = "suyuan-redeem-1"
_CONTEXT = b"suyuan-redeem-file-v1\n"


class JournalTrouble(Exception):
    """The journal belongs to another run or cannot be read; the message says what to do."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the platform decided about a card, as far as it is known."""

    state: str
    redemption: str = ""
    paid: int = 0
    value_kind: str = ""
    code: str = ""
    sentence_en: str = ""
    sentence_zh: str = ""


class Heading(msgspec.Struct, frozen=True):
    """What is sold where. Another file, platform or contract is another run."""

    file: str
    platform: str
    contract: str
    seller: str
    agent: str
    format: str = FORMAT


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    line: int
    round: int
    key: str
    outcome: Outcome | None = None


class Names:
    """Names for files and attempts that say nothing to anybody without the secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = crypto.hmac_sha256(secret, _CONTEXT)

    def file(self, content: bytes) -> str:
        return wire.b64(crypto.hmac_sha256(self._key, b"file\n" + content))

    def attempt(self, heading: Heading, line: int, round_: int) -> str:
        """The idempotency key of one attempt at one card."""
        named = wire.canonical([msgspec.to_builtins(heading), line, round_])
        return wire.b64(crypto.hmac_sha256(self._key, b"attempt\n" + named))


class Journal:
    """The journal of one run, locked while it is open."""

    def __init__(self, file: Path, heading: Heading, names: Names) -> None:
        self._file = file
        self._heading = heading
        self._names = names
        self._rounds: dict[int, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock()
            self._load()
        except BaseException:
            os.close(self._descriptor)
            raise

    def outcome(self, line: int) -> Outcome | None:
        """What is known of a card from this or an earlier run."""
        return self._outcomes.get(line)

    def intend(self, line: int, *, again: bool = False) -> str:
        """Notes that a card is about to be sent, and gives its idempotency key."""
        round_ = self._rounds.get(line, 1) + again
        self._rounds[line] = round_
        self._outcomes.pop(line, None)
        key = self._names.attempt(self._heading, line, round_)
        self._append(_Entry(line, round_, key))
        return key

    def conclude(self, line: int, outcome: Outcome) -> None:
        """Notes what the platform decided."""
        round_ = self._rounds[line]
        self._outcomes[line] = outcome
        self._append(_Entry(line, round_, self._names.attempt(self._heading, line, round_), outcome))

    def close(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalTrouble(f"another run sells this file right now (it holds {self._file})") from None

    def _load(self) -> None:
        with self._file.open("rb") as stream:
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        os.truncate(self._descriptor, len(whole))
        if not whole:
            self._append(self._heading)
            return
        heading, *lines = whole.splitlines()
        try:
            known = msgspec.json.decode(heading, type=Heading)
            entries = [msgspec.json.decode(line, type=_Entry) for line in lines]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise JournalTrouble(
                f"{self._file} is damaged; move it away and start again: cards that were sold are found again by"
                " their idempotency keys, and none is sold twice"
            ) from None
        if known != self._heading:
            raise JournalTrouble(
                f"{self._file} belongs to another run ({', '.join(_differences(known, self._heading))} differs);"
                " name another --result, or go on with what that run was started with"
            )
        for entry in entries:
            self._recall(entry)

    def _recall(self, entry: _Entry) -> None:
        self._rounds[entry.line] = entry.round
        if entry.outcome is None:
            self._outcomes.pop(entry.line, None)
        else:
            self._outcomes[entry.line] = entry.outcome

    def _append(self, entry: msgspec.Struct) -> None:
        written = msgspec.json.encode(entry) + b"\n"
        count = os.write(self._descriptor, written)
        if count != len(written):
            # Half a line in the middle would spoil all that follows it.
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - count)
            raise JournalTrouble(f"{self._file} cannot be written to its end; is the disk full?")


def _differences(one: Heading, other: Heading) -> Iterator[str]:
    return (name for name in Heading.__struct_fields__ if getattr(one, name) != getattr(other, name))
