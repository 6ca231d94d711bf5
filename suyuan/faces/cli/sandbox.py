"""`suyuan sandbox`: twins of operators, payout channels and the face check, that misbehave when told to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suyuan.base.crypto import PublicKey
from suyuan.faces.cli.terminal import fail
from suyuan.outside import sandbox as twins
from suyuan.outside.sandbox.facts import JournalIsDamaged, JournalIsTaken

app = typer.Typer(add_completion=False)


@app.command()
def sandbox(
    key: Annotated[str, typer.Option(help="the platform's public key, ed25519:…; only its orders are done")],
    state: Annotated[Path, typer.Option(help="the journal of what was done; made if it is not there")],
    host: Annotated[str, typer.Option(help="the loopback only: its control side has no lock")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
) -> None:
    """Play operators, payout channels and the face check; the address is the first line of output."""
    try:
        twins.run(host, port, state, PublicKey.parse(key), announce=_announce)
    except (ValueError, OSError, JournalIsDamaged, JournalIsTaken) as error:
        fail(f"The sandbox did not start: {error}.", code=1)


def _announce(url: str) -> None:
    print(url, flush=True)
