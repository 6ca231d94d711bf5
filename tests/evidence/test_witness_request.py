"""A request has one form, and nothing that has another form is guessed at."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suyuan.evidence.witness.request import PROOF_LINES_MAX, REQUEST_BYTES_MAX, BadRequest, read_request, write_request
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import NOW, open_witness, remembered

HASH = "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
LOG = SmallLog()


@given(
    old=st.integers(0, (1 << 63) - 1),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=PROOF_LINES_MAX),
    note=st.binary(max_size=200),
)
def test_what_is_written_is_read(old: int, proof: list[bytes], note: bytes) -> None:
    assert read_request(write_request(old, proof, note)) == (old, tuple(proof), note)


@pytest.mark.parametrize(
    "head",
    [
        "", "old", "old ", "old  1", "old 01", "old -1", "old +1", "old 1 ", " old 1", "Old 1", "old 1\r", "old ١",
        "old 0x1", "new 1", "1", f"old {1 << 63}", "old " + "9" * 60_000, "\nold 1",
        f"old 1\n{HASH}\r", f"old 1\n {HASH}", f"old 1\n{HASH[:-1]}", f"old 1\n{HASH}=", f"old 1\n{HASH[:-2]}B=",
        f"old 1\n{HASH[4:]}", "old 1\nKgE", f"old 1\n{HASH}{HASH}", "old 1\n-_" + HASH[2:], "old 1\né",
        "old 1" + f"\n{HASH}" * (PROOF_LINES_MAX + 1),
    ],
)  # fmt: skip
def test_other_spellings_are_refused(head: str) -> None:
    """Leading zeroes, blanks, other alphabets, torn and doubled hashes, too many of them."""
    with pytest.raises(BadRequest):
        read_request(f"{head}\n\nlog.example\n".encode())


@pytest.mark.parametrize("body", [b"", b"old 1", b"old 1\n", b"old 1\nlog.example\n", bytes(100), b"\xff" * 100])
def test_without_an_empty_line_it_is_none(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_request(body)


def test_the_longest_proof_is_taken_and_the_longest_note() -> None:
    """63 hashes; and no more bytes than a witness wants to hold in memory for anybody who asks."""
    proof = [bytes(32)] * PROOF_LINES_MAX
    room = REQUEST_BYTES_MAX - len(write_request(1, proof, b""))
    assert len(read_request(write_request(1, proof, bytes(room))).note) == room
    with pytest.raises(BadRequest):
        read_request(write_request(1, proof, bytes(room + 1)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), instead=st.binary(max_size=3))
def test_no_altered_request_is_cosigned(tmp_path_factory: pytest.TempPathFactory, at: int, instead: bytes) -> None:
    """Any byte of a good request is replaced, left out or followed by others: a status below 500, and no signature."""
    witness = open_witness(tmp_path_factory.mktemp("altered"), LOG)
    good = LOG.request(0, 3)
    altered = good[:at] + instead + good[at + 1 :]
    answer = witness.add_checkpoint(altered, NOW)
    if altered == good:
        assert answer.status == 200
        return
    assert answer.status in (400, 403, 404, 409, 422)
    assert remembered(witness, LOG.origin) == 0


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_any_bytes_get_an_answer(tmp_path: Path, body: bytes) -> None:
    assert open_witness(tmp_path, LOG).add_checkpoint(body, NOW).status in (400, 404)
