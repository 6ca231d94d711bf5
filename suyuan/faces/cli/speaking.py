"""What the officers' and auditors' commands add to `terminal`: a chosen language, refusals as sentences, tables.

>>> language_of("zh"), language_of("en")
('zh', 'en')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NoReturn

import typer

from suyuan.base.refusals import Language, Refusal
from suyuan.faces.cli import terminal

COLUMNS_MAX = 6

Lang = Annotated[str | None, typer.Option("--lang", help="zh or en; without it, the language of LANG")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object for machines")]


def language_of(choice: str | None) -> Language:
    """The language that was chosen, or else the terminal's."""
    if choice not in (None, "zh", "en"):
        raise typer.BadParameter("choose zh or en", param_hint="--lang")
    chosen = choice or terminal.language()
    return "zh" if chosen == "zh" else "en"


def refuse(refusal: Refusal, language: Language) -> NoReturn:
    """Says a refusal of the platform and ends the command."""
    terminal.fail(f"{refusal.sentence(language)} [{refusal.code}]", code=1)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; one with many columns stands on its side, a block for each row.

    Text from the database is shown as it is, without rich's markup, and an id is folded, never cut short.
    """
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console()
    shown = [[Text("" if value is None else str(value)) for value in row] for row in rows]
    if len(columns) <= COLUMNS_MAX:
        table = Table(*(Column(column, overflow="fold") for column in columns))
        for row in shown:
            table.add_row(*row)
        console.print(table)
        return
    for row in shown:
        block = Table(Column(overflow="fold"), Column(overflow="fold"), show_header=False)
        for pair in zip(columns, row, strict=True):
            block.add_row(*pair)
        console.print(block)
