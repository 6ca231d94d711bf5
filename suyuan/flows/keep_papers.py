"""Papers in the line: that one is kept, that one is deleted, and why.

A paper is kept on the word of one officer (`AddPaper`), after its sealed file lies whole on the disk (`seal_paper`),
and deleted by one officer, who says why (`DeletePaper`): the photo of an identity card as soon as it is `verified` or
`rejected`, since of a photo the law lets us keep the result only (个人信息保护法 2021, art. 19). The keeper of the
house deletes the papers of whoever is forgotten, and those whose term is over (`DropPapers`). What a case holds stays.

A row is never deleted, so a paper's id is used once, and it stays known what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from suyuan.base.ids import is_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.hold_records import is_held
from suyuan.flows.keep_keys import are_of_closed_epochs, want_epoch
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.paper_events import PaperDeleted, PaperSealed
from suyuan.privacy.papers import DELETED, DIGEST_BYTES, FILE_BYTES_MAX, KEPT, KINDS, Paper
from suyuan.privacy.subject_keys import SubjectKey, key_id

# What an officer may say of a paper's end, and what only the keeper of the house says.
REASONS = ("verified", "rejected", "settled", "mistaken")
FORGOTTEN, RETENTION_ENDED = "forgotten", "retention_ended"
KEEPER = "keeper"


class AddPaper(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep that this paper is sealed.

    The officer signs all but `subject_key`, a data key that is kept with it where the subject had none of this class.
    """

    paper: str
    seller: str
    kind: str
    size_bytes: int
    digest: bytes
    at: int
    officer: str
    signature: bytes
    subject_key: SubjectKey | None = None


class DeletePaper(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An officer's word that a paper is not needed any more, and why."""

    paper: str
    reason: str
    at: int
    officer: str
    signature: bytes


class DropPapers(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The keeper's: these papers have to go, since their subject is forgotten or their time is over."""

    papers: tuple[str, ...]
    reason: str


class PapersAre(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """These papers are in this state now."""

    papers: tuple[str, ...]
    state: str

    @property
    def subject(self) -> str:
        """What the officers' commands show."""
        return " ".join(self.papers)


def add_subject(command: AddPaper) -> object:
    """What an officer signs of a new paper."""
    return {
        "paper": command.paper, "seller": command.seller, "kind": command.kind, "size_bytes": command.size_bytes,
        "digest": command.digest.hex(), "at": command.at,
    }  # fmt: skip


def delete_subject(command: DeletePaper) -> object:
    """What an officer signs of a paper's end."""
    return {"paper": command.paper, "reason": command.reason, "at": command.at}


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: AddPaper, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    want_epoch(shelves)
    shelves.papers.want(command.paper)
    shelves.register.sellers.want(command.seller)
    shelves.shreddings.want(command.seller)
    shelves.restrictions.want(command.seller)
    shelves.subject_keys.want(_key_place(command))
    return True


def apply(shelves: Shelves, command: AddPaper, turn: Turn) -> Decided:
    """Keeps a paper, once, if an officer signed it just now and its subject's data is in ordinary use."""
    signed = command.signature, command.at
    refusal = check_signed_now(
        shelves, command.officer, "add_paper", add_subject(command), signed=signed, turn=turn
    ) or _check_form(command)  # fmt: skip
    if refusal is not None:
        return Decided(refusal)
    seller = shelves.register.sellers.get(command.seller)
    if seller is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    refusal = _check_standing(shelves, command) or _check_key(shelves, command)
    if refusal is not None:
        return Decided(refusal)
    if command.subject_key is not None:
        shelves.subject_keys.add(command.subject_key)
    shelves.papers.add(_paper(command, turn.at))
    return Decided(PapersAre((command.paper,), KEPT), (_sealed(command, seller.partner),))


def _check_form(command: AddPaper) -> Refusal | None:
    is_sound = is_id("pap", command.paper) and command.kind in KINDS and len(command.digest) == DIGEST_BYTES
    if not is_sound or command.size_bytes < 1:
        return Refusal(Reason.field_is_malformed, "paper")
    return Refusal(Reason.paper_is_too_large) if command.size_bytes > FILE_BYTES_MAX else None


def _check_standing(shelves: Shelves, command: AddPaper) -> Refusal | None:
    if shelves.papers.get(command.paper) is not None:
        return Refusal(Reason.request_was_replayed)
    is_open = shelves.shreddings.get(command.seller) is None and shelves.restrictions.get(command.seller) is None
    return None if is_open else Refusal(Reason.subject_is_closed, "seller")


def _check_key(shelves: Shelves, command: AddPaper) -> Refusal | None:
    """Whether the data key that closed it is the one that is kept, or may be kept now."""
    kept, brought = shelves.subject_keys.get(_key_place(command)), command.subject_key
    if brought is None:
        is_fit = kept is not None and not kept.is_forgotten
    else:
        # Somebody else may have made the subject's key meanwhile; the next try is sealed under that one.
        is_fit = kept is None and brought.id == _key_place(command) and not are_of_closed_epochs(shelves, brought)
    return None if is_fit else Refusal(Reason.platform_is_busy)


def _key_place(command: AddPaper) -> str:
    field = KINDS.get(command.kind)
    return "" if field is None else key_id(command.seller, field.key_class)


def _paper(command: AddPaper, at: int) -> Paper:
    return Paper(
        id=command.paper,
        subject=command.seller,
        kind=command.kind,
        size_bytes=command.size_bytes,
        digest=command.digest,
        sealed_by=command.officer,
        sealed_at=at,
        state=KEPT,
        reason="",
        deleted_at=None,
    )


def _sealed(command: AddPaper, partner: str) -> PaperSealed:
    return PaperSealed(
        paper=command.paper,
        seller=command.seller,
        partner=partner,
        paper_kind=command.kind,
        size_bytes=command.size_bytes,
        digest=command.digest.hex(),
        by=command.officer,
    )


def want_deletion(shelves: Shelves, command: DeletePaper, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    return _want_papers(shelves, [command.paper])


def apply_deletion(shelves: Shelves, command: DeletePaper, turn: Turn) -> Decided:
    """Deletes one paper, on the word of one officer, unless a case holds it."""
    signed = command.signature, command.at
    refusal = check_signed_now(
        shelves, command.officer, "delete_paper", delete_subject(command), signed=signed, turn=turn
    )  # fmt: skip
    if refusal is not None:
        return Decided(refusal)
    if command.reason not in REASONS:
        return Decided(Refusal(Reason.field_is_malformed, "reason"))
    paper = shelves.papers.get(command.paper)
    if paper is None or paper.state != KEPT:
        return Decided(Refusal(Reason.paper_is_unknown, "paper"))
    if is_held(shelves, paper.subject):
        return Decided(Refusal(Reason.subject_is_held, "paper"))
    return _delete(shelves, [paper], command.reason, by=command.officer, turn=turn)


def want_dropping(shelves: Shelves, command: DropPapers, now: int) -> bool:
    """Which rows are needed."""
    return _want_papers(shelves, command.papers)


def apply_dropping(shelves: Shelves, command: DropPapers, turn: Turn) -> Decided:
    """Deletes what is still kept and not held; as forgotten, only papers of those whom two officers gave up."""
    if command.reason not in (FORGOTTEN, RETENTION_ENDED):
        return Decided(Refusal(Reason.field_is_malformed, "reason"))
    rows = [row for paper in command.papers if (row := shelves.papers.get(paper)) is not None and row.state == KEPT]
    rows = [row for row in rows if not is_held(shelves, row.subject)]
    if command.reason == FORGOTTEN:
        rows = [row for row in rows if shelves.shreddings.get(row.subject) is not None]
    return _delete(shelves, rows, command.reason, by=KEEPER, turn=turn)


def _want_papers(shelves: Shelves, names: Iterable[str]) -> bool:
    """Asks for papers, and once they are known for what stands in the way of their subjects' data."""
    names = list(names)
    shelves.papers.want_all(names)
    found = [shelves.papers.peek(name) for name in names]
    subjects = [paper.subject for paper in found if paper is not None]
    shelves.shreddings.want_all(subjects)
    shelves.holds.want_all(subjects)
    return all(
        paper is not None or shelves.papers.is_absent(name) for name, paper in zip(names, found, strict=True)
    )  # fmt: skip


def _delete(shelves: Shelves, rows: Iterable[Paper], reason: str, *, by: str, turn: Turn) -> Decided:
    events = []
    for row in rows:
        row.state, row.reason, row.deleted_at = DELETED, reason, turn.at
        shelves.papers.change(row.id, row)
        events.append(PaperDeleted(row.id, row.subject, row.kind, reason, by))
    return Decided(PapersAre(tuple(event.paper for event in events), DELETED), tuple(events))


APPLIER = Applier(want, apply)
DELETION_APPLIER = Applier(want_deletion, apply_deletion)
DROPPING_APPLIER = Applier(want_dropping, apply_dropping)
