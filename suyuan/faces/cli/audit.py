"""`suyuan audit books`: asks the database of a platform whether the books are right; writes nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from suyuan.base import db
from suyuan.base.refusals import Language
from suyuan.config import BadSettings, load_settings
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail
from suyuan.settle.audit import Audit, audit_books
from suyuan.settle.limits import LimitRules

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Checks of what stands in the database.",
)

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "rule": "rule", "holds": "holds", "yes": "yes", "no": "NO", "balanced": "The books are balanced: {counts}",
        "broken": "The books are NOT balanced: {counts}", "counts": "{postings} postings, {events} history events",
    },
    "zh": {
        "rule": "规则", "holds": "是否成立", "yes": "是", "no": "否", "balanced": "账目平衡：{counts}",
        "broken": "账目不平衡：{counts}", "counts": "{postings} 条记账，{events} 条历史事件",
    },
}  # fmt: skip


@app.callback()
def audit() -> None:
    """Checks of what stands in the database."""


@app.command()
def books(
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    database: Annotated[str, typer.Option("--database-url", help="the database, where it is not the folder's")] = "",
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Whether the books are balanced, every limit kept and history without gaps. Exit status 1 where they are not."""
    try:
        found = audit_place(database or data)
    except (db.DatabaseTrouble, BadSettings) as trouble:
        fail(str(trouble))
    if is_for_machines:
        as_json(asdict(found))
    else:
        _show(found, language_of(lang))
    raise typer.Exit(0 if found.balanced else 1)


def audit_place(place: Path | str) -> Audit:
    """Audits a database by its URL, or the one of a data folder, which is started where it does not run."""
    if isinstance(place, Path):
        settings = load_settings(place)
        place = settings.database_url or settings.data / "pg"
        if isinstance(place, Path) and not place.exists():
            raise db.DatabaseUnreachable(f"there is no platform in {settings.data}; name its folder with --data")
    with db.serving(place) as url, db.connect(url) as connection:
        return audit_books(connection, LimitRules())


def _show(found: Audit, language: Language) -> None:
    words = WORDS[language]
    rows = [(name, words["yes" if holds else "no"]) for name, holds in found.invariants.items()]
    print_table((words["rule"], words["holds"]), rows)
    for finding in found.findings:
        print(finding)
    counts = words["counts"].format(postings=found.postings, events=found.history_events)
    print(words["balanced" if found.balanced else "broken"].format(counts=counts))
