"""Every fact that history keeps, each in its version, each field with its privacy class.

An event is stored as its canonical JSON with its kind inside (`"kind":"redemption_taken/1"`). A kind is never
changed, only superseded by a next version, so that what was written can be read for ever. Amounts are fen, instants
are micros; a personal field is sealed or a pseudonym (`privacy.classes`); a test refuses a field without a class.
Those that tell of papers stand in `paper_events`.

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
from suyuan.history.fact import Fact
from suyuan.history.paper_events import PaperDeleted, PaperSealed
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


# --- personal data: who read it, and how it was forgotten ----------------------------------------


class FieldsRead1(Fact, frozen=True, tag="fields_read/1"):
    """As the next version, before officers could read: the platform itself, whole values."""

    purpose: Open[str]
    authority: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    reader: Open[str]
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]


class FieldsRead(Fact, frozen=True, tag="fields_read/2"):
    """Sealed fields were opened, or were about to be: by whom, whose, which and why. Never what they said."""

    purpose: Open[str]
    authority: Open[str]  # The kind: contract, consent, legal_duty or warrant.
    law: Open[str]
    version: Open[str]
    article: Open[str]
    reader: Open[str]  # An officer, or the process of the platform that needed it.
    reference: Open[str]  # The warrant, request or export that it serves, or the officer's own words.
    shows_whole: Open[bool]  # Else only what the masks leave.
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]


class WarrantRegistered(Fact, frozen=True, tag="warrant_registered/1"):
    """An authority's order was entered by one officer and approved by another; from here it may be carried out."""

    warrant: Open[str]
    authority: Open[str]
    document_no: Open[str]
    document_sha256: Open[str]
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]
    begins_at: Open[int]
    ends_at: Open[int]
    requested_by: Open[str]
    approved_by: Open[str]


class WarrantEnded(Fact, frozen=True, tag="warrant_ended/1"):
    """The order was withdrawn or carried out; it opens nothing any more."""

    warrant: Open[str]
    by: Open[str]


class NoticePublished(Fact, frozen=True, tag="notice_published/1"):
    """A privacy notice was served for the first time; its version is the SHA-256 of its content, which is kept."""

    version: Open[str]


class ConsentGiven(Fact, frozen=True, tag="consent_given/1"):
    """A seller agreed that this is done for this recipient, as this notice says; `terms` digests what it says of it."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]  # Whether the seller's own key brought it, or the partner's.
    key: Open[str]


class ConsentRefused(Fact, frozen=True, tag="consent_refused/1"):
    """A seller said no. From here it is closed, and a partner does not ask again for a while."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]
    key: Open[str]


class ConsentWithdrawn(Fact, frozen=True, tag="consent_withdrawn/1"):
    """A seller took a consent back, which was given as this notice says. What was done before stays lawful."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]
    key: Open[str]


class ShreddingIntended(Fact, frozen=True, tag="shredding_intended/1"):
    """This seller will be forgotten. From here nothing of theirs is opened any more, whatever happens next."""

    seller: Pseudonym[str]
    reason: Open[str]
    by: Open[str]


class ShreddingPutOff(Fact, frozen=True, tag="shredding_put_off/1"):
    """What is kept of this seller stays closed and is not shredded before `due_at`; the rule says why."""

    seller: Pseudonym[str]
    reason: Open[str]  # statutory_term or legal_hold.
    due_at: Open[int]
    law: Open[str]
    version: Open[str]
    article: Open[str]


class ProcessingRestricted(Fact, frozen=True, tag="processing_restricted/1"):
    """From here this person's data is stored and secured, and nothing else is done with it."""

    subject: Pseudonym[str]
    reason: Open[str]


class ProcessingResumed(Fact, frozen=True, tag="processing_resumed/1"):
    """The restriction that stood for this reason is over."""

    subject: Pseudonym[str]
    reason: Open[str]


class HoldPlaced(Fact, frozen=True, tag="hold_placed/1"):
    """Nothing of this seller is shredded while the case is open."""

    seller: Pseudonym[str]
    case: Open[str]
    by: Open[str]


class HoldLifted(Fact, frozen=True, tag="hold_lifted/1"):
    seller: Pseudonym[str]
    case: Open[str]
    by: Open[str]


class TermEnded(Fact, frozen=True, tag="term_ended/1"):
    """The retention term of these redemptions' sealed sources is over; their data keys are gone."""

    redemptions: Open[tuple[str, ...]]
    category: Open[str]
    channel: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    fingerprints: Open[tuple[str, ...]]
    epoch: Open[int]


class SubjectsShredded(Fact, frozen=True, tag="subjects_shredded/1"):
    """Their data keys are gone. Copies in backups and logs die with the epoch that is named."""

    subjects: Pseudonym[tuple[str, ...]]
    fingerprints: Open[tuple[str, ...]]
    epoch: Open[int]


class EpochClosed(Fact, frozen=True, tag="epoch_closed/1"):
    """No data key of this epoch, or of one before it, is taken from here on."""

    epoch: Open[int]


class EpochDestroyed(Fact, frozen=True, tag="epoch_destroyed/1"):
    """The keys of this epoch, and of all before it, are gone; so is whatever they alone had wrapped."""

    epoch: Open[int]


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
    | ShreddingIntended
    | ShreddingPutOff
    | ProcessingRestricted
    | ProcessingResumed
    | HoldPlaced
    | HoldLifted
    | TermEnded
    | SubjectsShredded
    | EpochClosed
    | EpochDestroyed
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
