"""Sigstore's verifier, the one that npm ships, accepts our checkpoints and inclusion proofs, and no changed one."""

from __future__ import annotations

import random
from typing import Any

from tests.evidence.conformance.second_opinions import Sigstore
from tests.evidence.conformance.written_log import WrittenLog, b64

PROOFS = 200


def asked(log: WrittenLog, index: int, **changed: Any) -> dict[str, Any]:
    """A proof in the newest tree, as the script reads it, with some of it changed."""
    hashes = log.tiles.inclusion(index, log.newest.size)
    proof = {"checkpoint": log.note.decode(), "index": index, "entry": b64(log.tiles.entry(index))}
    return {**proof, "hashes": list(map(b64, hashes)), **changed}


def test_checkpoint_and_proofs_hold(sigstore: Sigstore, written: WrittenLog) -> None:
    """The lines of SM2 and of the witnesses stand in the same note; it needs the one whose key it knows."""
    indexes = random.Random(1).sample(range(written.newest.size), PROOFS)
    assert sigstore.faults(written.vkey, [asked(written, index) for index in indexes]) == [None] * PROOFS


def test_a_changed_proof_is_refused(sigstore: Sigstore, written: WrittenLog) -> None:
    """Each with the sentence that says which check found it."""
    good = asked(written, 300)
    wrong_root = "calculated root hash does not match inclusion proof"
    wrong_key = "invalid checkpoint signature"
    changes: list[tuple[dict[str, Any], str]] = [
        ({"index": 301}, wrong_root),
        ({"index": 299}, wrong_root),
        ({"index": written.newest.size}, f"invalid index: {written.newest.size}"),
        ({"entry": b64(written.tiles.entry(301))}, wrong_root),
        ({"hashes": [good["hashes"][1], good["hashes"][0], *good["hashes"][2:]]}, wrong_root),
        ({"hashes": good["hashes"][1:]}, "invalid hash count"),
        ({"checkpoint": good["checkpoint"].replace("\n700\n", "\n701\n")}, wrong_key),
        ({"checkpoint": written.older[0].read_text("utf-8")}, "invalid index: 300"),
    ]
    faults = sigstore.faults(written.vkey, [good | changed for changed, _ in changes])
    assert faults == [fault for _, fault in changes]


def test_a_key_of_another_log_is_refused(sigstore: Sigstore, written: WrittenLog) -> None:
    foreign = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    assert sigstore.faults(foreign, [asked(written, 5)]) == ["invalid checkpoint signature"]
