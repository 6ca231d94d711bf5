"""Every refusal of the platform: one closed list, in the order in which they are looked for.

A refusal is a sentence with a stable code, in English and Chinese, that says what to do next. Where several apply,
the one that stands first here is given. `docs/refusals.md` is written from this list.

>>> refusal = Refusal(Reason.daily_limit_is_reached, where="seller")
>>> refusal.code, refusal.status
('daily_limit_is_reached', 403)
>>> refusal.sentence("zh")
'今日额度已用完（seller），请在上海时间零点之后再试，或申请提高额度。'
"""

from __future__ import annotations

from typing import Literal

import msgspec

from suyuan.base.refusals.reasons import Reason
from suyuan.base.refusals.texts import TEXTS, Text

Language = Literal["en", "zh"]

__all__ = ["TEXTS", "Language", "Reason", "Refusal", "Text"]


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Why something was not done. `where` names the field or subject concerned, never its value."""

    reason: Reason
    where: str = ""

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.reason.value

    @property
    def status(self) -> int:
        """The HTTP status that fits."""
        return TEXTS[self.reason].status

    def sentence(self, language: Language) -> str:
        """The sentence for people, with the place named before its first stop."""
        text = TEXTS[self.reason].en if language == "en" else TEXTS[self.reason].zh
        if not self.where:
            return text
        head, mark, tail = _first_clause(text, language)
        place = f" ({self.where})" if language == "en" else f"（{self.where}）"
        return f"{head}{place}{mark}{tail}"


def _first_clause(text: str, language: Language) -> tuple[str, str, str]:
    marks = ";,." if language == "en" else "，。"
    at = min(text.index(mark) for mark in marks if mark in text)
    return text[:at], text[at], text[at + 1 :]
