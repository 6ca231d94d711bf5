"""Personal data that leaves the country: counted by distinct people since 1 January, and denied by default.

The line decides over `privacy.abroad`. Three things have to hold:

1. No court or authority abroad is behind it; such a one cannot even be registered (`hold_recipients`; 个人信息保护法
   2021, art. 41).
2. The recipient's transfer basis is enough for all who will then have data abroad, this transfer included.
3. Each of them gave a separate consent for this recipient (art. 39; the purpose `provide_abroad`), unless the purpose
   is a legal duty, which asks for none (art. 13(1)(3)). A consent is given for the seller's own partner; for anybody
   else there is none, so nothing that needs one goes there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.privacy.abroad import ABROAD, NEVER, AbroadCount, AbroadSubject, Needed, is_enough, needed
from suyuan.privacy.consent import consent_id, is_in_force
from suyuan.privacy.disclosure import year_of
from suyuan.privacy.exports import Column
from suyuan.privacy.purposes import PROVIDE_ABROAD, Ground, Purpose
from suyuan.privacy.recipients import Recipient, TransferBasis
from suyuan.settle.account import Seller

_REASONS = {
    Needed.CONTRACT: Reason.transfer_needs_a_contract,
    Needed.ASSESSMENT: Reason.transfer_needs_an_assessment,
}


class Abroad(NamedTuple):
    """A transfer: whose data, by the pseudonym of each person's identity, and whether any of it is sensitive."""

    people: Collection[str]
    is_sensitive: bool


def transfer_of(identities: Iterable[str], columns: Sequence[Column]) -> Abroad:
    """What these columns of these people are, abroad."""
    return Abroad(set(identities), any(column.is_sensitive for column in columns))


def want_abroad(shelves: Shelves, recipient: Recipient, sellers: Iterable[Seller]) -> None:
    """Which rows are needed."""
    shelves.abroad_count.want(ABROAD)
    for seller in sellers:
        shelves.abroad_subjects.want(seller.identity)
        shelves.consents.want(_consent_id(recipient, seller.id))


def check_abroad(
    shelves: Shelves, recipient: Recipient, transfer: Abroad, *, purpose: Purpose, sellers: Iterable[str], at: int
) -> Refusal | None:
    """Why this may not go abroad; None where it may."""
    year = year_of(at)
    count, then = _count(shelves, year), _count_then(shelves, transfer, year)
    need = needed(people=then.people, sensitive=then.sensitive)
    if not is_enough(TransferBasis(recipient.transfer_basis), need):
        return Refusal(_REASONS[need], f"{year}: {count.people}, {count.sensitive}")
    if purpose.ground is Ground.LEGAL_DUTY:
        return None
    without = [seller for seller in sellers if not _has_agreed(shelves, recipient, seller)]
    return Refusal(Reason.separate_consent_is_missing, without[0]) if without else None


def count_abroad(shelves: Shelves, transfer: Abroad, *, at: int) -> None:
    """Counts each person of a transfer who is not counted yet this year."""
    year = year_of(at)
    then = _count_then(shelves, transfer, year)
    for identity in transfer.people:
        _note(shelves, identity, year, is_sensitive=transfer.is_sensitive)
    row = shelves.abroad_count.get(ABROAD)
    if row is None:
        shelves.abroad_count.add(then)
    else:
        row.year, row.people, row.sensitive = year, then.people, then.sensitive
        shelves.abroad_count.change(ABROAD, row)


def _has_agreed(shelves: Shelves, recipient: Recipient, seller: str) -> bool:
    return is_in_force(shelves.consents.get(_consent_id(recipient, seller)), PROVIDE_ABROAD)


def _consent_id(recipient: Recipient, seller: str) -> str:
    return consent_id(seller, PROVIDE_ABROAD.id, recipient.partner)


def _count(shelves: Shelves, year: int) -> AbroadCount:
    row = shelves.abroad_count.get(ABROAD)
    return row if row is not None and row.year == year else AbroadCount(ABROAD, year, 0, 0)


def _count_then(shelves: Shelves, transfer: Abroad, year: int) -> AbroadCount:
    """How many it will be with this transfer."""
    count = _count(shelves, year)
    people = count.people + len(_new(shelves, transfer.people, year))
    sensitive = len(_newly_sensitive(shelves, transfer.people, year)) if transfer.is_sensitive else 0
    return AbroadCount(ABROAD, year, people, count.sensitive + sensitive)


def _new(shelves: Shelves, people: Iterable[str], year: int) -> list[str]:
    rows = ((identity, shelves.abroad_subjects.get(identity)) for identity in people)
    return [identity for identity, row in rows if row is None or row.year != year]


def _newly_sensitive(shelves: Shelves, people: Iterable[str], year: int) -> list[str]:
    rows = ((identity, shelves.abroad_subjects.get(identity)) for identity in people)
    return [identity for identity, row in rows if row is None or row.sensitive_year != year]


def _note(shelves: Shelves, identity: str, year: int, *, is_sensitive: bool) -> None:
    row = shelves.abroad_subjects.get(identity)
    if row is None:
        shelves.abroad_subjects.add(AbroadSubject(identity, year, year if is_sensitive else NEVER))
        return
    row.year = year
    row.sensitive_year = year if is_sensitive else row.sensitive_year
    shelves.abroad_subjects.change(identity, row)
