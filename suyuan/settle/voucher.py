"""A voucher: the platform's signed receipt that a redemption was paid, which anybody can check without asking us.

Format, one line of canonical JSON:

    {"signatures":[{"key":"platform-1","signature":"<base64url>"}],"voucher":{…the facts…}}

Signed as every paper of the platform is (`base.crypto.paper`), under `suyuan-voucher-v1`. `at` fields are micros,
amounts fen or units of the value kind. Invariants: `face = paid + fee + rounding`; nothing in it names a person.

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> voucher = Voucher(
...     redemption="rdm_1", partner="ptn_1", seller="slr_1", operator="cmcc", face_fen=10_000, paid=8_000,
...     fee_fen=2_000, rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer", reference="B-1",
...     taken_seq=7, taken_at=1, paid_at=2, origin="https://api.example.com")
>>> paper = sign_voucher(voucher, [crypto.PlatformKey("platform-1", signer)])
>>> check_voucher(paper, {"platform-1": crypto.PublicKey("ed25519", signer.public)}) == voucher
True
>>> check_voucher(paper.replace(b"8000", b"9000"), {"platform-1": crypto.PublicKey("ed25519", signer.public)})
Traceback (most recent call last):
    ...
suyuan.settle.voucher.BadVoucher: the amounts of this voucher do not add up to its face value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadPaper, PlatformKey, Signature

_CONTEXT = b"suyuan-voucher-v1\n"
_NAME = "voucher"


class BadVoucher(BadPaper):
    """Raised for bytes that are no voucher of ours, whoever signed them."""


class Voucher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform attests. `seller` is the pseudonym under which the partner registered the seller."""

    redemption: str
    partner: str
    seller: str
    operator: str
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    channel: str
    reference: str  # The channel's own number for the payout; nothing where all of it settled an old debt.
    taken_seq: int
    taken_at: int
    paid_at: int
    origin: str

    def differs_from(self, record: Mapping[str, Any]) -> list[str]:
        """The members of an event's record that say something else of this redemption."""
        said = msgspec.to_builtins(self)
        match record.get("kind"):
            case "redemption_taken/1":
                # The reference is the payout's, and stands in another event.
                said |= {"seq": self.taken_seq, "at": self.taken_at}
            case "payout_paid/1":
                said |= {"at": self.paid_at, "paid": self.paid - self.debt_fen}
            case _:
                said = {"redemption": self.redemption}
        return [name for name, value in said.items() if name in record and record[name] != value]


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A voucher with its signatures, as it is handed out."""

    voucher: Voucher
    signatures: list[Signature]


def sign_voucher(voucher: Voucher, keys: Sequence[PlatformKey]) -> bytes:
    """The voucher as it is handed out, signed by every key of the platform."""
    _demand_whole(voucher)
    return wire.canonical_record(Paper(voucher, crypto.sign_facts(_CONTEXT, voucher, keys)))


def check_voucher(paper: bytes, keys: Mapping[str, crypto.PublicKey]) -> Voucher:
    """What a voucher attests, for nothing but a good one. Raises `BadVoucher` or `BadSignature`."""
    try:
        signed = crypto.read_paper(paper, Paper, name=_NAME)
    except BadPaper as bad:
        raise BadVoucher(str(bad)) from None
    _demand_whole(signed.voucher)
    crypto.check_facts(_CONTEXT, signed.voucher, signed.signatures, keys, name=_NAME)
    return signed.voucher


def _demand_whole(voucher: Voucher) -> None:
    parts = (voucher.paid, voucher.fee_fen, voucher.rounding_fen)
    if min(parts) < 0 or sum(parts) != voucher.face_fen:
        raise BadVoucher("the amounts of this voucher do not add up to its face value")
