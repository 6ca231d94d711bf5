"""`suyuan history`: what the platform remembers, for people and for machines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.faces.cli import app
from tests.history.small_line import prepare
from tests.history.test_store import tell_events


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    tell_events(database, 30)
    return database


def ask(*arguments: str) -> list[str]:
    told = CliRunner().invoke(app, ["history", *arguments])
    assert told.exit_code == 0, told.output
    return told.stdout.splitlines()


def test_the_last_events_are_shown(url: str) -> None:
    lines = ask("show", "--database-url", url, "--limit", "3")
    assert [line.split()[0] for line in lines] == ["27", "28", "29"]
    assert '"kind":"switch_turned/1"' in lines[0]


def test_events_are_shown_from_any_place_on_for_machines(url: str) -> None:
    lines = ask("show", "--database-url", url, "--from", "4", "--limit", "2", "--json")
    shown = [msgspec.json.decode(line) for line in lines]
    assert [it["seq"] for it in shown] == [4, 5]
    assert shown[0]["event"]["target"] == "a4"


def test_history_is_exported_and_the_export_continued(url: str, tmp_path: Path) -> None:
    lines = ask("export", str(tmp_path), "--database-url", url, "--segment-events", "10", "--full-only", "--json")
    assert msgspec.json.decode(lines[-1])["next_seq"] == 30
    lines = ask("export", str(tmp_path), "--database-url", url, "--lang", "en")
    assert lines == ["0 files written with 0 events; the next export goes on at event 30"]
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_folder_without_a_platform_is_a_sentence(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["history", "show", "--data", str(tmp_path)])
    assert (told.exit_code, "there is no platform in" in told.output) == (2, True)
