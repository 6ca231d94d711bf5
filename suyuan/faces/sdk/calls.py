"""What a partner can ask of the platform, each as a flow: the one place that knows paths and bodies.

A write takes an `idempotency_key`, the caller's name for one act. Keep it before sending and use it again when in
doubt; without one a fresh key is drawn, and then nobody can ask again after a crash.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote, urlencode

from suyuan.base import wire
from suyuan.base.crypto import PublicKey
from suyuan.faces.sdk.exchange import Answer, Ask, Call, Flow, Pause, Session, exchange, exchange_bytes, read_answer
from suyuan.faces.sdk.records import (
    BadAnswer,
    Consent,
    Consents,
    Contracts,
    Decision,
    Limits,
    MaskedNumber,
    NoticeText,
    Page,
    Pending,
    PlatformFacts,
    Reads,
    RedemptionProofs,
    RedemptionState,
    Refused,
    Registered,
    Review,
    SteppedUp,
    SubjectRequest,
    Unreachable,
)
from suyuan.privacy.notice import Content

FIRST_LOOK_S = 0.2
LOOK_S_MAX = 5.0
IDEMPOTENCY_BYTES = 16


def redeem_card(
    session: Session,
    *,
    contract: str,
    seller: str,
    operator: str,
    serial: str,
    pin: str,
    face_fen: int,
    agent: str | None = None,
    expected_payout: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[Pending | Refused]:
    """Sells a card. `expected_payout` makes the platform refuse instead of paying another amount."""
    source = {"type": "card", "operator": operator, "serial": serial, "pin": pin, "face_fen": face_fen}
    body = {"contract": contract, "seller": seller, "agent": agent, "expected_payout": expected_payout}
    return exchange(session, _write(session, "/v1/redemptions", body | {"source": source}, idempotency_key), Pending)


def redeem_balance(
    session: Session,
    *,
    contract: str,
    seller: str,
    operator: str,
    number: str,
    amount_fen: int,
    agent: str | None = None,
    expected_payout: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[Pending | Refused]:
    """Sells a part of a phone's balance, once the number's holder has confirmed it to the operator."""
    source = {"type": "balance", "operator": operator, "number": number, "amount_fen": amount_fen}
    body = {"contract": contract, "seller": seller, "agent": agent, "expected_payout": expected_payout}
    return exchange(session, _write(session, "/v1/redemptions", body | {"source": source}, idempotency_key), Pending)


def redemption(session: Session, redemption_id: str) -> Flow[RedemptionState | Refused]:
    """How a redemption stands."""
    return exchange(session, Call("GET", f"/v1/redemptions/{_segment(redemption_id)}"), RedemptionState)


def redemptions(session: Session, cursor: str | None = None, limit: int | None = None) -> Flow[Page | Refused]:
    """A page of one's own redemptions, the newest last."""
    return exchange(session, Call("GET", "/v1/redemptions" + _query(cursor=cursor, limit=limit)), Page)


def wait_until_settled(session: Session, redemption_id: str, timeout_s: float) -> Flow[RedemptionState | Refused]:
    """Looks again and again until the payout is decided, or so many seconds are over: then it is pending still."""
    waited_s, wait_s = 0.0, FIRST_LOOK_S
    while True:
        state = yield from redemption(session, redemption_id)
        if isinstance(state, Refused) or state.is_settled or waited_s >= timeout_s:
            return state
        wait_s = min(wait_s, timeout_s - waited_s)
        yield Pause(wait_s)
        waited_s, wait_s = waited_s + wait_s, min(wait_s * 1.5, LOOK_S_MAX)


def voucher(session: Session, redemption_id: str) -> Flow[bytes | Refused]:
    """The signed receipt of a paid redemption, as the bytes to keep; `check_voucher` reads them."""
    return exchange_bytes(session, Call("GET", f"/v1/redemptions/{_segment(redemption_id)}/voucher"))


def decision(session: Session, redemption_id: str) -> Flow[Decision | Refused]:
    """What was decided automatically about a redemption, taken or refused, and how to put it before a person."""
    return exchange(session, Call("GET", f"/v1/redemptions/{_segment(redemption_id)}/decision"), Decision)


def ask_review(session: Session, redemption_id: str, *, idempotency_key: str | None = None) -> Flow[Review | Refused]:
    """Asks that a person looks at a decision. A refusal that risk gave names its redemption in `where`."""
    target = f"/v1/redemptions/{_segment(redemption_id)}/review"
    return exchange(session, _write(session, target, {}, idempotency_key), Review)


def proofs(session: Session, redemption_id: str) -> Flow[RedemptionProofs | Refused]:
    """What the public log holds of a redemption; `check_proofs` reads it, offline, and `check_voucher_by_log`."""
    return exchange(session, Call("GET", f"/v1/redemptions/{_segment(redemption_id)}/proofs"), RedemptionProofs)


def register_seller(
    session: Session,
    *,
    name: str,
    identity_number: str,
    number: str,
    payee: str,
    seller: str | None = None,
    key: PublicKey | None = None,
    idempotency_key: str | None = None,
) -> Flow[Registered | Refused]:
    """Registers a person who sells, with the one account that person is paid on, and the key of their device."""
    body: dict[str, Any] = {"seller": seller, "name": name, "identity_number": identity_number}
    body |= {"number": number, "payee": payee}
    if key is not None:
        body["key"] = {"algorithm": key.algorithm, "public_key": wire.b64(key.raw)}
    return exchange(session, _write(session, "/v1/sellers", body, idempotency_key), Registered)


def step_up(
    session: Session, *, seller: str, capture: str, idempotency_key: str | None = None
) -> Flow[SteppedUp | Refused]:
    """Raises today's limit of a seller by a face check."""
    body = {"seller": seller, "capture": capture}
    return exchange(session, _write(session, "/v1/step-ups", body, idempotency_key), SteppedUp)


def decide_consent(
    session: Session,
    *,
    seller: str,
    purpose: str,
    decision: Literal["give", "refuse", "withdraw"],
    notice: str | None = None,
    language: Literal["zh", "en"] | None = None,
    idempotency_key: str | None = None,
) -> Flow[Consent | Refused]:
    """Keeps what a seller has decided. To give, name the version and language of the notice that they were shown."""
    body = {"seller": seller, "purpose": purpose, "decision": decision, "notice": notice, "language": language}
    return exchange(session, _write(session, "/v1/consents", body, idempotency_key), Consent)


def consents(session: Session, seller: str) -> Flow[Consents | Refused]:
    """How a seller stands to everything that takes consent, each with its receipt."""
    return exchange(session, Call("GET", "/v1/consents" + _query(seller=seller)), Consents)


def masked_number(session: Session, seller: str) -> Flow[MaskedNumber | Refused]:
    """A seller's number, masked, where the seller has agreed that this partner is shown it."""
    return exchange(session, Call("GET", "/v1/masked-numbers" + _query(seller=seller)), MaskedNumber)


def privacy_notice(session: Session) -> Flow[NoticeText]:
    """The present privacy notice. Its version is computed from the bytes that came, so it is the one they are."""
    came = yield Ask("GET", "/v1/privacy-notice", {}, b"")
    if not isinstance(came, Answer):
        raise Unreachable(f"{session.origin} does not answer")
    if came.status != 200:
        raise BadAnswer(f"{session.origin} answers HTTP {came.status} where a platform shows its privacy notice")
    read_answer(came.content, Content)
    return NoticeText(wire.digest(came.content).hex(), came.content)


def contracts(session: Session) -> Flow[Contracts | Refused]:
    """The contracts that the caller may redeem under."""
    return exchange(session, Call("GET", "/v1/contracts"), Contracts)


def limits(session: Session, seller: str) -> Flow[Limits | Refused]:
    """A seller's limits, and what is left of them today."""
    return exchange(session, Call("GET", "/v1/limits" + _query(seller=seller)), Limits)


def ask_about_self(
    session: Session,
    *,
    kind: str,
    seller: str | None = None,
    name: str | None = None,
    number: str | None = None,
    lift: bool | None = None,
    review: bool | None = None,
    idempotency_key: str | None = None,
) -> Flow[SubjectRequest | Refused]:
    """A seller asks about their own data (docs/rights.md); a partner may pass on `know`, naming the seller."""
    body = {"kind": kind, "seller": seller, "name": name, "number": number, "lift": lift, "review": review}
    return exchange(session, _write(session, "/v1/subject-requests", body, idempotency_key), SubjectRequest)


def subject_request(session: Session, request_id: str) -> Flow[SubjectRequest | Refused]:
    """How a request about one's own data stands."""
    return exchange(session, Call("GET", f"/v1/subject-requests/{_segment(request_id)}"), SubjectRequest)


def bundle(session: Session, request_id: str, cursor: str | None = None) -> Flow[bytes | Refused]:
    """A page of the bundle, as the bytes to keep; its `next` is the cursor of the following one."""
    target = f"/v1/subject-requests/{_segment(request_id)}/bundle" + _query(cursor=cursor)
    return exchange_bytes(session, Call("GET", target))


def reads(session: Session, seller: str, cursor: str | None = None, limit: int | None = None) -> Flow[Reads | Refused]:
    """Who read what of a seller, to that seller: the newest first."""
    target = f"/v1/sellers/{_segment(seller)}/reads" + _query(cursor=cursor, limit=limit)
    return exchange(session, Call("GET", target), Reads)


def pin(session: Session) -> Flow[PlatformFacts]:
    """The keys that the platform shows to anybody: trust on first use, and only because the caller said so."""
    came = yield Ask("GET", "/v1/platform", {}, b"")
    if not isinstance(came, Answer):
        raise Unreachable(f"{session.origin} does not answer")
    if came.status != 200:
        raise BadAnswer(f"{session.origin} answers HTTP {came.status} where a platform shows its keys")
    return read_answer(came.content, PlatformFacts)


def _write(session: Session, target: str, body: dict[str, Any], idempotency_key: str | None) -> Call:
    """The same act is the same bytes, today and after a crash: the platform compares them."""
    content = wire.canonical({name: value for name, value in body.items() if value is not None})
    key = wire.b64(session.chance(IDEMPOTENCY_BYTES)) if idempotency_key is None else idempotency_key
    return Call("POST", target, content, key)


def _segment(text: str) -> str:
    return quote(text, safe="")


def _query(**fields: str | int | None) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return "?" + urlencode(given) if given else ""
