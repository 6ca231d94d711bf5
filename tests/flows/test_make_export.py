"""The file of an export: for its recipient alone, once, whole or not at all, and nothing in the clear on the way."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest

from suyuan.app.appliers import APPLIERS
from suyuan.base import db
from suyuan.base.clock import DAY_S, plus
from suyuan.base.crypto import age
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows.attribute_leak import LeakedCells, attribute_leak
from suyuan.flows.change_terms import Changed, encode_change
from suyuan.flows.export_records import Agreed, ExportRecords
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.hold_recipients import EndRecipient
from suyuan.flows.make_export import Maker, WasMade, make_export
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.history import frames
from suyuan.privacy.canary import canary_count
from suyuan.privacy.exports import pseudonym
from suyuan.privacy.marks import Marker, mark_key
from suyuan.privacy.purposes import EXPORT_PURPOSES, Ground
from suyuan.privacy.recipients import Role
from tests.flows.house import House, card, written
from tests.flows.office import FIRST, READER, SECOND, THIRD, Office, people

LIST = ("seller", "registered_at", "name", "number", "payee", "redemptions", "paid_fen_total")
LINES = ("seller", "redemption", "face_fen", "paid", "value_kind", "state", "taken_at")


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def make(office: Office, export: ExportRecords | str, to: Path, by: Officer = FIRST) -> Any:
    """What the officer gets who makes it."""
    name = export if isinstance(export, str) else export.id
    house = office.house

    async def go() -> Any:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            maker = Maker(
                house.line, house.vault, connection, house.clock.now,
                sign_made=lambda name, rows, sha256: officers.record_export(by, name, rows, sha256),
            )  # fmt: skip
            return await make_export(maker, officers.begin_export(by, name, now=house.clock.now()), to)

    house.clock.advance(1)
    return house.run(go())


def approved(office: Office, subjects: list[str], *columns: str, role: Role = Role.AUDITOR, **changes: Any) -> Any:
    export = office.export(office.recipient(role), subjects, *(columns or LIST), **changes)
    answer = office.decide(export)
    assert isinstance(answer, Changed), answer
    return export


def table(file: Path) -> list[dict[str, str]]:
    """What the recipient reads, by the English headings."""
    plain = pyrage.decrypt(file.read_bytes(), [READER]).decode("utf-8-sig")
    headings, *rows = csv.reader(io.StringIO(plain, newline=""))
    return [dict(zip(headings, row, strict=True)) for row in rows]


def sold(office: Office, number: int, seller: str, *, is_paid: bool = True) -> str:
    """A redemption of a seller's."""
    body = written(card(number) | {"seller": seller})
    answer = office.house.run(redeem_card(office.house.desk, office.house.knock("POST", "/v1/redemptions", body)))
    assert isinstance(answer, Taken), answer
    for kind, suffix in (("consumed", "-c"), ("paid", "-p")) if is_paid else ():
        office.submit(RecordOutcome(answer.redemption, answer.redemption + suffix, kind, "X-1"))
    return answer.redemption


# --- what stands in it ---------------------------------------------------------------------------


def test_a_partner_gets_masked_values_under_pseudonyms_of_its_own(office: Office, tmp_path: Path) -> None:
    names = people(office.house, 3)
    sold(office, 1, names[0])
    export = approved(office, names, role=Role.PARTNER, purpose="reconcile_partner")
    made = make(office, export, tmp_path / "a.age")
    assert isinstance(made, WasMade)
    rows = table(tmp_path / "a.age")
    assert len(rows) == 3, "amounts stand in it, so nobody in it is invented"
    assert set(rows[0]) == {
        "seller 卖卡人", "registered at 登记时间", "name 姓名", "number 手机号码", "payee account 收款账户",
        "redemptions 兑换笔数", "paid in all (fen) 付款合计（分）",
    }  # fmt: skip
    by_number = {row["number 手机号码"]: row for row in rows}
    first = by_number["138****0001"]
    assert (first["name 姓名"], first["payee account 收款账户"]) == ("王**", "**0001")
    assert (first["redemptions 兑换笔数"], first["paid in all (fen) 付款合计（分）"]) == ("1", "8000")
    assert first["seller 卖卡人"] == pseudonym(office.house.vault, export.recipient, names[0])
    assert first["seller 卖卡人"] != pseudonym(office.house.vault, "rcp_another", names[0])


def test_only_a_duty_to_the_state_shows_whole_values(office: Office, tmp_path: Path) -> None:
    """In the registry of purposes, and in the file; and nobody is invented for the state."""
    whole = [purpose for purpose in EXPORT_PURPOSES if purpose.shows_whole]
    assert [(purpose.id, purpose.ground) for purpose in whole] == [("supply_regulator", Ground.LEGAL_DUTY)]
    names = people(office.house, 25)
    export = approved(office, names, "name", "number", "payee", role=Role.REGULATOR, purpose="supply_regulator")
    make(office, export, tmp_path / "a.age")
    rows = table(tmp_path / "a.age")
    assert len(rows) == 25
    shown = {(row["name 姓名"], row["number 手机号码"], row["payee account 收款账户"]) for row in rows}
    assert shown == {("王芳", f"138000{number:05}", f"62220200{number:08}") for number in range(1, 26)}


def test_each_line_is_a_redemption_where_that_was_approved(office: Office, tmp_path: Path) -> None:
    """A seller without one has no line; what is not finished is called pending, as to the seller."""
    names = people(office.house, 3)
    first, second = sold(office, 1, names[0]), sold(office, 2, names[0], is_paid=False)
    export = approved(office, names, *LINES, "name", role=Role.PARTNER, purpose="reconcile_partner", rows_max=2)
    made = make(office, export, tmp_path / "a.age")
    rows = table(tmp_path / "a.age")
    assert made.rows == 2
    assert [(row["redemption 兑换编号"], row["state 状态"]) for row in rows] == [(first, "paid"), (second, "pending")]
    assert {row["face value (fen) 面值（分）"] for row in rows} == {"10000"}
    assert {row["name 姓名"] for row in rows} == {"王**"}


def test_more_lines_than_were_approved_are_not_written(office: Office, tmp_path: Path) -> None:
    """Redemptions came in since; neither file nor part is left, and a job with a larger number has to be approved."""
    names = people(office.house, 1)
    for number in (1, 2, 3):
        sold(office, number, names[0])
    export = approved(office, names, *LINES, role=Role.PARTNER, purpose="reconcile_partner", rows_max=2)
    assert make(office, export, tmp_path / "a.age").reason is Reason.export_has_more_rows
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_opens_like_a_formula_is_text(office: Office, tmp_path: Path) -> None:
    names = people(office.house, 1, name='=HYPERLINK("x")', payee="-1+cmd|calc")
    export = approved(office, names, "name", "payee", role=Role.REGULATOR, purpose="supply_regulator")
    make(office, export, tmp_path / "a.age")
    assert list(table(tmp_path / "a.age")[0].values()) == ['\'=HYPERLINK("x")', "'-1+cmd|calc"]


def test_lines_and_instants_carry_the_marks_of_the_export(office: Office, tmp_path: Path) -> None:
    """And a list for an auditor its canaries: people whom the platform never met."""
    names = people(office.house, 20)
    export = approved(office, names, "seller", "registered_at", "number")
    made = make(office, export, tmp_path / "a.age")
    rows, house = table(tmp_path / "a.age"), office.house
    assert made.rows == len(rows) == 20 + canary_count(20)
    marker = Marker(mark_key(house.vault), export.id)
    known = {pseudonym(house.vault, export.recipient, name): name for name in names}
    real = [row for row in rows if row["seller 卖卡人"] in known]
    assert [known[row["seller 卖卡人"]] for row in real] == marker.order(names)
    at = dict(house.rows("SELECT id, registered_at FROM seller"))
    for row in real:
        name = known[row["seller 卖卡人"]]
        assert row["registered at 登记时间"] == marker.instant(name, at[name])
    invented = [row for row in rows if row["seller 卖卡人"] not in known]
    assert len(invented) == canary_count(20)
    assert not {row["number 手机号码"] for row in invented} & {row["number 手机号码"] for row in real}
    assert {len(row["seller 卖卡人"]) for row in rows} == {36}


# --- for whom ------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("age") is None, reason="Debian's age is not installed: apt-get install age")
def test_anybody_elses_age_opens_it_with_the_recipients_key_and_no_other(office: Office, tmp_path: Path) -> None:
    """The file is the format, not ours: the reference implementation reads it."""
    export = approved(office, people(office.house, 2), "number")
    make(office, export, tmp_path / "a.age")
    (tmp_path / "key").write_text(str(READER))
    (tmp_path / "other").write_text(str(pyrage.x25519.Identity.generate()))
    opened = subprocess.run(["age", "-d", "-i", tmp_path / "key", tmp_path / "a.age"], capture_output=True, check=True)
    assert b"138****0002" in opened.stdout
    closed = subprocess.run(
        ["age", "-d", "-i", tmp_path / "other", tmp_path / "a.age"], capture_output=True, check=False
    )
    assert (closed.returncode, closed.stdout) == (1, b"")


def test_file_and_manifest_are_the_officers_alone_and_say_what_was_approved(office: Office, tmp_path: Path) -> None:
    export = approved(office, people(office.house, 2), "number", "payee")
    made = make(office, export, tmp_path / "a.age")
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "a.age": 0o600,
        "a.age.json": 0o600,
    }
    manifest = json.loads((tmp_path / "a.age.json").read_bytes())
    digest = hashlib.sha256((tmp_path / "a.age").read_bytes()).hexdigest()
    assert (manifest["sha256"], made.sha256, office.house.events()[-1]["sha256"]) == (digest, digest, digest)
    assert (manifest["rows"], manifest["columns"], manifest["purpose"]) == (2, ["number", "payee"], "audit_compliance")
    assert (manifest["recipient"], manifest["use_until"][:10]) == (export.recipient, "2026-12-22")
    assert office.kinds()[-2:] == ["export_begun/1", "export_made/1"]


def test_nothing_is_ever_in_the_clear_on_the_disk(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is written, after it, and where it broke off."""
    names = people(office.house, 5, name="欧阳测试甲")
    export = approved(office, names, "name", "number", role=Role.REGULATOR, purpose="supply_regulator")
    planted = ["欧阳测试甲".encode(), b"13800000001", "手机号码".encode()]

    def looked_at(source: age.Source, target: age.Target, key: str) -> None:
        age_encrypt(source, target, key)
        target.flush()
        assert [file.name for file in tmp_path.iterdir()] == ["a.age.part"]
        assert (tmp_path / "a.age.part").stat().st_mode & 0o777 == 0o600
        assert not [value for value in planted if value in (tmp_path / "a.age.part").read_bytes()]

    age_encrypt = age.encrypt
    monkeypatch.setattr(age, "encrypt", looked_at)
    make(office, export, tmp_path / "a.age")
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    told = json.dumps(office.house.events(), ensure_ascii=False).encode()
    assert not [value for value in planted if value in content + told]


# --- once ----------------------------------------------------------------------------------------


def test_it_is_made_once_by_the_one_who_asked_within_a_day(office: Office, tmp_path: Path) -> None:
    names = people(office.house, 2)
    export, late = approved(office, names, "number"), approved(office, names, "number")
    assert make(office, "exp_none", tmp_path / "a").reason is Reason.export_is_unknown
    assert make(office, export, tmp_path / "a", by=SECOND).reason is Reason.export_is_another_officers
    assert isinstance(make(office, export, tmp_path / "a"), WasMade)
    assert make(office, export, tmp_path / "b").reason is Reason.export_was_made_already
    assert make(office, export, tmp_path / "b", by=SECOND).reason is Reason.export_is_another_officers
    office.house.clock.advance(DAY_S)
    assert make(office, late, tmp_path / "c").reason is Reason.export_has_expired
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "a.json"]


def test_what_waits_for_a_third_or_lost_its_recipient_is_not_made(office: Office, tmp_path: Path) -> None:
    waiting = approved(office, people(office.house, 26), "payee")
    assert make(office, waiting, tmp_path / "a").reason is Reason.export_needs_a_third_person
    assert isinstance(office.submit(officers.agree(THIRD, waiting.id, encode_change(waiting))), Agreed)
    office.decide(EndRecipient(waiting.recipient))
    assert make(office, waiting, tmp_path / "a").reason is Reason.recipient_is_not_in_force
    assert list(tmp_path.iterdir()) == []


def test_a_beginning_is_signed_by_its_officer_just_now_and_once(office: Office, tmp_path: Path) -> None:
    export = approved(office, people(office.house, 1), "number")
    begin = officers.begin_export(FIRST, export.id, now=office.house.clock.now())
    assert not isinstance(office.submit(begin), Refusal)
    assert office.submit(begin).reason is Reason.request_was_replayed
    office.house.clock.advance(301)
    stale = officers.begin_export(FIRST, export.id, now=plus(office.house.clock.now(), -301))
    assert office.submit(stale).reason is Reason.officer_signature_is_too_old
    forged = officers.record_export(SECOND, export.id, 1, "0" * 64)
    assert office.submit(forged).reason is Reason.export_is_another_officers


def test_nothing_is_recorded_as_made_that_was_never_begun(office: Office) -> None:
    export = approved(office, people(office.house, 1), "number")
    answer = office.submit(officers.record_export(FIRST, export.id, 1, "0" * 64))
    assert answer == Refusal(Reason.export_is_not_allowed, "rows")


def test_a_disk_that_fills_up_leaves_nothing_and_the_export_can_be_made_elsewhere(
    office: Office, tmp_path: Path
) -> None:
    """Played by the kernel's limit on the size of a file."""
    export = approved(office, people(office.house, 2), "number")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make(office, export, tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(make(office, export, tmp_path / "a"), WasMade)


DIES_WHILE_WRITING = """
import asyncio, os, signal, sys
from pathlib import Path
import psycopg
from suyuan.app.appliers import ANSWERS
from suyuan.base import crypto
from suyuan.base.crypto import age
from suyuan.faces import officers
from suyuan.flows.make_export import Maker, make_export
from suyuan.history.frames import LineCaller
from suyuan.privacy.keyring import Ring
from suyuan.privacy.vault import Vault

socket, url, export, now, to = sys.argv[1:]
encrypt = age.encrypt


class Dying:
    def __init__(self, target):
        self.target = target

    def write(self, content):
        self.target.write(content[: len(content) // 2])
        self.target.flush()
        os.kill(os.getpid(), signal.SIGKILL)


async def main():
    line = LineCaller(Path(socket), ANSWERS)
    assert await line.connect(within_s=10)
    officer = officers.Officer("ofc_1", crypto.suite("ed25519").signer(bytes([1]) * 32))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        maker = Maker(line, Vault(bytes(32), Ring({1: bytes(32)})), connection, lambda: int(now), None)
        await make_export(maker, officers.begin_export(officer, export, now=int(now)), Path(to))


age.encrypt = lambda source, target, key: encrypt(source, Dying(target), key)
asyncio.run(main())
"""


def test_killed_midway_it_can_be_made_again_and_is_not_counted_twice(office: Office, tmp_path: Path) -> None:
    """`kill -9` while the file is written: nothing has its name, the part is useless, and the day goes on."""
    house, export = office.house, approved(office, people(office.house, 5), "number")
    counted = office.counts()

    async def serve() -> asyncio.Server:
        return await frames.serve(house.line, tuple(APPLIERS), tmp_path / "line.sock")

    server = house.run(serve())
    house.clock.advance(1)
    arguments = [str(tmp_path / "line.sock"), house.url, export.id, str(house.clock.now()), str(tmp_path / "a")]
    died = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, *arguments], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    house.loop.call_soon_threadsafe(server.close)
    assert {file.name for file in tmp_path.iterdir()} - {"line.sock"} == {"a.part"}
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt((tmp_path / "a.part").read_bytes(), [READER])
    assert isinstance(make(office, export, tmp_path / "a"), WasMade)
    assert len(table(tmp_path / "a")) == 5 + canary_count(5)
    assert office.counts() == counted
    assert [kind for kind in office.kinds() if kind.startswith(("export", "fields"))][-4:] == [
        "fields_read/2", "export_begun/1", "export_begun/1", "export_made/1",
    ]  # fmt: skip
    assert {file.name for file in tmp_path.iterdir()} - {"line.sock"} == {"a", "a.json"}


def test_an_existing_file_is_never_overwritten(office: Office, tmp_path: Path) -> None:
    export = approved(office, people(office.house, 2), "number")
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="is there already"):
        make(office, export, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert isinstance(make(office, export, tmp_path / "b"), WasMade)


@pytest.mark.parametrize("broken_at", ["rename", "manifest"])
def test_what_was_recorded_and_not_named_is_named_by_the_same_command(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_at: str
) -> None:
    """The power went between the line's commit and the file's name: the part is known by its digest."""
    export = approved(office, people(office.house, 2), "number")
    make(office, export, tmp_path / "a")
    (tmp_path / "a.json").unlink()
    if broken_at == "rename":
        (tmp_path / "a").rename(tmp_path / "a.part")
    assert isinstance(make(office, export, tmp_path / "a"), WasMade)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "a.json"]
    assert office.kinds().count("export_made/1") == 1


def test_forgotten_between_approval_and_making_is_left_out(office: Office, tmp_path: Path) -> None:
    names = people(office.house, 3)
    export = approved(office, names, "seller", "number")
    office.decide(ForgetSeller(names[1], "subject asked"))
    make(office, export, tmp_path / "a")
    assert {row["number 手机号码"] for row in table(tmp_path / "a")} == {"138****0001", "138****0003"}
    assert office.house.events()[-2]["subjects"] == 2
    gone = approved(office, names[:1], "number")
    office.decide(ForgetSeller(names[0], "subject asked"))
    assert make(office, gone, tmp_path / "b").reason is Reason.export_names_nobody


def test_a_broken_key_leaves_its_own_cells_empty_and_no_others(office: Office, tmp_path: Path) -> None:
    names = people(office.house, 2)
    with db.connect(office.house.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = decode(repeat('00', 60), 'hex') WHERE id = 'slr_p1/contact'"
        )
    export = approved(office, names, "number", "name")
    make(office, export, tmp_path / "a")
    rows = {row["number 手机号码"]: row["name 姓名"] for row in table(tmp_path / "a")}
    assert rows == {"": "王**", "138****0002": "王**"}


# --- and where it leaked from --------------------------------------------------------------------


def test_a_file_that_leaks_names_its_export(office: Office, tmp_path: Path) -> None:
    """Two recipients got the same sellers; a part of one file is found somewhere, with pseudonyms or without."""
    names, house = people(office.house, 60), office.house
    with db.connect(house.url, autocommit=True) as connection:
        apart = "UPDATE seller SET registered_at = registered_at - 7000000 * substr(id, 6)::int WHERE id ~ 'slr_p'"
        connection.execute(apart.encode())
    exports = [approved(office, names, "seller", "registered_at", "number") for _ in range(2)]
    for number, export in enumerate(exports):
        make(office, export, tmp_path / f"{number}.age")
        rows = [tuple(row.values()) for row in table(tmp_path / f"{number}.age")[::3]]
        leaked = [
            LeakedCells(line, seller, number=phone, registered_at=registered_at)
            for line, (seller, registered_at, phone) in enumerate(rows, 2)
        ]
        without_pseudonyms = [row._replace(seller="") for row in leaked]
        with db.connect(house.url, autocommit=True) as connection:
            for found in (leaked, without_pseudonyms):
                assert attribute_leak(connection, house.vault, found).named == (export.id,)
