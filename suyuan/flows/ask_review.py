"""Whoever was decided about by machine alone has a person look at it (个人信息保护法 2021, art. 24).

The seller asks with their own key, or their partner does for them. Asking costs nothing, takes no reason, and changes
nothing by itself: what waited goes on waiting, what was refused stays refused, until an officer has decided
(`review_case`). It may be asked again and again; history keeps it once. A partner that was stopped stands in nobody's
way here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.act_once import act_once, check_speaker, want_actor, want_once
from suyuan.flows.desk import Desk, ask_line
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Knock, who_asks
from suyuan.history.decision_events import ReviewAsked
from suyuan.history.line import Applier, Decided, Turn
from suyuan.risk.decisions_kept import ASKED, NOT_ASKED, KeptDecision
from suyuan.settle.body import Reader


async def ask_review(desk: Desk, knock: Knock, redemption: str) -> ReviewStands | Refusal:
    """Puts a decision before a person. Raises `BadSignature`."""
    # (1) Who asks.
    asking = await who_asks(desk, knock, with_partner=False)
    if isinstance(asking, Refusal):
        return asking
    wish = WISHES.read(asking.body)
    if isinstance(wish, Refusal):
        return wish
    # (2) The line knows what was decided, and about whom.
    marks = asking.marks
    answer = await ask_line(desk, AskReview(redemption, asking.key.id, marks.nonce, marks.request, marks.digest))
    assert isinstance(answer, ReviewStands | Refusal), "the line answers such a question with nothing else"
    return answer


class ReviewWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing has to be said: the path names the redemption, and asking needs no reason."""


WISHES = Reader(ReviewWish)


class AskReview(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to put a decision before a person."""

    redemption: str
    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes


class ReviewStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How the review stands: `waits`, `asked`, or what a person has decided; `asked_at` in micros."""

    redemption: str
    review: str
    asked_at: int


_FirstAnswer: TypeAlias = ReviewStands | Refusal
_recalled: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_FirstAnswer)


def is_theirs(decision: KeptDecision | None, partner: str, only_seller: str | None) -> bool:
    """Whether a decision is about a seller for whom this partner, or this seller's own key, speaks."""
    return decision is not None and decision.partner == partner and only_seller in (None, decision.seller)


def want(shelves: Shelves, command: AskReview, now: int) -> bool:
    """Which rows are needed."""
    want_once(shelves, command)
    shelves.risk.decisions.want(command.redemption)
    return want_actor(shelves, command.key)


def apply(shelves: Shelves, command: AskReview, turn: Turn) -> Decided:
    """Asks, once."""
    return act_once(shelves, command, turn, _decide, _recalled)


def _decide(shelves: Shelves, command: AskReview, turn: Turn) -> Decided:
    speaker = check_speaker(shelves, command.key, turn.at)
    if isinstance(speaker, Refusal):
        return Decided(speaker)
    decision = shelves.risk.decisions.get(command.redemption)
    only_seller = speaker.key.owner if speaker.key.owner_kind == "seller" else None
    if decision is None or not is_theirs(decision, speaker.partner, only_seller):
        return Decided(Refusal(Reason.redemption_has_no_decision))
    if not decision.was_against:
        return Decided(Refusal(Reason.review_is_not_needed))
    events: tuple[ReviewAsked, ...] = ()
    if not decision.asked_at:
        decision.asked_at = turn.at
        decision.review = ASKED if decision.review == NOT_ASKED else decision.review
        shelves.risk.decisions.change(decision.redemption, decision)
        events = (ReviewAsked(decision.redemption, decision.seller),)
    return Decided(ReviewStands(decision.redemption, decision.review, decision.asked_at), events)


APPLIER = Applier(want, apply)
