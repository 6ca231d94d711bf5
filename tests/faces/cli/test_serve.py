"""`suyuan serve`: options and the settings file are one truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.config import FILE, BadSettings, parse_settings
from suyuan.faces.cli.serve import settings_text, settle_settings


def test_the_first_start_writes_down_what_was_asked_for(tmp_path: Path) -> None:
    """Every process of the platform reads the file, so options that stood nowhere would be known to one alone."""
    settings = settle_settings(tmp_path / "new", {"port": 9000, "standby": True})
    assert (settings.port, settings.standby) == (9000, True)
    assert settle_settings(tmp_path / "new", {}) == settings


def test_a_file_that_says_otherwise_stops_the_start(tmp_path: Path) -> None:
    """And is never written over."""
    (tmp_path / FILE).write_text("# mine\nport = 9000\n", "utf-8")
    with pytest.raises(BadSettings, match="--port 9001"):
        settle_settings(tmp_path, {"port": 9001})
    assert (tmp_path / FILE).read_text("utf-8") == "# mine\nport = 9000\n"


def test_settings_are_written_as_they_are_read() -> None:
    asked = {"port": 9000, "trusted_proxies": ["127.0.0.1"], "operators": {"cmcc": "http://127.0.0.1:1"}}
    settings = parse_settings(Path("/var/lib/suyuan"), settings_text(asked))
    assert settings.trusted_proxies == ("127.0.0.1",)
    assert settings.operators == {"cmcc": "http://127.0.0.1:1"}
