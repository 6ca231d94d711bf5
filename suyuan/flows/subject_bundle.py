"""The bundle of a request is made: page by page, when it is fetched, and kept nowhere.

1. `which_person` proves anew who asks; an heir also shows the code that an officer gave them.
2. The read stands in history under the request (`read_fields`): the line allows it only while the request is open, and
   only about the seller of the request and what that seller sold.
3. The page is put together of what is about this person (`privacy.bundles`); the rest is left out.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import WHOLE_NUMBER_MAX
from suyuan.flows.desk import Desk
from suyuan.flows.read_fields import read_to_perform
from suyuan.flows.show_reads import reads_of, shown_reads
from suyuan.flows.which_person import Caller, own_request, target_uri_of, which_person
from suyuan.history.events import RedemptionRefused
from suyuan.history.recall import events_at
from suyuan.history.store import Recorded
from suyuan.privacy import bundles, requests, retention
from suyuan.privacy.authority import Authority
from suyuan.privacy.bundles import (
    Bundle,
    ConsentKept,
    DebitKept,
    Decision,
    FieldKept,
    LimitShown,
    PaperKept,
    ReadShown,
    Recipient,
    RedemptionKept,
    Registration,
    field_kept,
    purpose_shown,
)
from suyuan.privacy.classes import Privacy, Sealed
from suyuan.privacy.keyring import NoEpochKey
from suyuan.privacy.papers import papers_of
from suyuan.privacy.purposes import (
    ADDRESS_PREFIX,
    ANSWER_SUBJECT,
    BALANCE_NUMBER,
    CARD_PIN,
    CARD_SERIAL,
    CONSUME_CARD,
    DEVICE_KEY,
    PAY_SELLER,
    PURPOSES,
    REGISTER_SELLER,
    SELLER_FIELDS,
    SELLER_IDENTITY,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    Field,
)
from suyuan.privacy.requests import BY_PARTNER, EXPLAIN, HEIR, SubjectRequest
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.privacy.vault import BrokenSeal, OpenKey
from suyuan.settle.account import Seller
from suyuan.settle.body import Reader, form
from suyuan.settle.limits import LimitRules
from suyuan.settle.redemption import PUBLIC_STATES, Redemption
from suyuan.settle.refused import refusals_of

READER = "rights"
ROWS_PER_PAGE = 200
REVIEW_EN = "To have a person look at a decision, ask again with kind explain and review true; an officer answers it."
REVIEW_ZH = "如需人工复核某项决定，请以 kind=explain、review=true 再次提出请求，由工作人员答复。"


class BundleWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page; an heir shows the code that an officer gave them."""

    cursor: Annotated[str, form("[A-Za-z0-9_-]+", length_max=300), Privacy.OPEN] | None = None
    heir_code: Annotated[str, form("[0-9A-Za-z_-]+", length_max=64), Privacy.OPEN] | None = None


WISHES = Reader(BundleWish)


class Place(NamedTuple):
    """Where a page begins: behind this redemption, and behind this refusal."""

    after_id: str
    after_seq: int

    @property
    def is_first(self) -> bool:
        return self == FIRST


FIRST = Place("", -1)


async def give_bundle(desk: Desk, caller: Caller, request_id: str) -> Bundle | Refusal:
    """A page of the bundle of a request of the caller's. Raises `BadSignature`."""
    # (1) Who asks, for which of their requests.
    person = await which_person(desk, caller)
    if isinstance(person, Refusal):
        return person
    wish = WISHES.read_query(target_uri_of(caller))
    if isinstance(wish, Refusal):
        return wish
    request = await own_request(desk, person, request_id)
    if isinstance(request, Refusal):
        return request
    refusal = _refuse_giving(request, wish, desk.clock.now())
    place = FIRST if wish.cursor is None else _place(request.id, wish.cursor)
    if refusal is not None or place is None:
        return refusal or Refusal(Reason.cursor_is_malformed, "cursor")
    # (2)-(3) Of a number alone nothing has to be opened.
    if not request.seller:
        return await _of_number(desk, request, place)
    return await _of_seller(desk, request, place)


def _refuse_giving(request: SubjectRequest, wish: BundleWish, now: int) -> Refusal | None:
    if now >= request.open_until:
        return Refusal(Reason.subject_request_has_no_bundle)
    if request.reads >= requests.READS_MAX:
        return Refusal(Reason.bundle_was_given_too_often)
    given = wire.digest((wish.heir_code or "").encode())
    if request.kind == HEIR and not hmac.compare_digest(given, request.code_digest):
        return Refusal(Reason.heir_code_is_wrong, "heir_code")
    return None


# --- of a seller ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the recorded read allows to be opened; nothing where the kind shows no values."""

    desk: Desk
    authority: Authority | None
    keys: Mapping[str, SubjectKey]

    def show(self, sealed: str, field: Field, subject: str) -> str | None:
        """A value; None where it may not, or can no longer, be opened."""
        if self.authority is None or not sealed or subject not in self.authority.subjects:
            return None
        key = self._key(subject, field)
        if key is None:
            return None
        try:
            return self.desk.vault.open(Sealed(sealed), key, field, self.authority, now=self.desk.clock.now())
        except BrokenSeal:
            return None

    def _key(self, subject: str, field: Field) -> OpenKey | None:
        row = self.keys.get(key_id(subject, field.key_class))
        if row is None or row.is_forgotten:
            return None
        try:
            return self.desk.vault.unlock(row)
        except (BrokenSeal, NoEpochKey):
            return None


async def _of_seller(desk: Desk, request: SubjectRequest, place: Place) -> Bundle | Refusal:
    kind = request.kind
    seller = await desk.lookup.seller(request.seller)
    if seller is None:
        return Refusal(Reason.subject_request_has_no_bundle)
    # One more than is shown tells whether there is another page.
    ids = await retention.sources_of(desk.fetch, seller.id, after_id=place.after_id, rows_max=ROWS_PER_PAGE + 1)
    found = await desk.lookup.redemptions_among(ids[:ROWS_PER_PAGE])
    refused = await _refused(desk, request, place)
    opened = await _open(desk, request, seller, found, is_first=place.is_first)
    if isinstance(opened, Refusal):
        return opened
    shows_purposes = kind in bundles.SHOWS_PURPOSES
    is_whole_first = place.is_first and kind in bundles.SHOWS_FIELDS
    return Bundle(
        request=request.id,
        kind=kind,
        policy=request.policy,
        policy_now=desk.notice.version,
        made_at=desk.clock.now(),
        about=seller.id,
        registration=_registration(seller) if place.is_first else None,
        fields=_fields(seller, found, opened) if is_whole_first else (),
        purposes=tuple(map(purpose_shown, PURPOSES)) if shows_purposes and place.is_first else (),
        recipients=_recipients(seller, found) if shows_purposes else (),
        redemptions=await _redemptions(desk, found, opened) if kind in bundles.SHOWS_REDEMPTIONS else (),
        decisions=tuple(_decision(desk.rules, one) for one in refused[:ROWS_PER_PAGE]),
        limits=_limits(desk.rules) if kind == EXPLAIN and place.is_first else (),
        limits_version=limits_version(desk.rules) if kind == EXPLAIN else "",
        papers=await _papers(desk, request) if shows_purposes and place.is_first else (),
        consents=await _consents(desk, request) if shows_purposes and place.is_first else (),
        reads=await _reads(desk, request) if shows_purposes and place.is_first else (),
        review_en=REVIEW_EN if kind == EXPLAIN else "",
        review_zh=REVIEW_ZH if kind == EXPLAIN else "",
        next=_next(request.id, place, ids, refused),
    )


async def _open(
    desk: Desk, request: SubjectRequest, seller: Seller, found: Sequence[Redemption], *, is_first: bool
) -> _Opened | Refusal:
    """Records the read of this page, where there is anything to open."""
    subjects = [*([seller.id] if is_first else []), *(redemption.id for redemption in found)]
    if request.kind not in requests.WITH_VALUES or not subjects:
        return _Opened(desk, None, {})
    fields = (*(SELLER_FIELDS if is_first else ()), CARD_SERIAL, BALANCE_NUMBER)
    authority = await read_to_perform(desk.line, ANSWER_SUBJECT, subjects, fields, reader=READER, reference=request.id)
    if isinstance(authority, Refusal):
        return authority
    classes = {field.key_class for field in fields}
    keys = await desk.subject_keys([key_id(subject, each) for subject in subjects for each in classes])
    return _Opened(desk, authority, keys)


def _registration(seller: Seller) -> Registration:
    return Registration(seller.id, seller.partner, seller.state, seller.tier, seller.registered_at)


def _fields(seller: Seller, found: Sequence[Redemption], opened: _Opened) -> tuple[FieldKept, ...]:
    sealed = {
        SELLER_NAME: seller.sealed_name, SELLER_IDENTITY: seller.sealed_identity,
        SELLER_NUMBER: seller.sealed_number, SELLER_PAYEE: seller.sealed_payee,
    }  # fmt: skip
    own = tuple(field_kept(field, opened.show(text, field, seller.id)) for field, text in sealed.items() if text)
    sources = {redemption.source for redemption in found}
    sold = (CARD_SERIAL, CARD_PIN) if "card" in sources else ()
    debited = (BALANCE_NUMBER,) if "balance" in sources else ()
    unsealed = (*((DEVICE_KEY,) if seller.bound_at else ()), *((ADDRESS_PREFIX,) if found else ()))
    return (*own, *(field_kept(field) for field in (*sold, *debited, *unsealed)))


async def _redemptions(desk: Desk, found: Sequence[Redemption], opened: _Opened) -> tuple[RedemptionKept, ...]:
    sources = await desk.lookup.sources_of([redemption.id for redemption in found])
    return tuple(_redemption(redemption, sources.get(redemption.id, ""), opened) for redemption in found)


def _redemption(redemption: Redemption, sealed: str, opened: _Opened) -> RedemptionKept:
    field = CARD_SERIAL if redemption.source == "card" else BALANCE_NUMBER
    source = opened.show(sealed, field, redemption.id)
    return RedemptionKept(
        redemption=redemption.id,
        at=redemption.taken_at,
        source=redemption.source,
        operator=redemption.operator,
        source_shown=None if source is None else field.mask(source),
        face_fen=redemption.face_fen,
        paid=redemption.paid,
        fee_fen=redemption.fee_fen,
        rounding_fen=redemption.rounding_fen,
        debt_fen=redemption.debt_fen,
        value_kind=redemption.value_kind,
        contract=redemption.contract,
        channel=redemption.channel,
        state=_public(redemption),
        changed_at=redemption.changed_at,
    )


def _recipients(seller: Seller, found: Iterable[Redemption]) -> tuple[Recipient, ...]:
    """Who got what: the partner told it to us, operators see the source, channels the account."""
    shown = {Recipient("partner", seller.partner, tuple(f.name for f in SELLER_FIELDS), REGISTER_SELLER.id)}
    for one in found:
        source = (CARD_SERIAL, CARD_PIN) if one.source == "card" else (BALANCE_NUMBER,)
        shown.add(Recipient("operator", one.operator, tuple(f.name for f in source), CONSUME_CARD.id))
        shown.add(Recipient("payout_channel", one.channel, (SELLER_PAYEE.name,), PAY_SELLER.id))
    return tuple(sorted(shown, key=lambda one: (one.kind, one.name, one.fields)))


async def _papers(desk: Desk, request: SubjectRequest) -> tuple[PaperKept, ...]:
    """The person's papers, those that are gone too. What they show is for an officer to hand over."""
    found = await papers_of(desk.fetch, request.seller, rows_max=ROWS_PER_PAGE)
    return tuple(PaperKept(one.id, one.kind, one.size_bytes, one.sealed_at, one.state, one.deleted_at) for one in found)


async def _consents(desk: Desk, request: SubjectRequest) -> tuple[ConsentKept, ...]:
    """What the person has agreed to and refused."""
    found = await desk.consents(request.seller)
    return tuple(ConsentKept(one.purpose, one.recipient, one.state, one.decided_at) for one in found)


async def _reads(desk: Desk, request: SubjectRequest) -> tuple[ReadShown, ...]:
    """Who read of the person, to the person; a partner who passes a request on learns nothing of it."""
    if request.proof == BY_PARTNER:
        return ()
    found = await reads_of(desk, request.seller, before_seq=WHOLE_NUMBER_MAX, rows_max=ROWS_PER_PAGE)
    return tuple(await shown_reads(desk, found))


# --- decisions -----------------------------------------------------------------------------------

_CODES = frozenset(Reason)
_DAY = frozenset({Reason.daily_limit_is_reached, Reason.step_up_is_needed})


async def _refused(desk: Desk, request: SubjectRequest, place: Place) -> list[Recorded]:
    if request.kind not in bundles.SHOWS_DECISIONS:
        return []
    places = await refusals_of(desk.fetch, request.seller, after_seq=place.after_seq, rows_max=ROWS_PER_PAGE + 1)
    return await events_at(desk.fetch, places)


def _decision(rules: LimitRules, recorded: Recorded) -> Decision:
    event = recorded.event
    assert isinstance(event, RedemptionRefused), "a refusal stands at the place of a refusal"
    # A reason that this suyuan no longer has is told by its code.
    refusal = Refusal(Reason(event.reason), event.where) if event.reason in _CODES else None
    return Decision(
        redemption=event.redemption,
        at=recorded.at,
        contract=event.contract,
        operator=event.operator,
        source=event.source,
        face_fen=event.face_fen,
        code=event.reason,
        where=event.where,
        en="" if refusal is None else refusal.sentence("en"),
        zh="" if refusal is None else refusal.sentence("zh"),
        limits=() if refusal is None else _behind(rules, refusal),
    )


def _behind(rules: LimitRules, refusal: Refusal) -> tuple[LimitShown, ...]:
    """The limit that a refusal names."""
    if refusal.reason is Reason.transaction_limit_is_reached:
        return _limits(rules)[:1]
    window = "day" if refusal.reason in _DAY else "24h" if refusal.reason is Reason.rolling_limit_is_reached else ""
    return tuple(limit for limit in _limits(rules) if limit.window == window and limit.subject == refusal.where)


def _limits(rules: LimitRules) -> tuple[LimitShown, ...]:
    one = LimitShown("seller", "transaction", rules.transaction_fen_max)
    return (one, *(LimitShown(rule.subject, rule.window, rule.cap_fen) for rule in rules.rules))


def limits_version(rules: LimitRules) -> str:
    """The version of the limits in force: it changes with any cap."""
    return wire.digest(wire.canonical(_limits(rules))).hex()[:16]


# --- of a number ---------------------------------------------------------------------------------


async def _of_number(desk: Desk, request: SubjectRequest, place: Place) -> Bundle:
    """What is kept under a number alone. Whoever registered with it is not told of: numbers change hands."""
    found = await desk.lookup.debits_of_number(request.number, after_id=place.after_id, rows_max=ROWS_PER_PAGE + 1)
    sellers = await desk.lookup.sellers_of_number(request.number)
    shows_purposes = request.kind in bundles.SHOWS_PURPOSES and place.is_first
    kept = (*((BALANCE_NUMBER,) if found else ()), *((SELLER_NUMBER,) if sellers else ()))
    shown = found[:ROWS_PER_PAGE]
    return Bundle(
        request=request.id,
        kind=request.kind,
        policy=request.policy,
        policy_now=desk.notice.version,
        made_at=desk.clock.now(),
        about="",
        fields=tuple(map(field_kept, kept)) if place.is_first else (),
        purposes=tuple(map(purpose_shown, PURPOSES)) if shows_purposes else (),
        recipients=tuple(sorted({_debited_by(one) for one in shown}, key=lambda one: one.name))
        if request.kind in bundles.SHOWS_PURPOSES
        else (),
        debits=tuple(_debit(one) for one in shown) if request.kind in bundles.SHOWS_REDEMPTIONS else (),
        next=_next(request.id, place, [one.id for one in found], []),
    )


def _debit(redemption: Redemption) -> DebitKept:
    return DebitKept(redemption.id, redemption.taken_at, redemption.operator, redemption.face_fen, _public(redemption))


def _debited_by(redemption: Redemption) -> Recipient:
    return Recipient("operator", redemption.operator, (BALANCE_NUMBER.name,), CONSUME_CARD.id)


def _public(redemption: Redemption) -> str:
    return PUBLIC_STATES.get(redemption.state, redemption.state)


# --- pages ---------------------------------------------------------------------------------------


def _next(request_id: str, place: Place, ids: Sequence[str], refused: Sequence[Recorded]) -> str | None:
    """The cursor of the following page, where there is one."""
    if max(len(ids), len(refused)) <= ROWS_PER_PAGE:
        return None
    after_id = ids[:ROWS_PER_PAGE][-1] if ids else place.after_id
    after_seq = refused[:ROWS_PER_PAGE][-1].seq if refused else place.after_seq
    return wire.b64(f"{request_id}\n{after_id}\n{after_seq}".encode())


def _place(request_id: str, cursor: str) -> Place | None:
    """The place that a cursor of this request names."""
    try:
        whose, after_id, after_seq = wire.unb64(cursor).decode().split("\n")
    except ValueError:
        return None
    digits = after_seq.removeprefix("-")
    is_whole = digits.isascii() and digits.isdigit() and len(digits) < 16
    return Place(after_id, int(after_seq)) if whose == request_id and is_whole else None
