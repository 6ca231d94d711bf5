"""The report of a backtest as one HTML file: what would have changed, rule by rule, with plots, in Chinese and English.

No script and nothing from elsewhere; the plots are SVG inside the page, each with its numbers in a table beside it. All
text is escaped. It opens with what such a count cannot know, because a figure without that is read as a promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from suyuan.base.clock import DAY_S
from suyuan.base.money import yuan
from suyuan.base.refusals import Language
from suyuan.faces.evidence_style import STYLE
from suyuan.privacy.purposes import Words
from suyuan.risk.backtest.tally import ORDER, DayTally, RuleTally, Tally

PLOT_WIDTH, PLOT_HEIGHT, MARGIN = 660, 180, 46
RULES_SHOWN_MAX = 100
OLD_COLOUR, NEW_COLOUR = "#5b6573", "#9b2c22"
_PLOTS = """
svg { width: 100%; height: auto; margin: 6px 0 2px; }
svg text { font: 11px Arial, sans-serif; fill: #5b6573; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

SAID = {
    "title": Words("策略回测报告", "Backtest of a policy"),
    "old": Words("现行", "old"),
    "new": Words("新策略", "new"),
    "limits": Words(
        "本报告是决策参考，不是结论。它在已发生的历史上重新计算：若当时真的按新策略执行，后来的行为会不同；被拒绝的请求"
        "永远不知真假，计入“未知”。",
        "This is decision support, not a verdict. It counts again over what happened: had the new policy decided,"
        " what came after would have been different; of a request that was refused nobody learns what it was, so it is"
        " “unknown”.",
    ),
    "summary": Words("概要", "In short"),
    "attempts": Words("请求", "attempts"),
    "truth": Words("好 / 坏 / 未知", "good / bad / unknown"),
    "prevented": Words("新增拦截的坏账面值", "bad face value stopped in addition"),
    "lost": Words("不再拦截的坏账面值", "bad face value stopped no more"),
    "reviews": Words("人工复核增减", "reviews, more or fewer"),
    "changed": Words("结果改变的请求", "attempts decided otherwise"),
    "sides": Words("新旧对照", "Old beside new"),
    "precision": Words("准确率", "precision"),
    "recall": Words("召回率", "recall"),
    "recall_fen": Words("召回率（按面值）", "recall by face value"),
    "good_refused": Words("误拒率（好单）", "good attempts refused"),
    "good_reviewed": Words("复核率（好单）", "good attempts reviewed"),
    "moves": Words("从（行）到（列）", "From (row) to (column)"),
    "stopped_by_day": Words("每日拦截的请求数", "Attempts stopped, by day"),
    "missed_by_day": Words("每日漏过的坏账面值（元）", "Bad face value let through, by day (yuan)"),
    "rules": Words("逐条规则", "Rule by rule"),
    "rule": Words("规则", "rule"),
    "fired": Words("触发", "fired"),
    "fired_good": Words("好单", "on good"),
    "fired_bad": Words("坏单", "on bad"),
    "bad_fen": Words("坏账面值", "bad face value"),
    "decisive": Words("决定性", "decisive"),
    "decisive_good": Words("决定性：好单", "decisive on good"),
    "more_rules": Words("其余规则从略，见 --json", "further rules are left out here; see --json"),
    "nothing": Words("没有可数的请求", "nothing to count"),
}


class About(NamedTuple):
    """What was compared: the two policies by name and digest, the source, and its days."""

    old: str
    new: str
    source: str
    span: str


class _Series(NamedTuple):
    """One line of a plot."""

    colour: str
    values: Sequence[int]


def html(tally: Tally, about: About) -> str:
    """The page."""
    articles = "\n".join(_article(tally, about, language) for language in ("zh", "en"))
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{SAID['title'].zh} · {SAID['title'].en}</title><style>{STYLE}{_PLOTS}</style>"
    )
    return f'<!doctype html>\n<html lang="zh-CN">\n<head>{head}</head>\n<body>\n{articles}\n</body>\n</html>\n'


def _article(tally: Tally, about: About, language: Language) -> str:
    tag, other = ("zh-CN", "en") if language == "zh" else ("en", "zh")
    link = "English" if language == "zh" else "中文"
    title = f"<header><nav><a href='#{other}'>{link}</a></nav><h1>{_say('title', language)}</h1></header>"
    compared = [
        (_say("old", language), about.old), (_say("new", language), about.new), ("", about.source), ("", about.span),
    ]  # fmt: skip
    facts = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(text)}</code></dd>" for name, text in compared if text)
    parts = [
        title, f"<dl>{facts}</dl>", f"<p class='notice'>{_say('limits', language)}</p>", _summary(tally, language),
        _sides(tally, language), _moves(tally, language), *_by_day(tally, language), _rules(tally.rules, language),
    ]  # fmt: skip
    return f'<article lang="{tag}" id="{language}">\n' + "\n".join(parts) + "\n</article>"


def _summary(tally: Tally, language: Language) -> str:
    figures = tally.figures()
    rows = [
        ("attempts", f"{figures['attempts']:,}"),
        ("truth", " / ".join(f"{figures[truth]:,}" for truth in ("good", "bad", "unknown"))),
        ("changed", f"{figures['changed']:,}"),
        ("prevented", yuan(tally.prevented_fen)),
        ("lost", yuan(tally.lost_fen)),
        ("reviews", f"{figures['reviews_caused']:+,}"),
    ]
    body = [(_say(name, language), value) for name, value in rows]
    return f"<h2>{_say('summary', language)}</h2>{_table((), body)}"


def _sides(tally: Tally, language: Language) -> str:
    old, new = tally.old.figures(), tally.new.figures()
    rows = [(action.value, f"{old['actions'][action]:,}", f"{new['actions'][action]:,}") for action in ORDER]
    for name, key in (
        ("precision", "precision"), ("recall", "recall"), ("recall_fen", "recall_fen"),
        ("good_refused", "good_refused_share"), ("good_reviewed", "good_reviewed_share"),
    ):  # fmt: skip
        rows.append((_say(name, language), _percent(old[key]), _percent(new[key])))
    heads = ("", _say("old", language), _say("new", language))
    return f"<h2>{_say('sides', language)}</h2>{_table(heads, rows)}"


def _moves(tally: Tally, language: Language) -> str:
    names = [action.value for action in ORDER]
    rows = [(name, *(f"{count:,}" for count in line)) for name, line in zip(names, tally.changed.tolist(), strict=True)]
    return f"<h3>{_say('moves', language)}</h3>{_table(('', *names), rows)}"


def _by_day(tally: Tally, language: Language) -> Iterable[str]:
    days = sorted(tally.days)
    if not days:
        yield f"<p>{_say('nothing', language)}</p>"
        return
    counted = [tally.days.get(day, DayTally()) for day in range(days[0], days[-1] + 1)]
    for name, old, new in (
        ("stopped_by_day", [day.old_stopped for day in counted], [day.new_stopped for day in counted]),
        ("missed_by_day", [day.old_missed_fen // 100 for day in counted], [d.new_missed_fen // 100 for d in counted]),
    ):
        yield f"<h2>{_say(name, language)}</h2>"
        yield _plot([_Series(OLD_COLOUR, old), _Series(NEW_COLOUR, new)], days[0], language)


def _plot(lines: Sequence[_Series], first_day: int, language: Language) -> str:
    """Two lines over the days, both with their names; the axis begins at 0, so that no difference looks larger."""
    most = max(1, *(max(line.values) for line in lines))
    count = len(lines[0].values)
    across = (PLOT_WIDTH - 2 * MARGIN) / max(1, count - 1)

    def place(number: int, value: int) -> str:
        return f"{MARGIN + number * across:.1f},{PLOT_HEIGHT - 24 - value / most * (PLOT_HEIGHT - 44):.1f}"

    drawn = "".join(
        f'<polyline fill="none" stroke="{line.colour}" stroke-width="1.6" points="'
        + " ".join(place(number, value) for number, value in enumerate(line.values))
        + '"/>'
        for line in lines
    )
    named = "".join(
        f'<text x="{MARGIN + 70 * number}" y="12" style="fill:{line.colour}">— {_say(name, language)}</text>'
        for number, (name, line) in enumerate(zip(("old", "new"), lines, strict=True))
    )
    floor = PLOT_HEIGHT - 24
    axis = (
        f'<line x1="{MARGIN}" y1="{floor}" x2="{PLOT_WIDTH - MARGIN}" y2="{floor}" stroke="#d5dae0"/>'
        f'<text x="{MARGIN}" y="{PLOT_HEIGHT - 6}">{_day(first_day)}</text>'
        f'<text x="{PLOT_WIDTH - MARGIN}" y="{PLOT_HEIGHT - 6}" text-anchor="end">{_day(first_day + count - 1)}</text>'
        f'<text x="{MARGIN - 6}" y="24" text-anchor="end">{most:,}</text>'
        f'<text x="{MARGIN - 6}" y="{floor}" text-anchor="end">0</text>'
    )
    return f'<svg viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" role="img">{axis}{drawn}{named}</svg>'


def _rules(rules: Sequence[RuleTally], language: Language) -> str:
    heads = ("rule", "fired", "fired_good", "fired_bad", "precision", "bad_fen", "decisive", "decisive_good")
    shown = sorted(rules, key=lambda rule: -rule.fired)[:RULES_SHOWN_MAX]
    rows = [
        (
            rule.rule, f"{rule.fired:,}", f"{rule.fired_good:,}", f"{rule.fired_bad:,}", _percent(rule.precision),
            yuan(rule.bad_fen), f"{rule.decisive:,}", f"{rule.decisive_good:,}",
        )
        for rule in shown
    ]  # fmt: skip
    more = f"<p class='aside'>{_say('more_rules', language)}</p>" if len(rules) > len(shown) else ""
    return f"<h2>{_say('rules', language)}</h2>{_table([_say(head, language) for head in heads], rows)}{more}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = f"<thead>{_table_row('th', heads)}</thead>" if heads else ""
    body = "".join(_table_row("td", row) for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _table_row(tag: str, texts: Sequence[str]) -> str:
    kinds = ["", *[" class='n'"] * (len(texts) - 1)]
    return (
        f"<tr>{''.join(f'<{tag}{kind}>{escape(text)}</{tag}>' for kind, text in zip(kinds, texts, strict=True))}</tr>"
    )


def _say(name: str, language: Language) -> str:
    return SAID[name].zh if language == "zh" else SAID[name].en


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _day(days: int) -> str:
    return datetime.fromtimestamp(days * DAY_S, UTC).strftime("%Y-%m-%d")
