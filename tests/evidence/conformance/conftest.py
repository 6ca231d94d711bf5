"""What the conformance tests share: each program is brought once, and one log is written for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence.conformance.second_opinions import (
    Checklog,
    Sigstore,
    build_checklog,
    find_openssl,
    install_sigstore,
)
from tests.evidence.conformance.written_log import WrittenLog, write_log


@pytest.fixture(scope="session")
def checklog(tmp_path_factory: pytest.TempPathFactory) -> Checklog:
    """Our Go program."""
    return build_checklog(tmp_path_factory.mktemp("checklog"))


@pytest.fixture(scope="session")
def sigstore() -> Sigstore:
    """Sigstore's verifier."""
    return install_sigstore()


@pytest.fixture(scope="session")
def openssl() -> str:
    """The openssl command."""
    return find_openssl()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> WrittenLog:
    """A log with two full tiles, a third level-0 tile in part, and forty checkpoints."""
    return write_log(tmp_path_factory.mktemp("written"), entries=700, checkpoints=40, seed=1)


@pytest.fixture
def folder(written: WrittenLog, tmp_path: Path) -> Path:
    """A copy of its folder, to be tampered with."""
    import shutil

    return Path(shutil.copytree(written.folder, tmp_path / "log"))


@pytest.fixture(scope="session")
def public_log(vectors: Path) -> Path:
    """A log that neither we nor `golang.org/x/mod` wrote."""
    return vectors / "tlog-tiles-log"
