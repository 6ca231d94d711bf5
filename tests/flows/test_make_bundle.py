"""Bundles from a real history: what anybody may be told, what a warrant opens, and nothing of anybody else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from suyuan.base.refusals import Reason, Refusal
from suyuan.evidence import check
from suyuan.evidence.bundle.facts import Custody, Environment
from suyuan.evidence.bundle.opened import check_opened
from suyuan.evidence.bundle.packing import Contents, assemble, pack
from suyuan.faces import officers
from suyuan.faces.evidence_page import html
from suyuan.flows.change_terms import Changed
from suyuan.flows.hold_warrants import AddWarrant
from suyuan.flows.make_bundle import Archive, BundleRecorded, BundleWish, Exhibits, exhibit_events
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.privacy.purposes import ANSWER_AUTHORITY, CARD_SERIAL, RECORD_KEY, SELLER_NUMBER, Field
from tests.flows.house import ORIGIN, PLATFORM, PLATFORM_KEYS, House, card, open_house, written
from tests.flows.office import FIRST, Office
from tests.flows.sealing import seal, sealer_of

PEOPLE = {
    "slr_new": {"name": "王芳", "identity_number": "110101199001011237", "number": "13800000001",
                "payee": "622202-0001"},
    "slr_other": {"name": "李强", "identity_number": "110101199203033450", "number": "13900000002",
                  "payee": "622202-0002"},
}  # fmt: skip


class Court:
    """A house whose history is sealed, and an officer who is asked for evidence."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.office = Office(house)
        for name, person in PEOPLE.items():
            body = written(person | {"seller": name})
            answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", body)))
            assert isinstance(answer, Registered), answer
        self.redemptions = {name: self.sell(number, name) for number, name in enumerate(PEOPLE, 1)}
        sealer = sealer_of(house, house.log_folder)
        seal(house, sealer)
        publish_log(sealer)
        sealer.close()
        sealer.connection.close()

    def sell(self, number: int, seller: str) -> str:
        body = written(card(number) | {"seller": seller})
        answer = self.house.run(redeem_card(self.house.desk, self.house.knock("POST", "/v1/redemptions", body)))
        assert isinstance(answer, Taken), answer
        return answer.redemption

    def warrant(self, subjects: list[str], *fields: Field) -> str:
        """An order that is in force."""
        now, names = self.house.clock.now(), tuple(field.name for field in fields)
        order = AddWarrant("wrt_1", "某市公安局", "2026-17", "0" * 64, tuple(subjects), names, now, now + 10**12)
        assert isinstance(self.office.decide(order), Changed)
        return order.id

    def exhibits(
        self, *things: str, warrant: str = "", subjects: tuple[str, ...] = (), fields: tuple[Field, ...] = ()
    ) -> Any:
        house, now = self.house, self.house.clock.now()
        read = None
        if warrant:
            names = [field.name for field in (RECORD_KEY, *fields)]
            read = officers.read(FIRST, ANSWER_AUTHORITY.id, warrant, subjects=subjects, fields=names, now=now)

        async def go() -> Exhibits | Refusal:
            async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
                archive = Archive(
                    house.line, house.vault, connection, house.log_folder, (PLATFORM,), ORIGIN, "suyuan test"
                )
                return await exhibit_events(archive, BundleWish((), things, read), now=now)

        return house.run(go())

    def packed(self, found: Exhibits) -> zipfile.ZipFile:
        now = self.house.clock.now()
        contents = Contents(
            exhibits=found.exhibits,
            policy=(self.house.log_folder / POLICY).read_bytes(),
            keys=(),
            environment=Environment(now, "suyuan test", "", "3.11", "Linux", "", "machine"),
            custody=Custody(FIRST.id, now, "suyuan test", "bundle", "", "case 12", found.read_seq),
            subjects=found.subjects,
            prelog=found.prelog,
            links=found.links,
            papers=found.papers,
        )
        content = pack(assemble(contents, html(contents)), None)
        check.check_bundle(io.BytesIO(content), check.read_policy(contents.policy))
        return zipfile.ZipFile(io.BytesIO(content))


@pytest.fixture
def court(database: str, tmp_path: Path) -> Iterator[Court]:
    with open_house(database, log_folder=tmp_path / "log") as house:
        yield Court(house)


def said(archive: zipfile.ZipFile) -> bytes:
    return b"\n".join(archive.read(name) for name in archive.namelist())


def taken(archive: zipfile.ZipFile) -> dict[str, Any]:
    records = [json.loads(archive.read(name)) for name in archive.namelist() if name.endswith("/record.json")]
    (record,) = [one for one in records if one["kind"] == "redemption_taken/1"]
    found: dict[str, Any] = record
    return found


def test_without_a_warrant_a_bundle_says_what_happened_and_to_nobody(court: Court) -> None:
    found = court.exhibits(court.redemptions["slr_new"])
    archive = court.packed(found)
    record = taken(archive)
    assert record["face_fen"] == 100_00
    assert "seller" not in record
    content = said(archive)
    for secret in ("slr_new", "slr_other", *PEOPLE["slr_new"].values()):
        assert secret.encode() not in content


def test_a_warrant_opens_whom_it_names_and_the_platform_attests_what_the_log_cannot(court: Court) -> None:
    redemption = court.redemptions["slr_new"]
    subjects = ("slr_new", redemption)
    warrant = court.warrant([*subjects], RECORD_KEY, CARD_SERIAL)
    found = court.exhibits(redemption, warrant=warrant, subjects=subjects, fields=(CARD_SERIAL,))
    archive = court.packed(found)
    record = taken(archive)
    assert record["seller"] == "slr_new"
    (paper,) = [archive.read(name) for name in archive.namelist() if name.startswith("papers/opened-")]
    opened = check_opened(paper, PLATFORM_KEYS)
    assert opened.differs_from(record) == ()
    assert [(one.name, one.value) for one in opened.fields] == [("sealed_serial", f"{1:017d}")]
    assert opened.reference == warrant
    assert not {"sealed_secret", "source_index"} & record.keys(), "nobody asked for them"
    assert b"slr_other" not in said(archive)


def test_the_keys_alone_open_pseudonyms_and_no_value(court: Court) -> None:
    """The warrant names the records and no field: whose redemption it was is told, and not the serial of the card."""
    redemption = court.redemptions["slr_new"]
    warrant = court.warrant(["slr_new", redemption], RECORD_KEY)
    archive = court.packed(court.exhibits(redemption, warrant=warrant, subjects=("slr_new", redemption)))
    assert taken(archive)["seller"] == "slr_new"
    assert f"{1:017d}".encode() not in said(archive)
    assert not [name for name in archive.namelist() if name.startswith("papers/")]
    assert not [name for name in taken(archive) if name.startswith("sealed_")]


def test_a_warrant_for_one_person_tells_nothing_of_another(court: Court) -> None:
    """The other seller's redemption goes into the same bundle, with its open members alone."""
    warrant = court.warrant(["slr_new"], RECORD_KEY, SELLER_NUMBER)
    found = court.exhibits(*court.redemptions.values(), warrant=warrant, subjects=("slr_new",), fields=(SELLER_NUMBER,))
    content = said(court.packed(found))
    assert b"slr_new" in content
    assert b"slr_other" not in content


@pytest.mark.parametrize("breach", ["none", "another person", "a field that it does not name"])
def test_without_a_warrant_that_names_it_nothing_personal_is_opened(court: Court, breach: str) -> None:
    warrant = "wrt_unknown" if breach == "none" else court.warrant(["slr_new"], RECORD_KEY)
    subjects = ("slr_other",) if breach == "another person" else ("slr_new",)
    fields = (SELLER_NUMBER,) if breach == "a field that it does not name" else ()
    refused = court.exhibits(court.redemptions["slr_new"], warrant=warrant, subjects=subjects, fields=fields)
    assert isinstance(refused, Refusal)
    assert refused.reason in (Reason.warrant_is_not_in_force, Reason.warrant_does_not_name_this)


def test_what_is_not_in_the_log_makes_no_bundle(court: Court) -> None:
    later = court.sell(9, "slr_new")
    assert court.exhibits(later) == Refusal(Reason.event_is_not_sealed_yet)
    assert court.exhibits("rdm_unknown") == Refusal(Reason.event_is_not_sealed_yet)


def test_every_bundle_is_an_event_by_its_officer(court: Court) -> None:
    command = officers.record_bundle(FIRST, "ab" * 32, ["7", "8"], "case 12", now=court.house.clock.now())
    answer = court.office.submit(command)
    assert isinstance(answer, BundleRecorded)
    assert court.house.events()[answer.seq] == {
        "kind": "bundle_made/1", "manifest_sha256": "ab" * 32, "records": ["7", "8"], "reference": "case 12",
        "by": FIRST.id,
    }  # fmt: skip
    assert court.office.submit(command) == Refusal(Reason.request_was_replayed)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [("a\nb", Reason.field_is_malformed), ("about 13800000001", Reason.text_holds_personal_value)],
)
def test_the_case_of_a_bundle_is_a_line_that_names_nobody(court: Court, reference: str, reason: Reason) -> None:
    command = officers.record_bundle(FIRST, "ab" * 32, ["7"], reference, now=court.house.clock.now())
    refused = court.office.submit(command)
    assert isinstance(refused, Refusal)
    assert refused.reason is reason


@pytest.mark.parametrize(
    ("digest", "records", "field"),
    [
        ("13800000001", ["7"], "manifest_sha256"),
        ("AB" * 32, ["7"], "manifest_sha256"),
        ("ab" * 32 + "\n", ["7"], "manifest_sha256"),
        ("ab" * 32, [], "records"),
        ("ab" * 32, ["Wang Xiaoming, 13800000001"], "records"),
        ("ab" * 32, ["07"], "records"),
        ("ab" * 32, ["٧"], "records"),
        ("ab" * 32, ["7", "7"], "records"),
        ("ab" * 32, ["8", "7"], "records"),
        ("ab" * 32, ["9223372036854775807"], "records"),
        ("ab" * 32, [str(place) for place in range(10_001)], "records"),
    ],
)
def test_nothing_but_a_digest_and_places_of_history_gets_into_it(
    court: Court, digest: str, records: list[str], field: str
) -> None:
    """The event is open and stays for ever, so it is no place for a number or a name."""
    command = officers.record_bundle(FIRST, digest, records, "case 12", now=court.house.clock.now())
    assert court.office.submit(command) == Refusal(Reason.field_is_malformed, field)
