"""The file of an approved export is made: once, by the officer who asked for it, readable for the recipient alone.

1. The officer signs that it is made now (`BeginExport`). The line looks at the export, the recipient's contract and
   whoever was to be forgotten since, and history keeps that the fields are opened now (`export_begun/1`).
2. The authority is minted from the read that was recorded with the approval.
3. The lines are written (`write_export`) straight into an age file for the recipient's key. Its plain content lies
   nowhere: the encryption reads a page when it has room for one. The file is `FILE.part` until it is whole.
4. The officer signs what came out (`RecordExport`), and the line keeps the export as made, with the file's digest.
5. Only then it gets its name, and `FILE.json` beside it, the manifest.

Killed before (4), it leaves a part that nobody can read, and is begun again: it was counted with the approval and is
not counted again, and marks and canaries come out the same. Killed after (4), the same command finds the part by its
digest and goes on at (5). A file that is there is never overwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base import clock
from suyuan.base.crypto import age
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.export_records import change_of
from suyuan.flows.officer_signature import check_officer, check_signed_now, want_officer, want_signed_now
from suyuan.flows.read_fields import open_subjects, want_subjects
from suyuan.flows.shelves import Shelves
from suyuan.flows.write_export import ExportWriter, Sheet, TooManyRows
from suyuan.history.disclosure_events import ExportBegun, ExportMade
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import grant
from suyuan.privacy.exports import MADE, WAITING, Export, columns_of
from suyuan.privacy.purposes import purpose_of
from suyuan.privacy.recipients import OF_THE_STATE, Recipient
from suyuan.privacy.vault import Vault

PART, MANIFEST = ".part", ".json"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BeginExport(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line whether this officer may make the export now, and to keep that it is about to be."""

    export: str
    officer: str
    at: int
    signature: bytes


class RecordExport(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tells the line what came out, with a signature over it."""

    export: str
    officer: str
    rows: int
    sha256: str
    signature: bytes


class ExportTerms(msgspec.Struct, frozen=True, array_like=True):
    """What was approved, as the manifest repeats it."""

    export: str
    purpose: str
    basis: str
    recipient: str
    recipient_name: str
    region: str
    columns: tuple[str, ...]
    rows_max: int
    use_until: int


class MayMake(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The export may be made now: of these sellers, except those who are closed by now, for this key."""

    terms: ExportTerms
    subjects: tuple[str, ...]
    closed: tuple[str, ...]
    age_key: str
    takes_canaries: bool
    read_seq: int
    at: int


class WasMade(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The export is made; this is its file."""

    terms: ExportTerms
    rows: int
    sha256: str
    made_at: int


def beginning_subject(export: str, at: int) -> object:
    """What the officer signs before."""
    return {"export": export, "at": at}


def made_subject(export: str, rows: int, sha256: str) -> object:
    """What the officer signs after."""
    return {"export": export, "rows": rows, "sha256": sha256}


@dataclass(frozen=True, slots=True)
class Maker:
    """What making needs: the line, the vault, a connection that reads, the time, and the officer's signature."""

    line: Commands
    vault: Vault
    connection: psycopg.AsyncConnection[TupleRow]
    now: Callable[[], int]
    sign_made: Callable[[str, int, str], RecordExport]


async def make_export(maker: Maker, begin: BeginExport, to: Path) -> WasMade | Refusal:
    """Makes the export's file. Raises `FileExistsError` and other `OSError`, and nothing was made then."""
    part = to.with_name(to.name + PART)
    # (1) May it be made, and by this officer?
    answer = await maker.line.submit(begin)
    assert isinstance(answer, MayMake | WasMade | Refusal), "the line answers a beginning with nothing else"
    if isinstance(answer, Refusal):
        return answer
    if isinstance(answer, WasMade):
        return _publish(answer, part, to) or Refusal(Reason.export_was_made_already, "export")
    _refuse_overwriting(to)
    # (2), (3) Open, write, encrypt.
    try:
        rows, digest = await _write(maker, answer, part)
        # (4) What came out is kept before anybody gets it.
        made = await maker.line.submit(maker.sign_made(begin.export, rows, digest))
    except TooManyRows:
        return Refusal(Reason.export_has_more_rows, "rows_max")
    assert isinstance(made, WasMade | Refusal), "the line answers a record with nothing else"
    if isinstance(made, Refusal):
        # The line may have kept it all the same, so the part stays for whoever asks again.
        return made
    # (5) Its name, and its manifest.
    return _publish(made, part, to) or Refusal(Reason.export_was_made_already, "export")


async def _write(maker: Maker, may: MayMake, part: Path) -> tuple[int, str]:
    purpose, columns = purpose_of(may.terms.purpose), columns_of(may.terms.columns)
    assert purpose is not None, "an approved export has a purpose"
    assert columns is not None, "and columns"
    sheet = Sheet(
        export=may.terms.export,
        recipient=may.terms.recipient,
        columns=columns,
        subjects=may.subjects,
        closed=frozenset(may.closed),
        rows_max=may.terms.rows_max,
        takes_canaries=may.takes_canaries,
    )
    subjects = set(may.subjects) - set(may.closed)
    read = grant.Read(subjects, [field.name for field in sheet.fields], may.read_seq, may.at)
    writer = ExportWriter(sheet, maker.vault, maker.connection, grant.mint(purpose, read), maker.now)
    source = _Pulled(writer.pages(), asyncio.get_running_loop())
    digest = await asyncio.to_thread(_encrypt, source, part, may.age_key)
    return writer.rows, digest


class _Pulled:
    """What the encryption reads, in a thread of its own: pages that the event loop makes when they are asked for."""

    def __init__(self, pages: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._pages = pages
        self._loop = loop
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; nothing at the end."""
        while not self._left:
            try:
                self._left = asyncio.run_coroutine_threadsafe(self._page(), self._loop).result()
            except StopAsyncIteration:
                return b""
        taken = self._left[:size] if size >= 0 else self._left
        self._left = self._left[len(taken) :]
        return taken

    async def _page(self) -> bytes:
        return await anext(self._pages)


class _Digesting:
    """A file that is digested while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, content: bytes, /) -> int:
        self.digest.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()


def _refuse_overwriting(to: Path) -> None:
    if to.exists():
        raise FileExistsError(f"{to} is there already; name another file, or move that one away")


def _encrypt(source: age.Source, part: Path, key: str) -> str:
    """Writes the part, which nobody else may read, onto the disk, whole or not at all. Returns its digest."""
    # What a killed try has left is worth nothing: it was never recorded.
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digesting = _Digesting(file)
            age.encrypt(source, digesting, key)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        part.unlink()
        raise
    return digesting.digest.hexdigest()


def _publish(made: WasMade, part: Path, to: Path) -> WasMade | None:
    """Gives the file its name and its manifest, whichever is still missing; None where there is no such file."""
    if _digest_of(part) == made.sha256:
        _refuse_overwriting(to)
        part.rename(to)
    if _digest_of(to) != made.sha256:
        return None
    manifest = to.with_name(to.name + MANIFEST)
    said = msgspec.structs.asdict(made.terms) | {
        "use_until": clock.text(made.terms.use_until), "rows": made.rows,
        "file": to.name, "sha256": made.sha256, "made_at": clock.text(made.made_at), "format": "age",
    }  # fmt: skip
    fresh = manifest.with_name(manifest.name + PART)
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(said)) + b"\n")
    fresh.rename(manifest)
    return made


def _digest_of(file: Path) -> str:
    with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
    return ""


# --- in the line ---------------------------------------------------------------------------------


def want_beginning(shelves: Shelves, command: BeginExport, now: int) -> bool:
    """Which rows are needed; the recipient, the proposal and its sellers once the export is there."""
    want_signed_now(shelves, command.officer, command.signature)
    shelves.exports.want(command.export)
    export = shelves.exports.peek(command.export)
    if export is None:
        return shelves.exports.is_absent(command.export)
    shelves.recipients.want(export.recipient)
    shelves.register.proposals.want(export.proposal)
    proposal = shelves.register.proposals.peek(export.proposal)
    if proposal is None:
        return False
    want_subjects(shelves, change_of(proposal.change).subjects)
    return True


def begin(shelves: Shelves, command: BeginExport, turn: Turn) -> Decided:
    """Lets an export be made, as often as it takes within its day, until it is."""
    subject = beginning_subject(command.export, command.at)
    refusal = check_signed_now(
        shelves, command.officer, "begin_export", subject, signed=(command.signature, command.at), turn=turn
    )
    if refusal is not None:
        return Decided(refusal)
    export = shelves.exports.get(command.export)
    if export is None:
        return Decided(Refusal(Reason.export_is_unknown, "export"))
    recipient = shelves.recipients.get(export.recipient)
    assert recipient is not None, "an export has its recipient for ever"
    if export.state == MADE and command.officer == export.requested_by:
        return Decided(_was_made(export, recipient))
    refusal = _check(export, recipient, command.officer, turn.at)
    if refusal is not None:
        return Decided(refusal)
    may = _may_make(shelves, export, recipient, turn.at)
    if len(may.closed) == len(may.subjects):
        return Decided(Refusal(Reason.export_names_nobody, "subjects"))
    export.begun += 1
    shelves.exports.change(export.id, export)
    event = ExportBegun(export.id, command.officer, export.begun, len(may.subjects) - len(may.closed))
    return Decided(may, (event,))


def want_record(shelves: Shelves, command: RecordExport, now: int) -> bool:
    """Which rows are needed."""
    want_officer(shelves, command.officer)
    shelves.exports.want(command.export)
    export = shelves.exports.peek(command.export)
    if export is None:
        return shelves.exports.is_absent(command.export)
    shelves.recipients.want(export.recipient)
    return True


def record(shelves: Shelves, command: RecordExport, turn: Turn) -> Decided:
    """Keeps an export as made, once."""
    subject = made_subject(command.export, command.rows, command.sha256)
    refusal = check_officer(shelves, command.officer, "made_export", subject, command.signature)
    if refusal is not None:
        return Decided(refusal)
    export = shelves.exports.get(command.export)
    if export is None:
        return Decided(Refusal(Reason.export_is_unknown, "export"))
    recipient = shelves.recipients.get(export.recipient)
    assert recipient is not None, "an export has its recipient for ever"
    if export.state == MADE and export.sha256 == command.sha256 and command.officer == export.requested_by:
        return Decided(_was_made(export, recipient))
    refusal = _check(export, recipient, command.officer, turn.at)
    if refusal is not None:
        return Decided(refusal)
    if not export.begun or command.rows < 0 or _DIGEST.fullmatch(command.sha256) is None:
        return Decided(Refusal(Reason.export_is_not_allowed, "rows"))
    export.state, export.made_at, export.rows, export.sha256 = MADE, turn.at, command.rows, command.sha256
    shelves.exports.change(export.id, export)
    event = ExportMade(export.id, command.officer, command.rows, command.sha256)
    return Decided(_was_made(export, recipient), (event,))


def _check(export: Export, recipient: Recipient, officer: str, at: int) -> Refusal | None:
    """Whether this export may be made by this officer now."""
    if not recipient.begins_at <= at < recipient.ends_at:
        return Refusal(Reason.recipient_is_not_in_force, "recipient")
    if export.state == WAITING:
        return Refusal(Reason.export_needs_a_third_person, "export")
    if officer != export.requested_by:
        return Refusal(Reason.export_is_another_officers, "officer")
    if export.state == MADE:
        return Refusal(Reason.export_was_made_already, "export")
    return None if at < export.expires_at else Refusal(Reason.export_has_expired, "export")


def _may_make(shelves: Shelves, export: Export, recipient: Recipient, at: int) -> MayMake:
    proposal, purpose = shelves.register.proposals.get(export.proposal), purpose_of(export.purpose)
    assert proposal is not None, "a proposal is kept for ever"
    assert purpose is not None, "a purpose that was approved stays in the registry"
    left_out = set(export.left_out.split())
    subjects = tuple(subject for subject in change_of(proposal.change).subjects if subject not in left_out)
    closed = set(subjects).difference(open_subjects(shelves, subjects, purpose))
    return MayMake(
        terms=_terms(export, recipient),
        subjects=subjects,
        closed=tuple(sorted(closed)),
        age_key=recipient.age_key,
        takes_canaries=recipient.role not in OF_THE_STATE,
        read_seq=export.read_seq,
        at=at,
    )


def _was_made(export: Export, recipient: Recipient) -> WasMade:
    assert export.made_at is not None, "what is made was made at an instant"
    return WasMade(_terms(export, recipient), export.rows, export.sha256, export.made_at)


def _terms(export: Export, recipient: Recipient) -> ExportTerms:
    return ExportTerms(
        export=export.id,
        purpose=export.purpose,
        basis=export.basis,
        recipient=recipient.id,
        recipient_name=recipient.name,
        region=recipient.region,
        columns=tuple(export.columns.split()),
        rows_max=export.rows_max,
        use_until=export.use_until,
    )


BEGIN_APPLIER = Applier(want_beginning, begin)
RECORD_APPLIER = Applier(want_record, record)
