"""`suyuan audit`: whether a platform's books are right, and whether each paper has its file; writes nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from suyuan.base import db
from suyuan.base.refusals import Language
from suyuan.config import BadSettings, load_settings
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail, no_platform
from suyuan.privacy import papers as paper_rows
from suyuan.privacy.paper_files import PaperFiles, lost
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
        "lost": "{paper}: its sealed file is missing or cut; restore the folder papers from its backup",
        "whole": "Each of {kept} papers has its file.", "not_whole": "{lost} of {kept} papers have NO whole file.",
    },
    "zh": {
        "rule": "规则", "holds": "是否成立", "yes": "是", "no": "否", "balanced": "账目平衡：{counts}",
        "broken": "账目不平衡：{counts}", "counts": "{postings} 条记账，{events} 条历史事件",
        "lost": "{paper}：密封文件缺失或不完整，请从备份恢复 papers 目录",
        "whole": "{kept} 份材料的文件均完整。", "not_whole": "{kept} 份材料中有 {lost} 份文件不完整。",
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


@app.command()
def papers(
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Whether each paper that is kept has its sealed file, as long as it must be. Exit status 1 where one has not."""
    try:
        kept, without_file = audit_papers(data)
    except (db.DatabaseTrouble, BadSettings) as trouble:
        fail(str(trouble))
    if is_for_machines:
        as_json({"kept": kept, "lost": without_file})
    else:
        words = WORDS[language_of(lang)]
        for paper in without_file:
            print(words["lost"].format(paper=paper))
        print(words["not_whole" if without_file else "whole"].format(kept=kept, lost=len(without_file)))
    raise typer.Exit(1 if without_file else 0)


def audit_papers(data: Path) -> tuple[int, list[str]]:
    """How many papers are kept, and those without a whole file."""
    settings = load_settings(data)
    with db.serving(_database(data)) as url, db.connect(url, autocommit=True) as connection:
        sizes = paper_rows.kept_sizes(connection)
        missing = set(lost(PaperFiles(settings.papers), sizes))
        # One that was deleted while we looked is not missing.
        still_kept = paper_rows.kept_sizes(connection) if missing else {}
        return len(sizes), sorted(missing & still_kept.keys())


def audit_place(place: Path | str) -> Audit:
    """Audits a database by its URL, or the one of a data folder, which is started where it does not run."""
    with db.serving(_database(place) if isinstance(place, Path) else place) as url, db.connect(url) as connection:
        return audit_books(connection, LimitRules())


def _database(data: Path) -> Path | str:
    settings = load_settings(data)
    place = settings.database_place
    if isinstance(place, Path) and not place.exists():
        raise db.DatabaseUnreachable(no_platform(settings.data))
    return place


def _show(found: Audit, language: Language) -> None:
    words = WORDS[language]
    rows = [(name, words["yes" if holds else "no"]) for name, holds in found.invariants.items()]
    print_table((words["rule"], words["holds"]), rows)
    for finding in found.findings:
        print(finding)
    counts = words["counts"].format(postings=found.postings, events=found.history_events)
    print(words["balanced" if found.balanced else "broken"].format(counts=counts))
