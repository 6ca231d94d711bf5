"""A log of a few entries with a key of its own: trees and proofs by the recursive definitions of RFC 6962 §2.1.

Written as the RFC has them, and apart from the package, so that the two can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from suyuan.base.crypto import Signer, suite
from suyuan.evidence.check import Vkey
from suyuan.evidence.log.note import checkpoint_text, ed25519_signer
from suyuan.evidence.witness.request import write_request


@dataclass(frozen=True)
class SmallLog:
    """A log whose n-th entry is the text of n, but from `forked_at` on another text."""

    origin: str = "log.example/2026"
    secret: bytes = b"l" * 32
    forked_at: int = 1 << 62

    @property
    def signer(self) -> Signer:
        return suite("ed25519").signer(self.secret)

    @property
    def vkey(self) -> Vkey:
        return ed25519_signer(self.origin, self.signer).vkey

    def root(self, size: int) -> bytes:
        return root(self._leaves(size))

    def proof(self, old: int, size: int) -> list[bytes]:
        """That the tree of `size` entries begins with that of `old`."""
        return _subproof(old, self._leaves(size), is_whole=True) if 0 < old < size else []

    def note(self, size: int, *, root: bytes | None = None) -> bytes:
        """A signed checkpoint; with any root, since a log can sign what it likes."""
        return self.signed(checkpoint_text(self.origin, size, root or self.root(size)))

    def signed(self, text: bytes) -> bytes:
        return text + b"\n" + ed25519_signer(self.origin, self.signer).line(text)

    def request(self, old: int, size: int) -> bytes:
        """What is sent to a witness whose newest checkpoint has `old` entries."""
        return write_request(old, self.proof(old, size), self.note(size))

    def _leaves(self, size: int) -> list[bytes]:
        entries = [b"%d" % n if n < self.forked_at else b"%d, forked" % n for n in range(size)]
        return [hashlib.sha256(b"\0" + entry).digest() for entry in entries]


def root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = _split(len(leaves))
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def _subproof(old: int, leaves: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if is_whole else [root(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*_subproof(old, leaves[:k], is_whole=is_whole), root(leaves[k:])]
    return [*_subproof(old - k, leaves[k:], is_whole=False), root(leaves[:k])]


def _split(count: int) -> int:
    """The largest power of two below the count."""
    return 1 << (count - 1).bit_length() - 1
