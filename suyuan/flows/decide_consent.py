"""A seller agrees to something, refuses it, or takes a consent back; and anybody it concerns reads how it stands.

All three are one call with the seller's own key, or with the partner's on the seller's behalf, which the record says.
A yes names the notice that the person was shown, which must be the present one. A no needs nothing but the seller: it
is kept even while the seller, the partner or the whole platform is stopped, because it only ever closes.

What is decided is a row and an event in one commit (`privacy.consent` has the rules), and a signed receipt for whoever
asked (`privacy.receipt`). A retry gets the first answer, whose receipt tells of that instant.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeAlias, cast

import msgspec

from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.flows.act_once import act_once, check_actor, check_speaker, want_actor, want_once
from suyuan.flows.desk import Desk, ask_line
from suyuan.flows.publish_notice import publish_notice
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Asking, Knock, who_asks
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import ConsentGiven, ConsentRefused, ConsentWithdrawn
from suyuan.privacy import consent
from suyuan.privacy.classes import Privacy
from suyuan.privacy.consent import BY_PARTNER, BY_SELLER, GIVE, REFUSE, WITHDRAW, Consent, Said, Subject, recipient_of
from suyuan.privacy.consent_record import draft_record
from suyuan.privacy.purposes import ON_CONSENT, PARTNER, purpose_of
from suyuan.settle.account import check_seller
from suyuan.settle.body import Reader, SellerName, form

NOT_ASKED = "not_asked"
DEFAULT_LANGUAGE = "zh"


async def decide_consent(desk: Desk, knock: Knock) -> ConsentStands | Refusal:
    """Keeps what a seller has decided. Raises `BadSignature`."""
    # (1) Who asks, and for whom.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = WISHES.read(asking.body)
    if isinstance(wish, Refusal):
        return wish
    # (2) A yes to something else than the present notice says would be worth nothing.
    refusal = _check_notice(desk, wish) or await _published(desk, wish)
    if refusal is not None:
        return refusal
    # (3) The line decides, keeps and remembers in one commit.
    answer = await ask_line(desk, await _command(desk, asking, wish))
    assert isinstance(answer, ConsentStands | Refusal), "the line answers a decision with nothing else"
    return answer


async def list_consents(desk: Desk, knock: Knock) -> Consents | Refusal:
    """How a seller stands to everything that takes consent. Raises `BadSignature`."""
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = LIST_WISHES.read_query(knock.claim.request.target_uri)
    if isinstance(wish, Refusal):
        return wish
    seller = await desk.lookup.seller(wish.seller)
    # A suspended seller still reads their own consents, since they may take them back.
    if seller is None or seller.partner != asking.partner or asking.only_seller not in (None, seller.id):
        return Refusal(Reason.seller_is_unknown, "seller")
    rows = {row.id: row for row in await desk.consents(seller.id)}
    subjects = [Subject(seller.id, purpose, recipient_of(purpose, seller.partner)) for purpose in ON_CONSENT]
    return Consents(seller.id, [Standing(subject, rows.get(subject.id)) for subject in subjects])


class ConsentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a seller has decided: `give`, `refuse` or `withdraw`. To give, name the notice shown and its language."""

    seller: SellerName
    purpose: Annotated[str, form("|".join(purpose.id for purpose in ON_CONSENT), length_max=64), Privacy.OPEN]
    decision: Annotated[str, form(f"{GIVE}|{REFUSE}|{WITHDRAW}", length_max=16), Privacy.OPEN]
    notice: Annotated[str, form("[0-9a-f]{64}", length_max=64), Privacy.OPEN] | None = None
    language: Annotated[str, form("zh|en", length_max=2), Privacy.OPEN] | None = None


class ConsentsWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose consents."""

    seller: SellerName


WISHES = Reader(ConsentWish)
LIST_WISHES = Reader(ConsentsWish)


class Standing(NamedTuple):
    """How a seller stands to one purpose; no row where nobody has asked yet."""

    subject: Subject
    row: Consent | None


class Consents(NamedTuple):
    """How a seller stands to every purpose that takes consent."""

    seller: str
    standings: list[Standing]


class DecideConsent(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep a decision. `draft` is the record of what was shown."""

    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes
    seller: str
    purpose: str
    choice: str
    notice: str
    language: str
    draft: str


class ConsentStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How the seller stands to the purpose from now on."""

    consent: Consent


_FirstAnswer: TypeAlias = ConsentStands | Refusal
_recalled: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_FirstAnswer)


async def _published(desk: Desk, wish: ConsentWish) -> Refusal | None:
    """Just after a start the present notice may be served and not yet stand in history, where the line looks for it."""
    stands = await publish_notice(desk) if wish.decision == GIVE else None
    return stands if isinstance(stands, Refusal) else None


def _check_notice(desk: Desk, wish: ConsentWish) -> Refusal | None:
    if wish.decision != GIVE:
        return None
    for name in ("notice", "language"):
        if getattr(wish, name) is None:
            return Refusal(Reason.field_is_missing, name)
    if not desk.notice.is_complete:
        return Refusal(Reason.notice_is_incomplete)
    return None if wish.notice == desk.notice.version else Refusal(Reason.notice_is_not_current, "notice")


async def _command(desk: Desk, asking: Asking, wish: ConsentWish) -> DecideConsent:
    purpose = purpose_of(wish.purpose)
    assert purpose is not None, "the form knows no other purposes"
    subject = Subject(wish.seller, purpose, recipient_of(purpose, asking.partner))
    name = await desk.lookup.partner_name(asking.partner) if purpose.recipient is PARTNER else ""
    language = cast("Language", wish.language or DEFAULT_LANGUAGE)
    return DecideConsent(
        key=asking.key.id,
        nonce_mark=asking.marks.nonce,
        request_mark=asking.marks.request,
        request_digest=asking.marks.digest,
        seller=wish.seller,
        purpose=purpose.id,
        choice=wish.decision,
        notice=desk.notice.version,
        language=language,
        draft=draft_record(
            desk.vault, desk.notice, subject,
            partner=asking.partner, recipient_name=name, language=language, origin=desk.origin,
        ),
    )  # fmt: skip


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: DecideConsent, now: int) -> bool:
    """Which rows deciding needs; for whom the consent is, is known once the seller is."""
    want_once(shelves, command)
    shelves.register.sellers.want(command.seller)
    shelves.notices.want(command.notice)
    knows_actor = want_actor(shelves, command.key)
    seller = shelves.register.sellers.peek(command.seller)
    if seller is None:
        return knows_actor and shelves.register.sellers.is_absent(command.seller)
    shelves.consents.want(_subject(command, seller.partner).id)
    return knows_actor


def apply(shelves: Shelves, command: DecideConsent, turn: Turn) -> Decided:
    """Keeps a decision, once."""
    return act_once(shelves, command, turn, _decide, _recalled)


def _decide(shelves: Shelves, command: DecideConsent, turn: Turn) -> Decided:
    is_yes = command.choice == GIVE
    # A no only closes, so no switch and no suspension keeps anybody from it.
    actor = (check_actor if is_yes else check_speaker)(shelves, command.key, turn.at)
    if isinstance(actor, Refusal):
        return Decided(actor)
    if actor.key.owner_kind == "seller" and actor.key.owner != command.seller:
        return Decided(Refusal(Reason.key_may_not_do_this, "seller"))
    refusal = check_seller(shelves.register.sellers.get(command.seller), actor.partner)
    if refusal is not None and (is_yes or refusal.reason is not Reason.seller_is_suspended):
        return Decided(refusal)
    if is_yes and shelves.notices.get(command.notice) is None:
        return Decided(Refusal(Reason.notice_is_not_current, "notice"))
    by = BY_SELLER if actor.key.owner_kind == "seller" else BY_PARTNER
    said = Said(command.choice, command.notice, command.language, command.draft, by, turn.at)
    subject = _subject(command, actor.partner)
    row = shelves.consents.get(subject.id)
    decided = consent.decide(row, subject, said)
    if isinstance(decided, Refusal):
        return Decided(decided)
    if decided is row:
        return Decided(ConsentStands(msgspec.structs.replace(row)))
    _keep(shelves, row, decided)
    return Decided(ConsentStands(decided), (_event(command, decided, actor.partner),))


def _subject(command: DecideConsent, partner: str) -> Subject:
    purpose = purpose_of(command.purpose)
    assert purpose is not None, "the form knows no other purposes"
    return Subject(command.seller, purpose, recipient_of(purpose, partner))


def _keep(shelves: Shelves, row: Consent | None, decided: Consent) -> None:
    if row is None:
        shelves.consents.add(msgspec.structs.replace(decided))
        return
    for name in consent.CHANGING:
        setattr(row, name, getattr(decided, name))
    shelves.consents.change(row.id, row)


def _event(command: DecideConsent, decided: Consent, partner: str) -> Fact:
    kind = {GIVE: ConsentGiven, REFUSE: ConsentRefused, WITHDRAW: ConsentWithdrawn}[command.choice]
    return kind(
        seller=decided.seller,
        partner=partner,
        purpose=decided.purpose,
        recipient=decided.recipient,
        notice=decided.notice,
        terms=decided.terms,
        language=decided.language,
        by=decided.decided_by,
        key=command.key,
    )


APPLIER = Applier(want, apply)
