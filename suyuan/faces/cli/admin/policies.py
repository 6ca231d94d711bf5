"""`suyuan admin policy`: which policy decides, and for whom; each change takes two officers.

A text is read and checked here before anybody signs it, so what is wrong with it is said with its line; the line checks
it again. What is signed is the whole text.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.terminal import fail, language
from suyuan.faces.policy_file import cost_of, read_policy
from suyuan.flows.deploy_policy import PERCENT_MAX, DeployPolicy, EndPolicy
from suyuan.risk import deployed
from suyuan.risk.deployed import POLICY_STAGES, ListedDeployment
from suyuan.risk.memory import default_policy
from suyuan.risk.policy.cost import check_cost
from suyuan.risk.policy.mistakes import BadPolicy

app = typer.Typer(no_args_is_help=True, help="Which policy decides, and for whom.")


class Stage(StrEnum):
    """Where a policy may stand."""

    ACTIVE = "active"
    ROLLOUT = "rollout"
    SHADOW = "shadow"


class Ended(StrEnum):
    """What may be ended; the active policy is replaced."""

    ROLLOUT = "rollout"
    SHADOW = "shadow"


@app.command("deploy")
def deploy_policy(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="the policy, a TOML file")],
    stage: Annotated[Stage, typer.Option(help="decides, decides about a part, or only watches")] = Stage.SHADOW,
    percent: Annotated[int, typer.Option(min=1, max=PERCENT_MAX, help="of the sellers, for a rollout")] = PERCENT_MAX,
) -> None:
    """Proposes a policy, after every check of its text; another officer reads the same text and approves."""
    office: Office = context.obj
    try:
        policy = read_policy(file)
    except BadPolicy as bad:
        fail(f"{file}: {bad.text(language())}", code=1)
    except OSError as trouble:
        fail(f"{file}: {trouble}")
    if dear := check_cost(cost_of(policy)):
        fail(f"{file}: {dear.sentence(language())}", code=1)
    if (stage is Stage.ROLLOUT) == (percent == PERCENT_MAX):
        raise typer.BadParameter("a rollout is for 1 to 99 percent, all else for all", param_hint="--percent")
    office.propose(DeployPolicy(policy.text, stage.value, percent), policy.digest)


@app.command("end")
def end_policy(
    context: typer.Context,
    stage: Annotated[Ended, typer.Argument(help="rollout or shadow")],
) -> None:
    """Proposes that a rollout or a shadow ends."""
    office: Office = context.obj
    with office.reading() as connection:
        found = deployed.deployments(connection).get(stage.value)
    if found is None:
        fail(f"{stage.value}: –", code=1)
    office.propose(EndPolicy(stage.value, found.digest))


@app.command("list")
def list_policies(context: typer.Context) -> None:
    """What decides now, and what only watches; without an active one, the policy that comes with suyuan decides."""
    office: Office = context.obj
    with office.reading() as connection:
        found = deployed.deployments(connection)
    rows: list[tuple[object, ...]] = [
        (row.stage, row.digest, row.percent, row.seq, row.at) for stage in POLICY_STAGES if (row := found.get(stage))
    ]
    if Stage.ACTIVE.value not in found:
        rows.insert(0, (Stage.ACTIVE.value, default_policy().digest, PERCENT_MAX, 0, 0))
    office.table(ListedDeployment._fields, rows)


@app.command("show")
def show_policy(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="its digest, as `list` and each decision name it")],
) -> None:
    """The text of a policy that was deployed here."""
    office: Office = context.obj
    with office.reading() as connection:
        text = deployed.policy_text(connection, policy)
    if text is None and policy == default_policy().digest:
        text = default_policy().text
    if text is None:
        fail(f"{policy}: –", code=1)
    if office.is_for_machines:
        office.tell({"policy": policy, "text": text})
        return
    print(text, end="")
