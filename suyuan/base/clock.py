"""The only reader of time: everything else gets the time as an argument.

An instant is `Micros`, whole microseconds since 1970-01-01 UTC, so that two instants compare and subtract exactly.
A *day* is a calendar day in Asia/Shanghai (UTC+8, no daylight saving since 1991), because that is the day a seller's
daily limit means.

>>> clock = SetClock(at=1_700_000_000_000_000)
>>> clock.advance(1.5)
>>> clock.now()
1700000001500000
>>> shanghai_day(clock.now())
'2023-11-15'
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType, Protocol

Micros = NewType("Micros", int)

SECOND = 1_000_000
DAY_S = 86_400
SHANGHAI_AHEAD_S = 8 * 3600


class Clock(Protocol):
    """Tells the time; the simulator and the tests bring their own."""

    def now(self) -> Micros: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        return Micros(time.time_ns() // 1000)


class SetClock:
    """A clock that moves only when told to; for tests, the simulator and replays."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> Micros:
        return Micros(self._at)

    def advance(self, seconds: float) -> None:
        """Moves forward; a negative number of seconds moves back, as a machine's clock sometimes does."""
        self._at += round(seconds * SECOND)


def plus(at: int, seconds: int) -> Micros:
    """The instant `seconds` later."""
    return Micros(at + seconds * SECOND)


def shanghai_day(at: int) -> str:
    """The calendar day in Asia/Shanghai, as `YYYY-MM-DD`."""
    return _day_text((at // SECOND + SHANGHAI_AHEAD_S) // DAY_S)


def shanghai_midnight(day: str) -> Micros:
    """The instant at which a day, as `YYYY-MM-DD`, begins in Asia/Shanghai. Raises `ValueError` for what is no day.

    >>> shanghai_day(shanghai_midnight("2026-11-22")), shanghai_day(shanghai_midnight("2026-11-22") - 1)
    ('2026-11-22', '2026-11-21')
    """
    begun = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    return Micros((int(begun.timestamp()) - SHANGHAI_AHEAD_S) * SECOND)


@lru_cache(maxsize=16)
def _day_text(days: int) -> str:
    """Days since 1970 as text; remembered, because every redemption asks for today."""
    return datetime.fromtimestamp(days * DAY_S, UTC).strftime("%Y-%m-%d")


def text(at: int) -> str:
    """The instant for people and files: RFC 3339 in UTC, with microseconds."""
    return datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND).isoformat()


def monotonic_s() -> float:
    """Seconds that never run backwards; for measuring and waiting, never for records."""
    return time.monotonic()


def cpu_s() -> float:
    """CPU seconds that this process has used, all threads."""
    return time.process_time()


def thread_cpu_s() -> float:
    """CPU seconds that this thread has used; what other threads do meanwhile does not count."""
    return time.thread_time()
