"""`suyuan admin`: officers change the rule book of the platform on this machine, through the line's socket.

Contracts, ratios, keys and partners take two officers: each `add`, `end` and `move` only proposes and prints the
proposal's id, and another officer approves it. A kill switch takes one. Officers' key files have mode 0600 and never
leave their holders; what travels is a signature over exactly what is meant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.config import BadSettings, load_settings
from suyuan.faces import officers
from suyuan.faces.cli.admin import (
    exports,
    freezes,
    listings,
    models,
    papers,
    policies,
    recipients,
    requests,
    reviews,
    sellers,
    switches,
    terms,
    warrants,
)
from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.speaking import Json, Lang, Limit, Shared, language_of
from suyuan.faces.cli.terminal import fail
from suyuan.flows.change_terms import AnyChange
from suyuan.flows.sell_on import SellOn
from suyuan.settle import roll

app = typer.Typer(
    cls=Shared,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, part in {
    "officer": terms.officer_app, "partner": terms.partner_app, "agent": terms.agent_app,
    "contract": terms.contract_app, "key": terms.key_app, "switch": switches.app, "seller": sellers.app,
    "paper": papers.app, "warrant": warrants.app, "recipient": recipients.app, "export": exports.app,
    "request": requests.app, "review": reviews.app, "freeze": freezes.app, "list": listings.app,
    "policy": policies.app, "model": models.app,
}.items():  # fmt: skip
    app.add_typer(part, name=name)


@app.callback()
def admin(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    officer: Annotated[Path | None, typer.Option(help="your key file")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """What officers decide and look at: terms of the trade, kill switches, and all that concerns personal data.

    The options below may stand anywhere behind `admin`.
    """
    try:
        settings = load_settings(data)
    except BadSettings as error:
        fail(str(error))
    context.obj = Office(settings, officer, language_of(lang), is_for_machines)


@app.command()
def propose(context: typer.Context, file: Path) -> None:
    """Proposes any change, as JSON in a file: {"change":"add_partner","id":"ptn_…","name":"…"}."""
    try:
        change = msgspec.json.decode(file.read_bytes(), type=AnyChange)
    except (OSError, msgspec.DecodeError) as error:
        fail(f"{file}: {error}")
    context.obj.propose(change)


@app.command()
def approve(context: typer.Context, proposal: Annotated[str, typer.Argument(help="prp_…")]) -> None:
    """Approves another officer's proposal; the change is in force at once. What is signed is its text, shown here."""
    office: Office = context.obj
    with office.reading() as connection:
        change = roll.proposal_text(connection, proposal) or ""
    approved = office.submit(officers.approve(office.officer, proposal, change))
    office.tell({"approved": approved, "change": change})
    exports.tell_what_waits(office, proposal)


@app.command()
def proposals(
    context: typer.Context,
    all_of_them: Annotated[bool, typer.Option("--all", help="decided ones too")] = False,
    limit: Limit = 100,
) -> None:
    """What waits for a second officer."""
    with context.obj.reading() as connection:
        rows = roll.proposals(connection, only_open=not all_of_them, rows_max=limit)
    context.obj.table(roll.ListedProposal._fields, list(rows))


@app.command("sell-on")
def sell_on(context: typer.Context, redemption: str, buyer: str) -> None:
    """Sells the held card of a redemption to a buyer: the operator is asked to spend it now."""
    office: Office = context.obj
    office.tell({"selling": office.submit(SellOn(redemption, buyer))})
