"""Every route of the API: what it takes, what it answers, and each reason for which it may refuse.

The table serves (`door`) and documents (`openapi`). A route tells one story of `flows` and turns its end into a reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypeVar

import msgspec

from suyuan.base.crypto import PlatformKey
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http import answers, decisions, rights
from suyuan.faces.http.answers import Reply
from suyuan.flows.answer_subject import RightWish, ask_about_self, show_request
from suyuan.flows.ask_review import ReviewWish, ask_review
from suyuan.flows.decide_consent import ConsentsWish, ConsentWish, decide_consent, list_consents
from suyuan.flows.desk import Desk
from suyuan.flows.prove_event import prove_redemption
from suyuan.flows.prove_number import CodeWish, ProofWish, begin_number_proof, check_number_proof
from suyuan.flows.redeem_card import RedemptionWish, redeem_card
from suyuan.flows.register_seller import SellerWish, register_seller
from suyuan.flows.show_decision import show_decision
from suyuan.flows.show_reads import ReadsWish, show_reads
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
from suyuan.flows.subject_bundle import BundleWish, give_bundle
from suyuan.flows.tell_partner_number import NumberWish, tell_partner_number
from suyuan.flows.who_asks import Knock
from suyuan.privacy.bundles import Bundle
from suyuan.settle.voucher import Paper

T = TypeVar("T")
# A story is told to whoever its endpoint lets in: a `Knock` or a `Visit`, as `Lets` says.
Story: TypeAlias = Callable[[Desk, Any, Mapping[str, str]], Awaitable[Reply | Refusal]]

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
    *_between(Reason.seller_is_suspended, Reason.seller_is_frozen),
    Reason.subject_is_closed,
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
_BODY = (
    *_between(Reason.body_is_too_large, Reason.body_came_too_slowly),
    *_between(Reason.header_is_doubled, Reason.content_type_is_not_json),
    *_between(Reason.body_is_not_utf8, Reason.field_is_malformed),
    *_PLATFORM,
)
_SEND_CODE = (*_BODY, Reason.number_proof_is_not_available, Reason.too_many_codes_were_sent)
_PROVE = (*_BODY, *_between(Reason.number_proof_is_not_available, Reason.number_code_is_wrong))
_PROVEN = (Reason.number_proof_is_unknown, Reason.number_proof_has_expired)
_ASK = (*_WRITE, *_PROVEN, Reason.identity_is_not_proven, Reason.payee_cannot_be_corrected)
_OWN_REQUEST = (*_SIGNED, *_PROVEN, Reason.subject_request_is_unknown)
_BUNDLE = (
    *_OWN_REQUEST,
    *QUERY,
    *_between(Reason.subject_request_has_no_bundle, Reason.bundle_was_given_too_often),
    Reason.cursor_is_malformed,
    Reason.read_is_not_allowed,
)
_READ_SELLER = (Reason.seller_is_unknown, Reason.seller_is_suspended)


class Lets(Enum):
    """Whom an endpoint lets in."""

    SIGNED = "a request that a registered key signed"
    PROVEN = "the same, or one with the token of a proven number"
    ANYBODY = "anybody"


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
    lets: Lets = Lets.SIGNED


def _told(story: Callable[[Desk, Any], Awaitable[T | Refusal]], shown: Callable[[T], Reply]) -> Story:
    """A story whose end is shown in this way."""

    async def tell(desk: Desk, caller: Any, _path: Mapping[str, str]) -> Reply | Refusal:
        answer = await story(desk, caller)
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


def _told_of_one(
    story: Callable[[Desk, Any, str], Awaitable[T | Refusal]], shown: Callable[[T], Reply], what: str = "redemption"
) -> Story:
    """The same for a story about what the path names."""

    async def tell(desk: Desk, caller: Any, path: Mapping[str, str]) -> Reply | Refusal:
        answer = await story(desk, caller, path[what])
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
        "GET",
        "/v1/redemptions/{redemption}/decision",
        "Show an automatic decision",
        _told_of_one(show_decision, decisions.decision),
        200,
        decisions.DecisionShown,
        (*_SIGNED, Reason.redemption_has_no_decision),
    ),
    Endpoint(
        "POST",
        "/v1/redemptions/{redemption}/review",
        "Ask for a person to review a decision",
        _told_of_one(ask_review, decisions.review),
        202,
        decisions.ReviewShown,
        (*_WRITE, Reason.redemption_has_no_decision, Reason.review_is_not_needed),
        body=ReviewWish,
    ),
    Endpoint(
        "GET",
        "/v1/redemptions/{redemption}/proofs",
        "Prove a redemption by the public log",
        _told_of_one(prove_redemption, answers.proofs),
        200,
        answers.RedemptionProofs,
        (*_SIGNED, Reason.redemption_is_unknown, Reason.event_is_not_sealed_yet),
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
    Endpoint(
        "POST",
        "/v1/number-proofs",
        "Send a code to a number",
        _told(begin_number_proof, rights.code_sent),
        202,
        rights.CodeSent,
        _SEND_CODE,
        body=ProofWish,
        lets=Lets.ANYBODY,
    ),
    Endpoint(
        "POST",
        "/v1/number-proofs/{proof}",
        "Prove a number by its code",
        _told_of_one(check_number_proof, rights.number_proven, "proof"),
        200,
        rights.NumberProven,
        _PROVE,
        body=CodeWish,
        lets=Lets.ANYBODY,
    ),
    Endpoint(
        "POST",
        "/v1/subject-requests",
        "Ask about ones own data",
        _told(ask_about_self, rights.asked),
        201,
        rights.SubjectRequest,
        _ASK,
        body=RightWish,
        lets=Lets.PROVEN,
    ),
    Endpoint(
        "GET",
        "/v1/subject-requests/{request}",
        "Show a request about ones own data",
        _told_of_one(show_request, rights.request_shown, "request"),
        200,
        rights.SubjectRequest,
        _OWN_REQUEST,
        lets=Lets.PROVEN,
    ),
    Endpoint(
        "GET",
        "/v1/subject-requests/{request}/bundle",
        "Give the bundle of a request",
        _told_of_one(give_bundle, rights.bundle, "request"),
        200,
        Bundle,
        _BUNDLE,
        query=BundleWish,
        lets=Lets.PROVEN,
    ),
    Endpoint(
        "GET",
        "/v1/sellers/{seller}/reads",
        "List who read ones own data",
        _told_of_one(show_reads, rights.reads, "seller"),
        200,
        rights.ReadPage,
        (*_SIGNED, *_PROVEN, *QUERY, Reason.seller_is_unknown, Reason.cursor_is_malformed),
        query=ReadsWish,
        lets=Lets.PROVEN,
    ),
)
