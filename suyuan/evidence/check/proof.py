"""Proofs to carry away, as c2sp.org/tlog-proof writes them: an index, its Merkle proof, and a checkpoint.

    c2sp.org/tlog-proof@v1
    index <index>
    <base64 hash>        one a line, from the leaf's sibling up
                         an empty line
    <the checkpoint, with all its signatures>

Nothing but the file, the entry and a policy is needed to check one. A line `extra <base64>` may stand before the index;
nothing vouches for it, so it is not handed on, and `write_proof` writes none.

>>> proof = Proof(0, (), b"example.com/log\\n1\\n...")
>>> write_proof(proof)
b'c2sp.org/tlog-proof@v1\\nindex 0\\n\\nexample.com/log\\n1\\n...'
>>> read_proof(write_proof(proof)) == proof
True
"""

from __future__ import annotations

from typing import NamedTuple

from suyuan.evidence.check.checkpoint import Checkpoint
from suyuan.evidence.check.curve import Ed25519Verify, ed25519_verify
from suyuan.evidence.check.note import NOTE_BYTES_MAX, Signed, Vkey
from suyuan.evidence.check.policy import Policy, check_checkpoint
from suyuan.evidence.check.strict import decimal, from_base64, to_base64
from suyuan.evidence.check.tree import HASH_BYTES, check_inclusion, leaf_hash
from suyuan.evidence.check.wrong import BadEvidence, Wrong

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
# A tree of fewer than 2**63 entries is at most this deep.
PROOF_HASHES_MAX = 63
PROOF_BYTES_MAX = NOTE_BYTES_MAX + 64 * 1024


class Proof(NamedTuple):
    """A proof's parts, unchecked; `note` is the checkpoint as it stands in the file."""

    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody asks of a proof.
    hashes: tuple[bytes, ...]
    note: bytes


class CheckedProof(NamedTuple):
    """The entry stands at `index` of what `log` signed and `cosigned` have seen."""

    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody asks of a proof.
    checkpoint: Checkpoint
    log: Vkey
    cosigned: list[Signed]


def read_proof(text: bytes) -> Proof:
    """Raises `BadEvidence`."""
    if len(text) > PROOF_BYTES_MAX:
        raise BadEvidence(Wrong.PROOF_IS_TOO_LARGE, length=len(text), most=PROOF_BYTES_MAX)
    head, separator, note = text.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not separator or lines.pop(0) != PROOF_HEADER:
        raise BadEvidence(Wrong.PROOF_IS_MALFORMED, line=1)
    number = 2
    if lines and lines[0].startswith("extra "):
        if from_base64(lines.pop(0).removeprefix("extra ")) is None:
            raise BadEvidence(Wrong.PROOF_IS_MALFORMED, line=number)
        number += 1
    word, _, index_text = lines.pop(0).partition(" ") if lines else ("", "", "")
    index = decimal(index_text)
    if word != "index" or index is None or len(lines) > PROOF_HASHES_MAX:
        raise BadEvidence(Wrong.PROOF_IS_MALFORMED, line=number)
    return Proof(index, tuple(_read_hash(at, line) for at, line in enumerate(lines, number + 1)), note)


def _read_hash(number: int, line: str) -> bytes:
    hashed = from_base64(line)
    if hashed is None or len(hashed) != HASH_BYTES:
        raise BadEvidence(Wrong.PROOF_IS_MALFORMED, line=number)
    return hashed


def write_proof(proof: Proof) -> bytes:
    lines = [PROOF_HEADER, f"index {proof.index}", *map(to_base64, proof.hashes), "", ""]
    return "\n".join(lines).encode() + proof.note


def check_proof(proof: bytes, entry: bytes, policy: Policy, *, verify: Ed25519Verify = ed25519_verify) -> CheckedProof:
    """The entry is in a log that the policy believes. Raises `BadEvidence`."""
    given = read_proof(proof)
    checkpoint, log, cosigned = check_checkpoint(given.note, policy, verify=verify)
    check_inclusion(leaf_hash(entry), given.index, checkpoint.size, given.hashes, checkpoint.root)
    return CheckedProof(given.index, checkpoint, log, cosigned)
