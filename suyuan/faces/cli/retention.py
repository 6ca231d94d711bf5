"""`suyuan retention`: how long what is kept of persons is kept here, and what comes due; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from suyuan.base import clock
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Language
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.faces.cli.reading import reading
from suyuan.faces.cli.speaking import Json, Lang, Limit, Shared, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.privacy import retention
from suyuan.privacy.retention import BadRetention, NoRule, RetentionRules, Rule

RULE_COLUMNS = ("channel", "category", "active_d", "min_d", "max_d", "law", "version", "article", "what", "from")

DRY: dict[Language, str] = {
    "en": "Nothing was changed. The keeper of the house does this by itself once it is due.",
    "zh": "未作任何更改；到期后由平台自动执行。",
}

app = typer.Typer(
    cls=Shared,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="How long personal data is kept, and what comes due.",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    settings: Settings
    rules: RetentionRules
    language: Language
    is_for_machines: bool

    def table(self, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
        if self.is_for_machines:
            as_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows)


@app.callback()
def of_platform(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """How long personal data is kept, and what comes due.

    The options below may stand anywhere behind `retention`.
    """
    try:
        settings = load_settings(data)
        rules = settings.retention_rules
    except (BadSettings, BadRetention) as error:
        fail(str(error))
    context.obj = _Asked(settings, rules, language_of(lang), is_for_machines)


@app.command()
def rules(context: typer.Context) -> None:
    """The rules in force here, with the law that each cites."""
    asked: _Asked = context.obj
    asked.table(RULE_COLUMNS, [_row(rule, asked.language) for rule in asked.rules.rules.values()])


@app.command()
def report(context: typer.Context) -> None:
    """How much is in ordinary use, restricted and shredded. Exit status 1 where something has no rule."""
    asked: _Asked = context.obj
    with reading(asked.settings, asked.language) as connection:
        counted = retention.counted(connection)
    asked.table(retention.Counted._fields, list(counted))
    try:
        for line in counted:
            asked.rules.rule(line.channel, line.category)
    except NoRule as error:
        fail(str(error), code=1)


@app.command()
def plan(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=0, help="how far to look ahead")] = 30,
    limit: Limit = 100,
) -> None:
    """A dry run: what will change its state within so many days, and to which."""
    asked: _Asked = context.obj
    until = clock.plus(clock.SystemClock().now(), days * DAY_S)
    with reading(asked.settings, asked.language) as connection:
        entries = retention.due_until(connection, until=until, rows_max=limit)
    rows = []
    for entry in entries:
        rule = asked.rules.rule(entry.channel, entry.category)
        then = retention.plan(rule, began_at=entry.began_at, now=max(until, entry.due_at)).state
        rows.append((entry.id, entry.channel, entry.category, entry.state, then, entry.due_at))
    asked.table(("id", "channel", "category", "state", "then", "due_at"), rows)
    if not asked.is_for_machines:
        tell(DRY[asked.language])


def _row(rule: Rule, language: Language) -> tuple[object, ...]:
    what, begins = (rule.what.zh, rule.begins.zh) if language == "zh" else (rule.what.en, rule.begins.en)
    return (
        rule.channel, rule.category, rule.active_d, rule.min_d, rule.max_d, rule.law, rule.version, rule.article,
        what, begins,
    )  # fmt: skip
