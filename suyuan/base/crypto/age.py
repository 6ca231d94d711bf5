"""Files that only their recipient opens, in the age format (age-encryption.org/v1, specified by C2SP).

An age file names no recipient in the clear and is encrypted in chunks of 64 KiB, so it is written as it is read and
its plain content lies nowhere. A recipient's key is the public half of an X25519 pair, `age1` and 58 characters; one
spelling of each is taken, so that two officers who compare it compare the same text.

>>> is_age_key("age1" + "q" * 58), is_age_key("AGE1"), is_age_key("")
(False, False, False)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

import pyrage

T = TypeVar("T")

_FORM = re.compile(r"age1[0-9a-z]{58}")


class Source(Protocol):
    """What plain bytes are read from; nothing is its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Target(Protocol):
    """What the encrypted bytes are written to."""

    def write(self, content: bytes, /) -> int: ...

    def flush(self) -> None: ...


def is_age_key(text: str) -> bool:
    """Whether this is a recipient's key."""
    try:
        return _FORM.fullmatch(text) is not None and str(pyrage.x25519.Recipient.from_str(text)) == text
    except pyrage.RecipientError:
        return False


def encrypt(source: Source, target: Target, key: str) -> None:
    """Reads to the end and writes what only the key's holder opens. Raises whatever reading or writing raises."""
    watched = _Watched(source, target)
    try:
        pyrage.encrypt_io(watched, watched, [pyrage.x25519.Recipient.from_str(key)])
    except pyrage.EncryptError as error:
        raise watched.failure or OSError(str(error)) from None
    # The library buffers what it writes and drops the last failure silently, so it is looked for here.
    if watched.failure is not None:
        raise watched.failure


class _Watched:
    """Both ends of an encryption; keeps the first failure as it was raised."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self.failure: Exception | None = None

    def read(self, size: int = -1, /) -> bytes:
        return self._kept(self._source.read, size)

    def write(self, content: bytes, /) -> int:
        return self._kept(self._target.write, content)

    def flush(self) -> None:
        self._kept(self._target.flush)

    def _kept(self, act: Callable[..., T], *arguments: object) -> T:
        try:
            return act(*arguments)
        except Exception as error:
            self.failure = self.failure or error
            raise
