"""A signing key in a file."""

from pathlib import Path

import pytest

from suyuan.faces.sdk import SigningKey, UnsafeKeyFile, read_key_file, write_key_file

KEY = SigningKey("key_1", "ed25519", bytes(range(32)))


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])
def test_a_key_is_kept_and_found(tmp_path: Path, algorithm: str) -> None:
    key = SigningKey("key_1", algorithm, bytes(range(32)))
    write_key_file(tmp_path / "k", key)
    assert read_key_file(tmp_path / "k") == key
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    write_key_file(tmp_path / "k", KEY)
    with pytest.raises(UnsafeKeyFile, match="exists already"):
        write_key_file(tmp_path / "k", SigningKey("key_2", "ed25519", bytes(32)))
    assert read_key_file(tmp_path / "k") == KEY


def test_a_key_that_others_read_is_refused(tmp_path: Path) -> None:
    write_key_file(tmp_path / "k", KEY)
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        read_key_file(tmp_path / "k")


@pytest.mark.parametrize("cut", [0, 1, 30, 60])
def test_a_torn_key_file_is_refused_without_a_word_of_it(tmp_path: Path, cut: int) -> None:
    write_key_file(tmp_path / "k", KEY)
    content = (tmp_path / "k").read_bytes()
    (tmp_path / "k").write_bytes(content[:cut])
    with pytest.raises(UnsafeKeyFile) as refused:
        read_key_file(tmp_path / "k")
    assert content[cut // 2 : cut].decode() not in str(refused.value) or cut < 4


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeKeyFile, match="cannot be read"):
        read_key_file(tmp_path / "k")
