"""`suyuan risk check`: what is wrong with a policy, or what it is, for people and for machines."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.faces import policy_file
from suyuan.faces.cli.admin import policies
from suyuan.faces.cli.risk import app
from suyuan.risk.policy.policy import shipped_text
from suyuan.risk.vector import write_inputs
from tests.risk.policy.writing import LISTS, NAMES, band, rule, text

RUNNER = CliRunner()
REVIEW = {"action": "review", "reason": "a_person_looks_at_it"}
GOOD = text(
    LISTS,
    rule("late", "hour >= 22", points=60),
    rule("hot", 'listed("hot_cards", card)', lane="block", **REVIEW),
    band(50, **REVIEW),
)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    ran = RUNNER.invoke(app, ["check", *map(str, arguments)], env={"COLUMNS": "200"})
    return ran.exit_code, ran.stdout, ran.stderr


def told(out: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(out.splitlines()[-1])
    return found


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(GOOD, "utf-8")
    return file


def test_a_policy_that_is_right_is_shown_with_its_rules_digest_cost_and_lists(good: Path) -> None:
    code, out, err = run(good, "--lang", "en")
    assert (code, err) == (0, "")
    for said in (
        "late",
        "overridable",
        "60",
        "hot_cards",
        "cards reported as stolen",
        "a test can be used: 2 rules",
        "µs",
    ):
        assert said in out
    assert "策略 a test 可用：2 条规则" in run(good, "--lang", "zh")[1]


def test_machines_get_the_same(good: Path) -> None:
    code, out, _ = run(good, "--json")
    found = told(out)
    assert code == 0
    assert [(one["id"], one["lane"], one["action"], one["points"], one["fired"]) for one in found["rules"]] == [
        ("hot", "block", "review", 0, None), ("late", "overridable", "approve", 60, None),
    ]  # fmt: skip
    assert [(one["name"], one["keys"], one["rules"]) for one in found["lists"]] == [
        ("hot_cards", ["card"], ["hot"]), ("trusted", ["seller", "device"], []),
    ]  # fmt: skip
    assert (len(found["digest"]), found["sample_is_made_up"], found["mistakes"]) == (64, True, [])
    assert found["cost_us"] > 0


def test_a_sample_says_how_often_each_rule_fires(good: Path, tmp_path: Path) -> None:
    """Three attempts, one of them late; what the policy of then asked of lists stands behind and is left out."""
    sample = tmp_path / "inputs.txt"
    hours: list[tuple[int | None, list[int]]] = [(22, [1]), (3, [0, 1]), (None, [])]
    vectors = [[*(hour if name == "hour" else None for name in NAMES.order), *hits] for hour, hits in hours]
    sample.write_text("".join(write_inputs(vector) + "\n" for vector in vectors), "ascii")
    found = told(run(good, "--json", "--sample", sample)[1])
    assert (found["sample_rows"], found["sample_is_made_up"]) == (3, False)
    assert {one["id"]: one["fired"] for one in found["rules"]} == {"late": 1, "hot": 0}
    assert "33.33%" in run(good, "--sample", sample)[1]


def test_mistakes_are_told_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(GOOD.replace("hour >= 22", "huor >= 22"), "utf-8")
    code, out, err = run(file, "--lang", "en")
    assert (code, out) == (1, "")
    assert err == "line 17, rule late: no input is called `huor`; the nearest is `hour`.\n"
    code, out, _ = run(file, "--json")
    (mistake,) = told(out)["mistakes"]
    assert (code, mistake["code"], mistake["line"], mistake["rule"]) == (1, "name_is_unknown", 17, "late")
    assert "第 17 行，规则 late：" in mistake["zh"]


def test_a_policy_that_is_too_dear_ends_with_a_sentence(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine where a reading of the clock is a second after the last."""
    readings = iter(range(1_000))
    monkeypatch.setattr(policy_file, "thread_cpu_s", lambda: float(next(readings)))
    code, out, err = run(good, "--lang", "en")
    assert code == 1
    assert "one attempt costs 1953 µs on this sample, over 100" in err
    code, out, _ = run(good, "--json")
    assert (code, told(out)["mistakes"][0]["code"]) == (1, "policy_is_too_dear")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"\xef\xbb\xbfname = 'x'", b"name = 'x'\0", b"x" * 70_000, b"[[rules]]\n" * 600]
)
def test_any_bytes_end_with_sentences(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(content)
    code, _, err = run(file)
    assert code == 1
    assert err.strip().endswith((".", "。"))
    assert "Traceback" not in err


def test_a_file_that_is_too_large_is_called_that(tmp_path: Path) -> None:
    """Also where the part that is read ends within a character."""
    file = tmp_path / "policy.toml"
    file.write_bytes("名".encode() * 30_000)
    assert run(file, "--lang", "en")[2] == "the file has more than 65536 bytes; make it smaller.\n"


@pytest.mark.parametrize("lines", ["", "1,2\n", "a,b\n", "１,2\n", "\n"])
def test_a_sample_that_is_none_is_refused(good: Path, tmp_path: Path, lines: str) -> None:
    sample = tmp_path / "inputs.txt"
    sample.write_text(lines, "utf-8")
    code, out, err = run(good, "--sample", sample)
    assert (code, out) == (2, "")
    assert "inputs.txt: " in err


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.toml")
    assert code == 2
    assert "none.toml: No such file" in err


def test_the_shipped_policy_passes_its_own_check(tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    file.write_text(shipped_text(), "utf-8")
    assert run(file, "--json")[0] == 0


def test_the_digest_is_of_the_bytes_whatever_ends_their_lines(good: Path, tmp_path: Path) -> None:
    """As an editor on Windows saves it: another policy, and every command says so alike."""
    windows = tmp_path / "windows.toml"
    windows.write_bytes(GOOD.replace("\n", "\r\n").encode())
    digests = [told(run(file, "--json")[1])["digest"] for file in (good, windows)]
    assert digests == [sha256(file.read_bytes()).hexdigest() for file in (good, windows)]
    assert policy_file.read_policy(windows).digest == digests[1]


def test_a_bad_or_dear_policy_is_not_even_proposed(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The officer hears of it before anybody signs; there is no platform here that could be asked."""
    bad = good.with_name("bad.toml")
    bad.write_bytes(GOOD.replace("hour >= 22", "huor >= 22").encode("utf-8"))
    ran = RUNNER.invoke(policies.app, ["deploy", str(bad)], env={"LC_ALL": "zh_CN.UTF-8"})
    assert (ran.exit_code, "第 17 行，规则 late：没有名为 `huor` 的输入" in ran.stderr) == (1, True)
    readings = iter(range(1_000))
    monkeypatch.setattr(policy_file, "thread_cpu_s", lambda: float(next(readings)))
    ran = RUNNER.invoke(policies.app, ["deploy", str(good)], env={"LC_ALL": "C"})
    assert (ran.exit_code, "one attempt costs 1953 µs" in ran.stderr) == (1, True)
