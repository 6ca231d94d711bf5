"""A paper is shown: the read stands in history first, and a photo leaves with the marks of that very read.

1. The officer's signed read names the subject, the kind of paper, the purpose and why (`read_fields`).
2. The sealed file opens to the authority that the read gave, whole or not at all, and must be what was kept.
3. A photo leaves as a marked copy (`photo_marks`): everybody sees who read it, when and what for, and where that is cut
   away the pixels still name the read. `whose_read` finds it again among all reads that history knows.

A scan as a PDF cannot be marked. Its purposes are the person's own request and a warrant, so it leaves for nothing
else, and whoever takes it is told that it carries no mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from suyuan.base.clock import shanghai_day
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.read_fields import ReadAsOfficer, read_as_officer
from suyuan.flows.seal_paper import PaperRoom
from suyuan.history.privacy_events import FieldsRead
from suyuan.history.store import Recorded
from suyuan.privacy.authority import Authority
from suyuan.privacy.papers import DELETED, KINDS, Paper, digest_of
from suyuan.privacy.photo_marks import Reading, mark_photo
from suyuan.privacy.subject_keys import key_id
from suyuan.privacy.vault import BrokenSeal, Vault

Scoring: TypeAlias = Callable[[bytes, list[str]], Reading | Refusal]

JPEG_BEGINS = b"\xff\xd8\xff"


class Shown(NamedTuple):
    """What leaves: the content, whether it carries marks, and the read in history."""

    content: bytes
    is_marked: bool
    read_seq: int


class MarkFound(NamedTuple):
    """What a leaked photo says: whether it left here, and by whose read; without one, nobody is named."""

    is_marked: bool
    chance_max: float = 1.0
    read_seq: int | None = None
    at: int = 0
    reader: str = ""
    purpose: str = ""
    reference: str = ""
    subjects: tuple[str, ...] = ()


async def show_paper(room: PaperRoom, paper: Paper, command: ReadAsOfficer) -> Shown | Refusal:
    """The paper as an officer may take it. Raises `BrokenSeal` for a file that was altered."""
    # (1) There is no use in recording a read of what is not there, or what this purpose does not open.
    if command.purpose not in {purpose.id for purpose in KINDS[paper.kind].purposes}:
        return Refusal(Reason.read_is_not_allowed, "purpose")
    if paper.state == DELETED:
        return Refusal(Reason.paper_is_unknown, "paper")
    if not room.files.place(paper.id).exists():
        return Refusal(Reason.paper_file_is_missing, "paper")
    assert command.subjects == (paper.subject,), "the read names whose paper it is"
    authority = await read_as_officer(room.line, command)
    if isinstance(authority, Refusal):
        return authority
    # (2) Whoever is to be forgotten, or restricted, is not covered, and nothing is opened then.
    if paper.subject not in authority.subjects:
        return Refusal(Reason.subject_is_closed, "paper")
    content = await _opened(room, paper, authority, at=command.at)
    # (3) What leaves.
    is_photo = content.startswith(JPEG_BEGINS)
    if is_photo:
        text = f"{command.reader}\n{shanghai_day(command.at)} {command.purpose} #{authority.read_seq}"
        recipient = _mark_of(command.reader, authority.read_seq)
        content = mark_photo(content, visible=text, key=_mark_key(room.vault), recipient=recipient)
    return Shown(content, is_photo, authority.read_seq)


def whose_read(vault: Vault, history: Iterable[Recorded], score: Scoring) -> MarkFound | Refusal:
    """Whose read a leaked photo came from. `score` reads the photo's marks, for this key and these recipients."""
    fields = {field.name for field in KINDS.values()}
    reads = {
        _mark_of(event.reader, seq): (seq, at, event)
        for seq, at, event in history
        if isinstance(event, FieldsRead) and fields.intersection(event.fields)
    }
    reading = score(_mark_key(vault), list(reads))
    if isinstance(reading, Refusal):
        return reading
    likeliest = reading.scores[0] if reading.scores else None
    if likeliest is None or not likeliest.is_named:
        return MarkFound(reading.is_marked)
    seq, at, event = reads[likeliest.recipient]
    return MarkFound(
        is_marked=True,
        chance_max=likeliest.chance_max,
        read_seq=seq,
        at=at,
        reader=event.reader,
        purpose=event.purpose,
        reference=event.reference,
        subjects=event.subjects,
    )


async def _opened(room: PaperRoom, paper: Paper, authority: Authority, *, at: int) -> bytes:
    field = KINDS[paper.kind]
    place = key_id(paper.subject, field.key_class)
    key = room.vault.unlock((await room.look_up_keys([place]))[place])
    with room.files.place(paper.id).open("rb") as sealed:
        content = b"".join(room.vault.open_file(sealed, key, field, paper.id, authority, now=at))
    if digest_of(room.vault, paper.id, content) != paper.digest:
        raise BrokenSeal("the file is not the paper that was kept")
    return content


def _mark_of(reader: str, read_seq: int) -> str:
    return f"{reader}/{read_seq}"


def _mark_key(vault: Vault) -> bytes:
    return vault.keyed_digest(b"1", purpose="photo marks")
