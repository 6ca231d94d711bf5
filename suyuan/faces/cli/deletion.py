"""`suyuan deletion`: certificates that a person was forgotten, checked without asking anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.base import clock
from suyuan.base.crypto import BadPaper, BadSignature
from suyuan.base.refusals import Language
from suyuan.faces.cli import pins
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.faces.cli.voucher import keys_for
from suyuan.privacy.certificate import check_certificate

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check a deletion certificate, offline.")

CERTIFICATE_BYTES_MAX = 4 * 1024 * 1024

INSTANTS = ("intended_at", "shredded_at", "final_by")

GOOD: dict[Language, str] = {"en": "{file} is a good certificate.", "zh": "{file} 是有效的删除证明。"}
ANOTHERS: dict[Language, str] = {
    "en": "{file} is about somebody else than {seller}.", "zh": "{file} 与 {seller} 无关。",
}  # fmt: skip


def _shown(name: str, value: object) -> object:
    """As people read it: instants as such, fingerprints to be compared one by one."""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return clock.text(value) if name in INSTANTS and isinstance(value, int) else value


@app.callback()
def deletion() -> None:
    """Check a deletion certificate, offline."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="a certificate as the platform handed it out")],
    seller: Annotated[str, typer.Option(help="slr_… whom it should be about")] = "",
    key: Annotated[
        list[str] | None, typer.Option(help="a platform's public key, ed25519:…; else the pinned ones")
    ] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Check a certificate offline. Leaves with 0 for a good one, 1 for every other."""
    language = language_of(lang)
    try:
        with file.open("rb") as opened:
            paper = opened.read(CERTIFICATE_BYTES_MAX)
        certificate = check_certificate(paper, keys_for(paper, key or [], check_certificate))
    except OSError as error:
        fail(f"{file}: {error.strerror}.")
    except (BadPaper, BadSignature, pins.NotPinned) as error:
        if is_for_machines:
            as_json({"good": False, "why": str(error)})
        fail(f"{file}: {error}.", code=1)
    is_theirs = not seller or certificate.is_about(seller)
    if is_for_machines:
        as_json({"good": is_theirs, "certificate": certificate})
    else:
        print("\n".join(f"{name}: {_shown(name, value)}" for name, value in msgspec.to_builtins(certificate).items()))
        tell((GOOD if is_theirs else ANOTHERS)[language].format(file=file, seller=seller))
    raise typer.Exit(0 if is_theirs else 1)
