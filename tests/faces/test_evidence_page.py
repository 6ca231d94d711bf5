"""The page of a bundle says what the bundle holds, in both languages, and nothing that it does not hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from suyuan.evidence.bundle.facts import Prelog
from suyuan.evidence.check import BadEvidence
from suyuan.faces.evidence_page import SHORT_MAX, WHOLE_MAX, html
from suyuan.faces.evidence_words import LIMITS, MEMBERS, NOTICE, RULES, SAID
from suyuan.history.events import PayoutPaid
from tests.evidence.bundles import (
    LOG_KEY,
    OPEN_NAMES,
    SEALED_NUMBER,
    WITNESSES,
    SmallLog,
    contents_of,
    paid,
)

CHINESE = re.compile(r"[\u4e00-\u9fff]")
EMPTY = {"meta"}


class Page(HTMLParser):
    """Its text, and every tag and attribute; a tag that is not closed in its turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def log() -> SmallLog:
    return SmallLog()


def test_the_page_says_what_stands_where_and_who_saw_it_when(log: SmallLog) -> None:
    exhibit = log.exhibit(0, OPEN_NAMES)
    page = Page(html(contents_of([exhibit])))
    for fact in (
        "suyuan.example/log/2026", "redemption_taken/1", "100.00 CNY", "2026-09-21 22:13:20 UTC+8",
        "2026-09-21 22:14:20 UTC+8 (2026-09-21 14:14:20 UTC)", *(one.name for one in WITNESSES), LOG_KEY.id.hex(),
        exhibit.opened.entry.hex()[:8], "调证字〔2026〕1号", "ofc_anna", "evidence bundle rdm_1",
    ):  # fmt: skip
        assert page.text.count(fact) >= 2, fact
    assert "14 further fields are not disclosed" in page.text
    assert "另有 14 个字段未披露" in page.text


def test_it_says_what_is_not_proven_and_what_it_is_not(log: SmallLog) -> None:
    page = Page(html(contents_of([log.exhibit(0, OPEN_NAMES)])))
    for words in (*LIMITS, NOTICE):
        assert words.en in page.text
        assert words.zh in page.text
    for rule in RULES:
        assert page.text.count(f"{rule.basis.law} {rule.basis.version}, {rule.basis.article}") == 2
        assert rule.answered_by.zh in page.text


def test_what_is_not_disclosed_stands_nowhere_on_it(log: SmallLog) -> None:
    text = html(contents_of([log.exhibit(0, OPEN_NAMES)]))
    for secret in (SEALED_NUMBER, "slr_1", "203.0.113", "bix_1", "ctr_1", "key_x"):
        assert secret not in text


HOSTILE = "<script>alert(1)</script>\"'&`\u202e\u2066\x07\u200b</td></article><img src=x onerror=alert(1)>"


def test_a_hostile_text_is_only_a_text(log: SmallLog) -> None:
    """Wherever the page takes one from; characters that would turn the line around are written out."""
    hostile_log = SmallLog([PayoutPaid("rdm_1", HOSTILE, 8000, "money"), paid(2)])
    exhibit = hostile_log.exhibit(0, ("seq", "reference"))
    honest = Page(html(contents_of([hostile_log.exhibit(1, ("seq", "reference"))])))
    prelog = Prelog(10, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    text = html(contents_of([exhibit], prelog=(prelog,)))
    page = Page(text)
    assert set(page.tags) == set(honest.tags)
    assert not {name for name, _ in page.attributes if name.startswith("on") or name == "src"}
    assert "<script>alert(1)</script>\"'&`\\u202e\\u2066\\u0007\\u200b" in page.text
    assert not any(one in text for one in "\u202e\u2066\x07\u200b")


def test_the_page_fetches_nothing_and_runs_nothing(log: SmallLog) -> None:
    text = html(contents_of([log.exhibit(0, OPEN_NAMES)]))
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form"}.intersection(page.tags)
    assert {value for name, value in page.attributes if name in ("href", "src")} == {"#zh", "#en"}
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_a_log_without_witnesses_is_said_to_have_none(log: SmallLog) -> None:
    policy = f"log {LOG_KEY.vkey}\nquorum none\n".encode()
    exhibit = log.exhibit(0, OPEN_NAMES, note=log.note(signers=(LOG_KEY,)))
    page = Page(html(contents_of([exhibit], policy=policy)))
    assert SAID["no_witness"].en in page.text
    assert SAID["unseen"].zh in page.text
    assert "witness.notary" not in page.text


def test_no_page_is_made_of_what_does_not_check(log: SmallLog) -> None:
    exhibit = log.exhibit(0, OPEN_NAMES, note=log.note(signers=(LOG_KEY,)))
    with pytest.raises(BadEvidence, match="Too few witnesses"):
        html(contents_of([exhibit]))


def test_many_records_are_summed_up() -> None:
    count = WHOLE_MAX + SHORT_MAX + 3
    log = SmallLog([paid(number) for number in range(count)])
    note = log.note()
    page = Page(html(contents_of([log.exhibit(at, ("seq", "paid"), note=note) for at in range(count)], prelog=())))
    assert f"{count - WHOLE_MAX} further records follow in short" in page.text
    assert "3 records are left out here" in page.text


def test_every_word_is_there_in_both_languages() -> None:
    for words in (*SAID.values(), *MEMBERS.values(), NOTICE):
        assert words.en
        assert CHINESE.search(words.zh)
