"""Strangers are counted, not recorded: one event per key, network and minute, however often they knock.

A request whose signature is bad proves nothing, so it must not fill history. A worker counts such requests and hands
the finished minutes to the line. An id that no key has is a stranger's own invention and is counted under none; and
beyond `TALLIES_MAX` a worker counts all further networks of the minute together, so its memory and history stay small.

>>> strangers = Strangers()
>>> for _ in range(3):
...     strangers.count("key_1", "203.0.113.0/24", "signature_is_wrong", at=Micros(61 * SECOND))
>>> strangers.finished(at=Micros(119 * SECOND)) is None
True
>>> strangers.finished(at=Micros(120 * SECOND)).tallies
[Tally(key='key_1', ip_prefix='203.0.113.0/24', minute=60000000, reason='signature_is_wrong', times=3)]
"""

from __future__ import annotations

import msgspec

from suyuan.base.clock import SECOND, Micros
from suyuan.flows.shelves import Shelves
from suyuan.history.events import StrangersCounted
from suyuan.history.line import Applier, Decided, Turn

MINUTE = 60 * SECOND
TALLIES_MAX = 1_000
EVERYWHERE = "elsewhere"


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """How often one network knocked with one key within the minute that began at `minute` (micros)."""

    key: str
    ip_prefix: str
    minute: int
    reason: str
    times: int


class CountStrangers(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep what a worker counted."""

    tallies: list[Tally]


class Counted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """They are in history."""

    tallies: int


class Strangers:
    """What one worker has counted and not handed on yet."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, int, str], int] = {}

    def count(self, key: str, ip_prefix: str, reason: str, *, at: Micros) -> None:
        """Counts one request that proved nothing. `key` is a registered key's id, or nothing."""
        minute = at // MINUTE * MINUTE
        tally = (key, ip_prefix, minute, reason)
        if tally not in self._times and len(self._times) >= TALLIES_MAX:
            tally = ("", EVERYWHERE, minute, reason)
        self._times[tally] = self._times.get(tally, 0) + 1

    def finished(self, *, at: Micros) -> CountStrangers | None:
        """The minutes that are over, as a command; they are handed on with it and forgotten here."""
        minute = at // MINUTE * MINUTE
        over = [tally for tally in self._times if tally[2] < minute]
        tallies = [Tally(*tally, self._times.pop(tally)) for tally in over]
        return CountStrangers(tallies) if tallies else None


def want(shelves: Shelves, command: CountStrangers, now: int) -> bool:
    """Counting needs no rows."""
    return True


def apply(shelves: Shelves, command: CountStrangers, turn: Turn) -> Decided:
    """Appends one event a tally."""
    events = tuple(
        StrangersCounted(
            key=tally.key, ip_prefix=tally.ip_prefix, minute=tally.minute, reason=tally.reason, times=tally.times
        )
        for tally in command.tallies
    )
    return Decided(Counted(len(events)), events)


APPLIER = Applier(want, apply)
