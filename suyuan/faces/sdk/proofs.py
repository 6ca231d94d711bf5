"""Proofs of a redemption by the public log, checked offline against a policy that the partner has pinned.

A voucher is the platform's word, and a signed word can be given twice. The log is what everybody sees: once enough
witnesses have cosigned it, what it says of a redemption can no longer be told otherwise to anybody. So a partner keeps
both, and `check_voucher_by_log` finds out where they differ:

    policy = read_policy(Path("suyuan.tlog-policy").read_bytes())  # From the witnesses, and kept; not asked for now.
    proofs = platform.proofs("rdm_…")
    check_voucher_by_log(check_voucher(paper, keys), proofs, policy)

Nothing is believed on the platform's word: each record is checked against its commitments, these against the leaf, the
leaf against a checkpoint, and that against the log's key and the quorum of witnesses. Records hold no personal data.
"""

from __future__ import annotations

from suyuan.evidence.check import CheckedRecord, Policy, check_proof, read_canonical, record_entry
from suyuan.faces.sdk.records import RedemptionProofs
from suyuan.settle.voucher import Voucher

TAKEN, PAID = "redemption_taken/1", "payout_paid/1"


class ProofsDisagree(Exception):
    """Raised where good proofs are of something else, or tell another story than the voucher. Keep both, and ask."""


def check_proofs(proofs: RedemptionProofs, redemption: str, policy: Policy) -> list[CheckedRecord]:
    """The events of a redemption as the log has them. Raises `BadEvidence` and `ProofsDisagree`.

    `BadEvidence` with the code `quorum_is_missed` may only mean that the witnesses have yet to come: ask again.
    """
    checked = []
    for event in proofs.events:
        record = event.record.encode()
        entry = record_entry(record, event.openings.encode())
        proof = check_proof(event.proof.encode(), entry, policy)
        members = read_canonical(record) or {}
        if (members.get("redemption"), members.get("seq")) != (redemption, event.seq):
            raise ProofsDisagree(f"event {event.seq} is proven, but it is not one of {redemption}")
        checked.append(CheckedRecord(event.seq, members, proof))
    return checked


def check_voucher_by_log(voucher: Voucher, proofs: RedemptionProofs, policy: Policy) -> list[CheckedRecord]:
    """The same, if the log tells what the voucher tells. Raises `BadEvidence` and `ProofsDisagree`."""
    checked = check_proofs(proofs, voucher.redemption, policy)
    missing = {TAKEN, PAID} - {one.record.get("kind") for one in checked}
    if missing:
        raise ProofsDisagree(f"the log has no {' and no '.join(sorted(missing))} of {voucher.redemption} yet")
    for one in checked:
        if against := voucher.differs_from(one.record):
            raise ProofsDisagree(f"voucher and event {one.seq} differ in {', '.join(against)}")
    return checked
