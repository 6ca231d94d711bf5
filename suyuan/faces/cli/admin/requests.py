"""`suyuan admin request`: what people ask about their own data and an officer has to decide.

Only a correction shows values, whole and to the officer who judges it (`show --open`, and `accept` of a new number);
that read stands in history under the request, and the person sees it in theirs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from suyuan.base import clock, wire
from suyuan.base.clock import DAY_S, SECOND
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Connection, Office, new_id
from suyuan.faces.cli.speaking import Limit, refuse
from suyuan.faces.cli.terminal import tell
from suyuan.flows.decide_request import Corrected, open_correction
from suyuan.history.frames import LineCaller
from suyuan.privacy import requests
from suyuan.privacy.pseudonyms import NUMBER, Marks
from suyuan.privacy.purposes import CORRECT_SELLER, SELLER_NAME, SELLER_NUMBER
from suyuan.privacy.requests import CORRECT, HEIR, REFUSALS, SubjectRequest
from suyuan.privacy.subject_keys import fetch_keys, key_ids
from suyuan.privacy.vault import Vault
from suyuan.settle.lookup import Lookup

CODE_BYTES = 12
SHOWN = ("id", "kind", "seller", "proof", "state", "days_left", "outcome", "refusal")

app = typer.Typer(no_args_is_help=True, help="What people ask about their own data.")

RefusalCode = StrEnum("RefusalCode", {code: code for code in REFUSALS})  # type: ignore[misc]  # Made of the closed list.

HAND_OVER: dict[Language, str] = {
    "en": "Give this code to the heir, by hand; it is kept nowhere.",
    "zh": "请将此领取码当面交给近亲属；平台不保存该码。",
}


@app.command("list")
def list_requests(
    context: typer.Context,
    all_of_them: Annotated[bool, typer.Option("--all", help="decided ones too")] = False,
    limit: Limit = 100,
) -> None:
    """What waits, the most urgent first; fewer than no days left means overdue."""
    office: Office = context.obj
    with office.reading() as connection:
        found = requests.newest(connection, only_waiting=not all_of_them, rows_max=limit)
    office.table(SHOWN, [tuple(_shown(request)[name] for name in SHOWN) for request in found])


@app.command("show")
def show_request(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="req_…")],
    opens: Annotated[
        bool, typer.Option("--open", help="show what a correction says, whole; the read is recorded")
    ] = False,
) -> None:
    """One request; nothing of it is a value, unless a correction is opened to be judged."""
    office: Office = context.obj
    found = _find(office, request)
    corrected = _opened(office, found) if opens else []
    office.tell(_shown(found) | {f"{one.field} {word}": text for one in corrected for word, text in _both(one)})


@app.command("accept")
def accept_request(context: typer.Context, request: Annotated[str, typer.Argument(help="req_…")]) -> None:
    """Does what a person asks. A deletion closes everything at once; for an heir a code is made, to be handed over."""
    office: Office = context.obj
    found = _find(office, request)
    number = _new_number(office, found) if found.kind == CORRECT and found.sealed_number else None
    code = wire.b64(os.urandom(CODE_BYTES)) if found.kind == HEIR else ""
    digest = wire.digest(code.encode()) if code else b""
    now = clock.SystemClock().now()
    decided = office.submit(officers.decide(office.officer, request, number=number, code_digest=digest, now=now))
    office.tell({"accepted": decided} | ({"code": code} if code else {}))
    if code and not office.is_for_machines:
        tell(HAND_OVER[office.language])


@app.command("refuse")
def refuse_request(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="req_…")],
    reason: Annotated[RefusalCode, typer.Option(help="docs/rights.md has what each cites")],
) -> None:
    """Refuses a request; the person gets the rule that it rests on, and what they can do about it."""
    office: Office = context.obj
    now = clock.SystemClock().now()
    decided = office.submit(officers.decide(office.officer, request, str(reason.value), now=now))
    basis = REFUSALS[reason.value].basis
    office.tell({"refused": decided, "law": basis.law, "version": basis.version, "article": basis.article})


def _find(office: Office, request: str) -> SubjectRequest:
    with office.reading() as connection:
        found = requests.find_now(connection, request)
    return found or refuse(Refusal(Reason.subject_request_is_unknown), office.language)


def _shown(request: SubjectRequest) -> dict[str, object]:
    """What stands in a request, without what is sealed in it."""
    days_left = (request.due_at - clock.SystemClock().now()) // (DAY_S * SECOND)
    return {
        "id": request.id, "kind": request.kind, "seller": request.seller, "proof": request.proof,
        "state": request.state, "received_at": clock.text(request.received_at), "due_at": clock.text(request.due_at),
        "days_left": days_left if request.is_waiting else None, "policy": request.policy,
        "outcome": request.outcome, "refusal": request.refusal, "decided_by": request.decided_by,
        "papers_sha256": request.paper_sha256,
    }  # fmt: skip


def _both(one: Corrected) -> list[tuple[str, str]]:
    return [("kept", one.kept), ("asked", one.asked)]


def _new_number(office: Office, request: SubjectRequest) -> Marks:
    """What leads to the pseudonym of a corrected number, made from what the officer reads."""
    (number,) = [one.asked for one in _opened(office, request) if one.field == SELLER_NUMBER.name]
    now = clock.SystemClock().now()
    return office.vault.marks(number, purpose=NUMBER, now=now, fresh=new_id(NUMBER))


def _opened(office: Office, request: SubjectRequest) -> list[Corrected]:
    """What a correction says, whole. Ends the command where it may not be opened."""
    system = clock.SystemClock()
    fields = [field.name for field in (SELLER_NAME, SELLER_NUMBER)]
    command = officers.read(
        office.officer, CORRECT_SELLER.id, request.id, subjects=[request.seller], fields=fields, now=system.now()
    )

    async def story(line: LineCaller, vault: Vault, connection: Connection) -> list[Corrected] | Refusal:
        async def fetch(query: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
            return await (await connection.execute(query.encode(), parameters)).fetchall()

        seller = await Lookup(fetch, system).seller(request.seller)
        if seller is None:
            return Refusal(Reason.seller_is_unknown, "seller")
        keys = await fetch_keys(connection, key_ids(seller.id))
        return await open_correction(line, vault, keys, (seller, request), command)

    return office.run(story)
