"""A held card is sold on: its buyer is found, so the operator is asked to spend it now.

Who sold it was paid when it had proven good. If it turns out bad after all, the seller owes it (`record_outcome`).
"""

from __future__ import annotations

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.record_outcome import Recorded
from suyuan.flows.shelves import Shelves
from suyuan.history.events import HeldCardSold
from suyuan.history.line import Applier, Decided, Turn
from suyuan.settle.redemption import HELD, SELLING, Due


class SellOn(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to sell the held card of a redemption to a buyer (an agent, or a customer's order)."""

    redemption: str
    buyer: str


def want(shelves: Shelves, command: SellOn, now: int) -> bool:
    """Which rows are needed."""
    shelves.redemptions.shelf.want(command.redemption)
    shelves.redemptions.outbox.want(command.redemption)
    return True


def apply(shelves: Shelves, command: SellOn, turn: Turn) -> Decided:
    """Puts the consumption into the outbox."""
    redemption = shelves.redemptions.shelf.get(command.redemption)
    if redemption is None:
        return Decided(Refusal(Reason.redemption_is_unknown))
    if redemption.state != HELD:
        return Decided(Refusal(Reason.redemption_is_settled_already))
    shelves.redemptions.move(redemption, SELLING, redemption.reference, at=turn.at)
    shelves.redemptions.outbox.add(Due(redemption.id, "settle", redemption.id, turn.at, 0, b""))
    return Decided(Recorded(redemption.id, redemption.state), (HeldCardSold(redemption.id, command.buyer),))


APPLIER = Applier(want, apply)
