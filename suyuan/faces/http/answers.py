"""What the API answers: one Struct a kind of answer, and RFC 9457 problem documents for every refusal.

An answer's bytes depend on nothing but what it tells, so a retried idempotency key gets equal bytes.

>>> problem(Refusal(Reason.daily_limit_is_reached, "seller")).body[:72]
b'{"type":"/refusals/daily_limit_is_reached","title":"Today\\'s limit is use'
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.base.crypto import PlatformKey
from suyuan.base.refusals import TEXTS, Reason, Refusal
from suyuan.flows.decide_consent import NOT_ASKED, Consents, ConsentStands, Standing
from suyuan.flows.prove_event import Proven
from suyuan.flows.redeem_card import Taken
from suyuan.flows.register_seller import Registered
from suyuan.flows.show_records import Page, Room
from suyuan.flows.step_up import Raised
from suyuan.flows.tell_partner_number import MaskedNumber
from suyuan.privacy.consent import Consent, is_in_force, may_ask_at
from suyuan.privacy.purposes import purpose_of
from suyuan.privacy.receipt import ReceiptPaper, sign_receipt
from suyuan.settle.account import Contract
from suyuan.settle.redemption import PENDING, PUBLIC_STATES, Redemption

JSON = b"application/json"
PROBLEM = b"application/problem+json"
BUSY_S, AWAY_S, STOPPED_S = 1, 2, 60

_encoder = msgspec.json.Encoder()
_STOPPED = frozenset({Reason.platform_is_stopped, Reason.channel_is_stopped, Reason.card_kind_is_stopped})


class Reply(NamedTuple):
    """An answer before it is signed."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """An RFC 9457 problem document. `code` is stable; `where` names the field or subject concerned, never its value."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    detail_zh: str
    where: str


class RedemptionTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A redemption that was taken a moment ago. Amounts are fen, or units of the value kind; `at` is micros.

    Where `release_at` (micros) is there, nothing is paid before it; `in_review` waits for a person.
    """

    redemption: str
    state: str
    seq: int
    at: int
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    release_at: int = 0


class RedemptionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a redemption stands: in_review, pending, paid, declined, rejected, payout_refused or reversed.

    `reference` is the channel's; where `release_at` (micros) is there, nothing is paid before it.
    """

    redemption: str
    state: str
    seq: int
    at: int
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    changed_at: int
    reference: str
    release_at: int = 0


class EventProof(msgspec.Struct, frozen=True):
    """An event of the public log. `record`, `openings` and `proof` are the exact texts to check and to keep."""

    seq: int
    record: str
    openings: str
    proof: str
    is_cosigned: bool


class RedemptionProofs(msgspec.Struct, frozen=True):
    """The events of a redemption, the oldest first, as far as they are in the log."""

    events: list[EventProof]


class RedemptionPage(msgspec.Struct, frozen=True):
    """Redemptions, the newest last; `next` is the cursor of the following page, null on the last one."""

    redemptions: list[RedemptionState]
    next: str | None


class SellerRegistered(msgspec.Struct, frozen=True):
    """The seller's id, and the id of the device's key where one was enrolled (else empty)."""

    seller: str
    device_key: str


class LimitRaised(msgspec.Struct, frozen=True):
    """A step-up that was granted, for this day in Shanghai."""

    step_up: str
    raised_fen: int
    day: str


class ContractShown(msgspec.Struct, frozen=True):
    """A contract: `ratio_face` of card value become `ratio_value` of payout."""

    contract: str
    source: str
    value_kind: str
    ratio_face: int
    ratio_value: int
    channel: str
    disposition: str
    begins_at: int
    ends_at: int


class Contracts(msgspec.Struct, frozen=True):
    """The contracts under which the caller may redeem."""

    contracts: list[ContractShown]


class LimitShown(msgspec.Struct, frozen=True):
    """One limit of a window: `day` in Shanghai, or the last `24h`."""

    subject: str
    window: str
    cap_fen: int
    raised_fen: int
    left_fen: int


class Limits(msgspec.Struct, frozen=True):
    """What a seller may still redeem. A redemption needs room in every limit."""

    seller: str
    tier: int
    day: str
    transaction_fen_max: int
    limits: list[LimitShown]


class ConsentShown(msgspec.Struct, frozen=True):
    """How a seller stands to a purpose: given, refused, withdrawn, or not_asked, and then there is no receipt.

    `in_force` is whether it counts today; `may_ask_at` when a partner may ask again, 0 for at once. The receipt is
    signed by itself, and written canonically, so what stands there checks offline as it is.
    """

    seller: str
    purpose: str
    recipient: str
    state: str
    in_force: bool
    may_ask_at: int
    receipt: ReceiptPaper | None


class ConsentsShown(msgspec.Struct, frozen=True):
    """Everything that takes this seller's consent."""

    seller: str
    consents: list[ConsentShown]


class NumberShown(msgspec.Struct, frozen=True):
    """A seller's number, masked."""

    seller: str
    number: str


class Health(msgspec.Struct, frozen=True):
    """The platform takes redemptions."""

    ready: bool


class KeyShown(msgspec.Struct, frozen=True):
    """A public key of the platform: `<algorithm>:<base64url>`."""

    id: str
    public_key: str


class PlatformShown(msgspec.Struct, frozen=True):
    """What callers sign requests for, and check answers and vouchers with. Compare the keys by another way, once."""

    origin: str
    keys: list[KeyShown]


def reply(status: int, answer: msgspec.Struct, *headers: tuple[bytes, bytes]) -> Reply:
    """An answer that says yes."""
    return Reply(status, _encoder.encode(answer), JSON, headers)


@lru_cache(2048)
def problem(refusal: Refusal) -> Reply:
    """A refusal as a problem document, with when to come back where coming back helps."""
    document = Problem(
        type=f"/refusals/{refusal.code}",
        title=TEXTS[refusal.reason].en,
        status=refusal.status,
        code=refusal.code,
        detail=refusal.sentence("en"),
        detail_zh=refusal.sentence("zh"),
        where=refusal.where,
    )
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-language", b"en"),)
    if refusal.status in (429, 503):
        wait_s = BUSY_S if refusal.status == 429 else STOPPED_S if refusal.reason in _STOPPED else AWAY_S
        headers += ((b"retry-after", str(wait_s).encode()),)
    return Reply(refusal.status, _encoder.encode(document), PROBLEM, headers)


def taken(answer: Taken) -> Reply:
    """202: the redemption is pending."""
    body = RedemptionTaken(
        redemption=answer.redemption,
        state=answer.state,
        seq=answer.seq,
        at=answer.at,
        face_fen=answer.face_fen,
        paid=answer.paid,
        fee_fen=answer.fee_fen,
        rounding_fen=answer.rounding_fen,
        debt_fen=answer.debt_fen,
        value_kind=answer.value_kind,
        release_at=answer.release_at,
    )
    return reply(202, body, (b"location", f"/v1/redemptions/{answer.redemption}".encode()))


def state_of(redemption: Redemption) -> RedemptionState:
    """A redemption as its seller may see it: how the platform fares with the card is its own affair."""
    state = PUBLIC_STATES.get(redemption.state, redemption.state)
    return RedemptionState(
        redemption=redemption.id,
        state=state,
        seq=redemption.seq,
        at=redemption.taken_at,
        face_fen=redemption.face_fen,
        paid=redemption.paid,
        fee_fen=redemption.fee_fen,
        rounding_fen=redemption.rounding_fen,
        debt_fen=redemption.debt_fen,
        value_kind=redemption.value_kind,
        changed_at=redemption.changed_at,
        reference="" if state == PENDING else redemption.reference,
        release_at=redemption.release_at,
    )


def state(redemption: Redemption) -> Reply:
    """200: how it stands."""
    return reply(200, state_of(redemption))


def page(found: Page) -> Reply:
    """200: a page of the list."""
    return reply(200, RedemptionPage([state_of(redemption) for redemption in found.redemptions], found.next))


def voucher(paper: bytes) -> Reply:
    """200: the voucher in its own canonical bytes."""
    return Reply(200, paper)


def proofs(proven: list[Proven]) -> Reply:
    """200: what the log holds of a redemption."""
    return reply(200, RedemptionProofs([_event_proof(one) for one in proven]))


def _event_proof(proven: Proven) -> EventProof:
    record, openings = proven.opened.record.decode(), proven.opened.openings.decode()
    return EventProof(proven.seq, record, openings, proven.proof.decode(), proven.is_cosigned)


def registered(answer: Registered) -> Reply:
    """201: the seller may sell."""
    return reply(201, SellerRegistered(answer.seller, answer.device_key))


def raised(answer: Raised) -> Reply:
    """201: the limit is larger."""
    return reply(201, LimitRaised(answer.step_up, answer.raised_fen, answer.day))


def consented(answer: ConsentStands, keys: Sequence[PlatformKey]) -> Reply:
    """201: what was decided is kept."""
    row = answer.consent
    return _canonical_reply(201, _consent(row.seller, row.purpose, row.recipient, row, keys))


def consents(found: Consents, keys: Sequence[PlatformKey]) -> Reply:
    """200: how the seller stands."""
    return _canonical_reply(200, ConsentsShown(found.seller, [_standing(one, keys) for one in found.standings]))


def number(found: MaskedNumber) -> Reply:
    """200: what the mask leaves."""
    return reply(200, NumberShown(found.seller, found.number))


def contracts(found: list[Contract]) -> Reply:
    """200: the contracts, without what is the platform's own business with its channel."""
    return reply(200, Contracts([_contract(contract) for contract in found]))


def limits(room: Room) -> Reply:
    """200: what is left."""
    shown = [
        LimitShown(left.take.rule.subject, left.take.rule.window, left.take.cap_fen, left.raised_fen, left.left_fen)
        for left in room.limits
    ]
    return reply(200, Limits(room.seller, room.tier, room.day, room.transaction_fen_max, shown))


def _canonical_reply(status: int, answer: msgspec.Struct) -> Reply:
    return Reply(status, wire.canonical_record(answer))


def _standing(standing: Standing, keys: Sequence[PlatformKey]) -> ConsentShown:
    subject = standing.subject
    return _consent(subject.seller, subject.purpose.id, subject.recipient, standing.row, keys)


def _consent(
    seller: str, purpose_id: str, recipient: str, row: Consent | None, keys: Sequence[PlatformKey]
) -> ConsentShown:
    purpose = purpose_of(purpose_id)
    return ConsentShown(
        seller=seller,
        purpose=purpose_id,
        recipient=recipient,
        state=NOT_ASKED if row is None else row.state,
        in_force=purpose is not None and is_in_force(row, purpose),
        may_ask_at=may_ask_at(row),
        receipt=None if row is None else sign_receipt(row, keys),
    )


def _contract(contract: Contract) -> ContractShown:
    return ContractShown(
        contract=contract.id,
        source=contract.source,
        value_kind=contract.value_kind,
        ratio_face=contract.ratio_face,
        ratio_value=contract.ratio_value,
        channel=contract.channel,
        disposition=contract.disposition,
        begins_at=contract.begins_at,
        ends_at=contract.ends_at,
    )
