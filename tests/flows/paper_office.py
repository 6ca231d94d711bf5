"""Officers who bring papers to a house, look at them and delete them."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import psycopg

from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Content, Officer
from suyuan.flows.change_terms import encode_change
from suyuan.flows.hold_warrants import AddWarrant
from suyuan.flows.keep_papers import PapersAre
from suyuan.flows.seal_paper import PaperRoom, delete_paper, keep_paper
from suyuan.flows.show_paper import MarkFound, Shown, show_paper, whose_read
from suyuan.history.store import replay
from suyuan.privacy import papers, photo_marks
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.papers import KINDS, Paper, digest_of
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.privacy.vault import Vault
from tests.flows.house import House
from tests.flows.test_forget_subject import OFFICERS, submit
from tests.privacy.drawn_photos import as_file, draw_photo

PHOTO = as_file(draw_photo(1, 640, 480), quality=85)
PDF = b"%PDF-1.7\n" + b"1 0 obj receipt number 4711 endobj\n" * 9 + b"%%EOF\n"
FIRST, SECOND = OFFICERS
_numbers = itertools.count(1)


class Office:
    """A house, its paper folder, and officers who bring papers."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.files = house, PaperFiles(folder)
        self.folder = folder
        for officer in OFFICERS:
            submit(house, officers.register(officer))

    def with_connection(self, story: Any) -> Any:
        async def play() -> Any:
            async with await psycopg.AsyncConnection.connect(self.house.url, autocommit=True) as connection:
                return await story(connection)

        return self.house.run(play())

    def in_room(self, story: Any, vault: Vault | None = None) -> Any:
        def play(connection: Any) -> Any:
            look_up = functools.partial(fetch_keys, connection)
            return story(
                PaperRoom(self.house.line, vault or self.house.vault, self.files, look_up, self.house.desk.chance)
            )

        return self.with_connection(play)

    def command(self, content: bytes, kind: str, seller: str, officer: Officer = FIRST) -> Any:
        now = self.house.clock.now()
        paper = new_id("pap", at=now, chance=self.house.desk.chance(CHANCE_BYTES))
        about = Content(len(content), digest_of(self.house.vault, paper, content))
        return officers.add_paper(officer, paper, seller, kind, content=about, now=now)

    def keep(self, content: bytes = PHOTO, kind: str = "identity_photo", seller: str = "slr_1") -> str:
        command = self.command(content, kind, seller)
        kept = self.in_room(lambda room: keep_paper(room, command, content))
        assert kept == PapersAre((command.paper,), "kept"), kept
        return str(command.paper)

    def row(self, paper: str) -> Paper:
        with psycopg.connect(self.house.url) as connection:
            row = papers.find(connection, paper)
        assert row is not None
        return row

    def show(
        self, paper: str, purpose: str = "verify_seller", reference: str = "check 7", vault: Vault | None = None
    ) -> Shown | Refusal:
        row = self.row(paper)
        self.house.clock.advance(1)
        read = officers.read(
            FIRST, purpose, reference, subjects=[row.subject], fields=[KINDS[row.kind].name], now=self.house.clock.now()
        )
        shown: Shown | Refusal = self.in_room(lambda room: show_paper(room, row, read), vault)
        return shown

    def delete(self, paper: str, reason: str = "verified") -> PapersAre | Refusal:
        command = officers.delete_paper(FIRST, paper, reason, now=self.house.clock.now())
        deleted: PapersAre | Refusal = self.house.run(delete_paper(self.house.line, self.files, command))
        return deleted

    def warrant(self, subject: str, *fields: str) -> str:
        name, now = f"wrt_{next(_numbers)}", self.house.clock.now()
        change = AddWarrant(name, "某市公安局", "2026-17", "0" * 64, (subject,), fields, now - 1, now + 10**12)
        submit(self.house, officers.propose(FIRST, f"prp_{name}", change))
        submit(self.house, officers.approve(SECOND, f"prp_{name}", encode_change(change)))
        return name

    def sealed_files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def read_marks(self, content: bytes) -> MarkFound:
        def score(key: bytes, recipients: list[str]) -> photo_marks.Reading:
            return photo_marks.score(content, key=key, recipients=recipients)

        with psycopg.connect(self.house.url) as connection:
            found = whose_read(self.house.vault, replay(connection), score)
        assert isinstance(found, MarkFound)
        return found


def event(house: House, kind: str) -> dict[str, Any]:
    (found,) = [one for one in house.events() if one["kind"] == kind]
    return found
