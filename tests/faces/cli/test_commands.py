"""The command `suyuan` as a whole: quick to say what it can, and complete."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.base import db
from suyuan.faces.cli import COMMANDS, app
from suyuan.faces.cli import db as db_command

HEAVY = ("httpx", "psycopg", "sqlalchemy", "asyncpg", "pyarrow", "duckdb", "rich.progress", "suyuan.settle")


def test_help_imports_nothing_heavy() -> None:
    """Somebody who only asks what there is does not wait for the database's driver."""
    code = "import sys; from suyuan.faces.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", [name for name, (module, _) in COMMANDS.items() if find_spec(module)])
def test_every_command_helps(name: str) -> None:
    told = CliRunner().invoke(app, [name, "--help"])
    assert told.exit_code == 0, told.output
    assert f"suyuan {name}" in told.output.replace("root", "suyuan")


def test_a_wrong_command_is_refused() -> None:
    told = CliRunner().invoke(app, ["redem"])
    assert (told.exit_code, "No such command" in told.output) == (2, True)


def test_the_sandbox_says_where_it_is_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "suyuan", "sandbox", "--state", str(tmp_path / "state"), "--key"]
    key = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    with subprocess.Popen([*command, key], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("http://127.0.0.1:")
        running.terminate()
        assert running.wait(10) in (0, -15)
    wrong = subprocess.run([*command, "ed25519:AA"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "did not start" in wrong.stderr) == (1, True)


def test_the_database_is_seen_and_brought_forward(database: str) -> None:
    told = CliRunner().invoke(db_command.app, ["status", "--url", database, "--json"])
    assert told.exit_code == 0
    assert msgspec.json.decode(told.stdout)["revision"] == db.newest_revision()
    told = CliRunner().invoke(db_command.app, ["migrate", "--url", database])
    assert told.exit_code == 0
    assert db.newest_revision() in told.stdout


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    told = CliRunner().invoke(db_command.app, ["status", "--data", str(tmp_path), "--json"])
    assert msgspec.json.decode(told.stdout)["running"] is False
    told = CliRunner().invoke(db_command.app, ["migrate", "--url", "postgresql://nobody@127.0.0.1:1/none"])
    assert told.exit_code == 1
    for words in ([], ["--data", "d", "--url", "postgresql:///x"]):
        assert CliRunner().invoke(db_command.app, ["status", *words]).exit_code == 2
