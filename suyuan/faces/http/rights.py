"""What the API answers to people who ask about their own data."""

from __future__ import annotations

import msgspec

from suyuan.base.wire import canonical
from suyuan.faces.http.answers import Reply, reply
from suyuan.flows.answer_subject import Shown
from suyuan.flows.prove_number import GivenProof, ProofBegun
from suyuan.flows.show_reads import Reads
from suyuan.privacy.bundles import Bundle, ReadShown
from suyuan.privacy.requests import REFUSALS, REMEDY_EN, REMEDY_ZH


class CodeSent(msgspec.Struct, frozen=True):
    """A code is on its way to the number; it is good until then, for five tries."""

    proof: str
    ends_at: int


class NumberProven(msgspec.Struct, frozen=True):
    """The number is proven. Send `Authorization: Bearer <token>` until `good_until`; you are known as these sellers."""

    proof: str
    token: str
    good_until: int
    sellers: list[str]


class RequestRefusal(msgspec.Struct, frozen=True):
    """Why a request was refused: the rule, the sentence, and what can be done about it."""

    code: str
    law: str
    version: str
    article: str
    en: str
    zh: str
    remedy_en: str
    remedy_zh: str


class Deletion(msgspec.Struct, frozen=True):
    """How far forgetting has come: closed since then, kept for a law or a case until then, gone since then."""

    closed_at: int
    kept_until: int | None
    shredded_at: int | None


class SubjectRequest(msgspec.Struct, frozen=True):
    """A request about one's own data: in_review, answered or refused. The bundle may be fetched until `open_until`."""

    request: str
    kind: str
    state: str
    policy: str
    received_at: int
    due_at: int
    open_until: int | None
    closed_at: int | None
    outcome: str
    refusal: RequestRefusal | None
    deletion: Deletion | None


class ReadPage(msgspec.Struct, frozen=True):
    """Reads of one's own data, the newest first; `next` is the cursor of the following page, null on the last one."""

    reads: list[ReadShown]
    next: str | None


def code_sent(begun: ProofBegun) -> Reply:
    """202: the code is on its way, if the number is anybody's."""
    return reply(202, CodeSent(begun.proof, begun.ends_at))


def number_proven(given: GivenProof) -> Reply:
    """200: the token, this once."""
    return reply(200, NumberProven(given.proof, given.token, given.good_until, list(given.sellers)))


def asked(shown: Shown) -> Reply:
    """201: the request stands, or one of its kind that was open already."""
    found = _request(shown)
    return reply(201, found, (b"location", f"/v1/subject-requests/{found.request}".encode()))


def request_shown(shown: Shown) -> Reply:
    """200: how it stands."""
    return reply(200, _request(shown))


def bundle(page_: Bundle) -> Reply:
    """200: a page of the bundle, in its canonical bytes."""
    return Reply(200, canonical(page_))


def reads(found: Reads) -> Reply:
    """200: a page of the list."""
    return reply(200, ReadPage(found.reads, found.next))


def _request(shown: Shown) -> SubjectRequest:
    standing, gone = shown
    return SubjectRequest(
        request=standing.request,
        kind=standing.kind,
        state=standing.state,
        policy=standing.policy,
        received_at=standing.received_at,
        due_at=standing.due_at,
        open_until=standing.open_until or None,
        closed_at=standing.closed_at,
        outcome=standing.outcome,
        refusal=_right_refused(standing.refusal) if standing.refusal else None,
        deletion=None if gone is None else Deletion(gone.intended_at, gone.due_at or None, gone.shredded_at),
    )


def _right_refused(code: str) -> RequestRefusal:
    reason = REFUSALS[code]
    basis = reason.basis
    return RequestRefusal(
        code, basis.law, basis.version, basis.article, reason.en, reason.zh, remedy_en=REMEDY_EN, remedy_zh=REMEDY_ZH
    )
