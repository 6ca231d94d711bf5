"""Papers through the real line, database and disk: taken in sealed, shown marked."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from suyuan.base import crypto
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Content, Officer
from suyuan.flows.keep_papers import PapersAre
from suyuan.flows.seal_paper import PaperRoom, as_kept, keep_paper
from suyuan.flows.show_paper import MarkFound, Shown
from suyuan.privacy import papers, photos
from suyuan.privacy.keyring import Ring
from suyuan.privacy.paper_files import lost
from suyuan.privacy.papers import FILE_BYTES_MAX, KINDS
from suyuan.privacy.photos import BadPhoto
from suyuan.privacy.sealed_file import FILE_CHANCE_BYTES
from suyuan.privacy.vault import BrokenSeal, Vault
from tests.flows.house import House
from tests.flows.paper_office import FIRST, PDF, PHOTO, Office, event
from tests.flows.test_forget_subject import keys, submit


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path / "papers")


# --- taken in ---


def test_a_kept_paper_is_a_row_an_event_and_a_file_that_nobody_else_may_read(office: Office) -> None:
    paper = office.keep()
    row, place = office.row(paper), office.files.place(paper)
    assert (row.subject, row.kind, row.size_bytes, row.state) == ("slr_1", "identity_photo", len(PHOTO), "kept")
    assert event(office.house, "paper_sealed/1") == {
        "kind": "paper_sealed/1", "paper": paper, "seller": "slr_1", "partner": "ptn_1", "by": FIRST.id,
        "paper_kind": "identity_photo", "size_bytes": len(PHOTO), "digest": row.digest.hex(),
    }  # fmt: skip
    assert place.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (office.folder, place.parent)} == {0o700}
    assert office.sealed_files() == [place]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_sealed_under_the_key_of_its_class(office: Office, kind: str) -> None:
    office.keep(kind=kind)
    assert set(keys(office.house)) == {f"slr_1/{KINDS[kind].key_class.value}"}


def test_a_second_paper_takes_the_key_of_the_first(office: Office) -> None:
    assert office.keep() != office.keep()
    assert len(keys(office.house)) == 1


def test_two_equal_photos_look_like_nothing_of_each_other(office: Office) -> None:
    """Of two people who brought the same photo a thief learns nothing, not even that."""
    one, other = (office.row(office.keep(seller=seller)) for seller in ("slr_1", "slr_3"))
    assert one.digest != other.digest
    first, second = (path.read_bytes() for path in office.sealed_files())
    assert not {first[start : start + 16] for start in range(60, len(first), 16)} & {
        second[start : start + 16] for start in range(60, len(second), 16)
    }


def test_no_byte_of_a_photo_lies_in_the_clear(office: Office, tmp_path: Path) -> None:
    """Neither in the data folder nor in a row nor in history; not even eight bytes of it."""
    office.keep(PDF, "shop_paper")
    office.keep()
    tables = [row[0] for row in office.house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    rows = "".join(str(office.house.rows(f"SELECT t::text FROM {table} t")) for table in tables)
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(stored) == 2
    for content in (PHOTO, PDF):
        for start in range(0, len(content) - 8, 97):
            chunk = content[start : start + 8]
            assert not any(chunk in file for file in stored)
            assert chunk.hex() not in rows


def test_what_a_paper_may_be(office: Office) -> None:
    """Of photos the pixels; of a shop's papers a PDF as it is."""

    def clean(content: bytes) -> bytes | Refusal:
        try:
            return photos.clean(content)
        except BadPhoto as bad:
            return Refusal(bad.reason)

    assert as_kept("identity_photo", PHOTO, clean) == photos.clean(PHOTO)
    assert as_kept("shop_paper", PDF, clean) == PDF
    assert as_kept("card_photo", PDF, clean) == Refusal(Reason.photo_format_is_not_taken)
    assert as_kept("shop_paper", PDF[:-6], clean) == Refusal(Reason.paper_is_torn)
    assert as_kept("shop_paper", b"", clean) == Refusal(Reason.paper_is_empty)
    assert as_kept("shop_paper", PDF + bytes(FILE_BYTES_MAX), clean) == Refusal(Reason.paper_is_too_large)
    assert as_kept("card_photo", PHOTO, lambda _: bytes(FILE_BYTES_MAX + 1)) == Refusal(Reason.paper_is_too_large)


def test_a_refused_paper_leaves_neither_row_nor_file(office: Office) -> None:
    def tried(command: Any) -> Any:
        return office.in_room(lambda room: keep_paper(room, command, PHOTO))

    good = office.command(PHOTO, "identity_photo", "slr_1")
    other = Officer("ofc_9", crypto.suite("ed25519").signer(b"\x09" * 32))
    cases = {
        Reason.seller_is_unknown: office.command(PHOTO, "identity_photo", "slr_nobody"),
        Reason.officer_is_unknown: office.command(PHOTO, "identity_photo", "slr_1", other),
        Reason.officer_signature_is_wrong: msgspec.structs.replace(good, seller="slr_3"),
    }
    for reason, command in cases.items():
        refused = tried(command)
        assert isinstance(refused, Refusal)
        assert refused.reason is reason
    office.house.clock.advance(301)
    late = tried(good)
    assert isinstance(late, Refusal)
    assert late.reason is Reason.officer_signature_is_too_old
    assert office.sealed_files() == []
    assert office.house.rows("SELECT * FROM paper") == []


@pytest.mark.parametrize(
    "changes",
    [{"paper": "pap_../../etc/passwd"}, {"kind": "passport"}, {"size_bytes": 0}, {"digest": b""},
     {"size_bytes": FILE_BYTES_MAX + 1}],
)  # fmt: skip
def test_the_line_takes_no_paper_of_another_form(office: Office, changes: dict[str, Any]) -> None:
    """Whatever an officer signs."""
    good = msgspec.structs.replace(office.command(PHOTO, "identity_photo", "slr_1"), **changes)
    about = Content(good.size_bytes, good.digest)
    command = officers.add_paper(FIRST, good.paper, "slr_1", good.kind, content=about, now=good.at)
    assert isinstance(submit(office.house, command), Refusal)


def test_an_officers_word_makes_one_paper_once(office: Office) -> None:
    """Its signature is used up, and so is its id, whatever is signed anew."""
    command = office.command(PHOTO, "identity_photo", "slr_1")
    assert isinstance(office.in_room(lambda room: keep_paper(room, command, PHOTO)), PapersAre)
    assert submit(office.house, command) == Refusal(Reason.request_was_replayed)
    office.house.clock.advance(1)
    about = Content(len(PHOTO), command.digest)
    again = officers.add_paper(FIRST, command.paper, "slr_3", "card_photo", content=about, now=office.house.clock.now())
    assert submit(office.house, again) == Refusal(Reason.request_was_replayed)


def test_two_who_make_the_subjects_key_at_once_do_not_lose_a_paper(office: Office) -> None:
    """The second was sealed under a key that is not kept, so it is refused as if the platform were busy."""
    first, second = (office.command(PHOTO, "identity_photo", "slr_1") for _ in range(2))

    async def both(room: PaperRoom) -> Any:
        nobody = room._replace(look_up_keys=_no_keys)
        return await keep_paper(nobody, first, PHOTO), await keep_paper(nobody, second, PHOTO)

    assert office.in_room(both) == (PapersAre((first.paper,), "kept"), Refusal(Reason.platform_is_busy))
    assert office.sealed_files() == [office.files.place(first.paper)]
    assert isinstance(office.show(first.paper), Shown)


async def _no_keys(_: Any) -> dict[str, Any]:
    return {}


def test_an_officer_cannot_plant_a_key_in_somebody_elses_place(office: Office) -> None:
    command = office.command(PHOTO, "identity_photo", "slr_1")
    key = office.house.vault.new_key("slr_3", KINDS["shop_paper"].key_class, now=0, chance=bytes(44))
    planted = msgspec.structs.replace(command, subject_key=key.row)
    assert submit(office.house, planted) == Refusal(Reason.platform_is_busy)
    assert keys(office.house) == {}


# --- shown ---


def test_what_leaves_names_the_read_that_it_came_from(office: Office) -> None:
    """Two officers' reads, one leak: the pixels say which."""
    paper = office.keep()
    first, second = office.show(paper), office.show(paper, reference="check 8")
    assert isinstance(first, Shown)
    assert isinstance(second, Shown)
    assert first.is_marked
    assert first.content != second.content
    found = office.read_marks(second.content)
    assert (found.read_seq, found.reader, found.reference) == (second.read_seq, FIRST.id, "check 8")
    assert (found.purpose, found.subjects) == ("verify_seller", ("slr_1",))
    assert found.chance_max < 1e-9
    assert office.read_marks(PHOTO) == MarkFound(is_marked=False)


def test_the_read_stands_in_history_before_anything_is_opened(office: Office) -> None:
    paper = office.keep()
    shown = office.show(paper)
    assert isinstance(shown, Shown)
    read = event(office.house, "fields_read/2")
    assert (read["subjects"], read["fields"]) == (["slr_1"], ["paper.identity_photo/1"])
    assert (read["purpose"], read["reader"], read["shows_whole"]) == ("verify_seller", FIRST.id, True)
    assert office.house.events()[shown.read_seq] == read


@pytest.mark.parametrize(
    ("kind", "purpose"),
    [("identity_photo", "examine_card"), ("card_photo", "verify_seller"), ("shop_paper", "verify_seller"),
     ("card_photo", "answer_authority"), ("identity_photo", "help_seller"), ("shop_paper", "answer_subject")],
)  # fmt: skip
def test_a_paper_opens_to_its_own_purposes_alone(office: Office, kind: str, purpose: str) -> None:
    """A photo of a card shows its PIN, which not even an authority's order opens."""
    paper = office.keep(kind=kind)
    refused = office.show(paper, purpose)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.read_is_not_allowed
    assert not [one for one in office.house.events() if one["kind"] == "fields_read/2"]


def test_a_scan_leaves_under_a_warrant_and_is_said_to_be_unmarked(office: Office) -> None:
    paper = office.keep(PDF, "shop_paper")
    refused = office.show(paper, "answer_authority", "wrt_none")
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.warrant_is_not_in_force
    shown = office.show(paper, "answer_authority", office.warrant("slr_1", "paper.shop_paper/1"))
    assert isinstance(shown, Shown)
    assert (shown.content, shown.is_marked) == (PDF, False)


def test_a_warrant_opens_what_it_names(office: Office) -> None:
    photo = office.keep()
    refused = office.show(photo, "answer_authority", office.warrant("slr_1", "paper.shop_paper/1"))
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.warrant_does_not_name_this
    shown = office.show(photo, "answer_authority", office.warrant("slr_1", "paper.identity_photo/1"))
    assert isinstance(shown, Shown)
    assert shown.is_marked


def test_a_file_that_was_exchanged_is_not_shown(office: Office) -> None:
    """Two papers of one person and one kind, whose files somebody has swapped."""
    one, other = office.keep(), office.keep(PHOTO + b"\0")
    places = [office.files.place(paper) for paper in (one, other)]
    contents = [place.read_bytes() for place in places]
    places[0].write_bytes(contents[1])
    with pytest.raises(BrokenSeal):
        office.show(one)


def test_a_paper_whose_file_is_gone_is_told(office: Office) -> None:
    """By the one who wants to see it, and by the audit before that."""
    whole, gone, cut = (office.keep() for _ in range(3))
    office.files.place(gone).unlink()
    os.truncate(office.files.place(cut), 1_000)
    assert office.show(gone) == Refusal(Reason.paper_file_is_missing, "paper")
    with psycopg.connect(office.house.url) as connection:
        assert set(lost(office.files, papers.kept_sizes(connection))) == {gone, cut}
    assert isinstance(office.show(whole), Shown)


def test_a_thief_with_files_and_database_opens_nothing(office: Office) -> None:
    paper = office.keep()
    with pytest.raises(BrokenSeal):
        office.show(paper, vault=Vault(bytes(32), Ring({1: bytes([1]) * 32})))


def test_a_file_that_was_sealed_again_with_the_right_keys_is_not_shown(office: Office) -> None:
    """By somebody who holds the platform: the content is not what the officer signed for."""
    paper = office.keep()
    place, field = office.files.place(paper), KINDS["identity_photo"]

    async def seal_again(room: PaperRoom) -> bytes:
        row = (await room.look_up_keys(["slr_1/biometric"]))["slr_1/biometric"]
        chance = room.chance(FILE_CHANCE_BYTES)
        return b"".join(room.vault.seal_file(BytesIO(PHOTO[::-1]), room.vault.unlock(row), field, paper, chance=chance))

    place.write_bytes(office.in_room(seal_again))
    with pytest.raises(BrokenSeal, match="not the paper that was kept"):
        office.show(paper)
