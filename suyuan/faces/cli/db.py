"""`suyuan db`: the database of a platform – its state, its tables brought forward, an embedded server.

`--data DIR` is the data folder of a platform (its embedded server lives in `DIR/pg`); `--url` is a PostgreSQL of yours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from suyuan.base import db
from suyuan.faces.cli.terminal import as_json, fail

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The database: status, migrate, start, stop.")

SERVER_FOLDER = "pg"
Data = Annotated[Path | None, typer.Option("--data", help="the data folder of a platform")]
Url = Annotated[str, typer.Option("--url", help="a PostgreSQL of yours; start and stop are then yours too")]
Json = Annotated[bool, typer.Option("--json", help="for machines")]


@app.command()
def status(data: Data = None, url: Url = "", json: Json = False) -> None:
    """Show what is there; start nothing. Leaves with 1 when something is wrong."""
    found = db.status(_place(data, url))
    _show(found, json=json)
    if found.trouble:
        raise typer.Exit(1)


@app.command()
def migrate(data: Data = None, url: Url = "", json: Json = False) -> None:
    """Bring the tables forward; an embedded server that sleeps is woken for it."""
    try:
        _show(db.migrate_place(_place(data, url)), json=json)
    except db.DatabaseTrouble as error:
        fail(str(error), code=1)


@app.command()
def start(data: Data = None, json: Json = False) -> None:
    """Start the embedded server, to stay until `stop`."""
    try:
        _show(db.start(_folder(data)), json=json)
    except db.DatabaseTrouble as error:
        fail(str(error), code=1)


@app.command()
def stop(
    data: Data = None,
    mode: Annotated[str, typer.Option(help="smart, fast or immediate")] = "fast",
    json: Json = False,
) -> None:
    """Stop the embedded server, whoever uses it."""
    if mode not in ("smart", "fast", "immediate"):
        fail(f"There is no way to stop called {mode!r}; take smart, fast or immediate.")
    try:
        _show(db.stop(_folder(data), mode), json=json)  # type: ignore[arg-type]  # One of the three, by the line above.
    except db.DatabaseTrouble as error:
        fail(str(error), code=1)


def _place(data: Path | None, url: str) -> db.Place:
    if url and data is not None:
        fail("Name --data or --url, not both.")
    return url or _folder(data)


def _folder(data: Path | None) -> Path:
    if data is None:
        fail("Name the data folder with --data.")
    return data / SERVER_FOLDER


def _show(record: Any, *, json: bool) -> None:
    if json:
        as_json(record)
        return
    for name in record.__dataclass_fields__:
        print(f"{name:<16} {getattr(record, name)}")
