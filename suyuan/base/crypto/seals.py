"""Sealing with AES-256-GCM and SM4-GCM (RFC 5116, RFC 8998): nobody can read a sealed text or change it unseen.

Format: `ciphertext || tag`, the tag being 16 bytes. The nonce is 12 bytes, must never repeat under one key, and is kept
beside the seal by the caller, as is the *bound* text: what the seal belongs to (a table, a row, a purpose). A seal
moved to another place does not open, since its bound text is then another one.

>>> box = aead("aes-256-gcm", bytes(32))
>>> sealed = box.seal(bytes(12), b"PIN 1234", b"card/1")
>>> box.open(bytes(12), sealed, b"card/1")
b'PIN 1234'
>>> box.open(bytes(12), sealed, b"card/2")
Traceback (most recent call last):
    ...
suyuan.base.crypto.seals.BadSeal: the seal does not open: wrong key, wrong place, or changed bytes
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


class BadSeal(Exception):
    """Sealed bytes do not open. Which of the reasons holds is not said, since it would help an attacker only."""

    def __init__(self) -> None:
        super().__init__("the seal does not open: wrong key, wrong place, or changed bytes")


class Aead(Protocol):
    """A loaded sealing key. Callers keep it, because loading a key costs more than sealing a short text."""

    def seal(self, nonce: bytes, plain: bytes, bound: bytes) -> bytes: ...

    def open(self, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """Raises `BadSeal`."""


def aead(name: str, key: bytes) -> Aead:
    """Loads a key for one of the algorithms in `KEY_BYTES`."""
    if name not in KEY_BYTES:
        raise ValueError(f"no sealing algorithm is called {name!r}; there are {', '.join(KEY_BYTES)}")
    if len(key) != KEY_BYTES[name]:
        raise ValueError(f"a key for {name} has {KEY_BYTES[name]} bytes, not {len(key)}")
    return _Aes256Gcm(key) if name == "aes-256-gcm" else _Sm4Gcm(key)


class _Aes256Gcm:
    __slots__ = ("_decrypt", "_encrypt")

    def __init__(self, key: bytes) -> None:
        cipher = AESGCM(key)
        self._encrypt, self._decrypt = cipher.encrypt, cipher.decrypt

    def seal(self, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        # A call a seal is a tenth of its cost, so the nonce is looked at here.
        if len(nonce) != NONCE_BYTES:
            _demand_nonce(nonce)
        return self._encrypt(nonce, plain, bound)

    def open(self, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        if len(nonce) != NONCE_BYTES:
            _demand_nonce(nonce)
        try:
            return self._decrypt(nonce, sealed, bound)
        except InvalidTag:
            raise BadSeal from None


class _Sm4Gcm:
    def __init__(self, key: bytes) -> None:
        self._key = SM4(key)

    def seal(self, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        _demand_nonce(nonce)
        sealing = Cipher(self._key, GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(bound)
        return sealing.update(plain) + sealing.finalize() + sealing.tag

    def open(self, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        _demand_nonce(nonce)
        if len(sealed) < TAG_BYTES:
            raise BadSeal
        opening = Cipher(self._key, GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
        opening.authenticate_additional_data(bound)
        plain = opening.update(sealed[:-TAG_BYTES])
        try:
            # Nothing of `plain` leaves this function before the tag has been found right.
            return plain + opening.finalize()
        except InvalidTag:
            raise BadSeal from None


def _demand_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a GCM nonce has {NONCE_BYTES} bytes here, not {len(nonce)}")
