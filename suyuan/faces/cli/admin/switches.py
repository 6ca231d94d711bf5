"""`suyuan admin switch`: kill switches."""

from __future__ import annotations

from typing import Annotated

import typer

from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office
from suyuan.settle import roll

app = typer.Typer(no_args_is_help=True, help="Kill switches; they act at once and take one officer.")

_TARGET = typer.Argument(help="platform, or partner:… key:… channel:… card_kind:…")


@app.command("stop")
def stop(context: typer.Context, target: Annotated[str, _TARGET]) -> None:
    """Stops something at once."""
    office: Office = context.obj
    office.tell({"stopped": _turn(office, target, stopped=True)})


@app.command("open")
def open_again(context: typer.Context, target: Annotated[str, _TARGET]) -> None:
    """Opens it again."""
    office: Office = context.obj
    office.tell({"open": _turn(office, target, stopped=False)})


def _turn(office: Office, target: str, *, stopped: bool) -> str:
    officer = office.officer
    with office.reading() as connection:
        after = roll.switch_turned_at(connection, target)
    return office.submit(officers.switch(officer, target, stopped=stopped, after=after))
