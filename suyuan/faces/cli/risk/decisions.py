"""`suyuan risk decisions|replay|shadow`: what was decided here, whether it comes to the same again, and what watchers
would have said. All of them only read, and may run beside a serving platform.

    suyuan risk decisions --data DIR --action refuse
    suyuan risk replay rdm_… --data DIR --from-history
    suyuan risk shadow --data DIR --days 7
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, SystemClock, plus
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.config import BadSettings, load_settings
from suyuan.faces.cli.reading import reading
from suyuan.faces.cli.speaking import Json, Lang, Limit, language_of, print_table, refuse
from suyuan.faces.cli.terminal import as_json, fail
from suyuan.flows.replay_decision import Again, Outcome, describe, find_decision, replay_decision
from suyuan.history.store import next_seq, place_of, stretch
from suyuan.risk import decisions_kept
from suyuan.risk.decision import Action
from suyuan.risk.decisions_kept import ListedDecision
from suyuan.risk.tail import STRETCH_EVENTS
from suyuan.risk.watching import TOLD_BY, Watched, WatchedLine

Data = Annotated[Path, typer.Option(help="the platform's data folder")]
ActionName = StrEnum("ActionName", {action.value: action.value for action in Action})  # type: ignore[misc]  # Made of the closed list.

OUTCOMES: dict[Language, dict[Outcome, str]] = {
    "en": {
        Outcome.SAME: "It comes to the same, byte for byte.",
        Outcome.DIFFERS: "It does not come to the same.",
        Outcome.PASSED_BY_A_PERSON: "A person had let this attempt pass; no policy was asked.",
        Outcome.POLICY_IS_NOT_HERE: "The policy or the model that decided is not kept here.",
        Outcome.OTHER_FEATURES: "It was decided by another catalogue of features.",
        Outcome.HISTORY_IS_GONE: "Events before it are missing, so its features cannot be computed again.",
        Outcome.PERSON_WAS_FORGOTTEN: "The seller was forgotten; what was seen of them is not looked at again.",
    },
    "zh": {
        Outcome.SAME: "重新计算的结果逐字节一致。",
        Outcome.DIFFERS: "重新计算的结果不一致。",
        Outcome.PASSED_BY_A_PERSON: "此笔由人工放行，未经策略判断。",
        Outcome.POLICY_IS_NOT_HERE: "作出该决策的策略或模型未保存在此。",
        Outcome.OTHER_FEATURES: "该决策所用的特征目录不同，无法重新计算。",
        Outcome.HISTORY_IS_GONE: "之前的事件缺失，无法重新计算特征。",
        Outcome.PERSON_WAS_FORGOTTEN: "卖卡人数据已删除，不再查看当时的内容。",
    },
}


def decisions(
    *,
    data: Data = Path("suyuan-data"),
    action: Annotated[ActionName | None, typer.Option(help="only these")] = None,
    limit: Limit = 100,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """What was decided, the newest first; names are pseudonyms."""
    with _platform(data, language_of(lang)) as connection:
        only = "" if action is None else action.value
        rows = decisions_kept.newest(connection, only=only, rows_max=limit)
    _table(ListedDecision._fields, rows, is_for_machines=is_for_machines)


def replay(
    redemption: Annotated[str, typer.Argument(help="rdm_…")],
    *,
    data: Data = Path("suyuan-data"),
    from_history: Annotated[
        bool, typer.Option("--from-history", help="compute its features again too, from all events before it")
    ] = False,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Computes a decision again, from what is stored with it or from history itself; exit status 1 where it differs."""
    language = language_of(lang)
    with _platform(data, language) as connection:
        found = find_decision(connection, redemption)
        if found is None:
            refuse(Refusal(Reason.redemption_has_no_decision), language)
        again = replay_decision(connection, found, from_history=from_history)
        # Of somebody who was forgotten nothing is shown.
        is_shown = again.outcome is not Outcome.PERSON_WAS_FORGOTTEN
        shown = describe(connection, found, language) if is_shown else {"redemption": redemption}
    _tell(dict(shown), again, language, is_for_machines=is_for_machines)
    if again.outcome is Outcome.DIFFERS:
        raise typer.Exit(1)


def shadow(
    *,
    data: Data = Path("suyuan-data"),
    days: Annotated[int, typer.Option(min=1, help="the last so many days")] = 7,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """What a shadow policy, or a challenging model, would have done, action by action, and what turned out bad."""
    watched = Watched()
    with _platform(data, language_of(lang)) as connection:
        behind = next_seq(connection)
        first = place_of(connection, plus(SystemClock().now(), -days * DAY_S))
        for start in range(first, behind, STRETCH_EVENTS):
            watched.take(stretch(connection, TOLD_BY, start, min(start + STRETCH_EVENTS, behind)))
    _table(WatchedLine._fields, watched.lines(), is_for_machines=is_for_machines)


@contextmanager
def _platform(data: Path, language: Language) -> Iterator[psycopg.Connection[TupleRow]]:
    try:
        settings = load_settings(data)
    except BadSettings as error:
        fail(str(error))
    with reading(settings, language) as connection:
        yield connection


def _tell(shown: dict[str, object], again: Again, language: Language, *, is_for_machines: bool) -> None:
    where = [difference._asdict() for difference in again.where]
    if is_for_machines:
        as_json(shown | {"outcome": again.outcome.value, "where": where})
        return
    for name, value in shown.items():
        print(f"{name}: {value}")
    print(OUTCOMES[language][again.outcome])
    for difference in where:
        print(f"  {difference['what']}: {difference['stored']} → {difference['computed']}")


def _table(columns: tuple[str, ...], rows: list[ListedDecision] | list[WatchedLine], *, is_for_machines: bool) -> None:
    if is_for_machines:
        as_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
