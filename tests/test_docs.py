"""The documentation is under test: what the code offers and no page names, in both languages, is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from suyuan.base.money import yuan
from suyuan.base.refusals import TEXTS, Reason, Refusal
from suyuan.config import Settings
from suyuan.faces.cli import COMMANDS
from suyuan.faces.evidence_words import RULES
from suyuan.faces.reference import PAGES
from suyuan.privacy.exports import COLUMNS
from suyuan.privacy.purposes import EXPORT_PURPOSES
from suyuan.privacy.requests import KINDS, REFUSALS
from suyuan.privacy.retention import load_rules
from suyuan.settle.limits import LimitRules

ROOT = Path(__file__).parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def rows_of(page: str) -> dict[str, list[str]]:
    """The table rows of a page by the name in their first cell."""
    lines = [line for line in (ROOT / "docs" / page).read_text("utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = {row[0].strip("`"): row for row in cells}
    assert len(rows) == len(lines), f"{page} has a row twice"
    return rows


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_of_refusals_features_and_rules_are_what_the_code_says(page: str) -> None:
    """Written by `python3 -m suyuan.faces.reference PAGE > docs/PAGE.md`, so order and sentences agree."""
    assert (ROOT / "docs" / f"{page}.md").read_text("utf-8") == PAGES[page]()


def test_each_reason_has_its_text_at_its_place() -> None:
    """The table of sentences stands in the order of the codes, because that order is the precedence."""
    assert list(TEXTS) == list(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_refusal_says_what_to_do_next_in_both_languages(reason: Reason) -> None:
    """A sentence with two halves: what is wrong, and after a stop what to do."""
    text = TEXTS[reason]
    assert 400 <= text.status < 600
    assert text.en.endswith(".")
    assert re.search(r"[;:,]", text.en), "an English sentence that only blames"
    assert text.zh.endswith("。")
    assert "，" in text.zh, "a Chinese sentence that only blames"
    assert CHINESE.search(text.zh)
    assert "(pin)" in Refusal(reason, "pin").sentence("en")
    assert "（pin）" in Refusal(reason, "pin").sentence("zh")


def test_each_reason_is_given_somewhere() -> None:
    """A refusal that no code gives is a promise that nobody keeps."""
    files = [file for file in (ROOT / "suyuan").rglob("*.py") if file.parent.name != "refusals"]
    code = "".join(file.read_text("utf-8") for file in files)
    assert [reason for reason in Reason if f"Reason.{reason.name}" not in code] == []


def test_each_setting_is_documented_with_its_default() -> None:
    """In English and Chinese, with the default that the code has."""
    rows = rows_of("settings.md")
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert list(rows) == list(defaults)
    for name, default in defaults.items():
        shown, english, chinese = rows[name][1:4]
        assert english
        assert CHINESE.search(chinese)
        if isinstance(default, bool | int | float) or (isinstance(default, str) and default):
            assert shown == f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_each_limit_is_documented_with_its_caps() -> None:
    """A seller can read which limits there are, and a changed cap changes the page."""
    rows = rows_of("limits.md")
    rules = LimitRules()
    caps = {"transaction": rules.transaction_fen_max}
    caps |= {f"{rule.subject}/{rule.window}": rule.cap_fen for rule in rules.rules}
    assert list(rows) == list(caps)
    for name, cap_fen in caps.items():
        assert rows[name][1:4] == [yuan(fen).removesuffix(".00") for fen in cap_fen]
        assert CHINESE.search(rows[name][5])


def test_each_retention_rule_is_documented_with_its_terms() -> None:
    """A person can read how long what is kept, and a changed term changes the page."""
    rows = {name: row for name, row in rows_of("retention.md").items() if "." in name}
    rules = {f"{rule.channel}.{rule.category}": rule for rule in load_rules().rules.values()}
    assert set(rows) == set(rules)
    for name, rule in rules.items():
        assert rows[name][1:4] == [str(rule.active_d), str(rule.min_d), str(rule.max_d)]
        assert rows[name][4] == f"{rule.law} {rule.version}, {rule.article}"
        assert rows[name][6] == rule.begins.zh


def test_each_column_and_purpose_of_exports_is_documented() -> None:
    """With the kind of item that it counts as, and the rule that it rests on."""
    rows = rows_of("exports.md")
    assert list(rows) == [*(purpose.id for purpose in EXPORT_PURPOSES), *COLUMNS]
    for purpose in EXPORT_PURPOSES:
        basis = purpose.basis
        assert rows[purpose.id][3] == f"{basis.law} {basis.version}, {basis.article}"
        assert rows[purpose.id][2].startswith("whole" if purpose.shows_whole else "masks")
    for name, column in COLUMNS.items():
        assert rows[name][1] == column.item_class
        assert CHINESE.search(rows[name][3])


def test_each_rule_of_evidence_is_documented() -> None:
    """What the page of a bundle cites stands in the documentation too, beside the part of the bundle that answers."""
    text = (ROOT / "docs" / "evidence.md").read_text("utf-8")
    for rule in RULES:
        assert f"| {rule.basis.law} {rule.basis.version}, " in text


def test_each_right_and_each_reason_to_refuse_one_is_documented() -> None:
    """A person finds what they may ask, and the rule behind every no, in both languages."""
    rows = rows_of("rights.md")
    kinds = {kind for name in rows for kind in name.split("`, `")}
    assert kinds == {*KINDS, *REFUSALS}
    for code, reason in REFUSALS.items():
        rule, rule_zh, english, chinese = rows[code][1:5]
        assert f"{reason.basis.version}, {reason.basis.article}" in rule
        assert f"{reason.basis.law} {reason.basis.version}" in rule_zh
        assert english
        assert CHINESE.search(chinese)


def commands() -> Iterator[str]:
    """Every command that `suyuan` offers, by its words."""
    for name, (module, _) in COMMANDS.items():
        yield from _below(name, typer.main.get_command(import_module(module).app))


def _below(words: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield words
    for name, one in (inner or {}).items():
        yield from _below(f"{words} {name}", one)


def test_each_command_is_documented() -> None:
    """In the order in which `--help` shows them, in both languages."""
    rows = rows_of("commands.md")
    assert list(rows) == list(commands())
    for row in rows.values():
        assert row[1]
        assert CHINESE.search(row[2])


def test_decision_notes_are_short() -> None:
    """At most forty lines: context, choice, what we gave up, what would change our mind."""
    for note in (ROOT / "docs" / "decisions").glob("*.md"):
        text = note.read_text("utf-8")
        assert len(text.splitlines()) <= 40, note.name
        for heading in ("## Context", "## Choice", "## What we gave up", "## What would change our mind"):
            assert heading in text, f"{note.name} lacks {heading}"
