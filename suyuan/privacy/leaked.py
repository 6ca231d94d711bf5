"""What a cell of a leaked list still says, however it was written down again on the way.

Everything is brought to one spelling, or to nothing: a leak is no form that somebody could be asked to fill in better.

>>> leaked_number("+86 138-0000-0001"), leaked_number("138xxxx0001"), leaked_number("13800")
('13800000001', '138****0001', '')
>>> leaked_number("１３８＊＊＊＊０００１")
'138****0001'
>>> leaked_name(" 王 芳"), leaked_name("王某"), leaked_name("王*"), leaked_name("*芳")
('王芳', '王**', '王**', '')
>>> is_whole("6222020000000001"), is_whole("**0001")
(True, False)
>>> leaked_instant("2026-11-22T12:00:00.250+08:00"), leaked_instant("2026/11/22 04:00:00.25Z")
(ShownInstant(second=1795320000, digits='250'), ShownInstant(second=1795320000, digits='25'))
>>> leaked_instant("2026-11-22 12:00:00"), leaked_instant("1795320000250"), leaked_instant("yesterday")
(ShownInstant(second=1795320000, digits=''), ShownInstant(second=1795320000, digits='250'), None)
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from suyuan.base.clock import SHANGHAI_AHEAD_S
from suyuan.privacy.mask import masked_name, masked_number
from suyuan.privacy.signs import ShownInstant

CELL_LENGTH_MAX = 200

_STARS = "*xX×·•●█_"
_NUMBER = re.compile(rf"(?:\+|00)?(?:86)?(1[3-9][0-9])([0-9]{{4}}|[{re.escape(_STARS)}]{{1,8}})([0-9]{{4}})")
_BETWEEN = re.compile(r"[\s\-()]")
_INSTANT = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[T ]\s*(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s*"
    r"(?:(Z)|([+-])(\d{2}):?(\d{2}))?"
)
_SINCE_1970 = re.compile(r"(1\d{9})(?:\.?(\d{3}))?")


def plain(cell: str) -> str:
    """A cell in the width of its characters that everybody can read, without what a leak has no use for."""
    return unicodedata.normalize("NFKC", cell[:CELL_LENGTH_MAX]).strip()


def leaked_number(cell: str) -> str:
    """A phone number, whole or masked as the platform masks it."""
    match = _NUMBER.fullmatch(_BETWEEN.sub("", plain(cell)))
    if match is None:
        return ""
    head, middle, tail = match.groups()
    return head + middle + tail if middle.isdigit() else masked_number(f"{head}0000{tail}")


def leaked_name(cell: str) -> str:
    """A name, whole or masked as the platform masks it."""
    text = "".join(plain(cell).split())
    hidden = [place for place, character in enumerate(text) if character in _STARS + "某"]
    if not hidden:
        return text
    return masked_name(text) if hidden == list(range(1, len(text))) else ""


def is_whole(cell: str) -> bool:
    """Whether nothing of a cell is hidden."""
    text = plain(cell)
    return bool(text) and not any(character in _STARS for character in text)


def leaked_instant(cell: str) -> ShownInstant | None:
    """An instant to the second; without a zone it is Shanghai's."""
    text = plain(cell)
    counted = _SINCE_1970.fullmatch(text)
    if counted is not None:
        return ShownInstant(int(counted[1]), counted[2] or "")
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, digits, is_utc, sign, hours, minutes = match.groups()
    ahead_s = 0 if is_utc else SHANGHAI_AHEAD_S
    if sign:
        ahead_s = (3600 * int(hours) + 60 * int(minutes)) * (-1 if sign == "-" else 1)
    try:
        shown = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return ShownInstant(int((shown - timedelta(seconds=ahead_s)).timestamp()), digits or "")
    except (ValueError, OverflowError):
        return None
