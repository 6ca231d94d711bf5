"""What the officers' and auditors' commands add to `terminal`: a chosen language, refusals as sentences, tables.

>>> language_of("zh"), language_of("en")
('zh', 'en')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NoReturn

import typer

from suyuan.base import clock
from suyuan.base.refusals import Language, Refusal
from suyuan.faces.cli import terminal
from suyuan.settle.account import FOR_EVER

WIDTH_MAX = 10_000

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
    """A table for people; one that is wider than the terminal stands on its side, a block for each row.

    So an id stands in one piece, to be copied. Text from the database is shown as it is, without rich's markup.
    """
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console()
    shown = [[Text(_shown(name, value)) for name, value in zip(columns, row, strict=True)] for row in rows]
    table = Table(*(Column(column, overflow="fold") for column in columns))
    for row in shown:
        table.add_row(*row)
    # Measured for a terminal without bounds, because in a narrow one the table would just be said to fit.
    if console.measure(table, options=console.options.update(max_width=WIDTH_MAX)).maximum <= console.width:
        console.print(table)
        return
    for row in shown:
        block = Table(Column(overflow="fold"), Column(overflow="fold"), show_header=False)
        for pair in zip(columns, row, strict=True):
            block.add_row(*pair)
        console.print(block)


def _shown(column: str, value: object) -> str:
    """A value as people read it; instants are microseconds, and none at either end of time."""
    if column.endswith("_at") and isinstance(value, int):
        return clock.text(value) if 0 < value < FOR_EVER else "–"
    return "" if value is None else str(value)
