"""Who takes part, and under which terms: partners, their agents, contracts and signing keys, as officers change them.

Terms are never altered: an old contract ends and a new one begins. A key moves on through its life and never back.
"""

from __future__ import annotations

from ipaddress import ip_network

import msgspec

from suyuan.base.clock import DAY_S
from suyuan.base.crypto import BadSignature, PublicKey
from suyuan.base.money import RATIO_TERM_MAX, ValueKind
from suyuan.base.wire import unb64
from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.shelves import Shelves
from suyuan.history.events import AgentRegistered, PartnerRegistered
from suyuan.privacy.retention import ONLINE, SHOP
from suyuan.settle.account import ACTIVE, FOR_EVER, NEXT, RETIRING, REVOKED, Agent, Contract, Key, Partner
from suyuan.settle.payout import Disposition

HOLD_S_MAX = 366 * DAY_S
TRADE_CHANNELS = frozenset({ONLINE, SHOP})
KEY_MOVES = frozenset({(NEXT, ACTIVE), (ACTIVE, RETIRING), (NEXT, REVOKED), (ACTIVE, REVOKED), (RETIRING, REVOKED)})


class AddPartner(Change, frozen=True, tag="add_partner"):
    """A partner; `trade_channel` is where it meets its sellers, and decides how long their data is kept."""

    id: str
    name: str
    webhook_url: str = ""
    trade_channel: str = "online"


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


def _is_sound_partner(change: AddPartner) -> bool:
    return change.trade_channel in TRADE_CHANNELS


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


def is_key(algorithm: str, public_key: str) -> bool:
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


def _want_partner(shelves: Shelves, change: AddPartner) -> bool:
    shelves.register.partners.want(change.id)
    return True


def _want_agent(shelves: Shelves, change: AddAgent) -> bool:
    shelves.register.partners.want(change.partner)
    shelves.register.agents.want_all((change.id, change.parent or change.id))
    return True


def _want_contract(shelves: Shelves, change: AddContract) -> bool:
    shelves.register.partners.want(change.partner)
    shelves.register.contracts.want(change.id)
    return True


def _want_end(shelves: Shelves, change: EndContract) -> bool:
    shelves.register.contracts.want(change.id)
    return True


def _want_key(shelves: Shelves, change: AddKey) -> bool:
    shelves.register.keys.want(change.id)
    shelves.register.public_keys.want(change.public_key)
    shelves.register.partners.want(change.owner)
    shelves.register.sellers.want(change.owner)
    return True


def _want_move(shelves: Shelves, change: MoveKey) -> bool:
    shelves.register.keys.want(change.id)
    return True


def _make_partner(shelves: Shelves, change: AddPartner, _: Approval) -> Made:
    if shelves.register.partners.get(change.id) is not None:
        return None
    shelves.register.partners.add(Partner(change.id, change.name, ACTIVE, change.webhook_url, change.trade_channel))
    return (PartnerRegistered(change.id, change.name, change.webhook_url),)


def _make_agent(shelves: Shelves, change: AddAgent, _: Approval) -> Made:
    register = shelves.register
    parent = register.agents.get(change.parent) if change.parent is not None else None
    has_parent = change.parent is None or (parent is not None and parent.partner == change.partner)
    if register.partners.get(change.partner) is None or register.agents.get(change.id) is not None or not has_parent:
        return None
    register.agents.add(Agent(change.id, change.partner, change.parent))
    return (AgentRegistered(change.id, change.partner, change.parent),)


def _make_contract(shelves: Shelves, change: AddContract, _: Approval) -> Made:
    register = shelves.register
    if register.partners.get(change.partner) is None or register.contracts.get(change.id) is not None:
        return None
    register.contracts.add(Contract(**msgspec.structs.asdict(change)))
    return ()


def _end_contract(shelves: Shelves, change: EndContract, _: Approval) -> Made:
    contract = shelves.register.contracts.get(change.id)
    if contract is None or not contract.begins_at < change.ends_at <= contract.ends_at:
        return None
    contract.ends_at = change.ends_at
    shelves.register.contracts.change(contract.id, contract)
    return ()


def _make_key(shelves: Shelves, change: AddKey, _: Approval) -> Made:
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


def _move_key(shelves: Shelves, change: MoveKey, _: Approval) -> Made:
    key = shelves.register.keys.get(change.id)
    if key is None or (key.state, change.state) not in KEY_MOVES:
        return None
    key.state, key.ends_at = change.state, min(key.ends_at, change.ends_at)
    shelves.register.keys.change(key.id, key)
    return ()


def _is_sound_key(change: AddKey) -> bool:
    return is_key(change.algorithm, change.public_key) and _are_networks(change.networks)


CHANGES: dict[type[Change], ChangeKind] = {
    AddPartner: ChangeKind(_is_sound_partner, _want_partner, _make_partner),
    AddAgent: ChangeKind(is_always_sound, _want_agent, _make_agent),
    AddContract: ChangeKind(_is_sound_contract, _want_contract, _make_contract),
    EndContract: ChangeKind(is_always_sound, _want_end, _end_contract),
    AddKey: ChangeKind(_is_sound_key, _want_key, _make_key),
    MoveKey: ChangeKind(is_always_sound, _want_move, _move_key),
}
