"""`suyuan risk`: policies and what they decide."""

from __future__ import annotations

import typer

from suyuan.faces.cli.risk import backtest as backtesting
from suyuan.faces.cli.risk import checking, decisions, training

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Policies and what they decide.",
)
app.command("check")(checking.check)
app.command("backtest")(backtesting.backtest)
app.command("train")(training.train)
app.command("card")(training.card)
app.command("drift")(training.drift)
app.command("decisions")(decisions.decisions)
app.command("replay")(decisions.replay)
app.command("shadow")(decisions.shadow)


@app.callback()
def risk() -> None:
    """Policies and what they decide."""
