"""`suyuan redeem` in the whole house: a real platform, a real sandbox, every command as a user types it."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.app.keys import load_keys, make_keys
from suyuan.base import db
from suyuan.config import load_settings
from suyuan.faces.cli import app
from suyuan.faces.cli.serve import settings_text
from suyuan.faces.sdk import Platform, Refused, read_key_file
from suyuan.outside.sandbox.client import Control, RunningSandbox
from suyuan.outside.sandbox.facts import Card, Merchant
from tests.conftest import clear, room_for_a_server
from tests.risk.policies import QUIET

START_S = 40.0


class WholeHouse:
    """A served platform with one partner, one contract and one seller."""

    person = ""  # The seller whom a test has registered beside the first.

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder
        make_keys(load_settings(data))
        self.sandbox = RunningSandbox(folder / "world.jsonl", load_keys(load_settings(data)).public_key)
        self.control = Control(self.sandbox.url)
        self.control.register_merchants([Merchant("bank_transfer", "m-1")])
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        operators = dict.fromkeys(("cmcc", "unicom", "telecom"), self.sandbox.url)
        settings: dict[str, Any] = {
            "port": port,
            "operators": operators,
            "channels": {"bank_transfer": self.sandbox.url},
        }
        settings["number_proof_url"] = self.sandbox.url
        (data / "suyuan.toml").write_text(settings_text(settings), "utf-8")
        self.url = f"http://127.0.0.1:{port}"
        self.log = (folder / "serve.log").open("wb")
        command = [sys.executable, "-m", "suyuan", "serve", "--data", str(data)]
        self.platform = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def open(self) -> None:
        """What officers and the partner do on the first day."""
        self.suyuan_until_done("key", "pin", self.url)
        for name in ("ann", "bob"):
            self.suyuan_until_done(*self.admin(), "officer", "register", str(self.folder / name))
        partner = self.decide("partner", "add", "blue")
        contract = ("--channel", "bank_transfer", "--merchant-id", "m-1", "--ratio", "10:8")
        self.contract = self.decide("contract", "add", partner, *contract)
        # Dozens of cards of one new seller in a minute are what the shipped policy delays and has looked at.
        policy = self.folder / "quiet.toml"
        policy.write_text(QUIET, "utf-8")
        self.decide("policy", "deploy", str(policy), "--stage", "active")
        self.key = self.folder / "partner.key"
        self.suyuan("key", "new", str(self.key))
        own = self.decide("key", "add", partner, read_key_file(self.key).public.text())
        self.suyuan("key", "rename", str(self.key), own)
        with self.as_partner() as platform:
            seller = platform.register_seller(
                name="王小明", identity_number="00000019900307391X", number="13800000000", payee="6222020000000000001"
            )
        assert not isinstance(seller, Refused), seller
        self.seller = seller.seller

    def as_partner(self) -> Platform:
        key = read_key_file(self.key)
        own = load_keys(load_settings(self.data))
        keys = {own.key_id: own.public_key}
        return Platform(self.url, key_id=key.id, signer=key.signer, keys=keys)

    def decide(self, *words: str) -> str:
        """Proposed by one officer, approved by the other."""
        proposed = self.suyuan(*self.admin("ann"), *words)
        self.suyuan(*self.admin("bob"), "approve", proposed["proposal"])
        made: str = proposed["id"]
        return made

    def suyuan(self, *words: str) -> dict[str, Any]:
        told = CliRunner().invoke(app, words)
        assert told.exit_code == 0, (words, told.output)
        return _last_line(told.stdout)

    def suyuan_until_done(self, *words: str) -> None:
        until = time.monotonic() + START_S
        while (told := CliRunner().invoke(app, words)).exit_code != 0:
            assert time.monotonic() < until, (words, told.output, (self.folder / "serve.log").read_text())
            time.sleep(0.2)

    def suyuan_list(self, *words: str) -> list[dict[str, Any]]:
        told = CliRunner().invoke(app, [*self.admin(), *words])
        assert told.exit_code == 0, told.output
        found: list[dict[str, Any]] = msgspec.json.decode(told.stdout.splitlines()[-1])
        return found

    def admin(self, officer: str = "") -> list[str]:
        words = ["admin", "--data", str(self.data), "--json"]
        return [*words, "--officer", str(self.folder / officer)] if officer else words

    def write(self, folder: Path, numbers: range) -> Path:
        """A file of cards that the operator has issued."""
        cards = [Card("cmcc", f"{number:017}", f"66{number:016}", 10_00) for number in numbers]
        self.control.issue_cards(cards)
        rows = "".join(f"移动,{card.serial},{card.pin},10\r\n" for card in cards)
        file = folder / "cards.csv"
        file.write_bytes(f"运营商,卡号,卡密,面值\r\n{rows}".encode("gb18030"))
        return file

    def sell(self, file: Path) -> dict[str, Any]:
        told = CliRunner().invoke(app, self.redeem(file, "--wait", "--wait-s", "60"))
        assert told.exit_code == 0, told.output
        return _last_line(told.stdout)

    def kill(self, role: str) -> int:
        """kill -9 of the platform's processes of one role. Counts them."""
        killed = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"\0{role}\0{self.data}\0" in (folder / "cmdline").read_text():
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed += 1
        return killed

    def redeem(self, file: Path, *more: str) -> list[str]:
        words = ["redeem", str(file), "--url", self.url, "--key", str(self.key), "--json"]
        return [*words, "--contract", self.contract, "--seller", self.seller, *more]

    def close(self) -> None:
        self.platform.send_signal(signal.SIGTERM)
        try:
            self.platform.wait(20)
        except subprocess.TimeoutExpired:
            self.platform.kill()
            self.platform.wait()
        self.control.close()
        self.sandbox.stop()
        self.log.close()


def _last_line(out: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = msgspec.json.decode(out.splitlines()[-1])
    except (IndexError, msgspec.DecodeError):
        return {}
    return said


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    """One house for these tests, since opening it takes some seconds."""
    folder, data = tmp_path_factory.mktemp("house"), room_for_a_server()
    data.chmod(0o711)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SUYUAN_HOME", str(folder / "home"))
        house = WholeHouse(data, folder)
        try:
            house.open()
            yield house
        finally:
            house.close()
            db.Server(data / "pg").stop("immediate")
            clear(data)


def test_killed_again_and_again_it_sells_each_card_once(house: WholeHouse, tmp_path: Path) -> None:
    """Thirty cards, kill -9 of the command twice; each card is paid once, and a voucher checks offline."""
    file, journal, chance = house.write(tmp_path, range(30)), tmp_path / "cards.result.journal", random.Random(11)
    for _ in range(2):
        running = subprocess.Popen(
            [sys.executable, "-m", "suyuan", *house.redeem(file, "--at-once", "2")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert _kill_once_it_grew(running, journal, chance.randrange(100, 900)) == -signal.SIGKILL
    assert house.sell(file)["states"] == {"paid": 30}
    _check_the_world(house, result(tmp_path), 30)


def test_it_sells_on_though_parts_of_the_platform_are_killed(house: WholeHouse, tmp_path: Path) -> None:
    """The line, then the API, die under the command's feet; it needs no second start."""
    file, journal = house.write(tmp_path, range(30, 60)), tmp_path / "cards.result.journal"
    command = [sys.executable, "-m", "suyuan", *house.redeem(file, "--at-once", "2", "--wait")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        for role in ("line", "api"):
            _wait_until_it_grew(running, journal, 1500)
            assert running.poll() is None, "it dies while cards are being sold"
            assert house.kill(role) == 1
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, _last_line(out)["states"]) == (0, {"paid": 30})
    _check_the_world(house, result(tmp_path), 60)


def test_a_person_without_a_key_has_a_name_and_a_number_corrected(house: WholeHouse) -> None:
    """A code on their phone, their ID number, one officer; then a copy shows what is right, and who has looked."""
    ask = httpx.Client(base_url=house.url, trust_env=False, timeout=20)

    def post(target: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = ask.post(target, json=body)
        assert answer.status_code < 300, answer.text
        said: dict[str, Any] = answer.json()
        return said

    with ask:
        proof = post("/v1/number-proofs", {"number": "13800000000"})["proof"]
        (code,) = house.control.tally().codes["13800000000"]
        given = {"number": "13800000000", "code": code, "identity_number": "00000019900307391X"}
        proven = post(f"/v1/number-proofs/{proof}", given)
        assert proven["sellers"] == [house.seller]
        ask.headers["authorization"] = f"Bearer {proven['token']}"
        wish = {"kind": "correct", "name": "王晓明", "number": "13800000001"}
        request = post("/v1/subject-requests", wish)["request"]
        (waiting,) = house.suyuan_list("request", "list")
        assert (waiting["id"], waiting["kind"], waiting["state"]) == (request, "correct", "in_review")
        assert 14 < waiting["days_left"] <= 30
        shown = house.suyuan(*house.admin("ann"), "request", "show", "--open", request)
        assert (shown["seller.name/1 kept"], shown["seller.name/1 asked"]) == ("王小明", "王晓明")
        assert house.suyuan(*house.admin("bob"), "request", "accept", request) == {"accepted": request}
        copy = post("/v1/subject-requests", {"kind": "copy"})["request"]
        bundle = ask.get(f"/v1/subject-requests/{copy}/bundle").json()
        values = {field["field"]: field["value"] for field in bundle["fields"]}
        assert (values["seller.name/1"], values["seller.number/1"]) == ("王晓明", "13800000001")
        refused = post("/v1/subject-requests", {"kind": "delete"})["request"]
        told = house.suyuan(*house.admin("ann"), "request", "refuse", refused, "--reason", "statutory_term_runs")
        assert (told["law"], told["article"]) == ("电子商务法", "31")
        answer = ask.get(f"/v1/subject-requests/{refused}").json()
        assert (answer["state"], answer["refusal"]["code"]) == ("refused", "statutory_term_runs")
        assert "人民法院" in answer["refusal"]["remedy_zh"]
        reads = ask.get(f"/v1/sellers/{house.seller}/reads").json()["reads"]
    assert {read["reader"] for read in reads} <= {"platform", "officer"}
    assert house.suyuan_list("request", "list") == []


def result(folder: Path) -> list[dict[str, str]]:
    with (folder / "cards.result.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _wait_until_it_grew(running: subprocess.Popen[Any], journal: Path, by: int) -> None:
    size = journal.stat().st_size if journal.exists() else 0
    until = time.monotonic() + 20
    while running.poll() is None and time.monotonic() < until:
        if journal.exists() and journal.stat().st_size > size + by:
            break
        time.sleep(0.002)


def _kill_once_it_grew(running: subprocess.Popen[Any], journal: Path, by: int) -> int:
    _wait_until_it_grew(running, journal, by)
    running.kill()
    return running.wait()


def _check_the_world(house: WholeHouse, told: list[dict[str, str]], count: int) -> None:
    """The channel's own count agrees, and so does the list that the partner reads; a voucher needs nobody."""
    paid = house.control.tally().by_payee
    assert [(sums.payouts, sums.amount) for sums in paid.values()] == [(count, count * 8_00)], paid
    with house.as_partner() as platform:
        page = platform.redemptions(limit=100)
        assert not isinstance(page, Refused)
        assert [redemption.state for redemption in page.redemptions] == ["paid"] * count
    assert {row["redemption"] for row in told} <= {redemption.redemption for redemption in page.redemptions}
    paper = house.folder / f"{told[0]['redemption']}.json"
    house.suyuan(
        "voucher", "fetch", told[0]["redemption"], "--url", house.url, "--key", str(house.key), "--out", str(paper)
    )
    assert house.suyuan("voucher", "check", str(paper), "--json")["voucher"]["paid"] == 8_00
