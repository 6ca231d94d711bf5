"""`suyuan risk backtest`: what another policy would have decided, over history or over a table of somebody else.

suyuan risk backtest --policy new.toml --data DIR --from 2026-10-01 --report backtest.html
suyuan risk backtest --policy new.toml --history FOLDER
suyuan risk backtest --policy new.toml --table trades.csv --mapping trades.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from suyuan.base.clock import DAY_S, shanghai_midnight, text
from suyuan.base.refusals import Language
from suyuan.faces.cli.history import Data, database_of
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail

if TYPE_CHECKING:
    from suyuan.risk.backtest.attempts import Span, Stretch
    from suyuan.risk.backtest.run import Result
    from suyuan.risk.catalogue import Catalogue
    from suyuan.risk.policy.policy import Policy

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "judged": "{attempts} attempts judged, {not_judged} not: refused before a policy was asked, or before the span",
        "recorded": "as recorded",
        "written": "report written to {file}",
        "figure": "figure",
        "old": "old",
        "new": "new",
        "note": "Decision support: had the new policy decided, what came after would have been different.",
    },
    "zh": {
        "judged": "已重算 {attempts} 次请求；{not_judged} 次不在其列：未及策略判断即被拒绝，或早于所选时段",
        "recorded": "当时的决定",
        "written": "报告已写入 {file}",
        "figure": "指标",
        "old": "现行",
        "new": "新策略",
        "note": "仅供决策参考：若当时真按新策略执行，后来的行为会不同。",
    },
}

_SHOWN = (
    "precision", "recall", "recall_fen", "stopped_bad_fen", "let_through_bad_fen", "reviews", "good_refused_share",
    "good_reviewed_share",
)  # fmt: skip


class _Wanted(NamedTuple):
    """What is backtested over what."""

    new: Policy
    old: Policy | None
    catalogue: Catalogue
    refs: tuple[tuple[str, str], ...]
    span: Span


class _Source(NamedTuple):
    """Where the past is read: a platform's database, an export of history, or somebody else's table."""

    data: Path
    history: Path | None
    table: Path | None
    mapping: Path | None
    label_delay_s: int


def backtest(
    *,
    policy: Annotated[Path, typer.Option(help="the policy to try, a TOML file")],
    against: Annotated[Path | None, typer.Option(help="another policy; without it, what was really decided")] = None,
    from_day: Annotated[str, typer.Option("--from", help="the first day, YYYY-MM-DD in Shanghai")] = "",
    to_day: Annotated[str, typer.Option("--to", help="the day before which it ends")] = "",
    data: Data = Path("suyuan-data"),
    history: Annotated[Path | None, typer.Option(help="a folder of `suyuan history export`, not a platform")] = None,
    table: Annotated[Path | None, typer.Option(help="a CSV or Parquet file of somebody else")] = None,
    mapping: Annotated[Path | None, typer.Option(help="which column of the table is what, a TOML file")] = None,
    label_delay: Annotated[int, typer.Option(min=0, help="days after which what did not turn bad is good")] = 7,
    report: Annotated[Path | None, typer.Option(help="write an HTML report here")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Compare a policy with what was decided, or with another one, over the past."""
    from suyuan.risk.backtest.run import backtest as run

    wanted = _wanted(policy, against, from_day, to_day)
    source = _Source(data, history, table, mapping, label_delay * DAY_S)
    with _stretches(wanted, source) as stretches:
        result = run(stretches, wanted.catalogue, wanted.new, old=wanted.old)
    if report is not None:
        _write(report, result, wanted, str(table or history or data))
    if is_for_machines:
        as_json({**result.tally.figures(), "not_judged": result.not_judged, "examples": result.examples})
    else:
        _show(result, report, WORDS[language_of(lang)])


def _wanted(policy: Path, against: Path | None, from_day: str, to_day: str) -> _Wanted:
    from suyuan.risk.backtest.attempts import Span
    from suyuan.risk.backtest.run import refs_of
    from suyuan.risk.catalogue import load_catalogue

    new, old = _policy(policy), None if against is None else _policy(against)
    try:
        first = shanghai_midnight(from_day) if from_day else 0
        end = shanghai_midnight(to_day) if to_day else 1 << 62
    except ValueError:
        fail("a day is written YYYY-MM-DD / 日期请写作 YYYY-MM-DD")
    return _Wanted(new, old, load_catalogue(), refs_of(new, old), Span(first, end))


def _policy(file: Path) -> Policy:
    from suyuan.faces.policy_file import read_policy
    from suyuan.risk.policy.mistakes import BadPolicy

    try:
        return read_policy(file)
    except (OSError, BadPolicy) as fault:
        fail(f"{file}: {fault}")


@contextmanager
def _stretches(wanted: _Wanted, source: _Source) -> Iterator[Iterator[Stretch]]:
    from suyuan.history.segments import BrokenExport
    from suyuan.risk.backtest import attempts, past
    from suyuan.risk.backtest.foreign import BadTable

    try:
        with ExitStack() as stack:
            if source.table is not None:
                yield _of_table(wanted, source.table, source.mapping)
                return
            exported = source.history
            kept: past.Kept = exported if exported is not None else stack.enter_context(database_of(source.data))
            truth = past.truth(kept, source.label_delay_s)
            yield attempts.of_history(past.recorded(kept), wanted.catalogue, truth, refs=wanted.refs, span=wanted.span)
    except (OSError, BadTable, BrokenExport) as fault:
        fail(str(fault), code=1)


def _of_table(wanted: _Wanted, table: Path, mapping: Path | None) -> Iterator[Stretch]:
    from suyuan.risk.backtest import attempts, foreign

    if mapping is None:
        fail("a table needs a mapping, see docs/backtest.md / 外部数据表需要映射文件，见 docs/backtest.md")
    rows = foreign.read_table(table, foreign.read_mapping(mapping.read_text("utf-8")))
    return attempts.of_table(rows, wanted.catalogue, refs=wanted.refs, span=wanted.span)


def _write(file: Path, result: Result, wanted: _Wanted, source: str) -> None:
    from suyuan.faces import backtest_page

    old = WORDS["en"]["recorded"] if wanted.old is None else _named(wanted.old)
    span = f"{text(wanted.span.from_at)} – {text(min(wanted.span.to_at, 1 << 52))}" if wanted.span.from_at else ""
    page = backtest_page.html(result.tally, backtest_page.About(old, _named(wanted.new), Path(source).name, span))
    file.write_text(page, "utf-8")


def _named(policy: Policy) -> str:
    return f"{policy.name} · {policy.digest[:16]}"


def _show(result: Result, report: Path | None, words: dict[str, str]) -> None:
    figures = result.tally.figures()
    print(words["judged"].format(attempts=figures["attempts"], not_judged=result.not_judged))
    rows = [(name, figures["old"][name], figures["new"][name]) for name in _SHOWN]
    print_table((words["figure"], words["old"], words["new"]), rows)
    print_table(
        (words["figure"], ""),
        [(name, figures[name]) for name in ("changed", "prevented_fen", "lost_fen", "reviews_caused")],
    )
    print(words["note"])
    if report is not None:
        print(words["written"].format(file=report))
