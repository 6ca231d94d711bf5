"""A partner holds a voucher against the public log, offline, by a policy of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from suyuan.evidence.check import Wrong
from suyuan.evidence.records.commitment import OPEN_GROUP
from suyuan.evidence.records.opening import names_of
from suyuan.faces.sdk import (
    BadEvidence,
    EventProof,
    ProofsDisagree,
    RedemptionProofs,
    Refused,
    check_proofs,
    check_voucher_by_log,
    read_policy,
)
from suyuan.history.events import PayoutPaid
from suyuan.settle.voucher import Voucher
from tests.evidence.bundles import AT, FOREIGN, LOG_KEY, LOG_SM2, POLICY, WITNESSES, SmallLog, paid, taken
from tests.faces.sdk.test_platform import CARD, met

PINNED = read_policy(POLICY)
VOUCHER = Voucher(
    redemption="rdm_1", partner="ptn_1", seller="slr_1", operator="cmcc", face_fen=10_000, paid=8000, fee_fen=2000,
    rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer", reference="B-1", taken_seq=10,
    taken_at=AT, paid_at=AT + 1, origin="https://api.example.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def log() -> SmallLog:
    return SmallLog()


def proofs_of(log: SmallLog, places: Sequence[int] = (0, 1), **words: Any) -> RedemptionProofs:
    """What a platform hands out: the open members alone."""
    exhibits = [log.exhibit(place, _open_names(log, place), **words) for place in places]
    return RedemptionProofs(
        tuple(
            EventProof(one.seq, one.opened.record.decode(), one.opened.openings.decode(), one.proof.decode(), True)
            for one in exhibits
        )
    )


def _open_names(log: SmallLog, place: int) -> list[str]:
    record = log.records[place]
    return [name for name, group in zip(names_of(record), record.groups, strict=True) if group == OPEN_GROUP]


def test_a_voucher_that_the_log_tells_too_is_good(log: SmallLog) -> None:
    checked = check_voucher_by_log(VOUCHER, proofs_of(log), PINNED)
    assert [(one.seq, one.record["kind"]) for one in checked] == [(10, "redemption_taken/1"), (11, "payout_paid/1")]
    assert {signed.vkey.name for one in checked for signed in one.proof.cosigned} == {one.name for one in WITNESSES}
    assert "seller" not in checked[0].record, "a person was shown"


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ({"paid": 7000, "fee_fen": 3000}, "event 10 differ in paid, fee_fen"),
        ({"operator": "telecom"}, "event 10 differ in operator"),
        ({"taken_seq": 9}, "event 10 differ in seq"),
        ({"reference": "B-2"}, "event 11 differ in reference"),
        ({"paid_at": AT}, "event 11 differ in at"),
        ({"debt_fen": 1000}, "event 10 differ in debt_fen"),
        ({"redemption": "rdm_2"}, "it is not one of rdm_2"),
    ],
)
def test_a_voucher_that_tells_another_story_is_found_out(log: SmallLog, said: dict[str, Any], differs: str) -> None:
    """Both are signed by the platform, so whoever holds both can show that it said two things."""
    with pytest.raises(ProofsDisagree, match=differs):
        check_voucher_by_log(msgspec.structs.replace(VOUCHER, **said), proofs_of(log), PINNED)


def test_what_went_to_an_old_debt_was_not_paid_out_and_the_two_agree() -> None:
    log = SmallLog((msgspec.structs.replace(taken(1), debt_fen=500), PayoutPaid("rdm_1", "B-1", 7500, "money")))
    check_voucher_by_log(msgspec.structs.replace(VOUCHER, debt_fen=500), proofs_of(log), PINNED)


def test_half_of_the_story_is_not_enough(log: SmallLog) -> None:
    for place, missing in ((0, "no payout_paid/1 of rdm_1 yet"), (1, "no redemption_taken/1 of rdm_1 yet")):
        with pytest.raises(ProofsDisagree, match=missing):
            check_voucher_by_log(VOUCHER, proofs_of(log, [place]), PINNED)
    assert check_proofs(RedemptionProofs(()), "rdm_1", PINNED) == []


def test_an_event_of_another_redemption_proves_nothing_of_this_one(log: SmallLog) -> None:
    with pytest.raises(ProofsDisagree, match="event 13 is proven, but it is not one of rdm_1"):
        check_proofs(proofs_of(log, [0, 3]), "rdm_1", PINNED)


def _forged(event: EventProof, **members: Any) -> EventProof:
    return msgspec.structs.replace(event, **members)


def test_nothing_is_believed_that_the_log_and_its_witnesses_do_not_vouch_for(log: SmallLog) -> None:
    """The platform's own word, that it is cosigned, counts for nothing."""
    event = proofs_of(log, [1]).events[0]
    lies = {
        Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED: _forged(event, record=event.record.replace("8000", "9000")),
        Wrong.RECORD_IS_MALFORMED: _forged(event, record=event.record + " "),
        Wrong.OPENINGS_ARE_MALFORMED: _forged(event, openings=""),
        Wrong.PROOF_IS_MALFORMED: _forged(event, proof="\ud800".encode("utf-8", "replace").decode()),
        Wrong.QUORUM_IS_MISSED: proofs_of(log, [1], note=log.note(signers=(LOG_KEY, LOG_SM2, WITNESSES[0]))).events[0],
        Wrong.LOG_HAS_NOT_SIGNED: proofs_of(log, [1], note=log.note(signers=(FOREIGN, *WITNESSES))).events[0],
    }
    for code, lie in lies.items():
        with pytest.raises(BadEvidence) as bad:
            check_proofs(RedemptionProofs((lie,)), "rdm_1", PINNED)
        assert bad.value.code is code


def test_proofs_come_by_the_sdk_and_a_redemption_that_is_not_sealed_yet_is_a_refusal() -> None:
    with met() as (twin, platform):
        answer = platform.redeem_card(**CARD)
        assert not isinstance(answer, Refused)
        log = SmallLog((msgspec.structs.replace(taken(1), redemption=answer.redemption), paid(1)))
        early = platform.proofs(answer.redemption)
        assert isinstance(early, Refused)
        assert early.code == "event_is_not_sealed_yet"
        twin.proofs[answer.redemption] = msgspec.to_builtins(proofs_of(log, [0]))
        came = platform.proofs(answer.redemption)
        assert isinstance(came, RedemptionProofs)
        (checked,) = check_proofs(came, answer.redemption, PINNED)
        assert checked.record["face_fen"] == 10_000
