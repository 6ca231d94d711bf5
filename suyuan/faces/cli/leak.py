"""`suyuan leak`: whose export, or whose reads, a leaked list or photo fits; canary cards, given out and come back.

It only reads, opens no sealed field, and may run beside a serving platform; it needs the platform's `keys/vault.key`,
from which the marks derive. What it prints is decision support (`docs/leaks.md`).

    suyuan leak attribute found.csv --data DIR --seen 2026-11-20
    suyuan leak photo found.jpg --data DIR
    suyuan leak cards exp_… --data DIR --operator unicom --count 5
    suyuan leak redeemed --data DIR
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import TupleRow

from suyuan.app.keys import load_keys
from suyuan.base.clock import DAY_S, SECOND, SHANGHAI_AHEAD_S, SystemClock, shanghai_day, text
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.config import BadSettings, load_settings
from suyuan.faces.cli.reading import reading
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table, refuse
from suyuan.faces.cli.terminal import as_json, fail, sentence_of, tell
from suyuan.faces.csv_rows import Broken
from suyuan.faces.leak_file import Leak, read_leak, text_of
from suyuan.flows.attribute_leak import EXPORT, attribute_leak, candidates_of
from suyuan.flows.meet_canary_cards import CanaryCard, Met, canary_cards, canary_cards_met
from suyuan.history.store import replay
from suyuan.privacy.attribution import ACCUSATION_MAX, Attribution, Missing, Weighed
from suyuan.privacy.canary import CARDS_MAX
from suyuan.privacy.keyring import KeyTrouble
from suyuan.privacy.papers import FILE_BYTES_MAX
from suyuan.privacy.vault import Vault
from suyuan.settle.card import Formats, load_formats

SHOWN_MAX = 20

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="When personal data has leaked: where from, and who must be told.",
)

Data = Annotated[Path, typer.Option(help="the platform's data folder")]

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "columns": "source|asked by|recipient|verdict|false accusation at most|likelihood|share|signs",
        "named": "named", "lead": "lead", "neither": "–", "canaries": "canaries", "digits": "digits", "order": "order",
        "pseudonyms": "pseudonyms", "coverage": "coverage",
        "is_named": "The list is from {sources}; anybody innocent would fit so well with probability ≤ {limit}.",
        "is_lead": "A lead, by coverage alone: {sources}. It says who could have, not who did; look for a second sign.",
        "is_nobody": "Not attributed: nobody is named.",
        "missing": "What is missing: {what}",
        "recipient": "{rows} rows show pseudonyms that were made for {recipient} alone.",
        "rows": "{rows} rows: {told} persons are known beyond doubt, {perhaps} rows may be about several, {strangers}"
        " are about nobody whom we can tell.",
        "told": "To be told (个人信息保护法 2021, art. 57): {people}",
        "more": "… and {count} more; --json lists all of them",
        "beyond": "{source} never held these whole: {fields}",
        "photo_read": "The photo left by the read at event {seq}: {reader}, {at}, for {purpose}, “{reference}”; an"
        " innocent read would be named with probability {bound}.",
        "photo_marked": "The photo carries this platform's mark, but none of the reads in its history.",
        "photo_unmarked": "No mark of this platform is found: no read here let it go, or its mark was removed.",
        "support": "Decision support, not a verdict: a mark names the copy, not the hand that let it go.",
    },
    "zh": {
        "columns": "来源|申请人|接收方|结论|误指概率上限|似然（10 的幂）|占比|迹象",
        "named": "已指认", "lead": "线索", "neither": "–", "canaries": "金丝雀", "digits": "毫秒位", "order": "行序",
        "pseudonyms": "假名", "coverage": "覆盖",
        "is_named": "该名单来自 {sources}；无辜者也如此吻合的概率不超过 {limit}。",
        "is_lead": "仅凭覆盖得到的线索：{sources}。只说明谁有可能，不说明是谁，请另找一项迹象。",
        "is_nobody": "无法归因：不指认任何一方。",
        "missing": "缺少：{what}",
        "recipient": "{rows} 行带有仅为 {recipient} 生成的假名。",
        "rows": "共 {rows} 行：确定涉及 {told} 人，{perhaps} 行可能涉及多人，{strangers} 行无法对应到本平台的人。",
        "told": "应告知（个人信息保护法 2021 第 57 条）：{people}",
        "more": "…… 另有 {count} 人，--json 列出全部",
        "beyond": "{source} 从未持有下列字段的完整值：{fields}",
        "photo_read": "该照片经由事件 {seq} 的读取流出：{reader}，{at}，用途 {purpose}，“{reference}”；"
        "无辜读取被误指的概率 {bound}。",
        "photo_marked": "该照片带有本平台标记，但不属于历史中的任何一次读取。",
        "photo_unmarked": "未发现本平台标记：并非经由本平台读取流出，或标记已被去除。",
        "support": "仅供决策参考，并非结论：标记指向的是副本，而不是泄露它的人。",
    },
}  # fmt: skip

MISSING: dict[Missing, tuple[str, str]] = {
    Missing.CANDIDATES: ("nobody had read or exported anything by then", "截至当时没有任何读取或导出记录"),
    Missing.SUBJECTS: ("no row can be told to be anybody's here", "没有一行能对应到本平台的人"),
    Missing.DIGITS: ("instants with digits behind the seconds", "带秒以下位数的时间"),
    Missing.CANARY_COLUMNS: ("a column of pseudonyms or numbers", "假名或号码列"),
    Missing.CANARIES: ("enough canaries among the rows", "足够的金丝雀行"),
    Missing.ORDER: ("the order in which an export was written", "导出时的行序"),
    Missing.ROWS: ("rows enough to tell chance from a mark", "足以排除巧合的行数"),
}


@app.callback()
def leak() -> None:
    """When personal data has leaked: where from, and who must be told."""


@app.command()
def attribute(
    file: Annotated[Path, typer.Argument(help="the leaked list, as CSV")],
    *,
    data: Data = Path("suyuan-data"),
    seen: Annotated[str, typer.Option(help="the day it was first seen, YYYY-MM-DD; later reads are left out")] = "",
    encoding: Annotated[str, typer.Option(help="of the file; without it UTF-8, UTF-16 or GB18030 is found out")] = "",
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Rank whose export or reads a leaked list fits, each with its likelihood and a bound on accusing wrongly."""
    language = language_of(lang)
    before = _behind(seen)
    found = _read(file, encoding, language)
    with _platform(data) as (connection, vault):
        attribution = attribute_leak(connection, vault, found.cells, seen_at=before)
    if is_for_machines:
        as_json(_told(attribution, found))
    else:
        _show(attribution, language)


def _behind(day: str) -> int | None:
    """The end of a day in Shanghai."""
    if not day:
        return None
    try:
        began_s = int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) - SHANGHAI_AHEAD_S
    except ValueError:
        raise typer.BadParameter("write the day as YYYY-MM-DD", param_hint="--seen") from None
    return (began_s + DAY_S) * SECOND


def _read(file: Path, encoding: str, language: Language) -> Leak:
    try:
        found = read_leak(file.read_bytes(), encoding)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except LookupError:
        raise typer.BadParameter(f"nobody knows an encoding {encoding}", param_hint="--encoding") from None
    if isinstance(found, Broken):
        fail(text_of(found, file.name, language))
    if found.left_out:
        tell(text_of(found, file.name, language))
    return found


@app.command()
def photo(
    file: Annotated[Path, typer.Argument(help="the leaked photo, as JPEG or PNG; a screenshot will do")],
    *,
    data: Data = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Tell by whose read a leaked photo of a paper left, from the mark in its pixels."""
    from suyuan.faces.confined import read_marks
    from suyuan.flows.show_paper import whose_read

    language = language_of(lang)
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    if len(content) > FILE_BYTES_MAX:
        refuse(Refusal(Reason.paper_is_too_large), language)
    with _platform(data) as (connection, vault):
        found = whose_read(vault, replay(connection), partial(read_marks, content))
    if isinstance(found, Refusal):
        refuse(found, language)
    if is_for_machines:
        as_json(found._asdict())
        return
    words = WORDS[language]
    if found.read_seq is None:
        print(words["photo_marked" if found.is_marked else "photo_unmarked"])
    else:
        shown = found._asdict() | {"seq": found.read_seq, "at": text(found.at), "bound": _below(found.chance_max)}
        print(words["photo_read"].format(**shown))
    print(words["support"])


@app.command()
def cards(
    export: Annotated[str, typer.Argument(help="exp_…, the export, or whatever else they are given with")],
    *,
    data: Data = Path("suyuan-data"),
    operator: Annotated[str, typer.Option(help="in whose form")] = "cmcc",
    count: Annotated[int, typer.Option(min=1, max=CARDS_MAX, help="how many")] = 3,
    is_for_machines: Json = False,
) -> None:
    """Show canary cards, to be laid among the cards that somebody is given; the same ones each time."""
    if not export.startswith(EXPORT):
        raise typer.BadParameter("name what they are given with by an id that begins with exp_", param_hint="EXPORT")
    formats = _formats()
    if operator not in formats.operators:
        raise typer.BadParameter(f"choose one of {', '.join(formats.operators)}", param_hint="--operator")
    try:
        made = canary_cards(load_keys(load_settings(data)).vault, formats, export, operator, count)
    except BadSettings as trouble:
        fail(str(trouble))
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))
    _list(CanaryCard._fields, made, is_for_machines=is_for_machines)


@app.command()
def redeemed(
    exports: Annotated[list[str] | None, typer.Argument(help="exp_… ids beside the exports that history knows")] = None,
    *,
    data: Data = Path("suyuan-data"),
    is_for_machines: Json = False,
) -> None:
    """List the canary cards that somebody has tried to redeem: whose export they were given with, and who came."""
    with _platform(data) as (connection, vault):
        known = {candidate.id for candidate in candidates_of(connection) if candidate.is_marked}
        met = canary_cards_met(connection, vault, _formats(), known.union(exports or ()))
    _list(Met._fields, met, is_for_machines=is_for_machines)


def _formats() -> Formats:
    return load_formats(shanghai_day(SystemClock().now()))


def _list(columns: tuple[str, ...], rows: Sequence[tuple[object, ...]], *, is_for_machines: bool) -> None:
    if is_for_machines:
        as_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@contextmanager
def _platform(data: Path) -> Iterator[tuple[psycopg.Connection[TupleRow], Vault]]:
    """A connection that can write nothing, and the vault of whose keys the marks derive."""
    try:
        settings = load_settings(data)
        with reading(settings) as connection:
            yield connection, load_keys(settings).vault
    except BadSettings as trouble:
        fail(str(trouble))
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))


def _told(attribution: Attribution, found: Leak) -> dict[str, Any]:
    return {
        "named": attribution.named,
        "leads": attribution.leads,
        "missing": [missing.value for missing in attribution.missing],
        "accusation_max": ACCUSATION_MAX,
        "candidates": [_told_of(it) for it in attribution.weighed],
        "recipients": dict(attribution.recipients),
        "rows": attribution.rows,
        "rows_left_out": [broken.line for broken in found.left_out],
        "rows_perhaps": attribution.perhaps,
        "rows_of_nobody": attribution.strangers,
        "subjects_to_tell": attribution.told,
    }


def _told_of(it: Weighed) -> dict[str, Any]:
    return {
        "source": it.candidate.id,
        "asked_by": it.candidate.asked_by,
        "recipient": it.candidate.recipient,
        "is_named": it.is_named,
        "is_lead": it.is_lead,
        "false_accusation_max": it.bound,
        "likelihood_log10": round(it.likelihood, 2),
        "share": round(it.share, 4),
        "signs": {sign.kind.value: {"hits": sign.hits, "trials": sign.trials} for sign in it.signs},
        "beyond": it.beyond,
    }


def _show(attribution: Attribution, language: Language) -> None:
    words = WORDS[language]
    shown = attribution.weighed[:SHOWN_MAX]
    print_table(words["columns"].split("|"), [_row(it, words) for it in shown])
    for sources, word in ((attribution.named, "is_named"), (attribution.leads, "is_lead")):
        if sources:
            print(words[word].format(sources=", ".join(sources), limit=f"{ACCUSATION_MAX:.1g}"))
    if not attribution.named:
        print(words["is_nobody"])
        what = [MISSING[missing][0 if language == "en" else 1] for missing in attribution.missing]
        print(words["missing"].format(what="; ".join(what) if language == "en" else "；".join(what)))
    for recipient, rows in attribution.recipients:
        print(words["recipient"].format(rows=rows, recipient=recipient))
    for it in shown:
        if it.beyond and (it.is_named or it.is_lead):
            print(words["beyond"].format(source=it.candidate.id, fields=" ".join(it.beyond)))
    _show_people(attribution, words)
    print(words["support"])


def _show_people(attribution: Attribution, words: dict[str, str]) -> None:
    counts = {"rows": attribution.rows, "perhaps": attribution.perhaps, "strangers": attribution.strangers}
    print(words["rows"].format(**counts, told=len(attribution.told)))
    if attribution.told:
        print(words["told"].format(people=" ".join(attribution.told[:SHOWN_MAX])))
    if len(attribution.told) > SHOWN_MAX:
        print(words["more"].format(count=len(attribution.told) - SHOWN_MAX))


def _bound(bound: float) -> str:
    """A probability. Below that a number impresses and says no more."""
    return "< 1e-99" if bound < 1e-99 else f"{bound:.1g}"


def _below(bound: float) -> str:
    """The same in a sentence."""
    return "< 1e-99" if bound < 1e-99 else f"≤ {bound:.1g}"


def _row(it: Weighed, words: dict[str, str]) -> Sequence[str]:
    verdict = "named" if it.is_named else "lead" if it.is_lead else "neither"
    signs = ", ".join(f"{words[sign.kind.value]} {sign.hits}/{sign.trials}" for sign in it.signs)
    return (
        it.candidate.id, it.candidate.asked_by, it.candidate.recipient, words[verdict], _bound(it.bound),
        f"10^{round(it.likelihood)}", f"{it.share:.0%}", signs,
    )  # fmt: skip
