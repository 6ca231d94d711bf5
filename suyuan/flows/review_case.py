"""An officer decides what a machine had decided: what waits for a person, and what somebody asked a person to look at.

| the machine | the officer says | what happens |
|---|---|---|
| REVIEW: taken, nothing consumed or paid | `pay` | goes on as any other redemption |
| | `refuse` | everything is voided, the limits come back, the card is the seller's again |
| DELAY, asked about | `overturned` | paid as soon as may be |
| | `upheld` | paid at its time |
| DELAY, before its release | `refuse` | the payout is withdrawn; a card not spent yet is the seller's again |
| REFUSE, STEP_UP or tighter limits, asked about | `overturned` | the same attempt passes once (`let_pass`) |
| | `upheld` | stays refused |
| FREEZE, asked about | either | what the officer found; lifting the freeze takes two (`freeze_seller`) |

`is_bad` confirms that it was not what it seemed, which policies and models learn from. A promise that a channel may
have heard of is never withdrawn, so a delayed payout is refused before its release only.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.let_pass import let_pass, want_pass
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.record_outcome import refuse_payout, tell_state, want_outcome
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import ReviewDecided
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.free_text import holds_personal_value, is_line
from suyuan.risk.decision import Action
from suyuan.risk.decisions_kept import (
    OPEN_REVIEWS,
    OVERTURNED,
    PAY,
    REFUSE,
    UPHELD,
    KeptDecision,
    unpack_row,
)
from suyuan.settle import redemption as booking
from suyuan.settle.card import RELEASED
from suyuan.settle.payout import Stage
from suyuan.settle.redemption import DECLINED, IN_REVIEW, PENDING, Due, Redemption


class DecideReview(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An officer's word on one decision."""

    redemption: str
    verdict: str
    is_bad: bool
    reason: str
    at: int
    officer: str
    signature: bytes


class Reviewed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A person has decided; `subject` is the redemption."""

    subject: str
    verdict: str


def review_subject(command: DecideReview) -> object:
    """What an officer signs of a review."""
    return {
        "redemption": command.redemption, "verdict": command.verdict, "is_bad": command.is_bad,
        "reason": command.reason, "at": command.at,
    }  # fmt: skip


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: DecideReview, now: int) -> bool:
    """Which rows are needed: the decision, and everything that ends with a refusal."""
    want_signed_now(shelves, command.officer, command.signature)
    shelves.risk.decisions.want(command.redemption)
    if not want_outcome(shelves, command.redemption):
        return False
    redemption = shelves.redemptions.shelf.peek(command.redemption)
    if redemption is not None:
        shelves.register.contracts.want(redemption.contract)
    decision = shelves.risk.decisions.peek(command.redemption)
    if decision is None:
        return shelves.risk.decisions.is_absent(command.redemption)
    want_pass(shelves, unpack_row(decision.attempt))
    return True


def apply(shelves: Shelves, command: DecideReview, turn: Turn) -> Decided:
    """Decides one case, once."""
    signed = (command.signature, command.at)
    refusal = check_signed_now(
        shelves, command.officer, "review", review_subject(command), signed=signed, turn=turn
    ) or _check_words(command)
    decision = shelves.risk.decisions.get(command.redemption)
    if refusal is None and (decision is None or decision.review not in OPEN_REVIEWS):
        refusal = _check_unasked(shelves, command, decision, turn.at)
    if refusal is not None or decision is None:
        return Decided(refusal or Refusal(Reason.review_is_closed))
    effects = _EFFECTS.get((decision.action, command.verdict), _no_effect)(shelves, decision, command, turn)
    if isinstance(effects, Refusal):
        return Decided(effects)
    decision.review = command.verdict
    shelves.risk.decisions.change(decision.redemption, decision)
    said = ReviewDecided(
        decision.redemption, decision.seller, command.verdict, command.is_bad, command.reason, command.officer
    )
    return Decided(Reviewed(decision.redemption, command.verdict), (said, *effects))


def _check_words(command: DecideReview) -> Refusal | None:
    if not is_line(command.reason):
        return Refusal(Reason.field_is_malformed, "reason")
    if holds_personal_value(command.reason):
        return Refusal(Reason.text_holds_personal_value, "reason")
    if command.verdict not in (PAY, REFUSE, UPHELD, OVERTURNED):
        return Refusal(Reason.field_is_malformed, "verdict")
    # Who is let through was what they seemed.
    is_for = command.verdict in (PAY, OVERTURNED)
    return Refusal(Reason.verdict_is_not_possible, "is_bad") if command.is_bad and is_for else None


def _check_unasked(shelves: Shelves, command: DecideReview, decision: KeptDecision | None, at: int) -> Refusal | None:
    """Nobody waits for a person; all that an officer may do then is withdraw a payout that is still delayed."""
    if decision is None:
        return Refusal(Reason.redemption_has_no_decision)
    is_new = not decision.review and (decision.action, command.verdict) == (Action.DELAY, REFUSE)
    return None if is_new else Refusal(Reason.review_is_closed)


_Effects = tuple[Fact, ...] | Refusal


def _no_effect(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    """What is upheld stays as it is; of all else nobody knows what it would mean."""
    stays = command.verdict == UPHELD and decision.action != Action.REVIEW
    is_for_two = (decision.action, command.verdict) == (Action.FREEZE, OVERTURNED)
    return () if stays or is_for_two else Refusal(Reason.verdict_is_not_possible, "verdict")


def _pay(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    redemption = _waiting(shelves, decision)
    if redemption is None:
        return Refusal(Reason.verdict_is_not_possible, "verdict")
    contract = shelves.register.contracts.get(redemption.contract)
    assert contract is not None, "a redemption's contract exists"
    shelves.redemptions.move(redemption, PENDING, "", at=turn.at)
    due_at = max(turn.at, plus(redemption.taken_at, contract.hold_s))
    shelves.redemptions.outbox.add(Due(redemption.id, "settle", redemption.id, due_at, 0, b""))
    return ()


def _refuse(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    redemption = _waiting(shelves, decision)
    if redemption is None:
        return Refusal(Reason.verdict_is_not_possible, "verdict")
    group = shelves.books.group(redemption.first_transfer, redemption.transfers)
    booking.void_rest(shelves.books, turn, group)
    shelves.limits.give_back(turn, group)
    shelves.cards.move(redemption.card, RELEASED, at=turn.at)
    shelves.redemptions.move(redemption, DECLINED, "", at=turn.at)
    tell_state(shelves, redemption, turn)
    return ()


def _release(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    """Pays a delayed payout as soon as may be."""
    redemption = shelves.redemptions.shelf.get(decision.redemption)
    due = shelves.redemptions.outbox.get(decision.redemption)
    if redemption is None or due is None or redemption.release_at <= turn.at:
        return Refusal(Reason.verdict_is_not_possible, "verdict")
    redemption.release_at = turn.at
    shelves.redemptions.shelf.change(redemption.id, redemption)
    if booking.stage_of(redemption) is Stage.PAY:
        due.due_at = turn.at
        shelves.redemptions.outbox.change(due.id, due)
    return ()


def _withdraw(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    """Withdraws a delayed payout that nobody has been asked for."""
    redemption = shelves.redemptions.shelf.get(decision.redemption)
    due = shelves.redemptions.outbox.get(decision.redemption)
    if redemption is None or due is None or booking.stage_of(redemption) is not Stage.PAY:
        return Refusal(Reason.verdict_is_not_possible, "verdict")
    if due.attempts or redemption.release_at <= turn.at:
        return Refusal(Reason.payout_is_under_way)
    shelves.redemptions.outbox.drop(due)
    event = refuse_payout(shelves, redemption, "review", turn, changed_at=turn.at + 1)
    tell_state(shelves, redemption, turn)
    return (event,)


def _let_pass(shelves: Shelves, decision: KeptDecision, command: DecideReview, turn: Turn) -> _Effects:
    """The same card of the same seller passes once."""
    return let_pass(shelves, unpack_row(decision.attempt), by=command.officer, at=turn.at)


def _waiting(shelves: Shelves, decision: KeptDecision) -> Redemption | None:
    redemption = shelves.redemptions.shelf.get(decision.redemption)
    return redemption if redemption is not None and redemption.state == IN_REVIEW else None


_EFFECTS: dict[tuple[str, str], Callable[[Shelves, KeptDecision, DecideReview, Turn], _Effects]] = {
    (Action.REVIEW, PAY): _pay,
    (Action.REVIEW, REFUSE): _refuse,
    (Action.DELAY, OVERTURNED): _release,
    (Action.DELAY, REFUSE): _withdraw,
    (Action.REFUSE, OVERTURNED): _let_pass,
    (Action.STEP_UP, OVERTURNED): _let_pass,
    (Action.APPROVE, OVERTURNED): _let_pass,
}


APPLIER = Applier(want, apply)
