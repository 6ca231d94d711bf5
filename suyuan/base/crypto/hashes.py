"""Digests and keyed digests by their own names: SHA-256 and SM3 (GB/T 32905), and the HMAC (RFC 2104) of each.

SM3 comes from the `cryptography` wheel, because `hashlib` only has what the system's OpenSSL was built with.

>>> sm3(b"abc").hex()
'66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC

DIGEST_BYTES = 32


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def sm3(content: bytes) -> bytes:
    hashing = Hash(SM3())
    hashing.update(content)
    return hashing.finalize()


def hmac_sha256(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def hmac_sm3(key: bytes, content: bytes) -> bytes:
    hashing = HMAC(key, SM3())
    hashing.update(content)
    return hashing.finalize()
