"""The key ring: one key-encryption key per epoch, which wraps the data keys of all subjects.

A data key that was deleted from the database still lies in its log, its backups and its dead rows, wrapped. So the key
that wrapped it must go as well: at least once a week a new epoch begins, the data keys that are still needed are
wrapped again, and the old epoch's key is destroyed. Then nothing opens what was shredded, wherever a copy lies.

The ring's file stands beside the database, never in it, and never in its backups. It is JSON:

    {"epochs": [{"number": 7, "begun_at": 1795320000000000, "check": "<base64url>", "wrapped": "<base64url>"}]}

where `check` is the start of a SHA-256 of the epoch's key, by which it is known again, and `wrapped` is that key under
the platform's KEK, bound to its number: by the key file, nonce ‖ AES-256-GCM-SIV, because a machine that is set back to
a snapshot may draw the same nonce twice; by a KMS, what it says.

Invariants: numbers only grow; the file is replaced whole, on disk before it is used, by one process at a time; a
destroyed epoch's number is never used again, so nothing can be sealed for it. The KEK is asked when a ring is loaded,
begun or met anew: while a KMS is away, whoever has the ring in memory goes on with it. No epoch is begun whose key did
not come back from the KEK.

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
import fcntl
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import msgspec
import structlog
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

CHECK_BYTES = 16
FILE_WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16

Randomness = Callable[[int], bytes]

log = structlog.get_logger()


class NoEpochKey(Exception):
    """Raised when an epoch's key is gone: what it wrapped is shredded, or the ring is another platform's."""


class KeyTrouble(Exception):
    """What keeps a platform from its keys, and what to do about it; nothing was changed."""

    def __init__(self, en: str, zh: str = "") -> None:
        super().__init__(en)
        self.zh = zh or en


class UnsafeKeyFile(KeyTrouble):
    """Raised when a key file is missing, torn, readable by others, or wrapped by another KEK."""


class KmsFailed(KeyTrouble):
    """Raised when the KMS does not answer, or answers that it will not."""


class Kms(Protocol):
    """What keeps the platform's own KEK: a key file, or a service that never lets it out."""

    def owns(self, wrapped: bytes) -> bool:
        """Whether this has the form of what it wraps; whether it opens only `unwrap` can tell."""

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        """Raises `KmsFailed`."""

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        """Raises `UnsafeKeyFile` where it was wrapped by another KEK, altered or moved, and `KmsFailed`."""


class FileKms:
    """A KEK that lies in a key file."""

    def __init__(self, kek: bytes, randomness: Randomness = os.urandom) -> None:
        assert len(kek) == KEY_BYTES
        self._cipher = AESGCMSIV(kek)
        self._randomness = randomness

    def owns(self, wrapped: bytes) -> bool:
        """By its length; a KMS's own words are longer."""
        return len(wrapped) == FILE_WRAPPED_BYTES

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


class _EpochKey(NamedTuple):
    """An epoch's key, ready for its two uses."""

    cipher: AESGCMSIV
    marker: AESSIV

    @classmethod
    def of(cls, secret: bytes) -> Self:
        return cls(AESGCMSIV(secret), AESSIV(_marking_key(secret)))


class Ring:
    """The epochs' keys in memory."""

    def __init__(self, epochs: Mapping[int, bytes]) -> None:
        self._keys = {number: _EpochKey.of(key) for number, key in epochs.items()}

    @property
    def newest(self) -> int:
        """The epoch that seals now."""
        return max(self._keys)

    @property
    def oldest(self) -> int:
        """The oldest epoch whose key is not destroyed."""
        return min(self._keys)

    def marking(self, now: int) -> int:
        """The epoch under which new marks are kept now: the newest that every process knows."""
        return self.newest

    @property
    def epochs(self) -> list[int]:
        """The epochs whose keys are there, the newest first."""
        return sorted(self._keys, reverse=True)

    def mark(self, epoch: int, index: bytes, *, bound: bytes) -> bytes:
        """The mark of a blind index: the same every time within one epoch and purpose. 32 bytes for 16."""
        return self._key(epoch).marker.encrypt(index, [bound])

    def unmark(self, epoch: int, mark: bytes, *, bound: bytes) -> bytes:
        """The blind index behind a mark. Raises `NoEpochKey`, or `ValueError` for one that was altered."""
        try:
            return self._key(epoch).marker.decrypt(mark, [bound])
        except InvalidTag:
            raise ValueError("this mark is of another purpose, or was altered") from None

    def look_again(self, now: int) -> None:
        """Notices what another process has changed. A ring in memory has no file to look at."""

    def wrap(self, epoch: int, subject_key: bytes, *, bound: bytes, chance: bytes) -> bytes:
        """Wraps a data key; nonce ‖ ciphertext ‖ tag, 60 bytes."""
        return chance + self._key(epoch).cipher.encrypt(chance, subject_key, bound)

    def unwrap(self, epoch: int, wrapped: bytes, *, bound: bytes) -> bytes:
        """Unwraps a data key. Raises `NoEpochKey`, or `ValueError` for a key that is another's or was altered."""
        try:
            return self._key(epoch).cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except InvalidTag:
            raise ValueError("this data key belongs to another subject, or was altered") from None

    def _key(self, epoch: int) -> _EpochKey:
        key = self._keys.get(epoch)
        if key is None:
            raise NoEpochKey(
                f"the key of epoch {epoch} is not on this ring; it was destroyed, or the ring is another's"
            )
        return key


class _Epoch(msgspec.Struct, frozen=True):
    number: int
    begun_at: int
    check: str
    wrapped: str

    @property
    def name(self) -> tuple[int, str]:
        """Equal names have equal keys, whatever wraps them; a number alone may be another ring's."""
        return self.number, self.check


class _File(msgspec.Struct, frozen=True):
    epochs: tuple[_Epoch, ...]


class FileRing(Ring):
    """The ring in its file. Any number of processes read it; only the keeper of the house changes it."""

    def __init__(self, file: Path, kms: Kms, randomness: Randomness = os.urandom) -> None:
        super().__init__({})
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
        """Reads the file again where it has changed, at most once a second.

        A KMS that is away when another process began an epoch leaves this one with the ring that it has.
        """
        # A clock that was set back must not keep us from looking.
        if self._looked_at <= now < self._looked_at + LOOK_AGAIN_S * SECOND:
            return
        self._looked_at = now
        if _stamp(self._file) == self._seen:
            return
        try:
            self._load()
        except KmsFailed as failure:
            if not self._may_go_on(now):
                raise
            log.warning("key_ring_is_not_read_again", why=str(failure))

    def _may_go_on(self, now: int) -> bool:
        """Whether the ring in memory will do, though its file has an epoch that does not open yet.

        What is sealed under it has to open later, so the epoch that seals must stand in the file as well; and once
        others keep marks under the epoch that is missing here, a person whom they know would look like a new one.
        """
        epochs = _read_whole_ring(self._file)
        is_theirs = self._epochs[-1].name in [epoch.name for epoch in epochs]
        return is_theirs and now < plus(epochs[-1].begun_at, MARKING_AFTER_S)

    def begin(self, now: int) -> int:
        """Begins a new epoch. Returns its number. Raises `KmsFailed`, and then the ring is as it was."""
        # First the whole ring has to open: an epoch under one KEK and the rest under another would open to none.
        for epoch in self._epochs:
            _unwrapped(epoch, self._kms)
        number, key = self.newest + 1, self._randomness(KEY_BYTES)
        fresh = _wrapped(number, now, key, self._kms)
        self._replace((*self._epochs, fresh), {**self._keys, number: _EpochKey.of(key)})
        return number

    def destroy(self, until: int) -> list[int]:
        """Destroys the keys of all epochs up to this one. Returns their numbers."""
        assert until < self.newest, "the epoch that seals now is never destroyed"
        gone = [epoch.number for epoch in self._epochs if epoch.number <= until]
        left = tuple(epoch for epoch in self._epochs if epoch.number > until)
        self._replace(left, {epoch.number: self._keys[epoch.number] for epoch in left})
        return gone

    def marking(self, now: int) -> int:
        """The newest epoch that is `MARKING_AFTER_S` old, or the only one."""
        known = [epoch.number for epoch in self._epochs if plus(epoch.begun_at, MARKING_AFTER_S) <= now]
        return max(known, default=self._epochs[0].number)

    def _key(self, epoch: int) -> _EpochKey:
        if epoch not in self._keys:
            self._load()
        return super()._key(epoch)

    def _load(self) -> None:
        seen = _stamp(self._file)
        epochs = _read_whole_ring(self._file)
        # Keys that are in memory are not asked for again, whoever wraps them now.
        known = {epoch.name: self._keys[epoch.number] for epoch in self._epochs}
        self._keys = {
            epoch.number: known.get(epoch.name) or _EpochKey.of(_unwrapped(epoch, self._kms)) for epoch in epochs
        }
        # Only a ring that was read whole counts as seen, so one that is mended is looked at again.
        self._seen, self._epochs = seen, epochs

    def _replace(self, epochs: tuple[_Epoch, ...], keys: dict[int, _EpochKey]) -> None:
        with _one_writer(self._file):
            if _stamp(self._file) != self._seen:
                raise UnsafeKeyFile(f"the key file {self._file.name} was changed by somebody else; it is left as it is")
            _write_ring(self._file, epochs)
            self._keys, self._epochs, self._seen = keys, epochs, _stamp(self._file)


def make_ring(file: Path, kms: Kms, *, now: int, randomness: Randomness = os.urandom) -> None:
    """Makes the ring of a new platform, with its first epoch. Never overwrites one. Raises `KmsFailed`."""
    assert not file.exists(), "a ring that exists is never made anew: what it sealed would be lost"
    _write_ring(file, (_wrapped(1, now, randomness(KEY_BYTES), kms),))


def move_ring(file: Path, kms: Kms, *, after: Kms) -> list[int]:
    """Wraps the ring's keys under another KEK. Returns the epochs' numbers; none where they lie under it already.

    The file is replaced whole, and only once every key came back from its new KEK. A running platform goes on with
    the ring in memory, and begins no epoch until it is started again.
    """
    with _one_writer(file):
        epochs = _read_whole_ring(file)
        if all(after.owns(unb64(epoch.wrapped)) for epoch in epochs):
            return []
        keys = [_unwrapped(epoch, kms) for epoch in epochs]
        moved = [_wrapped(epoch.number, epoch.begun_at, key, after) for epoch, key in zip(epochs, keys, strict=True)]
        _write_ring(file, tuple(moved))
    return [epoch.number for epoch in epochs]


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
    write_private(key_file, chance)


def write_private(file: Path, content: bytes) -> None:
    """Makes a file that nobody else may read, and waits until it is on the disk."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _marking_key(epoch_key: bytes) -> bytes:
    """AES-SIV takes two keys in one; they derive from the epoch's, and so die with it."""
    return hmac.digest(epoch_key, b"suyuan mark 1", "sha512")


def _read_whole_ring(file: Path) -> tuple[_Epoch, ...]:
    """The epochs in the file, the oldest first. Raises `UnsafeKeyFile`."""
    # A ring that is replaced while it is read may be found overwritten; the one that replaced it is whole.
    epochs = _read_ring(file) or _read_ring(file)
    if not epochs:
        raise UnsafeKeyFile(f"the key file {file.name} is torn; restore it from its backup")
    return epochs


def _read_ring(file: Path) -> tuple[_Epoch, ...]:
    """The epochs in the file; none where it is torn."""
    try:
        epochs = msgspec.json.decode(read_private(file), type=_File).epochs
        # Whoever reads on may count on base64.
        return epochs if all(unb64(epoch.wrapped) for epoch in epochs) else ()
    except (msgspec.MsgspecError, ValueError):
        return ()


def _wrapped(number: int, begun_at: int, key: bytes, kms: Kms) -> _Epoch:
    """An epoch whose key has come back from the KEK; one that did not would shred everybody.

    A KMS that is too old to know what a key is bound to ignores it, and would open an epoch under another's number.
    """
    wrapped = kms.wrap(key, bound=_bound(number))
    if kms.unwrap(wrapped, bound=_bound(number)) != key:
        raise KmsFailed(
            "the KMS gave back another key than it was given; nothing was changed, repair it before anything else",
            "KMS 返回的密钥与提交的不一致；未作任何更改，请先修复 KMS。",
        )
    with contextlib.suppress(UnsafeKeyFile):
        kms.unwrap(wrapped, bound=_bound(number + 1))
        raise KmsFailed(
            "the KMS ignores what a key is bound to; take OpenBao 2.0 or Vault 1.13 or newer, and an AEAD key",
            "KMS 忽略了密钥所绑定的关联数据；请使用 OpenBao 2.0 或 Vault 1.13 及以上版本，并选用 AEAD 类型的密钥。",
        )
    return _Epoch(number, begun_at, _check(key), b64(wrapped))


def _unwrapped(epoch: _Epoch, kms: Kms) -> bytes:
    wrapped = unb64(epoch.wrapped)
    if not kms.owns(wrapped):
        raise UnsafeKeyFile(
            "the key ring lies under another KEK than suyuan.toml names; correct that, or run `suyuan kek move`",
            "密钥环所用的 KEK 与 suyuan.toml 所写的不一致；请更正设置，或执行 `suyuan kek move`。",
        )
    key = kms.unwrap(wrapped, bound=_bound(epoch.number))
    if _check(key) != epoch.check:
        raise UnsafeKeyFile(
            "the KEK gave back another key than the ring's file names; restore both from their backups",
            "KEK 解出的密钥与密钥环文件所记不符，请从备份恢复两者。",
        )
    return key


def _check(key: bytes) -> str:
    """What a key is known again by; 32 random bytes cannot be guessed from it."""
    return b64(hashlib.sha256(b"suyuan epoch key " + key).digest()[:CHECK_BYTES])


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
    write_private(fresh, msgspec.json.encode(_File(epochs)))
    with file.open("r+b") if file.exists() else contextlib.nullcontext() as replaced:
        fresh.replace(file)
        sync_folder(file.parent)
        # The ring that was replaced may hold the very key that has to go, so its bytes do not stay on the disk either.
        if replaced is not None:
            replaced.write(bytes(os.fstat(replaced.fileno()).st_size))
            replaced.flush()
            os.fsync(replaced.fileno())


@contextlib.contextmanager
def _one_writer(file: Path) -> Iterator[None]:
    """Keeps all others from replacing the ring meanwhile: an epoch that one begins must not fall to another's copy."""
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
