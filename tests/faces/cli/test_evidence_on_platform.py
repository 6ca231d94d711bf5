"""`suyuan evidence` beside a running platform: proofs, bundles, witnesses, and the day after a loss.

One platform serves all tests. That day is the last of them, because it stops it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from suyuan.app.supervisor import Supervisor, database_url
from suyuan.base import clock, db
from suyuan.config import FILE, Settings
from suyuan.evidence.check import check_bundle, read_policy
from suyuan.faces.cli import app
from suyuan.faces.cli.serve import settings_text, settle_settings
from suyuan.faces.simulate.witnesses import RunningWitness, policy_text
from suyuan.history.store import next_seq
from tests.evidence.authorities_of_time import Authority, served
from tests.faces.cli.test_evidence import voucher

WITHIN_S = 30.0


class House:
    """A platform with a witness, two officers (`anna.key`, `bo.key`) and a partner: four events and more."""

    def __init__(self, folder: Path, witness: RunningWitness) -> None:
        self.folder, self.data, self.witness = folder, folder / "platform", witness
        self.policy = self.data / "public-log" / "policy.tlog-policy"
        asked = {"port": 0, "log_name": "green.example/log", "log_policy": "witnesses.tlog-policy"}
        self.data.mkdir(mode=0o711)
        (self.data / FILE).write_text(settings_text(asked), "utf-8")
        (self.data / "witnesses.tlog-policy").write_text(policy_text([], {"notary": [witness.asked]}), "utf-8")
        self.settings: Settings = settle_settings(self.data, {})
        self.before: dict[str, Result] = {}
        self.running = Supervisor(self.settings)

    def start(self) -> None:
        self.running.__enter__()
        # What is said where nothing has ever happened is asked before anything does.
        self.before = {name: self.run(name) for name in ("status", "witness", "begin")}
        self.before["bundle"] = self.bundle("0", "--out", str(self.folder / "early.suyuan-evidence.zip"))
        self.running.keep_running()
        until(self.settings.line_socket.exists)
        for name in ("anna", "bo"):
            self.admin("officer", "register", str(self.folder / f"{name}.key"))
        (self.folder / "papers").mkdir()
        (self.folder / "papers" / "list.json").write_text('{"numbers":["13800000001"]}')
        (self.folder / "papers" / "foreign.json").write_bytes(voucher())
        until(self.vkeys)
        self.witness.watch(self.vkeys())
        self.propose("Green Cards")
        self.wait_until_cosigned()

    def stop(self) -> None:
        self.running.__exit__(None, None, None)

    def run(self, command: str, *arguments: str, lang: str = "en") -> Result:
        return CliRunner().invoke(
            app, ["evidence", command, *arguments, "--data", str(self.data), "--lang", lang], env={"COLUMNS": "200"}
        )

    def bundle(self, *arguments: str, officer: str = "anna", lang: str = "en") -> Result:
        key = ["--key-file", str(self.folder / f"{officer}.key")]
        return self.run("bundle", *arguments, *key, "--reference", "case 17", lang=lang)

    def admin(self, *arguments: str) -> Any:
        ran = CliRunner().invoke(app, ["admin", "--data", str(self.data), "--json", *arguments])
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout.splitlines()[-1])

    def propose(self, partner: str) -> None:
        """One event more."""
        self.admin("--officer", str(self.folder / "anna.key"), "partner", "add", partner)

    def events(self) -> int:
        with db.connect(database_url(self.settings)) as connection:
            return next_seq(connection)

    def sizes(self) -> tuple[int, int]:
        """How many events the newest shard covers, and how many of them witnesses have seen."""
        told = json.loads(self.run("status", "--json").stdout)
        return (told["shards"][-1]["signed"], told["shards"][-1]["cosigned"]) if told["shards"] else (0, 0)

    def wait_until_cosigned(self) -> None:
        until(lambda: self.sizes() == (self.events(), self.events()))

    def vkeys(self) -> list[str]:
        """The log's Ed25519 keys, once there is one."""
        file = self.data / "public-log" / "shards.json"
        return [one["vkeys"][0] for one in json.loads(file.read_bytes())["shards"]] if file.exists() else []


def until(holds: Callable[[], object]) -> None:
    until_s = clock.monotonic_s() + WITHIN_S
    while not holds():
        assert clock.monotonic_s() < until_s, "it never came"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """In a folder through which the database's own account may pass, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="suyuan-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with RunningWitness(folder / "witness", "notary.example/witness") as witness:
            house = House(folder, witness)
            try:
                house.start()
                yield house
            finally:
                house.stop()


@pytest.fixture
def quiet(house: House) -> Iterator[House]:
    """What goes wrong here leaves no event behind, and no file."""
    before = house.events()
    files = set(house.folder.iterdir())
    yield house
    assert house.events() == before
    assert set(house.folder.iterdir()) == files


# --- nothing yet ---------------------------------------------------------------------------------


def test_where_nothing_is_sealed_yet_every_command_says_so(house: House) -> None:
    for name, status in {"status": 0, "witness": 0, "begin": 1, "bundle": 1}.items():
        ran = house.before[name]
        assert ran.exit_code == status, ran.output
        assert "Nothing is sealed yet; start the platform with `suyuan serve`" in ran.stderr


def test_where_there_is_no_platform_nothing_is_made(tmp_path: Path) -> None:
    new = str(tmp_path / "new.suyuan-evidence.zip")
    for words in (
        ["status"], ["witness"], ["begin"], ["rebuild", "2026"], ["prove", "0", "--out", str(tmp_path / "new")],
        ["bundle", "0", "--out", new, "--key-file", "any.key", "--reference", "case 17"],
    ):  # fmt: skip
        for lang, said in {"en": "there is no platform in", "zh": "中没有平台"}.items():
            ran = CliRunner().invoke(app, ["evidence", *words, "--data", str(tmp_path / "none"), "--lang", lang])
            assert ran.exit_code == 2, ran.output
            assert said in ran.stderr
    assert list(tmp_path.iterdir()) == []


# --- prove, status, witness ----------------------------------------------------------------------


def test_a_proof_is_good_for_whoever_has_the_policy(house: House) -> None:
    out = house.folder / "proofs"
    ran = house.run("prove", "0", "2", "--out", str(out))
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines() == ["0: cosigned", "2: cosigned"]
    proof = str(out / "0" / "record.tlog-proof")
    checked = CliRunner().invoke(app, ["evidence", "verify", proof, "--policy", str(house.policy), "--lang", "en"])
    assert checked.exit_code == 0, checked.output
    assert "The witness notary.example/witness saw this log at" in checked.stdout


@pytest.mark.parametrize(
    ("what", "lang", "said"),
    [
        (["prp_nobody"], "en", "History holds nothing of prp_nobody; look it up with `suyuan history show`."),
        (["0", "prp_nobody"], "en", "History holds nothing of prp_nobody"),
        (["9" * 20], "en", "History holds nothing of 99999999999999999999"),
        (["9" * 5_000], "en", "History holds nothing of 99999"),
        (["0", "99999999999999999999999"], "zh", "历史中没有 99999999999999999999999 的内容"),
        (["0", "１"], "zh", "历史中没有 １ 的内容，请用 `suyuan history show` 查对。"),
    ],
)
def test_what_history_never_heard_of_is_named_also_beside_what_it_knows(
    quiet: House, tmp_path: Path, what: list[str], lang: str, said: str
) -> None:
    ran = quiet.run("prove", *what, "--out", str(tmp_path / "new"), lang=lang)
    assert ran.exit_code == 1, ran.output
    assert said in ran.stderr
    ran = quiet.bundle(*what, "--out", str(tmp_path / "new.suyuan-evidence.zip"), lang=lang)
    assert ran.exit_code == 1, ran.output
    assert said in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_proofs_are_never_put_among_other_files(quiet: House, tmp_path: Path) -> None:
    ran = quiet.run("prove", "0", "--out", str(tmp_path))
    assert (ran.exit_code, ran.stderr) == (2, f"{tmp_path} is there already; name a new folder.\n")


def test_status_and_witness_tell_how_far_each_has_come(house: House) -> None:
    house.wait_until_cosigned()
    (asked,) = json.loads(house.run("witness", "--json").stdout)
    assert asked == {
        "shard": "2026", "signed": house.events(), "witness": "notary-1", "seen": house.events(),
        "url": house.witness.url,
    }  # fmt: skip
    shown = house.run("status")
    assert shown.exit_code == 0, shown.output
    assert "green.example/log/2026" in shown.stdout


def test_a_witness_that_does_not_cosign_holds_up_no_sealing_but_every_bundle(house: House, tmp_path: Path) -> None:
    """A court would not believe it, so the platform hands out none; the proof by itself says what it is."""
    house.witness.watch([])
    house.propose("Blue Cards")
    place = str(house.events() - 1)
    until(lambda: house.sizes() == (house.events(), house.events() - 1))
    assert house.run("prove", place, "--out", str(tmp_path / "new")).stdout == f"{place}: not yet cosigned\n"
    before = house.events()
    for lang, said in {"en": "too few witnesses have cosigned", "zh": "联署的见证方尚未达到法定数"}.items():
        ran = house.bundle(place, "--out", str(tmp_path / "new.suyuan-evidence.zip"), lang=lang)
        assert ran.exit_code == 1, ran.output
        assert said in ran.stderr
        assert "suyuan evidence witness" in ran.stderr
    assert house.events() == before
    house.witness.watch(house.vkeys())
    house.wait_until_cosigned()
    made = house.bundle(place, "--out", str(tmp_path / "new.suyuan-evidence.zip"))
    assert made.exit_code == 0, made.output


# --- bundles -------------------------------------------------------------------------------------


def test_a_bundle_checks_itself_and_history_keeps_that_it_was_made(house: House, tmp_path: Path) -> None:
    house.wait_until_cosigned()
    file, before = tmp_path / "case.suyuan-evidence.zip", house.events()
    ran = house.bundle("0", "1", "--out", str(file))
    assert ran.exit_code == 0, ran.output
    assert "holds 2 records" in ran.stderr
    bundle = check_bundle(file, read_policy(house.policy.read_bytes()))
    assert [one.seq for one in bundle.records] == [0, 1]
    house.wait_until_cosigned()
    assert house.events() == before + 1
    told = CliRunner().invoke(app, ["history", "show", "--data", str(house.data), "--from", str(before)])
    assert f'"manifest_sha256":"{bundle.manifest_sha256}"' in told.stdout
    with zipfile.ZipFile(file) as archive:
        listed = json.loads(archive.read("keys.json"))["keys"]
    log_keys = [one for one in listed if one["use"] == "log"]
    assert len(log_keys) == 2, "the SM2 key is not listed, so nobody could check its line"
    assert all(0 < one["begins_at"] <= bundle.records[0].record["at"] for one in log_keys)


_MISTAKES: dict[str, tuple[list[str], str, str]] = {
    "another ending": (["--out", "{new}.zip"], "choose one that ends in .suyuan-evidence.zip", "不能作为证据包的名称"),
    "there already": (["--out", "{there}"], "is there already; name a new file.", "已存在，请另取文件名。"),
    "no folder": (["--out", "{new}/x.suyuan-evidence.zip"], "There is no folder", "没有文件夹"),
    "people without a warrant": (["--subject", "slr_1"], "take the --warrant that names them", "同用"),
    "a warrant without people": (["--warrant", "wrt_1"], "takes at least one --subject", "至少与一个 --subject 同用"),
    "no case": (["--reference", ""], "Name the case with --reference", "请以 --reference 写明案由"),
    "a number in the case": (["--reference", "13800138000"], "text_holds_personal_value", "text_holds_personal_value"),
    "no key file": (["--key-file", "{new}"], "cannot be read", "cannot be read"),
    "a warrant that is none": (["--warrant", "wrt_1", "--subject", "slr_1"], "warrant_is_not_in_force", "调取文书"),
    "no paper": (["--paper", "{new}"], "No such file", "No such file"),
    "a paper of nobody": (["--paper", "{list}"], "list.json: this is none of the platform's papers", "不是有效的平台"),
    "a paper of somebody else": (["--paper", "{foreign}"], "foreign.json names a seller", "foreign.json 指明了卖卡人"),
    "two papers of one name": (["--paper", "{list}", "--paper", "{list}"], "two papers list.json", "同名 list.json"),
    "a paper without an end": (["--paper", "/dev/zero"], "has more than", "超过"),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(quiet: House, tmp_path: Path, mistake: str) -> None:
    """Above all no event that says a bundle was made."""
    more, en, zh = _MISTAKES[mistake]
    there = tmp_path / "there.suyuan-evidence.zip"
    there.write_bytes(b"mine")
    names = {"new": tmp_path / "new", "there": there, "list": quiet.folder / "papers" / "list.json"}
    names["foreign"] = quiet.folder / "papers" / "foreign.json"
    given = ["0", "--out", str(tmp_path / "new.suyuan-evidence.zip"), "--key-file", str(quiet.folder / "anna.key")]
    given += ["--reference", "case 17", *(word.format(**names) for word in more)]
    for lang, said in {"en": en, "zh": zh}.items():
        ran = quiet.run("bundle", *given, lang=lang)
        assert ran.exit_code in (1, 2), ran.output
        assert said in ran.stderr
        assert "Traceback" not in ran.output
    assert list(tmp_path.iterdir()) == [there]
    assert there.read_bytes() == b"mine"


def test_a_warrant_has_to_name_the_keys_of_records_too(house: House, tmp_path: Path) -> None:
    """The sentence names the field, because nobody would guess it."""
    (tmp_path / "order").write_text("the order")
    own = ["--officer", str(house.folder / "anna.key")]
    said = house.admin(
        *own, "warrant", "add", "某市公安局", "--document-no", "1", "--document", str(tmp_path / "order"),
        "--subject", "slr_1", "--field", "seller.name/1", "--begins", "2026-01-01", "--ends", "2099-12-31",
    )  # fmt: skip
    house.admin("--officer", str(house.folder / "bo.key"), "approve", said["proposal"])
    given = ["0", "--out", str(tmp_path / "new.suyuan-evidence.zip"), "--warrant", said["id"], "--subject", "slr_1"]
    for lang in ("en", "zh"):
        ran = house.bundle(*given, lang=lang)
        assert ran.exit_code == 1, ran.output
        assert "leaf.sealed_keys/1" in ran.stderr


@pytest.fixture
def with_settings(house: House) -> Iterator[Callable[[str], None]]:
    """Writes lines below the settings, for the commands of one test."""
    file = house.data / FILE
    before = file.read_text("utf-8")

    def write(more: str) -> None:
        file.write_text(before + more, "utf-8")

    yield write
    file.write_text(before, "utf-8")


def test_without_a_stamp_there_is_no_bundle_and_no_record_of_one(
    quiet: House, tmp_path: Path, with_settings: Callable[[str], None]
) -> None:
    authority = Authority(tmp_path)
    new = ["0", "--out", str(quiet.folder / "new.suyuan-evidence.zip")]
    for tsa_url, roots, said in (
        ("http://127.0.0.1:9/", "ca.pem", "cannot be reached"),
        ("http://127.0.0.1:9/", "none.pem", "tsa_ca_file holds no readable PEM"),
        ("ftp://127.0.0.1/", "ca.pem", "tsa_url is not"),
    ):
        with_settings(f'tsa_url = "{tsa_url}"\ntsa_ca_file = "{authority.folder / roots}"\n')
        ran = quiet.bundle(*new)
        assert ran.exit_code == 1, ran.output
        assert "No bundle was made, and none is on record: " in ran.stderr
        assert said in ran.stderr


def test_a_stamp_comes_with_the_bundle(house: House, tmp_path: Path, with_settings: Callable[[str], None]) -> None:
    authority, file = Authority(tmp_path), tmp_path / "stamped.suyuan-evidence.zip"
    with served(authority) as url:
        with_settings(f'tsa_url = "{url}/good"\ntsa_ca_file = "{authority.folder / "ca.pem"}"\n')
        ran = house.bundle("0", "--out", str(file))
    assert ran.exit_code == 0, ran.output
    trusted = ["--policy", str(house.policy), "--tsa-ca", str(authority.folder / "ca.pem"), "--lang", "en"]
    checked = CliRunner().invoke(app, ["evidence", "verify", str(file), *trusted])
    assert checked.exit_code == 0, checked.output
    assert "stamped by" in checked.stdout


# --- the day after -------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["torn", "away"])
def test_a_policy_that_cannot_be_read_stops_the_start_and_is_named(tmp_path: Path, harm: str) -> None:
    (tmp_path / FILE).write_text('log_policy = "mine.tlog-policy"\n', "utf-8")
    if harm == "torn":
        (tmp_path / "mine.tlog-policy").write_text("witness me\n", "utf-8")
    ran = CliRunner().invoke(app, ["serve", "--data", str(tmp_path)])
    assert ran.exit_code == 2, ran.output
    assert "mine.tlog-policy, which log_policy names, cannot be read" in ran.stderr
    assert not (tmp_path / "pg").exists()


def test_the_day_after_a_loss_each_command_leads_to_the_next(house: House, tmp_path: Path) -> None:
    """Files lost, then the database: what the sentences say to do is what helps."""
    house.wait_until_cosigned()
    events, shard = house.events(), house.data / "public-log" / "2026"
    refused = house.run("begin")
    assert refused.exit_code == 1
    assert f"Nothing is lost: shard 2026 has signed {events} events" in refused.stderr
    assert "没有丢失" in house.run("begin", lang="zh").stderr
    assert "Another process is writing" in house.run("rebuild", "2026").stderr
    note = (shard / "checkpoint").read_bytes()
    (tmp_path / "witness").write_bytes(note)
    (tmp_path / "junk").write_bytes(b"junk")
    house.stop()
    with db.Server(house.data / "pg"):
        house.witness.stop()
        assert "Where nothing is seen, the witness does not answer" in house.run("witness").stderr
        assert "There is no shard 2025; see `suyuan evidence status`." in house.run("rebuild", "2025").stderr
        shutil.rmtree(shard)
        assert "suyuan evidence rebuild --checkpoint" in house.run("rebuild", "2026").stderr
        assert "suyuan evidence rebuild --checkpoint" in house.run("begin").stderr
        assert (
            "is not signed by this log" in house.run("rebuild", "2026", "--checkpoint", str(tmp_path / "junk")).stderr
        )
        rebuilt = house.run("rebuild", "2026", "--checkpoint", str(tmp_path / "witness"))
        assert rebuilt.exit_code == 0, rebuilt.output
        assert f"{events} entries are as they were signed." in rebuilt.stderr
        # The file of somewhere else never takes the place of a newer one.
        house.run("rebuild", "2026", "--checkpoint", str(tmp_path / "junk"))
        assert (shard / "checkpoint").read_bytes() == note
        with db.connect(database_url(house.settings), autocommit=True) as connection:
            connection.execute("DELETE FROM event WHERE seq >= %s", (events - 2,))
            connection.execute("DELETE FROM leaf WHERE seq >= %s", (events - 2,))
        assert "`suyuan evidence begin`" in house.run("rebuild", "2026").stderr
        begun = house.run("begin", lang="zh")
        assert begun.exit_code == 0, begun.output
        assert f"分片 2026-2 自第 {events - 2} 号事件开始" in begun.stderr
