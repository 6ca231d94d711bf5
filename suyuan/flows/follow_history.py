"""The keeper of the house reads history as it grows, and keeps three things of it: the agenda of retention, who read
what of whom, and which redemptions of a seller were refused.

Both are made of events that other stories append anyway, so none of these has to remember to tell. A stretch and the
place behind it are kept in one transaction; a keeper that dies goes on with the stretch that it had not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.history.events import (
    Event,
    RedemptionRefused,
    RedemptionTaken,
    SellerRegistered,
    SellerRegistered1,
    kind_of_type,
)
from suyuan.history.followers import Stretch, advance, next_stretch
from suyuan.history.paper_events import PaperDeleted, PaperSealed
from suyuan.history.privacy_events import FieldsRead, FieldsRead1
from suyuan.history.store import Recorded
from suyuan.privacy import readings, retention
from suyuan.privacy.retention import APPLICANT, SELLER, Entry, RetentionRules, category_of
from suyuan.risk.reading import is_about_the_seller
from suyuan.settle import refused as refusals_kept
from suyuan.settle.redemption import sellers_of
from suyuan.settle.roll import trade_channels

FOLLOWER = "housekeeping"
STRETCH_EVENTS = 2_000
# A keeper that was away for long catches up over several rounds, so that it does all else as well.
STRETCHES_PER_ROUND_MAX = 100
_FOLLOWED = (
    SellerRegistered1,
    SellerRegistered,
    RedemptionTaken,
    RedemptionRefused,
    PaperSealed,
    PaperDeleted,
    FieldsRead1,
    FieldsRead,
)
_KINDS = [kind_of_type(kind) for kind in _FOLLOWED]

Connection = psycopg.AsyncConnection[TupleRow]


async def follow_history(connection: Connection, rules: RetentionRules) -> bool:
    """Goes on from where it was. Returns whether it has come to the end of history."""
    for _ in range(STRETCHES_PER_ROUND_MAX):
        async with connection.transaction():
            stretch = await next_stretch(connection, FOLLOWER, _KINDS, rows_max=STRETCH_EVENTS)
            await _keep(connection, stretch, rules)
            await advance(connection, FOLLOWER, stretch.next_seq)
        if stretch.is_last:
            return True
    return False


async def _keep(connection: Connection, stretch: Stretch, rules: RetentionRules) -> None:
    if not stretch.recorded:
        return
    channels = await trade_channels(connection)
    await retention.note(connection, agenda_of(stretch.recorded, channels, rules))
    for _, at, event in stretch.recorded:
        if isinstance(event, PaperDeleted):
            await retention.move(connection, [event.paper], retention.SHREDDED, at)
    read = [
        (subject, seq)
        for seq, _, event in stretch.recorded
        if isinstance(event, FieldsRead1 | FieldsRead)
        for subject in event.subjects
    ]
    # A read of a card is a read of whoever sold it.
    sellers = await sellers_of(connection, {subject for subject, _ in read})
    await readings.note(connection, [(sellers.get(subject, subject), seq) for subject, seq in read])
    refused = [
        (seq, event.seller)
        for seq, _, event in stretch.recorded
        if isinstance(event, RedemptionRefused) and is_about_the_seller(event)
    ]
    await refusals_kept.note(connection, refused)


def agenda_of(recorded: Iterable[Recorded], channels: Mapping[str, str], rules: RetentionRules) -> list[Entry]:
    """What a stretch of history puts on the agenda, the newest word of each thing alone."""
    noted: dict[str, Entry] = {}
    for _, at, event in recorded:
        for entry in _entries(event, at, channels, rules):
            noted[entry.id] = entry
    return list(noted.values())


def _entries(event: Event, at: int, channels: Mapping[str, str], rules: RetentionRules) -> list[Entry]:
    match event:
        case SellerRegistered1() | SellerRegistered():
            return [_entry(event.seller, event.seller, (channels[event.partner], APPLICANT), at, rules)]
        case RedemptionTaken():
            channel = channels[event.partner]
            return [
                _entry(event.seller, event.seller, (channel, SELLER), at, rules),
                _entry(event.redemption, event.seller, (channel, category_of(event.source)), at, rules),
            ]
        case PaperSealed():
            return [_entry(event.paper, event.seller, (channels[event.partner], event.paper_kind), at, rules)]
        case _:
            return []


def _entry(name: str, owner: str, kept: tuple[str, str], at: int, rules: RetentionRules) -> Entry:
    channel, category = kept
    planned = retention.plan(rules.rule(channel, category), began_at=at, now=at)
    # Where a rule has no end, the agenda is looked through once a day all the same.
    return Entry(name, owner, category, channel, at, planned.state, planned.changes_at or plus(at, DAY_S))
