"""Proofs in trees: the public vectors, and laws against a tree that is built by RFC 6962's own words."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.check import (
    EMPTY_ROOT,
    BadEvidence,
    Wrong,
    check_consistency,
    check_inclusion,
    check_signatures,
    leaf_hash,
    node_hash,
    read_checkpoint,
    read_note,
    read_vkey,
)
from tests.evidence import naive_tree

ENTRIES = [b"entry %d" % number for number in range(40)]
# The library that these are from proves nothing from size 0; c2sp.org/tlog-witness asks for the empty proof there.
FROM_NOTHING = {"size1-is-zero-and-does-not-equal-size2.json", "size1-is-zero-and-size2-is-not-zero.json"}


def is_good(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except BadEvidence:
        return False
    return True


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.rglob("*.json")):
        case = json.loads(file.read_bytes())
        for name in ("root", "root1", "root2", "leafHash"):
            case[name] = base64.b64decode(case.get(name) or "")
        case["proof"] = [base64.b64decode(one) for one in case["proof"] or []]
        yield str(file.relative_to(folder)), case


def test_every_public_inclusion_vector_is_judged_as_its_authors_judge_it(vectors: Path) -> None:
    judged = 0
    for name, case in cases(vectors / "rfc6962-proofs" / "inclusion"):
        leaf, index, size, proof, root = (case[one] for one in ("leafHash", "leafIdx", "treeSize", "proof", "root"))
        assert is_good(check_inclusion, leaf, index, size, proof, root) == (not case["wantErr"]), name
        judged += 1
    assert judged == 98


def test_every_public_consistency_vector_is_judged_as_its_authors_judge_it(vectors: Path) -> None:
    judged = 0
    for name, case in cases(vectors / "rfc6962-proofs" / "consistency"):
        proof = tuple(case[one] for one in ("size1", "root1", "size2", "root2", "proof"))
        expected = not case["wantErr"] or Path(name).name in FROM_NOTHING
        assert is_good(check_consistency, *proof) == expected, name
        judged += 1
    assert judged == 98


def test_public_vectors_of_subtrees_are_inclusion_in_the_part_from_its_start(vectors: Path) -> None:
    """A subtree that begins where a full tree of its size could is a tree of its own; we have no others."""
    judged = 0
    for name, case in cases(vectors / "rfc6962-proofs" / "subtreeinclusion"):
        start, end = case["start"], case["end"]
        width = 1 << max(end - start - 1, 0).bit_length()
        is_subtree = 0 <= start < end and start % width == 0
        place = (case["leafHash"], case["leafIdx"] - start, end - start, case["proof"], case["root"])
        assert (is_subtree and is_good(check_inclusion, *place)) == (not case["wantErr"]), name
        judged += 1
    assert judged == 204


def test_the_public_log_of_15_entries_is_what_all_its_checkpoints_say(vectors: Path) -> None:
    """Each size's checkpoint is signed, its root is that of the entries, and each tree is the beginning of the next."""
    log = vectors / "tlog-tiles-log"
    key = read_vkey("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
    entries = list(entries_of((log / "tile/entries/000.p/15").read_bytes()))
    assert len(entries) == 15
    checkpoints = []
    for size in range(16):
        note = read_note((log / f"checkpoint.{size}").read_bytes())
        assert [signed.vkey for signed in check_signatures(note, [key])] == [key]
        checkpoints.append(read_checkpoint(note.text))
        assert checkpoints[-1] == (key.name, size, naive_tree.root(entries[:size]))
    assert (log / "checkpoint").read_bytes() == (log / "checkpoint.15").read_bytes()
    for old in checkpoints:
        for new in checkpoints[old.size :]:
            path = naive_tree.consistency(old.size, entries[: new.size])
            check_consistency(old.size, old.root, new.size, new.root, path)
    for index, entry in enumerate(entries):
        check_inclusion(leaf_hash(entry), index, 15, naive_tree.inclusion(index, entries), checkpoints[15].root)


def entries_of(tile: bytes) -> Iterator[bytes]:
    while tile:
        length = int.from_bytes(tile[:2], "big")
        yield tile[2 : 2 + length]
        tile = tile[2 + length :]


def test_leaves_and_nodes_are_hashed_apart() -> None:
    """The roots of RFC 6962's own reference: nothing, one empty leaf, and an empty leaf beside a zero byte."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    two = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert node_hash(leaf_hash(b""), leaf_hash(b"\0")).hex() == two


def test_every_entry_of_every_small_tree_is_proven_and_nothing_else_is() -> None:
    """Exhaustive to size 17: each proof is good for its own leaf, index and size, and for no other index or size."""
    for size in range(1, 18):
        root = naive_tree.root(ENTRIES[:size])
        for index in range(size):
            leaf, path = leaf_hash(ENTRIES[index]), naive_tree.inclusion(index, ENTRIES[:size])
            good = [place for place in range(size + 2) if is_good(check_inclusion, leaf, place, size, path, root)]
            assert good == [index]
            assert not any(is_good(check_inclusion, leaf, -one, size, path, root) for one in (1, size))


def test_every_growth_of_every_small_tree_is_proven() -> None:
    for size in range(18):
        root = naive_tree.root(ENTRIES[:size])
        for old_size in range(size + 1):
            old_root, path = naive_tree.root(ENTRIES[:old_size]), naive_tree.consistency(old_size, ENTRIES[:size])
            check_consistency(old_size=old_size, old_root=old_root, size=size, root=root, proof=path)
            if 0 < old_size < size:
                assert not is_good(check_consistency, old_size - 1 or size, old_root, size, root, path)


@given(st.data())
def test_a_proof_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(ENTRIES[index]), naive_tree.root(ENTRIES[:size])
    path = naive_tree.inclusion(index, ENTRIES[:size])
    check_inclusion(leaf, index, size, path, root)
    assert not is_good(check_inclusion, flipped(data, leaf), index, size, path, root)
    assert not is_good(check_inclusion, leaf, index, size, path, flipped(data, root))
    place = data.draw(st.integers(0, len(path) - 1))
    broken = [*path[:place], flipped(data, path[place]), *path[place + 1 :]]
    assert not is_good(check_inclusion, leaf, index, size, broken, root)


def flipped(data: st.DataObject, content: bytes) -> bytes:
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    return (int.from_bytes(content, "big") ^ 1 << bit).to_bytes(len(content), "big")


@given(st.data())
def test_a_proof_that_is_cut_lengthened_or_reordered_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(ENTRIES[index]), naive_tree.root(ENTRIES[:size])
    path = naive_tree.inclusion(index, ENTRIES[:size])
    other = data.draw(st.permutations(path))
    for broken in (path[:-1], path[1:], [*path, root], [leaf, *path], [*path, *path]):
        assert not is_good(check_inclusion, leaf, index, size, broken, root)
    assert is_good(check_inclusion, leaf, index, size, other, root) == (other == path)


@given(st.data())
def test_a_forked_log_is_not_consistent(data: st.DataObject) -> None:
    """One entry of the old tree was other than it is now, wherever it stands: no honest proof hides it."""
    size = data.draw(st.integers(2, 40))
    old_size = data.draw(st.integers(1, size - 1))
    place = data.draw(st.integers(0, old_size - 1))
    before = [*ENTRIES[:place], b"another", *ENTRIES[place + 1 :]]
    old_root, root = naive_tree.root(before[:old_size]), naive_tree.root(ENTRIES[:size])
    for path in (naive_tree.consistency(old_size, entries[:size]) for entries in (before, ENTRIES)):
        assert not is_good(check_consistency, old_size, old_root, size, root, path)
    path = naive_tree.consistency(old_size, ENTRIES[:size])
    for broken in (path[:-1], [*path, root], path[::-1] if path != path[::-1] else path[1:]):
        assert not is_good(check_consistency, old_size, naive_tree.root(ENTRIES[:old_size]), size, root, broken)


def test_a_long_proof_costs_nothing() -> None:
    """The length is looked at first, so a million hashes are refused without hashing one."""
    with pytest.raises(BadEvidence) as bad:
        check_inclusion(EMPTY_ROOT, 0, 2**63 - 1, [b"short"] * 1_000_000, EMPTY_ROOT)
    assert bad.value.code is Wrong.PROOF_LENGTH_IS_WRONG


@pytest.mark.parametrize("size", [-1, 2**63, 2**64])
def test_sizes_that_no_format_can_hold_are_refused(size: int) -> None:
    with pytest.raises(BadEvidence) as bad:
        check_inclusion(EMPTY_ROOT, 0, size, [], EMPTY_ROOT)
    assert bad.value.code is Wrong.SIZE_IS_OUT_OF_RANGE
    with pytest.raises(BadEvidence) as bad:
        check_consistency(0, EMPTY_ROOT, size, EMPTY_ROOT, [])
    assert bad.value.code is Wrong.SIZE_IS_OUT_OF_RANGE


def test_a_deep_tree_is_checked_to_its_last_entry() -> None:
    """The right edge of a tree just below 2**63 entries: its lone last leaf is hashed with all full trees before it."""
    size = 2**63 - 1
    siblings = [hashlib.sha256(b"%d" % number).digest() for number in range(62)]
    leaf = root = leaf_hash(b"last")
    for sibling in siblings:
        root = node_hash(sibling, root)
    check_inclusion(leaf, size - 1, size, siblings, root)
    assert not is_good(check_inclusion, leaf, size - 2, size, siblings, root)


def test_hashes_of_odd_lengths_cannot_be_shifted_against_each_other() -> None:
    """H(a ‖ b) is also H(a' ‖ b') with a byte moved over; so lengths are checked, of the old root too."""
    leaf, sibling = leaf_hash(b"a"), leaf_hash(b"b")
    root = node_hash(leaf, sibling)
    assert not is_good(check_inclusion, leaf + sibling[:1], 0, 2, [sibling[1:]], root)
    assert not is_good(check_consistency, 1, leaf + sibling[:1], 2, root, [sibling[1:]])
