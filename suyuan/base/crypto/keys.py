"""Public keys as people and records hold them, and the one place that knows the suites by name.

Format: `<suite>:<unpadded base64url>`, for example `ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo`. Each key has
exactly one such text.

>>> key = PublicKey.parse("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
>>> key.algorithm, len(key.raw), key.text() == str(key)
('ed25519', 32, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from suyuan.base import wire
from suyuan.base.crypto.ed25519 import Ed25519Suite
from suyuan.base.crypto.signatures import BadSignature, Checker, Suite
from suyuan.base.crypto.sm2 import Sm2Suite

SUITES: dict[str, Suite] = {suite.name: suite for suite in (Ed25519Suite(), Sm2Suite())}
LOADED_KEYS_MAX = 8192


def suite(name: str) -> Suite:
    """The suite of this name. Raises `ValueError`, since the name comes from our own records."""
    if name not in SUITES:
        raise ValueError(f"no signature suite is called {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]


@lru_cache(LOADED_KEYS_MAX)
def checker(algorithm: str, public: bytes) -> Checker:
    """A loaded public key, kept for the next time. Raises `BadSignature` for bytes that are no such key."""
    return suite(algorithm).checker(public)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key together with the one algorithm that it may be used with."""

    algorithm: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Reads a key's text. Raises `ValueError` for anything that `text` would not have written."""
        algorithm, mark, encoded = text.partition(":")
        if not mark or algorithm not in SUITES:
            raise ValueError(f"a public key is written as one of {', '.join(SUITES)}, a colon and base64url")
        raw = wire.unb64(encoded)
        try:
            checker(algorithm, raw)
        except BadSignature as bad:
            raise ValueError(str(bad)) from bad
        return cls(algorithm, raw)

    def text(self) -> str:
        return f"{self.algorithm}:{wire.b64(self.raw)}"

    def checker(self) -> Checker:
        """The loaded key. Raises `BadSignature`."""
        return checker(self.algorithm, self.raw)

    __str__ = text
