"""`suyuan admin list`: who or what stands on the lists of the policy. Hardening takes one officer, loosening two.

A value is a pseudonym, an id, a network prefix or a blind index. Where somebody knows only the redemption, its id
stands for the value: the attempt's own name in that column is taken from its decision.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock
from suyuan.base.clock import DAY_S, plus
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.speaking import Limit
from suyuan.faces.cli.terminal import fail
from suyuan.flows.keep_lists import AddToList, Listing, RemoveFromList
from suyuan.flows.replay_decision import find_decision
from suyuan.risk import lists
from suyuan.risk.lists import LISTED_S_MAX, ListEntry, kind_of
from suyuan.risk.memory import name_of
from suyuan.risk.row import KEYS

DAYS = 90
_REDEMPTION = "rdm_"

app = typer.Typer(no_args_is_help=True, help="Who or what stands on the lists of the policy.")

Key = StrEnum("Key", {key: key for key in KEYS})  # type: ignore[misc]  # Made of the closed list.
ListName = Annotated[
    str, typer.Argument(help="blocked, hot, watched or allowed, or one with a suffix, such as hot_cards")
]
KeyName = Annotated[Key, typer.Argument(help="what the value is")]
Value = Annotated[str, typer.Argument(help="the value itself, or rdm_… for what that attempt was called")]


@app.command("add")
def add_to_list(
    context: typer.Context,
    listed: ListName,
    key: KeyName,
    value: Value,
    *,
    reason: Annotated[str, typer.Option(help="why; no personal data")],
    days: Annotated[int, typer.Option(min=1, max=LISTED_S_MAX // DAY_S, help="it ends by itself after so many")] = DAYS,
) -> None:
    """Enters something: at once on blocked, hot and watched; on allowed it is proposed and takes another officer."""
    office: Office = context.obj
    listing, now = _listing(office, listed, key, value), clock.SystemClock().now()
    expires_at = plus(now, days * DAY_S)
    kind = kind_of(listed)
    if kind is not None and kind.entering > 1:
        office.propose(AddToList(*listing, reason, expires_at), listing.id)
        return
    command = officers.enter_on_list(office.officer, listing, reason, expires_at=expires_at, now=now)
    office.tell({"listed": office.submit(command)})


@app.command("remove")
def remove_from_list(
    context: typer.Context,
    listed: ListName,
    key: KeyName,
    value: Value,
    *,
    reason: Annotated[str, typer.Option(help="why; no personal data")],
) -> None:
    """Takes something off: at once from watched and allowed; from blocked and hot it is proposed."""
    office: Office = context.obj
    listing = _listing(office, listed, key, value)
    kind = kind_of(listed)
    if kind is not None and kind.leaving > 1:
        office.propose(RemoveFromList(*listing, reason), listing.id)
        return
    now = clock.SystemClock().now()
    office.tell({"removed": office.submit(officers.take_off_list(office.officer, listing, now=now))})


@app.command("show")
def show_list(
    context: typer.Context,
    listed: Annotated[str, typer.Argument(help="a list, or nothing for all")] = "",
    limit: Limit = 100,
) -> None:
    """The entries, the newest first, with their reasons and ends."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = lists.entries(connection, listed=listed, rows_max=limit)
    office.table(ListEntry.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


def _listing(office: Office, listed: str, key: Key, value: str) -> Listing:
    if not value.startswith(_REDEMPTION):
        return Listing(listed, key.value, value)
    with office.reading() as connection:
        found = find_decision(connection, value)
    name = "" if found is None else name_of(found.event, key.value)
    if not name:
        fail(f"{value}: –", code=1)
    return Listing(listed, key.value, name)
