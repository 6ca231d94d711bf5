"""Legal holds: a dispute, a case or an order keeps everything of a person from being shredded.

Placing a hold takes one officer and acts at once, since what is shredded does not come back; it opens nothing. Lifting
one takes two. A person may be held for several cases, and is free when the last one is lifted.
"""

from __future__ import annotations

import re

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import HoldLifted, HoldPlaced
from suyuan.privacy.free_text import holds_personal_value
from suyuan.privacy.standing import CASES_MAX, LegalHold

# As courts and police write them, （2026）京0105刑初17号; never a space, which parts one case from the next.
_CASE = re.compile(r"(?=.*[0-9])[0-9A-Za-z\u4e00-\u9fff（）〔〕()\[\]_.:/-]{1,64}")


class PlaceHold(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Keeps everything of a seller, for a case that is named by its number."""

    seller: str
    case: str
    at: int
    officer: str
    signature: bytes


class HeldSubject(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The seller is held; `subject` is the seller."""

    subject: str
    cases: str


class LiftHold(Change, frozen=True, tag="lift_hold"):
    """A case is over; what it kept goes when its time has come."""

    id: str
    case: str


def hold_subject(command: PlaceHold) -> object:
    """What an officer signs of a hold."""
    return {"seller": command.seller, "case": command.case, "at": command.at}


def is_held(shelves: Shelves, seller: str) -> bool:
    """Whether a case keeps everything of this seller; the row must have been wanted."""
    hold = shelves.holds.get(seller)
    return hold is not None and not hold.is_over


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: PlaceHold, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    shelves.register.sellers.want(command.seller)
    shelves.shreddings.want(command.seller)
    shelves.holds.want(command.seller)
    return True


def apply(shelves: Shelves, command: PlaceHold, turn: Turn) -> Decided:
    """Places a hold, once for each case."""
    refusal = check_signed_now(
        shelves, command.officer, "hold", hold_subject(command), signed=(command.signature, command.at), turn=turn
    )
    if refusal is not None:
        return Decided(refusal)
    if shelves.register.sellers.get(command.seller) is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    forgotten = shelves.shreddings.get(command.seller)
    if forgotten is not None and forgotten.shredded_at is not None:
        return Decided(Refusal(Reason.subject_is_forgotten, "seller"))
    known = shelves.holds.get(command.seller)
    fresh = (known or LegalHold(command.seller, "")).also_for(command.case)
    if _CASE.fullmatch(command.case) is None or len(fresh.cases.split()) > CASES_MAX:
        return Decided(Refusal(Reason.case_number_is_malformed, "case"))
    if holds_personal_value(command.case):
        return Decided(Refusal(Reason.text_holds_personal_value, "case"))
    if known is None:
        shelves.holds.add(fresh)
    else:
        known.cases = fresh.cases
        shelves.holds.change(known.subject, known)
    return Decided(
        HeldSubject(command.seller, fresh.cases), (HoldPlaced(command.seller, command.case, command.officer),)
    )


def _want_lift(shelves: Shelves, change: LiftHold) -> bool:
    shelves.holds.want(change.id)
    return True


def _lift(shelves: Shelves, change: LiftHold, approval: Approval) -> Made:
    known = shelves.holds.get(change.id)
    if known is None or change.case not in known.cases.split():
        return None
    known.cases = known.without(change.case).cases
    shelves.holds.change(known.subject, known)
    return (HoldLifted(change.id, change.case, approval.approver),)


APPLIER = Applier(want, apply)
CHANGES: dict[type[Change], ChangeKind] = {LiftHold: ChangeKind(is_always_sound, _want_lift, _lift)}
