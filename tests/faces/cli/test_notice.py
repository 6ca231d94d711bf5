"""`suyuan notice`: what the platform tells people, and what has changed in it since an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from suyuan.app.notices import notice_of
from suyuan.base import db
from suyuan.config import load_settings
from suyuan.faces.cli import notice
from suyuan.faces.cli.serve import settings_text
from suyuan.privacy.notice import Notice

NAMED = {"controller_name": "甲公司", "controller_contact": "400-000"}


def settle(folder: Path, **settings: object) -> Notice:
    (folder / "suyuan.toml").write_text(settings_text(settings), "utf-8")
    return notice_of(load_settings(folder))


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(notice.app, ["--data", str(folder), *words])


def publish(url: str, *notices: Notice) -> None:
    with db.connect(url) as connection:
        for at, one in enumerate(notices, 1):
            connection.execute("INSERT INTO privacy_notice VALUES (%s, %s, %s)", (one.version, one.content, at))


def test_the_notice_is_shown_before_the_platform_has_ever_started(tmp_path: Path) -> None:
    present = settle(tmp_path, **NAMED)
    for lang, title in (("zh", "# 隐私声明"), ("en", "# Privacy notice")):
        ran = run(tmp_path, "--lang", lang)
        assert ran.exit_code == 0
        assert ran.stdout.startswith(title)
        assert "甲公司" in ran.stdout
        assert present.version in ran.stdout
        assert ran.stderr == ""


def test_a_notice_that_names_nobody_says_what_to_do(tmp_path: Path) -> None:
    settle(tmp_path)
    assert "controller_name" in run(tmp_path, "--lang", "en").stderr
    assert "controller_name" in run(tmp_path, "--lang", "zh").stderr


def test_machines_get_the_content_whose_digest_the_version_is(tmp_path: Path) -> None:
    present = settle(tmp_path, **NAMED)
    told = json.loads(run(tmp_path, "--json").stdout)
    assert (told["version"], told["is_complete"]) == (present.version, True)
    assert told["notice"] == json.loads(present.content)


def test_what_changed_since_a_version_is_shown_line_by_line(tmp_path: Path, database: str) -> None:
    """Another telephone, and a new operator: two lines of old, two of new, and the version itself."""
    before = settle(tmp_path, **NAMED, database_url=database)
    now = settle(
        tmp_path,
        **NAMED | {"controller_contact": "800-111"},
        database_url=database,
        operators={"cmcc": "http://x.test"},
    )
    publish(database, before)
    ran = run(tmp_path, "--since", before.version[:8], "--lang", "zh")
    assert ran.exit_code == 0, ran.output
    assert set(ran.stdout.splitlines()) == {
        "-- **联系方式**: 400-000", "+- **联系方式**: 800-111",
        f"-- **版本**: {before.version}", f"+- **版本**: {now.version}",
        "-- **发卡或提供号码服务的运营商**: –", "+- **发卡或提供号码服务的运营商**: cmcc",
    }  # fmt: skip
    told = json.loads(run(tmp_path, "--since", before.version, "--json", "--lang", "en").stdout)
    assert (told["from"], told["to"]) == (before.version, now.version)
    assert "- **contact**: 800-111" in told["added"]
    assert "- **contact**: 400-000" in told["removed"]


def test_nothing_has_changed_since_the_present_version(tmp_path: Path, database: str) -> None:
    present = settle(tmp_path, **NAMED, database_url=database)
    publish(database, present)
    ran = run(tmp_path, "--since", present.version, "--lang", "en")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "Nothing has changed" in ran.stderr


@pytest.mark.parametrize("since", ["0000", "%", "'", "x" * 200])
def test_an_unknown_version_lists_those_that_there_are(tmp_path: Path, database: str, since: str) -> None:
    present = settle(tmp_path, **NAMED, database_url=database)
    publish(database, present)
    ran = run(tmp_path, "--since", since, "--lang", "en")
    assert ran.exit_code == 1
    assert present.version in ran.stderr


def test_two_versions_that_begin_alike_are_not_guessed_between(tmp_path: Path, database: str) -> None:
    """Seventeen versions, and sixteen first characters."""
    published = [settle(tmp_path, **NAMED | {"controller_contact": f"{n}"}, database_url=database) for n in range(17)]
    publish(database, *published)
    firsts = [one.version[0] for one in published]
    doubled = next(first for first in firsts if firsts.count(first) > 1)
    ran = run(tmp_path, "--since", doubled, "--lang", "en")
    assert ran.exit_code == 1
    assert "more than one" in ran.stderr


def test_nothing_was_published_yet(tmp_path: Path, database: str) -> None:
    settle(tmp_path, **NAMED, database_url=database)
    assert "No notice was published" in run(tmp_path, "--since", "ab", "--lang", "en").stderr
    settle(tmp_path, **NAMED)
    assert "尚未发布" in run(tmp_path, "--since", "ab", "--lang", "zh").stderr


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "suyuan.toml").write_text("seller_age_min = 15", "utf-8")
    ran = run(tmp_path)
    assert ran.exit_code == 2
    assert "seller_age_min" in ran.stderr
