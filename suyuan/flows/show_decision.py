"""What was decided automatically about a redemption, to whom it concerns: in plain words, and what they can do.

The words are a closed list (`risk.reasons`) and say nothing of rules, values or lists, so nobody learns from them what
to do differently the next time. What the decision rested on is kept for a person who reviews it.
"""

from __future__ import annotations

from typing import NamedTuple

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.ask_review import is_theirs
from suyuan.flows.desk import Desk
from suyuan.flows.who_asks import Knock, who_asks
from suyuan.risk import decisions_kept
from suyuan.risk.decisions_kept import KeptDecision


class ShownDecision(NamedTuple):
    """A decision, and before when nothing is paid; 0 where nothing is delayed."""

    kept: KeptDecision
    release_at: int


async def show_decision(desk: Desk, knock: Knock, redemption: str) -> ShownDecision | Refusal:
    """Shows a decision about a redemption of the caller's. Raises `BadSignature`."""
    # (1) Who asks; a partner that was stopped stands in nobody's way.
    asking = await who_asks(desk, knock, with_partner=False)
    if isinstance(asking, Refusal):
        return asking
    # (2) What was decided. Somebody else's is unknown here, not forbidden: ids are not to be probed.
    kept = await decisions_kept.look_up(desk.fetch, redemption)
    if kept is None or not is_theirs(kept, asking.partner, asking.only_seller):
        return Refusal(Reason.redemption_has_no_decision)
    # (3) What was refused has no books; what was taken may be delayed.
    taken = await desk.lookup.redemption(redemption)
    return ShownDecision(kept, 0 if taken is None else taken.release_at)
