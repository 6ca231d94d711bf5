"""Reading personal data: the read stands in history first, then an authority is minted, then a field may be opened.

A recorded read is a command like any other, so it costs a place in the next group commit; a bulk read is one event,
which names the subjects, the fields, the purpose and its rule, and never a value. Whoever is to be forgotten is left
out, so their fields stay closed whatever the reader does.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from suyuan.base.clock import Micros
from suyuan.base.refusals import Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.events import FieldsRead
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import grant
from suyuan.privacy.authority import Contract
from suyuan.privacy.purposes import PURPOSES, Field, Purpose


class RecordRead(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep that these fields of these subjects are about to be opened."""

    purpose: str
    reader: str
    subjects: tuple[str, ...]
    fields: tuple[str, ...]


class ReadRecorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The read stands in history at `seq`, for these subjects; the others are closed for ever."""

    seq: int
    at: int
    subjects: tuple[str, ...]


async def read_to_perform_contract(
    line: Commands, purpose: Purpose, subjects: Iterable[str], fields: Iterable[Field], *, reader: str
) -> Contract | Refusal:
    """An authority to open these fields, as far as the purpose and the subjects allow."""
    names = tuple(sorted(field.name for field in fields))
    answer = await line.submit(RecordRead(purpose.id, reader, tuple(sorted(set(subjects))), names))
    if isinstance(answer, Refusal):
        return answer
    assert isinstance(answer, ReadRecorded), "the line answers a read with nothing else"
    return grant.to_perform_contract(purpose, answer.subjects, read_seq=answer.seq, now=Micros(answer.at))


_PURPOSES = {purpose.id: purpose for purpose in PURPOSES}


def want(shelves: Shelves, command: RecordRead, now: int) -> bool:
    """Which rows are needed."""
    shelves.shreddings.want_all(command.subjects)
    return True


def apply(shelves: Shelves, command: RecordRead, turn: Turn) -> Decided:
    """Keeps the read, without those who are to be forgotten."""
    open_subjects = tuple(subject for subject in command.subjects if shelves.shreddings.get(subject) is None)
    if not open_subjects:
        return Decided(ReadRecorded(turn.seq, turn.at, ()))
    basis = _PURPOSES[command.purpose].basis
    event = FieldsRead(
        purpose=command.purpose,
        authority="contract",
        law=basis.law,
        version=basis.version,
        article=basis.article,
        reader=command.reader,
        subjects=open_subjects,
        fields=command.fields,
    )
    return Decided(ReadRecorded(turn.seq, turn.at, open_subjects), (event,))


APPLIER = Applier(want, apply)
