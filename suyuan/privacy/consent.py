"""Consents: to what a person has agreed, what they have refused, and when either counts.

Owns the table `consent`: one row for each person, purpose and recipient. Its states, and what moves it:

    (nothing asked) ──give──▶ given ──withdraw──▶ withdrawn ──give──▶ given
          └────────refuse──▶ refused ──give──▶ given

- A *yes* is for the terms of its purpose as the person was shown them. It counts (`is_in_force`) while it is not taken
  back and the terms are those of today; where they change it must be asked for again (个人信息保护法 2021, art. 14).
- A *no* always wins: it is kept in every state, and it closes at once. After one a partner may not ask again for
  `ASK_AGAIN_S` (网络数据安全管理条例 2024, art. 22), so a yes that a partner brings before is refused. A yes by the
  person's own key is their own wish, and counts whenever it comes.
- Nobody says yes for a person to what they would be given themselves: a consent whose recipient is the partner takes
  the person's own key.
- Withdrawing is one call, like giving, and takes back nothing that was done (art. 15, 16). It is no refusal: who gave,
  withdrew and gives again was not asked too often.

`draft` is the record of ISO/IEC TS 27560 as it was when it was decided (`privacy.receipt`), so that a receipt never
tells a later text.

>>> from suyuan.privacy.purposes import COMPARE_FACE
>>> said = Said(REFUSE, "v1", "zh", "", BY_PARTNER, at=0)
>>> row = decide(None, Subject("slr_1", COMPARE_FACE, "face_check"), said)
>>> row.state, is_in_force(row, COMPARE_FACE)
('refused', False)
>>> decide(row, Subject("slr_1", COMPARE_FACE, "face_check"), said._replace(choice=GIVE, at=1)).code
'consent_was_refused'
>>> row = decide(row, Subject("slr_1", COMPARE_FACE, "face_check"), said._replace(choice=GIVE, by=BY_SELLER, at=1))
>>> row.state, is_in_force(row, COMPARE_FACE)
('given', True)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.privacy.notice import terms_of
from suyuan.privacy.purposes import PARTNER, Purpose

TABLE = "consent"
GIVE, REFUSE, WITHDRAW = "give", "refuse", "withdraw"
GIVEN, REFUSED, WITHDRAWN = "given", "refused", "withdrawn"
BY_SELLER, BY_PARTNER = "seller_key", "partner_key"
ASK_AGAIN_S = 180 * DAY_S

# Not the database's own word for it, because the SDK ships this module without a database.
Fetch = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]


class Consent(msgspec.Struct, gc=False):
    """How one person stands to one purpose of one recipient. Instants are micros; `given_at` is 0 where none was."""

    id: str
    seller: str
    purpose: str
    recipient: str
    state: str
    notice: str
    terms: str
    language: str
    draft: str
    given_by: str
    given_at: int
    decided_by: str
    decided_at: int


CHANGING = Consent.__struct_fields__[4:]


class Subject(NamedTuple):
    """Whose agreement it is about, to what, and for whom."""

    seller: str
    purpose: Purpose
    recipient: str

    @property
    def id(self) -> str:
        """What the row is kept under."""
        return consent_id(self.seller, self.purpose.id, self.recipient)


class Said(NamedTuple):
    """What a person has said: the choice, the notice they were shown in which language, and the record's draft."""

    choice: str
    notice: str
    language: str
    draft: str
    by: str
    at: int


def consent_id(seller: str, purpose: str, recipient: str) -> str:
    """What a consent is kept under."""
    return f"{seller}/{purpose}/{recipient}"


def recipient_of(purpose: Purpose, partner: str) -> str:
    """For whom a consent is: the seller's own partner by name, any other party by its kind."""
    assert purpose.recipient is not None, "whoever is asked for consent is told for whom"
    return partner if purpose.recipient is PARTNER else purpose.recipient.id


def decide(row: Consent | None, subject: Subject, said: Said) -> Consent | Refusal:
    """How a person stands after what they have said. The very same row where nothing has changed."""
    if said.choice == WITHDRAW:
        return _withdraw(row, said)
    if said.choice == REFUSE:
        return _answered(subject, said, REFUSED)
    if said.by == BY_PARTNER and subject.purpose.recipient is PARTNER:
        return Refusal(Reason.key_may_not_do_this, "purpose")
    if said.by == BY_PARTNER and may_ask_at(row) > said.at:
        return Refusal(Reason.consent_was_refused, "purpose")
    if row is not None and is_in_force(row, subject.purpose):
        return row
    return _answered(subject, said, GIVEN)


def may_ask_at(row: Consent | None) -> int:
    """From when on a partner may ask for it; 0 for at once."""
    return plus(row.decided_at, ASK_AGAIN_S) if row is not None and row.state == REFUSED else 0


def is_in_force(row: Consent | None, purpose: Purpose) -> bool:
    """Whether a person agrees, to the terms of today."""
    return row is not None and row.state == GIVEN and row.terms == terms_of(purpose)


async def of_seller(fetch: Fetch, seller: str) -> list[Consent]:
    """All that a seller has decided. `fetch` is `base.db.ReadPool.fetch`."""
    return [Consent(*row) for row in await fetch(_OF_SELLER, [seller])]


def _withdraw(row: Consent | None, said: Said) -> Consent | Refusal:
    if row is None or row.state not in (GIVEN, WITHDRAWN):
        return Refusal(Reason.consent_is_not_given, "purpose")
    if row.state == WITHDRAWN:
        return row
    return msgspec.structs.replace(row, state=WITHDRAWN, decided_by=said.by, decided_at=said.at)


def _answered(subject: Subject, said: Said, state: str) -> Consent:
    is_given = state == GIVEN
    return Consent(
        id=subject.id,
        seller=subject.seller,
        purpose=subject.purpose.id,
        recipient=subject.recipient,
        state=state,
        notice=said.notice,
        terms=terms_of(subject.purpose),
        language=said.language,
        draft=said.draft,
        given_by=said.by if is_given else "",
        given_at=said.at if is_given else 0,
        decided_by=said.by,
        decided_at=said.at,
    )


_OF_SELLER = f"SELECT {', '.join(Consent.__struct_fields__)} FROM consent WHERE seller = %s ORDER BY purpose, recipient"
