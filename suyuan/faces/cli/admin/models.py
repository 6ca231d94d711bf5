"""`suyuan admin model`: which model scores; handing in takes one officer, deploying two."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock
from suyuan.base.wire import canonical
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Office
from suyuan.faces.cli.speaking import Limit
from suyuan.faces.cli.terminal import fail
from suyuan.flows.deploy_model import DeployModel, EndModel
from suyuan.risk import deployed
from suyuan.risk.deployed import MODEL_STAGES, BadModel, ListedDeployment, digest_of, pack_model
from suyuan.risk.memory import scorer_of

app = typer.Typer(no_args_is_help=True, help="Which model scores.")


class Stage(StrEnum):
    """Where a model may stand."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


@app.command("keep")
def keep_model(context: typer.Context, file: Annotated[Path, typer.Argument(help="the model's text")]) -> None:
    """Hands in a model, which decides nothing yet; prints the digest to deploy it by."""
    office: Office = context.obj
    try:
        text = file.read_text("utf-8")
        scorer_of(text)
        packed = pack_model(text)
    except BadModel as bad:
        fail(f"{file}: {bad}", code=1)
    except (OSError, UnicodeDecodeError) as trouble:
        fail(f"{file}: {trouble}")
    now = clock.SystemClock().now()
    office.tell({"model": office.submit(officers.keep_model(office.officer, digest_of(text), packed, now=now))})


@app.command("deploy")
def deploy_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="its digest, as `keep` printed it")],
    card: Annotated[Path, typer.Option(help="its card, a JSON file; both officers sign it")],
    stage: Annotated[Stage, typer.Option(help="scores, or only watches")] = Stage.CHALLENGER,
) -> None:
    """Proposes that a model scores, or watches; another officer reads its card and approves."""
    try:
        text = canonical(msgspec.json.decode(card.read_bytes())).decode()
    except (OSError, ValueError) as trouble:
        fail(f"{card}: {trouble}")
    context.obj.propose(DeployModel(model, text, stage.value), model)


@app.command("end")
def end_model(context: typer.Context, stage: Annotated[Stage, typer.Argument(help="champion or challenger")]) -> None:
    """Proposes that a model scores, or watches, no more."""
    office: Office = context.obj
    with office.reading() as connection:
        found = deployed.deployments(connection).get(stage.value)
    if found is None:
        fail(f"{stage.value}: –", code=1)
    office.propose(EndModel(stage.value, found.digest))


@app.command("list")
def list_models(context: typer.Context, limit: Limit = 100) -> None:
    """What scores and what watches, then the models that were handed in and do neither."""
    office: Office = context.obj
    with office.reading() as connection:
        found, kept = deployed.deployments(connection), deployed.models(connection, rows_max=limit)
    at_a_stage = [row for stage in MODEL_STAGES if (row := found.get(stage)) is not None]
    rows: list[tuple[object, ...]] = [(row.stage, row.digest, row.percent, row.seq, row.at) for row in at_a_stage]
    used = {row.digest for row in at_a_stage}
    rows += [("", digest, 0, 0, kept_at) for digest, kept_at in kept if digest not in used]
    office.table(ListedDeployment._fields, rows)
