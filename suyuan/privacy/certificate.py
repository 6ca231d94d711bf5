"""A deletion certificate: the platform's signed word that a person's data keys are gone, for that person to keep.

Format, one line of canonical JSON: `{"certificate":{…},"signatures":[…]}`, as every paper of the platform
(`base.crypto.paper`). Instants are micros. It names the person by a commitment, SHA-256 over salt and pseudonym, so it
tells nobody whose it is but those who know the pseudonym; each data key by a fingerprint that nobody can guess; and the
epoch whose destruction takes every wrapped copy of them with it. Until then the state is `shredded`, and `final_by`
says when that will be at the latest; from then on it is `final`.

What it attests is crypto-shredding: the ciphertext stays in history and backups and never opens again. Whether a court
takes that for deletion (个人信息保护法 2021, art. 47) is accepted practice and no settled law.

>>> commitment("slr_1", salt=bytes(16))
'NA3w1gV-lNPJ7nuDq-cy8oFld53nqRq3XFXBZV6oTwQ'
>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> certificate = Certificate(
...     commitment=commitment("slr_1", salt=bytes(16)), salt=wire.b64(bytes(16)), state=SHREDDED, reason="request 7",
...     intended_at=1, shredded_at=2, epoch=3, final_by=9, fingerprints=("00" * 16,), redemptions=4, still_in_stock=1,
...     origin="https://api.example.com", seqs=(17,))
>>> paper = sign_certificate(certificate, [PlatformKey("platform-1", signer)])
>>> keys = {"platform-1": crypto.PublicKey("ed25519", signer.public)}
>>> check_certificate(paper, keys).is_about("slr_1"), check_certificate(paper, keys).is_about("slr_2")
(True, False)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadPaper, PlatformKey, Signature, check_facts, read_paper, sign_facts

SALT_BYTES = 16
SHREDDED, FINAL = "shredded", "final"
_CONTEXT = b"suyuan-deletion-v1\n"
_NAME = "certificate"


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform attests."""

    commitment: str
    salt: str
    state: str
    reason: str
    intended_at: int
    shredded_at: int
    epoch: int
    final_by: int
    fingerprints: tuple[str, ...]
    redemptions: int  # How many of the person's redemptions are covered.
    still_in_stock: int  # How many cards keep their secret because they are in stock; they are no longer about anyone.
    origin: str
    seqs: tuple[int, ...]  # The events that say so, by their places in history; the public log proves each.

    def is_about(self, seller: str) -> bool:
        """Whether it is this person's."""
        return self.commitment == commitment(seller, salt=wire.unb64(self.salt))


class _Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: Certificate
    signatures: list[Signature]


def commitment(seller: str, *, salt: bytes) -> str:
    """What a certificate names a person by."""
    return wire.b64(hashlib.sha256(b"suyuan deletion " + salt + seller.encode()).digest())


def sign_certificate(certificate: Certificate, keys: Sequence[PlatformKey]) -> bytes:
    """The certificate as it is handed out, signed by every key of the platform."""
    _demand_whole(certificate)
    return wire.canonical_record(_Paper(certificate, sign_facts(_CONTEXT, certificate, keys)))


def check_certificate(paper: bytes, keys: Mapping[str, crypto.PublicKey]) -> Certificate:
    """What a certificate attests, for nothing but a good one. Raises `BadPaper` or `BadSignature`."""
    signed = read_paper(paper, _Paper, name=_NAME)
    _demand_whole(signed.certificate)
    check_facts(_CONTEXT, signed.certificate, signed.signatures, keys, name=_NAME)
    return signed.certificate


def _demand_whole(certificate: Certificate) -> None:
    is_in_order = certificate.intended_at <= certificate.shredded_at <= certificate.final_by
    if certificate.state not in (SHREDDED, FINAL) or not is_in_order:
        raise BadPaper("the instants or the state of this certificate contradict each other")
