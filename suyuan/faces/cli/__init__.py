"""The command `suyuan`: one module per command, imported only when it is asked for, so that `--help` is quick.

A module of this folder has an `app` (a `typer.Typer`); `COMMANDS` registers it with the line that `--help` shows. An
app with one command *is* that command, one with several is a group. Exit codes that every command keeps: 0 done,
1 done and something is not as it should be, or refused, 2 asked wrongly (nothing was done), 130 interrupted.

    suyuan --help
    suyuan db status --data DIR
    suyuan redeem cards.csv --url https://api.example.com --key partner.key --contract ctr_… --seller slr_…
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "serve": ("suyuan.faces.cli.serve", "Run a platform: database, line, API, completer."),
    "demo": ("suyuan.faces.cli.demo", "Try everything in a sandbox: sellers, attackers, a report."),
    "redeem": ("suyuan.faces.cli.redeem", "Sell a file of cards through a running platform."),
    "voucher": ("suyuan.faces.cli.voucher", "Check a signed receipt, offline."),
    "deletion": ("suyuan.faces.cli.deletion", "Check a deletion certificate, offline."),
    "key": ("suyuan.faces.cli.key", "Make a signing key; pin a platform's keys."),
    "admin": ("suyuan.faces.cli.admin", "What officers decide and look at: terms, stops, personal data."),
    "audit": ("suyuan.faces.cli.audit", "Check the books against themselves, and papers for their files."),
    "retention": ("suyuan.faces.cli.retention", "How long personal data is kept, and what comes due."),
    "notice": ("suyuan.faces.cli.notice", "Show the privacy notice, and what changed in it."),
    "evidence": ("suyuan.faces.cli.evidence", "Check evidence, proofs and a log's files, offline."),
    "history": ("suyuan.faces.cli.history", "Show what the platform remembers, or export it."),
    "witness": ("suyuan.faces.cli.witness", "Watch other people's logs and cosign them."),
    "leak": ("suyuan.faces.cli.leak", "Tell where a leaked list or photo is from, and whom to tell."),
    "risk": ("suyuan.faces.cli.risk", "Policies and what they decide."),
    "bench": ("suyuan.faces.cli.bench", "Measure what this machine can do."),
    "kek": ("suyuan.faces.cli.kek", "Where the key lies that opens the key ring: a key file, or a KMS."),
    "db": ("suyuan.faces.cli.db", "The database: status, migrate, start, stop."),
    "sandbox": ("suyuan.faces.cli.sandbox", "Play operators, payout channels and the face check."),
}


class _Commands(TyperGroup):
    """Shows every command that is there and imports none of them until it runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if find_spec(module) is not None]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1], rich_help_panel=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, shown, rest = super().resolve_command(ctx, args)
        if name is None or shown is None:
            return name, shown, rest
        command = typer.main.get_command(import_module(COMMANDS[name][0]).app)
        command.name = name
        return name, command, rest


# Locals are never shown with an error: they may hold a PIN or a key.
app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _suyuan() -> None:
    """Recycle phone credit so that anyone can check it. 话费回收平台：不可套现，依法可查，人人可验。"""


def main() -> int:
    """Runs the command that was asked for, and leaves with its exit code."""
    app(prog_name="suyuan")
    return 0
