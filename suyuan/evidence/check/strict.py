"""Numbers and base64 in their one form, because two spellings of one value would be two files with one meaning.

>>> decimal("17"), decimal("017"), decimal("-1"), decimal("")
(17, None, None, None)
>>> from_base64("Zm8="), from_base64("Zm9="), from_base64("Zm8"), from_base64("Zm8=\\n")
(b'fo', None, None, None)
"""

from __future__ import annotations

import base64
import binascii
import re

# Longer than any number below 2**63, so that nobody is made to multiply out a million digits.
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_DECIMAL_END = 2**63


def decimal(text: str) -> int | None:
    """The number below 2**63 that this is in ASCII digits without leading zeros."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = int(text)
    return number if number < _DECIMAL_END else None


def from_base64(text: str) -> bytes | None:
    """The bytes of this standard base64 (RFC 4648 §4) with its padding, and with its unused bits 0."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if to_base64(content) == text else None


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
