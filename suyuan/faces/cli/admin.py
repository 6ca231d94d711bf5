"""`suyuan admin`: officers change the rule book of the platform on this machine, through the line's socket.

Contracts, ratios, keys and partners take two officers: each `add`, `end` and `move` only proposes and prints the
proposal's id, and another officer approves it. A kill switch takes one. Officers' key files have mode 0600 and never
leave their holders; what travels is a signature over exactly what is meant.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from suyuan.app.appliers import ANSWERS
from suyuan.app.supervisor import database_url
from suyuan.base import clock, crypto, db, ids
from suyuan.base.refusals import Language, Refusal
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.faces import officers
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table, refuse
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.faces.sdk.key_file import SigningKey, UnsafeKeyFile, read_key_file, write_key_file
from suyuan.flows import change_terms as terms
from suyuan.flows.sell_on import SellOn
from suyuan.history.frames import LineCaller
from suyuan.privacy import shredding
from suyuan.privacy.shredding import Shredding
from suyuan.settle import roll
from suyuan.settle.account import FOR_EVER

LINE_WAIT_S = 5.0
SECRET_BYTES = 32
ROWS_MAX = 1000

NO_KEY_FILE: dict[Language, str] = {
    "en": "Name your key file: suyuan admin --officer FILE …",
    "zh": "请指明您的密钥文件：suyuan admin --officer 文件 …",
}
NO_LINE: dict[Language, str] = {
    "en": "No line answers on this machine; start it with `suyuan serve`, or name its folder with --data.",
    "zh": "本机没有运行中的平台，请先执行 `suyuan serve`，或用 --data 指明数据目录。",
}
NEXT_STEP: dict[Language, str] = {
    "en": "Nothing has changed yet. Another officer: suyuan admin --officer FILE approve {proposal}",
    "zh": "尚未生效，请另一位操作员批准：suyuan admin --officer 文件 approve {proposal}",
}
NO_CHANNEL: dict[Language, str] = {
    "en": "Careful: suyuan.toml names no interface for the channel {channel}; payouts there would stay pending.",
    "zh": "注意：suyuan.toml 中没有通道 {channel} 的接口地址，经该通道的付款会一直处于待定状态。",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Partners, contracts, keys, kill switches: what officers decide.",
)
officer_app = typer.Typer(no_args_is_help=True, help="The people who decide.")
partner_app = typer.Typer(no_args_is_help=True, help="Partners.")
agent_app = typer.Typer(no_args_is_help=True, help="Partners' agents.")
contract_app = typer.Typer(no_args_is_help=True, help="Contracts; their terms never change, they end.")
key_app = typer.Typer(no_args_is_help=True, help="Partners' signing keys.")
switch_app = typer.Typer(no_args_is_help=True, help="Kill switches; they act at once and take one officer.")
seller_app = typer.Typer(no_args_is_help=True, help="Sellers, by pseudonym.")
for name, part in {
    "officer": officer_app, "partner": partner_app, "agent": agent_app, "contract": contract_app, "key": key_app,
    "switch": switch_app, "seller": seller_app,
}.items():  # fmt: skip
    app.add_typer(part, name=name)


@dataclass(frozen=True, slots=True)
class Office:
    """What every command of officers shares."""

    settings: Settings
    key_file: Path | None
    language: Language
    is_for_machines: bool

    @property
    def officer(self) -> officers.Officer:
        """Whoever acts. Ends the command where the key file cannot be used."""
        if self.key_file is None:
            fail(NO_KEY_FILE[self.language])
        try:
            key = read_key_file(self.key_file)
        except UnsafeKeyFile as error:
            fail(str(error))
        return officers.Officer(key.id, key.signer)

    def submit(self, command: msgspec.Struct) -> str:
        """Carries a command to the line and gives its subject; says a refusal and ends the command."""
        answer = asyncio.run(_submit(self.settings.line_socket, command))
        if answer is None:
            fail(NO_LINE[self.language], code=1)
        if isinstance(answer, Refusal):
            refuse(answer, self.language)
        subject: str = answer.redemption if hasattr(answer, "redemption") else answer.subject  # type: ignore[attr-defined]  # Changed or Recorded.
        return subject

    def propose(self, change: terms.AnyChange, made: str = "") -> None:
        """Proposes a change and says what to do next. `made` is the id of what will be registered."""
        proposal = self.submit(officers.propose(self.officer, new_id("prp"), change))
        self.tell({"proposal": proposal} | ({"id": made} if made else {}))
        if not self.is_for_machines:
            tell(NEXT_STEP[self.language].format(proposal=proposal))

    def tell(self, said: Mapping[str, object]) -> None:
        """One result: a line a field, or JSON."""
        if self.is_for_machines:
            as_json(said)
        else:
            print("\n".join(f"{name}: {value}" for name, value in said.items()))

    def table(self, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """A list: a table, or JSON."""
        if self.is_for_machines:
            as_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows)


async def _submit(socket: Path, command: msgspec.Struct) -> msgspec.Struct | None:
    line = LineCaller(socket, ANSWERS)
    try:
        return await line.submit(command) if await line.connect(within_s=LINE_WAIT_S) else None
    finally:
        line.close()


def new_id(prefix: str) -> str:
    """A fresh id."""
    return ids.new_id(prefix, at=clock.SystemClock().now(), chance=os.urandom(ids.CHANCE_BYTES))


@app.callback()
def admin(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    officer: Annotated[Path | None, typer.Option(help="your key file")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Partners, contracts, keys, kill switches: what officers decide."""
    try:
        settings = load_settings(data)
    except BadSettings as error:
        fail(str(error))
    context.obj = Office(settings, officer, language_of(lang), is_for_machines)


# --- officers and proposals ----------------------------------------------------------------------

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


def _new_officer(file: Path, algorithm: str) -> officers.Officer:
    """The holder of a new key file, or of one that is there: a first try may have met a line that was not up."""
    try:
        if not file.exists():
            write_key_file(file, SigningKey(new_id("ofc"), algorithm, os.urandom(SECRET_BYTES)))
        key = read_key_file(file)
        return officers.Officer(key.id, key.signer)
    except (UnsafeKeyFile, ValueError, OSError) as error:
        fail(str(error))


@app.command()
def propose(context: typer.Context, file: Path) -> None:
    """Proposes any change, as JSON in a file: {"change":"add_partner","id":"ptn_…","name":"…"}."""
    try:
        change = msgspec.json.decode(file.read_bytes(), type=terms.AnyChange)
    except (OSError, msgspec.DecodeError) as error:
        fail(f"{file}: {error}")
    context.obj.propose(change)


@app.command()
def approve(context: typer.Context, proposal: Annotated[str, typer.Argument(help="prp_…")]) -> None:
    """Approves another officer's proposal; the change is in force at once. What is signed is its text, shown here."""
    office: Office = context.obj
    with _reading(office) as connection:
        change = roll.proposal_text(connection, proposal) or ""
    approved = office.submit(officers.approve(office.officer, proposal, change))
    office.tell({"approved": approved, "change": change})


@app.command()
def proposals(
    context: typer.Context, all_of_them: Annotated[bool, typer.Option("--all", help="decided ones too")] = False
) -> None:
    """What waits for a second officer."""
    with _reading(context.obj) as connection:
        rows = roll.proposals(connection, only_open=not all_of_them, rows_max=ROWS_MAX)
    context.obj.table(roll.ListedProposal._fields, list(rows))


def _reading(office: Office) -> roll.Connection:
    place = office.settings.database_place
    if isinstance(place, Path) and not place.exists():
        fail(NO_LINE[office.language], code=1)
    try:
        return db.connect(database_url(office.settings))
    except db.DatabaseUnreachable as trouble:
        fail(f"{NO_LINE[office.language]} {trouble}" if isinstance(place, Path) else str(trouble), code=1)
    except db.DatabaseTrouble as trouble:
        fail(str(trouble))


# --- shortcuts for the usual proposals -----------------------------------------------------------


@partner_app.command("add")
def add_partner(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="as your contracts call it")],
    webhook_url: Annotated[str, typer.Option(help="where signed news of its redemptions goes")] = "",
) -> None:
    """Proposes a partner."""
    made = new_id("ptn")
    context.obj.propose(terms.AddPartner(made, name, webhook_url), made)


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
    with _reading(context.obj) as connection:
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
    with _reading(context.obj) as connection:
        context.obj.table(roll.ListedKey._fields, list(roll.partner_keys(connection, partner=partner)))


@seller_app.command("forget")
def forget_seller(
    context: typer.Context,
    seller: Annotated[str, typer.Argument(help="slr_…")],
    reason: Annotated[str, typer.Option(help="why, such as the number of the person's request; no personal data")],
) -> None:
    """Proposes to forget a seller; from the approval on nothing of theirs is opened, and nobody can undo it."""
    context.obj.propose(terms.ForgetSeller(seller, reason))


@seller_app.command("forgotten")
def list_forgotten(context: typer.Context, limit: int = 100) -> None:
    """Who was or will be forgotten; `epoch` is the one whose destruction makes it final."""
    with _reading(context.obj) as connection:
        rows = shredding.newest(connection, rows_max=min(limit, ROWS_MAX))
    context.obj.table(Shredding.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


# --- what one officer may do ---------------------------------------------------------------------

_TARGET = typer.Argument(help="platform, or partner:… key:… channel:… card_kind:…")


@switch_app.command("stop")
def stop(context: typer.Context, target: Annotated[str, _TARGET]) -> None:
    """Stops something at once."""
    office: Office = context.obj
    office.tell({"stopped": _turn(office, target, stopped=True)})


@switch_app.command("open")
def open_again(context: typer.Context, target: Annotated[str, _TARGET]) -> None:
    """Opens it again."""
    office: Office = context.obj
    office.tell({"open": _turn(office, target, stopped=False)})


def _turn(office: Office, target: str, *, stopped: bool) -> str:
    officer = office.officer
    with _reading(office) as connection:
        after = roll.switch_turned_at(connection, target)
    return office.submit(officers.switch(officer, target, stopped=stopped, after=after))


@seller_app.command("list")
def list_sellers(context: typer.Context, partner: str = "", after: str = "", limit: int = 100) -> None:
    """Sellers by pseudonym, in the order of their ids."""
    with _reading(context.obj) as connection:
        rows = roll.sellers(connection, partner=partner, after=after, rows_max=min(limit, ROWS_MAX))
    context.obj.table(roll.ListedSeller._fields, list(rows))


@app.command("sell-on")
def sell_on(context: typer.Context, redemption: str, buyer: str) -> None:
    """Sells the held card of a redemption to a buyer: the operator is asked to spend it now."""
    office: Office = context.obj
    office.tell({"selling": office.submit(SellOn(redemption, buyer))})
