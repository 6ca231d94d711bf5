"""Somebody or something is entered on a list of the policy, or taken off: by one officer, or by two.

What hardens decisions acts at once and takes one officer, since a stolen card is worth money within minutes. What
loosens them takes two: leaving a `blocked` list, standing on an `allowed` list (`risk.lists`). Each step says why, and
each entry ends by itself.

A person who decided that a refusal was wrong (`review_case`) has the line enter one attempt on a list of its own,
`PASSED`, which no officer can write and no policy can name.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import ListEntryAdded, ListEntryRemoved
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.risk.deployed import LISTS
from suyuan.risk.lists import (
    ENTRIES_MAX,
    LISTED_S_MAX,
    ListEntry,
    entry_id,
    is_entry,
    is_reason,
    kind_of,
)


class Listing(NamedTuple):
    """Who or what, on which list."""

    list: str
    key: str
    value: str

    @property
    def id(self) -> str:
        """What the entry is kept under."""
        return entry_id(*self)


class EnterOnList(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One officer enters something, until an instant (micros)."""

    list: str
    key: str
    value: str
    reason: str
    expires_at: int
    at: int
    officer: str
    signature: bytes


class TakeOffList(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One officer takes something off."""

    list: str
    key: str
    value: str
    at: int
    officer: str
    signature: bytes


class ListStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The list is as it was asked for; `subject` is the entry."""

    subject: str


class AddToList(Change, frozen=True, tag="add_to_list"):
    """Two officers enter something."""

    list: str
    key: str
    value: str
    reason: str
    expires_at: int


class RemoveFromList(Change, frozen=True, tag="remove_from_list"):
    """Two officers take something off."""

    list: str
    key: str
    value: str
    reason: str


def entering_subject(command: EnterOnList) -> object:
    """What an officer signs who enters something."""
    return {
        "list": command.list, "key": command.key, "value": command.value, "reason": command.reason,
        "expires_at": command.expires_at, "at": command.at,
    }  # fmt: skip


def leaving_subject(command: TakeOffList) -> object:
    """What an officer signs who takes something off."""
    return {"list": command.list, "key": command.key, "value": command.value, "at": command.at}


# --- in the line: one officer --------------------------------------------------------------------


def want_entry(shelves: Shelves, command: EnterOnList | TakeOffList, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    want_listing(shelves, _listing(command), now)
    return True


def enter(shelves: Shelves, command: EnterOnList, turn: Turn) -> Decided:
    """Enters something on a list that one officer may harden."""
    subject = entering_subject(command)
    refusal = check_signed_now(
        shelves, command.officer, "enter_on_list", subject, signed=(command.signature, command.at), turn=turn
    )
    kind = kind_of(command.list)
    if refusal is not None or kind is None:
        return Decided(refusal or Refusal(Reason.field_is_malformed, "list"))
    if kind.entering > 1:
        return Decided(Refusal(Reason.list_needs_two_officers, "list"))
    events = put(shelves, _listing(command), command.reason, command.expires_at, by=command.officer, at=turn.at)
    return Decided(events) if isinstance(events, Refusal) else Decided(ListStands(_listing(command).id), events)


def take_off(shelves: Shelves, command: TakeOffList, turn: Turn) -> Decided:
    """Takes something off a list that one officer may loosen."""
    subject = leaving_subject(command)
    refusal = check_signed_now(
        shelves, command.officer, "take_off_list", subject, signed=(command.signature, command.at), turn=turn
    )
    kind = kind_of(command.list)
    if refusal is not None or kind is None:
        return Decided(refusal or Refusal(Reason.field_is_malformed, "list"))
    if kind.leaving > 1:
        return Decided(Refusal(Reason.list_needs_two_officers, "list"))
    events = drop(shelves, _listing(command), by=command.officer)
    if events is None:
        return Decided(Refusal(Reason.list_entry_is_unknown, "value"))
    return Decided(ListStands(_listing(command).id), events)


def _listing(named: EnterOnList | TakeOffList | AddToList | RemoveFromList) -> Listing:
    return Listing(named.list, named.key, named.value)


# --- what both ways share ------------------------------------------------------------------------


def want_listing(shelves: Shelves, listing: Listing, now: int) -> None:
    """Asks for an entry, and for those that have expired and make room."""
    shelves.risk.deployments.want(LISTS)
    shelves.risk.list_entries.want(listing.id)
    shelves.risk.list_entries.want_all(shelves.risk.lists.expired(at=now))


def put(
    shelves: Shelves, listing: Listing, reason: str, expires_at: int, *, by: str, at: int
) -> tuple[Fact, ...] | Refusal:
    """Enters something, or gives what stands there another reason and end."""
    if not is_entry(*listing):
        return Refusal(Reason.field_is_malformed, "value")
    if not is_reason(reason):
        return Refusal(Reason.field_is_malformed, "reason")
    if not at < expires_at <= plus(at, LISTED_S_MAX):
        return Refusal(Reason.field_is_out_of_range, "expires_at")
    return put_unchecked(shelves, listing, reason, expires_at, by=by, at=at)


def put_unchecked(
    shelves: Shelves, listing: Listing, reason: str, expires_at: int, *, by: str, at: int
) -> tuple[Fact, ...] | Refusal:
    """The same for what the line enters by itself."""
    risk = shelves.risk
    for expired in risk.lists.expired(at=at):
        row = risk.list_entries.peek(expired)
        if row is not None and expired != listing.id:
            risk.list_entries.drop(row)
            risk.unlist(expired)
    if len(risk.lists) >= ENTRIES_MAX:
        return Refusal(Reason.list_is_full, "list")
    fresh = ListEntry(listing.id, *listing, reason, at, expires_at, by)
    known = risk.list_entries.get(listing.id)
    if known is not None:
        risk.list_entries.drop(known)
    risk.list_entries.add(fresh)
    risk.enlist(listing.id, expires_at)
    return (ListEntryAdded(*listing, reason=reason, expires_at=expires_at, by=by),)


def drop(shelves: Shelves, listing: Listing, *, by: str) -> tuple[Fact, ...] | None:
    """Takes something off; None where it did not stand there."""
    known = shelves.risk.list_entries.get(listing.id)
    if known is None:
        return None
    shelves.risk.list_entries.drop(known)
    shelves.risk.unlist(listing.id)
    return (ListEntryRemoved(*listing, by=by),)


# --- in the line: two officers -------------------------------------------------------------------


def _may_be_added(change: AddToList) -> bool:
    return is_entry(change.list, change.key, change.value) and is_reason(change.reason)


def _may_be_removed(change: RemoveFromList) -> bool:
    return is_entry(change.list, change.key, change.value) and is_reason(change.reason)


def _want(shelves: Shelves, change: AddToList | RemoveFromList) -> bool:
    shelves.risk.deployments.want(LISTS)
    shelves.risk.list_entries.want(_listing(change).id)
    return True


def _add(shelves: Shelves, change: AddToList, approval: Approval) -> Made:
    return put(shelves, _listing(change), change.reason, change.expires_at, by=approval.approver, at=approval.turn.at)


def _remove(shelves: Shelves, change: RemoveFromList, approval: Approval) -> Made:
    return drop(shelves, _listing(change), by=approval.approver)


CHANGES: dict[type[Change], ChangeKind] = {
    AddToList: ChangeKind(_may_be_added, _want, _add),
    RemoveFromList: ChangeKind(_may_be_removed, _want, _remove),
}
APPLIERS: dict[type, Applier] = {
    EnterOnList: Applier(want_entry, enter),
    TakeOffList: Applier(want_entry, take_off),
}
