"""`suyuan redeem FILE` against a platform that checks signatures and misbehaves: killed, starved, told to stop."""

from __future__ import annotations

import csv
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.base.refusals import Reason
from suyuan.faces.cli import redeem
from suyuan.faces.redeem_file import flaws, result
from suyuan.faces.redeem_file.result import ResultRow, write_result
from suyuan.faces.sdk import Patience, write_key_file
from tests.faces.sdk.twin_platform import PARTNER, PLATFORM_KEYS, Mischief, TwinPlatform, serving

MARK = "77"  # Every PIN here begins with it, so that a grep finds them all.


def pin(number: int) -> str:
    return f"{MARK}{number:016}"


class Told(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = msgspec.json.decode(self.out.splitlines()[-1])
        return summary


class Shop:
    """A folder with a file of cards and a key, and the command that sells it."""

    def __init__(self, folder: Path, twin: TwinPlatform) -> None:
        self.folder = folder
        self.twin = twin
        self.file = folder / "cards.csv"
        write_key_file(folder / "key", PARTNER)

    def write(self, count: int, *, more: str = "") -> None:
        rows = "".join(f"移动,{number:017},{pin(number)},100\n" for number in range(count))
        self.file.write_text(f"运营商,卡号,卡密,面值\n{rows}{more}", "utf-8")

    def words(self, *more: str) -> list[str]:
        key = PLATFORM_KEYS["platform-1"].text()
        words = [str(self.file), "--url", self.twin.url, "--key", str(self.folder / "key"), "--platform-key", key]
        return [*words, "--contract", "ctr_1", "--seller", "slr_1", "--json", *more]

    def sell(self, *more: str) -> Told:
        told = CliRunner().invoke(redeem.app, self.words(*more))
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return Told(told.exit_code, told.stdout, told.stderr)

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "suyuan", "redeem", *self.words(*more)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self) -> list[dict[str, str]]:
        with (self.folder / "cards.result.csv").open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    def states(self) -> list[str]:
        return [row["state"] for row in self.result()]

    @property
    def acts(self) -> set[str | None]:
        return {heard.signed.idempotency_key for heard in self.twin.heard if heard.signed.method == "POST"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An open shop, and a user who is in a hurry."""
    hurried = lambda **_: Patience(tries_max=4, first_wait_s=0.01, wait_max_s=0.02)  # noqa: E731 - told once, here
    monkeypatch.setattr(redeem, "Patience", hurried)
    with serving(TwinPlatform()) as twin:
        yield Shop(tmp_path, twin)


def test_a_file_of_cards_is_sold(shop: Shop) -> None:
    """Twenty cards through bad weather; each is a row, paid once, and a second start sends nothing."""
    shop.write(20)
    shop.twin.mischief = [Mischief.DROP_AFTER, Mischief.TWICE, Mischief.BUSY, Mischief.TORN, Mischief.GATEWAY]
    told = shop.sell("--wait")
    assert told.code == 0
    assert told.summary["states"] == {"paid": 20}
    assert (told.summary["paid"], told.summary["face_fen"]) == (20 * 80_00, 20 * 100_00)
    assert {row["redemption"] for row in shop.result()} == set(shop.twin.redemptions)
    assert shop.result()[3]["serial"] == "*************0003"
    assert shop.result()[3]["sentence_zh"] == "已付款。"
    before = shop.result()
    assert shop.sell("--wait").summary["sent"] == 0
    assert shop.result() == before


def test_without_waiting_the_payouts_are_asked_for_later(shop: Shop) -> None:
    shop.write(3)
    assert shop.sell().summary["states"] == {"pending": 3}
    assert shop.sell("--wait").summary["states"] == {"paid": 3}
    assert len(shop.acts) == 3


def test_a_payout_that_outlasts_the_wait_is_no_success(shop: Shop) -> None:
    """A script that reads the exit code must not take "pending" for "paid"."""
    shop.write(1)
    shop.twin.looks_until_paid = 10**6
    told = shop.sell("--wait", "--wait-s", "0.3")
    assert (told.code, told.summary["states"]) == (3, {"pending": 1})
    assert "Start the same command again" in told.err
    shop.twin.looks_until_paid = 0
    assert shop.sell("--wait").code == 0


def test_a_refusal_that_was_decided_is_put_right_first(shop: Shop) -> None:
    """The same command would meet its own journal, so it is said what to add to it."""
    shop.write(1)
    shop.twin.refuse = {pin(0): Reason.contract_is_unknown}
    assert "--retry-refused" in shop.sell().err
    shop.twin.refuse = {}
    assert shop.sell("--retry-refused", "--wait").code == 0


def test_a_file_with_flaws_sends_nothing(shop: Shop) -> None:
    shop.write(3, more=f"移动,{0:017},{pin(0)},100\n电信,1,2,3\n")
    told = shop.sell()
    assert told.code == 2
    assert f"{shop.file}, line 5, column 3 (pin): This card stands in the file twice" in told.err
    assert f"{shop.file}, line 6, column 2 (serial)" in told.err
    assert told.summary == {"cards": 3, "bad": 2, "sent": 0, "exit_code": 2}
    assert not shop.twin.heard
    assert not (shop.folder / "cards.result.csv").exists()
    told = shop.sell("--skip-bad")
    assert (told.code, shop.states()) == (1, ["pending"] * 3 + ["bad"] * 2)
    assert shop.result()[3]["code"] == "card_is_doubled"


def test_the_terminals_language_is_spoken(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    shop.write(0, more="移动,1,2,100\n")
    assert f"{shop.file}，第 2 行第 2 列（serial）：卡号不符合" in shop.sell().err


def test_refused_cards_are_told_and_offered_anew_only_on_wish(shop: Shop) -> None:
    """Today's limit ends with the second card; tomorrow the user offers it again."""
    shop.write(3)
    shop.twin.refuse = {pin(1): Reason.daily_limit_is_reached}
    told = shop.sell()
    assert (told.code, told.summary["refused"]) == (1, {"daily_limit_is_reached": 1})
    assert "今日额度已用完" in shop.result()[1]["sentence_zh"]
    shop.twin.refuse = {}
    assert shop.sell().summary["sent"] == 0
    told = shop.sell("--retry-refused")
    assert (told.code, told.summary["sent"], told.summary["states"]) == (0, 1, {"pending": 3})


def test_a_refusal_of_everything_stops_the_run_early(shop: Shop) -> None:
    """Every card would meet the same refusal, and every refusal is kept for ever."""
    shop.write(200)
    shop.twin.refuse = {pin(number): Reason.contract_is_not_in_force for number in range(200)}
    told = shop.sell("--at-once", "4")
    assert told.code == 3
    assert told.summary["sent"] <= 8
    assert "contract_is_not_in_force" in told.err


@pytest.mark.parametrize("mischief", [Mischief.DROP_BEFORE, Mischief.DROP_AFTER, Mischief.FORGED, Mischief.FAULT])
def test_a_platform_that_fails_is_left_and_found_again(shop: Shop, mischief: Mischief) -> None:
    """It fails in the middle; nothing more is begun, and the next start finishes every card once."""
    shop.write(12)
    shop.twin.mischief = [Mischief.FINE] * 4 + [mischief] * 20
    told = shop.sell("--at-once", "2")
    assert told.code == 3
    assert "Start the same command again" in told.err
    assert set(told.summary["states"]) <= {"pending", "unknown", "not_sent"}
    shop.twin.mischief = []
    assert shop.sell("--wait").summary["states"] == {"paid": 12}
    assert len(shop.twin.cards) == len(shop.acts) == 12


def test_without_its_journal_a_run_finds_its_redemptions_again(shop: Shop) -> None:
    shop.write(5)
    shop.sell()
    first = shop.result()
    (shop.folder / "cards.result.journal").unlink()
    assert shop.sell().summary["sent"] == 5
    assert shop.result() == first
    assert len(shop.acts) == len(shop.twin.cards) == 5


def test_a_changed_file_is_another_run(shop: Shop) -> None:
    shop.write(2)
    shop.sell()
    shop.write(3)
    told = shop.sell()
    assert told.code == 2
    assert "another run (file differs)" in told.err
    assert shop.sell("--result", str(shop.folder / "second.csv")).summary["refused"] == {"card_was_sold_before": 2}


def test_unknown_platforms_and_wrong_keys_are_refused_before_anything_is_sent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(1)
    monkeypatch.setenv("SUYUAN_HOME", str(shop.folder / "home"))
    words = [word for word in shop.words() if word != "--platform-key" and not word.startswith("ed25519:")]
    told = CliRunner().invoke(redeem.app, words)
    assert (told.exit_code, "suyuan key pin" in told.stderr) == (2, True)
    other = PARTNER.public.text()
    told = CliRunner().invoke(redeem.app, [*words, "--platform-key", other])
    assert (told.exit_code, "shows none of the keys" in told.stderr) == (2, True)
    (shop.folder / "key").chmod(0o644)
    assert shop.sell().code == 2
    assert not shop.twin.heard


def test_killed_at_any_moment_it_goes_on(shop: Shop) -> None:
    """kill -9 again and again, through bad weather: at the end every card is there, each sold once."""
    shop.write(60)
    shop.twin.pace_s = 0.01
    chance = random.Random(7)
    journal = shop.folder / "cards.result.journal"
    shop.twin.mischief = chance.choices(
        [Mischief.FINE, Mischief.DROP_AFTER, Mischief.TORN, Mischief.BUSY], [7, 1, 1, 1], k=60
    )
    ends = [_kill_once_it_grew(shop.start("--at-once", "4"), journal, chance.randrange(300, 2500)) for _ in range(3)]
    assert ends == [-signal.SIGKILL] * 3
    assert 0 < len(shop.twin.cards) < 60
    assert shop.sell("--wait").summary["states"] == {"paid": 60}
    assert {row["redemption"] for row in shop.result()} == set(shop.twin.redemptions)
    assert len(shop.twin.cards) == len(shop.acts) == 60


def _kill_once_it_grew(running: subprocess.Popen[str], journal: Path, by: int) -> int:
    size = journal.stat().st_size if journal.exists() else 0
    until = time.monotonic() + 20
    while running.poll() is None and time.monotonic() < until:
        if journal.exists() and journal.stat().st_size > size + by:
            break
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    return running.returncode


def test_ctrl_c_hears_out_what_is_under_way(shop: Shop) -> None:
    shop.write(200)
    shop.twin.pace_s = 0.02
    running = shop.start("--at-once", "2")
    while len(shop.twin.cards) < 5:
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    told = Told(running.returncode, out, err)
    assert told.code == told.summary["exit_code"] == 130
    assert "Start the same command again" in told.err
    assert told.summary["states"] == {"pending": len(shop.twin.cards), "not_sent": 200 - len(shop.twin.cards)}
    shop.twin.pace_s = 0
    assert shop.sell().summary["states"] == {"pending": 200}
    assert len(shop.acts) == 200


def test_a_second_run_of_the_same_file_waits_outside(shop: Shop) -> None:
    shop.write(200)
    shop.twin.pace_s = 0.02
    running = shop.start("--at-once", "2")
    while not shop.twin.cards:
        time.sleep(0.005)
    assert "right now" in shop.sell().err
    running.kill()
    running.communicate()


def test_a_full_disk_stops_the_run_and_loses_nothing(shop: Shop) -> None:
    """The disk is full after two kilobytes: no further card is begun, and with room again each is sold once."""
    shop.write(40)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        told = shop.sell("--at-once", "2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (told.code, "cannot be written" in told.err) == (3, True)
    assert len(shop.twin.cards) < 40
    assert shop.sell("--wait").summary["states"] == {"paid": 40}
    assert len(shop.acts) == len(shop.twin.cards) == 40


def test_no_pin_is_written_or_said_anywhere(shop: Shop) -> None:
    """Good cards, flaws, refusals, a platform that fails: the PINs stand in the file of cards and nowhere else."""
    shop.write(6, more=f"移动,{pin(9)},{pin(8)},1\n")
    shop.twin.refuse = {pin(2): Reason.card_secret_is_wrong}
    shop.twin.mischief = [Mischief.DROP_AFTER, Mischief.FINE, Mischief.FORGED, Mischief.FORGED, Mischief.FORGED]
    told = [shop.sell(), shop.sell("--skip-bad"), shop.sell("--skip-bad")]
    running = shop.start("--skip-bad", "--wait")
    out, err = running.communicate(timeout=20)
    said = "".join(one.out + one.err for one in told) + out + err
    kept = {file: file.read_text("utf-8") for file in shop.folder.iterdir() if file != shop.file}
    assert len(kept) == 3
    for text in (said, *kept.values()):
        assert not re.search(rf"{MARK}\d{{16}}", text)


def test_formulas_of_strangers_stay_text(shop: Shop) -> None:
    """What a spreadsheet would run is defused: a platform's words or a reference may open like a formula."""
    row = ResultRow(2, "cmcc", "*", 1, "refused", "", "", "", "x", "=1+1", '@SUM("x")', "-2")
    write_result(shop.folder / "cards.result.csv", [row])
    assert list(shop.result()[0].values())[-3:] == ["'=1+1", '\'@SUM("x")', "'-2"]


def test_every_flaw_state_and_exit_code_has_its_paragraph() -> None:
    """`docs/redeem.md` says in both languages what the code says."""
    page = (Path(__file__).parents[3] / "docs" / "redeem.md").read_text("utf-8")
    told = {f"| `{code}` | {english} | {chinese} |" for code, (english, chinese) in flaws.SENTENCES.items()}
    told |= {f"| `{state}` | {english} | {chinese} |" for state, (english, chinese) in result.SENTENCES.items()}
    codes = (redeem.DONE, redeem.SOME_REFUSED, redeem.WRONG, redeem.START_AGAIN, redeem.INTERRUPTED)
    told |= {f"| {code} | " for code in codes} | {f"| `{state}` | " for state in (result.BAD, result.REFUSED)}
    assert [line for line in told if line not in page] == []
