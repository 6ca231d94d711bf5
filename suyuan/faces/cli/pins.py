"""The keys of platforms that the user trusts, in `~/.suyuan/platforms` (or under `SUYUAN_HOME`).

One JSON file per platform: its public address, its keys by id, and when they were pinned. Nothing is pinned unasked,
and a pin is replaced only when the user says so: a platform that shows other keys one day is a question, not an update.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from suyuan.base import clock
from suyuan.base.crypto import PublicKey, suite
from suyuan.faces.sdk import Patience, Platform, PlatformFacts, PlatformKey, Trouble


class NotPinned(Exception):
    """The platform's keys are not known here, or are not the ones they were; the message says what to do."""


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was believed of a platform, and since when."""

    url: str
    origin: str
    keys: tuple[PlatformKey, ...]
    pinned_at: str

    def by_id(self) -> dict[str, PublicKey]:
        return PlatformFacts(self.origin, self.keys).by_id()


def folder() -> Path:
    """Where pins are kept."""
    home = os.environ.get("SUYUAN_HOME")
    return (Path(home) if home else Path.home() / ".suyuan") / "platforms"


def pinned(url: str) -> Pin:
    """The pin of a platform. Raises `NotPinned`."""
    file = _file(url)
    if not file.exists():
        raise NotPinned(
            f"The keys of {url} are not pinned here. Run `suyuan key pin {url}` and compare what it shows with what"
            " the platform gave you, or name --platform-key."
        )
    return _read(file)


def all_pinned() -> dict[str, PublicKey]:
    """The keys of every platform that is pinned, by id."""
    return {name: key for file in sorted(folder().glob("*.json")) for name, key in _read(file).by_id().items()}


def shown(url: str) -> PlatformFacts:
    """What a platform shows to anybody. Raises `Trouble`."""
    nobody = suite("ed25519").signer(bytes(32))
    with Platform(url, key_id="nobody", signer=nobody, patience=Patience(tries_max=1)) as platform:
        return platform.pin()


def pin(url: str, facts: PlatformFacts, *, replace: bool = False) -> Path:
    """Keeps what a platform shows. Raises `NotPinned` where other keys were kept before."""
    facts.by_id()
    file = _file(url)
    if file.exists() and not replace and _read(file).by_id() != facts.by_id():
        raise NotPinned(
            f"{url} shows other keys than those that are pinned in {file}. Ask the platform why; if it changed its"
            " keys, pin them with --replace."
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = Pin(url.rstrip("/"), facts.origin, facts.keys, clock.text(clock.SystemClock().now()))
    fresh = file.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    fresh.replace(file)
    return file


def trusted(url: str, keys: list[PublicKey]) -> tuple[str, Mapping[str, PublicKey]]:
    """A platform's origin and its keys: the pinned ones, or those it shows that were named."""
    if not keys:
        known = pinned(url)
        return known.origin, known.by_id()
    facts = shown(url)
    named = {name: key for name, key in facts.by_id().items() if key in keys}
    if not named:
        raise NotPinned(f"{url} shows none of the keys that were named; ask the platform which keys it has.")
    return facts.origin, named


def _file(url: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", url.rstrip("/").partition("://")[2])
    return folder() / f"{name or 'platform'}.json"


def _read(file: Path) -> Pin:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Pin)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        raise NotPinned(f"{file} cannot be read; delete it and pin the platform again.") from None


__all__ = ["NotPinned", "Pin", "Trouble", "all_pinned", "folder", "pin", "pinned", "shown", "trusted"]
