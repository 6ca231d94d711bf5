"""The rule book changes: officers, partners, agents, contracts, keys, kill switches, and who is to be forgotten.

Contracts, ratios, keys and partners change in two steps: one officer *proposes*, a second one *approves*, and only then
the change is in force. Each step carries the officer's signature over the canonical bytes of what is meant, so that
the platform's machine alone can change nothing. A kill switch stops at once and takes one officer; so does revoking a
key. The first two officers register themselves while there is nobody yet to ask; later ones are proposed.

What an officer signs is `statement(verb, subject)`. The verb keeps a signature from being used for another step, the
proposal's name together with its whole text from being used for another proposal, and the instant at which a switch
was last turned from being used again. So whoever holds the machine and every old signature still changes nothing.

>>> statement("approve", proposal_subject("prp_1", "{}"))
b'{"subject":{"change":"{}","proposal":"prp_1"},"verb":"approve"}'
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TypeAlias

import msgspec

from suyuan.base.clock import DAY_S
from suyuan.base.crypto import BadSignature, PublicKey
from suyuan.base.money import RATIO_TERM_MAX, ValueKind
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import canonical, unb64
from suyuan.flows.forget_subject import intend, want_intent
from suyuan.flows.shelves import Shelves
from suyuan.history.events import (
    AgentRegistered,
    ChangeApproved,
    ChangeProposed,
    Fact,
    OfficerRegistered,
    PartnerRegistered,
    SwitchTurned,
)
from suyuan.history.line import Applier, Decided, Turn
from suyuan.settle.account import (
    ACTIVE,
    EVERYTHING,
    FOR_EVER,
    NEXT,
    RETIRING,
    REVOKED,
    Agent,
    Contract,
    Key,
    Officer,
    Partner,
    Proposal,
    Switch,
)
from suyuan.settle.payout import Disposition

# The two seats are proposals that approved themselves, so that the database lets each be taken once.
FOUNDING_SEATS = ("founding:1", "founding:2")
FOUNDER = "founding"
HOLD_S_MAX = 366 * DAY_S
SWITCH_KINDS = frozenset({"key", "partner", "channel", "card_kind"})
KEY_MOVES = frozenset({(NEXT, ACTIVE), (ACTIVE, RETIRING), (NEXT, REVOKED), (ACTIVE, REVOKED), (RETIRING, REVOKED)})


class Change(msgspec.Struct, frozen=True, tag_field="change", forbid_unknown_fields=True):
    """What can be proposed."""


class AddOfficer(Change, frozen=True, tag="add_officer"):
    id: str
    algorithm: str
    public_key: str


class AddPartner(Change, frozen=True, tag="add_partner"):
    id: str
    name: str
    webhook_url: str = ""


class AddAgent(Change, frozen=True, tag="add_agent"):
    id: str
    partner: str
    parent: str | None = None


class AddContract(Change, frozen=True, tag="add_contract"):
    """A new contract. Terms are never altered: the old contract ends, a new one begins."""

    id: str
    partner: str
    source: str
    value_kind: str
    ratio_face: int
    ratio_value: int
    channel: str
    merchant_id: str
    disposition: str
    hold_s: int = 0
    begins_at: int = 0
    ends_at: int = FOR_EVER


class EndContract(Change, frozen=True, tag="end_contract"):
    id: str
    ends_at: int


class AddKey(Change, frozen=True, tag="add_key"):
    id: str
    owner_kind: str
    owner: str
    algorithm: str
    public_key: str
    state: str = ACTIVE
    networks: str = ""
    ends_at: int = FOR_EVER


class MoveKey(Change, frozen=True, tag="move_key"):
    """Moves a key on in its life; a retiring one still signs until `ends_at`."""

    id: str
    state: str
    ends_at: int = FOR_EVER


class ForgetSeller(Change, frozen=True, tag="forget_seller"):
    """Everything of a seller is closed and then forgotten (`forget_subject`), which nobody can undo."""

    id: str
    reason: str


AnyChange: TypeAlias = AddOfficer | AddPartner | AddAgent | AddContract | EndContract | AddKey | MoveKey | ForgetSeller
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


def statement(verb: str, subject: object) -> bytes:
    """The bytes that an officer signs."""
    return canonical({"verb": verb, "subject": subject})


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
    return True


def register_officer(shelves: Shelves, command: RegisterOfficer, turn: Turn) -> Decided:
    """Lets the first two officers in; from then on it takes two to add a third."""
    register = shelves.register
    free = [seat for seat in FOUNDING_SEATS if register.proposals.get(seat) is None]
    if not free or register.officers.get(command.officer) is not None:
        return Decided(Refusal(Reason.proposal_needs_a_second_person, "officer"))
    change = AddOfficer(command.officer, command.algorithm, command.public_key)
    officer = Officer(command.officer, command.algorithm, command.public_key)
    if not _is_sound(change) or not _has_signed(officer, "register", encode_change(change), command.signature):
        return Decided(Refusal(Reason.officer_signature_is_wrong, "signature"))
    register.proposals.add(Proposal(free[0], encode_change(change), officer.id, FOUNDER))
    register.officers.add(officer)
    return Decided(Changed(officer.id), (OfficerRegistered(officer.id, officer.algorithm, officer.public_key),))


# --- propose, approve ----------------------------------------------------------------------------


def want_proposal(shelves: Shelves, command: ProposeChange | ApproveChange, now: int) -> bool:
    """Which rows are needed; those of the change itself are known once the proposal is."""
    register = shelves.register
    register.officers.want(command.officer)
    register.proposals.want(command.proposal)
    if isinstance(command, ProposeChange):
        return True
    proposal = register.proposals.peek(command.proposal)
    if proposal is None:
        return register.proposals.is_absent(command.proposal)
    _want_subjects(shelves, _changes.decode(proposal.change))
    return True


def propose(shelves: Shelves, command: ProposeChange, turn: Turn) -> Decided:
    """Step one: nothing changes yet."""
    register = shelves.register
    subject = proposal_subject(command.proposal, command.change)
    refusal = _check_officer(shelves, command.officer, "propose", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    if register.proposals.get(command.proposal) is not None:
        return Decided(Refusal(Reason.proposal_is_closed, "proposal"))
    if not _is_sound_text(command.change):
        return Decided(Refusal(Reason.proposal_is_impossible, "change"))
    register.proposals.add(Proposal(command.proposal, command.change, command.officer, None))
    event = ChangeProposed(command.proposal, command.change, command.officer)
    return Decided(Changed(command.proposal), (event,))


def approve(shelves: Shelves, command: ApproveChange, turn: Turn) -> Decided:
    """Step two, by somebody else: the change is in force."""
    proposal = shelves.register.proposals.get(command.proposal)
    if proposal is None:
        return Decided(Refusal(Reason.proposal_is_unknown, "proposal"))
    subject = proposal_subject(proposal.id, proposal.change)
    refusal = _check_officer(shelves, command.officer, "approve", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    if proposal.approver is not None:
        return Decided(Refusal(Reason.proposal_is_closed, "proposal"))
    if proposal.proposer == command.officer:
        return Decided(Refusal(Reason.proposal_needs_a_second_person, "officer"))
    events = _make(shelves, _changes.decode(proposal.change), by=command.officer, at=turn.at)
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
        return encode_change(change) == text and _is_sound(change)
    except (msgspec.DecodeError, ValueError):
        return False


def _is_sound(change: AnyChange) -> bool:
    """Whether a change makes sense by itself, whatever stands in the register."""
    match change:
        case AddContract():
            return _is_sound_contract(change)
        case AddKey():
            return _is_key(change.algorithm, change.public_key) and _are_networks(change.networks)
        case AddOfficer():
            return _is_key(change.algorithm, change.public_key)
        case _:
            return True


def _is_sound_contract(contract: AddContract) -> bool:
    holds = contract.disposition == Disposition.HOLD_THEN_SELL
    return (
        contract.source in ("card", "balance")
        and contract.value_kind in frozenset(ValueKind)
        and 0 < contract.ratio_value <= contract.ratio_face <= RATIO_TERM_MAX
        and contract.disposition in frozenset(Disposition)
        # A balance cannot be held: the operator debits it or does not.
        and not (holds and contract.source == "balance")
        and 0 <= contract.hold_s <= HOLD_S_MAX
        and contract.begins_at < contract.ends_at
    )


def _is_key(algorithm: str, public_key: str) -> bool:
    try:
        PublicKey(algorithm, unb64(public_key)).checker()
    except (ValueError, BadSignature):
        return False
    return True


def _are_networks(networks: str) -> bool:
    """Whether each is a CIDR block; a key bound to a misspelt one would sign from nowhere."""
    try:
        return all(ip_network(block) for block in networks.split())
    except ValueError:
        return False


def _want_subjects(shelves: Shelves, change: AnyChange) -> None:
    register = shelves.register
    match change:
        case AddOfficer():
            register.officers.want(change.id)
        case AddPartner():
            register.partners.want(change.id)
        case AddAgent():
            register.partners.want(change.partner)
            register.agents.want(change.id)
            register.agents.want(change.parent or change.id)
        case AddContract():
            register.partners.want(change.partner)
            register.contracts.want(change.id)
        case EndContract():
            register.contracts.want(change.id)
        case AddKey():
            register.keys.want(change.id)
            register.public_keys.want(change.public_key)
            register.partners.want(change.owner)
            register.sellers.want(change.owner)
        case MoveKey():
            register.keys.want(change.id)
        case ForgetSeller():
            want_intent(shelves, change.id)


def _make(shelves: Shelves, change: AnyChange, *, by: str, at: int) -> tuple[Fact, ...] | Refusal | None:
    """Brings a change into force. None where the register does not allow it, and then nothing has changed."""
    match change:
        case AddOfficer():
            return _make_officer(shelves, change)
        case AddPartner():
            return _make_partner(shelves, change)
        case AddAgent():
            return _make_agent(shelves, change)
        case AddContract():
            return _make_contract(shelves, change)
        case EndContract():
            return _end_contract(shelves, change)
        case AddKey():
            return _make_key(shelves, change)
        case MoveKey():
            return _move_key(shelves, change)
        case ForgetSeller():
            return intend(shelves, change.id, change.reason, by=by, at=at)


def _make_officer(shelves: Shelves, change: AddOfficer) -> tuple[Fact, ...] | None:
    if shelves.register.officers.get(change.id) is not None:
        return None
    shelves.register.officers.add(Officer(change.id, change.algorithm, change.public_key))
    return (OfficerRegistered(change.id, change.algorithm, change.public_key),)


def _make_partner(shelves: Shelves, change: AddPartner) -> tuple[Fact, ...] | None:
    if shelves.register.partners.get(change.id) is not None:
        return None
    shelves.register.partners.add(Partner(change.id, change.name, ACTIVE, change.webhook_url))
    return (PartnerRegistered(change.id, change.name, change.webhook_url),)


def _make_agent(shelves: Shelves, change: AddAgent) -> tuple[Fact, ...] | None:
    register = shelves.register
    parent = register.agents.get(change.parent) if change.parent is not None else None
    has_parent = change.parent is None or (parent is not None and parent.partner == change.partner)
    if register.partners.get(change.partner) is None or register.agents.get(change.id) is not None or not has_parent:
        return None
    register.agents.add(Agent(change.id, change.partner, change.parent))
    return (AgentRegistered(change.id, change.partner, change.parent),)


def _make_contract(shelves: Shelves, change: AddContract) -> tuple[Fact, ...] | None:
    register = shelves.register
    if register.partners.get(change.partner) is None or register.contracts.get(change.id) is not None:
        return None
    register.contracts.add(Contract(**msgspec.structs.asdict(change)))
    return ()


def _end_contract(shelves: Shelves, change: EndContract) -> tuple[Fact, ...] | None:
    contract = shelves.register.contracts.get(change.id)
    if contract is None or not contract.begins_at < change.ends_at <= contract.ends_at:
        return None
    contract.ends_at = change.ends_at
    shelves.register.contracts.change(contract.id, contract)
    return ()


def _make_key(shelves: Shelves, change: AddKey) -> tuple[Fact, ...] | None:
    register = shelves.register
    owners = register.partners if change.owner_kind == "partner" else register.sellers
    is_known = change.owner_kind in ("partner", "seller") and owners.peek(change.owner) is not None
    is_taken = register.keys.get(change.id) is not None or register.public_keys.is_taken(change.public_key)
    if not is_known or is_taken or change.state not in (NEXT, ACTIVE):
        return None
    register.public_keys.take(change.public_key)
    # Only a key that was made on a device and enrolled with a face check is bound to one.
    device = None
    register.keys.add(
        Key(
            change.id, change.owner_kind, change.owner, change.algorithm, change.public_key, change.state, device,
            change.networks, change.ends_at,
        )
    )  # fmt: skip
    return ()


def _move_key(shelves: Shelves, change: MoveKey) -> tuple[Fact, ...] | None:
    key = shelves.register.keys.get(change.id)
    if key is None or (key.state, change.state) not in KEY_MOVES:
        return None
    key.state, key.ends_at = change.state, min(key.ends_at, change.ends_at)
    shelves.register.keys.change(key.id, key)
    return ()


# --- kill switches -------------------------------------------------------------------------------


def want_switch(shelves: Shelves, command: TurnSwitch, now: int) -> bool:
    """Which rows are needed."""
    shelves.register.officers.want(command.officer)
    shelves.register.switches.want(command.target)
    return True


def turn_switch(shelves: Shelves, command: TurnSwitch, turn: Turn) -> Decided:
    """Stops something at once, or opens it again."""
    subject = switch_subject(command.target, stopped=command.stopped, after=command.after)
    refusal = _check_officer(shelves, command.officer, "switch", subject, command.signature)
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


def _check_officer(shelves: Shelves, officer_id: str, verb: str, subject: object, signature: bytes) -> Refusal | None:
    officer = shelves.register.officers.get(officer_id)
    if officer is None:
        return Refusal(Reason.officer_is_unknown, "officer")
    if not _has_signed(officer, verb, subject, signature):
        return Refusal(Reason.officer_signature_is_wrong, "signature")
    return None


def _has_signed(officer: Officer, verb: str, subject: object, signature: bytes) -> bool:
    try:
        PublicKey(officer.algorithm, unb64(officer.public_key)).checker().check(statement(verb, subject), signature)
    except (BadSignature, ValueError):
        return False
    return True


APPLIERS: dict[type, Applier] = {
    RegisterOfficer: Applier(want_officer, register_officer),
    ProposeChange: Applier(want_proposal, propose),
    ApproveChange: Applier(want_proposal, approve),
    TurnSwitch: Applier(want_switch, turn_switch),
}
