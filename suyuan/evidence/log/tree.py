"""The Merkle tree of RFC 6962 (section 2.1, the same as RFC 9162's), as whoever writes a log needs it: fast, by tiles.

    leaf hash   SHA-256(00 || entry)
    node hash   SHA-256(01 || left || right)
    a tile      256 neighbouring hashes of one level; level 0 holds leaf hashes, and each hash of level n + 1 is the
                root of one full tile of level n

The *edge* of a tree is, for each level, the hashes that do not fill a tile yet. It is all that appending needs, and
together its hashes give the root. A proof names subtrees instead; where their hashes come from is the caller's
business, so that the same code proves from memory and from files.

Invariants: an edge is never changed by a look at it; what `append` gives out are full tiles that never change again;
every proof made here is accepted by `evidence.check`, whose hashing is its own, so that a mistake here is seen there.

>>> edge = Edge()
>>> edge.append([b"one", b"two", b"three"])
[]
>>> edge.size, edge.root().hex()[:16]
(3, '5aac771c899ac292')
>>> [subtree for subtree in inclusion_path(2, 3)], [subtree for subtree in consistency_path(1, 3)]
([Subtree(start=0, end=2)], [Subtree(start=1, end=2), Subtree(start=2, end=3)])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""The hash of the perfect subtree of this height at this place: entries `place << height` up to the next one's."""


class Subtree(NamedTuple):
    """Neighbouring entries, `end` excluded, whose hash stands in a proof."""

    start: int
    end: int


class FullTile(NamedTuple):
    """A tile that got its last hash."""

    level: int
    number: int
    hashes: Sequence[bytes]


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1: the first byte keeps a leaf from being taken for a node."""
    return [sha256(b"\0" + entry).digest() for entry in entries]


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The next layer up; a last hash without a neighbour is left out, since its subtree is not complete."""
    pair = iter(hashes)
    return [sha256(b"\1" + left + right).digest() for left, right in zip(pair, pair, strict=False)]


def layers(hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """A tile and the complete subtrees above it: layer `n` holds those of height `n` within the tile."""
    found = [hashes]
    while len(found[-1]) > 1:
        found.append(parents(found[-1]))
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over subtrees that stand side by side, the larger ones first; of none, the root of an empty tree."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in hashes[-2::-1]:
        root = sha256(b"\1" + left + root).digest()
    return root


class Edge:
    """The right edge of a growing tree: for each level, the hashes that do not fill a tile yet."""

    def __init__(self, size: int = 0, levels: Sequence[Sequence[bytes]] = ()) -> None:
        """An empty tree, or one of this size that goes on from these hashes (`edge_width` says how many)."""
        assert [len(level) for level in levels] == [edge_width(size, level) for level in range(level_count(size))]
        self._size = size
        self._levels = [list(level) for level in levels]

    @property
    def size(self) -> int:
        return self._size

    @property
    def levels(self) -> list[list[bytes]]:
        """The hashes of each level, to be read only."""
        return self._levels

    def copy(self) -> Edge:
        return Edge(self._size, self._levels)

    def append(self, entries: Iterable[bytes]) -> list[FullTile]:
        """Takes entries in, and gives out the tiles that this filled, on all levels."""
        leaves = leaf_hashes(entries)
        full: list[FullTile] = []
        self._add(0, leaves, full)
        self._size += len(leaves)
        return full

    def _add(self, level: int, hashes: Sequence[bytes], full: list[FullTile]) -> None:
        if not hashes:
            return
        if level == len(self._levels):
            self._levels.append([])
        number = self._size >> TILE_HEIGHT * (level + 1)
        hashes = [*self._levels[level], *hashes]
        tiles = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)]
        self._levels[level] = hashes[len(tiles) * TILE_WIDTH :]
        full += [FullTile(level, number + at, tile) for at, tile in enumerate(tiles)]
        self._add(level + 1, [layers(tile)[-1][0] for tile in tiles], full)

    def root(self) -> bytes:
        """The root over all entries so far."""
        return fold([peak for level in reversed(self._levels) for peak in _peaks(level)])


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """The largest complete subtrees of a tile from left to right, none of them the first part of a larger one."""
    return [layer[-1] for layer in reversed(layers(hashes)) if len(layer) % 2] if hashes else []


def level_count(size: int) -> int:
    """How many levels of tiles a tree of this size has."""
    return -(-size.bit_length() // TILE_HEIGHT)


def edge_width(size: int, level: int) -> int:
    """How many hashes of this level do not fill a tile."""
    return (size >> TILE_HEIGHT * level) % TILE_WIDTH


def tile_width(size: int, level: int, number: int) -> int:
    """How many hashes a tile has in a tree of this size: 256, fewer at the edge, 0 beyond."""
    return min(max((size >> TILE_HEIGHT * level) - (number << TILE_HEIGHT), 0), TILE_WIDTH)


def root_of(node: Node, size: int) -> bytes:
    """The root over the first `size` entries."""
    return subtree_hash(node, Subtree(0, size)) if size else EMPTY_ROOT


def subtree_hash(node: Node, subtree: Subtree) -> bytes:
    """The hash of a subtree as it stands in a proof: a perfect one, or the ragged end of the tree."""
    start, end = subtree
    if (end - start).bit_count() == 1:
        height = end - start
        return node(height.bit_length() - 1, start // height)
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(node(height, start >> height))
        start += 1 << height
    return fold(peaks)


def inclusion_path(index: int, size: int) -> list[Subtree]:
    """PATH of RFC 6962 section 2.1.1, from the leaf's neighbour up to the root's child."""
    assert 0 <= index < size, "an entry is proved to be in a tree that holds it"
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            path.append(Subtree(middle, end))
            end = middle
        else:
            path.append(Subtree(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, size: int) -> list[Subtree]:
    """PROOF of RFC 6962 section 2.1.2; empty where one of the trees is, or where they are the same."""
    assert 0 <= old <= size, "a tree is consistent with one that is no larger"
    if old in (0, size):
        return []
    start, end = 0, size
    path = []
    while old != end:
        middle = start + _left_width(end - start)
        if old <= middle:
            path.append(Subtree(middle, end))
            end = middle
        else:
            path.append(Subtree(start, middle))
            start = middle
    # Whoever checks knows the old tree's root, so it is named only where it is not a part of the new one.
    if start:
        path.append(Subtree(start, end))
    return path[::-1]


def _left_width(width: int) -> int:
    """The largest power of two smaller than the width: how many entries are on the left."""
    return 1 << (width - 1).bit_length() - 1
