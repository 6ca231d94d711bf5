"""What officers sign, and whether one has.

An officer signs `statement(verb, subject)`. The verb keeps a signature from being used for another step, and the
subject names the whole of what is meant, so whoever holds the machine and every old signature changes nothing.

>>> statement("approve", {"change": "{}", "proposal": "prp_1"})
b'{"subject":{"change":"{}","proposal":"prp_1"},"verb":"approve"}'
"""

from __future__ import annotations

from suyuan.base.crypto import BadSignature, PublicKey
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import canonical, unb64
from suyuan.flows.shelves import Shelves
from suyuan.settle.account import Officer


def statement(verb: str, subject: object) -> bytes:
    """The bytes that an officer signs."""
    return canonical({"verb": verb, "subject": subject})


def want_officer(shelves: Shelves, officer_id: str) -> None:
    """Which rows checking needs."""
    shelves.register.officers.want(officer_id)


def check_officer(shelves: Shelves, officer_id: str, verb: str, subject: object, signature: bytes) -> Refusal | None:
    """Why this is not the signature of a registered officer; None where it is."""
    officer = shelves.register.officers.get(officer_id)
    if officer is None:
        return Refusal(Reason.officer_is_unknown, "officer")
    if not has_signed(officer, verb, subject, signature):
        return Refusal(Reason.officer_signature_is_wrong, "signature")
    return None


def has_signed(officer: Officer, verb: str, subject: object, signature: bytes) -> bool:
    """Whether the officer's key made this signature."""
    try:
        PublicKey(officer.algorithm, unb64(officer.public_key)).checker().check(statement(verb, subject), signature)
    except (BadSignature, ValueError):
        return False
    return True
