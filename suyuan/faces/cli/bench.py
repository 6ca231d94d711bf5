"""`suyuan bench …`: measures what this machine can do, and says what the machine was doing meanwhile."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import structlog
import typer

from suyuan.base import db
from suyuan.faces.cli.speaking import Json, print_table
from suyuan.faces.cli.terminal import as_json, fail, tell

if TYPE_CHECKING:
    from suyuan.faces.bench.attacks import Report as Attacks
    from suyuan.faces.bench.machine import Machine
    from suyuan.faces.bench.settle import Report

R = TypeVar("R")

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Measures what this machine can do.",
)


@app.callback()
def bench() -> None:
    """Measures what this machine can do."""


@app.command()
def settle(
    is_for_machines: Json = False,
    seconds: Annotated[float, typer.Option(help="about how long each closed load lasts")] = 5.0,
    steps: Annotated[int, typer.Option(min=200, help="how many steps the longest run takes")] = 20_000,
) -> None:
    """What a redemption costs, in the line and through the door."""
    from suyuan.faces.bench.settle import measure

    report = _measured(lambda: measure(step_count=steps, seconds=seconds))
    if is_for_machines:
        as_json(report.fields())
    else:
        _show(report)


@app.command()
def vault(
    is_for_machines: Json = False,
    steps: Annotated[int, typer.Option(min=200, help="how many steps each run takes")] = 10_000,
    keys: Annotated[int, typer.Option(min=1, help="how many data keys are wrapped again")] = 50_000,
) -> None:
    """What it costs to keep personal data closed."""
    from suyuan.faces.bench.vault import measure

    _print(_measured(lambda: measure(step_count=steps, keys=keys)), is_for_machines)


@app.command()
def evidence(
    is_for_machines: Json = False,
    seconds: Annotated[float, typer.Option(help="about how long each run of the line lasts")] = 10.0,
    offered: Annotated[int, typer.Option(min=1, help="how many redemptions a second the line is offered")] = 1_000,
    runs: Annotated[int, typer.Option(min=1, help="how many runs without and with the sealer")] = 3,
) -> None:
    """What it costs to seal history into the public log, and what the line feels of it."""
    from suyuan.faces.bench.evidence import measure

    _print(_measured(lambda: measure(offered_per_s=offered, seconds=seconds, runs=runs)), is_for_machines)


@app.command()
def decide(
    *,
    is_for_machines: Json = False,
    turns: Annotated[int, typer.Option(min=2, help="how many turns of rules beside their floor")] = 400,
    events: Annotated[int, typer.Option(min=10, help="how many whole decisions")] = 5_000,
    warm_up: Annotated[int, typer.Option(min=400, help="how many rows of history lie before them")] = 100_000,
    steps: Annotated[int, typer.Option(min=1, help="how many steps of the line a run takes")] = 4_000,
    seed: Annotated[int, typer.Option(help="of the traffic that is made up")] = 1,
) -> None:
    """What a decision costs: rules beside the least that Python could do, and features, model and rules together."""
    from suyuan.faces.bench.decide import measure

    _print(
        _measured(lambda: measure(turns=turns, events=events, warm_up=warm_up, steps=steps, seed=seed)), is_for_machines
    )


@app.command()
def executors(
    is_for_machines: Json = False,
    events: Annotated[int, typer.Option(min=1_000, help="how many rows of history are measured")] = 200_000,
    seed: Annotated[int, typer.Option(help="which history")] = 1,
    with_spark: Annotated[bool, typer.Option("--spark", help="by Spark as well, if it is installed")] = False,
) -> None:
    """All features of one history by every executor: whether a cell differs, and how fast each is."""
    from suyuan.faces.bench.executors import measure
    from suyuan.risk.batch.spark import NoSpark

    try:
        report = _measured(lambda: measure(events=events, seed=seed, with_spark=with_spark))
    except NoSpark as missing:
        fail(f"Spark cannot run: {missing}")
    if is_for_machines:
        as_json(report.fields())
        return
    _say_where(report.before, report.after)
    print_table(
        ("executor", "differing cells", "rows/s", "rows per CPU s"),
        [
            (name, report.differing_cells[name], round(events / run.seconds), round(events / run.cpu_s))
            for name, run in report.runs.items()
        ],
    )
    print_table(("figure", "value"), [(name, value) for name, value in report.fields().items() if _is_plain(value)])


@app.command()
def windows(
    is_for_machines: Json = False,
    rows: Annotated[int, typer.Option(min=1_000, help="how many rows of history are made up")] = 200_000,
) -> None:
    """What features cost in the line, what they hold in memory, and how soon they are there again."""
    from suyuan.faces.bench.windows import measure

    _print(_measured(lambda: measure(rows=rows)), is_for_machines)


@app.command()
def backtest(
    is_for_machines: Json = False,
    rows: Annotated[int, typer.Option(min=10_000, help="how many rows of history are made up")] = 400_000,
) -> None:
    """How fast a policy is tried over the past, and the memory that it takes."""
    from suyuan.faces.bench.backtest import measure

    _print(_measured(lambda: measure(rows=rows)), is_for_machines)


@app.command()
def sffsd(
    file: Annotated[Path, typer.Option("--data", help="the file S-FFSD.csv, which suyuan does not bring")],
    is_for_machines: Json = False,
) -> None:
    """What the model reaches on data that nobody here made, beside what others published on it."""
    from suyuan.faces.bench.sffsd.report import measure
    from suyuan.faces.bench.sffsd.table import BadTable

    try:
        report = _measured(lambda: measure(file, on_progress=tell))
    except BadTable as bad:
        fail(str(bad))
    if is_for_machines:
        as_json(report.fields())
        return
    _say_where(report.before, report.after)
    print_table(("who", "protocol", "AUC", "macro F1", "average precision"), report.table())
    if not report.fields()["is_published_file"]:
        print("This is not the file that the published figures were made on.")


@app.command()
def attacks(
    seed: Annotated[int, typer.Option(help="the market to score; any but those that thresholds were chosen on")] = 1,
    is_for_machines: Json = False,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="a family to leave out of training and tuning; without it, each in turn")
    ] = None,
    leaves_out: Annotated[
        bool, typer.Option("--leave-one-out/--seen-only", help="whether families are left out at all")
    ] = True,
) -> None:
    """What the shipped policy and a model stop of attackers who learn, and whom else they hit."""
    from suyuan.faces.bench.attacks import TuningSeed, measure
    from suyuan.faces.simulate.market.playbooks import FAMILIES

    if unknown := sorted(set(leave_out or ()) - set(FAMILIES)):
        fail(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    chosen = (leave_out or FAMILIES) if leaves_out else ()
    try:
        report = _measured(lambda: measure(seed, leave_out=chosen))
    except TuningSeed as refused:
        fail(f"seed {seed} is not scored: {refused}; take another one")
    if is_for_machines:
        as_json(report.fields())
    else:
        _show_attacks(report)


class _Figures(Protocol):
    """A report whose figures are a plain list."""

    @property
    def before(self) -> Machine: ...
    @property
    def after(self) -> Machine: ...
    def fields(self) -> dict[str, object]: ...


def _print(report: _Figures, is_for_machines: bool) -> None:
    if is_for_machines:
        as_json(report.fields())
        return
    _say_where(report.before, report.after)
    print_table(("figure", "value"), [(name, value) for name, value in report.fields().items() if _is_plain(value)])


def _measured(measure: Callable[[], R]) -> R:
    # Every run's line says that it leads; here only trouble is news, and standard output belongs to the result.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # Whoever is told to stop still stops its database and takes its folder away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return measure()
    except db.DatabaseTrouble as trouble:
        fail(str(trouble))


def _say_where(before: Machine, after: Machine) -> None:
    print(f"{before.processor}, {before.cores} cores, {before.memory_mb} MB, Python {before.python}")
    print(f"Load {before.load_1min} before, {after.load_1min} after; {before.memory_free_mb} MB free.")


def _show(report: Report) -> None:
    _say_where(report.before, report.after)
    print_table(
        ("in flight", "steps/s", "p50 ms", "p99 ms", "CPU µs a step", "wall µs a step"),
        [
            (
                count, round(run.steps_per_s), run.p50_ms, run.p99_ms, round(run.cpu_s / run.steps * 1e6, 1),
                round(run.seconds / run.steps * 1e6, 1),
            )
            for count, run in report.in_flight.items()
        ],
    )  # fmt: skip
    print_table(
        ("table", "rows inserted a step", "rows updated a step"),
        [(table, rows["inserted"], rows["updated"]) for table, rows in report.over_floor.rows_per_step.items()],
    )
    print_table(("figure", "value"), [(name, value) for name, value in report.fields().items() if _is_plain(value)])
    print_table(
        ("through the door", "redemptions/s", "API µs", "line µs", "PostgreSQL µs", "client µs"),
        [
            (name, door.per_s, door.api_cpu_us, door.line_cpu_us, door.database_cpu_us, door.client_cpu_us)
            for name, door in report.doors.items()
        ],
    )


def _show_attacks(report: Attacks) -> None:
    _say_where(report.before, report.after)
    print_table(
        ("family", "offered ¥", "stopped", "left out", "net ¥", "net ¥ left out", "net ¥ undefended"),
        [
            (
                name, family.seen.attack_fen // 100, _percent(family.seen.stopped_share),
                "" if family.left_out is None else _percent(family.left_out.stopped_share),
                family.seen.net_take_fen // 100,
                "" if family.left_out is None else family.left_out.net_take_fen // 100,
                family.undefended.net_take_fen // 100,
            )
            for name, family in report.families.items()
        ],
    )  # fmt: skip
    print_table(("figure", "value"), [(name, value) for name, value in report.fields().items() if _is_plain(value)])


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict)
