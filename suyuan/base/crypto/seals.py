"""Sealing with AES-256-GCM and SM4-GCM (RFC 5116, RFC 8998): nobody can read a sealed text or change it unseen.

Format: `ciphertext || tag`, the tag being 16 bytes. The nonce is `NONCE_BYTES` long, must never repeat under one key,
and is kept beside the seal by the caller, as is the *bound* text: what the seal belongs to (a table, a row, a purpose).
A seal moved to another place does not open, since its bound text is then another one.

The interface is the library's own, so AES-256-GCM *is* the library's object: a call between would cost a fifth of a
seal. The library takes nonces of other lengths too; whoever draws one sees to its length.

>>> box = aead("aes-256-gcm", bytes(32))
>>> sealed = box.encrypt(bytes(12), b"PIN 1234", b"card/1")
>>> box.decrypt(bytes(12), sealed, b"card/1")
b'PIN 1234'
>>> box.decrypt(bytes(12), sealed, b"card/2")
Traceback (most recent call last):
    ...
cryptography.exceptions.InvalidTag
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = {"aes-256-gcm": 32, "sm4-gcm": 16}

# Sealed bytes do not open. Which of the reasons holds is not said, since it would help an attacker only.
BadSeal = InvalidTag


class Aead(Protocol):
    """A loaded sealing key. Callers keep it, because loading a key costs more than sealing a short text."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Raises `BadSeal`."""


def aead(name: str, key: bytes) -> Aead:
    """Loads a key for one of the algorithms in `KEY_BYTES`."""
    if name not in KEY_BYTES:
        raise ValueError(f"no sealing algorithm is called {name!r}; there are {', '.join(KEY_BYTES)}")
    if len(key) != KEY_BYTES[name]:
        raise ValueError(f"a key for {name} has {KEY_BYTES[name]} bytes, not {len(key)}")
    return AESGCM(key) if name == "aes-256-gcm" else _Sm4Gcm(key)


class _Sm4Gcm:
    def __init__(self, key: bytes) -> None:
        self._key = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        sealing = Cipher(self._key, GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated_data)
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        if len(data) < TAG_BYTES:
            raise BadSeal
        opening = Cipher(self._key, GCM(nonce, data[-TAG_BYTES:])).decryptor()
        opening.authenticate_additional_data(associated_data)
        plain = opening.update(data[:-TAG_BYTES])
        # Nothing of `plain` leaves this function before the tag has been found right.
        return plain + opening.finalize()
