"""Personal data through `suyuan admin`: seen masked, opened by an order, exported by two officers or three."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from typer.testing import CliRunner, Result

from suyuan.app.keys import load_keys
from suyuan.app.supervisor import Supervisor
from suyuan.base import clock
from suyuan.config import load_settings
from suyuan.faces.cli import admin
from suyuan.faces.cli.serve import settle_settings
from suyuan.faces.sdk import Platform, Refused
from suyuan.faces.sdk.key_file import SigningKey, read_key_file, write_key_file

LINE_WAIT_S = 20.0
ORIGIN = "https://api.example.com"
READER = pyrage.x25519.Identity.generate()
NAME, NUMBER, PAYEE = "欧阳测试甲", "13911112222", "6222021234567890128"
WHOLE = [NAME, NUMBER, PAYEE]


class Bureau:
    """A served platform with one partner, one seller and three officers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.partner = self.seller = self.contract = ""
        self.port = 0

    def run(self, *arguments: str, by: str = "", lang: str = "en") -> Result:
        own = ["--officer", str(self.folder / f"{by}.key")] if by else []
        where = ["--data", str(self.folder / "platform"), "--json", "--lang", lang]
        return CliRunner().invoke(admin.app, [*where, *own, *arguments])

    def said(self, *arguments: str, by: str = "") -> Any:
        ran = self.run(*arguments, by=by)
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout.splitlines()[-1])

    def made(self, *arguments: str) -> str:
        """The id of what ann proposed and bob approved."""
        said = self.said(*arguments, by="ann")
        self.said("approve", said["proposal"], by="bob")
        made: str = said["id"]
        return made

    def recipient(self, *arguments: str) -> str:
        year = int(clock.shanghai_day(clock.SystemClock().now())[:4])
        named = ["某会计师事务所", "--contact", "privacy@auditor.example", "--age-key", str(READER.to_public())]
        return self.made("recipient", "add", *named, "--until", f"{year + 2}-12-31", *arguments)

    def fill(self, port: int) -> None:
        """Officers, a partner with a key, a seller through the front door."""
        for name in ("ann", "bob"):
            self.said("officer", "register", str(self.folder / f"{name}.key"))
        self.made("officer", "propose", str(self.folder / "cem.key"))
        self.partner = self.made("partner", "add", "blue")
        write_key_file(self.folder / "partner.key", SigningKey("key_" + "0" * 26, "ed25519", bytes(range(32))))
        key = read_key_file(self.folder / "partner.key")
        self.made("key", "add", self.partner, str(key.public), "--id", key.id)
        platform_keys = load_keys(load_settings(self.folder / "platform"))
        keys = {platform_keys.key_id: platform_keys.public_key}
        with Platform(f"http://127.0.0.1:{port}", origin=ORIGIN, key_id=key.id, signer=key.signer, keys=keys) as asked:
            seller = asked.register_seller(name=NAME, identity_number="110101199003070038", number=NUMBER, payee=PAYEE)
        assert not isinstance(seller, Refused), seller
        self.seller = seller.seller


@pytest.fixture(scope="module")
def bureau() -> Iterator[Bureau]:
    """A folder through which the database's own account may pass, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="suyuan-test-") as name:
        Path(name).chmod(0o711)
        settings = settle_settings(Path(name) / "platform", {"port": 0, "origin": ORIGIN})
        with Supervisor(settings) as running:
            until_s = clock.monotonic_s() + LINE_WAIT_S
            while not settings.line_socket.exists() and clock.monotonic_s() < until_s:
                running.keep_running()
            bureau = Bureau(Path(name))
            bureau.port = running.port
            bureau.fill(running.port)
            yield bureau


def events(bureau: Bureau) -> list[str]:
    """Kind and reference of everything that history holds of reads."""
    ran = CliRunner().invoke(history_app(), ["show", "--data", str(bureau.folder / "platform"), "--json"])
    return ran.stdout.splitlines()


def history_app() -> Any:
    from suyuan.faces.cli import history

    return history.app


def test_a_seller_is_shown_masked_and_the_look_is_kept_with_its_reason(bureau: Bureau) -> None:
    shown = bureau.said("seller", "show", bureau.seller, "--reference", "call 17", by="ann")
    assert shown == {"seller": bureau.seller, "name": "欧**", "number": "139****2222", "payee": "**0128"}
    only = bureau.said("seller", "show", bureau.seller, "--reference", "call 17", "--field", "name", by="bob")
    assert only == {"seller": bureau.seller, "name": "欧**"}
    assert any('"reference":"call 17"' in line and "fields_read/2" in line for line in events(bureau))
    counted = {row["counter"].partition("/")[2]: row["items"] for row in bureau.said("export", "counts")}
    officer = read_key_file(bureau.folder / "bob.key").id
    assert {place: items for place, items in counted.items() if officer in place} == {f"{officer}/other": 1}


@pytest.mark.parametrize("words", [["--reference", ""], ["--reference", "exp_1"], ["--reference", "wrt_1"], []])
def test_without_a_reason_of_ones_own_nothing_is_shown(bureau: Bureau, words: list[str]) -> None:
    ran = bureau.run("seller", "show", bureau.seller, *words, by="ann")
    assert ran.exit_code != 0
    assert not [value for value in (*WHOLE, "139****2222") if value in ran.output]


def test_a_seller_who_is_not_there_is_said_so(bureau: Bureau) -> None:
    ran = bureau.run("seller", "show", "slr_none", "--reference", "call 18", by="ann", lang="zh")
    assert ran.exit_code == 1
    assert "该卖卡人的信息不予打开" in ran.stderr


def test_an_order_opens_what_it_names_whole_and_nothing_else(bureau: Bureau, tmp_path: Path) -> None:
    """From the paper to the value: two officers, then the look, then the end."""
    scan = tmp_path / "notice.pdf"
    scan.write_bytes(b"a scan")
    day = clock.shanghai_day(clock.SystemClock().now())
    terms = ["--document-no", "2026-17", "--document", str(scan), "--begins", day, "--ends", day]
    named = ["--subject", bureau.seller, "--field", "seller.number/1", "--field", "seller.identity_number/1"]
    warrant = bureau.made("warrant", "add", "某市公安局", *terms, *named)
    (listed,) = bureau.said("warrant", "list")
    assert (listed["id"], len(listed["document_sha256"])) == (warrant, 64)
    opened = bureau.said("warrant", "open", warrant, by="bob")
    assert {row["field"]: row["value"] for row in opened} == {
        "seller.number/1": NUMBER, "seller.identity_number/1": "110101199003070038",
    }  # fmt: skip
    bureau.said("approve", bureau.said("warrant", "end", warrant, by="bob")["proposal"], by="ann")
    refused = bureau.run("warrant", "open", warrant, by="bob")
    assert "warrant_is_not_in_force" in refused.stderr
    assert "warrant_is_not_in_force" in bureau.run("warrant", "open", "wrt_none", by="bob").stderr


def test_an_export_from_the_wish_to_the_recipients_desk(bureau: Bureau, tmp_path: Path) -> None:
    """Proposed by filter, looked at, approved, made, listed; the second try is refused."""
    recipient = bureau.recipient("--role", "auditor")
    year = int(clock.shanghai_day(clock.SystemClock().now())[:4])
    columns = [word for name in ("seller", "name", "number", "payee") for word in ("--column", name)]
    wish = ["--purpose", "audit_compliance", "--recipient", recipient, *columns, "--use-until", f"{year + 1}-06-30"]
    said = bureau.said("export", "propose", *wish, "--partner", bureau.partner, by="ann")
    shown = bureau.said("export", "show", said["proposal"])
    assert (shown["state"], shown["sellers"], shown["recipient_name"]) == ("proposed", 1, "某会计师事务所")
    assert "个人信息保护法 2021 54" in shown["basis"]
    bureau.said("approve", said["proposal"], by="bob")
    file = tmp_path / "export.age"
    assert "export_is_another_officers" in bureau.run("export", "make", said["id"], "--to", str(file), by="bob").stderr
    made = bureau.said("export", "make", said["id"], "--to", str(file), by="ann")
    plain = pyrage.decrypt(file.read_bytes(), [READER]).decode("utf-8-sig")
    headings, row = csv.reader(io.StringIO(plain, newline=""))
    assert row[1:] == ["欧**", "139****2222", "**0128"]
    assert headings[1:] == ["name 姓名", "number 手机号码", "payee account 收款账户"]
    ledger = {row["id"]: row for row in bureau.said("export", "list")}
    assert (ledger[said["id"]]["state"], ledger[said["id"]]["sha256"]) == ("made", made["sha256"])
    again = bureau.run("export", "make", said["id"], "--to", str(tmp_path / "b.age"), by="ann")
    assert "export_was_made_already" in again.stderr
    assert not (tmp_path / "b.age").exists()
    logs = b"".join(log.read_bytes() for log in (bureau.folder / "platform" / "log").iterdir())
    assert not [value for value in WHOLE if value.encode() in logs]


def test_a_filter_that_finds_nobody_and_a_day_that_is_none_are_said_so(bureau: Bureau) -> None:
    wish = ["--purpose", "audit_compliance", "--recipient", "rcp_1", "--column", "seller"]
    nobody = bureau.run("export", "propose", *wish, "--use-until", "2027-01-31", "--partner", "ptn_none", by="ann")
    assert (nobody.exit_code, "finds nobody" in nobody.stderr) == (2, True)
    no_day = bureau.run("export", "propose", *wish, "--use-until", "31.1.2027", by="ann")
    assert (no_day.exit_code, "YYYY-MM-DD" in no_day.stderr) == (2, True)
    assert "export_is_unknown" in bureau.run("export", "show", "prp_none").stderr


def test_what_goes_beyond_half_a_cap_says_who_is_asked_next(bureau: Bureau, tmp_path: Path) -> None:
    """`rows_max` lines of trade are that many items, so 251 of them take a third."""
    recipient = bureau.recipient("--role", "partner", "--partner", bureau.partner)
    year = int(clock.shanghai_day(clock.SystemClock().now())[:4])
    wish = ["--purpose", "reconcile_partner", "--recipient", recipient, "--column", "redemption", "--rows-max", "251"]
    said = bureau.said(
        "export", "propose", *wish, "--use-until", f"{year + 1}-06-30", "--subject", bureau.seller, by="ann"
    )  # fmt: skip
    approved = bureau.run("approve", said["proposal"], by="bob")
    assert f"export agree {said['id']}" in approved.stderr
    file = str(tmp_path / "a.age")
    assert "export_needs_a_third_person" in bureau.run("export", "make", said["id"], "--to", file, by="ann").stderr
    assert "export_needs_a_third_person" in bureau.run("export", "agree", said["id"], by="bob").stderr
    bureau.said("export", "agree", said["id"], by="cem")
    assert bureau.said("export", "make", said["id"], "--to", file, by="ann")["rows"] == 0
