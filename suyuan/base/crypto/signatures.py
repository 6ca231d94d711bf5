"""What a signature suite is: four words that Ed25519 and SM2 both answer to.

A *suite* makes keys, a *signer* holds a loaded secret, a *checker* a loaded public key. Loading costs, so both are
kept and used many times; they hold no state that changes and may be shared between threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

Randomness = Callable[[int], bytes]
SECRET_BYTES = 32


class BadSignature(Exception):
    """A signature, or the key it is checked against, is not what it claims to be.

    It is raised and never returned, because nobody may go on after overlooking it.
    """


class Signer(Protocol):
    """A loaded secret key."""

    @property
    def algorithm(self) -> str: ...

    @property
    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class Checker(Protocol):
    """A loaded public key."""

    @property
    def algorithm(self) -> str: ...

    def check(self, message: bytes, signature: bytes) -> None:
        """Returns for a good signature and raises `BadSignature` for every other one."""


class Suite(Protocol):
    """One algorithm with its parameters fixed. Secrets are 32 raw bytes; `ValueError` says what is wrong with one."""

    @property
    def name(self) -> str: ...

    def new_secret(self, randomness: Randomness = os.urandom) -> bytes: ...

    def public_of(self, secret: bytes) -> bytes: ...

    def signer(self, secret: bytes) -> Signer: ...

    def checker(self, public: bytes) -> Checker:
        """Raises `BadSignature` for bytes that are no public key of this suite."""
