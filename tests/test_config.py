"""Settings that would silently do nothing stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.config import BadSettings, load_settings, parse_settings
from suyuan.privacy.disclosure import ItemClass


def test_without_a_file_all_settings_have_their_defaults(tmp_path: Path) -> None:
    """A new data folder needs no configuration."""
    settings = load_settings(tmp_path)
    assert settings.public_origin == "http://127.0.0.1:8620"
    assert settings.database_place == tmp_path / "pg"


def test_settings_are_read_from_the_data_folder(tmp_path: Path) -> None:
    """Each takes the place of its default."""
    (tmp_path / "suyuan.toml").write_text('workers = 2\norigin = "https://api.example.com"\n', "utf-8")
    settings = load_settings(tmp_path)
    assert (settings.workers, settings.public_origin) == (2, "https://api.example.com")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wrokers = 2", "wrokers"),
        ('port = "8620"', "port"),
        ("workers = 1.5", "workers"),
        ("workers =\nport = 1", "line 1"),
        ("property_items_max = 51", "property_items_max"),
        ("trade_items_max = 501", "trade_items_max"),
        ("other_items_max = -1", "other_items_max"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(text: str, named: str) -> None:
    """A typing error, a wrong type, a broken file."""
    with pytest.raises(BadSettings, match=named):
        parse_settings(Path("/nowhere"), text)


def test_caps_of_disclosure_are_tightened_and_never_loosened() -> None:
    """Half of a tighter cap is half of that one."""
    caps = parse_settings(Path("/nowhere"), "property_items_max = 10\nother_items_max = 0").disclosure_caps
    assert [(caps.cap(kind), caps.alone(kind)) for kind in ItemClass] == [(10, 5), (500, 250), (0, 0)]
