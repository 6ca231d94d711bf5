"""One canonical byte encoding: the same value is the same bytes, everywhere and for ever.

Format: JSON in UTF-8 without white space, object keys sorted, which for our values equals RFC 8785. Allowed are
null, booleans, whole numbers within ±(2**53 - 1), strings, bytes (as unpadded base64url text), lists, objects with
ASCII keys and msgspec Structs of these. A float is refused, because two libraries print it two ways.

>>> canonical({"b": [1, True], "a": "话费卡"})
b'{"a":"\\xe8\\xaf\\x9d\\xe8\\xb4\\xb9\\xe5\\x8d\\xa1","b":[1,true]}'
>>> canonical({"ratio": 0.8})
Traceback (most recent call last):
    ...
ValueError: a float has no canonical form; use whole numbers and a unit
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

WHOLE_NUMBER_MAX = 2**53 - 1

_FORMULAS = "=+-@\t\r\n＝＋－＠"

_sorted_json = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """The canonical bytes of a value. Raises `ValueError` for what has none."""
    return _sorted_json.encode(_plain(msgspec.to_builtins(value, builtin_types=(bytes,))))


def canonical_record(record: msgspec.Struct) -> bytes:
    """The same bytes for a Struct whose types already rule floats out; skips the walk, for the hot path.

    Its fields must be whole numbers, text, base64url text, booleans, null, or lists and Structs of these.
    """
    return _sorted_json.encode(record)


def digest(content: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(content).digest()


def b64(content: bytes) -> str:
    """Unpadded base64url text."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of unpadded base64url text. Raises `ValueError` for text that `b64` would not have written."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64(content) != text:
        raise ValueError("this is not unpadded base64url text in its only form")
    return content


def harmless_cell(cell: int | str) -> int | str:
    """A cell of a CSV file: a spreadsheet runs text that opens like a formula, whoever wrote it, in either width.

    >>> harmless_cell("=HYPERLINK(0)"), harmless_cell(" ＋1"), harmless_cell("王**"), harmless_cell(-1)
    ("'=HYPERLINK(0)", "' ＋1", '王**', -1)
    """
    if isinstance(cell, int):
        return cell
    opening = cell.lstrip(" \u3000\xa0")[:1]
    return f"'{cell}" if opening and opening in _FORMULAS else cell


def _plain(value: Any) -> Any:
    """The value with its bytes as text, or a refusal. Structs are plain objects by now, and a tuple is a list."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _whole_number(value)
    if isinstance(value, bytes):
        return b64(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        raise ValueError("a float has no canonical form; use whole numbers and a unit")
    raise ValueError(f"{type(value).__name__} has no canonical form")


def _text(value: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("a lone surrogate is not text and has no canonical form")
    return value


def _whole_number(value: int) -> int:
    if abs(value) > WHOLE_NUMBER_MAX:
        raise ValueError("a whole number beyond 2**53 - 1 is read differently by other languages")
    return value


def _key(key: Any) -> str:
    if not (isinstance(key, str) and key.isascii()):
        raise ValueError("an object's keys are ASCII text, so that sorting them has one meaning")
    return key
