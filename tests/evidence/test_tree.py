"""The writer's tree against the definition in RFC 6962, word by word, and against the checker's own hashing."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.evidence import check
from suyuan.evidence.log.tree import (
    TILE_WIDTH,
    Edge,
    consistency_path,
    edge_width,
    inclusion_path,
    leaf_hashes,
    level_count,
    root_of,
    subtree_hash,
    tile_width,
)

ENTRIES = [b"entry %d" % index for index in range(70_000)]
LEAVES = leaf_hashes(ENTRIES)

SIZES = st.one_of(
    st.integers(0, 600),
    st.sampled_from([255, 256, 257, 511, 512, 513]),
    st.sampled_from([65_279, 65_280, 65_535, 65_536, 65_537, 65_792, 69_999]),
)

# The eight inputs and the roots of their beginnings that the tests of Certificate Transparency use.
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.2."""
    if m == len(leaves):
        return [] if is_whole else [mth(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return [*subproof(m, leaves[:k], is_whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


@cache
def node(height: int, place: int) -> bytes:
    """A perfect subtree's hash from the leaves themselves."""
    return mth(LEAVES[place << height : (place + 1) << height])


@cache
def root(size: int) -> bytes:
    """The root that the definition gives."""
    return mth(LEAVES[:size])


def grown(cuts: list[int]) -> Edge:
    """A tree that got its entries up to each of these sizes."""
    edge = Edge()
    for end in sorted(cuts):
        edge.append(ENTRIES[edge.size : end])
    return edge


def test_the_roots_of_certificate_transparency_come_out() -> None:
    edge = Edge()
    assert edge.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for content, expected in zip(CT_INPUTS, CT_ROOTS, strict=True):
        edge.append([bytes.fromhex(content)])
        assert edge.root().hex() == expected


@given(st.lists(SIZES, min_size=1, max_size=6))
@settings(max_examples=40)
def test_a_root_is_the_same_however_the_entries_came(cuts: list[int]) -> None:
    edge = grown(cuts)
    assert edge.size == max(cuts)
    assert edge.root() == root(max(cuts))


@given(st.lists(SIZES, min_size=1, max_size=4))
@settings(max_examples=40)
def test_every_full_tile_is_given_out_once_and_in_order(cuts: list[int]) -> None:
    edge = Edge()
    full = [tile for end in sorted(cuts) for tile in edge.append(ENTRIES[edge.size : max(end, edge.size)])]
    for level in range(level_count(edge.size)):
        numbers = [tile.number for tile in full if tile.level == level]
        assert numbers == list(range(edge.size >> 8 * (level + 1)))
    for tile in full[-3:]:
        span = 1 << 8 * tile.level
        start = tile.number * TILE_WIDTH * span
        assert list(tile.hashes) == [mth(LEAVES[at : at + span]) for at in range(start, start + 256 * span, span)]


@given(SIZES)
def test_an_edge_goes_on_from_its_hashes(size: int) -> None:
    edge = grown([size])
    again = Edge(size, edge.levels)
    copied = edge.copy()
    edge.append(ENTRIES[size : size + 300])
    again.append(ENTRIES[size : size + 300])
    assert again.root() == edge.root()
    assert copied.root() == root(size), "a copy does not grow along"


def test_an_edge_that_is_not_of_its_size_is_refused() -> None:
    with pytest.raises(AssertionError):
        Edge(3, [LEAVES[:2]])
    with pytest.raises(AssertionError):
        Edge(256, [[]])


@given(size=SIZES.filter(bool), choice=st.integers(0, 69_999))
def test_an_inclusion_proof_is_the_one_of_the_rfc_and_is_believed(size: int, choice: int) -> None:
    index = choice % size
    proof = [subtree_hash(node, subtree) for subtree in inclusion_path(index, size)]
    assert root_of(node, size) == root(size)
    check.check_inclusion(check.leaf_hash(ENTRIES[index]), index, size, proof, root(size))
    if size < 1_000:
        assert proof == path(index, LEAVES[:size])


@given(size=SIZES, choice=st.integers(0, 70_000))
def test_a_consistency_proof_is_the_one_of_the_rfc_and_is_believed(size: int, choice: int) -> None:
    old = choice % (size + 1)
    proof = [subtree_hash(node, subtree) for subtree in consistency_path(old, size)]
    check.check_consistency(old, root(old), size, root(size), proof)
    if old > 0 and size < 1_000:
        assert proof == subproof(old, LEAVES[:size], True)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_entry_outside_a_tree_is_proved_to_be_in_it(index: int, size: int) -> None:
    with pytest.raises(AssertionError):
        inclusion_path(index, size)


def test_the_widths_are_those_of_the_specification() -> None:
    """c2sp.org/tlog-tiles works out a tree of 70,000 entries, and one of 256."""
    assert [70_000 >> 8 * (level + 1) for level in range(level_count(70_000))] == [273, 1, 0]
    assert [edge_width(70_000, level) for level in range(level_count(70_000))] == [112, 17, 1]
    assert [edge_width(256, level) for level in range(level_count(256))] == [0, 1]
    assert [tile_width(70_000, 0, number) for number in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert level_count(0) == 0
