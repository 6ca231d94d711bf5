"""Proofs to carry away: c2sp.org/tlog-proof files, read, written and checked against a policy."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.check import BadEvidence, Proof, Wrong, check_proof, read_policy, read_proof, write_proof
from tests.evidence.check import made_bundle
from tests.evidence.check.signers import LOG, NEUTRAL, PARTNER_A, POLICY, NoteSigner

HEADER = "c2sp.org/tlog-proof@v1"
HASHES = tuple(hashlib.sha256(text).digest() for text in (b"hash1", b"hash2"))
TRUSTED = read_policy(POLICY)
GOOD = made_bundle.proof(4, made_bundle.checkpoint(11))


def code_of(proof: bytes, entry: bytes = made_bundle.ENTRIES[4]) -> Wrong | None:
    try:
        check_proof(proof, entry, TRUSTED)
    except BadEvidence as bad:
        return bad.code
    return None


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (
            Proof(5, HASHES, b"test checkpoint\n"),
            f"{HEADER}\nindex 5\n{b64encode(HASHES[0]).decode()}\n{b64encode(HASHES[1]).decode()}\n\ntest checkpoint\n",
        ),
        (Proof(0, (), b"checkpoint\n"), f"{HEADER}\nindex 0\n\ncheckpoint\n"),
        (Proof(123, HASHES[:1], b"a\n\nb\n"), f"{HEADER}\nindex 123\n{b64encode(HASHES[0]).decode()}\n\na\n\nb\n"),
    ],
)
def test_proofs_are_written_as_transparency_dev_writes_them(proof: Proof, text: str) -> None:
    """transparency-dev/formats, proof/tlog_proof_test.go."""
    assert write_proof(proof) == text.encode()
    assert read_proof(text.encode()) == proof


def test_extra_words_of_others_are_passed_over() -> None:
    """The specification allows one line of them, and trusts it with nothing."""
    extra = b64encode(b"extra information").decode()
    assert read_proof(f"{HEADER}\nextra {extra}\nindex 10\n\ncheckpoint\n".encode()).index == 10
    assert code_of(GOOD.replace(b"index", f"extra {extra}\nindex".encode())) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("wrong-header\nindex 0\n\ncheckpoint\n", 1),
        (f"{HEADER}\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n", 2),
        (f"{HEADER}\nextra AA==\nextra AA==\nindex 0\n\ncheckpoint\n", 3),
        (f"{HEADER}\n\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex notanumber\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex -5\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex 05\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex 9223372036854775808\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex  5\n\ncheckpoint\n", 2),
        (f"{HEADER}\nindex 0\n!!notbase64!!\n\ncheckpoint\n", 3),
        (f"{HEADER}\nindex 0\n{b64encode(bytes(64)).decode()}\n\ncheckpoint\n", 3),
        (f"{HEADER}\nindex 0\n{b64encode(bytes(31)).decode()}\n\ncheckpoint\n", 3),
        (f"{HEADER}\nindex 0\n{'a' * 65 * 1024}\n\ncheckpoint\n", 3),
        (f"{HEADER}\nindex 0\n" + f"{b64encode(bytes(32)).decode()}\n" * 64 + "\ncheckpoint\n", 2),
        (f"{HEADER}\r\nindex 0\r\n\r\ncheckpoint\r\n", 1),
        (f"{HEADER}\nindex 0\n", 1),
        (f"{HEADER}\nextra AA==\n\ncheckpoint\n", 3),
        (f"\n{HEADER}\nindex 0\n\ncheckpoint\n", 1),
        ("", 1),
    ],
)
def test_files_that_are_no_proof_are_refused_with_the_line(text: str, line: int) -> None:
    with pytest.raises(BadEvidence, match=f"^Line {line} ") as bad:
        read_proof(text.encode())
    assert bad.value.code is Wrong.PROOF_IS_MALFORMED


def test_each_entry_is_proven_against_each_later_checkpoint() -> None:
    for size in range(1, 12):
        note = made_bundle.checkpoint(size)
        for index in range(size):
            checked = check_proof(made_bundle.proof(index, note, size), made_bundle.ENTRIES[index], TRUSTED)
            assert (checked.index, checked.checkpoint.size, checked.log) == (index, size, LOG.vkey)


def test_another_entry_index_or_checkpoint_is_refused() -> None:
    """A swapped entry, a wrong index, a replayed old checkpoint, and one of a log that forked."""
    assert code_of(GOOD) is None
    assert code_of(GOOD, made_bundle.ENTRIES[5]) is Wrong.INCLUSION_LEADS_ELSEWHERE
    assert code_of(GOOD.replace(b"index 4\n", b"index 5\n")) is Wrong.INCLUSION_LEADS_ELSEWHERE
    assert code_of(GOOD.replace(b"index 4\n", b"index 11\n")) is Wrong.INDEX_IS_OUT_OF_RANGE
    assert code_of(made_bundle.proof(4, made_bundle.checkpoint(5))) is Wrong.PROOF_LENGTH_IS_WRONG
    assert code_of(made_bundle.proof(4, made_bundle.checkpoint(4))) is Wrong.INDEX_IS_OUT_OF_RANGE
    forked = made_bundle.checkpoint(11).replace(b"\n11\n", b"\n12\n")
    assert code_of(made_bundle.proof(4, forked)) is Wrong.SIGNATURE_IS_BAD


def test_a_stripped_witness_or_a_foreign_key_is_refused() -> None:
    one = made_bundle.proof(4, made_bundle.checkpoint(11, LOG, PARTNER_A))
    assert code_of(one) is Wrong.QUORUM_IS_MISSED
    foreign = NoteSigner(LOG.name, seed=b"f" * 32)
    forged = made_bundle.proof(4, made_bundle.checkpoint(11, foreign, NEUTRAL, PARTNER_A))
    assert code_of(forged) is Wrong.LOG_HAS_NOT_SIGNED


def test_a_proof_may_be_as_deep_as_a_tree_can_be() -> None:
    deepest = Proof(2**63 - 2, HASHES[:1] * 63, b"note")
    assert read_proof(write_proof(deepest)) == deepest


def test_a_proof_without_end_is_not_read() -> None:
    assert code_of(GOOD + b"x" * 2_000_000) is Wrong.PROOF_IS_TOO_LARGE


@given(st.data())
def test_no_bit_of_a_proof_can_be_flipped_but_in_the_name_of_an_ignored_line(data: st.DataObject) -> None:
    """Up to the signatures everything counts; a flipped signature line is bad, or names a key that nobody knows."""
    end = GOOD.rindex(b"\n\n")
    content = bytearray(GOOD)
    bit = data.draw(st.integers(0, end * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    assert code_of(bytes(content)) is not None


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(content: bytes) -> None:
    for text in (content, HEADER.encode() + b"\n" + content):
        assert code_of(text) is not None


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary(max_size=99))
def test_what_is_written_is_read_back(index: int, hashes: list[bytes], note: bytes) -> None:
    proof = Proof(index, tuple(hashes), note)
    assert read_proof(write_proof(proof)) == proof
