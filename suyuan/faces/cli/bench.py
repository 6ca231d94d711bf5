"""`suyuan bench …`: measures what this machine can do, and says what the machine was doing meanwhile."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import structlog
import typer

from suyuan.base import db
from suyuan.faces.cli.speaking import Json, print_table
from suyuan.faces.cli.terminal import as_json, fail

if TYPE_CHECKING:
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


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict)
