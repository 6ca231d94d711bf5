"""Reading personal data: the read stands in history first, then an authority is minted, then a field may be opened.

A recorded read is a command like any other, so it costs a place in the next group commit; a bulk read is one event,
which names the subjects, the fields, the purpose and its rule, and never a value. Two kinds of reader ask:

- the platform itself, for a purpose that it performs (`RecordRead`);
- an officer (`ReadAsOfficer`), who signs what is to be read and why: masked values, unless a warrant that two officers
  brought into force names these subjects and fields. Photos have no mask; one officer may look at a seller's to verify
  them, or to examine a card, and what is shown carries that officer's marks (`show_paper`).
  brought into force names these subjects and fields. What an officer sees is counted (`count_disclosures`), so that
  leafing through all sellers page by page ends where an export would; a warrant's reads are counted and go on.

An export (`export_records`) is read for too, by its own commands, and recorded by the same event.

What a person asked for themselves is opened for their open request alone, and only of them and what they sold; what an
officer needs to judge a correction, for that correction alone.

For a purpose that rests on consent, whoever has not agreed that this reader reads it, or has taken that back, is left
out. So is whoever is to be forgotten, or restricted: their fields stay closed whatever the reader does. Only a warrant
still opens what the law makes us keep of somebody who asked to be forgotten, until it is shredded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.count_disclosures import count_disclosures, too_much_alone, want_counts
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import FieldsRead
from suyuan.privacy import grant
from suyuan.privacy.authority import Authority
from suyuan.privacy.consent import consent_id, is_in_force
from suyuan.privacy.disclosure import item_class_of, items_of, officer_counter
from suyuan.privacy.free_text import holds_personal_value, is_line
from suyuan.privacy.purposes import (
    ANSWER_AUTHORITY,
    ANSWER_SUBJECT,
    CORRECT_SELLER,
    EXAMINE_CARD,
    HELP_SELLER,
    OF_EXPORTS,
    VERIFY_SELLER,
    Field,
    Ground,
    Purpose,
    fields_of,
    purpose_of,
)
from suyuan.privacy.requests import CORRECT, SubjectRequest
from suyuan.privacy.warrants import Warrant

SUBJECTS_MAX = 1_000
# What only a warrant's read and an export's refer to.
OWN_REFERENCES = ("wrt_", "exp_")
# How the ids of officers begin.
OFFICER = "ofc_"
BY_OFFICERS = (HELP_SELLER, CORRECT_SELLER, ANSWER_AUTHORITY, VERIFY_SELLER, EXAMINE_CARD)


class RecordRead(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep that these fields of these subjects are about to be opened by the platform itself."""

    purpose: str
    reader: str
    reference: str
    subjects: tuple[str, ...]
    fields: tuple[str, ...]


class ReadAsOfficer(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The same by an officer; `reference` names the warrant, or says in the officer's words what it is about."""

    purpose: str
    reader: str
    reference: str
    subjects: tuple[str, ...]
    fields: tuple[str, ...]
    at: int
    signature: bytes


class ReadRecorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The read stands in history at `seq`, for these subjects; the others are closed for ever."""

    seq: int
    at: int
    subjects: tuple[str, ...]


AnyRead: TypeAlias = RecordRead | ReadAsOfficer


def read_subject(command: ReadAsOfficer) -> object:
    """What an officer signs of a read."""
    return {
        "purpose": command.purpose, "reference": command.reference, "subjects": list(command.subjects),
        "fields": list(command.fields), "at": command.at,
    }  # fmt: skip


async def read_to_perform(
    line: Commands,
    purpose: Purpose,
    subjects: Iterable[str],
    fields: Iterable[Field],
    *,
    reader: str,
    reference: str = "",
) -> Authority | Refusal:
    """An authority to open these fields, for something that the platform itself has to do."""
    names = tuple(sorted(field.name for field in fields))
    return await _recorded(line, RecordRead(purpose.id, reader, reference, tuple(sorted(set(subjects))), names))


async def read_as_officer(line: Commands, command: ReadAsOfficer) -> Authority | Refusal:
    """The authority that an officer's signed read gives."""
    return await _recorded(line, command)


async def _recorded(line: Commands, command: AnyRead) -> Authority | Refusal:
    answer = await line.submit(command)
    if isinstance(answer, Refusal):
        return answer
    assert isinstance(answer, ReadRecorded), "the line answers a read with nothing else"
    purpose = purpose_of(command.purpose)
    assert purpose is not None, "the line keeps no read for a purpose that is not registered"
    return grant.mint(purpose, grant.Read(answer.subjects, command.fields, answer.seq, answer.at))


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: RecordRead, now: int) -> bool:
    """Which rows are needed."""
    want_subjects(shelves, command.subjects)
    purpose = purpose_of(command.purpose)
    if purpose is not None and purpose.ground is Ground.CONSENT:
        shelves.consents.want_all(_consent_id(command, subject) for subject in command.subjects)
    if command.purpose == ANSWER_SUBJECT.id:
        shelves.requests.want(command.reference)
        shelves.redemptions.shelf.want_all(command.subjects)
    return True


def apply(shelves: Shelves, command: RecordRead, turn: Turn) -> Decided:
    """Keeps the platform's own read, without those who are to be forgotten."""
    purpose = purpose_of(command.purpose)
    if purpose is None or purpose in BY_OFFICERS or purpose in OF_EXPORTS:
        return Decided(Refusal(Reason.read_is_not_allowed, "purpose"))
    # Nobody signs this, so it may not look like what somebody has to sign: a leak would be laid at their door.
    if command.reader.startswith(OFFICER) or command.reference.startswith(OWN_REFERENCES):
        return Decided(Refusal(Reason.read_is_not_allowed, "reader"))
    if purpose is ANSWER_SUBJECT:
        refusal = _check_request(shelves, command, turn.at)
        if refusal is not None:
            return Decided(refusal)
    return _read(shelves, command, purpose, turn)


def _check_request(shelves: Shelves, command: RecordRead, at: int) -> Refusal | None:
    """Whether a person's open request allows this read, which it then counts."""
    request = shelves.requests.get(command.reference)
    if request is None or not request.opens_values(at):
        return Refusal(Reason.read_is_not_allowed, "reference")
    if not all(_is_about(shelves, subject, request) for subject in command.subjects):
        return Refusal(Reason.read_is_not_allowed, "subjects")
    request.reads += 1
    shelves.requests.change(request.id, request)
    return None


def _is_about(shelves: Shelves, subject: str, request: SubjectRequest) -> bool:
    """Whether a subject is the person who asked, or something that they sold."""
    sold = shelves.redemptions.shelf.get(subject)
    return request.seller == (subject if sold is None else sold.seller) != ""


def want_as_officer(shelves: Shelves, command: ReadAsOfficer, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.reader, command.signature)
    want_subjects(shelves, command.subjects)
    want_counts(shelves, officer_counter(command.reader))
    shelves.warrants.want(command.reference)
    shelves.requests.want(command.reference)
    return True


def apply_as_officer(shelves: Shelves, command: ReadAsOfficer, turn: Turn) -> Decided:
    """Keeps an officer's read, once, if the officer signed it just now and its purpose allows it."""
    refusal = check_signed_now(
        shelves, command.reader, "read", read_subject(command), signed=(command.signature, command.at), turn=turn
    )
    if refusal is not None:
        return Decided(refusal)
    purpose = purpose_of(command.purpose)
    if purpose not in BY_OFFICERS or len(command.subjects) > SUBJECTS_MAX:
        return Decided(Refusal(Reason.read_is_not_allowed, "purpose"))
    # Whoever looks for the source of a leak tells reads from exports by what they refer to.
    is_taken = purpose.ground is not Ground.WARRANT and command.reference.startswith(OWN_REFERENCES)
    if is_taken or not is_line(command.reference):
        return Decided(Refusal(Reason.read_is_not_allowed, "reference"))
    if holds_personal_value(command.reference):
        return Decided(Refusal(Reason.text_holds_personal_value, "reference"))
    fields = fields_of(command.fields)
    if not fields or any(purpose not in field.purposes for field in fields):
        return Decided(Refusal(Reason.read_is_not_allowed, "fields"))
    if purpose.ground is Ground.WARRANT:
        refusal = _check_warrant(shelves.warrants.get(command.reference), command, turn.at)
    if purpose is CORRECT_SELLER and not _is_to_correct(shelves.requests.get(command.reference), command):
        return Decided(Refusal(Reason.read_is_not_allowed, "reference"))
    refusal = refusal or _count(shelves, command, purpose, fields, turn)
    return Decided(refusal) if refusal is not None else _read(shelves, command, purpose, turn)


def _count(
    shelves: Shelves, command: ReadAsOfficer, purpose: Purpose, fields: tuple[Field, ...], turn: Turn
) -> Refusal | None:
    """Counts what the officer is about to see, or says that it is too much for one alone."""
    people = len(open_subjects(shelves, command.subjects, purpose))
    items = items_of((item_class_of(field.key_class) for field in fields), people=people)
    counter = officer_counter(command.reader)
    by_order = purpose.ground is Ground.WARRANT
    if not by_order and (refusal := too_much_alone(shelves, counter, items, at=turn.at)) is not None:
        return refusal
    count_disclosures(shelves, counter, items, at=turn.at, by_order=by_order)
    return None


def _is_to_correct(request: SubjectRequest | None, command: ReadAsOfficer) -> bool:
    """Whether a correction waits that is about this person."""
    is_waiting = request is not None and request.kind == CORRECT and request.is_waiting
    return is_waiting and request is not None and command.subjects == (request.seller,)


def _check_warrant(warrant: Warrant | None, command: ReadAsOfficer, at: int) -> Refusal | None:
    if warrant is None or not warrant.begins_at <= at < warrant.ends_at:
        return Refusal(Reason.warrant_is_not_in_force, "reference")
    if not (warrant.names_subjects(command.subjects) and warrant.names_fields(command.fields)):
        return Refusal(Reason.warrant_does_not_name_this, "reference")
    return None


def _read(shelves: Shelves, command: AnyRead, purpose: Purpose, turn: Turn) -> Decided:
    opened = open_subjects(shelves, command.subjects, purpose)
    subjects = tuple(subject for subject in opened if _is_agreed(shelves, command, subject, purpose))
    if not subjects:
        return Decided(ReadRecorded(turn.seq, turn.at, ()))
    event = read_event(purpose, command.reader, command.reference, subjects=subjects, fields=command.fields)
    return Decided(ReadRecorded(turn.seq, turn.at, subjects), (event,))


def want_subjects(shelves: Shelves, subjects: Iterable[str]) -> None:
    """Which rows `open_subjects` needs."""
    wanted = list(subjects)
    shelves.shreddings.want_all(wanted)
    shelves.restrictions.want_all(wanted)


def open_subjects(shelves: Shelves, subjects: Iterable[str], purpose: Purpose) -> tuple[str, ...]:
    """Those of them whose fields may be opened for this purpose."""
    return tuple(subject for subject in subjects if _is_open(shelves, subject, purpose))


def _is_open(shelves: Shelves, subject: str, purpose: Purpose) -> bool:
    """Whether anything of this subject may be opened. An authority's order reaches what is only kept for the law."""
    if shelves.restrictions.get(subject) is not None and not purpose.while_restricted:
        return False
    forgetting = shelves.shreddings.get(subject)
    return forgetting is None or (purpose.ground is Ground.WARRANT and forgetting.shredded_at is None)


def _is_agreed(shelves: Shelves, command: AnyRead, subject: str, purpose: Purpose) -> bool:
    """Whether a purpose that needs it has this subject's consent, given for whoever reads now."""
    if purpose.ground is not Ground.CONSENT:
        return True
    return is_in_force(shelves.consents.get(_consent_id(command, subject)), purpose)


def _consent_id(command: AnyRead, subject: str) -> str:
    return consent_id(subject, command.purpose, command.reader)


def read_event(
    purpose: Purpose, reader: str, reference: str, *, subjects: tuple[str, ...], fields: tuple[str, ...]
) -> FieldsRead:
    """What history keeps of a read, whoever reads."""
    return FieldsRead(
        purpose=purpose.id,
        authority=purpose.ground.value,
        law=purpose.basis.law,
        version=purpose.basis.version,
        article=purpose.basis.article,
        reader=reader,
        reference=reference,
        shows_whole=purpose.shows_whole,
        subjects=subjects,
        fields=fields,
    )


APPLIER = Applier(want, apply)
OFFICER_APPLIER = Applier(want_as_officer, apply_as_officer)
