"""A partner is told what became of its redemption: a signed webhook from the outbox, until it is received.

Messages follow Standard Webhooks (`settle.webhook`); their id serves the receiver as idempotency key, because one that
was received without our learning of it is sent again. A receiver that never answers is given up after the
specification's schedule; the partner reads the state through the API all the same.
"""

from __future__ import annotations

import msgspec

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Applier, Decided, Turn


class RecordDelivery(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep what came of one delivery: done with it, or again in so many seconds."""

    message: str
    is_over: bool
    again_in_s: int = 0


class DeliveryRecorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    message: str


def want(shelves: Shelves, command: RecordDelivery, now: int) -> bool:
    """Which rows are needed."""
    shelves.redemptions.outbox.want(command.message)
    return True


def apply(shelves: Shelves, command: RecordDelivery, turn: Turn) -> Decided:
    """Ends a message, or lets it wait. No fact of the trade, so no event."""
    due = shelves.redemptions.outbox.get(command.message)
    if due is None:
        return Decided(Refusal(Reason.redemption_is_settled_already))
    if command.is_over:
        shelves.redemptions.outbox.drop(due)
    else:
        due.due_at, due.attempts = plus(turn.at, command.again_in_s), due.attempts + 1
        shelves.redemptions.outbox.change(due.id, due)
    return Decided(DeliveryRecorded(command.message))


APPLIER = Applier(want, apply)
