"""A seller is frozen at once, by the policy or by one officer, and unfrozen by two.

A frozen seller redeems nothing, and what they were promised waits; they may do all else: agree and withdraw, ask about
their data, and ask that a person looks at the decision (`ask_review`), which is the remedy that each refusal names.
Lifting takes two officers, who say why. Nothing is ever taken from a seller by a freeze.
"""

from __future__ import annotations

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import SellerFrozen, SellerUnfrozen
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.free_text import holds_personal_value, is_line
from suyuan.settle.account import ACTIVE, FROZEN, Seller, check_not_frozen

POLICY = "policy"


class FreezeSeller(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One officer freezes a seller."""

    seller: str
    reason: str
    at: int
    officer: str
    signature: bytes


class SellerIsFrozen(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The seller redeems nothing; `subject` is the seller."""

    subject: str


class LiftFreeze(Change, frozen=True, tag="lift_freeze"):
    """Two officers have looked, and say why the seller may go on."""

    id: str
    reason: str


def freeze_subject(command: FreezeSeller) -> object:
    """What an officer signs of a freeze."""
    return {"seller": command.seller, "reason": command.reason, "at": command.at}


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: FreezeSeller, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    shelves.register.sellers.want(command.seller)
    return True


def apply(shelves: Shelves, command: FreezeSeller, turn: Turn) -> Decided:
    """Freezes a seller who redeems."""
    signed = (command.signature, command.at)
    subject = freeze_subject(command)
    refusal = check_signed_now(shelves, command.officer, "freeze", subject, signed=signed, turn=turn)
    if refusal is not None:
        return Decided(refusal)
    seller = shelves.register.sellers.get(command.seller)
    if seller is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    refusal = check_not_frozen(seller)
    if seller.state != ACTIVE:
        return Decided(refusal or Refusal(Reason.seller_is_suspended, "seller"))
    if not is_line(command.reason):
        return Decided(Refusal(Reason.field_is_malformed, "reason"))
    if holds_personal_value(command.reason):
        return Decided(Refusal(Reason.text_holds_personal_value, "reason"))
    event = freeze(shelves, seller, "", command.reason, by=command.officer, at=turn.at)
    return Decided(SellerIsFrozen(seller.id), (event,))


def freeze(shelves: Shelves, seller: Seller, redemption: str, reason: str, *, by: str, at: int) -> SellerFrozen:
    """Freezes a seller, who must be active."""
    assert seller.state == ACTIVE, "nobody is frozen who redeems nothing anyway"
    seller.state, seller.frozen_at, seller.frozen_for = FROZEN, at, reason
    seller.frozen_by = redemption or by
    shelves.register.sellers.change(seller.id, seller)
    return SellerFrozen(seller.id, redemption, reason, by)


def _may_be_lifted(change: LiftFreeze) -> bool:
    return is_line(change.reason)


def _want_lift(shelves: Shelves, change: LiftFreeze) -> bool:
    shelves.register.sellers.want(change.id)
    return True


def _lift(shelves: Shelves, change: LiftFreeze, approval: Approval) -> Made:
    """A seller who is to be forgotten was suspended for good, and no lift brings them back."""
    seller = shelves.register.sellers.get(change.id)
    if seller is None or seller.state != FROZEN:
        return None
    seller.state, seller.frozen_at, seller.frozen_for, seller.frozen_by = ACTIVE, 0, "", ""
    shelves.register.sellers.change(seller.id, seller)
    return (SellerUnfrozen(seller.id, change.reason, approval.approver),)


APPLIER = Applier(want, apply)
CHANGES: dict[type[Change], ChangeKind] = {LiftFreeze: ChangeKind(_may_be_lifted, _want_lift, _lift)}
