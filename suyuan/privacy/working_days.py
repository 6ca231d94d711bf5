"""Working days of mainland China: weekends, public holidays, and the weekend days worked to make up for them.

The State Council announces each year's days in the autumn before; `chinesecalendar` carries them. In a year that it
does not know yet Monday to Friday count, so that the clock runs a few days early around holidays; nobody waits longer.

>>> from suyuan.base.clock import shanghai_day
>>> friday = 1_770_955_200_000_000  # 2026-02-13, noon in Shanghai; Saturday is worked, then comes the Spring Festival.
>>> [shanghai_day(last_instant(friday, working_days=days)) for days in (1, 2)]
['2026-02-14', '2026-02-24']
"""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar

from suyuan.base.clock import DAY_S, SECOND, SHANGHAI_AHEAD_S, Micros, shanghai_day

_FRIDAY = 4


def is_working_day(day: date) -> bool:
    """Whether offices are open on this day."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() <= _FRIDAY


def last_instant(at: int, *, working_days: int) -> Micros:
    """The end of the nth working day in Shanghai after the day of `at`, which itself does not count."""
    day = date.fromisoformat(shanghai_day(at))
    left = working_days
    while left:
        day += timedelta(days=1)
        left -= is_working_day(day)
    end_s = (day - date(1970, 1, 1)).days * DAY_S + DAY_S - SHANGHAI_AHEAD_S
    return Micros(end_s * SECOND - 1)
