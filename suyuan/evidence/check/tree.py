"""Merkle trees of RFC 9162 §2.1 with SHA-256 (the trees of RFC 6962): proofs checked, hash by hash.

A leaf is hashed behind a 0x00 and a node behind a 0x01, so that neither can be taken for the other. Before anything is
hashed, an index must be inside the tree and a proof must have exactly the length that index and size ask for.

>>> left, right = leaf_hash(b"paid"), leaf_hash(b"refused")
>>> root = node_hash(left, right)
>>> check_inclusion(right, 1, 2, [left], root)
>>> check_inclusion(right, 0, 2, [left], root)
Traceback (most recent call last):
    ...
suyuan.evidence.check.wrong.BadEvidence: Entry 0 is not in the tree of 2 entries: its proof leads to another root.
>>> check_consistency(old_size=1, old_root=left, size=2, root=root, proof=[right])
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from suyuan.evidence.check.wrong import BadEvidence, Wrong

HASH_BYTES = 32
# The formats count entries in 64 bits with a sign.
SIZE_END = 2**63

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """The entry with this leaf hash stands at this index of the tree: RFC 9162 §2.1.3.2. Raises `BadEvidence`."""
    if not 0 <= size < SIZE_END:
        raise BadEvidence(Wrong.SIZE_IS_OUT_OF_RANGE, size=size)
    if not 0 <= index < size:
        raise BadEvidence(Wrong.INDEX_IS_OUT_OF_RANGE, index=index, size=size)
    _check_length(len(proof), _inclusion_length(index, size))
    _check_hashes((leaf, *proof))
    here, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if here & 1 or here == last:
            hashed = node_hash(sibling, hashed)
            here, last = _up_to_odd(here, last)
        else:
            hashed = node_hash(hashed, sibling)
        here, last = here >> 1, last >> 1
    if hashed != root:
        raise BadEvidence(Wrong.INCLUSION_LEADS_ELSEWHERE, index=index, size=size)


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """The old tree is the beginning of this one: RFC 9162 §2.1.4.2. Raises `BadEvidence`.

    Every tree begins with the empty one, so from size 0 only the empty proof is good, and the old root is not asked.
    """
    if not 0 <= size < SIZE_END:
        raise BadEvidence(Wrong.SIZE_IS_OUT_OF_RANGE, size=size)
    if not 0 <= old_size <= size:
        raise BadEvidence(Wrong.TREE_HAS_SHRUNK, old_size=old_size, size=size)
    _check_length(len(proof), _consistency_length(old_size, size))
    if size == 0 and root != EMPTY_ROOT:
        raise BadEvidence(Wrong.EMPTY_TREE_HAS_ANOTHER_ROOT)
    if old_size == size and old_root != root:
        raise BadEvidence(Wrong.ROOTS_OF_ONE_SIZE_DIFFER, size=size)
    if 0 < old_size < size:
        _check_growth(old_size, old_root, size, root, proof)


def _check_growth(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    _check_hashes((old_root, *proof))
    # A full old tree is a node of the new one, so its root is the first hash and is not sent.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    here, last = old_size - 1, size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if here & 1 or here == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            here, last = _up_to_odd(here, last)
        else:
            new = node_hash(new, sibling)
        here, last = here >> 1, last >> 1
    if old != old_root:
        raise BadEvidence(Wrong.CONSISTENCY_LEADS_FROM_ELSEWHERE, old_size=old_size, size=size)
    if new != root:
        raise BadEvidence(Wrong.CONSISTENCY_LEADS_ELSEWHERE, old_size=old_size, size=size)


def _up_to_odd(here: int, last: int) -> tuple[int, int]:
    """Past the levels on which the right edge of the tree has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _inclusion_length(index: int, size: int) -> int:
    """Levels below the place where the ways to this leaf and to the last one part, and left siblings above it."""
    below = (index ^ (size - 1)).bit_length()
    return below + (index >> below).bit_count()


def _consistency_length(old_size: int, size: int) -> int:
    if old_size in (0, size):
        return 0
    full_levels = (old_size & -old_size).bit_length() - 1
    is_full_tree = old_size == 1 << full_levels
    return _inclusion_length(old_size - 1, size) - full_levels + (0 if is_full_tree else 1)


def _check_length(given: int, needed: int) -> None:
    if given != needed:
        raise BadEvidence(Wrong.PROOF_LENGTH_IS_WRONG, given=given, needed=needed)


def _check_hashes(hashes: Iterable[bytes]) -> None:
    for position, hashed in enumerate(hashes):
        if len(hashed) != HASH_BYTES:
            raise BadEvidence(Wrong.HASH_LENGTH_IS_WRONG, position=position, length=len(hashed))
