"""A person asks about their own data: who it is, what they may ask, and what is done about it.

1. `which_person` says who asks, by what proof. A duplicate goes through the same, so nobody gets another's open request
   by asking for it again.
2. What must not be asked for is refused at the door: by a partner, anything that holds a value; of a number alone,
   anything that changes a registration; of anybody, another payee.
3. The line keeps the request (`ReceiveRequest`), proves the asker once more, gives back the open one of its kind where
   there is one, and does at once what needs nobody: `know`, `access`, `copy`, `port` and `explain` are answered, their
   bundle is made when it is fetched (`subject_bundle`) and never kept; `restrict` is in force.
4. `correct`, `delete`, `heir`, and an `explain` that asks for a human review wait for an officer (`decide_request`).

A stopped platform or partner stops nobody's rights; a key that was stopped itself proves nothing any more.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec

from suyuan.base.clock import plus
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.act_once import act_once, want_once
from suyuan.flows.desk import Desk, ask_line, marks_of
from suyuan.flows.prove_number import registered_as
from suyuan.flows.restrict_subject import restrict, resume, want_restriction
from suyuan.flows.shelves import Shelves
from suyuan.flows.which_person import Caller, Person, own_request, which_person
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.right_events import RequestAnswered, RequestReceived
from suyuan.privacy import requests, shredding
from suyuan.privacy.classes import Privacy, Sealed
from suyuan.privacy.keyring import NONCE_BYTES, NoEpochKey
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER
from suyuan.privacy.purposes import CLAIMED_IDENTITY, CLAIMED_NUMBER, SELLER_NAME, SELLER_NUMBER, Field
from suyuan.privacy.requests import (
    ANSWERED,
    BY_KEY,
    BY_NUMBER,
    BY_PARTNER,
    CORRECT,
    DELETE,
    EXPLAIN,
    HEIR,
    IN_REVIEW,
    KNOW,
    OF_A_NUMBER,
    OPEN_S,
    PLATFORM,
    RESTRICT,
    WITH_BUNDLE,
    OpenRequest,
    SubjectRequest,
    due_at,
    slot_of,
)
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.standing import SUBJECT_ASKED
from suyuan.privacy.subject_keys import key_id
from suyuan.privacy.vault import BrokenSeal
from suyuan.settle.account import check_key, check_partner
from suyuan.settle.body import Reader, SellerName, form

BUNDLE, RESTRICTED, RESUMED = "bundle", "restricted", "resumed"


class Deceased(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose heir asks, and the SHA-256 of the papers that show the kinship, which are brought to an officer."""

    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), CLAIMED_NUMBER]
    identity_number: Annotated[str, form("[0-9]{17}[0-9X]", length_max=18), CLAIMED_IDENTITY]
    papers_sha256: Annotated[str, form("[0-9a-f]{64}", length_max=64), Privacy.OPEN]


class RightWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks. `name` and `number` are for `correct`, `lift` for `restrict`, `review` for `explain`."""

    kind: Annotated[str, form("|".join(requests.KINDS), length_max=16), Privacy.OPEN]
    seller: SellerName | None = None
    name: Annotated[str, form(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+", length_max=64), SELLER_NAME] | None = None
    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), SELLER_NUMBER] | None = None
    lift: Annotated[bool, Privacy.OPEN] = False
    review: Annotated[bool, Privacy.OPEN] = False
    deceased: Deceased | None = None


WISHES = Reader(RightWish)
# Which kind of request each of these belongs to.
_BELONGS_TO = {"name": CORRECT, "number": CORRECT, "lift": RESTRICT, "review": EXPLAIN, "deceased": HEIR}


class Shown(NamedTuple):
    """A request as its person sees it, and how far forgetting them has come where they asked for it."""

    standing: RequestStands
    shredding: Shredding | None


async def ask_about_self(desk: Desk, caller: Caller) -> Shown | Refusal:
    """Takes a request. Raises `BadSignature`."""
    # (1) Who asks.
    person = await which_person(desk, caller)
    if isinstance(person, Refusal):
        return person
    wish = _read(person.body)
    if isinstance(wish, Refusal):
        return wish
    # (2) Whom it is about, and whether this proof is enough for it.
    refusal = _refuse_fields(wish)
    if refusal is not None:
        return refusal
    seller = await _seller_of(desk, person, wish)
    if isinstance(seller, Refusal):
        return seller
    correction = await _sealed(desk, seller, wish)
    if isinstance(correction, Refusal):
        return correction
    # (3) The line keeps it, and does what needs nobody.
    answer = await ask_line(desk, _command(desk, person, wish, seller, correction))
    if isinstance(answer, Refusal):
        return answer
    assert isinstance(answer, RequestStands), "the line answers a request with nothing else"
    return Shown(answer, None)


async def show_request(desk: Desk, caller: Caller, request_id: str) -> Shown | Refusal:
    """How a request of the caller's stands. Raises `BadSignature`."""
    person = await which_person(desk, caller)
    if isinstance(person, Refusal):
        return person
    request = await own_request(desk, person, request_id)
    if isinstance(request, Refusal):
        return request
    is_deletion = request.kind == DELETE and request.state == ANSWERED
    return Shown(standing_of(request), await shredding.progress_of(desk.fetch, request.seller) if is_deletion else None)


def _read(body: bytes) -> RightWish | Refusal:
    """What is asked. A payee is no field of it, so none is collected; whoever names one hears the way that there is."""
    wish = WISHES.read(body)
    if isinstance(wish, Refusal) and wish.reason is Reason.payee_cannot_be_asked_for:
        return Refusal(Reason.payee_cannot_be_corrected, wish.where)
    return wish


def _refuse_fields(wish: RightWish) -> Refusal | None:
    """What does not belong to this kind, and what this kind cannot do without."""
    for name, kind in _BELONGS_TO.items():
        if getattr(wish, name) not in (None, False) and wish.kind != kind:
            return Refusal(Reason.field_is_unknown, name)
    if wish.kind == CORRECT and wish.name is None and wish.number is None:
        return Refusal(Reason.field_is_missing, "name")
    return Refusal(Reason.field_is_missing, "deceased") if wish.kind == HEIR and wish.deceased is None else None


async def _seller_of(desk: Desk, person: Person, wish: RightWish) -> str | Refusal:
    """Whom the request is about; nothing for somebody who never registered."""
    if wish.kind == HEIR:
        return await _deceased(desk, person, wish)
    if person.proof == BY_PARTNER:
        if wish.kind != KNOW:
            return Refusal(Reason.identity_is_not_proven)
        seller = await desk.lookup.seller(wish.seller or "")
        is_theirs = seller is not None and seller.partner == person.partner
        return seller.id if is_theirs and seller is not None else Refusal(Reason.seller_is_unknown, "seller")
    if wish.seller is not None:
        return wish.seller if wish.seller in person.sellers else Refusal(Reason.key_may_not_do_this, "seller")
    if len(person.sellers) > 1:
        return Refusal(Reason.field_is_missing, "seller")
    if not person.sellers and wish.kind not in OF_A_NUMBER:
        return Refusal(Reason.identity_is_not_proven)
    return "".join(person.sellers)


async def _deceased(desk: Desk, person: Person, wish: RightWish) -> str | Refusal:
    """The seller whose number and ID number the heir knows; nothing where there is none, which the heir is not told."""
    if person.proof != BY_NUMBER:
        return Refusal(Reason.identity_is_not_proven)
    assert wish.deceased is not None, "a request of an heir names the deceased"
    number = marks_of(desk, wish.deceased.number, NUMBER)
    identity = marks_of(desk, wish.deceased.identity_number, IDENTITY)
    return next(iter(await registered_as(desk, number, identity)), "")


class _Correction(NamedTuple):
    name: Sealed
    number: Sealed


async def _sealed(desk: Desk, seller: str, wish: RightWish) -> _Correction | Refusal:
    """The new values, closed under the data keys that the seller has already."""
    plain = {SELLER_NAME: wish.name, SELLER_NUMBER: wish.number}
    given = {field: text for field, text in plain.items() if text is not None}
    if not given:
        return _Correction(Sealed(""), Sealed(""))
    places = {field: key_id(seller, field.key_class) for field in given}
    rows = await desk.subject_keys(places.values())
    sealed: dict[Field, Sealed] = {}
    for field, text in given.items():
        row = rows.get(places[field])
        if row is None or row.is_forgotten:
            return Refusal(Reason.seller_is_unknown, "seller")
        try:
            key = desk.vault.unlock(row)
        except (NoEpochKey, BrokenSeal):
            return Refusal(Reason.platform_is_busy)
        sealed[field] = desk.vault.seal(text, key, field, chance=desk.chance(NONCE_BYTES))
    return _Correction(sealed.get(SELLER_NAME, Sealed("")), sealed.get(SELLER_NUMBER, Sealed("")))


def _command(desk: Desk, person: Person, wish: RightWish, seller: str, correction: _Correction) -> ReceiveRequest:
    asking = person.asking
    return ReceiveRequest(
        request=new_id("req", at=desk.clock.now(), chance=desk.chance(CHANCE_BYTES)),
        kind=wish.kind,
        proof=person.proof,
        key="" if asking is None else asking.key.id,
        nonce_mark=b"" if asking is None else asking.marks.nonce,
        request_mark=b"" if asking is None else asking.marks.request,
        request_digest=b"" if asking is None else asking.marks.digest,
        number_proof=person.number_proof,
        seller=seller,
        policy=desk.notice.version,
        asks_review=wish.review,
        lifts=wish.lift,
        sealed_name=correction.name,
        sealed_number=correction.number,
        paper_sha256="" if wish.deceased is None else wish.deceased.papers_sha256,
    )


# --- in the line ---------------------------------------------------------------------------------


class ReceiveRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep a request. A key signed it, or a number was proven; never both."""

    request: str
    kind: str
    proof: str
    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes
    number_proof: str
    seller: str
    policy: str
    asks_review: bool
    lifts: bool
    sealed_name: Annotated[Sealed, Privacy.IDENTITY]
    sealed_number: Annotated[Sealed, Privacy.CONTACT]
    paper_sha256: str


class RequestStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How a request stands. It is remembered with the idempotency key, so it holds no value, sealed or not."""

    request: str
    kind: str
    state: str
    policy: str
    received_at: int
    due_at: int
    open_until: int
    closed_at: int | None
    outcome: str
    refusal: str


def standing_of(request: SubjectRequest) -> RequestStands:
    """What is told of a request."""
    return RequestStands(
        request=request.id,
        kind=request.kind,
        state=request.state,
        policy=request.policy,
        received_at=request.received_at,
        due_at=request.due_at,
        open_until=request.open_until,
        closed_at=request.closed_at,
        outcome=request.outcome,
        refusal=request.refusal,
    )


_FirstAnswer: TypeAlias = RequestStands | Refusal
_recalled: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_FirstAnswer)


def want(shelves: Shelves, command: ReceiveRequest, now: int) -> bool:
    """Which rows are needed; the open request is known once its slot is, and that once the key or the proof is."""
    register, proofs = shelves.register, shelves.number_proofs
    shelves.requests.want(command.request)
    register.sellers.want(command.seller)
    shelves.shreddings.want(command.seller)
    want_restriction(shelves, command.seller)
    number = ""
    if command.key:
        want_once(shelves, command)
        register.switches.want(f"key:{command.key}")
        key = register.keys.peek(command.key)
        if key is None:
            return register.keys.is_absent(command.key)
        register.partners.want(key.owner)
        register.switches.want(f"partner:{key.owner}")
    else:
        proofs.want(command.number_proof)
        proof = proofs.peek(command.number_proof)
        if proof is None:
            return proofs.is_absent(command.number_proof)
        number = proof.number
    slot = _slot(command, number)
    shelves.open_requests.want(slot)
    opened = shelves.open_requests.peek(slot)
    if opened is None:
        return shelves.open_requests.is_absent(slot)
    shelves.requests.want(opened.request)
    return True


def apply(shelves: Shelves, command: ReceiveRequest, turn: Turn) -> Decided:
    """Keeps a request, once. One by a proven number has no idempotency key, and needs none: there is one of a kind."""
    if command.key:
        return act_once(shelves, command, turn, _decide, _recalled)
    return _decide(shelves, command, turn)


def _decide(shelves: Shelves, command: ReceiveRequest, turn: Turn) -> Decided:
    number = _check_person(shelves, command, turn.at)
    if isinstance(number, Refusal):
        return Decided(number)
    if command.kind == CORRECT and shelves.shreddings.get(command.seller) is not None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    slot = _slot(command, number)
    opened = shelves.open_requests.get(slot)
    known = None if opened is None else shelves.requests.get(opened.request)
    if known is not None and _stands_for(shelves, command, known, turn.at):
        return Decided(standing_of(known))
    request = _request(command, number, turn.at)
    if opened is None:
        shelves.open_requests.add(OpenRequest(slot, request.id))
    else:
        opened.request = request.id
        shelves.open_requests.change(slot, opened)
    effects = _answer_at_once(shelves, command, request, turn.at)
    shelves.requests.add(request)
    return Decided(standing_of(request), (_received(request), *effects))


def _stands_for(shelves: Shelves, command: ReceiveRequest, known: SubjectRequest, at: int) -> bool:
    """Whether what was asked before answers what is asked now."""
    # Who has read the explanation may want a person to look at it, so it does not stand in the review's way.
    if command.asks_review and known.state == ANSWERED and known.outcome == BUNDLE:
        return False
    return known.holds_its_slot(at) or _is_in_force(shelves, command, known)


def _slot(command: ReceiveRequest, number: str) -> str:
    return slot_of(command.kind, seller=command.seller, number=number, proof=command.proof)


def _check_person(shelves: Shelves, command: ReceiveRequest, at: int) -> str | Refusal:
    """The pseudonym of the number that was proven, or nothing where a key signs. The line believes no worker's word."""
    if not command.key:
        return _check_number(shelves, command, at)
    register = shelves.register
    key = register.keys.get(command.key)
    refusal = check_key(key, at=at)
    if refusal is not None or key is None:
        return refusal or Refusal(Reason.key_is_unknown)
    if register.is_stopped(f"key:{key.id}"):
        return Refusal(Reason.key_is_stopped)
    seller = register.sellers.get(command.seller)
    if seller is None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if key.owner_kind == "seller":
        is_own = key.owner == seller.id and command.proof == BY_KEY and command.kind != HEIR
        return "" if is_own else Refusal(Reason.key_may_not_do_this, "seller")
    if register.is_stopped(f"partner:{key.owner}"):
        return Refusal(Reason.partner_is_stopped)
    if (refusal := check_partner(register.partners.get(key.owner))) is not None:
        return refusal
    if seller.partner != key.owner:
        return Refusal(Reason.seller_is_unknown, "seller")
    is_passed_on = command.proof == BY_PARTNER and command.kind == KNOW
    return "" if is_passed_on else Refusal(Reason.identity_is_not_proven)


def _check_number(shelves: Shelves, command: ReceiveRequest, at: int) -> str | Refusal:
    proof = shelves.number_proofs.get(command.number_proof)
    if proof is None or command.proof != BY_NUMBER:
        return Refusal(Reason.number_proof_is_unknown)
    if not proof.is_good(at):
        return Refusal(Reason.number_proof_has_expired)
    is_known_as = command.seller in proof.sellers.split() or command.kind == HEIR
    if not is_known_as and (command.seller or command.kind not in OF_A_NUMBER):
        return Refusal(Reason.identity_is_not_proven)
    return proof.number


def _request(command: ReceiveRequest, number: str, at: int) -> SubjectRequest:
    return SubjectRequest(
        id=command.request,
        kind=command.kind,
        seller=command.seller,
        number=number,
        proof=command.proof,
        state=IN_REVIEW,
        policy=command.policy,
        received_at=at,
        due_at=due_at(at),
        open_until=0,
        reads=0,
        closed_at=None,
        outcome="",
        refusal="",
        decided_by="",
        sealed_name=command.sealed_name,
        sealed_number=command.sealed_number,
        paper_sha256=command.paper_sha256,
        code_digest=b"",
    )


def _answer_at_once(shelves: Shelves, command: ReceiveRequest, request: SubjectRequest, at: int) -> tuple[Fact, ...]:
    """Closes a request that needs nobody; the others wait for an officer."""
    effects: tuple[Fact, ...] = ()
    outcome = BUNDLE
    if request.kind == RESTRICT:
        outcome = RESUMED if command.lifts else RESTRICTED
        effects = (
            resume(shelves, request.seller, SUBJECT_ASKED)
            if command.lifts
            else restrict(shelves, request.seller, SUBJECT_ASKED, at=at)
        )
    elif request.kind not in WITH_BUNDLE or request.kind == HEIR:
        return ()
    else:
        request.open_until = plus(at, OPEN_S)
        if command.asks_review:
            return ()
    request.state, request.closed_at, request.outcome, request.decided_by = ANSWERED, at, outcome, PLATFORM
    return (*effects, RequestAnswered(request.id, outcome, PLATFORM))


def _is_in_force(shelves: Shelves, command: ReceiveRequest, known: SubjectRequest) -> bool:
    """Whether a restriction is asked for, or lifted, that stands like this already; asking again changes nothing."""
    if known.kind != RESTRICT:
        return False
    restriction = shelves.restrictions.get(known.seller)
    stands = restriction is not None and restriction.reason == SUBJECT_ASKED
    return stands != command.lifts and known.outcome == (RESUMED if command.lifts else RESTRICTED)


def _received(request: SubjectRequest) -> RequestReceived:
    return RequestReceived(
        request=request.id,
        asks=request.kind,
        seller=request.seller,
        number=request.number,
        proof=request.proof,
        policy=request.policy,
        due_at=request.due_at,
    )


APPLIER = Applier(want, apply)
