"""Vouchers check offline: by the platform's keys, in one encoding, with amounts that add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto, wire
from suyuan.base.crypto import PlatformKey, Signature
from suyuan.settle.voucher import BadVoucher, Paper, Voucher, check_voucher, sign_voucher

ED25519 = PlatformKey("platform-1", crypto.suite("ed25519").signer(b"\x01" * 32))
SM2 = PlatformKey("platform-sm2", crypto.suite("sm2-sm3").signer(b"\x02" * 32))
KEYS = {key.id: crypto.PublicKey(key.signer.algorithm, key.signer.public) for key in (ED25519, SM2)}
VOUCHER = Voucher(
    redemption="rdm_1", partner="ptn_1", seller="slr_1", operator="cmcc", face_fen=100_00, paid=80_00, fee_fen=20_00,
    rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer", reference="B-1", taken_seq=7, taken_at=1,
    paid_at=2, origin="https://api.example.com",
)  # fmt: skip


def test_either_key_alone_is_enough_to_check() -> None:
    """Whoever may use only national cryptography checks the SM2 signature, others the Ed25519 one."""
    paper = sign_voucher(VOUCHER, [ED25519, SM2])
    for key_id, key in KEYS.items():
        assert check_voucher(paper, {key_id: key}) == VOUCHER
    assert check_voucher(paper, KEYS) == VOUCHER


def test_a_bad_signature_by_a_known_key_is_not_outvoted() -> None:
    """One good signature does not make up for a bad one: something is wrong, and nobody should go on."""
    good = sign_voucher(VOUCHER, [ED25519])
    forged = Signature(SM2.id, wire.b64(SM2.signer.sign(b"something else")))
    signatures = [
        Signature(ED25519.id, wire.b64(ED25519.signer.sign(b"suyuan-voucher-v1\n" + wire.canonical(VOUCHER))))
    ]
    assert wire.canonical(Paper(VOUCHER, signatures)) == good
    with pytest.raises(crypto.BadSignature):
        check_voucher(wire.canonical(Paper(VOUCHER, [*signatures, forged])), KEYS)
    with pytest.raises(crypto.BadSignature, match="no signature"):
        check_voucher(wire.canonical(Paper(VOUCHER, [])), KEYS)
    with pytest.raises(crypto.BadSignature, match="base64url"):
        check_voucher(wire.canonical(Paper(VOUCHER, [Signature(ED25519.id, "?")])), KEYS)


def test_a_signature_for_another_purpose_is_no_voucher() -> None:
    """The platform signs answers and webhooks with the same key; none of those bytes begin as a voucher's do."""
    signature = Signature(ED25519.id, wire.b64(ED25519.signer.sign(wire.canonical(VOUCHER))))
    with pytest.raises(crypto.BadSignature):
        check_voucher(wire.canonical(Paper(VOUCHER, [signature])), KEYS)


def test_a_line_break_at_the_end_of_a_file_does_no_harm() -> None:
    assert check_voucher(sign_voucher(VOUCHER, [ED25519]) + b"\n", KEYS) == VOUCHER


@given(st.integers(0, 400), st.integers(1, 255))
def test_every_changed_byte_is_found(at: int, change: int) -> None:
    paper = bytearray(sign_voucher(VOUCHER, [ED25519]))
    paper[at % len(paper)] ^= change
    with pytest.raises((BadVoucher, crypto.BadSignature)):
        check_voucher(bytes(paper), KEYS)


@given(st.binary(max_size=200))
def test_noise_is_no_voucher(noise: bytes) -> None:
    with pytest.raises(BadVoucher):
        check_voucher(noise, KEYS)
