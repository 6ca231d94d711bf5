"""What is wrong with a policy, told by its line, its rule and a sentence in both languages that says what to do.

A policy is read whole and every mistake is told, with its line and the rule it stands in. The quoted parts come from
the file; what cannot be shown is escaped, so that no file can speak to the terminal.

>>> mistake = Mistake(Wrong.name_is_unknown, 12, "many", {"name": "sellr_count_1h", "near": "seller_count_1h"})
>>> mistake.sentence("en")
'line 12, rule many: no input is called `sellr_count_1h`; the nearest is `seller_count_1h`.'
>>> mistake.sentence("zh")
'第 12 行，规则 many：没有名为 `sellr_count_1h` 的输入；最接近的是 `seller_count_1h`。'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from suyuan.base.refusals import Language
from suyuan.risk.policy.texts import TEXTS, Text, Wrong

SHOWN_MAX = 60

Parts: TypeAlias = Mapping[str, str | int | Text]
"""What a sentence names, by the name under which it does."""


_NEAR = Text("the nearest is `{near}`", "最接近的是 `{near}`")
_NOTHING_NEAR = Text("see docs/policy.md for what there is", "可用的见 docs/policy.md")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong; line 0 is the file as a whole."""

    wrong: Wrong
    line: int
    rule: str
    parts: Parts

    def sentence(self, language: Language) -> str:
        """Where it is, what is wrong, and what to do."""
        parts = {name: _said(part, language) for name, part in self.parts.items()}
        if "near" in parts:
            near = _NEAR if parts["near"] else _NOTHING_NEAR
            parts["near"] = _said(near, language).format(near=parts["near"])
        return self._place(language) + _said(TEXTS[self.wrong], language).format(**parts)

    def _place(self, language: Language) -> str:
        mark, colon = ("，", "：") if language == "zh" else (", ", ": ")
        line = (f"第 {self.line} 行" if language == "zh" else f"line {self.line}") if self.line else ""
        rule = (f"规则 {self.rule}" if language == "zh" else f"rule {self.rule}") if self.rule else ""
        place = mark.join(part for part in (line, rule) if part)
        return place + colon if place else ""


class BadPolicy(Exception):
    """Raised for a policy that must not decide anything; holds every mistake that was found, in the file's order."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__(self.text("en"))

    def text(self, language: Language) -> str:
        """All sentences, a line each."""
        return "\n".join(mistake.sentence(language) for mistake in self.mistakes)


def nearest(name: str, known: list[str]) -> str:
    """The known name that a misspelt one most likely meant, or nothing."""
    return next(iter(get_close_matches(name, known, n=1)), "")


def shown(text: str) -> str:
    """A piece of the file as it may be printed anywhere: one short line without anything that steers a terminal.

    >>> shown("a" * 100)[-4:], shown("\\x1b[31m")
    ('aaa…', '\\\\x1b[31m')
    """
    plain = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[: SHOWN_MAX + 1])
    return plain if len(plain) <= SHOWN_MAX else plain[: SHOWN_MAX - 1] + "…"


def _said(part: str | int | Text, language: Language) -> str:
    if isinstance(part, Text):
        return part.zh if language == "zh" else part.en
    return str(part)
