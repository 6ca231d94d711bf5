"""An export is decided: who is told what of whom, for which purpose, and how many officers that takes.

1. One officer proposes it, and will be the only one who may make it (`make_export`). The text names the purpose, the
   recipient, the columns, and every person: who approves decides over these and no others.
2. Another officer approves. The line then looks at everything again: the recipient's contract, whether purpose, role,
   columns and sellers fit each other, what has gone abroad this year, and the counters of what this officer took out
   and this recipient was given. Up to half of each cap that is enough.
3. Above half the export waits (`export_escalated/1`) until a third officer, who neither asked nor approved, agrees
   (`AgreeExport`), and is then weighed once more. Above a cap nobody can agree.

With the decision the counters are taken and the read stands in history, in one commit: whoever is to be forgotten is
left out of both. What was counted stays counted, even where the file is never made, so that asking is never free.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.count_disclosures import Items, count_disclosures, needs_third, too_much, want_counts
from suyuan.flows.officer_signature import check_officer, want_officer
from suyuan.flows.provide_abroad import check_abroad, count_abroad, transfer_of, want_abroad
from suyuan.flows.read_fields import open_subjects, read_event, want_subjects
from suyuan.flows.shelves import Shelves
from suyuan.history.disclosure_events import ExportApproved, ExportEscalated
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.disclosure import ItemClass, items_of, officer_counter, recipient_counter
from suyuan.privacy.exports import (
    APPROVED,
    MAKE_WITHIN_S,
    ROWS_MAX,
    SUBJECTS_MAX,
    WAITING,
    Column,
    Export,
    Risk,
    columns_of,
    is_for,
)
from suyuan.privacy.purposes import EXPORT_PURPOSES, Purpose, purpose_of
from suyuan.privacy.recipients import Recipient, Role, is_abroad
from suyuan.settle.account import FOR_EVER, Seller

_ID = re.compile(r"exp_[0-9A-Za-z_-]{1,60}")
_SUBJECT = re.compile(r"slr_[0-9A-Za-z_-]{1,60}")


class ExportRecords(Change, frozen=True, tag="export_records"):
    """The columns of these sellers for this recipient, at most `rows_max` lines, to be used until `use_until` (micros).

    `partner`, `registered_from` and `registered_to` are the filter that found the sellers; all of them match it.
    """

    id: str
    requester: str
    purpose: str
    recipient: str
    columns: tuple[str, ...]
    subjects: tuple[str, ...]
    rows_max: int
    use_until: int
    partner: str = ""
    registered_from: int = 0
    registered_to: int = FOR_EVER


class AgreeExport(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The third officer's step, with a signature over the whole text that the first two signed."""

    export: str
    officer: str
    signature: bytes


class Agreed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Three have agreed; the export may be made."""

    export: str


def agreement_subject(export: str, change: str) -> object:
    """What the third officer signs."""
    return {"export": export, "change": change}


class _Weighed(NamedTuple):
    """An export that the rules allow as things stand."""

    purpose: Purpose
    recipient: Recipient
    columns: tuple[Column, ...]
    subjects: tuple[str, ...]
    items: Items
    third_for: str | None  # The counter for which a third person is needed.

    @property
    def risk(self) -> Risk:
        """How many have to agree."""
        return Risk.ORDINARY if self.third_for is None else Risk.ELEVATED


# --- in the line: the decision of two ------------------------------------------------------------


def _is_sound(change: ExportRecords) -> bool:
    columns, purpose = columns_of(change.columns), purpose_of(change.purpose)
    return (
        _ID.fullmatch(change.id) is not None
        and purpose in EXPORT_PURPOSES
        and bool(columns)
        and len(set(change.columns)) == len(change.columns)
        and 0 < len(change.subjects) <= SUBJECTS_MAX
        and list(change.subjects) == sorted(set(change.subjects))
        and all(_SUBJECT.fullmatch(subject) for subject in change.subjects)
        and 0 < change.rows_max <= ROWS_MAX
        and 0 <= change.registered_from < change.registered_to <= FOR_EVER
        and 0 < change.use_until <= FOR_EVER
    )


def want_export(shelves: Shelves, change: ExportRecords) -> bool:
    """Which rows deciding needs. Whom to count abroad is known once the recipient and the sellers are."""
    shelves.exports.want(change.id)
    shelves.recipients.want(change.recipient)
    shelves.register.sellers.want_all(change.subjects)
    want_subjects(shelves, change.subjects)
    want_counts(shelves, *_counters(change))
    recipient = shelves.recipients.peek(change.recipient)
    if recipient is None:
        return shelves.recipients.is_absent(change.recipient)
    if not is_abroad(recipient.region):
        return True
    sellers = shelves.register.sellers
    found = [sellers.peek(subject) for subject in change.subjects]
    want_abroad(shelves, recipient, (seller for seller in found if seller is not None))
    return all(
        seller is not None or sellers.is_absent(subject)
        for subject, seller in zip(change.subjects, found, strict=True)
    )  # fmt: skip


def approve(shelves: Shelves, change: ExportRecords, approval: Approval) -> Made:
    """The second officer's step: the export may be made, or waits for a third."""
    if shelves.exports.get(change.id) is not None or approval.proposer != change.requester:
        return None
    weighed = _weigh(shelves, change, approval.turn.at)
    if isinstance(weighed, Refusal):
        return weighed
    export = _export(change, weighed, approval)
    shelves.exports.add(export)
    if weighed.third_for is not None:
        told = ExportEscalated(export.id, export.recipient, weighed.third_for, approval.proposer, approval.approver)
        return (told,)
    # The event of the approval itself stands before these.
    return _release(shelves, export, weighed, Turn(approval.turn.seq + 1, approval.turn.at))


# --- in the line: the third person ---------------------------------------------------------------


def want_agreement(shelves: Shelves, command: AgreeExport, now: int) -> bool:
    """Which rows are needed; those of the export itself once its proposal is there."""
    want_officer(shelves, command.officer)
    shelves.exports.want(command.export)
    export = shelves.exports.peek(command.export)
    if export is None:
        return shelves.exports.is_absent(command.export)
    shelves.register.proposals.want(export.proposal)
    proposal = shelves.register.proposals.peek(export.proposal)
    return proposal is not None and want_export(shelves, change_of(proposal.change))


def agree(shelves: Shelves, command: AgreeExport, turn: Turn) -> Decided:
    """Lets an elevated export go, if what has happened since still allows it."""
    export = shelves.exports.get(command.export)
    text = "" if export is None else _proposed(shelves, export)
    subject = agreement_subject(command.export, text)
    refusal = check_officer(shelves, command.officer, "agree", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    if export is None:
        return Decided(Refusal(Reason.export_is_unknown, "export"))
    if export.state != WAITING:
        return Decided(Refusal(Reason.proposal_is_closed, "export"))
    if command.officer in (export.requested_by, export.approved_by):
        return Decided(Refusal(Reason.export_needs_a_third_person, "officer"))
    weighed = _weigh(shelves, change_of(text), turn.at)
    if isinstance(weighed, Refusal):
        return Decided(weighed)
    export.agreed_by = command.officer
    return Decided(Agreed(export.id), _release(shelves, export, weighed, turn))


def change_of(text: str) -> ExportRecords:
    """The export that a proposal's text is about."""
    return _changes.decode(text)


def _proposed(shelves: Shelves, export: Export) -> str:
    proposal = shelves.register.proposals.get(export.proposal)
    assert proposal is not None, "a proposal is kept for ever"
    return proposal.change


# --- weighing and releasing ----------------------------------------------------------------------


def _weigh(shelves: Shelves, change: ExportRecords, at: int) -> _Weighed | Refusal:
    """Everything that the rules ask, in the order of the refusals."""
    purpose, columns = purpose_of(change.purpose), columns_of(change.columns)
    assert purpose is not None, "a proposal for an unknown purpose is not sound"
    assert columns is not None, "nor is one with unknown columns"
    recipient = shelves.recipients.get(change.recipient)
    if recipient is None:
        return Refusal(Reason.recipient_is_unknown, "recipient")
    if not (recipient.begins_at <= at < change.use_until <= recipient.ends_at):
        return Refusal(Reason.recipient_is_not_in_force, "recipient")
    misfit = _misfit(shelves, change, purpose, recipient, columns)
    if misfit is not None:
        return Refusal(Reason.export_is_not_allowed, misfit)
    subjects = open_subjects(shelves, change.subjects, purpose)
    if not subjects:
        return Refusal(Reason.export_names_nobody, "subjects")
    if is_abroad(recipient.region):
        transfer = transfer_of(_identities(shelves, subjects), columns)
        refusal = check_abroad(shelves, recipient, transfer, purpose=purpose, sellers=subjects, at=at)
        if refusal is not None:
            return refusal
    items = _items(columns, people=len(subjects), rows_max=change.rows_max)
    refusal = too_much(shelves, _counters(change), items, at=at)
    if refusal is not None:
        return refusal
    third_for = needs_third(shelves, _counters(change), items, at=at)
    return _Weighed(purpose, recipient, columns, subjects, items, third_for)


def _misfit(
    shelves: Shelves, change: ExportRecords, purpose: Purpose, recipient: Recipient, columns: tuple[Column, ...]
) -> str | None:
    """Which part of the export does not fit the others."""
    if not is_for(purpose, recipient.role):
        return "recipient"
    if any(purpose not in column.purposes for column in columns):
        return "columns"
    found = [shelves.register.sellers.get(subject) for subject in change.subjects]
    if not all(seller is not None and _matches(seller, change, recipient) for seller in found):
        return "subjects"
    has_lines_of_redemptions = any(column.is_of_redemption for column in columns)
    return "rows_max" if not has_lines_of_redemptions and change.rows_max < len(change.subjects) else None


def _matches(seller: Seller, change: ExportRecords, recipient: Recipient) -> bool:
    """Whether this seller is one of the filter's, and of the recipient's own where that is a partner."""
    return (
        change.partner in ("", seller.partner)
        and change.registered_from <= seller.registered_at < change.registered_to
        and (recipient.role != Role.PARTNER or recipient.partner == seller.partner)
    )


def _items(columns: tuple[Column, ...], *, people: int, rows_max: int) -> Items:
    """One item a person and kind; where each line is a redemption, each line is an item of trade."""
    items = items_of((column.item_class for column in columns), people=people)
    if any(column.is_of_redemption for column in columns):
        items[ItemClass.TRADE] = max(people, rows_max)
    return items


def _release(shelves: Shelves, export: Export, weighed: _Weighed, turn: Turn) -> tuple[Fact, ...]:
    """Takes the counters and records the read. `turn` is where the first of these events will stand."""
    for counter in (officer_counter(export.requested_by), recipient_counter(export.recipient)):
        count_disclosures(shelves, counter, weighed.items, at=turn.at)
    if is_abroad(export.region):
        transfer = transfer_of(_identities(shelves, weighed.subjects), weighed.columns)
        count_abroad(shelves, transfer, at=turn.at)
    left_out = set(change_of(_proposed(shelves, export)).subjects).difference(weighed.subjects)
    export.state, export.subjects, export.left_out = APPROVED, len(weighed.subjects), " ".join(sorted(left_out))
    export.property_items = weighed.items.get(ItemClass.PROPERTY, 0)
    export.trade_items = weighed.items.get(ItemClass.TRADE, 0)
    export.other_items = weighed.items.get(ItemClass.OTHER, 0)
    export.read_seq, export.decided_at, export.expires_at = turn.seq + 1, turn.at, plus(turn.at, MAKE_WITHIN_S)
    shelves.exports.change(export.id, export)
    fields = tuple(sorted(column.field.name for column in weighed.columns if column.field is not None))
    read = read_event(
        weighed.purpose, export.requested_by, export.id, subjects=weighed.subjects, fields=fields
    )  # fmt: skip
    return (_approved(export, weighed), read)


def _export(change: ExportRecords, weighed: _Weighed, approval: Approval) -> Export:
    basis = weighed.purpose.basis
    return Export(
        id=change.id,
        proposal=approval.proposal,
        purpose=change.purpose,
        basis=f"{basis.law} {basis.version} {basis.article}",
        recipient=change.recipient,
        region=weighed.recipient.region,
        columns=" ".join(change.columns),
        rows_max=change.rows_max,
        use_until=change.use_until,
        requested_by=approval.proposer,
        approved_by=approval.approver,
        risk=weighed.risk.value,
        state=WAITING,
        agreed_by=None,
        subjects=0,
        left_out="",
        property_items=0,
        trade_items=0,
        other_items=0,
        read_seq=0,
        decided_at=approval.turn.at,
        expires_at=0,
        begun=0,
        made_at=None,
        rows=0,
        sha256="",
    )


def _approved(export: Export, weighed: _Weighed) -> ExportApproved:
    purpose = weighed.purpose
    return ExportApproved(
        export=export.id,
        purpose=purpose.id,
        authority=purpose.ground.value,
        law=purpose.basis.law,
        version=purpose.basis.version,
        article=purpose.basis.article,
        recipient=export.recipient,
        region=export.region,
        columns=tuple(export.columns.split()),
        subjects=export.subjects,
        rows_max=export.rows_max,
        property_items=export.property_items,
        trade_items=export.trade_items,
        other_items=export.other_items,
        risk=export.risk,
        requested_by=export.requested_by,
        approved_by=export.approved_by,
        agreed_by=export.agreed_by,
        use_until=export.use_until,
        expires_at=export.expires_at,
    )


def _counters(change: ExportRecords) -> tuple[str, str]:
    return officer_counter(change.requester), recipient_counter(change.recipient)


def _identities(shelves: Shelves, subjects: tuple[str, ...]) -> list[str]:
    found = [shelves.register.sellers.get(subject) for subject in subjects]
    return [seller.identity for seller in found if seller is not None]


_changes = msgspec.json.Decoder(ExportRecords)

AGREE_APPLIER = Applier(want_agreement, agree)
CHANGES: dict[type[Change], ChangeKind] = {ExportRecords: ChangeKind(_is_sound, want_export, approve)}
