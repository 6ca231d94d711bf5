"""Warrants come and go: one officer enters an authority's order, another has read the same paper and approves.

The change names the paper by its number and by the SHA-256 of its scan, so what two people signed is that paper and no
other. From the approval on, an officer may open exactly the subjects and fields that it names (`read_fields`), until it
ends. A foreign authority's order is never one of these: the law sends it to the competent authority first
(个人信息保护法 2021, art. 41), so the form knows domestic authorities only and asks who they are.
"""

from __future__ import annotations

import re

from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.shelves import Shelves
from suyuan.history.privacy_events import WarrantEnded, WarrantRegistered
from suyuan.privacy.free_text import is_line
from suyuan.privacy.purposes import ANSWER_AUTHORITY, fields_of
from suyuan.privacy.warrants import SUBJECTS_MAX, Warrant

_ID = re.compile(r"wrt_[0-9A-Za-z_-]{1,60}")
_SUBJECT = re.compile(r"(slr|rdm)_[0-9A-Za-z_-]{1,60}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AddWarrant(Change, frozen=True, tag="add_warrant"):
    """An authority's order: who ordered it, by which paper, about whom, which fields, from when until when (micros)."""

    id: str
    authority: str
    document_no: str
    document_sha256: str
    subjects: tuple[str, ...]
    fields: tuple[str, ...]
    begins_at: int
    ends_at: int


class EndWarrant(Change, frozen=True, tag="end_warrant"):
    """The order was withdrawn or carried out."""

    id: str


def _is_sound(change: AddWarrant) -> bool:
    fields = fields_of(change.fields)
    return (
        _ID.fullmatch(change.id) is not None
        and is_line(change.authority)
        and is_line(change.document_no)
        and _DIGEST.fullmatch(change.document_sha256) is not None
        and 0 < len(change.subjects) <= SUBJECTS_MAX
        and all(_SUBJECT.fullmatch(subject) for subject in change.subjects)
        and bool(fields)
        # What no order opens is no part of one: a card's PIN is money, and the operator has it.
        and all(ANSWER_AUTHORITY in field.purposes for field in fields or ())
        and change.begins_at < change.ends_at
    )


def _want(shelves: Shelves, change: AddWarrant | EndWarrant) -> bool:
    shelves.warrants.want(change.id)
    return True


def _add(shelves: Shelves, change: AddWarrant, approval: Approval) -> Made:
    if shelves.warrants.get(change.id) is not None:
        return None
    warrant = Warrant(
        id=change.id,
        authority=change.authority,
        document_no=change.document_no,
        document_sha256=change.document_sha256,
        subjects=" ".join(change.subjects),
        fields=" ".join(change.fields),
        requested_by=approval.proposer,
        approved_by=approval.approver,
        begins_at=change.begins_at,
        ends_at=change.ends_at,
    )
    shelves.warrants.add(warrant)
    event = WarrantRegistered(
        warrant=change.id,
        authority=change.authority,
        document_no=change.document_no,
        document_sha256=change.document_sha256,
        subjects=change.subjects,
        fields=change.fields,
        begins_at=change.begins_at,
        ends_at=change.ends_at,
        requested_by=approval.proposer,
        approved_by=approval.approver,
    )
    return (event,)


def _end(shelves: Shelves, change: EndWarrant, approval: Approval) -> Made:
    warrant = shelves.warrants.get(change.id)
    if warrant is None or warrant.ends_at <= approval.turn.at:
        return None
    warrant.ends_at = approval.turn.at
    shelves.warrants.change(warrant.id, warrant)
    return (WarrantEnded(change.id, approval.approver),)


CHANGES: dict[type[Change], ChangeKind] = {
    AddWarrant: ChangeKind(_is_sound, _want, _add),
    EndWarrant: ChangeKind(is_always_sound, _want, _end),
}
