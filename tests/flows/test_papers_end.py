"""How papers end: deleted, out of time, forgotten, or left over by a crash. The line, database and disk are real."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suyuan.base.clock import DAY_S, SystemClock
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.follow_history import follow_history
from suyuan.flows.forget_subject import Shredder
from suyuan.flows.keep_keys import CloseEpoch
from suyuan.flows.keep_papers import FORGOTTEN, RETENTION_ENDED, DropPapers, PapersAre
from suyuan.flows.keep_retention import MoveSeller, keep_retention
from suyuan.flows.seal_paper import keep_paper
from suyuan.flows.show_paper import Shown
from suyuan.flows.tidy_papers import STRAYS_MAX, SWEEP_S, PaperTidying, sweep_papers, tidy_papers
from suyuan.privacy.keyring import NoEpochKey, make_ring
from suyuan.privacy.papers import KINDS
from suyuan.privacy.retention import load_rules
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.privacy.vault import Vault
from tests.flows.house import NOON, House, open_house
from tests.flows.paper_office import FIRST, PDF, PHOTO, Office, event
from tests.flows.test_forget_subject import KMS, forget, intend, keys, register, ring_in, roll_whole, submit


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path / "papers")


@pytest.fixture
def rolling(database: str, tmp_path: Path) -> Iterator[Office]:
    """Epochs in a file, as a platform's are, and a seller who can be forgotten."""
    make_ring(tmp_path / "epochs.key", KMS, now=NOON)
    with open_house(database, Vault(bytes(32), ring_in(tmp_path))) as house:
        register(house)
        yield Office(house, tmp_path / "papers")


# --- deleted ---


def test_a_verified_photo_is_deleted_and_the_result_stays(office: Office) -> None:
    paper = office.keep()
    assert office.delete(paper, "verified") == PapersAre((paper,), "deleted")
    assert office.sealed_files() == []
    row, told = office.row(paper), event(office.house, "paper_deleted/1")
    assert (row.state, row.reason) == ("deleted", "verified")
    assert (told["reason"], told["by"], told["seller"]) == ("verified", FIRST.id, "slr_1")
    assert office.show(paper) == Refusal(Reason.paper_is_unknown, "paper")
    again = office.delete(paper)
    assert isinstance(again, Refusal)


def test_a_paper_that_is_deleted_stands_on_the_agenda_no_longer(office: Office) -> None:
    """Else the report of what is in use would count a photo that is gone, and the plan promise its end."""
    paper = office.keep()
    rules = load_rules()
    office.with_connection(lambda connection: follow_history(connection, rules))
    assert office.house.rows("SELECT state FROM retention WHERE id = %s", paper) == [("active",)]
    office.delete(paper, "verified")
    office.with_connection(lambda connection: follow_history(connection, rules))
    assert office.house.rows("SELECT state FROM retention WHERE id = %s", paper) == [("shredded",)]


@pytest.mark.parametrize("reason", ["forgotten", "retention_ended", "", "for fun"])
def test_an_officer_gives_a_reason_of_the_list(office: Office, reason: str) -> None:
    """And none that only the keeper of the house may give."""
    paper = office.keep()
    assert office.delete(paper, reason) == Refusal(Reason.field_is_malformed, "reason")
    assert len(office.sealed_files()) == 1


def test_what_a_case_holds_is_not_deleted(office: Office) -> None:
    paper = office.keep()
    submit(office.house, officers.hold(FIRST, "slr_1", "case_7", now=office.house.clock.now()))
    assert office.delete(paper) == Refusal(Reason.subject_is_held, "paper")
    assert submit(office.house, DropPapers((paper,), RETENTION_ENDED)) == PapersAre((), "deleted")
    assert office.row(paper).state == "kept"


def test_papers_go_when_their_term_is_over(office: Office) -> None:
    """Nobody has to remember the photo that was never verified."""
    photo, receipt = office.keep(), office.keep(PDF, "shop_paper")
    tidying, rules = PaperTidying(office.files), load_rules()

    def keeper_passes() -> None:
        now = office.house.clock.now()

        async def story(connection: Any) -> None:
            look_up = functools.partial(fetch_keys, connection)
            await follow_history(connection, rules)
            await keep_retention(
                Shredder(office.house.line, office.house.vault, look_up, connection, rules), now=now
            )  # fmt: skip
            await tidy_papers(tidying, connection, now=now)

        office.with_connection(story)

    keeper_passes()
    office.house.clock.advance(29 * DAY_S)
    keeper_passes()
    assert office.row(photo).state == "kept"
    office.house.clock.advance(2 * DAY_S)
    keeper_passes()
    assert (office.row(photo).state, office.row(photo).reason) == ("deleted", "retention_ended")
    assert office.row(receipt).state == "kept"
    assert office.sealed_files() == [office.files.place(receipt)]


# --- forgotten ---


def test_whoever_is_forgotten_loses_their_papers(rolling: Office) -> None:
    """Rows first, then keys, then files; of each class, whichever paper made the key."""
    kept = [rolling.keep(PDF if kind == "shop_paper" else PHOTO, kind, "slr_new") for kind in KINDS]
    others = rolling.keep(seller="slr_1")
    forget(rolling.house)
    assert {rolling.row(paper).reason for paper in kept} == {FORGOTTEN}
    assert all(key.is_forgotten for name, key in keys(rolling.house).items() if name.startswith("slr_new/"))
    assert {f"slr_new/{name}" for name in ("identity", "biometric", "card_secret")} <= set(keys(rolling.house))
    rolling.with_connection(
        lambda connection: tidy_papers(PaperTidying(rolling.files), connection, now=rolling.house.clock.now())
    )
    assert rolling.sealed_files() == [rolling.files.place(others)]
    assert isinstance(rolling.show(others), Shown)


def test_nothing_is_added_for_or_shown_of_somebody_who_is_to_be_forgotten(rolling: Office) -> None:
    paper = rolling.keep(seller="slr_new")
    intend(rolling.house)
    assert rolling.show(paper) == Refusal(Reason.subject_is_closed, "paper")
    command = rolling.command(PHOTO, "identity_photo", "slr_new")
    refused = rolling.in_room(lambda room: keep_paper(room, command, PHOTO))
    assert refused == Refusal(Reason.subject_is_closed, "seller")


def test_nothing_is_added_for_or_shown_of_somebody_whose_data_is_only_stored(office: Office) -> None:
    """Restricted: a new paper would be a new use, and so would a look at an old one."""
    paper = office.keep()
    submit(office.house, MoveSeller("slr_1", "restricted"))
    assert office.show(paper) == Refusal(Reason.subject_is_closed, "paper")
    command = office.command(PHOTO, "identity_photo", "slr_1")
    refused = office.in_room(lambda room: keep_paper(room, command, PHOTO))
    assert refused == Refusal(Reason.subject_is_closed, "seller")


def test_a_key_that_comes_too_late_for_its_epoch_is_not_kept(office: Office) -> None:
    """Its epoch may be destroyed at any moment, and the paper with it; the next try is sealed anew."""
    submit(office.house, CloseEpoch(1))
    command = office.command(PHOTO, "identity_photo", "slr_1")
    refused = office.in_room(lambda room: keep_paper(room, command, PHOTO))
    assert refused == Refusal(Reason.platform_is_busy)
    assert office.sealed_files() == []


def test_the_keeper_deletes_as_forgotten_only_whom_two_officers_gave_up(office: Office) -> None:
    """Whoever reaches the line's socket cannot delete papers by saying so."""
    paper = office.keep()
    assert submit(office.house, DropPapers((paper,), FORGOTTEN)) == PapersAre((), "deleted")
    assert submit(office.house, DropPapers((paper,), "for fun")) == Refusal(Reason.field_is_malformed, "reason")
    assert office.row(paper).state == "kept"


def test_a_backup_of_everything_opens_no_paper_of_a_forgotten_person(rolling: Office) -> None:
    """Sealed file, data key and all of today's keys; the epoch that had wrapped the data key is gone."""
    paper = rolling.keep(seller="slr_new")
    stolen_key = keys(rolling.house)["slr_new/biometric"]
    stolen_file = rolling.files.place(paper).read_bytes()
    assert rolling.house.vault.unlock(stolen_key).subject == "slr_new"
    forget(rolling.house)
    roll_whole(rolling.house)
    assert stolen_file
    with pytest.raises(NoEpochKey):
        rolling.house.vault.unlock(stolen_key)


# --- what crashes leave ---

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from suyuan.flows.keep_papers import AddPaper
from suyuan.flows.seal_paper import PaperRoom, keep_paper
from suyuan.privacy.keyring import Ring
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.vault import Vault

class Dead:
    def submit(self, command):
        os.kill(os.getpid(), signal.SIGKILL)

class Torn(PaperFiles):
    def write(self, paper, sealed):
        super().write(paper, torn(sealed))

def torn(sealed):
    yield next(iter(sealed))
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

async def no_keys(places):
    return {}

paper, folder, moment = sys.argv[1:]
files = (Torn if moment == "in the file" else PaperFiles)(Path(folder))
room = PaperRoom(Dead(), Vault(bytes(32), Ring({1: bytes(32)})), files, no_keys, os.urandom)
command = AddPaper(paper, "slr_1", "identity_photo", 300_000, bytes(32), 0, "ofc_1", b"")
asyncio.run(keep_paper(room, command, bytes(300_000)))
"""


@pytest.mark.parametrize("moment", ["in the file", "before the row"])
def test_a_keeper_that_is_killed_leaves_nothing_half_done(office: Office, moment: str) -> None:
    """Killed while it writes, or between the file and the row: nothing is shown, and an hour later nothing is left."""
    paper = new_id("pap", at=1, chance=bytes(CHANCE_BYTES))
    ran = subprocess.run([sys.executable, "-c", KILLED, paper, str(office.folder), moment], check=False)
    assert ran.returncode == -signal.SIGKILL
    kept, now = office.keep(), SystemClock().now()
    (left,) = [path for path in office.sealed_files() if path != office.files.place(kept)]
    assert left.suffix == (".new" if moment == "in the file" else ".sealed")
    assert office.files.place(paper).exists() == (moment == "before the row")

    def sweep(after_s: int) -> int:
        swept: int = office.with_connection(
            lambda connection: sweep_papers(office.files, connection, now=now + after_s * 1_000_000)
        )
        return swept

    assert sweep(SWEEP_S - 60) == 0
    assert sweep(SWEEP_S + 60) == 1
    assert office.sealed_files() == [office.files.place(kept)]


def test_a_database_that_is_an_old_copy_costs_no_paper(office: Office) -> None:
    """A few files without a row are a crash's; a hundred are a sign that the rows are missing, not the other way."""
    for number in range(STRAYS_MAX + 1):
        office.files.write(new_id("pap", at=number * 1_000, chance=bytes(CHANCE_BYTES)), [b"sealed"])
    later = SystemClock().now() + 2 * SWEEP_S * 1_000_000
    assert office.with_connection(lambda connection: sweep_papers(office.files, connection, now=later)) == 0
    assert len(office.sealed_files()) == STRAYS_MAX + 1


def test_what_is_not_ours_in_the_folder_is_left_alone(office: Office) -> None:
    office.keep()
    foreign = office.sealed_files()[0].parent / "notes.txt"
    foreign.write_text("not ours")
    later = SystemClock().now() + 2 * SWEEP_S * 1_000_000
    office.with_connection(lambda connection: sweep_papers(office.files, connection, now=later))
    assert foreign.exists()


@pytest.mark.parametrize("name", ["", "pap_", "../../etc/passwd", "pap_../../../etc/passwd\0xxxxxxxxxx", "slr_1"])
def test_no_id_leads_out_of_the_folder(office: Office, name: str) -> None:
    with pytest.raises(ValueError, match="not the id of a paper"):
        office.files.place(name)
