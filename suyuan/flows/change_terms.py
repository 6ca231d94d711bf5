"""The rule book changes: officers, partners, contracts, keys, kill switches; who is to be forgotten, what is exported.

Contracts, ratios, keys and partners change in two steps: one officer *proposes*, a second one *approves*, and only then
the change is in force. Each step carries the officer's signature over the canonical bytes of what is meant, so that
the platform's machine alone can change nothing. A kill switch stops at once and takes one officer; so does revoking a
key. The first two officers register themselves while there is nobody yet to ask; later ones are proposed. One who has
left, or whose key was stolen, is ended by two others, with all that they had proposed and nobody has approved yet.

A signature (`officer_signature`) names the proposal together with its whole text, so it is good for no other
proposal, and the instant at which a switch was last turned, so it turns none again.

>>> proposal_subject("prp_1", "{}")
{'proposal': 'prp_1', 'change': '{}'}
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import canonical
from suyuan.flows import (
    deploy_model,
    deploy_policy,
    export_records,
    forget_subject,
    freeze_seller,
    hold_recipients,
    hold_records,
    hold_warrants,
    keep_lists,
    trade_terms,
)
from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.deploy_model import DeployModel, EndModel
from suyuan.flows.deploy_policy import DeployPolicy, EndPolicy
from suyuan.flows.export_records import ExportRecords
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.freeze_seller import LiftFreeze
from suyuan.flows.hold_recipients import AddRecipient, EndRecipient
from suyuan.flows.hold_records import LiftHold
from suyuan.flows.hold_warrants import AddWarrant, EndWarrant
from suyuan.flows.keep_lists import AddToList, RemoveFromList
from suyuan.flows.officer_signature import check_officer, has_left, has_signed, seat_of
from suyuan.flows.officer_signature import want_officer as want_signer
from suyuan.flows.shelves import Shelves
from suyuan.flows.trade_terms import (
    AddAgent,
    AddContract,
    AddKey,
    AddPartner,
    EndContract,
    MoveKey,
    is_key,
)
from suyuan.history.events import ChangeApproved, ChangeProposed, OfficerRegistered, SwitchTurned
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.free_text import holds_personal_value
from suyuan.settle.account import EVERYTHING, Officer, Proposal, Switch

# The two seats are proposals that approved themselves, so that the database lets each be taken once.
FOUNDING_SEATS = ("founding:1", "founding:2")
FOUNDER = "founding"
# History names the platform's own readers by one word, which no officer may bear.
_OFFICER_ID = re.compile(r"ofc_[0-9A-Za-z_-]{1,60}")
SWITCH_KINDS = frozenset({"key", "partner", "channel", "card_kind"})


class AddOfficer(Change, frozen=True, tag="add_officer"):
    id: str
    algorithm: str
    public_key: str


class EndOfficer(Change, frozen=True, tag="end_officer"):
    """An officer has left, or somebody else has their key: from now on nothing that it signs counts, for good."""

    id: str


# What a change says in somebody's own words. How a recipient is reached is their office's number, and belongs there.
_WORDS = ("reason", "case", "authority", "document_no", "transfer_document")

AnyChange: TypeAlias = (
    AddOfficer | EndOfficer | AddPartner | AddAgent | AddContract | EndContract | AddKey | MoveKey
    | ForgetSeller | AddWarrant | EndWarrant | LiftHold | AddRecipient | EndRecipient | ExportRecords
    | DeployPolicy | EndPolicy | DeployModel | EndModel | AddToList | RemoveFromList | LiftFreeze
)  # fmt: skip
_changes = msgspec.json.Decoder(AnyChange)


class RegisterOfficer(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One of the first two officers, by a signature with the key that is registered."""

    officer: str
    algorithm: str
    public_key: str
    signature: bytes


class ProposeChange(msgspec.Struct, frozen=True, array_like=True, tag=True):
    proposal: str
    change: str
    officer: str
    signature: bytes


class ApproveChange(msgspec.Struct, frozen=True, array_like=True, tag=True):
    proposal: str
    officer: str
    signature: bytes


class TurnSwitch(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """`target` reads `<kind>:<name>`, or `platform`; `after` is when it was last turned, 0 for never."""

    target: str
    stopped: bool
    after: int
    officer: str
    signature: bytes


class Changed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Done; `subject` is what was registered, proposed, approved or turned."""

    subject: str


def proposal_subject(proposal: str, change: str) -> object:
    """What is proposed, and what is approved: this text under this name."""
    return {"proposal": proposal, "change": change}


def switch_subject(target: str, *, stopped: bool, after: int) -> object:
    """What turning a switch means, once."""
    return {"target": target, "stopped": stopped, "after": after}


def encode_change(change: AnyChange) -> str:
    """A change as the text that is signed, stored and shown."""
    return canonical(change).decode()


# --- the first two officers ----------------------------------------------------------------------


def want_officer(shelves: Shelves, command: RegisterOfficer, now: int) -> bool:
    """Which rows are needed."""
    for seat in FOUNDING_SEATS:
        shelves.register.proposals.want(seat)
    shelves.register.officers.want(command.officer)
    shelves.register.public_keys.want(command.public_key)
    return True


def register_officer(shelves: Shelves, command: RegisterOfficer, turn: Turn) -> Decided:
    """Lets the first two officers in; from then on it takes two to add a third."""
    register = shelves.register
    free = [seat for seat in FOUNDING_SEATS if register.proposals.get(seat) is None]
    if not free or register.officers.get(command.officer) is not None:
        return Decided(Refusal(Reason.officers_are_registered, "officer"))
    change = AddOfficer(command.officer, command.algorithm, command.public_key)
    officer = Officer(command.officer, command.algorithm, command.public_key)
    if not _is_sound_officer(change) or not has_signed(officer, "register", encode_change(change), command.signature):
        return Decided(Refusal(Reason.officer_signature_is_wrong, "signature"))
    # Somebody who sits on both seats would be two people.
    if register.public_keys.is_taken(change.public_key):
        return Decided(Refusal(Reason.proposal_needs_a_second_person, "public_key"))
    register.proposals.add(Proposal(free[0], encode_change(change), officer.id, FOUNDER))
    register.public_keys.take(change.public_key)
    register.officers.add(officer)
    return Decided(Changed(officer.id), (OfficerRegistered(officer.id, officer.algorithm, officer.public_key),))


# --- propose, approve ----------------------------------------------------------------------------


def want_proposal(shelves: Shelves, command: ProposeChange | ApproveChange, now: int) -> bool:
    """Which rows are needed; those of the change itself are known once the proposal is."""
    register = shelves.register
    want_signer(shelves, command.officer)
    register.proposals.want(command.proposal)
    if isinstance(command, ProposeChange):
        return True
    proposal = register.proposals.peek(command.proposal)
    if proposal is None:
        return register.proposals.is_absent(command.proposal)
    want_signer(shelves, proposal.proposer)
    change = _changes.decode(proposal.change)
    return CHANGES[type(change)].want(shelves, change)


def propose(shelves: Shelves, command: ProposeChange, turn: Turn) -> Decided:
    """Step one: nothing changes yet."""
    register = shelves.register
    subject = proposal_subject(command.proposal, command.change)
    refusal = check_officer(shelves, command.officer, "propose", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    if register.proposals.get(command.proposal) is not None:
        return Decided(Refusal(Reason.proposal_is_closed, "proposal"))
    if not _is_sound_text(command.change):
        return Decided(Refusal(Reason.proposal_is_impossible, "change"))
    written = _names_a_person(_changes.decode(command.change))
    if written is not None:
        return Decided(Refusal(Reason.text_holds_personal_value, written))
    register.proposals.add(Proposal(command.proposal, command.change, command.officer, None))
    event = ChangeProposed(command.proposal, command.change, command.officer)
    return Decided(Changed(command.proposal), (event,))


def approve(shelves: Shelves, command: ApproveChange, turn: Turn) -> Decided:
    """Step two, by somebody else: the change is in force."""
    proposal = shelves.register.proposals.get(command.proposal)
    if proposal is None:
        return Decided(Refusal(Reason.proposal_is_unknown, "proposal"))
    subject = proposal_subject(proposal.id, proposal.change)
    refusal = check_officer(shelves, command.officer, "approve", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    if proposal.approver is not None:
        return Decided(Refusal(Reason.proposal_is_closed, "proposal"))
    if proposal.proposer == command.officer:
        return Decided(Refusal(Reason.proposal_needs_a_second_person, "officer"))
    if has_left(shelves, proposal.proposer):
        return Decided(Refusal(Reason.officer_has_left, "proposal"))
    change = _changes.decode(proposal.change)
    approval = Approval(proposal.id, proposal.proposer, command.officer, turn)
    events = CHANGES[type(change)].make(shelves, change, approval)
    if events is None or isinstance(events, Refusal):
        return Decided(events or Refusal(Reason.proposal_is_impossible, "change"))
    proposal.approver = command.officer
    shelves.register.proposals.change(proposal.id, proposal)
    approved = ChangeApproved(proposal.id, proposal.change, proposal.proposer, command.officer)
    return Decided(Changed(proposal.id), (approved, *events))


def _is_sound_text(text: str) -> bool:
    """Whether a text is a change in its one spelling, and makes sense."""
    try:
        change = _changes.decode(text)
        return encode_change(change) == text and CHANGES[type(change)].is_sound(change)
    except (msgspec.DecodeError, ValueError):
        return False


def _names_a_person(change: AnyChange) -> str | None:
    """Which of the words that an officer has written looks like a person's number; history keeps all of them."""
    # Whoever a partner once named by their number must still be forgotten, or let go of.
    names = _WORDS if isinstance(change, ForgetSeller | LiftHold | LiftFreeze) else (*_WORDS, "id")
    return next((name for name in names if holds_personal_value(getattr(change, name, ""))), None)


def _is_sound_officer(change: AddOfficer) -> bool:
    return _OFFICER_ID.fullmatch(change.id) is not None and is_key(change.algorithm, change.public_key)


def _want_new_officer(shelves: Shelves, change: AddOfficer) -> bool:
    shelves.register.officers.want(change.id)
    shelves.register.public_keys.want(change.public_key)
    return True


def _make_officer(shelves: Shelves, change: AddOfficer, _: Approval) -> Made:
    register = shelves.register
    if register.officers.get(change.id) is not None or register.public_keys.is_taken(change.public_key):
        return None
    register.public_keys.take(change.public_key)
    register.officers.add(Officer(change.id, change.algorithm, change.public_key))
    return (OfficerRegistered(change.id, change.algorithm, change.public_key),)


def _want_leaving(shelves: Shelves, change: EndOfficer) -> bool:
    want_signer(shelves, change.id)
    return True


def _end_officer(shelves: Shelves, change: EndOfficer, approval: Approval) -> Made:
    """Decided by two others, so that two are left. `SWITCH_KINDS` has no officers: no switch lets one back in."""
    if shelves.register.officers.get(change.id) is None or has_left(shelves, change.id):
        return None
    if change.id in (approval.proposer, approval.approver):
        return Refusal(Reason.proposal_needs_a_second_person, "officer")
    shelves.register.switches.add(Switch(seat_of(change.id), True, approval.turn.at))
    return (SwitchTurned("officer", change.id, True, approval.approver),)


# --- kill switches -------------------------------------------------------------------------------


def want_switch(shelves: Shelves, command: TurnSwitch, now: int) -> bool:
    """Which rows are needed."""
    want_signer(shelves, command.officer)
    shelves.register.switches.want(command.target)
    return True


def turn_switch(shelves: Shelves, command: TurnSwitch, turn: Turn) -> Decided:
    """Stops something at once, or opens it again."""
    subject = switch_subject(command.target, stopped=command.stopped, after=command.after)
    refusal = check_officer(shelves, command.officer, "switch", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    kind, _, name = command.target.partition(":")
    if command.target != EVERYTHING and (kind not in SWITCH_KINDS or not name):
        return Decided(Refusal(Reason.proposal_is_impossible, "target"))
    switch = shelves.register.switches.get(command.target)
    if command.after != (0 if switch is None else switch.turned_at):
        return Decided(Refusal(Reason.switch_was_turned_since, "target"))
    if switch is None:
        shelves.register.switches.add(Switch(command.target, command.stopped, turn.at))
    else:
        switch.stopped, switch.turned_at = command.stopped, turn.at
        shelves.register.switches.change(switch.target, switch)
    event = SwitchTurned(kind, name, command.stopped, command.officer)
    return Decided(Changed(command.target), (event,))


APPLIERS: dict[type, Applier] = {
    RegisterOfficer: Applier(want_officer, register_officer),
    ProposeChange: Applier(want_proposal, propose),
    ApproveChange: Applier(want_proposal, approve),
    TurnSwitch: Applier(want_switch, turn_switch),
}

CHANGES: dict[type[Change], ChangeKind] = {
    AddOfficer: ChangeKind(_is_sound_officer, _want_new_officer, _make_officer),
    EndOfficer: ChangeKind(is_always_sound, _want_leaving, _end_officer),
    **trade_terms.CHANGES,
    **forget_subject.CHANGES,
    **hold_warrants.CHANGES,
    **hold_records.CHANGES,
    **hold_recipients.CHANGES,
    **export_records.CHANGES,
    **deploy_policy.CHANGES,
    **deploy_model.CHANGES,
    **keep_lists.CHANGES,
    **freeze_seller.CHANGES,
}
