"""`suyuan admin seller`: sellers by pseudonym, and how one is looked at, forgotten and held."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer

from suyuan.app.keys import load_keys
from suyuan.app.supervisor import database_url
from suyuan.base import clock
from suyuan.base.crypto import PlatformKey
from suyuan.base.refusals import Language, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office, new_file
from suyuan.faces.cli.speaking import Limit, refuse
from suyuan.faces.cli.terminal import fail, sentence_of
from suyuan.flows.certify_deletion import NotForgotten, certify_deletion
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.hold_records import LiftHold
from suyuan.privacy import retention, shredding, standing
from suyuan.privacy.certificate import Certificate, sign_certificate
from suyuan.privacy.keyring import KeyTrouble
from suyuan.privacy.purposes import HELP_SELLER, SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE
from suyuan.privacy.retention import BadRetention, Entry, RetentionRules
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.standing import LegalHold
from suyuan.settle import roll

app = typer.Typer(no_args_is_help=True, help="Sellers, by pseudonym.")


class Shown(StrEnum):
    """What may be seen of a seller, masked."""

    NAME = "name"
    NUMBER = "number"
    PAYEE = "payee"


FORGOTTEN = ("seller", *Shredding.__struct_fields__[1:], "kept_by")
_FIELDS = {Shown.NAME: SELLER_NAME, Shown.NUMBER: SELLER_NUMBER, Shown.PAYEE: SELLER_PAYEE}
CLOSED: dict[Language, str] = {
    "en": "Nothing of this seller is opened: no such seller, or their data is restricted or to be forgotten.",
    "zh": "该卖卡人的信息不予打开：没有此人，或其信息已限制处理、待遗忘。",
}


@app.command("show")
def show_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    reference: Annotated[str, typer.Option(help="what it is about, such as the number of a call; no personal data")],
    field: Annotated[list[Shown] | None, typer.Option(help="only these; each kind of item is counted apart")] = None,
) -> None:
    """Shows a seller's name, number and account, masked. It is recorded and counted first."""
    office: Office = context.obj
    fields = {_FIELDS[shown].name: shown.value for shown in field or Shown}
    now = clock.SystemClock().now
    read = officers.read(office.officer, HELP_SELLER.id, reference, subjects=[seller], fields=fields, now=now())
    opened = office.opened(read)
    if not opened:
        fail(CLOSED[office.language], code=1)
    office.tell({"seller": seller} | {fields[name]: value for name, value in opened[0].fields.items()})


@app.command("forget")
def forget_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    reason: Annotated[str, typer.Option(help="why, such as the number of the person's request; no personal data")],
) -> None:
    """Proposes to forget a seller; from the approval on nothing of theirs is opened, and nobody can undo it."""
    context.obj.propose(ForgetSeller(seller, reason))


@app.command("forgotten")
def list_forgotten(context: typer.Context, limit: Limit = 100) -> None:
    """Who was or will be forgotten, and what keeps the keys until when; `epoch` is the one whose end makes it final."""
    office: Office = context.obj
    rules = _rules(office)
    with office.reading() as connection:
        rows = shredding.newest(connection, rows_max=limit)
        waiting = [row.subject for row in rows if row.shredded_at is None]
        entries, held = retention.own_entries(connection, waiting), standing.holds_of(connection, waiting)
    reasons = (_kept_by(row, entries.get(row.subject), held.get(row.subject), rules) for row in rows)
    office.table(FORGOTTEN, [(*msgspec.structs.astuple(row), why) for row, why in zip(rows, reasons, strict=True)])


def _rules(office: Office) -> RetentionRules:
    try:
        return office.settings.retention_rules
    except BadRetention as error:
        fail(str(error))


def _kept_by(row: Shredding, entry: Entry | None, hold: LegalHold | None, rules: RetentionRules) -> str:
    """Why the keys of somebody who is to be forgotten are still there: a case, or a rule with its law."""
    if hold is not None:
        return f"legal hold: {hold.cases}"
    if row.shredded_at is not None or entry is None or not row.due_at:
        return ""
    rule = rules.rule(entry.channel, entry.category)
    return f"{rule.channel}.{rule.category}: {rule.law} {rule.version}, {rule.article}"


@app.command()
def certificate(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    to: Annotated[Path, typer.Option(help="a new file for the certificate")],
) -> None:
    """Signs a certificate that a seller was forgotten; `suyuan deletion check` checks it anywhere."""
    office: Office = context.obj
    try:
        keys = load_keys(office.settings)
        certified = asyncio.run(_certified(office, seller))
    except KeyTrouble as trouble:
        fail(sentence_of(trouble), code=1)
    except NotForgotten as error:
        fail(str(error), code=1)
    if isinstance(certified, Refusal):
        refuse(certified, office.language)
    with new_file(to, office.language) as opened:
        opened.write(sign_certificate(certified, [PlatformKey(keys.key_id, keys.signer)]) + b"\n")
    office.tell(
        {"seller": seller, "file": str(to), "state": certified.state, "final_by": clock.text(certified.final_by)}
    )


async def _certified(office: Office, seller: str) -> Certificate | Refusal:
    async with await psycopg.AsyncConnection.connect(database_url(office.settings), autocommit=True) as connection:
        origin = office.settings.public_origin
        return await certify_deletion(connection, seller, origin=origin, chance=os.urandom)


@app.command("hold")
def hold_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    case: Annotated[str, typer.Option(help="its number, such as （2026）京0105刑初17号; no spaces, no personal data")],
) -> None:
    """Keeps everything of a seller from being deleted while a case is open; acts at once and opens nothing."""
    office: Office = context.obj
    held = office.submit(officers.hold(office.officer, seller, case, now=clock.SystemClock().now()))
    office.tell({"held": held, "case": case})


@app.command("release")
def release_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    case: Annotated[str, typer.Option(help="the number of the case that is over")],
) -> None:
    """Proposes to lift a hold; what it kept is then deleted when its time has come."""
    context.obj.propose(LiftHold(seller, case))


@app.command("held")
def list_held(context: typer.Context, limit: Limit = 100) -> None:
    """Whose data a case keeps, by pseudonym."""
    with context.obj.reading() as connection:
        rows = standing.holds(connection, rows_max=limit)
    context.obj.table(("seller", "cases"), [msgspec.structs.astuple(row) for row in rows])


@app.command("list")
def list_sellers(context: typer.Context, partner: str = "", after: str = "", limit: Limit = 100) -> None:
    """Sellers by pseudonym, in the order of their ids."""
    with context.obj.reading() as connection:
        rows = roll.sellers(connection, partner=partner, after=after, rows_max=limit)
    context.obj.table(roll.ListedSeller._fields, list(rows))
