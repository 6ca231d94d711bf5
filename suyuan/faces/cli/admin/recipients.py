"""`suyuan admin recipient`: who may be given exports, under which contract, until when."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from suyuan.base.crypto.age import is_age_key
from suyuan.faces.cli.admin.office import Office, end_of, new_id
from suyuan.faces.cli.speaking import Limit
from suyuan.flows.hold_recipients import AddRecipient, EndRecipient
from suyuan.privacy import recipients
from suyuan.privacy.recipients import HOME, Recipient, Role, TransferBasis

app = typer.Typer(no_args_is_help=True, help="Who may be given exports.")


@app.command("add")
def add_recipient(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="as the contract calls it")],
    *,
    contact: Annotated[str, typer.Option(help="how people reach it about their data; no person's own")],
    role: Annotated[Role, typer.Option(help="what it is to the platform")],
    age_key: Annotated[str, typer.Option(help="age1…, as its `age-keygen` prints it")],
    until: Annotated[str, typer.Option(help="the last day of the contract, YYYY-MM-DD")],
    partner: Annotated[str, typer.Option(help="ptn_…, for the role of partner")] = "",
    region: Annotated[str, typer.Option(help="where the data comes to lie, as ISO 3166 has it")] = HOME,
    transfer_basis: Annotated[
        TransferBasis, typer.Option(help="by which way of the law data goes abroad")
    ] = TransferBasis.NONE,
    transfer_document: Annotated[str, typer.Option(help="the number of that document")] = "",
) -> None:
    """Proposes a recipient; its contract and key are checked by two officers."""
    if not is_age_key(age_key):
        raise typer.BadParameter("this is no public key of age, which begins with age1", param_hint="--age-key")
    made = new_id("rcp")
    change = AddRecipient(
        id=made,
        name=name,
        contact=contact,
        role=role,
        age_key=age_key,
        ends_at=end_of(until, "--until"),
        partner=partner,
        region=region,
        transfer_basis=transfer_basis,
        transfer_document=transfer_document,
    )
    context.obj.propose(change, made)


@app.command("end")
def end_recipient(context: typer.Context, recipient: Annotated[str, typer.Argument(help="rcp_…")]) -> None:
    """Proposes that a recipient's contract is over at once."""
    context.obj.propose(EndRecipient(recipient))


@app.command("list")
def list_recipients(context: typer.Context, limit: Limit = 100) -> None:
    """Recipients, those whose contract ends last first."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = recipients.newest(connection, rows_max=limit)
    office.table(Recipient.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])
