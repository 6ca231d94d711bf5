"""The keys of a platform: made once with it, and never made anew where one of them is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.app.keys import load_keys, look_at_kek, make_keys, move_kek
from suyuan.config import FILE, Settings, load_settings
from suyuan.faces.cli.serve import settings_text
from suyuan.outside.sandbox.facts import TransitKey
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from suyuan.privacy.keyring import FileRing, KmsFailed, UnsafeKeyFile
from tests.laws.kms_rooms import TOKEN, TwinRoom, a_twin, token_file


def test_a_new_platform_has_keys_that_nobody_else_may_read(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    make_keys(settings)
    files = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()}
    assert files == dict.fromkeys(("vault.key", "platform.key", "epochs.key"), 0o600)
    before = load_keys(settings)
    make_keys(settings)
    assert load_keys(settings).key_id == before.key_id
    assert load_keys(settings).vault.index("1", purpose="card") == before.vault.index("1", purpose="card")


def test_a_process_that_holds_the_keys_leaves_no_core_behind(tmp_path: Path) -> None:
    """A core file would hold the keys, and whatever was open when the process died."""
    make_keys(load_settings(tmp_path))
    asked = (
        "import resource, pathlib, sys; from suyuan.app.keys import load_keys; from suyuan.config import load_settings;"
        "resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]));"
        "load_keys(load_settings(pathlib.Path(sys.argv[1]))); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", asked, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "0"


@pytest.mark.parametrize("lost", ["epochs.key", "vault.key"])
def test_a_lost_key_is_said_and_never_replaced_in_silence(tmp_path: Path, lost: str) -> None:
    """A new one would start the platform and open nothing that was sealed; its operator must bring back the copy."""
    make_keys(load_settings(tmp_path))
    (tmp_path / "keys" / lost).unlink()
    left = {file.name for file in (tmp_path / "keys").iterdir()}
    with pytest.raises(UnsafeKeyFile, match=f"no key file {lost}.*restore it"):
        start(tmp_path)
    assert {file.name for file in (tmp_path / "keys").iterdir()} == left


def start(folder: Path) -> None:
    """What every start of a platform does with its keys."""
    settings = load_settings(folder)
    make_keys(settings)
    load_keys(settings)


@pytest.fixture(scope="module")
def whole_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinRoom]:
    with a_twin(tmp_path_factory.mktemp("kms")) as twin:
        yield twin


@pytest.fixture
def twin(whole_twin: TwinRoom) -> TwinRoom:
    whole_twin.control.heal("kms")
    whole_twin.control.set_transit_keys([TransitKey("suyuan", TOKEN)])
    return whole_twin


def under_kms(folder: Path, twin: TwinRoom) -> Settings:
    """The settings of a platform whose KEK lies in the twin."""
    (folder / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    token_file(folder / "keys", TOKEN)
    (folder / FILE).write_text(settings_text({"kms_url": twin.url}), "utf-8")
    return load_settings(folder)


def test_a_platform_under_a_kms_opens_with_it_alone(twin: TwinRoom, tmp_path: Path) -> None:
    """A thief of the whole folder but the token has no epoch's key: `vault.key` opens nothing."""
    settings = under_kms(tmp_path, twin)
    start(tmp_path)
    assert look_at_kek(settings) == (twin.url, 1, 1)
    (tmp_path / FILE).unlink()
    with pytest.raises(UnsafeKeyFile, match="another KEK"):
        load_keys(load_settings(tmp_path))


@pytest.mark.parametrize("fault", [Fault.IS_SEALED, Fault.FORBIDS, Fault.LOSES_ANSWER, Fault.SWAPS_KEY])
def test_a_kms_that_is_away_on_the_first_day_leaves_a_platform_that_is_still_new(
    twin: TwinRoom, tmp_path: Path, fault: Fault
) -> None:
    """Half a set of keys would keep it from ever starting."""
    settings = under_kms(tmp_path, twin)
    twin.control.set_faults(FaultPlan("kms", {fault: 1.0}, on=("wrap", "unwrap")))
    with pytest.raises(KmsFailed):
        make_keys(settings)
    assert {file.name for file in (tmp_path / "keys").iterdir()} == {"kms.token"}
    twin.control.heal("kms")
    start(tmp_path)


def test_a_kms_that_is_away_at_a_start_makes_no_new_ring(twin: TwinRoom, tmp_path: Path) -> None:
    settings = under_kms(tmp_path, twin)
    start(tmp_path)
    before = (tmp_path / "keys" / "epochs.key").read_bytes()
    twin.control.set_faults(FaultPlan("kms", {Fault.IS_SEALED: 1.0}, on=("wrap", "unwrap")))
    with pytest.raises(KmsFailed, match="unseal it"):
        start(tmp_path)
    assert (tmp_path / "keys" / "epochs.key").read_bytes() == before
    # One that opens and gives back another key is found out too: what it sealed would open to nobody later.
    twin.control.set_faults(FaultPlan("kms", {Fault.SWAPS_KEY: 1.0}, on=("unwrap",)))
    with pytest.raises(UnsafeKeyFile, match="gave back another key"):
        start(tmp_path)
    twin.control.heal("kms")
    assert look_at_kek(settings).newest == 1


def test_a_platform_moves_under_a_kms_and_back(twin: TwinRoom, tmp_path: Path) -> None:
    """Its index keys, its signing key and its epochs stay what they are."""
    start(tmp_path)
    before = load_keys(load_settings(tmp_path))
    settings = under_kms(tmp_path, twin)
    with pytest.raises(UnsafeKeyFile, match="kek move"):
        load_keys(settings)
    assert move_kek(settings, is_to_kms=True) == [1]
    moved = load_keys(settings)
    assert isinstance(moved.vault.ring, FileRing)
    moved.vault.ring.begin(moved.vault.ring.newest_begun_at + 1)
    assert (moved.key_id, moved.vault.index("1", purpose="card")) == (
        before.key_id, before.vault.index("1", purpose="card"),
    )  # fmt: skip
    assert move_kek(settings, is_to_kms=False) == [1, 2]
    (tmp_path / FILE).unlink()
    assert look_at_kek(load_settings(tmp_path)) == ("vault.key", 2, 1)
