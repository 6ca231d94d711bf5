"""`suyuan admin export`: personal data leaves the platform only like this.

Two officers, three above half of a cap; the one who asked makes the file, on the platform's machine, for the
recipient's key alone. What was given to whom stays in the list for ever.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import IS_THERE, Connection, Office, beginning_of, end_of, new_id
from suyuan.faces.cli.speaking import ROWS_MAX, Limit, refuse
from suyuan.faces.cli.terminal import fail, tell
from suyuan.flows.export_records import ExportRecords, change_of
from suyuan.flows.make_export import Maker, WasMade, make_export
from suyuan.history.frames import LineCaller
from suyuan.privacy import abroad, disclosure, exports, recipients
from suyuan.privacy.disclosure import ItemClass, year_of
from suyuan.privacy.exports import COLUMNS, SUBJECTS_MAX, WAITING, Export, columns_of
from suyuan.privacy.purposes import EXPORT_PURPOSES, purpose_of
from suyuan.privacy.vault import Vault
from suyuan.settle import roll
from suyuan.settle.account import FOR_EVER
from suyuan.settle.exported import find_sellers

app = typer.Typer(no_args_is_help=True, help="Exports of personal data, and what was given to whom.")

ExportId = Annotated[str, typer.Argument(help="exp_…")]
PurposeId = StrEnum("PurposeId", {purpose.id: purpose.id for purpose in EXPORT_PURPOSES})  # type: ignore[misc]  # Made of the closed list.
ColumnName = StrEnum("ColumnName", {name: name for name in COLUMNS})  # type: ignore[misc]  # Made of the closed list.

THIRD_STEP: dict[Language, str] = {
    "en": "It goes beyond half of a cap and waits. A third officer: "
    "suyuan admin --data {data} --officer FILE export agree {export}",
    "zh": "该导出超过年度上限的一半，仍在等待。请第三位操作员同意："
    "suyuan admin --data {data} --officer 文件 export agree {export}",
}
TOO_MANY: dict[Language, str] = {
    "en": "The filter finds more than {most} sellers; no export names so many, narrow it down.",
    "zh": "筛选出的卖卡人超过 {most} 名，任何导出都不能这么多，请缩小范围。",
}
NOBODY: dict[Language, str] = {
    "en": "The filter finds nobody; check the partner and the days.",
    "zh": "没有符合条件的卖卡人，请检查合作方与日期。",
}


@app.command("propose")
def propose_export(
    context: typer.Context,
    *,
    purpose: Annotated[PurposeId, typer.Option(help="what it is for; docs/exports.md has what each shows")],
    recipient: Annotated[str, typer.Option(help="rcp_…")],
    column: Annotated[list[ColumnName], typer.Option(help="as often as needed; docs/exports.md has what each tells")],
    use_until: Annotated[str, typer.Option(help="the last day on which the recipient may use it, YYYY-MM-DD")],
    subject: Annotated[list[str] | None, typer.Option(help="slr_…, as often as needed; else the filter finds")] = None,
    partner: Annotated[str, typer.Option(help="only sellers of this partner")] = "",
    registered_from: Annotated[str, typer.Option(help="only who registered on this day or later, YYYY-MM-DD")] = "",
    registered_to: Annotated[str, typer.Option(help="only who registered on this day or before, YYYY-MM-DD")] = "",
    rows_max: Annotated[int | None, typer.Option(min=1, help="lines at most; without it, one for each seller")] = None,
) -> None:
    """Proposes an export, and will be the one who makes it. Another officer approves; everybody in it is named."""
    office: Office = context.obj
    requester = office.officer.id
    begun = beginning_of(registered_from, "--registered-from") if registered_from else 0
    ended = end_of(registered_to, "--registered-to") if registered_to else FOR_EVER
    named = subject or _found(office, partner, begun, ended)
    made = new_id("exp")
    change = ExportRecords(
        id=made,
        requester=requester,
        purpose=purpose.value,
        recipient=recipient,
        columns=tuple(one.value for one in column),
        subjects=tuple(sorted(set(named))),
        rows_max=rows_max or len(set(named)),
        use_until=end_of(use_until, "--use-until"),
        partner=partner,
        registered_from=begun,
        registered_to=ended,
    )
    office.propose(change, made)


def _found(office: Office, partner: str, begun: int, ended: int) -> list[str]:
    with office.reading() as connection:
        found = find_sellers(
            connection, partner=partner, registered_from=begun, registered_to=ended, rows_max=SUBJECTS_MAX + 1
        )
    if len(found) > SUBJECTS_MAX:
        fail(TOO_MANY[office.language].format(most=SUBJECTS_MAX))
    if not found:
        fail(NOBODY[office.language])
    return found


@app.command("show")
def show_export(
    context: typer.Context, which: Annotated[str, typer.Argument(metavar="export", help="exp_…, or prp_…")]
) -> None:
    """What an export would tell whom, and how the counters stand; look before you approve or agree."""
    office: Office = context.obj
    with office.reading() as connection:
        export = exports.find(connection, which)
        if export is not None:
            change = _export_in(roll.proposal_text(connection, export.proposal))
        else:
            change = _export_in(roll.proposal_text(connection, which)) or _proposed(connection, which)
        if change is None:
            refuse(Refusal(Reason.export_is_unknown, "export"), office.language)
        office.tell(_shown(office, connection, change, "proposed" if export is None else export.state))


def _export_in(text: str | None) -> ExportRecords | None:
    try:
        return None if text is None else change_of(text)
    except msgspec.ValidationError:
        return None


def _proposed(connection: roll.Connection, export: str) -> ExportRecords | None:
    """An export whose proposal nobody has approved yet."""
    waiting = roll.proposals(connection, only_open=True, rows_max=ROWS_MAX)
    found = (_export_in(proposal.change) for proposal in waiting)
    return next((change for change in found if change is not None and change.id == export), None)


def _shown(office: Office, connection: roll.Connection, change: ExportRecords, state: str) -> dict[str, object]:
    purpose, columns = purpose_of(change.purpose), columns_of(change.columns) or ()
    recipient = recipients.find(connection, change.recipient)
    counters = (disclosure.officer_counter(change.requester), disclosure.recipient_counter(change.recipient))
    now = {row.id: row.items for row in disclosure.counts(connection, year=_year())}
    caps = office.settings.disclosure_caps
    kinds = sorted({column.item_class for column in columns})
    counts = [
        {"counter": place, "items": now.get(place, 0), "two_may_decide_to": caps.alone(kind), "cap": caps.cap(kind)}
        for counter in counters
        for kind in kinds
        for place in (disclosure.count_id(counter, kind),)
    ]
    told = "" if purpose is None else (purpose.en if office.language == "en" else purpose.zh)
    basis = "" if purpose is None else f"{purpose.basis.law} {purpose.basis.version} {purpose.basis.article}"
    return {
        "export": change.id, "state": state, "requested_by": change.requester, "purpose": f"{change.purpose}: {told}",
        "basis": basis, "shows_whole": purpose is not None and purpose.shows_whole, "recipient": change.recipient,
        "recipient_name": "" if recipient is None else recipient.name,
        "role": "" if recipient is None else recipient.role, "region": "" if recipient is None else recipient.region,
        "columns": ", ".join(f"{column.name} ({column.item_class})" for column in columns),
        "sellers": len(change.subjects), "rows_max": change.rows_max, "use_until": clock.text(change.use_until),
        "partner": change.partner, "counters": counts if office.is_for_machines else "; ".join(map(_told, counts)),
    }  # fmt: skip


def _told(count: dict[str, object]) -> str:
    return "{counter} {items}, two may decide to {two_may_decide_to}, cap {cap}".format(**count)


@app.command("agree")
def agree_export(context: typer.Context, export: ExportId) -> None:
    """The third officer's agreement, over the same text; look at it with `export show` first."""
    office: Office = context.obj
    officer = office.officer
    with office.reading() as connection:
        found = exports.find(connection, export)
        text = "" if found is None else roll.proposal_text(connection, found.proposal) or ""
    office.ask(officers.agree(officer, export, text))
    office.tell({"agreed": export})


@app.command("make")
def make_file(
    context: typer.Context,
    export: ExportId,
    to: Annotated[Path, typer.Option(help="the file; its manifest stands beside it, as FILE.json")],
) -> None:
    """Makes the file of an approved export, once, encrypted to its recipient; only who asked for it does."""
    office: Office = context.obj
    officer = office.officer
    now = clock.SystemClock().now
    begin = officers.begin_export(officer, export, now=now())

    async def story(line: LineCaller, vault: Vault, connection: Connection) -> WasMade | Refusal:
        sign = functools.partial(officers.record_export, officer)
        return await make_export(Maker(line, vault, connection, now, sign), begin, to)

    if to.exists():
        fail(IS_THERE[office.language].format(file=to))
    made = office.run(story)
    office.tell({"export": export, "file": str(to), "rows": made.rows, "sha256": made.sha256})


@app.command("list")
def list_exports(context: typer.Context, limit: Limit = 100) -> None:
    """The ledger: what was given to whom, on what basis, by whom, and what waits or was never made."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = exports.newest(connection, rows_max=limit)
    office.table(Export.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


@app.command("counts")
def list_counts(context: typer.Context) -> None:
    """This year's counters of officers and recipients, and how many people's data is abroad."""
    office: Office = context.obj
    year = _year()
    with office.reading() as connection:
        counted, gone = disclosure.counts(connection, year=year), abroad.count_of(connection)
    caps = office.settings.disclosure_caps
    rows: list[tuple[object, ...]] = []
    for row in counted:
        kind = ItemClass(row.id.rpartition("/")[2])
        rows.append((row.id, row.items, caps.alone(kind), caps.cap(kind), row.by_order))
    if gone.year == year:
        rows += [("abroad/people", gone.people, None, None, 0), ("abroad/sensitive", gone.sensitive, None, None, 0)]
    office.table(("counter", "items", "two_may_decide_to", "cap", "by_order"), rows)


def tell_what_waits(office: Office, proposal: str) -> None:
    """Says that an export which two have approved still needs a third."""
    with office.reading() as connection:
        export = exports.of_proposal(connection, proposal)
    if export is not None and export.state == WAITING:
        tell(THIRD_STEP[office.language].format(data=office.settings.data, export=export.id))


def _year() -> int:
    return year_of(clock.SystemClock().now())
