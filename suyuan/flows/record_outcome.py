"""What the world answered, as the line keeps it: the books move, the card moves, the outbox row goes or waits.

A record that does not belong to the stage in which the redemption stands changes nothing: news from a slow driver
about a stage that is over (`redemption_is_settled_already`). An unknown answer only moves the time of asking again.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.events import (
    PayoutPaid,
    PayoutRefused,
    SourceConsumed,
    SourceProven,
    SourceRejected,
    SourceReversed,
)
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.settle import payout
from suyuan.settle import redemption as booking
from suyuan.settle.card import CONSUMED as CARD_CONSUMED
from suyuan.settle.card import RELEASED
from suyuan.settle.card import REVERSED as CARD_REVERSED
from suyuan.settle.ledger import Booked
from suyuan.settle.payout import Disposition, Stage
from suyuan.settle.redemption import (
    CONSUMED,
    HELD,
    PAID,
    PAYOUT_REFUSED,
    PROVEN,
    REJECTED,
    REVERSED,
    Due,
    Redemption,
)

CONSUME_SUFFIX, PAY_SUFFIX = "-c", "-p"


class RecordOutcome(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep a provider's verdict. `kind` names the record of `payout`, `word` its code or reason."""

    redemption: str
    order_no: str
    kind: str
    word: str
    attempts: int = 0
    again_in_s: int = 0


class TakeBack(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to book that this operator took back what it had consumed."""

    redemption: str
    reference: str
    operator: str


class Recorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The state in which the redemption stands now."""

    redemption: str
    state: str


Outcome: TypeAlias = RecordOutcome | TakeBack


def outcome_of(redemption: str, record: payout.Record) -> RecordOutcome:
    """A dialogue's record as a command."""
    match record:
        case payout.RecordUnknown(order_no, why, attempts, again_in_s):
            return RecordOutcome(redemption, order_no, "unknown", why, attempts, again_in_s)
        case payout.RecordProven(order_no, by):
            return RecordOutcome(redemption, order_no, "proven", by)
        case payout.RecordConsumed(order_no, reference):
            return RecordOutcome(redemption, order_no, "consumed", reference)
        case payout.RecordRejected(order_no, code):
            return RecordOutcome(redemption, order_no, "rejected", code)
        case payout.RecordPaid(order_no, reference):
            return RecordOutcome(redemption, order_no, "paid", reference)
        case payout.RecordPayRefused(order_no, code):
            return RecordOutcome(redemption, order_no, "pay_refused", code)
        case payout.RecordDebt(order_no, code):
            return RecordOutcome(redemption, order_no, "debt", code)


def order_no_of(redemption: Redemption) -> str:
    """The number of the order that the present stage is about; the other stage has another."""
    suffix = PAY_SUFFIX if booking.stage_of(redemption) is Stage.PAY else CONSUME_SUFFIX
    return redemption.id + suffix


def want(shelves: Shelves, command: Outcome, now: int) -> bool:
    """Which rows recording needs."""
    return want_outcome(shelves, command.redemption)


def want_outcome(shelves: Shelves, redemption_id: str) -> bool:
    """Which rows ending a redemption needs; those of its parties are known once it is.

    Its decision is one of them, because a card that turns out bad counts against whom the attempt had named.
    """
    shelves.redemptions.shelf.want(redemption_id)
    shelves.redemptions.outbox.want(redemption_id)
    shelves.risk.decisions.want(redemption_id)
    redemption = shelves.redemptions.shelf.peek(redemption_id)
    if redemption is None:
        return shelves.redemptions.shelf.is_absent(redemption_id)
    shelves.cards.shelf.want(redemption.card)
    shelves.register.partners.want(redemption.partner)
    for key in booking.account_keys(
        redemption.operator, redemption.card, redemption.seller, redemption.payee, redemption.value_kind
    ):
        shelves.books.want(key)
    # The transfers name their accounts, so they are asked for twice: for themselves, then for these.
    return shelves.books.want_group(redemption.first_transfer, redemption.transfers)


def apply(shelves: Shelves, command: RecordOutcome, turn: Turn) -> Decided:
    """Keeps one verdict."""
    redemption = shelves.redemptions.shelf.get(command.redemption)
    if redemption is None:
        return Decided(Refusal(Reason.redemption_is_unknown))
    due = shelves.redemptions.outbox.get(command.redemption)
    belongs = command.kind in _KINDS[booking.stage_of(redemption)]
    if command.kind == "debt" and redemption.state != booking.SELLING:
        # Only who was paid can owe: news of a debt about an unpaid card is somebody's mistake.
        belongs = False
    if due is None or not belongs or command.order_no != order_no_of(redemption):
        return Decided(Refusal(Reason.redemption_is_settled_already))
    if command.kind == "unknown":
        due.due_at, due.attempts = plus(turn.at, command.again_in_s), command.attempts
        shelves.redemptions.outbox.change(due.id, due)
        return Decided(Recorded(redemption.id, redemption.state))
    event = _RECORDERS[command.kind](shelves, redemption, command.word, turn)
    _close_or_go_on(shelves, redemption, due, turn)
    return Decided(Recorded(redemption.id, redemption.state), (event,))


_KINDS: dict[Stage, frozenset[str]] = {
    Stage.PROVE: frozenset({"unknown", "proven", "rejected"}),
    Stage.CONSUME: frozenset({"unknown", "consumed", "rejected", "debt"}),
    Stage.PAY: frozenset({"unknown", "paid", "pay_refused"}),
    Stage.REVIEW: frozenset(),
    Stage.HELD: frozenset(),
    Stage.DONE: frozenset(),
}


def _proven(shelves: Shelves, redemption: Redemption, word: str, turn: Turn) -> Fact:
    state = PROVEN
    if redemption.debt_fen == redemption.paid:
        # All of it repays an old debt, so there is nobody to pay.
        booking.post_paid(shelves.books, turn, _group(shelves, redemption), redemption.disposition)
        state = HELD
    shelves.redemptions.move(redemption, state, word, at=turn.at)
    return SourceProven(redemption.id, word)


def _consumed(shelves: Shelves, redemption: Redemption, word: str, turn: Turn) -> Fact:
    booking.post_consumed(shelves.books, turn, _group(shelves, redemption), redemption.disposition)
    shelves.cards.move(redemption.card, CARD_CONSUMED, at=turn.at)
    is_paid = redemption.disposition == Disposition.HOLD_THEN_SELL or redemption.debt_fen == redemption.paid
    shelves.redemptions.move(redemption, PAID if is_paid else CONSUMED, word, at=turn.at)
    return SourceConsumed(redemption.id, word)


def _rejected(shelves: Shelves, redemption: Redemption, word: str, turn: Turn) -> Fact:
    if redemption.state == booking.SELLING:
        return _owed(shelves, redemption, word, turn)
    group = _group(shelves, redemption)
    booking.void_rest(shelves.books, turn, group)
    shelves.limits.give_back(turn, group)
    shelves.cards.move(redemption.card, RELEASED, at=turn.at)
    shelves.redemptions.move(redemption, REJECTED, word, at=turn.at)
    return SourceRejected(redemption.id, word)


def _paid(shelves: Shelves, redemption: Redemption, word: str, turn: Turn) -> Fact:
    booking.post_paid(shelves.books, turn, _group(shelves, redemption), redemption.disposition)
    holds = redemption.disposition == Disposition.HOLD_THEN_SELL
    shelves.redemptions.move(redemption, HELD if holds else PAID, word, at=turn.at)
    return PayoutPaid(redemption.id, word, redemption.paid - redemption.debt_fen, redemption.value_kind)


def refuse_payout(
    shelves: Shelves, redemption: Redemption, word: str, turn: Turn, *, changed_at: int | None = None
) -> Fact:
    """Nothing is paid. A consumed card is gone, so the seller keeps the claim; a held one goes back."""
    group = _group(shelves, redemption)
    booking.void_rest(shelves.books, turn, group)
    shelves.limits.give_back(turn, group)
    if redemption.disposition == Disposition.HOLD_THEN_SELL:
        shelves.cards.move(redemption.card, RELEASED, at=turn.at)
    shelves.redemptions.move(redemption, PAYOUT_REFUSED, word, at=changed_at or turn.at)
    return PayoutRefused(redemption.id, word)


def _owed(shelves: Shelves, redemption: Redemption, word: str, turn: Turn) -> Fact:
    """A held card was paid for and then turned out bad when it was sold on: the seller owes the stock."""
    booking.void_rest(shelves.books, turn, _group(shelves, redemption))
    debt = shelves.books.account(booking.debt_key(redemption.seller), ledger=booking.MONEY, bound="debit")
    stock = shelves.books.account(booking.STOCK, ledger=booking.MONEY, bound="none")
    shelves.books.post(turn, debt, stock, redemption.paid, kind="debt")
    return _reversed(shelves, redemption, word, turn, redemption.paid)


_RECORDERS = {
    "proven": _proven,
    "consumed": _consumed,
    "rejected": _rejected,
    "paid": _paid,
    "pay_refused": refuse_payout,
    "debt": _owed,
}


def take_back(shelves: Shelves, command: TakeBack, turn: Turn) -> Decided:
    """Books a reversal. While a payout is under way its end must be known first: a promise is never withdrawn.

    So must the consumption's: the operator may have spent the card and taken it back before we heard of either.
    """
    redemption = shelves.redemptions.shelf.get(command.redemption)
    # An operator speaks of its own cards alone; another one's redemption is none of its business.
    if redemption is None or redemption.operator != command.operator:
        return Decided(Refusal(Reason.redemption_is_unknown))
    is_spending = booking.stage_of(redemption) is Stage.CONSUME
    if is_spending or redemption.state == CONSUMED:
        return Decided(Refusal(Reason.payout_is_under_way))
    was_consumed = redemption.state == PAID or (
        redemption.state == PAYOUT_REFUSED and redemption.disposition == Disposition.CONSUME_THEN_PAY
    )
    if not was_consumed:
        return Decided(Refusal(Reason.redemption_is_settled_already))
    owed_fen = booking.book_reversal(shelves.books, turn, redemption)
    event = _reversed(shelves, redemption, command.reference, turn, owed_fen)
    tell_state(shelves, redemption, turn)
    return Decided(Recorded(redemption.id, redemption.state), (event,))


def _reversed(shelves: Shelves, redemption: Redemption, word: str, turn: Turn, owed_fen: int) -> Fact:
    shelves.cards.move(redemption.card, CARD_REVERSED, at=turn.at)
    shelves.redemptions.move(redemption, REVERSED, word, at=turn.at)
    return SourceReversed(redemption.id, word, owed_fen)


def _group(shelves: Shelves, redemption: Redemption) -> list[Booked]:
    return shelves.books.group(redemption.first_transfer, redemption.transfers)


def _close_or_go_on(shelves: Shelves, redemption: Redemption, due: Due, turn: Turn) -> None:
    if booking.stage_of(redemption) in (Stage.PAY, Stage.CONSUME, Stage.PROVE):
        due.due_at, due.attempts = booking.due_at_of(redemption, at=turn.at), 0
        shelves.redemptions.outbox.change(due.id, due)
        return
    shelves.redemptions.outbox.drop(due)
    tell_state(shelves, redemption, turn)


def tell_state(shelves: Shelves, redemption: Redemption, turn: Turn) -> None:
    """Puts a message for the partner into the outbox, where it wants to be told. Selling on concerns no partner."""
    partner = shelves.register.partners.get(redemption.partner)
    state = booking.PUBLIC_STATES.get(redemption.state, redemption.state)
    message_id = f"{redemption.id}-{state}"
    resold = redemption.disposition == Disposition.HOLD_THEN_SELL and redemption.state == PAID
    if partner is None or not partner.webhook_url or resold:
        return
    body = msgspec.json.encode(
        {
            "type": f"redemption.{state}",
            "timestamp": turn.at,
            "data": {"redemption": redemption.id, "state": state, "paid": redemption.paid, "seq": turn.seq},
        }
    )
    shelves.redemptions.outbox.add(Due(message_id, "webhook", redemption.id, turn.at, 0, body))


APPLIER = Applier(want, apply)
TAKE_BACK_APPLIER = Applier(want, take_back)
