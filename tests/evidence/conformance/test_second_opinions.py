"""A program that is not here is never silently left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evidence.conformance import second_opinions
from tests.evidence.conformance.second_opinions import (
    Refused,
    answer_of,
    build_checklog,
    find_openssl,
    install_sigstore,
)

BRINGING: list[tuple[Callable[[Path], object], str]] = [
    (build_checklog, "CHECKED BY GO.*apt-get install golang-go golang-golang-x-mod-dev"),
    (lambda _folder: install_sigstore(), "CHECKED BY SIGSTORE.*apt-get install nodejs"),
    (lambda _folder: find_openssl(), "CHECKED BY OPENSSL.*apt-get install openssl"),
]


@pytest.fixture
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)


@pytest.mark.usefixtures("_bare_machine")
@pytest.mark.parametrize(("bring", "sentence"), BRINGING)
def test_a_stranger_is_told_what_would_bring_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bring: Callable[[Path], object], sentence: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=sentence):
        bring(tmp_path)


@pytest.mark.usefixtures("_bare_machine")
@pytest.mark.parametrize(("bring", "sentence"), BRINGING)
def test_ci_is_red_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bring: Callable[[Path], object], sentence: str
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=sentence):
        bring(tmp_path)


def test_a_registry_out_of_reach_is_no_green_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`npm ci` fails; what was half installed is not taken for installed the next time."""
    if shutil.which("npm") is None:
        pytest.skip("!! there is no npm command here")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setattr(second_opinions, "NPM", tmp_path / "npm")
    with pytest.raises(pytest.fail.Exception, match="npm could not install it"):
        install_sigstore()
    assert not (tmp_path / "npm" / "installed-from").exists()


def test_a_crash_does_not_pass_for_a_refusal() -> None:
    with pytest.raises(Refused, match="so it is"):
        answer_of(["sh", "-c", "echo so it is >&2; exit 1"])
    with pytest.raises(AssertionError, match="ended with 2"):
        answer_of(["sh", "-c", "exit 2"])


def test_the_lock_of_npm_names_no_host_and_hashes_every_package() -> None:
    lock = (second_opinions.HERE / "sigstore" / "package-lock.json").read_text("utf-8")
    assert "://" not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
