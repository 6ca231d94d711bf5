"""`suyuan admin officer|partner|agent|contract|key`: the usual proposals, with their arguments spelt out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from suyuan.base import clock, crypto, ids
from suyuan.base.refusals import Language
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office, new_id
from suyuan.faces.cli.terminal import fail, tell
from suyuan.faces.sdk.key_file import SigningKey, UnsafeKeyFile, read_key_file, write_key_file
from suyuan.flows import trade_terms as terms
from suyuan.flows.change_terms import EndOfficer
from suyuan.settle import roll
from suyuan.settle.account import FOR_EVER

SECRET_BYTES = 32

NO_CHANNEL: dict[Language, str] = {
    "en": "Careful: suyuan.toml names no interface for the channel {channel}; payouts there would stay pending.",
    "zh": "注意：suyuan.toml 中没有通道 {channel} 的接口地址，经该通道的付款会一直处于待定状态。",
}


officer_app = typer.Typer(no_args_is_help=True, help="The people who decide.")
partner_app = typer.Typer(no_args_is_help=True, help="Partners.")
agent_app = typer.Typer(no_args_is_help=True, help="Partners' agents.")
contract_app = typer.Typer(no_args_is_help=True, help="Contracts; their terms never change, they end.")
key_app = typer.Typer(no_args_is_help=True, help="Partners' signing keys.")

OwnFile = Annotated[Path, typer.Argument(help="the key file; made if it is not there, and never leaves its holder")]
Algorithm = Annotated[Literal["ed25519", "sm2-sm3"], typer.Option(help="of the new key")]
PartnerId = Annotated[str, typer.Argument(help="ptn_…")]


@officer_app.command("register")
def register_officer(context: typer.Context, file: OwnFile, algorithm: Algorithm = "ed25519") -> None:
    """Makes a key file and registers its holder as one of the first two officers; for later ones see `propose`."""
    office: Office = context.obj
    officer = _new_officer(file, algorithm)
    office.tell({"officer": office.submit(officers.register(officer)), "key_file": str(file)})


@officer_app.command("propose")
def propose_officer(context: typer.Context, file: OwnFile, algorithm: Algorithm = "ed25519") -> None:
    """Makes a key file for a further officer, and proposes its holder."""
    officer = _new_officer(file, algorithm)
    context.obj.propose(officer.as_change, officer.id)


@officer_app.command("end")
def end_officer(context: typer.Context, officer: Annotated[str, typer.Argument(help="ofc_…")]) -> None:
    """Proposes that an officer has left, or lost their key; takes two others, and cannot be undone."""
    context.obj.propose(EndOfficer(officer))


def _new_officer(file: Path, algorithm: str) -> officers.Officer:
    """The holder of a new key file, or of one that is there: a first try may have met a line that was not up."""
    try:
        if not file.exists():
            write_key_file(file, SigningKey(new_id("ofc"), algorithm, os.urandom(SECRET_BYTES)))
        key = read_key_file(file)
        return officers.Officer(key.id, key.signer)
    except (UnsafeKeyFile, ValueError, OSError) as error:
        fail(str(error))


@partner_app.command("add")
def add_partner(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="as your contracts call it")],
    webhook_url: Annotated[str, typer.Option(help="where signed news of its redemptions goes")] = "",
    trade_channel: Annotated[
        Literal["online", "shop"], typer.Option(help="where it meets its sellers; decides how long their data is kept")
    ] = "online",
) -> None:
    """Proposes a partner."""
    made = new_id("ptn")
    context.obj.propose(terms.AddPartner(made, name, webhook_url, trade_channel), made)


@agent_app.command("add")
def add_agent(
    context: typer.Context,
    partner: PartnerId,
    parent: Annotated[str | None, typer.Option(help="agt_… of the agent above")] = None,
) -> None:
    """Proposes an agent of a partner, perhaps under another agent."""
    made = new_id("agt")
    context.obj.propose(terms.AddAgent(made, partner, parent), made)


@contract_app.command("add")
def add_contract(
    context: typer.Context,
    partner: PartnerId,
    *,
    channel: Annotated[str, typer.Option(help="as suyuan.toml calls it: bank_transfer, coupon_hall, …")],
    merchant_id: Annotated[str, typer.Option(help="the merchant id registered with the channel")],
    ratio: Annotated[str, typer.Option(help="face:value, such as 10:8")],
    source: Annotated[Literal["card", "balance"], typer.Option(help="what is sold")] = "card",
    value_kind: Annotated[Literal["money", "coupon", "points"], typer.Option(help="what is paid")] = "money",
    disposition: Annotated[
        Literal["consume_then_pay", "hold_then_sell"], typer.Option(help="what becomes of the card")
    ] = "consume_then_pay",
    hold_s: Annotated[int, typer.Option(help="how many seconds a card is held, with hold_then_sell")] = 0,
) -> None:
    """Proposes a contract."""
    face, _, value = ratio.partition(":")
    if not (face.isdigit() and value.isdigit()):
        raise typer.BadParameter("write a ratio as face:value, such as 10:8", param_hint="--ratio")
    office: Office = context.obj
    if channel not in office.settings.channels:
        tell(NO_CHANNEL[office.language].format(channel=channel))
    made = new_id("ctr")
    change = terms.AddContract(
        made, partner, source, value_kind, int(face), int(value), channel, merchant_id, disposition, hold_s
    )
    office.propose(change, made)


@contract_app.command("end")
def end_contract(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(help="ctr_…")],
    in_s: Annotated[int, typer.Option(help="in how many seconds it ends")] = 1,
) -> None:
    """Proposes the end of a contract, so many seconds from now."""
    context.obj.propose(terms.EndContract(contract, clock.plus(clock.SystemClock().now(), in_s)))


@contract_app.command("list")
def list_contracts(context: typer.Context, partner: str = "") -> None:
    """The contracts of all partners, or of one."""
    with context.obj.reading() as connection:
        context.obj.table(roll.ListedContract._fields, list(roll.contracts(connection, partner=partner)))


@key_app.command("add")
def add_key(
    context: typer.Context,
    partner: PartnerId,
    public_key: Annotated[str, typer.Argument(help="ed25519:… or sm2-sm3:…, as `suyuan key show` prints it")],
    *,
    key_id: Annotated[str, typer.Option("--id", help="the id in the partner's key file; without it, a new one")] = "",
    state: Annotated[Literal["active", "next"], typer.Option(help="next: it signs nothing yet")] = "active",
    networks: Annotated[str, typer.Option(help="CIDR blocks that it may be used from, joined by spaces")] = "",
) -> None:
    """Proposes a partner's public key."""
    try:
        key = crypto.PublicKey.parse(public_key)
    except ValueError as error:
        fail(str(error))
    if key_id and not ids.is_id("key", key_id):
        fail("a key's id reads key_ and 26 characters; `suyuan key show` gives the one in the file")
    made = key_id or new_id("key")
    encoded = public_key.partition(":")[2]
    context.obj.propose(terms.AddKey(made, "partner", partner, key.algorithm, encoded, state, networks), made)


@key_app.command("move")
def move_key(context: typer.Context, key: str, state: str, in_s: int | None = None) -> None:
    """Proposes a key's next state: active, retiring or revoked; a retiring key ends so many seconds from now."""
    ends_at = FOR_EVER if in_s is None else clock.plus(clock.SystemClock().now(), in_s)
    context.obj.propose(terms.MoveKey(key, state, ends_at))


@key_app.command("list")
def list_keys(context: typer.Context, partner: str = "") -> None:
    """Partners' keys."""
    with context.obj.reading() as connection:
        context.obj.table(roll.ListedKey._fields, list(roll.partner_keys(connection, partner=partner)))
