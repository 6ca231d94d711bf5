"""Merkle trees as RFC 6962 §2.1 defines them, word for word and as slowly: an oracle for everything that is quicker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def root(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n]), §2.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\x01" + root(entries[:k]) + root(entries[k:])).digest()


def split(size: int) -> int:
    """The largest power of two smaller than the size."""
    return 1 << (size - 1).bit_length() - 1


def inclusion(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]), §2.1.1."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if index < k:
        return [*inclusion(index, entries[:k]), root(entries[k:])]
    return [*inclusion(index - k, entries[k:]), root(entries[:k])]


def consistency(old_size: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), §2.1.2; from nothing to anything it is empty, as c2sp.org/tlog-witness has it."""
    return _subproof(old_size, entries, is_whole=True) if old_size else []


def _subproof(old_size: int, entries: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    if old_size == len(entries):
        return [] if is_whole else [root(entries)]
    k = split(len(entries))
    if old_size <= k:
        return [*_subproof(old_size, entries[:k], is_whole=is_whole), root(entries[k:])]
    return [*_subproof(old_size - k, entries[k:], is_whole=False), root(entries[:k])]
