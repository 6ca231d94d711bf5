"""The notice says what the registries say, all that the law asks for, and a change of either is another version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from suyuan.app.notices import kept_of, notice_of
from suyuan.base import wire
from suyuan.config import parse_settings
from suyuan.faces.notice_page import html, markdown
from suyuan.privacy import notice as notices
from suyuan.privacy.notice import (
    Controller,
    Notice,
    kinds_for,
    kinds_of_data,
    read_notice,
    tell_purpose,
    terms_of,
    write_notice,
)
from suyuan.privacy.purposes import (
    COMPARE_FACE,
    ON_CONSENT,
    PROVIDE_ABROAD,
    PURPOSES,
    RECIPIENTS,
    SELLER_NUMBER,
    SENSITIVE_CLASSES,
    TELL_PARTNER_NUMBER,
    Purpose,
    Words,
)
from suyuan.privacy.retention import load_rules

CONTROLLER = Controller("示例回收有限公司", "privacy@example.com")
KEPT = kept_of(load_rules())
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def write(**changes: Any) -> Notice:
    words: dict[str, Any] = {"controller": CONTROLLER, "names": {}, "kept": KEPT}
    return write_notice(**words | changes)


NOTICE = write()


# --- the registries themselves ---


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.id)
def test_a_purpose_that_handles_sensitive_data_says_why_and_what_it_may_mean(purpose: Purpose) -> None:
    """个人信息保护法 2021, art. 30; whatever the purpose rests on."""
    is_sensitive = any(entry.key_class in SENSITIVE_CLASSES for entry in kinds_for(purpose))
    assert purpose.is_sensitive == is_sensitive


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.id)
def test_a_purpose_needs_some_kind_of_data(purpose: Purpose) -> None:
    assert kinds_for(purpose)


@pytest.mark.parametrize("purpose", ON_CONSENT, ids=lambda purpose: purpose.id)
def test_who_refuses_a_consent_is_told_what_else_is_open(purpose: Purpose) -> None:
    assert purpose.alternative is not None
    assert purpose.recipient in RECIPIENTS
    assert purpose.is_separate


def test_a_face_is_compared_a_number_told_and_data_sent_abroad_by_separate_consent_alone() -> None:
    assert ON_CONSENT == (COMPARE_FACE, TELL_PARTNER_NUMBER, PROVIDE_ABROAD)
    assert (COMPARE_FACE.basis.article, TELL_PARTNER_NUMBER.basis.article) == ("29", "23")


# --- what the law asks for ---

REQUIRED: dict[str, Callable[[Notice], object]] = {
    "PIPL 17(1)(1): name": lambda notice: notice.told.controller.name,
    "PIPL 17(1)(1): contact": lambda notice: notice.told.controller.contact,
    "PIPL 17(1)(2): purposes": lambda notice: {one.id for one in notice.told.purposes} == {p.id for p in PURPOSES},
    "PIPL 17(1)(2): means": lambda notice: all(one.means.zh and one.means.en for one in notice.told.purposes),
    "PIPL 17(1)(2): kinds": lambda notice: all(one.kinds for one in notice.told.purposes),
    "PIPL 17(1)(2): terms of keeping": lambda notice: all(one.kept.zh and one.kept.en for one in notice.told.kinds),
    "PIPL 17(1)(3): ways to use rights": lambda notice: all(one.way.zh for one in notice.told.rights),
    "PIPL 13: a ground for each": lambda notice: all(one.basis.article and one.ground for one in notice.told.purposes),
    "PIPL 14: changes": lambda notice: statement(notice, "changes"),
    "PIPL 15: withdrawing": lambda notice: right(notice, "withdraw"),
    "PIPL 16: refusing": lambda notice: statement(notice, "refusing"),
    "PIPL 23: recipients": lambda notice: {one.id for one in notice.told.recipients} == {r.id for r in RECIPIENTS},
    "PIPL 23, 29: separate consents": lambda notice: [one.id for one in notice.told.purposes if one.is_separate],
    "PIPL 24: automated decisions": lambda notice: (
        statement(notice, "automated_decisions") and right(notice, "explanation_of_decisions")
    ),
    "PIPL 30: necessity and impact": lambda notice: all(
        one.sensitivity is not None
        for one in notice.told.purposes
        if any(kind.is_sensitive and kind.name in one.kinds for kind in notice.told.kinds)
    ),
    "PIPL 31: minors": lambda notice: statement(notice, "minors"),
    "PIPL 38: abroad": lambda notice: statement(notice, "abroad"),
    "PIPL 44-49: rights": lambda notice: all(
        right(notice, name)
        for name in ("know_and_decide", "access_and_copy", "port", "correct", "erase", "explain", "heirs")
    ),
    "PIPL 50, 65: complaints": lambda notice: right(notice, "complain"),
    "PIPL 51: security": lambda notice: statement(notice, "security"),
    "网数条例 21: source": lambda notice: statement(notice, "source"),
}


def statement(notice: Notice, name: str) -> bool:
    return any(one.id == name and one.words.zh and one.words.en for one in notice.told.statements)


def right(notice: Notice, name: str) -> bool:
    return any(one.id == name and one.words.zh and one.words.en for one in notice.told.rights)


@pytest.mark.parametrize("item", REQUIRED)
def test_the_notice_holds_what_the_law_asks_for(item: str) -> None:
    assert REQUIRED[item](NOTICE)


def texts(told: Any) -> list[tuple[str, str]]:
    """Every pair of texts in it."""
    if isinstance(told, dict):
        own = [(told["en"], told["zh"])] if told.keys() == {"en", "zh"} else []
        return own + [pair for value in told.values() for pair in texts(value)]
    return [pair for value in told for pair in texts(value)] if isinstance(told, list) else []


def test_everything_is_said_in_both_languages() -> None:
    found = texts(msgspec.json.decode(NOTICE.content))
    assert len(found) > 60
    for english, chinese in found:
        assert CHINESE.search(chinese), chinese
        assert english.strip()


def test_the_terms_are_those_of_the_retention_rules_in_force() -> None:
    """A platform that keeps longer, or must, tells so."""
    assert "1095 days from the last sale, of which 365 in ordinary use" in KEPT["seller.name"].en
    assert "in shops" in KEPT["card.number"].en or "online" not in KEPT["card.number"].en
    obliged = kept_of(load_rules(aml_obliged=True))
    assert "3650" in obliged["seller.payee"].zh
    assert "45 days" in kept_of(load_rules(days={"online.card_secret": 45}))["card.pin"].en


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_pages_show_the_whole_of_it(language: Any) -> None:
    """Each purpose, kind, recipient, right and statement, and each rule that is cited."""
    page, text = html(NOTICE, language), markdown(NOTICE, language)
    told = msgspec.json.decode(NOTICE.content)
    citations = [one["basis"] for part in ("purposes", "rights", "statements") for one in told[part]]
    for english, chinese in texts(told):
        assert (chinese if language == "zh" else english) in text
    for basis in citations:
        assert f"{basis['law']} {basis['version']}, {basis['article']}" in text
    for line in text.splitlines():
        shown = re.sub(r"^[#-]+ |\*\*", "", line).replace("&", "&amp;").replace("'", "&#x27;").replace('"', "&quot;")
        assert shown in re.sub(r"</?b>", "", page)
    assert NOTICE.version in text


# --- versions ---


def test_the_version_is_the_digest_of_the_very_bytes() -> None:
    assert NOTICE.version == hashlib.sha256(NOTICE.content).hexdigest()
    assert NOTICE.content == wire.canonical(msgspec.json.decode(NOTICE.content))
    assert read_notice(NOTICE.content) == NOTICE
    assert write() == NOTICE


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": Controller("另一公司", CONTROLLER.contact)},
        {"controller": Controller(CONTROLLER.name, "else@example.com")},
        {"names": {"operator": ["cmcc"]}},
        {"kept": KEPT | {"seller.name": Words("for ever", "永久")}},
    ],
)
def test_what_is_told_otherwise_has_another_version(changes: dict[str, Any]) -> None:
    assert write(**changes).version != NOTICE.version


def test_a_changed_registry_has_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that more purposes may open, and a purpose that says something else."""
    wider = replace(SELLER_NUMBER, purposes=(*SELLER_NUMBER.purposes, COMPARE_FACE))
    monkeypatch.setattr(notices, "_KINDS", (wider, *notices._KINDS))
    first = write().version
    monkeypatch.undo()
    monkeypatch.setattr(notices, "PURPOSES", (*PURPOSES[1:], replace(PURPOSES[0], zh="另作他用。")))
    assert len({first, write().version, NOTICE.version}) == 3


def test_the_terms_of_a_consent_change_with_purpose_means_and_kinds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new telephone of the controller's asks nobody again; a new kind of data asks everybody."""
    before = terms_of(COMPARE_FACE)
    assert terms_of(replace(COMPARE_FACE, en="To sell faces.")) != before
    assert terms_of(replace(COMPARE_FACE, recipient=None)) != before
    wider = replace(SELLER_NUMBER, purposes=(*SELLER_NUMBER.purposes, COMPARE_FACE))
    monkeypatch.setattr(notices, "_KINDS", (wider, *notices._KINDS))
    terms_of.cache_clear()
    assert terms_of(COMPARE_FACE) != before
    monkeypatch.undo()
    terms_of.cache_clear()
    assert terms_of(COMPARE_FACE) == before


def test_a_kind_of_data_without_a_term_stops_the_start() -> None:
    for name in kinds_of_data():
        with pytest.raises(KeyError, match=name):
            write(kept={other: words for other, words in KEPT.items() if other != name})


def test_how_data_is_handled_follows_from_the_registry() -> None:
    assert "masked" in tell_purpose(TELL_PARTNER_NUMBER).means.en
    assert "without being kept" in tell_purpose(COMPARE_FACE).means.en


def test_the_settings_name_who_is_responsible_and_who_is_given_what(tmp_path: Any) -> None:
    text = """
    controller_name = "甲公司"
    controller_contact = "400"
    face_check_url = "http://127.0.0.1:1"
    [operators]
    cmcc = "http://127.0.0.1:1"
    telecom = "http://127.0.0.1:1"
    [recipients]
    cmcc = "中国移动，10086"
    face_check = "乙公司，12345"
    """
    notice = notice_of(parse_settings(tmp_path, text))
    names = {one.id: one.names for one in notice.told.recipients}
    assert names["operator"] == ("中国移动，10086", "telecom")
    assert names["face_check"] == ("乙公司，12345",)
    assert notice.is_complete
    assert not notice_of(parse_settings(tmp_path, "")).is_complete
