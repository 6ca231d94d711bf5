"""Ed25519 (RFC 8032): public keys of 32 bytes, signatures of 64, by the `cryptography` wheel.

One rule is stricter than RFC 8032 asks: a public key of small order is refused, because with such a key one signature
fits every message, and its owner could later deny having signed any of them.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from suyuan.base.crypto.signatures import SECRET_BYTES, BadSignature, Randomness

PUBLIC_BYTES = 32

# The y coordinates of the eight points of small order, and of their encodings that are not reduced modulo p. The sign
# bit is left out of the comparison, so each entry stands for both signs of x.
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class Ed25519Suite:
    """Ed25519 as RFC 8032 §5.1 defines it, without context and without prehashing."""

    name = "ed25519"

    def new_secret(self, randomness: Randomness = os.urandom) -> bytes:
        return randomness(SECRET_BYTES)

    def public_of(self, secret: bytes) -> bytes:
        return self.signer(secret).public

    def signer(self, secret: bytes) -> Ed25519Signer:
        return Ed25519Signer(secret)

    def checker(self, public: bytes) -> Ed25519Checker:
        return Ed25519Checker(public)


class Ed25519Signer:
    """A loaded Ed25519 secret."""

    algorithm = "ed25519"

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"an Ed25519 secret has {SECRET_BYTES} bytes, not {len(secret)}")
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class Ed25519Checker:
    """A loaded Ed25519 public key."""

    algorithm = "ed25519"

    def __init__(self, public: bytes) -> None:
        if len(public) != PUBLIC_BYTES:
            raise BadSignature(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(public)}")
        if public[:-1] + bytes([public[-1] & 0x7F]) in _SMALL_ORDER:
            raise BadSignature("this Ed25519 public key is of small order: one signature would fit every message")
        try:
            self._key = Ed25519PublicKey.from_public_bytes(public)
        except ValueError:
            raise BadSignature("these 32 bytes are no Ed25519 public key") from None

    def check(self, message: bytes, signature: bytes) -> None:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise BadSignature("the Ed25519 signature does not fit this message and key") from None
