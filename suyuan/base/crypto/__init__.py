"""Cryptography by name: signature suites, digests and seals; other parts import from here only.

| name | what | by |
|---|---|---|
| `ed25519` | signatures, RFC 8032 | cryptography |
| `sm2-sm3` | signatures, GB/T 32918 with SM3 | the system's libcrypto ≥ 3.0, else gmssl_pyx |
| `aes-256-gcm`, `sm4-gcm` | seals, RFC 5116 and RFC 8998 | cryptography |
| SHA-256, SM3, their HMACs | digests | hashlib, cryptography |
| papers | what the platform signs for others to keep, by all its keys | the signatures above |

Invariants: an algorithm belongs to a key and is never taken from a message; a bad signature or seal *raises*, so that
nobody overlooks it; all suites refuse malformed keys and signatures in every form but the standard's one.

>>> ed25519 = suite("ed25519")
>>> signer = ed25519.signer(bytes(32))
>>> key = PublicKey("ed25519", signer.public)
>>> key.checker().check(b"100 yuan", signer.sign(b"100 yuan"))
>>> key.checker().check(b"900 yuan", signer.sign(b"100 yuan"))
Traceback (most recent call last):
    ...
suyuan.base.crypto.signatures.BadSignature: the Ed25519 signature does not fit this message and key
"""

from suyuan.base.crypto.hashes import hmac_sha256, hmac_sm3, sha256, sm3
from suyuan.base.crypto.keys import PublicKey, checker, suite
from suyuan.base.crypto.paper import BadPaper, PlatformKey, Signature, check_facts, read_paper, sign_facts
from suyuan.base.crypto.seals import Aead, BadSeal, aead
from suyuan.base.crypto.signatures import BadSignature, Checker, Signer, Suite
from suyuan.base.crypto.sm2 import NoSm2

__all__ = [
    "Aead",
    "BadPaper",
    "BadSeal",
    "BadSignature",
    "Checker",
    "NoSm2",
    "PlatformKey",
    "PublicKey",
    "Signature",
    "Signer",
    "Suite",
    "aead",
    "check_facts",
    "checker",
    "hmac_sha256",
    "hmac_sm3",
    "read_paper",
    "sha256",
    "sign_facts",
    "sm3",
    "suite",
]
