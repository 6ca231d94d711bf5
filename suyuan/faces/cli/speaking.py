"""What the officers' and auditors' commands add to `terminal`: a chosen language, refusals as sentences, tables.

Options that a whole group shares, such as `--data` and `--json`, may stand anywhere behind the group's name (`Shared`).

>>> language_of("zh"), language_of("en")
('zh', 'en')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup, TyperOption

from suyuan.base import clock
from suyuan.base.refusals import Language, Refusal
from suyuan.faces.cli import terminal
from suyuan.settle.account import FOR_EVER

WIDTH_MAX = 10_000

Lang = Annotated[str | None, typer.Option("--lang", help="zh or en; without it, the language of LANG")]
Json = Annotated[bool, typer.Option("--json", help="print JSON for machines")]
ROWS_MAX = 1000
Limit = Annotated[int, typer.Option("--limit", min=1, max=ROWS_MAX, help="how many rows at most")]


class Shared(TyperGroup):
    """A group whose own options hold for all of its commands, and may stand before or behind the command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for argument in args:
            if not argument.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in argument):
                ctx.fail("An argument is not text in the terminal's encoding.")
        rest: list[str] = super().parse_args(ctx, _own_first(self._own(), args))
        return rest

    def _own(self) -> dict[str, bool]:
        """The shared options by name, and whether each takes a value."""
        own = [option for option in self.params if isinstance(option, TyperOption)]
        return {name: not option.is_flag for option in own for name in option.opts}


def _own_first(own: dict[str, bool], args: list[str]) -> list[str]:
    """Arguments with the shared options before all others; behind `--` nothing is an option.

    >>> _own_first({"--data": True, "--json": False}, ["list", "--json", "--data", "x", "--all", "--", "--json"])
    ['--json', '--data', 'x', 'list', '--all', '--', '--json']
    """
    first: list[str] = []
    rest: list[str] = []
    left = iter(args)
    for argument in left:
        if argument == "--":
            return [*first, *rest, argument, *left]
        name, joined, _ = argument.partition("=")
        chosen = first if name in own else rest
        chosen.append(argument)
        if own.get(name) and not joined:
            chosen.extend(argument for argument in [next(left, None)] if argument is not None)
    return [*first, *rest]


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
    if column.endswith(("_at", "_until")) and isinstance(value, int):
        return clock.text(value) if 0 < value < FOR_EVER else "–"
    return "" if value is None else str(value)
