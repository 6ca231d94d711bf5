"""`suyuan serve`: runs a platform until it is told to stop, and starts again whatever of it dies.

All its processes read `suyuan.toml` in the data folder. Options given here are written there at the first start; where
the file exists already and says otherwise, the start stops with a sentence, since two truths would be one too many.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from suyuan.app.supervisor import Supervisor
from suyuan.base import db
from suyuan.config import FILE, BadSettings, Settings, load_settings
from suyuan.evidence.log.stops import LogStopped
from suyuan.faces.cli.terminal import fail, sentence_of
from suyuan.privacy.keyring import KeyTrouble

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    *,
    data: Annotated[Path, typer.Option(help="the platform's data folder; made if it is not there")] = Path(
        "suyuan-data"
    ),
    host: Annotated[str | None, typer.Option(help="the address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="the port to listen on")] = None,
    origin: Annotated[str | None, typer.Option(help="the public address that callers sign")] = None,
    workers: Annotated[int | None, typer.Option(help="how many API processes")] = None,
    standby: Annotated[bool | None, typer.Option(help="a second line that takes over")] = None,
    database_url: Annotated[str | None, typer.Option(help="a PostgreSQL of yours; else an embedded one")] = None,
) -> None:
    """Runs the platform: PostgreSQL, the line, the API, the completer."""
    asked = {
        "host": host, "port": port, "origin": origin, "workers": workers, "standby": standby,
        "database_url": database_url,
    }  # fmt: skip
    try:
        settings = settle_settings(data, {name: value for name, value in asked.items() if value is not None})
    except (BadSettings, OSError) as error:
        fail(str(error))
    try:
        with Supervisor(settings) as platform:
            print(
                f"suyuan serves {settings.public_origin} on port {platform.port}, data in {settings.data}", flush=True
            )
            platform.run()
    except (KeyTrouble, LogStopped) as trouble:
        fail(sentence_of(trouble))
    except db.DatabaseTrouble as error:
        fail(str(error))
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        fail(f"something listens on {settings.host} port {settings.port} already" if is_taken else str(error))


def settle_settings(data: Path, asked: dict[str, Any]) -> Settings:
    """The settings to run with; the first start writes down what was asked for. Raises `BadSettings`."""
    file = data / FILE
    if asked and not file.exists():
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(settings_text(asked), "utf-8")
    settings = load_settings(data)
    for name, value in asked.items():
        if getattr(settings, name) != value:
            raise BadSettings(f"{file} says something else than --{name.replace('_', '-')} {value}; change it there")
    return settings


def settings_text(asked: dict[str, Any]) -> str:
    """Settings as TOML. A JSON value is a TOML value for everything that settings hold, but for tables."""
    plain = {name: value for name, value in asked.items() if not isinstance(value, dict)}
    lines = [f"{name} = {_toml(value)}" for name, value in plain.items()]
    for name, table in asked.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()
