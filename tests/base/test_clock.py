"""One clock, one unit, one calendar day."""

from __future__ import annotations

from suyuan.base.clock import SECOND, SetClock, SystemClock, plus, shanghai_day, text

# 2026-11-22 in Shanghai begins at 2026-11-21T16:00:00Z.
MIDNIGHT = 1_795_276_800 * SECOND


def test_the_day_changes_at_midnight_in_shanghai() -> None:
    """A microsecond before, it is yesterday; at midnight it is today."""
    assert text(MIDNIGHT) == "2026-11-21T16:00:00+00:00"
    assert shanghai_day(MIDNIGHT - 1) == "2026-11-21"
    assert shanghai_day(MIDNIGHT) == "2026-11-22"
    assert shanghai_day(plus(MIDNIGHT, 86_400) - 1) == "2026-11-22"


def test_a_set_clock_moves_only_when_told_to() -> None:
    """So a test or a replay never depends on when it runs."""
    clock = SetClock(at=MIDNIGHT)
    assert clock.now() == clock.now() == MIDNIGHT
    clock.advance(-0.5)
    assert clock.now() == MIDNIGHT - SECOND // 2


def test_the_machine_tells_micros() -> None:
    """Between 2020 and 2100, so that a mix-up of units shows."""
    assert 1_577_836_800 * SECOND < SystemClock().now() < 4_102_444_800 * SECOND
