"""`suyuan key` and `suyuan voucher`: what a partner does once, and what a stranger does with a receipt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.base.crypto import PlatformKey
from suyuan.faces.cli import key, voucher
from suyuan.faces.sdk import read_key_file
from suyuan.settle.voucher import Voucher, sign_voucher
from tests.faces.sdk.twin_platform import PLATFORM, PLATFORM_KEYS, SOMEBODY, TwinPlatform, serving

PAPER = sign_voucher(
    Voucher(
        redemption="rdm_1", partner="ptn_1", seller="slr_1", operator="cmcc", face_fen=100_00, paid=80_00,
        fee_fen=20_00, rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer", reference="B-1",
        taken_seq=7, taken_at=1_700_000_000_000_000, paid_at=1_700_000_001_000_000, origin="https://api.example.com",
    ),
    [PlatformKey("platform-1", PLATFORM)],
)  # fmt: skip
KEY = PLATFORM_KEYS["platform-1"].text()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUYUAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def twin() -> Iterator[TwinPlatform]:
    with serving(TwinPlatform()) as platform:
        yield platform


def told(app: object, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)  # type: ignore[arg-type]  # Every command module has a Typer app.
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])
def test_a_key_is_made_and_shown(tmp_path: Path, algorithm: str) -> None:
    file = str(tmp_path / "k")
    code, out = told(key.app, "new", file, "--algorithm", algorithm)
    assert (code, out) == told(key.app, "show", file)
    assert re.fullmatch(rf"key_[0-9A-Z]{{26}}  {algorithm}:[\w-]+\n", out)
    assert read_key_file(Path(file)).public.text() in out
    code, out = told(key.app, "new", file)
    assert (code, "exists already" in out) == (2, True)


def test_a_key_takes_the_id_that_the_platform_registered(tmp_path: Path) -> None:
    file = tmp_path / "k"
    told(key.app, "new", str(file))
    before = read_key_file(file)
    assert told(key.app, "rename", str(file), "key_2")[0] == 0
    after = read_key_file(file)
    assert (after.id, after.secret) == ("key_2", before.secret)
    assert [kept.name for kept in tmp_path.iterdir()] == ["k"]


def test_an_unknown_algorithm_makes_no_key(tmp_path: Path) -> None:
    assert told(key.app, "new", str(tmp_path / "k"), "--algorithm", "rsa")[0] == 2
    assert not (tmp_path / "k").exists()


def test_a_pinned_platform_checks_vouchers_offline(tmp_path: Path, twin: TwinPlatform) -> None:
    """Pinned once while the platform was there; the voucher is checked when it is gone."""
    paper = tmp_path / "voucher.json"
    paper.write_bytes(PAPER + b"\n")
    assert told(voucher.app, "check", str(paper))[0] == 1
    code, out = told(key.app, "pin", twin.url)
    assert (code, KEY in out) == (0, True)
    code, out = told(voucher.app, "check", str(paper))
    assert (code, "80.00 yuan" in out) == (0, True)
    code, out = told(voucher.app, "check", str(paper), "--json")
    assert msgspec.json.decode(out)["voucher"]["redemption"] == "rdm_1"


def test_a_named_key_is_enough(tmp_path: Path) -> None:
    paper = tmp_path / "voucher.json"
    paper.write_bytes(PAPER)
    assert told(voucher.app, "check", str(paper), "--key", KEY)[0] == 0
    other = told(voucher.app, "check", str(paper), "--key", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert (other[0], "not a good voucher" in other[1]) == (1, True)
    assert told(voucher.app, "check", str(paper), "--key", "ed25519:AA")[0] == 2


@pytest.mark.parametrize(
    "paper", [b"", b"{}", PAPER[:-9], PAPER.replace(b"8000", b"9000"), PAPER.replace(b"B-1", b"B-2"), b"[" * 99_999]
)
def test_everything_else_is_no_voucher(tmp_path: Path, paper: bytes) -> None:
    (tmp_path / "v").write_bytes(paper)
    code, out = told(voucher.app, "check", str(tmp_path / "v"), "--key", KEY, "--json")
    assert (code, '"good":false' in out) == (1, True)


def test_a_platform_that_shows_other_keys_one_day_is_a_question(twin: TwinPlatform, home: Path) -> None:
    """The pin is kept until the user replaces it knowingly."""
    told(key.app, "pin", twin.url)
    assert told(key.app, "pin", twin.url)[0] == 0
    file = next((home / "platforms").glob("*.json"))
    kept = file.read_text().replace(PLATFORM_KEYS["platform-1"].text(), "ed25519:" + b64(SOMEBODY.public))
    file.write_text(kept)
    code, out = told(key.app, "pin", twin.url)
    assert (code, "other keys" in out) == (1, True)
    assert file.read_text() == kept
    assert told(key.app, "pin", twin.url, "--replace")[0] == 0
    assert KEY in file.read_text()


def b64(content: bytes) -> str:
    from suyuan.base import wire

    return wire.b64(content)


def test_nobody_there_is_said(home: Path) -> None:
    code, out = told(key.app, "pin", "http://127.0.0.1:1")
    assert (code, "does not answer" in out) == (1, True)
    assert not home.exists()
