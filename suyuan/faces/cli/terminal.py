"""How all commands speak: in the reader's language, sentences to standard error, JSON to standard output."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import msgspec
import typer

from suyuan.base.refusals import Language
from suyuan.privacy.keyring import KeyTrouble


def language() -> Language:
    """Chinese for those whose terminal is, English for all others."""
    asked = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if asked.lower().startswith("zh") else "en"


def tell(sentence: str) -> None:
    """Says something to the person; standard output belongs to results."""
    print(sentence, file=sys.stderr, flush=True)


def fail(sentence: str, *, code: int = 2) -> NoReturn:
    """Says why nothing was done, and leaves."""
    tell(sentence)
    raise typer.Exit(code)


def sentence_of(trouble: KeyTrouble) -> str:
    """What keeps a platform from its keys, in the reader's language."""
    return trouble.zh if language() == "zh" else str(trouble)


def as_json(facts: Any) -> None:
    """One JSON object as the last line of standard output."""
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()
