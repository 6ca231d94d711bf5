"""SM2 with SM3 (GB/T 32918.2): public keys of 65 bytes, DER signatures, signer id 1234567812345678.

The arithmetic is an *engine's*: the system's libcrypto first, `gmssl_pyx` where that has no SM2. Both are C. No Python
code touches a secret while signing, because Python cannot keep its time from depending on what it computes with.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from suyuan.base.crypto import libcrypto
from suyuan.base.crypto import sm2_curve as curve
from suyuan.base.crypto.signatures import SECRET_BYTES, BadSignature, Randomness


class NoSm2(Exception):
    """This machine has nothing that computes SM2."""

    def __init__(self) -> None:
        super().__init__(
            "no SM2 on this machine: install OpenSSL 3.0 or later (Debian: libssl3, Alpine: libcrypto3), "
            "or `pip install gmssl_pyx`"
        )


class Engine(Protocol):
    """What computes. It gets well-formed keys and signatures only."""

    def public_of(self, secret: bytes) -> bytes: ...

    def load_secret(self, secret: bytes, public: bytes) -> Callable[[bytes], bytes]: ...

    def load_public(self, public: bytes) -> Callable[[bytes, bytes], bool]: ...


class GmsslEngine:
    """SM2 by the GmSSL that comes inside `gmssl_pyx`. It holds the interpreter's lock during a call."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def public_of(self, secret: bytes) -> bytes:
        return curve.encode(curve.multiply(int.from_bytes(secret), curve.GENERATOR))

    def load_secret(self, secret: bytes, public: bytes) -> Callable[[bytes], bytes]:
        def sign(message: bytes) -> bytes:
            signature: bytes = self._library.sm2_sign(secret, public[1:], message, curve.SIGNER_ID)
            return signature

        return sign

    def load_public(self, public: bytes) -> Callable[[bytes, bytes], bool]:
        def fits(message: bytes, signature: bytes) -> bool:
            return self._library.sm2_verify(public[1:], message, signature, curve.SIGNER_ID) is True

        return fits


@cache
def engine() -> Engine:
    """The engine of this machine. Raises `NoSm2`."""
    found: Engine | None = libcrypto.load() or gmssl()
    if found is None:
        raise NoSm2
    return found


def gmssl() -> GmsslEngine | None:
    """The second choice, where it is installed."""
    try:
        return GmsslEngine(importlib.import_module("gmssl_pyx"))
    except ImportError:
        return None


class Sm2Suite:
    """SM2-SM3, on this machine's engine unless another one is given."""

    name = "sm2-sm3"

    def __init__(self, own: Engine | None = None) -> None:
        self._own = own

    def new_secret(self, randomness: Randomness = os.urandom) -> bytes:
        # One draw in four thousand million lies outside the range; drawing again keeps the choice even.
        while not curve.is_secret(secret := randomness(SECRET_BYTES)):
            continue
        return secret

    def public_of(self, secret: bytes) -> bytes:
        if not curve.is_secret(secret):
            raise ValueError("an SM2 secret has 32 bytes that hold a number from 1 to n - 2")
        return self._engine().public_of(secret)

    def signer(self, secret: bytes) -> Sm2Signer:
        public = self.public_of(secret)
        return Sm2Signer(public, self._engine().load_secret(secret, public))

    def checker(self, public: bytes) -> Sm2Checker:
        if not curve.is_public(public):
            raise BadSignature("an SM2 public key has 65 bytes, 04 and then a point on the curve")
        return Sm2Checker(self._engine().load_public(public))

    def _engine(self) -> Engine:
        return self._own or engine()


class Sm2Signer:
    """A loaded SM2 secret."""

    algorithm = "sm2-sm3"

    def __init__(self, public: bytes, sign: Callable[[bytes], bytes]) -> None:
        self.public = public
        self._sign = sign

    def sign(self, message: bytes) -> bytes:
        signature = self._sign(message)
        assert curve.is_signature(signature)
        return signature


class Sm2Checker:
    """A loaded SM2 public key."""

    algorithm = "sm2-sm3"

    def __init__(self, fits: Callable[[bytes, bytes], bool]) -> None:
        self._fits = fits

    def check(self, message: bytes, signature: bytes) -> None:
        if not curve.is_signature(signature):
            raise BadSignature("the SM2 signature is not DER of two numbers in range")
        if not self._fits(message, signature):
            raise BadSignature("the SM2 signature does not fit this message and key")
