"""Receipts check offline, by either key, in one encoding; who holds two of them knows nothing more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadPaper, PlatformKey
from suyuan.privacy.consent import BY_PARTNER, BY_SELLER, GIVE, REFUSE, Consent, Said, Subject, decide, recipient_of
from suyuan.privacy.consent_record import draft_record, principal_of
from suyuan.privacy.purposes import COMPARE_FACE, TELL_PARTNER_NUMBER, Purpose
from suyuan.privacy.receipt import check_receipt, sign_receipt
from suyuan.settle.voucher import BadVoucher, check_voucher
from tests.flows.house import NOTICE
from tests.privacy.test_vault import VAULT

ED25519 = PlatformKey("platform-1", crypto.suite("ed25519").signer(b"\x01" * 32))
SM2 = PlatformKey("platform-sm2", crypto.suite("sm2-sm3").signer(b"\x02" * 32))
KEYS = {key.id: crypto.PublicKey(key.signer.algorithm, key.signer.public) for key in (ED25519, SM2)}


def decided(choice: str = GIVE, purpose: Purpose = COMPARE_FACE, seller: str = "slr_1", by: str = BY_SELLER) -> Consent:
    subject = Subject(seller, purpose, recipient_of(purpose, "ptn_1"))
    draft = draft_record(
        VAULT, NOTICE, subject, partner="ptn_1", recipient_name="", language="en", origin="https://api.example.com"
    )
    row = decide(None, subject, Said(choice, NOTICE.version, "en", draft, by, 7))
    assert isinstance(row, Consent)
    return row


PAPER = sign_receipt(decided(), [ED25519, SM2]).content


def test_either_key_alone_is_enough_to_check() -> None:
    for key_id, key in KEYS.items():
        assert check_receipt(PAPER, {key_id: key}).is_given


def test_a_receipt_holds_what_the_standard_asks_for_by_its_names() -> None:
    told = wire.canonical_record(check_receipt(PAPER, KEYS)).decode()
    names = set(re.findall(r'"([a-z_]+)":', told))
    assert names >= {
        "schema_version", "record_id", "pii_principal_id", "privacy_notice", "language", "purposes", "lawful_basis",
        "pii_information", "pii_controllers", "recipients", "collection_method", "processing_method",
        "storage_locations", "retention_period", "withdrawal", "events", "event_time", "event_type", "party_id",
    }  # fmt: skip
    assert "slr_1" not in told


def test_a_refusal_has_a_receipt_too() -> None:
    receipt = check_receipt(sign_receipt(decided(REFUSE, by=BY_PARTNER), [ED25519]).content, KEYS)
    assert not receipt.is_given
    assert [(event.event_type, event.entity_id) for event in receipt.events] == [("consent_refused", BY_PARTNER)]


@given(st.integers(0, 5_000), st.integers(1, 255))
def test_every_changed_byte_is_found(at: int, change: int) -> None:
    paper = bytearray(PAPER)
    paper[at % len(paper)] ^= change
    with pytest.raises((BadPaper, crypto.BadSignature)):
        check_receipt(bytes(paper), KEYS)


@given(st.binary(max_size=200))
def test_noise_is_no_receipt(noise: bytes) -> None:
    with pytest.raises(BadPaper, match="receipt"):
        check_receipt(noise, KEYS)


@pytest.mark.parametrize("paper", [b"", b"[" * 100_000, PAPER[:-1], PAPER.replace(b":", b": ", 1), PAPER * 2])
def test_what_is_torn_or_respelled_is_no_receipt(paper: bytes) -> None:
    with pytest.raises(BadPaper):
        check_receipt(paper, KEYS)


def test_a_receipt_by_nobody_known_is_not_believed() -> None:
    with pytest.raises(crypto.BadSignature, match="no signature of this receipt"):
        check_receipt(PAPER, {})


def test_a_receipt_is_no_voucher() -> None:
    """The same keys sign both, and neither reads as the other."""
    with pytest.raises(BadVoucher):
        check_voucher(PAPER, KEYS)


def test_a_person_has_another_name_for_each_partner_and_recipient() -> None:
    """And the very same one each time, so that one holder's receipts belong together."""
    subjects = [Subject("slr_1", COMPARE_FACE, "face_check"), Subject("slr_1", TELL_PARTNER_NUMBER, "ptn_1")]
    subjects += [Subject("slr_2", COMPARE_FACE, "face_check")]
    names = [principal_of(VAULT, subject, partner) for subject in subjects for partner in ("ptn_1", "ptn_2")]
    assert len(set(names)) == len(names)
    assert principal_of(VAULT, subjects[0], "ptn_1") == names[0]


def test_the_language_is_the_one_in_which_it_was_shown() -> None:
    assert check_receipt(PAPER, KEYS).purposes[0].purpose_text == COMPARE_FACE.en
