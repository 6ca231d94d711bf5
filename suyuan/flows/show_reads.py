"""A person sees who read what of them: when, why, by which rule, and whether whole or masked.

Officers are named by their role, never by name. A read under an authority's order stays out until the order has ended,
and out in such a way that nobody can tell: pages are filled up with what lies behind, and a cursor stands on a read
that was shown (数据安全法 2021, art. 35; 反洗钱法 2024, art. 7: nobody is tipped off).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import WHOLE_NUMBER_MAX
from suyuan.flows.desk import Desk
from suyuan.flows.read_fields import BY_OFFICERS
from suyuan.flows.which_person import Caller, target_uri_of, which_person
from suyuan.history.privacy_events import FieldsRead, FieldsRead1
from suyuan.history.recall import events_at
from suyuan.history.store import Recorded
from suyuan.privacy import exports, readings, warrants
from suyuan.privacy.bundles import ReadShown, RuleShown
from suyuan.privacy.classes import Privacy
from suyuan.privacy.purposes import Ground
from suyuan.settle.body import Reader, form

PAGE_ROWS = 50
PAGE_ROWS_MAX = 200
PLATFORM, PARTNER, OFFICER, OFFICER_BY_ORDER = "platform", "partner", "officer", "officer_by_order"
_OFFICERS_PURPOSES = frozenset(purpose.id for purpose in BY_OFFICERS)


class ReadsWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list."""

    cursor: Annotated[str, form("[A-Za-z0-9_-]+", length_max=200), Privacy.OPEN] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX), Privacy.OPEN] = PAGE_ROWS


WISHES = Reader(ReadsWish)


class Reads(NamedTuple):
    """Reads, the newest first, and the place behind which the list goes on."""

    reads: list[ReadShown]
    next: str | None


async def show_reads(desk: Desk, caller: Caller, seller: str) -> Reads | Refusal:
    """Who read what of a seller, to that seller alone. Raises `BadSignature`."""
    person = await which_person(desk, caller)
    if isinstance(person, Refusal):
        return person
    wish = WISHES.read_query(target_uri_of(caller))
    if isinstance(wish, Refusal):
        return wish
    if seller not in person.sellers:
        return Refusal(Reason.seller_is_unknown, "seller")
    before_seq = WHOLE_NUMBER_MAX if wish.cursor is None else _place(seller, wish.cursor)
    if before_seq is None:
        return Refusal(Reason.cursor_is_malformed, "cursor")
    found = await reads_of(desk, seller, before_seq=before_seq, rows_max=wish.limit + 1)
    shown = found[: wish.limit]
    is_last = len(found) <= wish.limit
    return Reads(await shown_reads(desk, shown), None if is_last else _cursor(seller, shown[-1].seq))


async def reads_of(desk: Desk, seller: str, *, before_seq: int, rows_max: int) -> list[Recorded]:
    """The newest reads of a seller that may be shown, as many as asked for where there are so many."""
    shown: list[Recorded] = []
    while len(shown) < rows_max:
        places = await readings.reads_of(desk.fetch, seller, before_seq=before_seq, rows_max=rows_max)
        if not places:
            break
        before_seq = places[-1]
        found = await events_at(desk.fetch, places)
        ended = await _ended(desk, found)
        shown += [read for read in reversed(found) if not _is_secret(read, ended)]
    return shown[:rows_max]


async def _ended(desk: Desk, found: list[Recorded]) -> set[str]:
    """The orders behind these reads that have ended."""
    references = {
        event.reference
        for _, _, event in found
        if isinstance(event, FieldsRead) and event.authority == Ground.WARRANT.value
    }
    return await warrants.ended(desk.fetch, references, at=desk.clock.now()) if references else set()


def _is_secret(read: Recorded, ended: set[str]) -> bool:
    """Whether a read rests on an order that has not ended, for all that is known of it."""
    event = read.event
    is_by_order = isinstance(event, FieldsRead) and event.authority == Ground.WARRANT.value
    return is_by_order and isinstance(event, FieldsRead) and event.reference not in ended


async def shown_reads(desk: Desk, reads: list[Recorded]) -> list[ReadShown]:
    """Reads as the person sees them, with whom an export was for."""
    references = {read.event.reference for read in reads if isinstance(read.event, FieldsRead)}
    recipients = await exports.recipients_of(desk.fetch, references) if references else {}
    return [_shown(read, recipients) for read in reads]


def _shown(read: Recorded, recipients: dict[str, str]) -> ReadShown:
    """Nothing of the others whom it was about, and no officer's name."""
    event = read.event
    assert isinstance(event, FieldsRead | FieldsRead1), "a reading stands at the place of a read"
    return ReadShown(
        at=read.at,
        purpose=event.purpose,
        rule=RuleShown(event.law, event.version, event.article),
        reader=_reader(event),
        fields=event.fields,
        is_whole=event.shows_whole if isinstance(event, FieldsRead) else True,
        recipient=_recipient(event, recipients),
    )


def _recipient(event: FieldsRead | FieldsRead1, recipients: dict[str, str]) -> str:
    """To whom the fields went: for an export whoever it was made for, for a consent whoever it was given to."""
    if event.authority == Ground.CONSENT.value:
        return event.reader
    return recipients.get(event.reference, "") if isinstance(event, FieldsRead) else ""


def _reader(event: FieldsRead | FieldsRead1) -> str:
    if event.authority == Ground.WARRANT.value:
        return OFFICER_BY_ORDER
    if event.authority == Ground.CONSENT.value:
        return PARTNER
    return OFFICER if event.purpose in _OFFICERS_PURPOSES else PLATFORM


def _cursor(seller: str, seq: int) -> str:
    return wire.b64(f"{seller}\n{seq}".encode())


def _place(seller: str, cursor: str) -> int | None:
    try:
        whose, _, seq = wire.unb64(cursor).decode().partition("\n")
    except ValueError:
        return None
    is_whole = seq.isascii() and seq.isdigit() and len(seq) < 16
    return int(seq) if whose == seller and is_whole else None
