"""`page.html` of a bundle: what records say, where they stand, who signed when, how to check it, what is not proven.

One file in Chinese and then in English, made to be printed on A4: no script, nothing from elsewhere, every text escaped
and every character that does not show written out, so that nobody's name turns the page around. It shows what
`evidence.check` has found in the very contents of the bundle, and nothing that is not disclosed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from html import escape
from typing import NamedTuple

import msgspec

from suyuan.base.clock import SECOND
from suyuan.base.money import Fen, yuan
from suyuan.base.refusals import Language
from suyuan.evidence.bundle.packing import Contents, Exhibit, check_exhibit
from suyuan.evidence.check import CheckedProof, read_policy
from suyuan.evidence.records.opening import names_of
from suyuan.faces.evidence_style import STYLE
from suyuan.faces.evidence_words import AUTHORITIES, HOW, LIMITS, MEMBERS, NOTICE, RULES, SAID
from suyuan.privacy.purposes import Citation, Words

WHOLE_MAX, SHORT_MAX = 20, 500
# What a calendar of four digits holds, in micros.
INSTANT_END = 253_402_300_800 * SECOND

_BEIJING = timezone(timedelta(hours=8))
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class _Found(NamedTuple):
    """A record and what was found of it."""

    exhibit: Exhibit
    proof: CheckedProof


def html(contents: Contents) -> str:
    """The page. Raises `BadEvidence` where a record does not check."""
    policy = read_policy(contents.policy)
    found = [_Found(exhibit, check_exhibit(exhibit, policy)) for exhibit in contents.exhibits]
    articles = "\n".join(_article(contents, found, language) for language in ("zh", "en"))
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{SAID['title'].zh} · {SAID['title'].en}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="zh-CN">\n<head>{head}</head>\n<body>\n{articles}\n</body>\n</html>\n'


def _article(contents: Contents, found: Sequence[_Found], language: Language) -> str:
    tag, other = ("zh-CN", "en") if language == "zh" else ("en", "zh")
    parts = [_head(contents, found, language, other), _seen(found, language)]
    parts += [_record(one, language) for one in found[:WHOLE_MAX]]
    parts += _in_short(found[WHOLE_MAX:], language)
    parts += [_witnessed(found, language), _came(contents, language), _linked(contents, language)]
    parts += [_list("check", HOW, language), _list("shows_not", LIMITS, language), _law(language)]
    parts.append(f'<p class="notice">{_text(_in(NOTICE, language))}</p>')
    return f'<article lang="{tag}" id="{language}">\n' + "\n".join(part for part in parts if part) + "\n</article>"


def _head(contents: Contents, found: Sequence[_Found], language: Language, other: str) -> str:
    custody = contents.custody
    origins = sorted({one.proof.checkpoint.origin for one in found})
    authority = _in(AUTHORITIES[custody.authority], language) if custody.authority in AUTHORITIES else custody.authority
    facts = [
        (_say("log", language), ", ".join(origins)),
        (_say("extracted", language), _instant(custody.extracted_at)),
        (_say("by", language), custody.extracted_by),
        (_say("authority", language), " · ".join(filter(None, [authority, custody.reference]))),
    ]
    count = f"{len(found)} {_say('records' if len(found) > 1 or language == 'zh' else 'record', language).lower()}"
    title = f"<h1>{_text(_say('title', language))}</h1><p class='count'>{_text(count)}</p>"
    link = f'<a href="#{other}">{_text(SAID["other"].zh if other == "zh" else SAID["other"].en)}</a>'
    return f"<header><nav>{link}</nav>{title}{_facts(facts, language)}</header>"


def _seen(found: Sequence[_Found], language: Language) -> str:
    """What all of it comes to, in one sentence."""
    cosigned = [signed for one in found for signed in one.proof.cosigned]
    times = [signed.at for signed in cosigned if signed.at is not None]
    if not times or not all(one.proof.cosigned for one in found):
        return f'<p class="seen">{_text(_say("unseen", language))}</p>'
    fewest = min(len(one.proof.cosigned) for one in found)
    seen = _say("seen", language).format(when=_instant(max(times) * SECOND), count=fewest)
    return f'<p class="seen">{_text(seen)}</p>'


def _record(found: _Found, language: Language) -> str:
    exhibit, proof = found
    rows = [
        (_name(name, language), _value(name, exhibit.shown[name]))
        for name in names_of(exhibit.record)
        if name in exhibit.shown
    ]
    hidden = _say("hidden", language).format(count=exhibit.hidden)
    note = f'<p class="aside">{_text(hidden)}</p>' if exhibit.hidden else ""
    place = [
        (_say("log", language), proof.checkpoint.origin),
        (_say("index", language), f"{proof.index}"),
        (_say("under", language), f"{proof.checkpoint.size}"),
    ]
    entry = f"<dt>{_text(_say('entry', language))}</dt><dd>{_digest(exhibit.opened.entry)}</dd>"
    return (
        f'<section class="record"><h2>{_text(_say("record", language))} {exhibit.seq}</h2>'
        f"<h3>{_text(_say('says', language))}</h3>"
        + _table((_say("field", language), _say("value", language)), rows, "members")
        + f"{note}<h3>{_text(_say('stands', language))}</h3>{_facts(place, language, more=entry)}</section>"
    )


def _witnessed(found: Sequence[_Found], language: Language) -> str:
    """Each checkpoint once, with everybody who signed it."""
    distinct = {(one.proof.checkpoint, tuple(one.proof.cosigned)): one.proof for one in found}
    parts = [f"<h2>{_text(_say('witnessed', language))}</h2>"]
    for proof in list(distinct.values())[:WHOLE_MAX]:
        root = f"<dt>{_text(_say('root', language))}</dt><dd>{_digest(proof.checkpoint.root)}</dd>"
        place = _facts([(_say("log", language), proof.checkpoint.origin)], language, more=root)
        title = _say("checkpoint", language).format(size=proof.checkpoint.size)
        parts.append(f"<h3>{_text(title)}</h3>{place}{_signers(proof, language)}")
    return f"<section>{''.join(parts)}</section>"


def _signers(proof: CheckedProof, language: Language) -> str:
    no_time = _text(_say("no_time", language))
    rows = [(_text(proof.log.name), _text(_say("as_log", language)), _code(proof.log.key_id.hex()), no_time)]
    for signed in sorted(proof.cosigned, key=lambda one: one.at or 0):
        when = no_time if signed.at is None else _text(_instant(signed.at * SECOND))
        rows.append(
            (_text(signed.vkey.name), _text(_say("as_witness", language)), _code(signed.vkey.key_id.hex()), when)
        )
    table = _table([_say(name, language) for name in ("signer", "role", "key", "when")], rows, "signers")
    return table if proof.cosigned else f'{table}<p class="aside">{_text(_say("no_witness", language))}</p>'


def _in_short(found: Sequence[_Found], language: Language) -> Iterator[str]:
    if not found:
        return
    columns = [_say(name, language) for name in ("record", "index", "under", "entry")]
    rows = [
        (_text(str(one.exhibit.seq)), _text(str(one.proof.index)), _text(str(one.proof.checkpoint.size)),
         _digest(one.exhibit.opened.entry))
        for one in found[:SHORT_MAX]
    ]  # fmt: skip
    yield f'<section><p class="aside">{_text(_say("more", language).format(count=len(found)))}</p>'
    yield _table(columns, rows, "short")
    if len(found) > SHORT_MAX:
        yield f'<p class="aside">{_text(_say("kept", language).format(count=len(found) - SHORT_MAX))}</p>'
    yield "</section>"


def _came(contents: Contents, language: Language) -> str:
    environment, custody = contents.environment, contents.custody
    parts = [
        f"<h2>{_text(_say('came', language))}</h2>",
        f'<p class="aside">{_text(_say("came_note", language))}</p>',
    ]
    for one in contents.prelog[:WHOLE_MAX]:
        names = ("source", "signed_by", "operator", "device", "network", "clock", "software")
        facts = [(_say(name, language), str(getattr(one, name))) for name in names]
        parts.append(f"<h3>{_text(_say('record', language))} {one.seq}</h3>{_facts(facts, language)}")
    checks = [
        (f"{_say('self_check', language)}: {one.name}",
         _say("is_good", language) if one.is_good else "; ".join(one.findings))
        for one in environment.self_checks
    ]  # fmt: skip
    facts = [
        (_say("software", language), f"{environment.software} {environment.commit}".strip()),
        (_say("system", language), f"{environment.system} · Python {environment.python}"),
        (_say("settings", language), environment.settings_sha256),
        (_say("clock", language), environment.clock),
        *checks,
        (_say("tool", language), custody.tool),
        (_say("command", language), custody.command),
        (_say("recorded", language), "" if custody.recorded_seq is None else str(custody.recorded_seq)),
    ]
    parts.append(f"<h3>{_text(_say('extracted', language))} {_text(_instant(custody.extracted_at))}</h3>")
    return f"<section>{''.join(parts)}{_facts(facts, language)}</section>"


def _linked(contents: Contents, language: Language) -> str:
    if not contents.links:
        return ""
    columns = [_say(name, language) for name in ("record", "index", "log")]
    rows = [
        (_text(f"{link.seq} · {link.kind} · {link.relation}"), _text(str(link.index)), _text(link.origin))
        for link in contents.links[:SHORT_MAX]
    ]
    return f"<section><h2>{_text(_say('linked', language))}</h2>{_table(columns, rows, 'links')}</section>"


def _list(title: str, lines: Iterable[Words], language: Language) -> str:
    items = "".join(f"<li>{_with_code(_in(line, language))}</li>" for line in lines)
    return f'<section class="{title}"><h2>{_text(_say(title, language))}</h2><ol>{items}</ol></section>'


def _law(language: Language) -> str:
    columns = [_say(name, language) for name in ("rule", "asks", "answer")]
    rows = [
        (_text(cited(rule.basis)), _text(_in(rule.asks, language)), _text(_in(rule.answered_by, language)))
        for rule in RULES
    ]
    return f"<section><h2>{_text(_say('law', language))}</h2>{_table(columns, rows, 'law')}</section>"


def cited(basis: Citation) -> str:
    """The one citation form, in either language: the law's own name.

    >>> cited(RULES[0].basis)
    '人民法院在线诉讼规则 2021, 16–17'
    """
    return f"{basis.law} {basis.version}, {basis.article}"


# --- Pieces -----------------------------------------------------------------------------------------------------------


def _facts(facts: Iterable[tuple[str, str]], language: Language, *, more: str = "") -> str:
    missing = f'<span class="missing">{_text(_say("not_recorded", language))}</span>'
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value) if value else missing}</dd>" for name, value in facts)
    return f"<dl>{rows}{more}</dl>"


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    """Its cells are markup already."""
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _name(name: str, language: Language) -> str:
    """What a member is about, and what it is called."""
    said = MEMBERS.get(name)
    return _code(name) if said is None else f"{_text(_in(said, language))} {_code(name)}"


def _value(name: str, value: object) -> str:
    """A member's value as it was logged, and as people read it where these differ."""
    shown = _code(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    told = ""
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_fen"):
            told = f"{yuan(Fen(value))} CNY"
        elif (name == "at" or name.endswith("_at")) and 0 < value < INSTANT_END:
            told = _instant(value)
    return f'{shown} <span class="told">{_text(told)}</span>' if told else shown


def _digest(digest: bytes) -> str:
    """In groups of eight, so that two of them can be compared by eye."""
    shown = digest.hex()
    groups = (shown[at : at + 8] for at in range(0, len(shown), 8))
    return '<code class="digest">' + " ".join(f"<span>{group}</span>" for group in groups) + "</code>"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _with_code(text: str) -> str:
    """What stands between backticks is for a terminal."""
    parts = text.split("`")
    return "".join(_code(part) if number % 2 else _text(part) for number, part in enumerate(parts))


def _text(text: str) -> str:
    """A text as HTML. What would not show, or would turn what follows around, is written out."""
    return escape("".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text))


def _instant(at: int) -> str:
    """In Beijing and in UTC.

    >>> _instant(1_700_000_000_000_000)
    '2023-11-15 06:13:20 UTC+8 (2023-11-14 22:13:20 UTC)'
    """
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{moment.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S} UTC+8 ({moment:%Y-%m-%d %H:%M:%S} UTC)"


def _say(name: str, language: Language) -> str:
    return _in(SAID[name], language)


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en
