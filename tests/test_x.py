"""x.py on machines that are set up in every way pip allows, and the promises it makes about itself."""

import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import x

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.zh-CN.md"]


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "x.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_mirror_of_the_machine_becomes_the_mirror_of_uv() -> None:
    """A Chinese laptop, whose pip.conf names a mirror and its certificate."""
    printed = "global.cert='/etc/hosts'\nglobal.index-url='https://mirror.example/simple'\n"
    assert x.uv_settings(printed) == {
        "SSL_CERT_FILE": "/etc/hosts",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
    }


def test_the_environment_overrules_the_file_as_it_does_for_pip() -> None:
    """`:env:` is printed first and counts most; `[install]` counts more than `[global]`."""
    printed = (
        ":env:.index-url='https://c.example/simple'\n"
        "global.index-url='https://a.example/simple'\n"
        "global.proxy='http://a.example:3128'\n"
        "install.proxy='http://b.example:3128'\n"
    )
    assert x.uv_settings(printed) == {
        "UV_DEFAULT_INDEX": "https://c.example/simple",
        "ALL_PROXY": "http://b.example:3128",
    }


def test_a_broken_extra_index_is_stepped_over(tmp_path: Path) -> None:
    """pip warns of a local index that is gone and goes on; uv would stop, so it never hears of it."""
    here, gone = (tmp_path / "with space").as_uri(), (tmp_path / "gone").as_uri()
    (tmp_path / "with space").mkdir()
    printed = f"global.extra-index-url='{gone}\\n{here}'\nglobal.find-links='{tmp_path}/gone'\n"
    assert x.uv_settings(printed) == {"UV_INDEX": here}


def test_several_folders_of_wheels_are_kept_apart(tmp_path: Path) -> None:
    """pip parts them by white space, uv by commas."""
    settings = x.uv_settings(f"global.find-links='{tmp_path} https://wheels.example/'")
    assert settings == {"UV_FIND_LINKS": f"{tmp_path},https://wheels.example/"}


def test_what_uv_does_not_need_is_left_to_pip() -> None:
    assert x.uv_settings(":env:.disable-pip-version-check='1'\nglobal.no-cache-dir='true'\n") == {}


def test_a_user_without_a_writable_home_gets_a_cache_in_the_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A service account: its home is /nonexistent, or is on a disk that is read only."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert x.cache_folder() == tmp_path / ".cache" / "uv"
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert x.cache_folder() == x.TOOLS / "cache"


def test_what_a_user_told_uv_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert x.uv_environment()["UV_DEFAULT_INDEX"] == "https://own.example/simple"


def test_a_second_start_costs_little() -> None:
    """CPU seconds, because the machine that runs the tests may be busy with something else."""
    if x.found_stamp() != x.wanted_stamp():
        pytest.skip("this environment was not made by x.py, or its locks have changed since")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert started().returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_without_a_java_the_nightly_run_says_that_spark_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It goes on without; nobody is to believe that Spark was tested."""
    if x.found_stamp() != x.wanted_stamp():
        pytest.skip("this environment was not made by x.py, or its locks have changed since")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    x.bring_spark()
    assert "!! SPARK IS LEFT OUT: it needs a Java 17 or newer, and here is none" in capfd.readouterr().err


def test_an_unknown_command_shows_the_known_ones() -> None:
    """Standard output belongs to the commands, so the help is not there."""
    unknown = started("dmeo")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "python3 x.py demo" in unknown.stderr
    assert started("--help").returncode == 0


def test_every_command_is_in_the_help() -> None:
    named = set(re.findall(r"python3 x\.py (\w+)", x.__doc__ or ""))
    assert named == set(x.COMMANDS) - {""}


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of_the_readme_exist(readme: str) -> None:
    named = set(re.findall(r"python3 x\.py ([a-z]+)", (ROOT / readme).read_text("utf-8")))
    assert {"demo", "test"} <= named <= set(x.COMMANDS)


def test_the_locks_hold_every_dependency() -> None:
    """A dependency that was added without `python3 x.py lock` would be missed only on the next fresh machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    run = project["project"]["dependencies"]
    wanted = {
        "requirements.txt": run,
        "requirements-dev.txt": run + project["dependency-groups"]["dev"],
        "requirements-spark.txt": project["project"]["dependencies"]
        + project["project"]["optional-dependencies"]["spark"],
        "requirements-tools.txt": project["dependency-groups"]["tools"],
    }
    for lock, requirements in wanted.items():
        locked = set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / lock).read_text("utf-8")))
        names = {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in requirements}
        assert names <= locked, f"{lock} lacks {names - locked}; run `python3 x.py lock`"
