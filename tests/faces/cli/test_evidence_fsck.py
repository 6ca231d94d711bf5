"""`suyuan evidence fsck` looks through a log's files, or a copy of them, with nothing but the log's public keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from suyuan.base.crypto import suite
from suyuan.evidence.log.note import ed25519_signer, vkey_text
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.faces.cli import app

ENTRIES = 300
YEARS = ("2026", "2027")
SIGNERS = {
    year: ed25519_signer(f"suyuan.example/log/{year}", suite("ed25519").signer(bytes([7]) * 32)) for year in YEARS
}
KEYS = [option for signer in SIGNERS.values() for option in ("--log-key", vkey_text(signer.vkey))]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, each more than a tile long."""
    folder = tmp_path_factory.mktemp("log")
    for year, signer in SIGNERS.items():
        (folder / year).mkdir()
        with ShardLog.create(Shard(folder / year, signer.vkey.name, [signer])) as shard:
            shard.append([number.to_bytes(32) for number in range(ENTRIES)])
            shard.seal()
    return folder


@pytest.fixture
def copy(log: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(log, tmp_path / "copy"))


def ran(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evidence", "fsck", *map(str, arguments)], env={"LANG": "C", "LC_ALL": "C"})


def test_a_whole_log_is_whole_in_each_of_its_shards(copy: Path) -> None:
    done = ran(copy, *KEYS)
    assert done.exit_code == 0, done.output
    for year in YEARS:
        assert f"all {ENTRIES} entries of suyuan.example/log/{year} are what the checkpoint says" in done.output


def test_a_policy_names_the_keys_as_well(copy: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {vkey_text(SIGNERS['2026'].vkey)}\nquorum none\n")
    assert ran(copy / "2026", "--policy", policy).exit_code == 0
    assert "2027" in ran(copy, "--policy", policy).output, "of a shard whose key is not named nothing is believed"


def test_a_flipped_byte_is_found_in_its_file(copy: Path) -> None:
    tile = copy / "2026" / "tile" / "entries" / "000"
    content = bytearray(tile.read_bytes())
    content[100] ^= 1
    tile.write_bytes(content)
    done = ran(copy, *KEYS)
    assert done.exit_code == 1
    assert "tile/entries/000" in done.output
    told = json.loads(ran(copy, *KEYS, "--json").stdout)
    assert [(shard["good"], len(shard["findings"])) for shard in told["shards"]] == [(False, 1), (True, 0)]
    assert told["shards"][1]["size"] == ENTRIES
    assert "tile/entries/000" in ran(copy / "2026", *KEYS, "--lang", "zh").output


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    done = ran(tmp_path, *KEYS)
    assert done.exit_code == 2
    assert "no folder of a log" in done.output


def test_without_a_key_nothing_vouches(copy: Path) -> None:
    done = ran(copy)
    assert done.exit_code == 2
    assert "Name the keys of the log" in done.output
    assert ran(copy, "--log-key", "nonsense").exit_code == 2
