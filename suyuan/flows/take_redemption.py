"""Step (5) of a redemption, in the line: decides, takes and remembers in one commit.

In order: who takes part, the source, the payout, what risk decides (`decide_attempt`), the limits, which a decision may
have tightened. A refusal is a fact too: it is kept with its request, so a retry can never flip it, and in history,
because risk counts attempts. Nothing is taken before everything was checked, so a refused redemption leaves no trace
but that fact, and the freeze of a seller where that was decided.

| risk says | |
|---|---|
| APPROVE | taken |
| DELAY | taken and consumed as ever, and paid not before `release_at` |
| REVIEW | taken, and neither consumed nor paid before a person has decided (`review_case`) |
| STEP_UP, REFUSE, FREEZE | refused; the refusal names the redemption, so that a person can be asked to look at it |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, TypeAlias

import msgspec

from suyuan.base.clock import plus, shanghai_day
from suyuan.base.money import Ratio, Split, split
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.act_once import act_once, want_once
from suyuan.flows.decide_attempt import DECIDED_AFTER, Judged, Parties, ended, judge, want_judging
from suyuan.flows.freeze_seller import POLICY, freeze
from suyuan.flows.keep_keys import are_of_closed_epochs, pseudonym_of, want_epoch, want_pseudonym
from suyuan.flows.let_pass import spend_pass
from suyuan.flows.shelves import Shelves
from suyuan.history.events import RedemptionRefused, RedemptionTaken
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.classes import BlindIndex, Privacy, Sealed
from suyuan.privacy.free_text import holds_personal_value
from suyuan.privacy.pseudonyms import Marks
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.risk.decision import Action
from suyuan.settle import redemption as booking
from suyuan.settle.account import (
    EVERYTHING,
    Seller,
    check_contract,
    check_key,
    check_not_frozen,
    check_partner,
    check_seller,
    tier_of,
)
from suyuan.settle.card import CLAIMED, Card
from suyuan.settle.limits import Take
from suyuan.settle.redemption import IN_REVIEW, PENDING, Due, Parts, Redemption


class TakeRedemption(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to redeem. Everything in it was checked for form; whether it is allowed, the line decides."""

    redemption: str
    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes
    contract: str
    seller: str
    agent: str | None
    ip_prefix: str
    source: str
    operator: str
    card: BlindIndex
    serial_index: BlindIndex
    batch_index: BlindIndex  # Equal for cards whose serials begin alike; nothing for a balance.
    number: Marks | None  # Of a balance.
    sealed_serial: Annotated[Sealed, Privacy.CARD_SECRET]
    sealed_secret: Annotated[Sealed, Privacy.CARD_SECRET]
    subject_key: SubjectKey
    face_fen: int
    expected_payout: int | None
    secret_is_valid: bool | None


class Taken(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The redemption is pending: its value is promised, and will be paid unless the operator rejects the card.

    Not before `release_at` where it is delayed, and not before a person agrees where it is `in_review`.
    """

    redemption: str
    seq: int
    at: int
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    release_at: int = 0
    state: str = PENDING


# What ids of redemptions begin with.
REDEMPTION = "rdm_"

FirstAnswer: TypeAlias = Taken | Refusal
_recalled = msgspec.msgpack.Decoder(FirstAnswer)


def want(shelves: Shelves, command: TakeRedemption, now: int) -> bool:
    """Which rows deciding needs; limits and accounts are known once the parties are."""
    register = shelves.register
    want_once(shelves, command)
    want_epoch(shelves)
    register.sellers.want(command.seller)
    register.contracts.want(command.contract)
    if command.agent is not None:
        register.agents.want(command.agent)
    shelves.cards.shelf.want(command.card)
    if command.number is not None:
        want_pseudonym(shelves, command.number)
    parties = _known(shelves, command)
    if parties is None:
        return _are_absent(shelves, command)
    register.partners.want(parties.seller.partner)
    register.switches.want_all(_switches(command, parties))
    shelves.limits.want(_takes(shelves, command, parties, now))
    shelves.books.accounts.want_all(
        booking.account_keys(
            command.operator, command.card, parties.seller.id, parties.seller.payee, parties.contract.value_kind
        )
    )
    return want_judging(shelves, command)


def _are_absent(shelves: Shelves, command: TakeRedemption) -> bool:
    """Whether a party is known not to exist, so that there is nothing more to want."""
    register = shelves.register
    return (
        register.keys.is_absent(command.key)
        or register.sellers.is_absent(command.seller)
        or register.contracts.is_absent(command.contract)
    )


def apply(shelves: Shelves, command: TakeRedemption, turn: Turn) -> Decided:
    """Decides a new redemption, or repeats what was said to its request before."""
    if are_of_closed_epochs(shelves, command.subject_key, *(() if command.number is None else (command.number,))):
        return Decided(Refusal(Reason.platform_is_busy))
    return act_once(shelves, command, turn, _decide, _recalled)


def _decide(shelves: Shelves, command: TakeRedemption, turn: Turn) -> Decided:
    parties = _known(shelves, command)
    refusal = _check_parties(shelves, command, parties, turn.at)
    if refusal is not None or parties is None:
        return _refuse(command, parties, refusal or Refusal(Reason.key_is_unknown))
    parts = _split(command.face_fen, parties.contract.ratio_face, parties.contract.ratio_value)
    refusal = _check_source(shelves, command) or _check_payout(command, parts)
    if refusal is not None:
        return _refuse(command, parties, refusal)
    judged = judge(shelves, command, parties, parts, turn)
    takes = _takes(shelves, command, parties, turn.at)
    refusal = _declined(command, judged) or shelves.limits.check(
        takes, command.face_fen,
        tier=tier_of(parties.seller, parties.key, at=turn.at), at=turn.at, percent=judged.decision.limit_percent,
    )  # fmt: skip
    if refusal is not None:
        return _refuse_decided(shelves, command, parties, judged, refusal, at=turn.at)
    # The limit legs belong to the group, so that whoever withdraws the promise finds what to give back.
    first_transfer = shelves.books.next_transfer
    shelves.limits.take(turn, takes, command.face_fen)
    redemption = _redemption(command, parties, parts, judged, turn)
    redemption.first_transfer = first_transfer
    return _take(shelves, command, parties, redemption, judged=judged, turn=turn)


_DECLINED = {
    Action.STEP_UP: Reason.step_up_is_needed,
    Action.REFUSE: Reason.redemption_was_declined,
    Action.FREEZE: Reason.seller_is_frozen,
}


def _declined(command: TakeRedemption, judged: Judged) -> Refusal | None:
    """The refusal that a decision comes to. It names the redemption, about which a person can be asked."""
    reason = _DECLINED.get(judged.decision.action)
    return None if reason is None else Refusal(reason, command.redemption)


def _refuse_decided(
    shelves: Shelves, command: TakeRedemption, parties: Parties, judged: Judged, refusal: Refusal, *, at: int
) -> Decided:
    """The decision, then the refusal, then the freeze where that was decided."""
    refused = _refuse(command, parties, refusal)
    events: tuple[Fact, ...] = (ended(judged, refusal.code), *refused.events)
    if judged.decision.action is Action.FREEZE:
        event = freeze(shelves, parties.seller, command.redemption, judged.decision.reason, by=POLICY, at=at)
        events += (event,)
    return Decided(refusal, events, after=DECIDED_AFTER)


@lru_cache(4_096)
def _split(face_fen: int, ratio_face: int, ratio_value: int) -> Split:
    """Remembered, because cards come in a dozen faces and contracts in a few ratios."""
    return split(face_fen, Ratio(ratio_face, ratio_value))


def _known(shelves: Shelves, command: TakeRedemption) -> Parties | None:
    register = shelves.register
    key = register.keys.peek(command.key)
    seller = register.sellers.peek(command.seller)
    contract = register.contracts.peek(command.contract)
    return None if key is None or seller is None or contract is None else Parties(key, seller, contract)


def _check_parties(shelves: Shelves, command: TakeRedemption, parties: Parties | None, at: int) -> Refusal | None:
    """Who asks, for whom, under which contract; the first that is wrong, in the order of `refusals`."""
    register = shelves.register
    key = register.keys.get(command.key)
    seller = register.sellers.get(command.seller)
    refusal = check_key(key, at=at)
    if refusal is not None:
        return refusal
    assert key is not None
    partner_id = key.owner if key.owner_kind == "partner" else seller.partner if seller is not None else ""
    if key.owner_kind == "seller" and key.owner != command.seller:
        return Refusal(Reason.key_may_not_do_this, "seller")
    contract = register.contracts.get(command.contract)
    refusal = (
        _check_switches(shelves, command, parties)
        or check_seller(seller, partner_id)
        or _check_freeze(seller)
        or check_partner(register.partners.peek(partner_id))
        or _check_agent(shelves, command, partner_id)
        or check_contract(contract, partner_id, command.source, at=at)
    )
    if refusal is None and seller is not None and not seller.sealed_payee:
        return Refusal(Reason.payee_is_not_verified, "seller")
    return refusal


def _switches(command: TakeRedemption, parties: Parties) -> tuple[str, ...]:
    """The kill switches that a redemption meets, in the order of `_STOPPED`."""
    return _switches_of(command.key, parties.seller.partner, parties.contract.channel, command.operator)


@lru_cache(4_096)
def _switches_of(key: str, partner: str, channel: str, operator: str) -> tuple[str, ...]:
    return (EVERYTHING, f"key:{key}", f"partner:{partner}", f"channel:{channel}", f"card_kind:{operator}")


_STOPPED = (
    Reason.platform_is_stopped,
    Reason.key_is_stopped,
    Reason.partner_is_stopped,
    Reason.channel_is_stopped,
    Reason.card_kind_is_stopped,
)


def _check_switches(shelves: Shelves, command: TakeRedemption, parties: Parties | None) -> Refusal | None:
    if parties is None:
        return None
    for target, reason in zip(_switches(command, parties), _STOPPED, strict=True):
        if shelves.register.is_stopped(target):
            return Refusal(reason)
    return None


def _check_freeze(seller: Seller | None) -> Refusal | None:
    """A frozen seller is told by which attempt, since that is what a person can be asked to look at."""
    refusal = check_not_frozen(seller)
    if refusal is None or seller is None or not seller.frozen_by.startswith(REDEMPTION):
        return refusal
    return Refusal(refusal.reason, seller.frozen_by)


def _check_agent(shelves: Shelves, command: TakeRedemption, partner_id: str) -> Refusal | None:
    if command.agent is None:
        return None
    agent = shelves.register.agents.get(command.agent)
    return None if agent is not None and agent.partner == partner_id else Refusal(Reason.agent_is_unknown, "agent")


def _check_source(shelves: Shelves, command: TakeRedemption) -> Refusal | None:
    if shelves.cards.is_taken(command.card):
        return Refusal(Reason.card_was_sold_before, "pin")
    return Refusal(Reason.card_secret_is_wrong, "pin") if command.secret_is_valid is False else None


def _check_payout(command: TakeRedemption, parts: Split) -> Refusal | None:
    if parts.paid == 0:
        return Refusal(Reason.payout_is_too_small, "face_fen")
    if command.expected_payout not in (None, parts.paid):
        return Refusal(Reason.payout_is_not_the_expected_one, "expected_payout")
    return None


def _subjects(command: TakeRedemption, parties: Parties) -> dict[str, str]:
    subjects = {
        "seller": parties.seller.id,
        "identity": parties.seller.identity,
        "payee": parties.seller.payee,
        "partner": parties.seller.partner,
        "ip_prefix": command.ip_prefix,
    }
    if parties.key.device is not None:
        subjects["device"] = parties.key.device
    return subjects


def _takes(shelves: Shelves, command: TakeRedemption, parties: Parties, at: int) -> Sequence[Take]:
    tier = tier_of(parties.seller, parties.key, at=at)
    return shelves.limits.takes(_subjects(command, parties), tier, shanghai_day(at))


def _as_kept(name: str, parties: Parties | None) -> str:
    """A name as history keeps it; one that nobody here has may be a person's number, which does not belong there."""
    return "" if parties is None and holds_personal_value(name) else name


def _refuse(command: TakeRedemption, parties: Parties | None, refusal: Refusal) -> Decided:
    event = RedemptionRefused(
        redemption=command.redemption,
        partner=parties.seller.partner if parties is not None else "",
        key=command.key,
        contract=_as_kept(command.contract, parties),
        seller=_as_kept(command.seller, parties),
        device=parties.key.device if parties is not None else None,
        ip_prefix=command.ip_prefix,
        source=command.source,
        operator=command.operator,
        source_index=command.card,
        face_fen=command.face_fen,
        reason=refusal.code,
        where=refusal.where,
    )
    return Decided(refusal, (event,))


def _take(
    shelves: Shelves, command: TakeRedemption, parties: Parties, redemption: Redemption, *, judged: Judged, turn: Turn
) -> Decided:
    """Everything that taking changes beside the limits: card, books, redemption, outbox, history."""
    seller, contract = parties.seller, parties.contract
    parts = _split(command.face_fen, contract.ratio_face, contract.ratio_value)
    owed_fen = booking.debt_of(shelves.books, seller.id) if contract.value_kind == booking.MONEY else 0
    debt_fen = min(owed_fen, parts.paid)
    booking.pend(
        shelves.books, turn,
        Parts(
            command.operator, command.card, seller.id, seller.payee, parts, command.face_fen, debt_fen,
            contract.value_kind, contract.disposition,
        ),
    )  # fmt: skip
    shelves.cards.claim(_card(shelves, command, turn.at))
    shelves.subject_keys.add(command.subject_key)
    redemption.debt_fen = debt_fen
    redemption.transfers = shelves.books.next_transfer - redemption.first_transfer
    shelves.redemptions.shelf.add(redemption)
    if redemption.state == PENDING:
        due_at = plus(turn.at, contract.hold_s)
        shelves.redemptions.outbox.add(Due(command.redemption, "settle", command.redemption, due_at, 0, b""))
    taken = Taken(
        command.redemption, turn.seq, turn.at, command.face_fen, parts.paid, parts.fee, parts.rounding, debt_fen,
        contract.value_kind, redemption.release_at, redemption.state,
    )  # fmt: skip
    passed = spend_pass(shelves, judged.attempt) if judged.is_passed else ()
    return Decided(taken, (_taken_event(command, parties, redemption), ended(judged, ""), *passed))


def _card(shelves: Shelves, command: TakeRedemption, at: int) -> Card:
    return Card(
        id=command.card,
        operator=command.operator,
        serial_index=command.serial_index if command.number is None else pseudonym_of(shelves, command.number),
        sealed_serial=command.sealed_serial,
        sealed_secret=command.sealed_secret,
        face_fen=command.face_fen,
        redemption=command.redemption,
        state=CLAIMED,
        at=at,
    )


def _redemption(command: TakeRedemption, parties: Parties, parts: Split, judged: Judged, turn: Turn) -> Redemption:
    seller, contract, decision = parties.seller, parties.contract, judged.decision
    return Redemption(
        id=command.redemption,
        seq=turn.seq,
        partner=seller.partner,
        agent=command.agent,
        contract=contract.id,
        seller=seller.id,
        source=command.source,
        card=command.card,
        operator=command.operator,
        face_fen=command.face_fen,
        paid=parts.paid,
        fee_fen=parts.fee,
        rounding_fen=parts.rounding,
        debt_fen=0,
        value_kind=contract.value_kind,
        channel=contract.channel,
        merchant_id=contract.merchant_id,
        payee=seller.payee,
        sealed_payee=seller.sealed_payee,
        disposition=contract.disposition,
        state=IN_REVIEW if decision.action is Action.REVIEW else PENDING,
        first_transfer=0,
        transfers=0,
        taken_at=turn.at,
        changed_at=turn.at,
        reference="",
        release_at=plus(turn.at, decision.delay_s) if decision.action is Action.DELAY else 0,
    )


def _taken_event(command: TakeRedemption, parties: Parties, redemption: Redemption) -> RedemptionTaken:
    return RedemptionTaken(
        redemption=redemption.id,
        partner=redemption.partner,
        agent=redemption.agent,
        key=command.key,
        contract=redemption.contract,
        seller=redemption.seller,
        device=parties.key.device,
        ip_prefix=command.ip_prefix,
        source=redemption.source,
        operator=redemption.operator,
        source_index=BlindIndex(redemption.card),
        sealed_serial=command.sealed_serial,
        sealed_secret=command.sealed_secret,
        face_fen=redemption.face_fen,
        paid=redemption.paid,
        fee_fen=redemption.fee_fen,
        rounding_fen=redemption.rounding_fen,
        debt_fen=redemption.debt_fen,
        value_kind=redemption.value_kind,
        channel=redemption.channel,
        disposition=redemption.disposition,
    )


APPLIER = Applier(want, apply)
