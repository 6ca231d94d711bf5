"""A seller passes a face check, and today's limit is raised, once.

The check is asked before the line, since it may take seconds. Its order number comes from the request's own mark, so
a retry asks the same order again and is paid for once. Whatever the check says definitely is kept with the request;
silence is not, so the seller may simply try again.

A face is shown to nobody without the seller's own consent to it, which is looked at before the check and, because the
line alone knows what counts at that instant, once more before the limit is raised.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from suyuan.base.clock import shanghai_day
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.act_once import act_once, check_actor, want_actor, want_once
from suyuan.flows.desk import Desk, ask_line
from suyuan.flows.restrict_subject import want_restriction
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Asking, Knock, who_asks
from suyuan.history.events import TierRaised
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import standing
from suyuan.privacy.consent import consent_id, is_in_force
from suyuan.privacy.purposes import COMPARE_FACE, FACE_CAPTURE, FACE_CHECK
from suyuan.settle.account import Seller, check_not_frozen, check_seller
from suyuan.settle.body import Reader, SellerName, form
from suyuan.settle.providers import FaceMatched, FaceOrder, Unknown


async def step_up(desk: Desk, knock: Knock) -> Raised | Refusal:
    """Raises a seller's limit for today. Raises `BadSignature`."""
    # (1) Who asks, and for whom.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = WISHES.read(asking.body)
    if isinstance(wish, Refusal):
        return wish
    # (2) The seller, because a check costs money and shows a face to a third party.
    seller = await _seller_of(desk, asking, wish)
    if isinstance(seller, Refusal):
        return seller
    if await standing.is_restricted(desk.fetch, seller.id):
        return Refusal(Reason.subject_is_closed, "seller")
    if not await _agrees(desk, seller.id):
        return Refusal(Reason.consent_is_needed, COMPARE_FACE.id)
    # (3) The face check, by a pseudonym: the provider compares, and is told no name.
    order = FaceOrder(f"stp_{asking.marks.request.hex()}", seller.identity, wish.capture)
    verdict = await desk.face_check.check(order) if desk.face_check is not None else Unknown("not_offered")
    if isinstance(verdict, Unknown):
        return Refusal(Reason.face_check_is_not_available)
    # (4) The line raises the limit, once a day, or keeps that the check was not passed.
    check_reference = verdict.reference if isinstance(verdict, FaceMatched) else ""
    answer = await ask_line(desk, _command(desk, asking, seller.id, check_reference))
    assert isinstance(answer, Raised | Refusal), "the line answers a step-up with nothing else"
    return answer


class StepUpWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seller, and the capture of a face as the provider takes it."""

    seller: SellerName
    capture: Annotated[str, form("[!-~]+", length_max=12_000), FACE_CAPTURE]


WISHES = Reader(StepUpWish)


class GrantStepUp(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to raise today's limit. Without a reference the check was not passed."""

    step_up: str
    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes
    seller: str
    check_reference: str


class Raised(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Today's limit is larger by so much."""

    step_up: str
    raised_fen: int
    day: str


_FirstAnswer: TypeAlias = Raised | Refusal
_recalled: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_FirstAnswer)


async def _seller_of(desk: Desk, asking: Asking, wish: StepUpWish) -> Seller | Refusal:
    if asking.only_seller not in (None, wish.seller):
        return Refusal(Reason.key_may_not_do_this, "seller")
    seller = await desk.lookup.seller(wish.seller)
    refusal = check_seller(seller, asking.partner) or check_not_frozen(seller)
    if refusal is not None or seller is None:
        return refusal or Refusal(Reason.seller_is_unknown, "seller")
    return seller


async def _agrees(desk: Desk, seller: str) -> bool:
    rows = {row.id: row for row in await desk.consents(seller)}
    return is_in_force(rows.get(_consent_id(seller)), COMPARE_FACE)


def _consent_id(seller: str) -> str:
    return consent_id(seller, COMPARE_FACE.id, FACE_CHECK.id)


def _command(desk: Desk, asking: Asking, seller: str, check_reference: str) -> GrantStepUp:
    return GrantStepUp(
        step_up=new_id("stp", at=desk.clock.now(), chance=desk.chance(CHANCE_BYTES)),
        key=asking.key.id,
        nonce_mark=asking.marks.nonce,
        request_mark=asking.marks.request,
        request_digest=asking.marks.digest,
        seller=seller,
        check_reference=check_reference,
    )


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: GrantStepUp, now: int) -> bool:
    """Which rows raising needs."""
    want_once(shelves, command)
    shelves.register.sellers.want(command.seller)
    shelves.consents.want(_consent_id(command.seller))
    want_restriction(shelves, command.seller)
    shelves.limits.want_raise(command.seller, shanghai_day(now))
    return want_actor(shelves, command.key)


def apply(shelves: Shelves, command: GrantStepUp, turn: Turn) -> Decided:
    """Raises, once."""
    return act_once(shelves, command, turn, _decide, _recalled)


def _decide(shelves: Shelves, command: GrantStepUp, turn: Turn) -> Decided:
    actor = check_actor(shelves, command.key, turn.at)
    if isinstance(actor, Refusal):
        return Decided(actor)
    if actor.key.owner_kind == "seller" and actor.key.owner != command.seller:
        return Decided(Refusal(Reason.key_may_not_do_this, "seller"))
    seller = shelves.register.sellers.get(command.seller)
    refusal = check_seller(seller, actor.partner) or check_not_frozen(seller)
    if refusal is not None:
        return Decided(refusal)
    if shelves.restrictions.get(command.seller) is not None:
        return Decided(Refusal(Reason.subject_is_closed, "seller"))
    if not is_in_force(shelves.consents.get(_consent_id(command.seller)), COMPARE_FACE):
        return Decided(Refusal(Reason.consent_is_needed, COMPARE_FACE.id))
    if not command.check_reference:
        return Decided(Refusal(Reason.face_check_was_not_passed))
    day = shanghai_day(turn.at)
    raised_fen = shelves.limits.raise_today(turn, command.seller, day)
    if raised_fen is None:
        return Decided(Refusal(Reason.step_up_was_granted_before, "seller"))
    event = TierRaised(
        step_up=command.step_up,
        seller=command.seller,
        day=day,
        raised_fen=raised_fen,
        check_reference=command.check_reference,
    )
    return Decided(Raised(command.step_up, raised_fen, day), (event,))


APPLIER = Applier(want, apply)
