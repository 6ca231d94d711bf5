"""A voucher: the platform's signed receipt that a redemption was paid, which anybody can check without asking us.

Format, one line of canonical JSON:

    {"signatures":[{"key":"platform-1","signature":"<base64url>"}],"voucher":{…the facts…}}

Each signature is over `suyuan-voucher-v1`, a line break and the canonical bytes of the facts. There is one per key of
the platform: Ed25519, and SM2 where it has such a key. `at` fields are micros, amounts fen or units of the value kind.

`check_voucher` believes a voucher when at least one signature is by a key that the caller knows, and no known key's
is bad. Invariants: one voucher has one encoding; `face = paid + fee + rounding`; nothing in it names a person.

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> voucher = Voucher(
...     redemption="rdm_1", partner="ptn_1", seller="slr_1", operator="cmcc", face_fen=10_000, paid=8_000,
...     fee_fen=2_000, rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer", reference="B-1",
...     taken_seq=7, taken_at=1, paid_at=2, origin="https://api.example.com")
>>> paper = sign_voucher(voucher, [PlatformKey("platform-1", signer)])
>>> check_voucher(paper, {"platform-1": crypto.PublicKey("ed25519", signer.public)}) == voucher
True
>>> check_voucher(paper.replace(b"8000", b"9000"), {"platform-1": crypto.PublicKey("ed25519", signer.public)})
Traceback (most recent call last):
    ...
suyuan.settle.voucher.BadVoucher: the amounts of this voucher do not add up to its face value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadSignature

_CONTEXT = b"suyuan-voucher-v1\n"


class BadVoucher(Exception):
    """Raised for bytes that are no voucher of ours, whoever signed them."""


class PlatformKey(NamedTuple):
    """One of the platform's keys, by the id under which its public half is published."""

    id: str
    signer: crypto.Signer


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


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key's signature over the facts."""

    key: str
    signature: str


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A voucher with its signatures, as it is handed out."""

    voucher: Voucher
    signatures: list[Signature]


_decoder = msgspec.json.Decoder(Paper)


def sign_voucher(voucher: Voucher, keys: Sequence[PlatformKey]) -> bytes:
    """The voucher as it is handed out, signed by every key of the platform."""
    assert keys, "a platform has at least one key"
    _demand_whole(voucher)
    message = _message(voucher)
    signatures = [Signature(key.id, wire.b64(key.signer.sign(message))) for key in keys]
    return wire.canonical_record(Paper(voucher, signatures))


def check_voucher(paper: bytes, keys: Mapping[str, crypto.PublicKey]) -> Voucher:
    """What a voucher attests, for nothing but a good one. Raises `BadVoucher` or `BadSignature`."""
    try:
        signed = _decoder.decode(paper)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadVoucher("this is not a voucher: it is torn, or something else") from None
    if wire.canonical_record(signed) != paper.strip():
        raise BadVoucher("this voucher is not written in its one canonical form")
    _demand_whole(signed.voucher)
    message = _message(signed.voucher)
    known = [signature for signature in signed.signatures if signature.key in keys]
    if not known:
        raise BadSignature("no signature of this voucher is by a key of the platform that you know")
    for signature in known:
        keys[signature.key].checker().check(message, _raw(signature))
    return signed.voucher


def _message(voucher: Voucher) -> bytes:
    return _CONTEXT + wire.canonical_record(voucher)


def _raw(signature: Signature) -> bytes:
    try:
        return wire.unb64(signature.signature)
    except ValueError:
        raise BadSignature("a signature of this voucher is not base64url") from None


def _demand_whole(voucher: Voucher) -> None:
    parts = (voucher.paid, voucher.fee_fen, voucher.rounding_fen)
    if min(parts) < 0 or sum(parts) != voucher.face_fen:
        raise BadVoucher("the amounts of this voucher do not add up to its face value")
