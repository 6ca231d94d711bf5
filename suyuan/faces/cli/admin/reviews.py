"""`suyuan admin review`: what machines decided and a person has to look at.

What an officer is shown names nobody: the rules that fired, with the values that they saw, and pseudonyms.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from suyuan.base import clock
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.speaking import Limit, refuse
from suyuan.flows.replay_decision import describe, find_decision
from suyuan.risk import decisions_kept
from suyuan.risk.decisions_kept import OVERTURNED, PAY, REFUSE, UPHELD, ListedDecision

app = typer.Typer(no_args_is_help=True, help="What machines decided and a person has to look at.")

Verdict = StrEnum("Verdict", {name: name for name in (PAY, REFUSE, UPHELD, OVERTURNED)})  # type: ignore[misc]  # Made of the closed list.


@app.command("list")
def list_reviews(context: typer.Context, limit: Limit = 100) -> None:
    """What waits for a person, the oldest first: held redemptions, and decisions that somebody does not accept."""
    office: Office = context.obj
    with office.reading() as connection:
        rows = decisions_kept.newest(connection, in_review=True, rows_max=limit)
    office.table(ListedDecision._fields, list(rows))


@app.command("show")
def show_review(context: typer.Context, redemption: Annotated[str, typer.Argument(help="rdm_…")]) -> None:
    """Everything that a decision rested on: what was done, the score, the rules that fired and what they saw."""
    office: Office = context.obj
    with office.reading() as connection:
        found = find_decision(connection, redemption)
        if found is None:
            refuse(Refusal(Reason.redemption_has_no_decision), office.language)
        office.tell(describe(connection, found, office.language))


@app.command("decide")
def decide_review(
    context: typer.Context,
    redemption: Annotated[str, typer.Argument(help="rdm_…")],
    verdict: Annotated[Verdict, typer.Argument(help="pay or refuse what waits; uphold or overturn what was refused")],
    *,
    reason: Annotated[str, typer.Option(help="why, in one line; no personal data")],
    is_bad: Annotated[
        bool, typer.Option("--bad", help="it was not what it seemed; policies and models learn from it")
    ] = False,
) -> None:
    """Decides one case: `pay`, `refuse`, `upheld` or `overturned`; takes one officer and acts at once."""
    office: Office = context.obj
    now = clock.SystemClock().now()
    command = officers.review(office.officer, redemption, verdict.value, reason, is_bad=is_bad, now=now)
    office.tell({"decided": office.submit(command), "verdict": verdict.value})
