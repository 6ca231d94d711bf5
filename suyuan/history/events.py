"""Every fact that history keeps, each in its version, each field with its privacy class.

An event is stored as its canonical JSON with its kind inside (`"kind":"redemption_taken/1"`). A kind is never
changed, only superseded by a next version, so that what was written can be read for ever. Amounts are fen, instants
are micros; a personal field is sealed or a pseudonym (`privacy.classes`); a test refuses a field without a class.
Those that tell of personal data stand in `privacy_events`, those of papers in `paper_events`, those of recipients and
exports in `disclosure_events`, those of people's requests in `right_events`, and those of risk in `decision_events`.

>>> event = SwitchTurned(target_kind="channel", target="bank_transfer", stopped=True, by="ofc_1")
>>> encode(event)
b'{"by":"ofc_1","kind":"switch_turned/1","stopped":true,"target":"bank_transfer","target_kind":"channel"}'
>>> decode(encode(event)) == event
True
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from suyuan.base.wire import canonical_record
from suyuan.history.decision_events import (
    DecisionMade,
    DecisionsChecked,
    GraphPublished,
    ListEntryAdded,
    ListEntryRemoved,
    ModelDeployed,
    PolicyDeployed,
    ReviewAsked,
    ReviewDecided,
    SellerFrozen,
    SellerUnfrozen,
)
from suyuan.history.disclosure_events import (
    BundleMade,
    ExportApproved,
    ExportBegun,
    ExportEscalated,
    ExportMade,
    RecipientEnded,
    RecipientRegistered,
)
from suyuan.history.fact import Fact
from suyuan.history.paper_events import PaperDeleted, PaperSealed
from suyuan.history.privacy_events import (
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
    EpochClosed,
    EpochDestroyed,
    FieldsRead,
    FieldsRead1,
    HoldLifted,
    HoldPlaced,
    NoticePublished,
    ProcessingRestricted,
    ProcessingResumed,
    ShreddingIntended,
    ShreddingPutOff,
    SubjectsShredded,
    TermEnded,
    WarrantEnded,
    WarrantRegistered,
)
from suyuan.history.right_events import RequestAnswered, RequestReceived, RequestRefused, SellerCorrected
from suyuan.privacy.classes import BlindIndex, Open, Privacy, Pseudonym, Sealed

# --- the rule book: who takes part, and under which terms ----------------------------------------


class OfficerRegistered(Fact, frozen=True, tag="officer_registered/1"):
    """A person who may propose or approve changes."""

    officer: Open[str]
    algorithm: Open[str]
    public_key: Open[str]


class ChangeProposed(Fact, frozen=True, tag="change_proposed/1"):
    """One officer's wish to change a contract, ratio or key. Nothing has changed yet."""

    proposal: Open[str]
    change: Open[str]  # Canonical JSON of the change.
    proposer: Open[str]


class ChangeApproved(Fact, frozen=True, tag="change_approved/1"):
    """A second officer's consent; the change is in force from here."""

    proposal: Open[str]
    change: Open[str]
    proposer: Open[str]
    approver: Open[str]


class PartnerRegistered(Fact, frozen=True, tag="partner_registered/1"):
    partner: Open[str]
    name: Open[str]
    webhook_url: Open[str]


class AgentRegistered(Fact, frozen=True, tag="agent_registered/1"):
    agent: Open[str]
    partner: Open[str]
    parent: Open[str | None]


class SellerRegistered1(Fact, frozen=True, tag="seller_registered/1"):
    """As the next version, when blind indexes linked sellers, which nobody could make forget."""

    seller: Pseudonym[str]
    partner: Open[str]
    identity_index: Pseudonym[BlindIndex]
    payee_index: Pseudonym[BlindIndex]
    sealed_name: Annotated[Sealed, Privacy.IDENTITY]
    sealed_identity: Annotated[Sealed, Privacy.IDENTITY]
    sealed_number: Annotated[Sealed, Privacy.CONTACT]
    sealed_payee: Annotated[Sealed, Privacy.FINANCE]
    tier: Open[int]


class SellerRegistered(Fact, frozen=True, tag="seller_registered/2"):
    """A seller's registration: random pseudonyms for linking, sealed fields for those who may open them."""

    seller: Pseudonym[str]
    partner: Open[str]
    identity: Pseudonym[str]
    payee: Pseudonym[str]
    number: Pseudonym[str]
    sealed_name: Annotated[Sealed, Privacy.IDENTITY]
    sealed_identity: Annotated[Sealed, Privacy.IDENTITY]
    sealed_number: Annotated[Sealed, Privacy.CONTACT]
    sealed_payee: Annotated[Sealed, Privacy.FINANCE]
    tier: Open[int]


class DeviceBound(Fact, frozen=True, tag="device_bound/1"):
    """A key made on the seller's device, enrolled after a face check."""

    key: Open[str]
    seller: Pseudonym[str]
    device: Annotated[str, Privacy.DEVICE]
    algorithm: Open[str]
    public_key: Open[str]


class SwitchTurned(Fact, frozen=True, tag="switch_turned/1"):
    """A kill switch: stops a channel, partner, key, card kind or the whole platform at once, or opens it again."""

    target_kind: Open[str]
    target: Open[str]
    stopped: Open[bool]
    by: Open[str]


class TierRaised(Fact, frozen=True, tag="tier_raised/1"):
    """A face check was passed: today's limit of this seller is larger by so much."""

    step_up: Open[str]
    seller: Pseudonym[str]
    day: Open[str]
    raised_fen: Open[int]
    check_reference: Pseudonym[str]


# --- redemptions ---------------------------------------------------------------------------------


class RedemptionTaken(Fact, frozen=True, tag="redemption_taken/1"):
    """A card, or a balance, was claimed and its value is pending. From here the money moves at most once."""

    redemption: Open[str]
    partner: Open[str]
    agent: Open[str | None]
    key: Open[str]
    contract: Open[str]
    seller: Pseudonym[str]
    device: Annotated[str | None, Privacy.DEVICE]
    ip_prefix: Annotated[str, Privacy.DEVICE]
    source: Open[str]
    operator: Open[str]
    source_index: Pseudonym[BlindIndex]
    sealed_serial: Annotated[Sealed, Privacy.CARD_SECRET]
    sealed_secret: Annotated[Sealed, Privacy.CARD_SECRET]
    face_fen: Open[int]
    paid: Open[int]  # In units of the value kind: fen of money, coupons or points.
    fee_fen: Open[int]
    rounding_fen: Open[int]
    debt_fen: Open[int]  # The part of `paid` that settles an old debt of the seller.
    value_kind: Open[str]
    channel: Open[str]
    disposition: Open[str]


class RedemptionRefused(Fact, frozen=True, tag="redemption_refused/1"):
    """A well-signed request that the line refused. Kept, because risk counts attempts."""

    redemption: Open[str]
    partner: Open[str]
    key: Open[str]
    contract: Open[str]
    seller: Pseudonym[str]
    device: Annotated[str | None, Privacy.DEVICE]
    ip_prefix: Annotated[str, Privacy.DEVICE]
    source: Open[str]
    operator: Open[str]
    source_index: Pseudonym[BlindIndex]
    face_fen: Open[int]
    reason: Open[str]
    where: Open[str]


class SourceConsumed(Fact, frozen=True, tag="source_consumed/1"):
    """The operator spent the card, or debited the balance, into our float. The seller is owed money now."""

    redemption: Open[str]
    reference: Open[str]


class SourceProven(Fact, frozen=True, tag="source_proven/1"):
    """A held card is still good, by its secret or by the waiting alone; it will be paid for now."""

    redemption: Open[str]
    by: Open[str]


class SourceRejected(Fact, frozen=True, tag="source_rejected/1"):
    """The operator will not spend it; pendings are voided, limits given back."""

    redemption: Open[str]
    code: Open[str]


class PayoutPaid(Fact, frozen=True, tag="payout_paid/1"):
    """The channel paid. This is what the voucher attests."""

    redemption: Open[str]
    reference: Open[str]
    paid: Open[int]
    value_kind: Open[str]


class PayoutRefused(Fact, frozen=True, tag="payout_refused/1"):
    """The channel definitely will not pay; the pending is voided, the seller's claim stays in the books."""

    redemption: Open[str]
    code: Open[str]


class SourceReversed(Fact, frozen=True, tag="source_reversed/1"):
    """The operator took back what it had consumed. What was paid out becomes the seller's debt."""

    redemption: Open[str]
    reference: Open[str]
    debt_fen: Open[int]


class HeldCardSold(Fact, frozen=True, tag="held_card_sold/1"):
    """A held card has found its buyer and is consumed now; its seller has long been paid."""

    redemption: Open[str]
    buyer: Open[str]


class HoldsReleased(Fact, frozen=True, tag="holds_released/1"):
    """Our own holds that had expired were released by the sweeper."""

    holds: Open[int]
    released_fen: Open[int]


class StrangersCounted(Fact, frozen=True, tag="strangers_counted/1"):
    """Requests that proved nothing, counted by key, IP prefix and minute, so that strangers cannot fill history."""

    key: Open[str]
    ip_prefix: Annotated[str, Privacy.DEVICE]
    minute: Open[int]
    reason: Open[str]
    times: Open[int]


Event = (
    OfficerRegistered
    | ChangeProposed
    | ChangeApproved
    | PartnerRegistered
    | AgentRegistered
    | SellerRegistered1
    | SellerRegistered
    | DeviceBound
    | SwitchTurned
    | TierRaised
    | RedemptionTaken
    | RedemptionRefused
    | SourceConsumed
    | SourceProven
    | SourceRejected
    | PayoutPaid
    | PayoutRefused
    | SourceReversed
    | HeldCardSold
    | HoldsReleased
    | StrangersCounted
    | FieldsRead1
    | FieldsRead
    | WarrantRegistered
    | WarrantEnded
    | NoticePublished
    | ConsentGiven
    | ConsentRefused
    | ConsentWithdrawn
    | PaperSealed
    | PaperDeleted
    | RecipientRegistered
    | RecipientEnded
    | ExportEscalated
    | ExportApproved
    | ExportBegun
    | ExportMade
    | ShreddingIntended
    | ShreddingPutOff
    | ProcessingRestricted
    | ProcessingResumed
    | HoldPlaced
    | HoldLifted
    | TermEnded
    | SubjectsShredded
    | RequestReceived
    | RequestAnswered
    | RequestRefused
    | SellerCorrected
    | EpochClosed
    | EpochDestroyed
    | BundleMade
    | DecisionMade
    | ReviewAsked
    | ReviewDecided
    | SellerFrozen
    | SellerUnfrozen
    | PolicyDeployed
    | ModelDeployed
    | ListEntryAdded
    | ListEntryRemoved
    | GraphPublished
    | DecisionsChecked
)

_decoder = msgspec.json.Decoder(Event)


def kind_of(event: Fact) -> str:
    """The kind and version under which an event is stored."""
    return kind_of_type(type(event))


def kind_of_type(kind: type[Fact]) -> str:
    """The kind and version under which events of this type are stored."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def encode(event: Fact) -> bytes:
    """The canonical bytes of an event; what is stored, exported and later committed to."""
    return canonical_record(event)


def decode(body: bytes) -> Event:
    """The event of its bytes. Raises `msgspec.DecodeError` for bytes that are none."""
    event: Event = _decoder.decode(body)
    return event
