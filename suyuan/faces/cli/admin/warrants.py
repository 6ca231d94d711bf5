"""`suyuan admin warrant`: orders of lawful authorities, and what they open."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office, beginning_of, end_of, new_id
from suyuan.faces.cli.speaking import Limit, refuse
from suyuan.faces.cli.terminal import fail
from suyuan.flows.hold_warrants import AddWarrant, EndWarrant
from suyuan.privacy import warrants
from suyuan.privacy.purposes import ANSWER_AUTHORITY, FIELDS
from suyuan.privacy.warrants import Warrant

app = typer.Typer(no_args_is_help=True, help="Orders of lawful authorities.")

# What no order opens, such as a PIN, cannot be named by one.
OrderedField = StrEnum(  # type: ignore[misc]  # Made of the closed list.
    "OrderedField", {field.name: field.name for field in FIELDS if ANSWER_AUTHORITY in field.purposes}
)
WarrantId = Annotated[str, typer.Argument(help="wrt_…")]


@app.command("add")
def add_warrant(
    context: typer.Context,
    authority: Annotated[str, typer.Argument(help="who ordered it; domestic authorities only")],
    *,
    document_no: Annotated[str, typer.Option(help="the number of the paper")],
    document: Annotated[Path, typer.Option(help="its scan; only its digest is kept")],
    subject: Annotated[list[str], typer.Option(help="slr_… or rdm_…, as often as it names somebody")],
    field: Annotated[list[OrderedField], typer.Option(help="as often as it names a field")],
    begins: Annotated[str, typer.Option(help="its first day, YYYY-MM-DD")],
    ends: Annotated[str, typer.Option(help="its last day, YYYY-MM-DD")],
) -> None:
    """Proposes an authority's order; another officer reads the same paper and approves."""
    try:
        digest = hashlib.sha256(document.read_bytes()).hexdigest()
    except OSError as error:
        fail(f"{document}: {error.strerror}")
    begins_at, ends_at = beginning_of(begins, "--begins"), end_of(ends, "--ends")
    if ends_at <= begins_at:
        raise typer.BadParameter("it ends before it begins", param_hint="--ends")
    made = new_id("wrt")
    change = AddWarrant(
        id=made,
        authority=authority,
        document_no=document_no,
        document_sha256=digest,
        subjects=tuple(subject),
        fields=tuple(one.value for one in field),
        begins_at=begins_at,
        ends_at=ends_at,
    )
    context.obj.propose(change, made)


@app.command("end")
def end_warrant(context: typer.Context, warrant: WarrantId) -> None:
    """Proposes that an order was withdrawn or carried out."""
    context.obj.propose(EndWarrant(warrant))


@app.command("list")
def list_warrants(context: typer.Context, limit: Limit = 100) -> None:
    """Orders, those that end last first."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = warrants.newest(connection, rows_max=limit)
    office.table(Warrant.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


@app.command("open")
def open_warrant(context: typer.Context, warrant: WarrantId) -> None:
    """Shows what an order names, whole. It is recorded first: who looked, at whom, at what, under which order."""
    office: Office = context.obj
    officer = office.officer
    with office.reading() as connection:
        order = warrants.find(connection, warrant)
    if order is None:
        refuse(Refusal(Reason.warrant_is_not_in_force, "reference"), office.language)
    read = officers.read(
        officer,
        ANSWER_AUTHORITY.id,
        warrant,
        subjects=order.subjects.split(),
        fields=order.fields.split(),
        now=clock.SystemClock().now(),
    )
    opened = office.opened(read)
    rows: list[tuple[object, ...]] = [
        (one.subject, name, value) for one in opened for name, value in one.fields.items()
    ]
    office.table(("subject", "field", "value"), rows)
