"""The key ring: one key-encryption key per epoch, which wraps the data keys of all subjects.

A data key that was deleted from the database still lies in its log, its backups and its dead rows, wrapped. So the key
that wrapped it must go as well: at least once a week a new epoch begins, the data keys that are still needed are
wrapped again, and the old epoch's key is destroyed. Then nothing opens what was shredded, wherever a copy lies.

The ring's file stands beside the database, never in it, and never in its backups. It is JSON:

    {"epochs": [{"number": 7, "begun_at": 1795320000000000, "wrapped": "<base64url>"}]}

where `wrapped` is nonce ‖ AES-256-GCM-SIV of the epoch's key under the platform's KEK, bound to its number. GCM-SIV,
because a machine that is set back to a snapshot may draw the same nonce twice.

Invariants: numbers only grow; the file is replaced whole, on disk before it is used; a destroyed epoch's number is
never used again, so nothing can be sealed for it.

>>> ring = Ring({1: bytes(32)})
>>> wrapped = ring.wrap(1, bytes(range(32)), bound=b"slr_1/finance", chance=bytes(12))
>>> ring.unwrap(1, wrapped, bound=b"slr_1/finance") == bytes(range(32))
True
>>> ring.unwrap(2, wrapped, bound=b"slr_1/finance")
Traceback (most recent call last):
    ...
suyuan.privacy.keyring.NoEpochKey: the key of epoch 2 is not on this ring; it was destroyed, or the ring is another's
"""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, AESSIV

from suyuan.base.clock import SECOND, plus
from suyuan.base.wire import b64, unb64

KEY_BYTES = 32
NONCE_BYTES = 12
# How soon a process notices a new epoch; the closing of the old one waits much longer than this.
LOOK_AGAIN_S = 1
# How old an epoch is before marks are kept under it: by then every process knows it, and it is before the closing.
MARKING_AFTER_S = 30

Randomness = Callable[[int], bytes]


class NoEpochKey(Exception):
    """Raised when an epoch's key is gone: what it wrapped is shredded, or the ring is another platform's."""


class UnsafeKeyFile(Exception):
    """Raised when a key file is missing, torn, or readable by others."""


class Kms(Protocol):
    """What keeps the platform's own KEK: a key file, or a service that never lets it out."""

    def wrap(self, key: bytes, *, bound: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        """Raises `UnsafeKeyFile` where it was wrapped by another KEK, or altered."""


class FileKms:
    """A KEK that lies in a key file."""

    def __init__(self, kek: bytes, randomness: Randomness = os.urandom) -> None:
        assert len(kek) == KEY_BYTES
        self._cipher = AESGCMSIV(kek)
        self._randomness = randomness

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        """Wraps an epoch's key."""
        nonce = self._randomness(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, bound)

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        """Unwraps an epoch's key."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise UnsafeKeyFile("the key ring belongs to another vault key, or was altered; restore both") from None


class Ring:
    """The epochs' keys in memory."""

    def __init__(self, epochs: Mapping[int, bytes]) -> None:
        self._ciphers = {number: AESGCMSIV(key) for number, key in epochs.items()}
        self._markers = {number: AESSIV(_marking_key(key)) for number, key in epochs.items()}

    @property
    def newest(self) -> int:
        """The epoch that seals now."""
        return max(self._ciphers)

    @property
    def oldest(self) -> int:
        """The oldest epoch whose key is not destroyed."""
        return min(self._ciphers)

    def marking(self, now: int) -> int:
        """The epoch under which new marks are kept now: the newest that every process knows."""
        return self.newest

    @property
    def epochs(self) -> list[int]:
        """The epochs whose keys are there, the newest first."""
        return sorted(self._ciphers, reverse=True)

    def mark(self, epoch: int, index: bytes, *, bound: bytes) -> bytes:
        """The mark of a blind index: the same every time within one epoch and purpose. 32 bytes for 16."""
        return self._marker(epoch).encrypt(index, [bound])

    def unmark(self, epoch: int, mark: bytes, *, bound: bytes) -> bytes:
        """The blind index behind a mark. Raises `NoEpochKey`, or `ValueError` for one that was altered."""
        try:
            return self._marker(epoch).decrypt(mark, [bound])
        except InvalidTag:
            raise ValueError("this mark is of another purpose, or was altered") from None

    def look_again(self, now: int) -> None:
        """Notices what another process has changed. A ring in memory has no file to look at."""

    def wrap(self, epoch: int, subject_key: bytes, *, bound: bytes, chance: bytes) -> bytes:
        """Wraps a data key; nonce ‖ ciphertext ‖ tag, 60 bytes."""
        return chance + self._cipher(epoch).encrypt(chance, subject_key, bound)

    def unwrap(self, epoch: int, wrapped: bytes, *, bound: bytes) -> bytes:
        """Unwraps a data key. Raises `NoEpochKey`, or `ValueError` for a key that is another's or was altered."""
        try:
            return self._cipher(epoch).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except InvalidTag:
            raise ValueError("this data key belongs to another subject, or was altered") from None

    def _cipher(self, epoch: int) -> AESGCMSIV:
        self._demand(epoch)
        return self._ciphers[epoch]

    def _marker(self, epoch: int) -> AESSIV:
        self._demand(epoch)
        return self._markers[epoch]

    def _demand(self, epoch: int) -> None:
        if epoch not in self._ciphers:
            raise NoEpochKey(
                f"the key of epoch {epoch} is not on this ring; it was destroyed, or the ring is another's"
            )


class _Epoch(msgspec.Struct, frozen=True):
    number: int
    begun_at: int
    wrapped: str


class _File(msgspec.Struct, frozen=True):
    epochs: tuple[_Epoch, ...]


class FileRing(Ring):
    """The ring in its file. Any number of processes read it; only the keeper of the house changes it."""

    def __init__(self, file: Path, kms: Kms, randomness: Randomness = os.urandom) -> None:
        self._file = file
        self._kms = kms
        self._randomness = randomness
        self._looked_at = 0
        self._seen: tuple[int, int] = (0, 0)
        self._epochs: tuple[_Epoch, ...] = ()
        self._load()

    @property
    def newest_begun_at(self) -> int:
        """When the epoch that seals now began."""
        return self._epochs[-1].begun_at

    def look_again(self, now: int) -> None:
        """Reads the file again where it has changed, at most once a second."""
        # A clock that was set back must not keep us from looking.
        if self._looked_at <= now < self._looked_at + LOOK_AGAIN_S * SECOND:
            return
        self._looked_at = now
        if _stamp(self._file) != self._seen:
            self._load()

    def begin(self, now: int) -> int:
        """Begins a new epoch. Returns its number."""
        number = self.newest + 1
        self._replace((*self._epochs, _new_epoch(number, now, self._kms, self._randomness)))
        return number

    def destroy(self, until: int) -> list[int]:
        """Destroys the keys of all epochs up to this one. Returns their numbers."""
        assert until < self.newest, "the epoch that seals now is never destroyed"
        gone = [epoch.number for epoch in self._epochs if epoch.number <= until]
        self._replace(tuple(epoch for epoch in self._epochs if epoch.number > until))
        return gone

    def marking(self, now: int) -> int:
        """The newest epoch that is `MARKING_AFTER_S` old, or the only one."""
        known = [epoch.number for epoch in self._epochs if plus(epoch.begun_at, MARKING_AFTER_S) <= now]
        return max(known, default=self._epochs[0].number)

    def _demand(self, epoch: int) -> None:
        if epoch not in self._ciphers:
            self._load()
        super()._demand(epoch)

    def _load(self) -> None:
        seen = _stamp(self._file)
        # A ring that is replaced while it is read may be found overwritten; the one that replaced it is whole.
        epochs = _read_ring(self._file) or _read_ring(self._file)
        if not epochs:
            raise UnsafeKeyFile(f"the key file {self._file.name} is torn; restore it from its backup")
        super().__init__({epoch.number: _unwrapped(epoch, self._kms) for epoch in epochs})
        # Only a ring that was read whole counts as seen, so one that is mended is looked at again.
        self._seen, self._epochs = seen, epochs

    def _replace(self, epochs: tuple[_Epoch, ...]) -> None:
        if _stamp(self._file) != self._seen:
            raise UnsafeKeyFile(f"the key file {self._file.name} was changed by somebody else; it is left as it is")
        _write_ring(self._file, epochs)
        self._load()


def make_ring(file: Path, kms: Kms, *, now: int, randomness: Randomness = os.urandom) -> None:
    """Makes the ring of a new platform, with its first epoch. Never overwrites one."""
    assert not file.exists(), "a ring that exists is never made anew: what it sealed would be lost"
    _write_ring(file, (_new_epoch(1, now, kms, randomness),))


def read_private(file: Path) -> bytes:
    """The content of a file that nobody else may read. Raises `UnsafeKeyFile` with what to do about it."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise UnsafeKeyFile(f"there is no key file {file.name}; restore it from its backup") from None
    if mode & 0o077:
        raise UnsafeKeyFile(f"others may read the key file {file.name}; run chmod 600 on it")
    return file.read_bytes()


def read_key_file(key_file: Path) -> bytes:
    """The 32 secret bytes of a key file. Raises `UnsafeKeyFile` with what to do about it."""
    secret = read_private(key_file)
    if len(secret) != KEY_BYTES:
        raise UnsafeKeyFile(f"the key file {key_file.name} is torn; restore it from its backup")
    return secret


def make_key_file(key_file: Path, *, chance: bytes) -> None:
    """Writes a new key file of 32 random bytes. Never overwrites one: what it sealed would be lost."""
    assert len(chance) == KEY_BYTES
    _write_private(key_file, chance)


def _write_private(file: Path, content: bytes) -> None:
    """Makes a file that nobody else may read, and waits until it is on the disk."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _marking_key(epoch_key: bytes) -> bytes:
    """AES-SIV takes two keys in one; they derive from the epoch's, and so die with it."""
    return hmac.digest(epoch_key, b"suyuan mark 1", "sha512")


def _read_ring(file: Path) -> tuple[_Epoch, ...]:
    """The epochs in the file, the oldest first; none where it is torn."""
    try:
        return msgspec.json.decode(read_private(file), type=_File).epochs
    except msgspec.MsgspecError:
        return ()


def _new_epoch(number: int, now: int, kms: Kms, randomness: Randomness) -> _Epoch:
    return _Epoch(number, now, b64(kms.wrap(randomness(KEY_BYTES), bound=_bound(number))))


def _unwrapped(epoch: _Epoch, kms: Kms) -> bytes:
    return kms.unwrap(unb64(epoch.wrapped), bound=_bound(epoch.number))


def _bound(number: int) -> bytes:
    return f"suyuan epoch {number}".encode()


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)


def _write_ring(file: Path, epochs: tuple[_Epoch, ...]) -> None:
    """Replaces the file whole: a reader sees the old ring or the new one, and so does whoever starts after a crash."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    _write_private(fresh, msgspec.json.encode(_File(epochs)))
    with file.open("r+b") if file.exists() else contextlib.nullcontext() as replaced:
        fresh.replace(file)
        _sync_folder(file.parent)
        # The ring that was replaced may hold the very key that has to go, so its bytes do not stay on the disk either.
        if replaced is not None:
            replaced.write(bytes(os.fstat(replaced.fileno()).st_size))
            replaced.flush()
            os.fsync(replaced.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
