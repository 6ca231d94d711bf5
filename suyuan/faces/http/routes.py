"""Every route of the API: what it takes, what it answers, and each reason for which it may refuse.

The table serves (`door`) and documents (`openapi`). A route tells one story of `flows` and turns its end into a reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec

from suyuan.base.crypto import PlatformKey
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http import answers
from suyuan.faces.http.answers import Reply
from suyuan.flows.decide_consent import ConsentsWish, ConsentWish, decide_consent, list_consents
from suyuan.flows.desk import Desk
from suyuan.flows.redeem_card import RedemptionWish, redeem_card
from suyuan.flows.register_seller import SellerWish, register_seller
from suyuan.flows.show_records import (
    PageWish,
    RoomWish,
    give_voucher,
    list_contracts,
    list_redemptions,
    show_redemption,
    show_room,
)
from suyuan.flows.step_up import StepUpWish, step_up
from suyuan.flows.tell_partner_number import NumberWish, tell_partner_number
from suyuan.flows.who_asks import Knock
from suyuan.settle.voucher import Paper

T = TypeVar("T")
Story: TypeAlias = Callable[[Desk, Knock, Mapping[str, str]], Awaitable[Reply | Refusal]]

REASONS = tuple(Reason)


def _between(first: Reason, last: Reason) -> tuple[Reason, ...]:
    """The reasons from one to another in their order, both included."""
    return REASONS[REASONS.index(first) : REASONS.index(last) + 1]


_PLATFORM = _between(Reason.platform_is_busy, Reason.platform_has_a_fault)
_SIGNED = (
    *_between(Reason.body_is_too_large, Reason.header_is_malformed),
    *_between(Reason.signature_is_missing, Reason.nonce_is_malformed),
    *_between(Reason.signature_is_too_old, Reason.signature_algorithm_is_not_the_keys),
    Reason.signature_is_wrong,
    Reason.merchant_id_cannot_be_asked_for,
    Reason.field_is_unknown,
    *_PLATFORM,
    Reason.request_was_replayed,
    Reason.key_is_stopped,
    Reason.partner_is_stopped,
)
QUERY = (Reason.body_field_is_doubled, *_between(Reason.payee_cannot_be_asked_for, Reason.field_is_malformed))
_WRITE = (
    *_SIGNED,
    Reason.content_type_is_not_json,
    Reason.idempotency_key_is_missing,
    Reason.idempotency_key_is_malformed,
    Reason.content_digest_is_wrong,
    *_between(Reason.body_is_not_utf8, Reason.field_is_malformed),
    Reason.idempotency_key_was_used_for_another_request,
    Reason.platform_is_stopped,
    Reason.key_may_not_do_this,
    Reason.partner_is_unknown,
    Reason.partner_is_suspended,
    Reason.seller_is_unknown,
)
_REDEEM = (*_WRITE, *_between(Reason.agent_is_unknown, Reason.rolling_limit_is_reached))
_STEP_UP = (
    *_WRITE,
    Reason.seller_is_suspended,
    Reason.consent_is_needed,
    *_between(Reason.face_check_was_not_passed, Reason.step_up_was_granted_before),
)
_REGISTER = (
    *_WRITE,
    *_between(Reason.seller_is_a_child, Reason.seller_is_too_young),
    Reason.seller_is_registered_already,
    Reason.device_is_not_the_sellers,
)
_CONSENT = (
    *_WRITE,
    *_between(Reason.notice_is_incomplete, Reason.notice_is_not_current),
    Reason.seller_is_suspended,
    *_between(Reason.consent_is_not_given, Reason.consent_was_refused),
)
_READ_SELLER = (Reason.seller_is_unknown, Reason.seller_is_suspended)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    summary: str
    story: Story
    status: int
    answer: type[msgspec.Struct]
    reasons: tuple[Reason, ...]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    is_signed: bool = True


def _told(story: Callable[[Desk, Knock], Awaitable[T | Refusal]], shown: Callable[[T], Reply]) -> Story:
    """A story whose end is shown in this way."""

    async def tell(desk: Desk, knock: Knock, _path: Mapping[str, str]) -> Reply | Refusal:
        answer = await story(desk, knock)
        return answer if isinstance(answer, Refusal) else shown(answer)

    return tell


def _told_signed(
    story: Callable[[Desk, Knock], Awaitable[T | Refusal]], shown: Callable[[T, Sequence[PlatformKey]], Reply]
) -> Story:
    """The same for an answer that holds papers, which the platform's keys sign."""

    async def tell(desk: Desk, knock: Knock, _path: Mapping[str, str]) -> Reply | Refusal:
        answer = await story(desk, knock)
        return answer if isinstance(answer, Refusal) else shown(answer, desk.keys)

    return tell


def _told_of_one(story: Callable[[Desk, Knock, str], Awaitable[T | Refusal]], shown: Callable[[T], Reply]) -> Story:
    """The same for a story about the redemption that the path names."""

    async def tell(desk: Desk, knock: Knock, path: Mapping[str, str]) -> Reply | Refusal:
        answer = await story(desk, knock, path["redemption"])
        return answer if isinstance(answer, Refusal) else shown(answer)

    return tell


# Short summaries, because they become the names in generated clients.
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/redemptions",
        "Redeem a card or a balance",
        _told(redeem_card, answers.taken),
        202,
        answers.RedemptionTaken,
        _REDEEM,
        body=RedemptionWish,
    ),
    Endpoint(
        "GET",
        "/v1/redemptions",
        "List redemptions",
        _told(list_redemptions, answers.page),
        200,
        answers.RedemptionPage,
        (*_SIGNED, *QUERY, Reason.cursor_is_malformed),
        query=PageWish,
    ),
    Endpoint(
        "GET",
        "/v1/redemptions/{redemption}",
        "Show a redemption",
        _told_of_one(show_redemption, answers.state),
        200,
        answers.RedemptionState,
        (*_SIGNED, Reason.redemption_is_unknown),
    ),
    Endpoint(
        "GET",
        "/v1/redemptions/{redemption}/voucher",
        "Give the voucher",
        _told_of_one(give_voucher, answers.voucher),
        200,
        Paper,
        (*_SIGNED, Reason.redemption_is_unknown, Reason.voucher_is_not_ready),
    ),
    Endpoint(
        "POST",
        "/v1/sellers",
        "Register a seller",
        _told(register_seller, answers.registered),
        201,
        answers.SellerRegistered,
        _REGISTER,
        body=SellerWish,
    ),
    Endpoint(
        "POST",
        "/v1/step-ups",
        "Raise a limit by a face check",
        _told(step_up, answers.raised),
        201,
        answers.LimitRaised,
        _STEP_UP,
        body=StepUpWish,
    ),
    Endpoint(
        "POST",
        "/v1/consents",
        "Give, refuse or withdraw a consent",
        _told_signed(decide_consent, answers.consented),
        201,
        answers.ConsentShown,
        _CONSENT,
        body=ConsentWish,
    ),
    Endpoint(
        "GET",
        "/v1/consents",
        "List the consents of a seller",
        _told_signed(list_consents, answers.consents),
        200,
        answers.ConsentsShown,
        (*_SIGNED, *QUERY, Reason.seller_is_unknown),
        query=ConsentsWish,
    ),
    Endpoint(
        "GET",
        "/v1/masked-numbers",
        "Show the masked number of a seller",
        _told(tell_partner_number, answers.number),
        200,
        answers.NumberShown,
        (*_SIGNED, *QUERY, *_READ_SELLER, Reason.key_may_not_do_this, Reason.consent_is_needed),
        query=NumberWish,
    ),
    Endpoint(
        "GET",
        "/v1/contracts",
        "List contracts",
        _told(list_contracts, answers.contracts),
        200,
        answers.Contracts,
        _SIGNED,
    ),
    Endpoint(
        "GET",
        "/v1/limits",
        "Show limits",
        _told(show_room, answers.limits),
        200,
        answers.Limits,
        (*_SIGNED, *QUERY, *_READ_SELLER),
        query=RoomWish,
    ),
)
