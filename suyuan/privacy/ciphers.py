"""The two algorithms that the vault seals with, by the three letters that every sealed text and file begins with.

Which one seals is the vault's policy; which one opens is written on what was sealed, and is bound to it, so a change of
policy leaves everything readable. A data key is 32 random bytes either way, of which SM4 takes the first 16.

>>> PREFIXES["sm4-gcm"], algorithm_of("2a.")
('2s.', 'aes-256-gcm')
>>> algorithm_of("3x.")
Traceback (most recent call last):
    ...
ValueError: no seal begins like this
"""

from __future__ import annotations

from suyuan.base.crypto import Aead, aead

PREFIXES = {"aes-256-gcm": "2a.", "sm4-gcm": "2s."}
PREFIX_LENGTH = 3
_ALGORITHMS = {prefix: algorithm for algorithm, prefix in PREFIXES.items()}
_SM4_KEY_BYTES = 16


def algorithm_of(prefix: str) -> str:
    """The algorithm of a seal that begins like this. Raises `ValueError` where none does."""
    algorithm = _ALGORITHMS.get(prefix)
    if algorithm is None:
        raise ValueError("no seal begins like this")
    return algorithm


def cipher_of(algorithm: str, secret: bytes) -> Aead:
    """The cipher of a key of 32 bytes."""
    return aead(algorithm, secret if algorithm == "aes-256-gcm" else secret[:_SM4_KEY_BYTES])
