"""`suyuan kek`: says where the KEK lies, and moves the ring in whole steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from suyuan.app.keys import make_keys
from suyuan.config import FILE, load_settings
from suyuan.faces.cli import app
from suyuan.faces.cli.serve import settings_text
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from tests.laws.kms_rooms import TOKEN, TwinRoom, a_twin, token_file

pytestmark = pytest.mark.usefixtures("data")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinRoom]:
    with a_twin(tmp_path_factory.mktemp("kms")) as twin:
        twin.kek("suyuan")
        yield twin


@pytest.fixture
def data(tmp_path: Path, twin: TwinRoom) -> Path:
    """A platform under its key file, whose settings name no KMS yet."""
    twin.control.heal("kms")
    make_keys(load_settings(tmp_path))
    token_file(tmp_path / "keys", TOKEN)
    return tmp_path


def name_kms(data: Path, twin: TwinRoom) -> None:
    (data / FILE).write_text(settings_text({"kms_url": twin.url}), "utf-8")


def kek(data: Path, *words: str, lang: str = "C") -> Result:
    return CliRunner().invoke(app, ["kek", *words, "--data", str(data)], env={"LC_ALL": lang})


def test_a_day_under_the_kms(data: Path, twin: TwinRoom) -> None:
    """Shown, named in the settings, moved, moved once more, shown, moved back, taken out of the settings, shown."""
    assert msgspec.json.decode(kek(data, "show", "--json").stdout) == {"place": "vault.key", "newest": 1, "oldest": 1}
    name_kms(data, twin)
    assert kek(data, "show").exit_code == 1
    moved = kek(data, "move", "--to", "kms", "--json")
    assert msgspec.json.decode(moved.stdout) == {"to": "kms", "epochs": [1]}
    assert "lies there already" in kek(data, "move", "--to", "kms").stdout
    assert twin.url in kek(data, "show").stdout
    assert "从 suyuan.toml 删除 kms_url" in kek(data, "move", "--to", "file", lang="zh_CN.UTF-8").stdout
    assert kek(data, "show").exit_code == 1
    (data / FILE).unlink()
    assert kek(data, "show").exit_code == 0


def test_what_was_asked_wrongly_does_nothing(data: Path, twin: TwinRoom) -> None:
    before = (data / "keys" / "epochs.key").read_bytes()
    no_kms = kek(data, "move", "--to", "kms")
    assert (no_kms.exit_code, "Name the KMS in suyuan.toml first" in no_kms.stderr) == (2, True)
    name_kms(data, twin)
    assert kek(data, "move", "--to", "moon").exit_code == 2
    (data / FILE).write_text("kms_url = 7", "utf-8")
    assert kek(data, "show").exit_code == 2
    assert (data / "keys" / "epochs.key").read_bytes() == before


@pytest.mark.parametrize(("lang", "words"), [("C", "unseal it"), ("zh_CN.UTF-8", "解封")])
def test_a_sealed_kms_is_told_in_the_readers_language(data: Path, twin: TwinRoom, lang: str, words: str) -> None:
    name_kms(data, twin)
    before = (data / "keys" / "epochs.key").read_bytes()
    twin.control.set_faults(FaultPlan("kms", {Fault.IS_SEALED: 1.0}, on=("wrap", "unwrap")))
    told = kek(data, "move", "--to", "kms", lang=lang)
    assert (told.exit_code, words in told.stderr) == (1, True)
    assert TOKEN not in told.output
    assert (data / "keys" / "epochs.key").read_bytes() == before
