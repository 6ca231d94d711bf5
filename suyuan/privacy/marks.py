"""Marks that tell one export from every other: keyed, and only where a recipient has no use for the truth.

An export carries two marks that need no row or column of their own:

- the millisecond digits of every instant: 1 … 999, never 000, by HMAC over the export, the row's subject and the
  instant's minute and second. Nearly ten bits a row. The second itself stays what the books say.
- the order of the rows: sorted by HMAC over the export and the row's subject.

Amounts, days, seconds, names and whatever else the books say are never touched: a mark there would falsify them.

What survives: dropping rows and columns, sorting (the digits), dropping the digits (the order), another time zone by
whole hours, digits cut or rounded to hundredths or tenths. What destroys a mark: instants rounded to seconds, or with
fresh random digits; for the order, sorting or shuffling. So no export relies on marks alone (`canary`). A mark names
the copy, never the hand: whoever stole a recipient's file leaks that recipient's marks. Whoever holds the key can
forge any mark, so the key derives from the vault's and lives where that one does.

>>> marker = Marker(bytes(32), "exp_1")
>>> marker.instant("slr_1", 1_795_320_000_000_000)
'2026-11-22T12:00:00.250+08:00'
>>> marker.fits("slr_1", 1_795_320_000, "250"), marker.fits("slr_1", 1_795_320_000, "25")
(True, True)
>>> Marker(bytes(32), "exp_2").fits("slr_1", 1_795_320_000, "250")
False
>>> marker.order(["slr_1", "slr_2", "slr_3"])
['slr_1', 'slr_3', 'slr_2']
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from suyuan.base.clock import SECOND, SHANGHAI_AHEAD_S
from suyuan.privacy.vault import Vault

KEY_BYTES = 32
DIGITS = 3
# 000 stands for no mark, because that is what a spreadsheet makes of an instant.
MARKS = 10**DIGITS - 1
# Whoever converts time zones moves by whole hours, so a mark hangs on what stays: minute and second.
SLOT_S = 3600
_SHANGHAI = timezone(timedelta(seconds=SHANGHAI_AHEAD_S))


def mark_key(vault: Vault) -> bytes:
    """The platform's key for marks and canaries; as secret as the index keys, and derived as they are."""
    return vault.keyed_digest(b"1", purpose="export marks")


class Marker:
    """Marks one export, and reads its marks again."""

    def __init__(self, key: bytes, export: str) -> None:
        assert len(key) == KEY_BYTES
        self._digits_key = _derive(key, "digits", export)
        self._order_key = _derive(key, "order", export)

    def instant(self, subject: str, at: int) -> str:
        """An instant of this subject's row as the export shows it: its second in Shanghai, and the mark."""
        second = at // SECOND
        shown = datetime.fromtimestamp(second, UTC).astimezone(_SHANGHAI).replace(tzinfo=None)
        return f"{shown.isoformat()}.{self.digits(subject, second)}+08:00"

    def digits(self, subject: str, second: int) -> str:
        """The millisecond digits that mark an instant of this subject."""
        drawn = hmac.digest(self._digits_key, f"{second % SLOT_S}|{subject}".encode(), "sha256")
        return f"{int.from_bytes(drawn[:8]) % MARKS + 1:0{DIGITS}}"

    def fits(self, subject: str, second: int, digits: str) -> bool:
        """Whether these digits are the mark, or its beginning where the last ones were cut off."""
        return bool(digits) and self.digits(subject, second).startswith(digits[:DIGITS])

    def order(self, subjects: Iterable[str]) -> list[str]:
        """The order in which the rows of these subjects stand in the file. Canaries are rows like all others."""
        return sorted(subjects, key=self.place)

    def place(self, subject: str) -> bytes:
        """What the rows are sorted by."""
        return hmac.digest(self._order_key, subject.encode(), "sha256")


def _derive(key: bytes, purpose: str, export: str) -> bytes:
    return hmac.digest(key, f"suyuan mark 1 {purpose}|{export}".encode(), "sha256")
