"""`suyuan admin seller`: sellers by pseudonym, and how one is forgotten."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from suyuan.faces.cli.admin.office import ROWS_MAX
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.privacy import shredding
from suyuan.privacy.shredding import Shredding
from suyuan.settle import roll

app = typer.Typer(no_args_is_help=True, help="Sellers, by pseudonym.")


@app.command("forget")
def forget_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    reason: Annotated[str, typer.Option(help="why, such as the number of the person's request; no personal data")],
) -> None:
    """Proposes to forget a seller; from the approval on nothing of theirs is opened, and nobody can undo it."""
    context.obj.propose(ForgetSeller(seller, reason))


@app.command("forgotten")
def list_forgotten(context: typer.Context, limit: int = 100) -> None:
    """Who was or will be forgotten; `epoch` is the one whose destruction makes it final."""
    with context.obj.reading() as connection:
        rows = shredding.newest(connection, rows_max=min(limit, ROWS_MAX))
    context.obj.table(Shredding.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


@app.command("list")
def list_sellers(context: typer.Context, partner: str = "", after: str = "", limit: int = 100) -> None:
    """Sellers by pseudonym, in the order of their ids."""
    with context.obj.reading() as connection:
        rows = roll.sellers(connection, partner=partner, after=after, rows_max=min(limit, ROWS_MAX))
    context.obj.table(roll.ListedSeller._fields, list(rows))
