"""What a stranger checks evidence with, offline: trees, notes, policies, proofs and records.

Standard library only and nothing of the writer, so that it can be read in an evening and carried away. Everything that
is not to be believed raises `BadEvidence` with a code and a sentence that names what is wrong; nothing warns.
`verify_source` joins all this into one file to hand out, and `report` says what a check has shown and what not.

| module | checks | format |
|---|---|---|
| `tree` | inclusion and consistency | RFC 9162 §2.1 |
| `note`, `checkpoint` | signatures of logs and witnesses | c2sp.org/signed-note, tlog-cosignature, tlog-checkpoint |
| `policy` | whether enough of those one trusts have signed | c2sp.org/tlog-policy |
| `proof` | one entry against a policy | c2sp.org/tlog-proof |
| `bundle`, `archive` | a zip file of records with all that belongs to them | our own; APPNOTE.TXT |
| `record` | the shown fields of an event against its entry | our own |
| `curve` | Ed25519 | RFC 8032 |

Not checked here: whether what was logged was true, and SM2 signature lines, because the standard library has no such
curve.
"""

from suyuan.evidence.check.alone import Outcome, run_verify
from suyuan.evidence.check.bundle import CheckedBundle, CheckedRecord, check_bundle
from suyuan.evidence.check.canonical import canonical, read_canonical
from suyuan.evidence.check.checkpoint import Checkpoint, read_checkpoint
from suyuan.evidence.check.curve import Ed25519Verify, ed25519_verify
from suyuan.evidence.check.note import (
    COSIGNATURE,
    ED25519,
    SM2_SM3,
    Note,
    NoteSignature,
    Signed,
    Vkey,
    check_signatures,
    cosigned_message,
    key_id,
    read_note,
    read_vkey,
)
from suyuan.evidence.check.policy import (
    CheckedCheckpoint,
    Group,
    Log,
    Policy,
    Witness,
    check_checkpoint,
    read_policy,
)
from suyuan.evidence.check.proof import CheckedProof, Proof, check_proof, read_proof, write_proof
from suyuan.evidence.check.record import OPENINGS_FORMAT, commitment, entry_of, member, record_entry
from suyuan.evidence.check.report import Said, what_was_checked, what_was_not_checked
from suyuan.evidence.check.source import verify_source
from suyuan.evidence.check.strict import decimal, from_base64, to_base64
from suyuan.evidence.check.tree import EMPTY_ROOT, check_consistency, check_inclusion, leaf_hash, node_hash
from suyuan.evidence.check.wrong import BadEvidence, Wrong

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "EMPTY_ROOT",
    "OPENINGS_FORMAT",
    "SM2_SM3",
    "BadEvidence",
    "CheckedBundle",
    "CheckedCheckpoint",
    "CheckedProof",
    "CheckedRecord",
    "Checkpoint",
    "Ed25519Verify",
    "Group",
    "Log",
    "Note",
    "NoteSignature",
    "Outcome",
    "Policy",
    "Proof",
    "Said",
    "Signed",
    "Vkey",
    "Witness",
    "Wrong",
    "canonical",
    "check_bundle",
    "check_checkpoint",
    "check_consistency",
    "check_inclusion",
    "check_proof",
    "check_signatures",
    "commitment",
    "cosigned_message",
    "decimal",
    "ed25519_verify",
    "entry_of",
    "from_base64",
    "key_id",
    "leaf_hash",
    "member",
    "node_hash",
    "read_canonical",
    "read_checkpoint",
    "read_note",
    "read_policy",
    "read_proof",
    "read_vkey",
    "record_entry",
    "run_verify",
    "to_base64",
    "verify_source",
    "what_was_checked",
    "what_was_not_checked",
    "write_proof",
]
