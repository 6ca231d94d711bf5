"""`suyuan admin paper`: photos and scans of a seller's are sealed, listed, shown with marks, and deleted.

Adding and deleting take one officer. Showing is a recorded read: its purpose decides what it opens, a warrant's takes
the warrant's id as its reference. A photo leaves with the officer's marks; a PDF leaves without, and that is said.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, TypeVar

import psycopg
import typer

from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import load_keys
from suyuan.app.supervisor import database_url
from suyuan.base import clock
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import LINE_WAIT_S, NO_LINE, ROWS_MAX, Office, new_id
from suyuan.faces.cli.speaking import refuse
from suyuan.faces.cli.terminal import fail, sentence_of, tell
from suyuan.flows import seal_paper
from suyuan.flows.seal_paper import PaperRoom
from suyuan.history.frames import Commands, LineCaller
from suyuan.privacy import papers
from suyuan.privacy.keyring import KeyTrouble, NoEpochKey
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.papers import FILE_BYTES_MAX, KINDS, Paper
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.privacy.vault import BrokenSeal, Vault

SHOWN = ("id", "subject", "kind", "size_bytes", "sealed_by", "sealed_at", "state", "reason", "deleted_at")

IS_THERE: dict[Language, str] = {
    "en": "{file} is there already; name a new file.",
    "zh": "{file} 已存在，请另取文件名。",
}
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
    officer, vault = office.officer, _vault(office)
    content = seal_paper.as_kept(kind, _read(file), clean)
    if isinstance(content, Refusal):
        refuse(content, office.language)
    paper, now = new_id("pap"), clock.SystemClock().now()
    about = officers.Content(len(content), papers.digest_of(vault, paper, content))
    command = officers.add_paper(officer, paper, seller, kind, content=about, now=now)
    kept = _in_room(office, vault, lambda room: seal_paper.keep_paper(room, command, content))
    office.tell({"paper": kept.subject, "kind": kind, "size_bytes": len(content)})


@app.command("list")
def list_papers(
    context: typer.Context, seller: Annotated[str, typer.Option(help="slr_…; else of all")] = "", limit: int = 100
) -> None:
    """The papers, the newest first, deleted ones too."""
    with context.obj.reading() as connection:
        rows = papers.newest(connection, subject=seller, rows_max=min(limit, ROWS_MAX))
    context.obj.table(SHOWN, [tuple(getattr(row, name) for name in SHOWN) for row in rows])


@app.command("show")
def show(
    context: typer.Context,
    paper: PaperId,
    *,
    purpose: Annotated[
        Literal["verify_seller", "examine_card", "answer_authority"], typer.Option("--for", help="why it is read")
    ],
    reference: Annotated[str, typer.Option(help="wrt_… of the warrant, or in your words what it is about")],
    file: Annotated[Path, typer.Option("--to", help="a new file for the copy")],
) -> None:
    """Writes a copy with your marks to a new file; the read stands in history before anything is opened."""
    from suyuan.flows.show_paper import show_paper

    office: Office = context.obj
    officer, vault = office.officer, _vault(office)
    row = _find(office, paper)
    now = clock.SystemClock().now()
    read = officers.read(
        officer, purpose, reference, subjects=[row.subject], fields=[KINDS[row.kind].name], now=now
    )  # fmt: skip
    # The file is made first, so that no read stands in history for a copy that has no place.
    with _new_file(file, office.language) as opened:
        try:
            shown = _in_room(office, vault, lambda room: show_paper(room, row, read))
            opened.write(shown.content)
        except BaseException:
            file.unlink()
            raise
    office.tell({"paper": paper, "to": str(file), "read": shown.read_seq, "is_marked": shown.is_marked})
    if not shown.is_marked:
        tell(IS_UNMARKED[office.language])


@app.command("delete")
def delete(
    context: typer.Context,
    paper: PaperId,
    reason: Annotated[
        Literal["verified", "rejected", "settled", "mistaken"], typer.Option("--because", help="what came of it")
    ],
) -> None:
    """Deletes a paper at once; why stays in history, such as that an identity card's photo was verified."""
    office: Office = context.obj
    command = officers.delete_paper(office.officer, paper, reason, now=clock.SystemClock().now())
    files = PaperFiles(office.settings.papers)
    deleted = _in_line(office, lambda line: seal_paper.delete_paper(line, files, command))
    office.tell({"deleted": deleted.subject, "reason": reason})


def _vault(office: Office) -> Vault:
    try:
        return load_keys(office.settings).vault
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))


def _read(file: Path) -> bytes:
    """The file, but no more of it than shows that it is too large."""
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX + 1)
    except OSError as trouble:
        fail(str(trouble))


def _find(office: Office, paper: str) -> Paper:
    with office.reading() as connection:
        row = papers.find(connection, paper)
    if row is None:
        refuse(Refusal(Reason.paper_is_unknown, "paper"), office.language)
    return row


def _new_file(file: Path, language: Language) -> BinaryIO:
    """A new file that nobody else may read. Ends the command where there is one."""
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        fail(IS_THERE[language].format(file=file))
    except OSError as trouble:
        fail(str(trouble))


def _in_room(office: Office, vault: Vault, story: Callable[[PaperRoom], Awaitable[T | Refusal]]) -> T:
    """Plays a story that needs the line, the vault and the files."""

    async def play(line: Commands) -> T | Refusal:
        url = database_url(office.settings)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            files, look_up = PaperFiles(office.settings.papers), functools.partial(fetch_keys, connection)
            return await story(PaperRoom(line, vault, files, look_up, os.urandom))

    return _in_line(office, play)


def _in_line(office: Office, story: Callable[[Commands], Awaitable[T | Refusal]]) -> T:
    """Plays a story before the line. Says a refusal, or what is wrong with keys or disk, and ends the command."""

    async def play() -> T | Refusal:
        line = LineCaller(office.settings.line_socket, ANSWERS)
        try:
            if not await line.connect(within_s=LINE_WAIT_S):
                fail(NO_LINE[office.language], code=1)
            return await story(line)
        finally:
            line.close()

    try:
        answer = asyncio.run(play())
    except KeyTrouble as trouble:
        fail(sentence_of(trouble), code=1)
    except (BrokenSeal, NoEpochKey, OSError) as trouble:
        fail(str(trouble), code=1)
    if isinstance(answer, Refusal):
        refuse(answer, office.language)
    return answer
