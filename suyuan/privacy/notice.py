"""The privacy notice, written from the registries, so that what people are told is what the platform does.

Its content is one canonical JSON text that holds both languages; its *version* is the SHA-256 of those bytes, in hex.
So whoever has a notice can compute its version, a change of any registry gives another one, and a consent that names a
version names exactly what was shown. `faces.notice_page` lays the content out for people.

What must stand in it: who is responsible and how to reach them, each purpose with its means, kinds of data, term and
rule, who else is given what, the rights and how to use them (个人信息保护法 2021, art. 17, 23, 24, 30;
网络数据安全管理条例 2024, art. 21). The controller, the names of recipients and how long each kind is kept are
arguments; a kind of data without a term stops the start.

A consent is given to *terms*, the part of the notice that its purpose makes (`terms_of`): purpose, means and kinds of
data. Where these change it must be asked for again (art. 14); where the controller gets another telephone, it need not.

>>> terms = dict.fromkeys(kinds_of_data(), Words("a year", "一年"))
>>> notice = write_notice(Controller("某公司", "privacy@example.com"), {}, terms)
>>> notice.version == hashlib.sha256(notice.content).hexdigest(), notice.is_complete
(True, True)
>>> write_notice(Controller("", ""), {}, terms).is_complete
False
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.privacy.notice_texts import RIGHTS, STATEMENTS, Right, Statement
from suyuan.privacy.purposes import (
    FIELDS,
    PURPOSES,
    RECIPIENTS,
    SENSITIVE_CLASSES,
    UNSEALED,
    Citation,
    Field,
    Purpose,
    Sensitivity,
    Unsealed,
    Words,
)

FORM = "suyuan-privacy-notice/1"
_KINDS: tuple[Field | Unsealed, ...] = (*FIELDS, *UNSEALED)


class Controller(msgspec.Struct, frozen=True):
    """Who is responsible (个人信息处理者), and how people reach them."""

    name: str
    contact: str


class Kind(msgspec.Struct, frozen=True):
    """A kind of personal data, and how long it is kept and what becomes of it then."""

    name: str
    key_class: str
    is_sensitive: bool
    words: Words
    kept: Words


class PurposeTold(msgspec.Struct, frozen=True):
    """A purpose as people are told of it. `kinds` and `recipient` name entries of their lists."""

    id: str
    words: Words
    ground: str
    basis: Citation
    means: Words
    kinds: tuple[str, ...]
    recipient: str | None
    is_separate: bool
    sensitivity: Sensitivity | None
    alternative: Words | None


class RecipientTold(msgspec.Struct, frozen=True):
    """A kind of party that is given data, and those that there are."""

    id: str
    words: Words
    names: tuple[str, ...]


class Content(msgspec.Struct, frozen=True):
    """Everything that a notice says."""

    form: str
    controller: Controller
    purposes: tuple[PurposeTold, ...]
    kinds: tuple[Kind, ...]
    recipients: tuple[RecipientTold, ...]
    rights: tuple[Right, ...]
    statements: tuple[Statement, ...]


class Notice(NamedTuple):
    """A notice in its one encoding."""

    version: str
    content: bytes
    told: Content

    @property
    def is_complete(self) -> bool:
        """Whether it says who is responsible; nobody can agree with a nameless party."""
        return bool(self.told.controller.name and self.told.controller.contact)


def write_notice(controller: Controller, names: Mapping[str, Sequence[str]], kept: Mapping[str, Words]) -> Notice:
    """The notice of a platform. `names` lists the parties of each kind of recipient, `kept` the term of each kind."""
    told = Content(
        form=FORM,
        controller=controller,
        purposes=tuple(tell_purpose(purpose) for purpose in PURPOSES),
        kinds=tuple(_kind(entry, kept) for entry in _KINDS),
        recipients=tuple(RecipientTold(one.id, one.words, tuple(names.get(one.id, ()))) for one in RECIPIENTS),
        rights=RIGHTS,
        statements=STATEMENTS,
    )
    content = wire.canonical_record(told)
    return Notice(hashlib.sha256(content).hexdigest(), content, told)


def read_notice(content: bytes) -> Notice:
    """A notice that was kept. Raises `msgspec.DecodeError` for what is none."""
    return Notice(hashlib.sha256(content).hexdigest(), content, msgspec.json.decode(content, type=Content))


def kinds_of_data() -> tuple[str, ...]:
    """The names under which kinds of data are told of, without the version of their column."""
    return tuple(_name(entry) for entry in _KINDS)


def kinds_for(purpose: Purpose) -> list[Field | Unsealed]:
    """The kinds of data that a purpose needs."""
    return [entry for entry in _KINDS if purpose in entry.purposes]


def tell_purpose(purpose: Purpose) -> PurposeTold:
    """A purpose as people are told of it."""
    return PurposeTold(
        id=purpose.id,
        words=Words(purpose.en, purpose.zh),
        ground=purpose.ground.value,
        basis=purpose.basis,
        means=_means(purpose),
        kinds=tuple(_name(entry) for entry in kinds_for(purpose)),
        recipient=None if purpose.recipient is None else purpose.recipient.id,
        is_separate=purpose.is_separate,
        sensitivity=purpose.sensitivity,
        alternative=purpose.alternative,
    )


@lru_cache
def terms_of(purpose: Purpose) -> str:
    """The digest of what a person agrees to when they agree to this purpose."""
    return hashlib.sha256(wire.canonical_record(tell_purpose(purpose))).hexdigest()


def _kind(entry: Field | Unsealed, kept: Mapping[str, Words]) -> Kind:
    name = _name(entry)
    if name not in kept:
        raise KeyError(f"nobody says how long {name} is kept, so no notice can be written")
    return Kind(name, entry.key_class.value, entry.key_class in SENSITIVE_CLASSES, entry.words, kept[name])


def _name(entry: Field | Unsealed) -> str:
    return f"{entry.table}.{entry.column}" if isinstance(entry, Field) else entry.name


def _means(purpose: Purpose) -> Words:
    """How it is handled, which follows from what the registry says of it, so nobody has to remember to tell it."""
    entries = kinds_for(purpose)
    en, zh = [], []
    if any(isinstance(entry, Field) for entry in entries):
        en.append("sealed when it arrives and opened for this purpose only, each opening recorded")
        zh.append("入库即加密封存，仅为本目的打开并逐次留痕")
        en.append("whole" if purpose.shows_whole else "masked")
        zh.append("以完整内容" if purpose.shows_whole else "以脱敏形式")
    if any(isinstance(entry, Unsealed) and not entry.is_kept for entry in entries):
        en.append("passed on without being kept")
        zh.append("仅转交、不保存")
    if any(isinstance(entry, Unsealed) and entry.is_kept for entry in entries):
        en.append("recorded with each request")
        zh.append("随请求记录")
    if purpose.recipient is not None:
        en.append(f"provided to {purpose.recipient.words.en}")
        zh.append(f"提供给{purpose.recipient.words.zh}")
    return Words("; ".join(en), "；".join(zh))
