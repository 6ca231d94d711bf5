"""The vault: seals personal fields at the door, opens them to an authority, and makes blind indexes.

A sealed text is `1.<base64url of nonce ‖ ciphertext ‖ tag>` under AES-256-GCM. It is bound to its subject and field,
so a text moved to another person's row, or to another column, does not open. A blind index is the first 128 bits of
HMAC-SHA-256 under a key of its own per purpose: equal values have equal indexes within one purpose and nowhere else.

All keys derive from one key file (32 random bytes, mode 0600), which is never in the database and never logged.

>>> vault = Vault(bytes(32))
>>> sealed = vault.seal("13800000000", subject="slr_1", field="number", chance=bytes(12))
>>> from suyuan.privacy.grant import to_pay_seller
>>> vault.open(sealed, to_pay_seller("slr_1", now=0), field="number", now=1)
'13800000000'
>>> vault.open(sealed, to_pay_seller("slr_2", now=0), field="number", now=1)
Traceback (most recent call last):
    ...
suyuan.privacy.vault.BrokenSeal: this sealed field belongs to another subject or field, or was altered
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from suyuan.base.wire import b64, unb64
from suyuan.privacy.authority import Authority, NoAuthority
from suyuan.privacy.classes import BlindIndex, Sealed

KEY_BYTES = 32
NONCE_BYTES = 12
INDEX_BYTES = 16
_VERSION = "1."


class BrokenSeal(Exception):
    """Raised when a sealed field does not open: it was altered, moved, or sealed under another key."""


class UnsafeKeyFile(Exception):
    """Raised when the key file is missing, torn, or readable by others."""


class Vault:
    """Seals, opens and indexes under the keys that derive from one root key."""

    def __init__(self, root_key: bytes) -> None:
        assert len(root_key) == KEY_BYTES
        self._root_key = root_key
        self._cipher = AESGCM(self._derive("seal"))
        self._indexes: dict[str, hmac.HMAC] = {}
        self._digest_keys: dict[str, bytes] = {}

    def seal(self, plain: str, *, subject: str, field: str, chance: bytes) -> Sealed:
        """Closes a value. `chance` is twelve fresh random bytes; never use them twice."""
        assert len(chance) == NONCE_BYTES
        closed = self._cipher.encrypt(chance, plain.encode(), _bound(subject, field))
        return Sealed(_VERSION + b64(chance + closed))

    def open(self, sealed: Sealed, authority: Authority, *, field: str, now: int) -> str:
        """The only way in. Raises `NoAuthority` or `BrokenSeal`, which must not be ignored."""
        if not authority.covers(authority.scope, now=now):
            raise NoAuthority(f"the authority to {authority.purpose} has expired; ask for a new one")
        try:
            content = unb64(sealed.removeprefix(_VERSION))
            nonce, closed = content[:NONCE_BYTES], content[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, closed, _bound(authority.scope, field)).decode()
        except (InvalidTag, ValueError):
            # The cause is left out, because a traceback that shows it may show the ciphertext's surroundings.
            text = "this sealed field belongs to another subject or field, or was altered"
            raise BrokenSeal(text) from None

    def index(self, value: str, *, purpose: str) -> BlindIndex:
        """A keyed, one-way index of a value, for equality within one purpose."""
        keyed = self._indexes.get(purpose)
        if keyed is None:
            keyed = self._indexes[purpose] = hmac.new(self._derive("index/" + purpose), digestmod=hashlib.sha256)
        # Copying a keyed state saves hashing the key again; this runs several times a redemption.
        state = keyed.copy()
        state.update(value.encode())
        return BlindIndex(state.digest()[:INDEX_BYTES].hex())

    def keyed_digest(self, content: bytes, *, purpose: str) -> bytes:
        """A digest that only the holder of the key can compute, so that nobody can confirm a guess by it."""
        return hmac.digest(self._digest_key(purpose), content, "sha256")

    def _digest_key(self, purpose: str) -> bytes:
        return self._digest_keys.setdefault(purpose, self._derive("digest/" + purpose))

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self._root_key, b"suyuan vault 1 " + purpose.encode(), "sha256")


def _bound(subject: str, field: str) -> bytes:
    return f"{subject}\0{field}".encode()


def open_vault(key_file: Path) -> Vault:
    """The vault under a key file. Raises `UnsafeKeyFile` with what to do about it."""
    try:
        mode = key_file.stat().st_mode
    except FileNotFoundError:
        raise UnsafeKeyFile(f"there is no key file {key_file.name}; restore it from its backup") from None
    if mode & 0o077:
        raise UnsafeKeyFile(f"others may read the key file {key_file.name}; run chmod 600 on it")
    root_key = key_file.read_bytes()
    if len(root_key) != KEY_BYTES:
        raise UnsafeKeyFile(f"the key file {key_file.name} is torn; restore it from its backup")
    return Vault(root_key)


def make_key_file(key_file: Path, *, chance: bytes) -> None:
    """Writes a new key file of 32 random bytes. Never overwrites one: what it sealed would be lost."""
    assert len(chance) == KEY_BYTES
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(chance)
        file.flush()
        os.fsync(file.fileno())
