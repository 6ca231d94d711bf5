"""Canonical JSON (RFC 8785) of what records hold: objects of strings, whole numbers, booleans, null and lists.

Reading refuses every other spelling, so that one value has one file and a name never stands twice. Names are ASCII,
because then all ways to sort them agree.

>>> canonical({"paid": 8000, "kind": "payout_paid/1"})
b'{"kind":"payout_paid/1","paid":8000}'
>>> read_canonical(b'{"kind":"payout_paid/1","paid":8000}')["paid"]
8000
>>> read_canonical(b'{"paid":8000,"kind":"payout_paid/1"}') is None
True
"""

from __future__ import annotations

import json
from typing import Any

# From here on languages whose numbers are floats read another one (RFC 8785, appendix B, and RFC 7493 §2.2).
_INTEGER_END = 2**53


def canonical(value: object) -> bytes:
    """Raises `UnicodeEncodeError` for half a surrogate pair, which is no text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def read_canonical(content: bytes) -> dict[str, Any] | None:
    """The object that these bytes are the canonical form of, if they are."""
    try:
        value = json.loads(
            content.decode(),
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
        is_canonical = canonical(value) == content
    except (ValueError, RecursionError):
        return None
    return value if is_canonical and isinstance(value, dict) else None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """A doubled name would keep its last value, so the bytes would differ too and are refused."""
    if not all(name.isascii() for name, _ in members):
        raise ValueError("a name is not ASCII")
    return dict(members)


def _whole_number(text: str) -> int:
    number = int(text)
    if not -_INTEGER_END < number < _INTEGER_END:
        raise ValueError("the number is not exact everywhere")
    return number


def _refuse(_text: str) -> float:
    raise ValueError("only whole numbers have one form")
