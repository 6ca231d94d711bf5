"""`suyuan admin paper`: photos and scans of a seller's are sealed, listed, shown with marks, and deleted.

Adding and deleting take one officer. Showing is a recorded read: its purpose decides what it opens, a warrant's takes
the warrant's id as its reference. A photo leaves with the officer's marks; a PDF leaves without, and that is said.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from suyuan.base import clock
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Connection, Office, new_file, new_id
from suyuan.faces.cli.speaking import Limit, refuse
from suyuan.faces.cli.terminal import fail, tell
from suyuan.flows import seal_paper
from suyuan.flows.seal_paper import PaperRoom
from suyuan.history.frames import LineCaller
from suyuan.privacy import papers
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.papers import FILE_BYTES_MAX, KINDS, Paper
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.privacy.vault import Vault

KEPT = ("id", "subject", "kind", "size_bytes", "sealed_by", "sealed_at", "state", "reason", "deleted_at")
SHOWN = ("id", "seller", *KEPT[2:])

IS_UNMARKED: dict[Language, str] = {
    "en": "This paper is no photo and carries no mark: hand it to nobody but whom the order or the request names.",
    "zh": "此材料不是照片，未加任何标记：仅可交给文书或请求指明的对象。",
}

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Photos and scanned papers of sellers.")

PaperId = Annotated[str, typer.Argument(help="pap_…")]


@app.command("add")
def add(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    file: Annotated[Path, typer.Argument(help="a JPEG or PNG photo; a shop's paper may be a PDF")],
    kind: Annotated[Literal["identity_photo", "card_photo", "shop_paper"], typer.Option(help="what it is")],
) -> None:
    """Seals a photo or a scan. Of a photo only the pixels are kept: no place, time, device or name of a file."""
    from suyuan.faces.confined import clean

    office: Office = context.obj
    officer = office.officer
    content = seal_paper.as_kept(kind, _read(file), clean)
    if isinstance(content, Refusal):
        refuse(content, office.language)
    paper, now = new_id("pap"), clock.SystemClock().now()
    about = officers.Content(len(content), papers.digest_of(office.vault, paper, content))
    command = officers.add_paper(officer, paper, seller, kind, content=about, now=now)
    kept = _in_room(office, lambda room: seal_paper.keep_paper(room, command, content))
    office.tell({"paper": kept.subject, "kind": kind, "size_bytes": len(content)})


@app.command("list")
def list_papers(
    context: typer.Context, seller: Annotated[str, typer.Option(help="slr_…; else of all")] = "", limit: Limit = 100
) -> None:
    """The papers, the newest first, deleted ones too."""
    with context.obj.reading() as connection:
        rows = papers.newest(connection, subject=seller, rows_max=limit)
    context.obj.table(SHOWN, [tuple(getattr(row, name) for name in KEPT) for row in rows])


@app.command("show")
def show(
    context: typer.Context,
    paper: PaperId,
    *,
    purpose: Annotated[
        Literal["verify_seller", "examine_card", "answer_authority"], typer.Option(help="what it is read for")
    ],
    reference: Annotated[str, typer.Option(help="wrt_… of the warrant, or in your words what it is about")],
    to: Annotated[Path, typer.Option(help="a new file for the copy")],
) -> None:
    """Writes a copy with your marks to a new file; the read stands in history before anything is opened."""
    from suyuan.flows.show_paper import show_paper

    office: Office = context.obj
    officer = office.officer
    row = _find(office, paper)
    now = clock.SystemClock().now()
    read = officers.read(
        officer, purpose, reference, subjects=[row.subject], fields=[KINDS[row.kind].name], now=now
    )  # fmt: skip
    # The file is made first, so that no read stands in history for a copy that has no place.
    with new_file(to, office.language) as opened:
        try:
            shown = _in_room(office, lambda room: show_paper(room, row, read))
            opened.write(shown.content)
        except BaseException:
            to.unlink()
            raise
    office.tell({"paper": paper, "file": str(to), "read": shown.read_seq, "is_marked": shown.is_marked})
    if not shown.is_marked:
        tell(IS_UNMARKED[office.language])


@app.command("delete")
def delete(
    context: typer.Context,
    paper: PaperId,
    reason: Annotated[Literal["verified", "rejected", "settled", "mistaken"], typer.Option(help="what came of it")],
) -> None:
    """Deletes a paper at once; why stays in history, such as that an identity card's photo was verified."""
    office: Office = context.obj
    command = officers.delete_paper(office.officer, paper, reason, now=clock.SystemClock().now())
    deleted = _in_room(office, lambda room: seal_paper.delete_paper(room.line, room.files, command))
    office.tell({"deleted": deleted.subject, "reason": reason})


def _read(file: Path) -> bytes:
    """The file, but no more of it than shows that it is too large."""
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX + 1)
    except OSError as trouble:
        fail(f"{file}: {trouble.strerror}")


def _find(office: Office, paper: str) -> Paper:
    with office.reading() as connection:
        row = papers.find(connection, paper)
    if row is None:
        refuse(Refusal(Reason.paper_is_unknown, "paper"), office.language)
    return row


def _in_room(office: Office, story: Callable[[PaperRoom], Awaitable[T | Refusal]]) -> T:
    """Plays a story that needs the line, the vault and the files."""

    async def play(line: LineCaller, vault: Vault, connection: Connection) -> T | Refusal:
        files, look_up = PaperFiles(office.settings.papers), functools.partial(fetch_keys, connection)
        return await story(PaperRoom(line, vault, files, look_up, os.urandom))

    return office.run(play)
