"""How all commands speak: in the reader's language, sentences to standard error, JSON to standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import typer

from suyuan.base.refusals import Language
from suyuan.evidence.log.stops import LogStopped
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


def sentence_of(trouble: KeyTrouble | LogStopped, said_in: Language | None = None) -> str:
    """What keeps a platform from its keys, or from its log, in the reader's language."""
    return trouble.zh if (said_in or language()) == "zh" else str(trouble)


def no_platform(data: Path, said_in: Language | None = None) -> str:
    """What to say of a folder in which no platform was ever started; without a language in the terminal's."""
    if (said_in or language()) == "zh":
        return f"{data} 中没有平台，请用 --data 指明其数据目录。"
    return f"there is no platform in {data}; name its folder with --data"


def as_json(facts: Any) -> None:
    """One JSON object as the last line of standard output."""
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()
