"""`suyuan admin` and `suyuan audit` beside a running line: what takes two officers, what one may do, what is shown."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from suyuan.app.supervisor import Supervisor, database_url
from suyuan.base import clock, db
from suyuan.faces.cli import admin, audit, leak, retention
from suyuan.faces.cli.admin import office
from suyuan.faces.cli.serve import settle_settings
from suyuan.faces.cli.speaking import print_table
from suyuan.settle import roll
from suyuan.settle.account import FOR_EVER, Partner
from tests.flows.house import insert, seller
from tests.privacy.drawn_photos import as_file, draw_photo

pytestmark = pytest.mark.usefixtures("platform")

LINE_WAIT_S = 20.0
AGE_KEY = "age1n2pqcy82ny3j097ljjch64q7jxc92sfy2funm0pamln0zfnvjgdsuc067f"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder through which the database's own account may pass, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="suyuan-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def platform(folder: Path) -> Iterator[Path]:
    """A platform whose line answers, with two officers: `first.key` and `second.key`."""
    settings = settle_settings(folder / "platform", {"port": 0})
    with Supervisor(settings) as running:
        running.keep_running()
        until_s = clock.monotonic_s() + LINE_WAIT_S
        while not settings.line_socket.exists() and clock.monotonic_s() < until_s:
            running.keep_running()
        for name in ("first", "second"):
            ran = _run(folder, "officer", "register", str(folder / f"{name}.key"))
            assert ran.exit_code == 0, ran.output
        yield folder / "platform"


def _run(folder: Path, *arguments: str, officer: str = "", lang: str = "en") -> Result:
    own = ["--officer", str(folder / f"{officer}.key")] if officer else []
    where = ["--data", str(folder / "platform"), "--json", "--lang", lang]
    return CliRunner().invoke(admin.app, [*where, *own, *arguments])


def _said(ran: Result) -> Any:
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout.splitlines()[-1])


def _made(folder: Path, *arguments: str) -> str:
    """What the first officer proposed and the second approved."""
    said = _said(_run(folder, *arguments, officer="first"))
    _said(_run(folder, "approve", said["proposal"], officer="second"))
    made: str = said["id"]
    return made


def test_a_contract_takes_two_officers(folder: Path) -> None:
    """The first proposes and may not approve; the second does, and only then the contract is there."""
    partner = _made(folder, "partner", "add", "blue")
    terms = ("--channel", "bank_transfer", "--merchant-id", "m-1", "--ratio", "10:8")
    said = _said(_run(folder, "contract", "add", partner, *terms, officer="first"))
    assert _said(_run(folder, "contract", "list")) == []
    refused = _run(folder, "approve", said["proposal"], officer="first")
    assert refused.exit_code == 1
    assert "proposal_needs_a_second_person" in refused.stderr
    waiting = _said(_run(folder, "proposals"))
    assert [proposal["id"] for proposal in waiting] == [said["proposal"]]
    _said(_run(folder, "approve", said["proposal"], officer="second"))
    (contract,) = _said(_run(folder, "contract", "list", "--partner", partner))
    assert (contract["id"], contract["ratio_face"], contract["ratio_value"]) == (said["id"], 10, 8)


def test_a_hold_takes_one_officer_and_its_end_two(folder: Path) -> None:
    """By somebody who is no officer nothing is held; a seller that is none cannot be."""
    refused = _run(folder, "seller", "hold", "slr_nobody", "--case", "case_7", officer="first")
    assert refused.exit_code == 1
    assert "seller_is_unknown" in refused.stderr
    assert _said(_run(folder, "seller", "held")) == []


def test_nobody_is_certified_who_was_not_forgotten(folder: Path, tmp_path: Path) -> None:
    """A sentence, and no file."""
    refused = _run(folder, "seller", "certificate", "slr_nobody", "--to", str(tmp_path / "certificate.json"))
    assert refused.exit_code == 1
    assert "seller_is_unknown" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_rules_of_retention_are_shown_with_their_law(folder: Path) -> None:
    """And a dry run of a new platform has nothing to do."""
    where = ["--data", str(folder / "platform"), "--json", "--lang", "zh"]
    rules = _said(CliRunner().invoke(retention.app, [*where, "rules"]))
    assert {rule["law"] for rule in rules} == {"个人信息保护法", "电子商务法", "反电信网络诈骗法"}
    assert _said(CliRunner().invoke(retention.app, [*where, "plan", "--days", "9999"])) == []
    assert _said(CliRunner().invoke(retention.app, [*where, "report"])) == []


def test_a_refusal_is_a_sentence_in_the_users_language(folder: Path) -> None:
    """No code alone, no traceback."""
    refused = _run(folder, "approve", "prp_nobody", officer="first", lang="zh")
    assert refused.exit_code == 1
    assert "没有这项提案" in refused.stderr


def test_a_third_officer_cannot_simply_register(folder: Path) -> None:
    """The two seats are taken, so a further officer is proposed like any other change."""
    refused = _run(folder, "officer", "register", str(folder / "third.key"))
    assert "officers_are_registered" in refused.stderr
    third = _made(folder, "officer", "propose", str(folder / "third.key"))
    assert third.startswith("ofc_")
    assert _said(_run(folder, "switch", "stop", "channel:coupon_hall", officer="third"))


def test_an_officers_key_is_its_holders_alone(folder: Path) -> None:
    """It is made unreadable for others, and refused where somebody opened it."""
    key = folder / "first.key"
    assert key.stat().st_mode & 0o777 == 0o600
    loose = folder / "loose.key"
    loose.write_bytes(key.read_bytes())
    loose.chmod(0o644)
    ran = _run(folder, "switch", "stop", "platform", officer="loose")
    assert ran.exit_code != 0
    assert "chmod 600" in ran.stderr


def test_a_key_lives_through_its_states(folder: Path) -> None:
    """Added as next, made active, revoked; nothing leads back."""
    partner = _made(folder, "partner", "add", "green")
    public = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = _made(folder, "key", "add", partner, public, "--state", "next")
    for state in ("active", "revoked"):
        said = _said(_run(folder, "key", "move", key, state, officer="second"))
        _said(_run(folder, "approve", said["proposal"], officer="first"))
    said = _said(_run(folder, "key", "move", key, "active", officer="first"))
    refused = _run(folder, "approve", said["proposal"], officer="second")
    assert "proposal_is_impossible" in refused.stderr
    (shown,) = _said(_run(folder, "key", "list", "--partner", partner))
    assert shown["state"] == "revoked"


def test_a_wide_table_stands_on_its_side(capsys: pytest.CaptureFixture[str]) -> None:
    """Eleven columns in eighty characters are read by nobody, nor are three with ids; ids are whole either way."""
    identifier = "ctr_" + "0" * 26
    print_table(roll.ListedContract._fields, [(identifier, *range(9), FOR_EVER)])
    print_table(("id", "state"), [(identifier, None)])
    print_table(("id", "partner", "agent"), [(identifier, identifier, identifier)])
    shown = capsys.readouterr().out
    assert shown.count(identifier) == 5
    assert "merchant_id" in shown
    assert str(FOR_EVER) not in shown


def test_an_officer_is_told_what_comes_next(folder: Path) -> None:
    """A proposal changes nothing yet, and a channel without an interface would never pay."""
    partner = _made(folder, "partner", "add", "red")
    where = ["--data", str(folder / "platform"), "--officer", str(folder / "first.key"), "--lang", "en"]
    terms = ["--channel", "bank_transfr", "--merchant-id", "m-1", "--ratio", "10:8"]
    ran = CliRunner().invoke(admin.app, [*where, "contract", "add", partner, *terms])
    assert re.search(r"no interface for the channel bank_transfr", ran.stderr)
    assert re.search(r"Another officer: .* approve prp_\w{26}", ran.stderr)
    ran = CliRunner().invoke(admin.app, [*where, "contract", "add", partner, *terms, "--value-kind", "cash"])
    assert (ran.exit_code, "'points'" in ran.stderr) == (2, True)


def test_sellers_are_shown_by_pseudonym(folder: Path) -> None:
    assert _said(_run(folder, "seller", "list")) == []


def test_selling_on_what_was_never_taken_is_refused(folder: Path) -> None:
    refused = _run(folder, "sell-on", "rdm_unknown", "buyer")
    assert "redemption_is_unknown" in refused.stderr


def test_the_books_of_a_young_platform_are_balanced(folder: Path, platform: Path) -> None:
    """Every field of BENCH is there, and every rule holds."""
    ran = CliRunner().invoke(audit.app, ["books", "--data", str(platform), "--json"])
    facts = _said(ran)
    assert facts["balanced"]
    assert all(facts["invariants"].values())
    assert facts["postings"] == 0
    assert facts["history_events"] > 0


def test_a_line_that_is_not_there_is_said_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's language, and without waiting for ever."""
    monkeypatch.setattr(office, "LINE_WAIT_S", 0.1)
    where = ["--data", str(folder / "nowhere"), "--officer", str(folder / "first.key"), "--lang", "zh"]
    ran = CliRunner().invoke(admin.app, [*where, "sell-on", "rdm_1", "agt_1"])
    assert ran.exit_code == 1
    assert "本机没有运行中的平台" in ran.stderr
    without_key = CliRunner().invoke(admin.app, ["--lang", "zh", "switch", "stop", "platform"])
    assert "密钥文件" in without_key.stderr


def test_a_folder_without_a_platform_is_said_so(folder: Path) -> None:
    ran = CliRunner().invoke(audit.app, ["books", "--data", str(folder / "nowhere")])
    assert ran.exit_code != 0
    assert "no platform" in ran.stderr
    assert not (folder / "nowhere").exists()


def test_whoever_is_not_registered_cannot_be_forgotten(folder: Path) -> None:
    """The proposal is only words; the second officer's approval meets the register, and says why it cannot be."""
    said = _said(_run(folder, "seller", "forget", "slr_nobody", "--reason", "request 7", officer="first"))
    refused = _run(folder, "approve", said["proposal"], officer="second", lang="zh")
    assert refused.exit_code == 1
    assert "seller_is_unknown" in refused.stderr
    assert _said(_run(folder, "seller", "forgotten")) == []


@pytest.fixture(scope="module")
def sold(platform: Path) -> str:
    """A seller of that platform, whose papers officers bring."""
    settings = settle_settings(platform, {"port": 0})
    with db.connect(database_url(settings), autocommit=True) as connection:
        insert(connection, "partner", Partner("ptn_papers", "ptn_papers", "active", ""))
        insert(connection, "seller", seller("slr_papers", "ptn_papers"))
    return "slr_papers"


def test_a_photo_is_kept_shown_with_marks_and_deleted(folder: Path, platform: Path, sold: str) -> None:
    """The whole life of an identity card's photo, as officers type it."""
    photo, copy = folder / "IMG_王芳_身份证.jpg", folder / "copy.jpg"
    photo.write_bytes(as_file(draw_photo(1, 640, 480), comment=b"31N 121E"))
    paper = _said(_run(folder, "paper", "add", sold, str(photo), "--kind", "identity_photo", officer="first"))["paper"]
    (listed,) = _said(_run(folder, "paper", "list", "--seller", sold))
    assert (listed["id"], listed["kind"], listed["state"]) == (paper, "identity_photo", "kept")
    assert _said(CliRunner().invoke(audit.app, ["papers", "--data", str(platform), "--json"])) == {
        "kept": 1,
        "lost": [],
    }
    how = ("--purpose", "verify_seller", "--reference", "check 7", "--to", str(copy))
    shown = _said(_run(folder, "paper", "show", paper, *how, officer="second"))
    assert shown["is_marked"]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (b"31N 121E" in photo.read_bytes(), b"31N 121E" in copy.read_bytes()) == (True, False)
    leaked = CliRunner().invoke(leak.app, ["photo", str(copy), "--data", str(platform), "--lang", "en"])
    assert (leaked.exit_code, f"event {shown['read']}: ofc_" in leaked.stdout) == (0, True), leaked.output
    unmarked = _said(CliRunner().invoke(leak.app, ["photo", str(photo), "--data", str(platform), "--json"]))
    assert (unmarked["is_marked"], unmarked["read_seq"]) == (False, None)
    again = _run(folder, "paper", "show", paper, *how, officer="second", lang="zh")
    assert (again.exit_code, "已存在" in again.stderr) == (2, True)
    _said(_run(folder, "paper", "delete", paper, "--reason", "verified", officer="first"))
    (listed,) = _said(_run(folder, "paper", "list"))
    assert (listed["state"], listed["reason"]) == ("deleted", "verified")
    assert not list((platform / "papers").rglob("*.sealed"))
    copy.unlink()
    refused = _run(folder, "paper", "show", paper, *how, officer="second")
    assert (refused.exit_code, "paper_is_unknown" in refused.stderr, copy.exists()) == (1, True, False)


def test_a_file_that_is_no_photo_is_refused_with_what_to_do(folder: Path, sold: str) -> None:
    """Before the platform has heard of it."""
    file = folder / "photo.jpg"
    cases = {
        b"MZ this is a program": "另存为这些格式",
        b"": "文件为空",
        as_file(draw_photo(1, 64, 48))[:900]: "无法完整读取",
    }
    for content, sentence in cases.items():
        file.write_bytes(content)
        refused = _run(folder, "paper", "add", sold, str(file), "--kind", "card_photo", officer="first", lang="zh")
        assert (refused.exit_code, sentence in refused.stderr) == (1, True), refused.stderr
    missing = _run(folder, "paper", "add", sold, str(folder / "none.jpg"), "--kind", "card_photo", officer="first")
    assert missing.exit_code == 2


def test_a_scan_is_kept_as_it_is_and_its_lost_file_is_told(folder: Path, platform: Path, sold: str) -> None:
    scan = folder / "receipt.pdf"
    scan.write_bytes(b"%PDF-1.7\n" + b"receipt 4711\n" * 40 + b"%%EOF\n")
    paper = _said(_run(folder, "paper", "add", sold, str(scan), "--kind", "shop_paper", officer="first"))["paper"]
    (sealed,) = (platform / "papers").rglob("*.sealed")
    assert sealed.stem == paper
    assert b"receipt" not in sealed.read_bytes()
    sealed.unlink()
    ran = CliRunner().invoke(audit.app, ["papers", "--data", str(platform), "--lang", "zh"])
    assert (ran.exit_code, f"{paper}：密封文件缺失" in ran.stdout) == (1, True)
    how = ("--purpose", "answer_authority", "--reference", "wrt_1", "--to", str(folder / "copy.pdf"))
    refused = _run(folder, "paper", "show", paper, *how, officer="first")
    assert "paper_file_is_missing" in refused.stderr


# --- how officers type ---


def test_shared_options_stand_before_or_behind_the_command(folder: Path) -> None:
    """Whoever adds `--json` at the end of a line that they typed means the same."""
    before = ["--data", str(folder / "platform"), "--json", "partner", "add", "late", "--officer"]
    ran = CliRunner().invoke(admin.app, [*before, str(folder / "first.key"), "--lang=zh"])
    proposal = _said(ran)["proposal"]
    behind = CliRunner().invoke(admin.app, ["proposals", "--json", f"--data={folder / 'platform'}"])
    assert proposal in [row["id"] for row in _said(behind)]
    rules = CliRunner().invoke(retention.app, ["rules", "--json", "--data", str(folder / "platform")])
    assert _said(rules)[0]["category"] == "card_secret"


def test_behind_two_dashes_nothing_is_an_option(folder: Path) -> None:
    """A partner may have any name."""
    said = _said(_run(folder, "partner", "add", "--", "--json", officer="first"))
    listed = {row["id"]: row["change"] for row in _said(_run(folder, "proposals"))}
    assert json.loads(listed[said["proposal"]])["name"] == "--json"


LISTS = ("seller list", "seller held", "seller forgotten", "paper list", "warrant list", "recipient list")


@pytest.mark.parametrize("name", [*LISTS, "export list", "request list", "proposals"])
@pytest.mark.parametrize("limit", ["-1", "0", "1001", "many"])
def test_a_list_has_from_one_to_a_thousand_rows(folder: Path, name: str, limit: str) -> None:
    assert _run(folder, *name.split(), "--limit", limit).exit_code == 2


def test_what_is_no_text_is_refused_with_a_sentence(folder: Path) -> None:
    """Bytes of another encoding on the command line come in as lone surrogates."""
    ran = _run(folder, "seller", "forget", "slr_1", "--reason", "\udcff", officer="first")
    assert (ran.exit_code, "is not text" in ran.output) == (2, True)


@pytest.mark.parametrize("day", ["9999-12-31", "1969-12-31", "2026-02-30", "tomorrow", ""])
def test_a_day_is_one_that_can_be_kept(folder: Path, day: str) -> None:
    terms = ("--role", "auditor", "--contact", "a@b", "--age-key", AGE_KEY, "--until", day)
    ran = _run(folder, "recipient", "add", "x", *terms, officer="first")
    assert (ran.exit_code, "--until" in ran.output) == (2, True)


EXPORT = "export propose --recipient rcp_1 --use-until 2099-12-31"
ORDER = "warrant add x --document-no 1 --subject slr_1 --begins 2026-01-01 --ends 2026-01-02"


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        (f"{EXPORT} --column seller --purpose x", "audit_compliance"),
        (f"{EXPORT} --purpose audit_compliance --column x", "paid_fen_total"),
        (f"{ORDER} --document x.pdf --field card.pin/1", "card.serial/1"),
        ("request refuse req_1 --reason because", "statutory_term_runs"),
        ("paper delete pap_1 --reason because", "verified"),
        ("recipient add x --role auditor --contact a@b --until 2099-12-31 --age-key AGE", "age1"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(folder: Path, typed: str, choice: str) -> None:
    ran = _run(folder, *typed.split(), officer="first")
    assert (ran.exit_code, choice in ran.output) == (2, True), ran.output


def test_an_order_does_not_end_before_it_begins(folder: Path) -> None:
    terms = ("--document-no", "1", "--document", str(folder / "first.key"), "--subject", "slr_1")
    days = ("--field", "seller.name/1", "--begins", "2026-12-02", "--ends", "2026-12-01")
    ran = _run(folder, "warrant", "add", "x", *terms, *days, officer="first")
    assert (ran.exit_code, "--ends" in ran.output) == (2, True)


def test_the_list_of_the_forgotten_says_what_keeps_their_keys(folder: Path, platform: Path) -> None:
    """Until when, and by which law or case; whose keys are gone is kept by nothing."""
    settings = settle_settings(platform, {"port": 0})
    with db.connect(database_url(settings), autocommit=True) as connection:
        later = clock.plus(clock.SystemClock().now(), 1_000 * clock.DAY_S)
        for seller_id, shredded_at, due_at in (
            ("slr_sold", None, later),
            ("slr_gone", 5, 0),
            ("slr_case", None, later),
        ):
            row = (seller_id, "request", 1, shredded_at, 0, due_at)
            connection.execute("INSERT INTO shredding VALUES (%s, %s, %s, %s, %s, %s)", row)
            agenda = (seller_id, seller_id, "seller", "online", 1, "restricted", later)
            connection.execute("INSERT INTO retention VALUES (%s, %s, %s, %s, %s, %s, %s)", agenda)
        connection.execute("INSERT INTO legal_hold VALUES ('slr_case', 'case_7')")
    listed = {row["seller"]: row["kept_by"] for row in _said(_run(folder, "seller", "forgotten"))}
    assert listed == {
        "slr_sold": "online.seller: 电子商务法 2018, 31",
        "slr_gone": "",
        "slr_case": "legal hold: case_7",
    }
