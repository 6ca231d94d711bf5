"""`suyuan evidence`: bundles, proofs and the log. `offline` is for anybody, `platform` for whoever runs one."""

from __future__ import annotations

import typer

from suyuan.faces.cli.evidence import bundling, offline, platform

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Evidence: check it offline, or make it on a platform.",
)
app.command("verify")(offline.verify)
app.command("fsck")(offline.fsck_command)
app.command("prove")(platform.prove)
app.command("bundle")(bundling.bundle)
app.command("status")(platform.status)
app.command("witness")(platform.witness)
app.command("rebuild")(platform.rebuild_shard)
app.command("begin")(platform.begin)


@app.callback()
def evidence() -> None:
    """Evidence: check it offline, or make it on a platform."""
