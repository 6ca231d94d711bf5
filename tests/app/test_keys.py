"""The keys of a platform: made once with it, and never made anew where one of them is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.app.keys import load_keys, make_keys
from suyuan.privacy.keyring import UnsafeKeyFile


def test_a_new_platform_has_keys_that_nobody_else_may_read(tmp_path: Path) -> None:
    make_keys(tmp_path)
    files = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()}
    assert files == dict.fromkeys(("vault.key", "platform.key", "epochs.key"), 0o600)
    before = load_keys(tmp_path)
    make_keys(tmp_path)
    assert load_keys(tmp_path).key_id == before.key_id
    assert load_keys(tmp_path).vault.index("1", purpose="card") == before.vault.index("1", purpose="card")


@pytest.mark.parametrize("lost", ["epochs.key", "vault.key"])
def test_a_lost_key_is_said_and_never_replaced_in_silence(tmp_path: Path, lost: str) -> None:
    """A new one would start the platform and open nothing that was sealed; its operator must bring back the copy."""
    make_keys(tmp_path)
    (tmp_path / "keys" / lost).unlink()
    left = {file.name for file in (tmp_path / "keys").iterdir()}
    with pytest.raises(UnsafeKeyFile, match=f"no key file {lost}.*restore it"):
        start(tmp_path)
    assert {file.name for file in (tmp_path / "keys").iterdir()} == left


def start(folder: Path) -> None:
    """What every start of a platform does with its keys."""
    make_keys(folder)
    load_keys(folder)
