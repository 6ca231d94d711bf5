"""The desk: what an API worker carries while it serves, laid once by `app`, the same in a test and the simulator.

Time, chance and the world are on it, so no flow reaches for them. The line is a caller's side of its socket, or the
line itself where both live in one process. Nothing on the desk can write but by a command in the line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from suyuan.base.clock import Clock
from suyuan.base.crypto import PlatformKey
from suyuan.base.db import Fetch
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.history.events import Event
from suyuan.history.frames import Commands
from suyuan.privacy.consent import Consent
from suyuan.privacy.notice import Notice
from suyuan.privacy.pseudonyms import Marks
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import Vault
from suyuan.settle.card import Formats
from suyuan.settle.limits import LimitRules
from suyuan.settle.lookup import Lookup
from suyuan.settle.providers import FaceCheck, NumberProof, Operator
from suyuan.settle.seen_reads import SeenReads

LINE_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the stories of an API worker need."""

    line: Commands
    lookup: Lookup
    fetch: Fetch
    """Asks the database, through connections that cannot write."""
    event_at: Callable[[int], Awaitable[Event | None]]
    """Reads one event of history back, by its place."""
    consents: Callable[[str], Awaitable[list[Consent]]]
    """All that a seller has decided."""
    subject_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]]
    """The data keys at these places."""
    notice: Notice
    """The privacy notice that this platform serves now."""
    vault: Vault
    clock: Clock
    chance: Callable[[int], bytes]
    formats: Callable[[str], Formats]
    """The card formats in force on a day: a platform that runs over midnight changes with them."""
    rules: LimitRules
    seller_age_min: int
    operators: Mapping[str, Operator]
    asked_for_secrets: frozenset[str]
    """The operators that are asked whether a secret is valid before the card is taken; not all of them tell."""
    face_check: FaceCheck | None
    """None where the platform has none: limits cannot be raised then."""
    number_proof: NumberProof | None
    """None where the platform has none: only who has a key can ask about their own data then."""
    keys: tuple[PlatformKey, ...]
    """The platform's own keys. The first is an Ed25519 key and signs answers; all of them sign vouchers."""
    seen_reads: SeenReads
    origin: str
    """The public origin, such as `https://api.example.com`: what partners sign, whatever proxy stands in front."""
    log_folder: Path
    """Where the sealer publishes the log."""
    is_ready: Callable[[], Awaitable[bool]]


def marks_of(desk: Desk, value: str, kind: str) -> Marks:
    """All marks under which the pseudonym of a value may be kept, with a fresh pseudonym of this kind."""
    now = desk.clock.now()
    return desk.vault.marks(value, purpose=kind, now=now, fresh=new_id(kind, at=now, chance=desk.chance(CHANCE_BYTES)))


async def ask_line(desk: Desk, command: msgspec.Struct) -> msgspec.Struct:
    """Submits a command. A line that does not answer in time leaves its caller unsure, and says so."""
    try:
        async with asyncio.timeout(LINE_DEADLINE_S):
            return await desk.line.submit(command)
    except TimeoutError:
        return Refusal(Reason.answer_is_not_known_yet)
