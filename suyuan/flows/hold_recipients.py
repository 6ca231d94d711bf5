"""Recipients of exports come and go: one officer enters a contract and a key, another has read the same contract.

From the approval on exports may be proposed to the recipient, until `ends_at`, when the contract is over by itself;
`EndRecipient` ends it before. A recipient never changes: a new key or a renewed contract is a new recipient, because
what was given stays given under the terms of then. A court or an authority abroad is refused outright
(个人信息保护法 2021, art. 41), whoever approves.
"""

from __future__ import annotations

import re

import msgspec

from suyuan.base.crypto.age import is_age_key
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.shelves import Shelves
from suyuan.history.disclosure_events import RecipientEnded, RecipientRegistered
from suyuan.privacy.free_text import is_line
from suyuan.privacy.recipients import HOME, OF_THE_STATE, Recipient, Role, TransferBasis, is_abroad
from suyuan.settle.account import FOR_EVER

_ID = re.compile(r"rcp_[0-9A-Za-z_-]{1,60}")
_REGION = re.compile(r"[A-Z]{2}")


class AddRecipient(Change, frozen=True, tag="add_recipient"):
    """Who is given data, how they are reached, where it lies, as what, with which key, until when (micros).

    `partner` names the partner whose contract it is, for that role alone. Abroad, `transfer_basis` says which way of
    the law the transfer takes, with the number of its document.
    """

    id: str
    name: str
    contact: str
    role: Role
    age_key: str
    ends_at: int
    partner: str = ""
    region: str = HOME
    transfer_basis: TransferBasis = TransferBasis.NONE
    transfer_document: str = ""


class EndRecipient(Change, frozen=True, tag="end_recipient"):
    """The contract ends now."""

    id: str


def _is_sound(change: AddRecipient) -> bool:
    needs_document = change.transfer_basis is not TransferBasis.NONE
    return (
        _ID.fullmatch(change.id) is not None
        and is_line(change.name)
        and is_line(change.contact)
        and _REGION.fullmatch(change.region) is not None
        and is_age_key(change.age_key)
        and (change.role is Role.PARTNER) == bool(change.partner)
        and (is_line(change.transfer_document) if needs_document else not change.transfer_document)
        and (is_abroad(change.region) or not needs_document)
        and 0 < change.ends_at <= FOR_EVER
    )


def _want_new(shelves: Shelves, change: AddRecipient) -> bool:
    shelves.recipients.want(change.id)
    shelves.register.partners.want(change.partner)
    return True


def _add(shelves: Shelves, change: AddRecipient, approval: Approval) -> Made:
    if shelves.recipients.get(change.id) is not None or change.ends_at <= approval.turn.at:
        return None
    if change.partner and shelves.register.partners.get(change.partner) is None:
        return Refusal(Reason.partner_is_unknown, "partner")
    if is_abroad(change.region) and change.role in OF_THE_STATE:
        return Refusal(Reason.foreign_authority_is_referred, "region")
    entered = msgspec.structs.asdict(change) | {
        "role": change.role.value, "transfer_basis": change.transfer_basis.value,
        "requested_by": approval.proposer, "approved_by": approval.approver,
    }  # fmt: skip
    shelves.recipients.add(Recipient(begins_at=approval.turn.at, **entered))
    return (RecipientRegistered(recipient=entered.pop("id"), **entered),)


def _want_end(shelves: Shelves, change: EndRecipient) -> bool:
    shelves.recipients.want(change.id)
    return True


def _end(shelves: Shelves, change: EndRecipient, approval: Approval) -> Made:
    recipient = shelves.recipients.get(change.id)
    if recipient is None or recipient.ends_at <= approval.turn.at:
        return None
    recipient.ends_at = approval.turn.at
    shelves.recipients.change(recipient.id, recipient)
    return (RecipientEnded(change.id, approval.approver),)


CHANGES: dict[type[Change], ChangeKind] = {
    AddRecipient: ChangeKind(_is_sound, _want_new, _add),
    EndRecipient: ChangeKind(is_always_sound, _want_end, _end),
}
