"""`suyuan voucher`: signed receipts, checked without asking anybody."""

from __future__ import annotations

import json as plain_json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock, money
from suyuan.base.crypto import BadSignature, PublicKey
from suyuan.faces.cli import pins
from suyuan.faces.cli.terminal import as_json, fail, language, tell
from suyuan.faces.sdk import BadVoucher, Trouble, UnsafeKeyFile, Voucher, check_voucher, read_key_file
from suyuan.faces.sdk import Platform as _Platform
from suyuan.faces.sdk import Refused as _Refused

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check a signed receipt, offline.")

VOUCHER_BYTES_MAX = 64 * 1024


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="a voucher as the platform handed it out")],
    key: Annotated[
        list[str] | None, typer.Option(help="a platform's public key, ed25519:…; else the pinned ones")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Check a voucher offline. Leaves with 0 for a good one, 1 for every other."""
    try:
        paper = file.read_bytes()[: VOUCHER_BYTES_MAX + 1]
        voucher = check_voucher(paper, keys_for(paper, key or [], check_voucher))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except (BadVoucher, BadSignature, pins.NotPinned) as error:
        if json:
            as_json({"good": False, "why": str(error)})
        fail(f"{file} is not a good voucher: {error}.", code=1)
    if json:
        as_json({"good": True, "voucher": voucher})
        return
    for name, value in _told(voucher):
        print(f"{name:<12} {value}")
    tell(f"{file} 是有效凭证。" if language() == "zh" else f"{file} is a good voucher.")


@app.command()
def fetch(
    redemption: Annotated[str, typer.Argument(help="rdm_…")],
    url: Annotated[str, typer.Option(help="the platform's address")],
    key: Annotated[Path, typer.Option(help="your signing key file")],
    out: Annotated[Path, typer.Option(help="where the voucher is to be kept")],
) -> None:
    """Fetch the voucher of a paid redemption, check it and keep it."""
    try:
        own = read_key_file(key)
        origin, keys = pins.trusted(url, [])
        with _Platform(url, key_id=own.id, signer=own.signer, keys=keys, origin=origin) as platform:
            paper = platform.voucher(redemption)
        if isinstance(paper, _Refused):
            fail(f"{paper.code}: {paper.sentence_en} {paper.sentence_zh}", code=1)
        check_voucher(paper, keys)
        out.write_bytes(paper + b"\n")
        tell(f"已核验并保存到 {out}。" if language() == "zh" else f"Checked, and kept in {out}.")
    except (UnsafeKeyFile, pins.NotPinned, Trouble, BadVoucher, BadSignature, OSError) as error:
        fail(str(error), code=1)


def keys_for(
    paper: bytes, named: list[str], checked: Callable[[bytes, Mapping[str, PublicKey]], object]
) -> Mapping[str, PublicKey]:
    """The pinned keys, or the named ones under whatever id the paper gives them: a key that is named is believed."""
    if not named:
        return pins.all_pinned()
    keys = [_parse(text) for text in named]
    found: dict[str, PublicKey] = {}
    for key_id in _signed_by(paper):
        for key in keys:
            try:
                checked(paper, {key_id: key})
                found[key_id] = key
            except BadSignature:
                """Another of the named keys may be the one, and if none is, the paper is refused."""
    return found


def _parse(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except ValueError as error:
        fail(f"--key: {error}.")


def _signed_by(paper: bytes) -> list[str]:
    try:
        return [str(signature["key"]) for signature in plain_json.loads(paper)["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _told(voucher: Voucher) -> Iterator[tuple[str, str]]:
    """The facts as people read them."""
    units = " fen" if voucher.value_kind == "money" else f" {voucher.value_kind}"
    for name, value in msgspec.to_builtins(voucher).items():
        if name.endswith("_at"):
            yield name, clock.text(value)
        elif name.endswith("_fen"):
            yield name.removesuffix("_fen"), f"{money.yuan(value)} yuan"
        elif name == "paid":
            yield name, f"{money.yuan(value)} yuan" if voucher.value_kind == "money" else f"{value}{units}"
        else:
            yield name, str(value)
