"""The demo, run for real as anybody runs it: its own PostgreSQL, line, API, completer and sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suyuan.base.refusals import Language
from suyuan.faces.cli import demo_report
from suyuan.faces.simulate.plan import make_plan

ROOT = Path(__file__).parent.parent.parent
SMALL_S = 120
NIGHT_S = 3 * 3600
BENCH_FIELDS = {
    "offered", "paid", "refused", "pending", "attacks", "attacks_got_through", "over_limit_fen", "books_balanced",
    "history_gapless", "seconds",
}  # fmt: skip


def run_demo(*arguments: str, timeout_s: int) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of one demo."""
    done = subprocess.run(
        [sys.executable, "-m", "suyuan", "demo", *arguments], capture_output=True, text=True, timeout=timeout_s,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def facts_of(output: str) -> dict[str, Any]:
    """The last line of standard output, which is what machines read."""
    facts: dict[str, Any] = json.loads(output.splitlines()[-1])
    return facts


def refuse_any_breach(facts: dict[str, Any]) -> None:
    """What must be so at every size."""
    assert facts["breaches"] == facts["findings"] == []
    assert facts["attacks_got_through"] == facts["over_limit_fen"] == 0
    assert facts["books_balanced"]
    assert facts["history_gapless"]
    assert facts["found_in_clear"] == {}
    assert facts["cosigned_events"] >= facts["history_events"]
    assert facts["cosigned_by"] == ["neighbour.example/witness", "neutral.example/witness"]
    assert facts["neighbour_cosigned_events"] > 0
    assert facts["unanswered"] == 0
    assert facts["honest_refused"] == {}
    other = sum(facts[bucket] for bucket in ("paid", "reversed", "rejected", "pending", "repeated"))
    assert facts["offered"] == other + sum(facts["refused"].values())


@pytest.fixture(scope="module")
def small_day() -> dict[str, Any]:
    """150 redemptions, a third of them attacks."""
    status, output, errors = run_demo("--redemptions", "150", "--seed", "1", "--json", timeout_s=SMALL_S)
    assert status == 0, errors
    return facts_of(output)


def test_a_small_day_is_safe_and_adds_up(small_day: dict[str, Any]) -> None:
    """Honest sellers are paid, nobody else is, and every request is in one of the sums."""
    assert small_day.keys() >= BENCH_FIELDS
    refuse_any_breach(small_day)
    assert small_day["offered"] == 150
    assert small_day["paid"] > 80
    assert small_day["pending"] == small_day["silent_holders"]
    assert all(attack["tried"] > 0 for attack in small_day["attacks"].values())


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", ("兑换请求", "账目平衡: 是", "历史连续无缺: 是", "得逞")), ("en", ("Books balanced: yes", "got through"))],
)
def test_the_report_speaks_the_readers_language(
    small_day: dict[str, Any], capsys: pytest.CaptureFixture[str], language: Language, words: tuple[str, ...]
) -> None:
    """A manager in Shanghai reads it in Chinese; what is refused is a sentence, not a code."""
    demo_report.show(small_day, language)
    shown = capsys.readouterr().out
    assert all(word in shown for word in words)
    assert "_cannot_be_asked_for" not in shown


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_readme_shows_what_the_demo_prints(
    small_day: dict[str, Any], capsys: pytest.CaptureFixture[str], page: str, language: Language
) -> None:
    """Every line of the block on the first page is a line of the real report, whatever the day's numbers are."""
    every_attack = {name: {"tried": 1, "got_through": 0} for name in demo_report.ATTACKS}
    demo_report.show(small_day | {"attacks": every_attack, "silent_holders": 1}, language)
    printed = {_without_numbers(line) for line in capsys.readouterr().out.splitlines()}
    block = (ROOT / page).read_text("utf-8").split("<!-- demo output -->")[1]
    shown = [line for line in block.splitlines() if line.strip() and not line.startswith(("```", "$", "…"))]
    assert len(shown) > 10, "the first page shows too little of the demo"
    assert [line for line in shown if _without_numbers(line) not in printed] == []


def _without_numbers(line: str) -> str:
    return "".join(character for character in line if character.isalpha())


def test_every_attack_and_step_has_its_words() -> None:
    """In both languages, and no more than there are."""
    assert demo_report.ATTACKS.keys() == make_plan(seed=7, redemptions=1_000).schemes().keys()
    for words in (*demo_report.ATTACKS.values(), *demo_report.STEPS.values(), *demo_report.WORDS.values()):
        assert words.keys() == {"en", "zh"}


@pytest.mark.nightly
def test_a_hundred_thousand_redemptions_let_no_fen_through(record_property: Callable[[str, object], None]) -> None:
    """The issue's measure. `SUYUAN_DEMO_REDEMPTIONS` makes the night shorter."""
    redemptions = os.environ.get("SUYUAN_DEMO_REDEMPTIONS", "100000")
    status, output, errors = run_demo("--redemptions", redemptions, "--seed", "1", "--json", timeout_s=NIGHT_S)
    facts = facts_of(output)
    record_property("redemptions_per_s", facts["redemptions_per_s"])
    assert status == 0, errors
    refuse_any_breach(facts)
