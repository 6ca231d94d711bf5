"""What officers sign, and whether one has.

An officer signs `statement(verb, subject)`. The verb keeps a signature from being used for another step, and the
subject names the whole of what is meant, so whoever holds the machine and every old signature changes nothing.

>>> statement("approve", {"change": "{}", "proposal": "prp_1"})
b'{"subject":{"change":"{}","proposal":"prp_1"},"verb":"approve"}'
"""

from __future__ import annotations

from suyuan.base.clock import SECOND
from suyuan.base.crypto import BadSignature, PublicKey, sha256
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import canonical, unb64
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Turn
from suyuan.settle.account import Officer

# How far an officer's clock may be off, and so how long a signature is good that names an instant.
SIGNED_WITHIN_S = 300
_MARK_BYTES = 16


def statement(verb: str, subject: object) -> bytes:
    """The bytes that an officer signs."""
    return canonical({"verb": verb, "subject": subject})


def want_officer(shelves: Shelves, officer_id: str) -> None:
    """Which rows checking needs."""
    shelves.register.officers.want(officer_id)
    shelves.register.switches.want(seat_of(officer_id))


def seat_of(officer_id: str) -> str:
    """The switch that is turned for good when an officer leaves."""
    return f"officer:{officer_id}"


def has_left(shelves: Shelves, officer_id: str) -> bool:
    """Whether an officer decides nothing any more."""
    return shelves.register.is_stopped(seat_of(officer_id))


def check_officer(shelves: Shelves, officer_id: str, verb: str, subject: object, signature: bytes) -> Refusal | None:
    """Why this is not the signature of an officer who is in office; None where it is."""
    officer = shelves.register.officers.get(officer_id)
    if officer is None:
        return Refusal(Reason.officer_is_unknown, "officer")
    if not has_signed(officer, verb, subject, signature):
        return Refusal(Reason.officer_signature_is_wrong, "signature")
    return Refusal(Reason.officer_has_left, "officer") if has_left(shelves, officer_id) else None


def has_signed(officer: Officer, verb: str, subject: object, signature: bytes) -> bool:
    """Whether the officer's key made this signature."""
    try:
        PublicKey(officer.algorithm, unb64(officer.public_key)).checker().check(statement(verb, subject), signature)
    except (BadSignature, ValueError):
        return False
    return True


def want_signed_now(shelves: Shelves, officer_id: str, signature: bytes) -> None:
    """Which rows checking a signature that names an instant needs."""
    want_officer(shelves, officer_id)
    shelves.once.nonces.want(_mark(signature))


def check_signed_now(
    shelves: Shelves, officer_id: str, verb: str, subject: object, *, signed: tuple[bytes, int], turn: Turn
) -> Refusal | None:
    """Why an officer has not signed this just now, or has signed it before; None where all is well.

    `signed` is the signature and the instant (micros) that its subject names.
    """
    signature, at = signed
    refusal = check_officer(shelves, officer_id, verb, subject, signature)
    if refusal is not None:
        return refusal
    if abs(turn.at - at) > SIGNED_WITHIN_S * SECOND:
        return Refusal(Reason.officer_signature_is_too_old, "at")
    if shelves.once.is_replay(_mark(signature), at=turn.at):
        return Refusal(Reason.request_was_replayed)
    return None


def _mark(signature: bytes) -> bytes:
    return sha256(signature)[:_MARK_BYTES]
