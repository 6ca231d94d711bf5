"""`suyuan admin freeze`: sellers who redeem nothing for now. Freezing takes one officer, lifting two."""

from __future__ import annotations

from typing import Annotated

import typer

from suyuan.base import clock
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.speaking import Limit
from suyuan.flows.freeze_seller import LiftFreeze
from suyuan.settle import roll

app = typer.Typer(no_args_is_help=True, help="Sellers who redeem nothing for now.")

SellerId = Annotated[str, typer.Argument(help="slr_…")]


@app.command("add")
def freeze_seller(
    context: typer.Context,
    seller: SellerId,
    reason: Annotated[str, typer.Option(help="why, in one line; no personal data")],
) -> None:
    """Freezes a seller at once: nothing more is taken, and what was promised waits."""
    office: Office = context.obj
    command = officers.freeze(office.officer, seller, reason, now=clock.SystemClock().now())
    office.tell({"frozen": office.submit(command)})


@app.command("lift")
def lift_freeze(
    context: typer.Context,
    seller: SellerId,
    reason: Annotated[str, typer.Option(help="why the seller may go on, in one line; no personal data")],
) -> None:
    """Proposes to lift a freeze, whoever froze; what was promised is then paid."""
    context.obj.propose(LiftFreeze(seller, reason))


@app.command("list")
def list_frozen(context: typer.Context, limit: Limit = 100) -> None:
    """Who is frozen, since when, why, and by which attempt or officer."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = roll.frozen(connection, rows_max=limit)
    office.table(roll.FrozenSeller._fields, list(rows))
