"""The privacy notice laid out for people, in Chinese or English: Markdown for the terminal, HTML for a browser.

Both are made from the same blocks, so neither says what the other leaves out; everything comes from the notice's
content, so an old version is shown as it was.

>>> from suyuan.privacy.notice import Controller, kinds_of_data, write_notice
>>> from suyuan.privacy.purposes import Words
>>> notice = write_notice(Controller("A & B", "mail"), {}, dict.fromkeys(kinds_of_data(), Words("a year", "一年")))
>>> markdown(notice, "en").splitlines()[0], "A &amp; B" in html(notice, "en")
('# Privacy notice', True)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple, TypeAlias

from suyuan.base.refusals import Language
from suyuan.privacy.notice import Notice, PurposeTold
from suyuan.privacy.purposes import Citation, Words


class Heading(NamedTuple):
    """A line that opens a part; level 1 is the title."""

    level: int
    text: str


class Listing(NamedTuple):
    """Lines, each with what it is about; the first may be empty."""

    lines: Sequence[tuple[str, str]]


Block: TypeAlias = Heading | Listing

_TITLES = {
    "title": Words("Privacy notice", "隐私声明"),
    "version": Words("version", "版本"),
    "who": Words("Who is responsible", "个人信息处理者"),
    "contact": Words("contact", "联系方式"),
    "name": Words("name", "名称"),
    "missing": Words("not stated yet", "尚未载明"),
    "purposes": Words("For which purposes", "处理目的"),
    "ground": Words("legal basis", "法律依据"),
    "means": Words("how", "处理方式"),
    "kinds": Words("kinds of data", "个人信息种类"),
    "recipient": Words("provided to", "提供给"),
    "separate": Words("separate consent", "单独同意"),
    "asked": Words("asked for by itself", "须单独征求"),
    "necessity": Words("why it is necessary", "必要性"),
    "impact": Words("what it may mean for you", "对您权益的影响"),
    "alternative": Words("if you refuse", "拒绝的后果与替代"),
    "data": Words("Which data, and for how long", "个人信息种类与保存期限"),
    "sensitive": Words("sensitive", "敏感"),
    "recipients": Words("Who is given data", "接收方清单"),
    "rights": Words("Your rights", "您的权利"),
    "more": Words("What else holds", "其他说明"),
}
_GROUNDS = {
    "contract": Words("to perform a contract with you", "为订立、履行合同所必需"),
    "legal_duty": Words("a duty of ours by law", "履行法定义务所必需"),
    "consent": Words("your consent", "您的同意"),
    "warrant": Words("an authority's lawful order", "主管机关的依法调取"),
}


def markdown(notice: Notice, language: Language) -> str:
    """The notice as Markdown."""
    lines: list[str] = []
    for block in _blocks(notice, language):
        if isinstance(block, Heading):
            lines += ["", f"{'#' * block.level} {block.text}", ""]
        else:
            lines += [f"- **{about}**: {text}" if about else f"- {text}" for about, text in block.lines]
    return "\n".join(lines).strip() + "\n"


def html(notice: Notice, language: Language) -> str:
    """The notice as a page by itself: no script, no style and nothing from elsewhere."""
    shown: list[str] = []
    for block in _blocks(notice, language):
        if isinstance(block, Heading):
            shown.append(f"<h{block.level}>{escape(block.text)}</h{block.level}>")
        else:
            shown += ["<ul>", *(_item(about, text) for about, text in block.lines), "</ul>"]
    tag, title = ("zh-CN" if language == "zh" else "en"), escape(_say("title", language))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(shown)
    return f'<!doctype html>\n<html lang="{tag}">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _item(about: str, text: str) -> str:
    return f"<li><b>{escape(about)}</b>: {escape(text)}</li>" if about else f"<li>{escape(text)}</li>"


def _blocks(notice: Notice, language: Language) -> Iterator[Block]:
    told = notice.told
    missing = _say("missing", language)
    yield Heading(1, _say("title", language))
    yield Heading(2, _say("who", language))
    yield Listing(
        [
            (_say("name", language), told.controller.name or missing),
            (_say("contact", language), told.controller.contact or missing),
            (_say("version", language), notice.version),
        ]
    )
    yield Heading(2, _say("purposes", language))
    for purpose in told.purposes:
        yield Heading(3, _in(purpose.words, language))
        yield Listing(list(_purpose(notice, purpose, language)))
    yield Heading(2, _say("data", language))
    mark = f" ({_say('sensitive', language)})"
    yield Listing(
        [(_in(k.words, language) + (mark if k.is_sensitive else ""), _in(k.kept, language)) for k in told.kinds]
    )
    yield Heading(2, _say("recipients", language))
    yield Listing([(_in(one.words, language), "; ".join(one.names) or "–") for one in told.recipients])
    yield Heading(2, _say("rights", language))
    yield Listing(
        [(_in(right.words, language), f"{_in(right.way, language)} ({_cited(right.basis)})") for right in told.rights]
    )
    yield Heading(2, _say("more", language))
    yield Listing([("", f"{_in(one.words, language)} ({_cited(one.basis)})") for one in told.statements])


def _purpose(notice: Notice, purpose: PurposeTold, language: Language) -> Iterator[tuple[str, str]]:
    kinds = {kind.name: _in(kind.words, language) for kind in notice.told.kinds}
    recipients = {one.id: _in(one.words, language) for one in notice.told.recipients}
    yield _say("ground", language), f"{_in(_GROUNDS[purpose.ground], language)} ({_cited(purpose.basis)})"
    yield _say("kinds", language), ", ".join(kinds[name] for name in purpose.kinds)
    yield _say("means", language), _in(purpose.means, language)
    if purpose.recipient is not None:
        yield _say("recipient", language), recipients[purpose.recipient]
    if purpose.is_separate:
        yield _say("separate", language), _say("asked", language)
    if purpose.sensitivity is not None:
        yield _say("necessity", language), _in(purpose.sensitivity.necessity, language)
        yield _say("impact", language), _in(purpose.sensitivity.impact, language)
    if purpose.alternative is not None:
        yield _say("alternative", language), _in(purpose.alternative, language)


def _say(name: str, language: Language) -> str:
    return _in(_TITLES[name], language)


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en


def _cited(basis: Citation) -> str:
    """The one citation form, in either language: the law's own name.

    >>> _cited(Citation("个人信息保护法", "2021", "13(1)(2)"))
    '个人信息保护法 2021, 13(1)(2)'
    """
    return f"{basis.law} {basis.version}, {basis.article}"
