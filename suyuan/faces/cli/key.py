"""`suyuan key`: a signing key of one's own, and the keys of platforms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from suyuan.base import clock, ids
from suyuan.base.crypto import NoSm2, suite
from suyuan.faces.cli import pins
from suyuan.faces.cli.terminal import as_json, fail
from suyuan.faces.sdk import SigningKey, Trouble, UnsafeKeyFile, read_key_file, write_key_file

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make a signing key; pin a platform's keys.")

ALGORITHMS = ("ed25519", "sm2-sm3")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="where the key is to be kept; nothing is overwritten")],
    algorithm: Annotated[str, typer.Option(help=" or ".join(ALGORITHMS))] = "ed25519",
    key_id: Annotated[str, typer.Option("--id", help="the id it is registered under; see `rename`")] = "",
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Make a signing key file (mode 0600) and show its public half, to be registered with the platform."""
    if algorithm not in ALGORITHMS:
        fail(f"There is no algorithm {algorithm!r}; take {' or '.join(ALGORITHMS)}.")
    made = key_id or ids.new_id("key", at=clock.SystemClock().now(), chance=os.urandom(ids.CHANCE_BYTES))
    try:
        key = SigningKey(made, algorithm, suite(algorithm).new_secret())
        write_key_file(file, key)
    except (UnsafeKeyFile, NoSm2, OSError) as error:
        fail(f"No key was made: {error}.")
    _show(key, json=json)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="a key file")],
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Show the id and the public half of a key file."""
    try:
        _show(read_key_file(file), json=json)
    except UnsafeKeyFile as error:
        fail(f"{error}.")


@app.command()
def rename(
    file: Annotated[Path, typer.Argument(help="a key file")],
    key_id: Annotated[str, typer.Argument(help="key_…, as the platform registered it")],
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Keep the id under which the platform registered a key; the secret stays what it is."""
    try:
        key = read_key_file(file)
        fresh = file.with_name(file.name + ".new")
        fresh.unlink(missing_ok=True)
        renamed = SigningKey(key_id, key.algorithm, key.secret)
        write_key_file(fresh, renamed)
        fresh.replace(file)
    except (UnsafeKeyFile, OSError) as error:
        fail(f"{error}.")
    _show(renamed, json=json)


@app.command()
def pin(
    url: Annotated[str, typer.Argument(help="a platform's address")],
    replace: Annotated[bool, typer.Option("--replace", help="also where other keys were pinned before")] = False,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Trust the keys that a platform shows now: compare them with what it gave you on paper."""
    try:
        facts = pins.shown(url)
        file = pins.pin(url, facts, replace=replace)
    except (pins.NotPinned, Trouble) as error:
        fail(str(error), code=1)
    if json:
        as_json({"file": str(file), "origin": facts.origin, "keys": facts.keys})
        return
    for key in facts.keys:
        print(f"{key.id}  {key.public_key}")
    print(f"pinned in {file} for {facts.origin}")


def _show(key: SigningKey, *, json: bool) -> None:
    if json:
        as_json({"id": key.id, "algorithm": key.algorithm, "public_key": key.public.text()})
        return
    print(f"{key.id}  {key.public.text()}")
