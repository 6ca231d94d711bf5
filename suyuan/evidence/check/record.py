"""Records: what one event of history says, opened field by field against the 32 bytes that stand in the log.

A record is a list of members. A member is its canonical JSON text `"name":value`, and its commitment
SHA-256(salt || member), with a random salt of 32 bytes. The entry in the log is

    SHA-256("suyuan record 1\\n" || name 1 || "\\n" || … || name n || "\\n\\n" || commitment 1 || … || commitment n)

`record.json` holds the members that are shown. `openings.json` holds all n names and commitments, and the place and
salt of each member that is shown. Of the others one learns their names alone: their salts are 256 random bits each. No
name stands there twice, so nobody can be shown another value of a member than somebody else.

>>> from suyuan.evidence.check.strict import to_base64
>>> salts = [bytes([7]) * 32, bytes([8]) * 32]
>>> members = [member("paid", 8000), member("seq", 17)]
>>> names, commitments = ["paid", "seq"], [commitment(salt, one) for salt, one in zip(salts, members)]
>>> shown = {"commitments": [to_base64(one) for one in commitments], "format": OPENINGS_FORMAT, "names": names,
...          "salts": {"paid": [0, to_base64(salts[0])]}}
>>> record_entry(b'{"paid":8000}', canonical(shown)) == entry_of(names, commitments)
True
>>> try:
...     record_entry(b'{"paid":9000}', canonical(shown))
... except BadEvidence as bad:
...     print(bad)
record.json: The record's "paid" is not what was logged: its commitment does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from suyuan.evidence.check.canonical import canonical, read_canonical
from suyuan.evidence.check.strict import from_base64
from suyuan.evidence.check.wrong import BadEvidence, Wrong

RECORD, OPENINGS = "record.json", "openings.json"
OPENINGS_FORMAT = "suyuan-openings-v1"
RECORD_BYTES_MAX = 4_000_000
SALT_BYTES = 32
COMMITMENT_BYTES = 32

_ENTRY_HEADER = b"suyuan record 1\n"


def member(name: str, value: object) -> bytes:
    return canonical(name) + b":" + canonical(value)


def commitment(salt: bytes, member_text: bytes) -> bytes:
    return hashlib.sha256(salt + member_text).digest()


def entry_of(names: Iterable[str], commitments: Iterable[bytes]) -> bytes:
    """What stands in the log for a record with these members."""
    lines = "".join(f"{name}\n" for name in names).encode()
    return hashlib.sha256(_ENTRY_HEADER + lines + b"\n" + b"".join(commitments)).digest()


def record_entry(record: bytes, openings: bytes) -> bytes:
    """The log entry of a record of which every member that is shown fits its commitment. Raises `BadEvidence`."""
    shown = read_record(record)
    names, commitments, salts = _read_openings(openings)
    for name in shown.keys() ^ salts.keys():
        raise BadEvidence(Wrong.OPENINGS_ARE_OF_OTHER_MEMBERS, file=OPENINGS, name=name)
    for name, (place, salt) in salts.items():
        if commitment(salt, member(name, shown[name])) != commitments[place]:
            raise BadEvidence(Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED, file=RECORD, name=name)
    return entry_of(names, commitments)


def read_record(content: bytes) -> dict[str, Any]:
    """The members that `record.json` shows, by name. Raises `BadEvidence`."""
    record = read_canonical(content) if len(content) <= RECORD_BYTES_MAX else None
    if record is None or not record or not all(map(_is_field, record.values())):
        raise BadEvidence(Wrong.RECORD_IS_MALFORMED, file=RECORD)
    return record


def _is_field(value: object) -> bool:
    """What an event's field may hold: a text, a whole number, a truth, nothing, or a list of texts."""
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return value is None or isinstance(value, str | int)


def _read_openings(content: bytes) -> tuple[list[str], list[bytes], dict[str, tuple[int, bytes]]]:
    openings = read_canonical(content) if len(content) <= RECORD_BYTES_MAX else None
    match openings:
        case {
            "commitments": list(texts), "format": str(form), "names": list(names), "salts": dict(salts), **rest
        } if not rest:  # fmt: skip
            if form != OPENINGS_FORMAT:
                raise BadEvidence(Wrong.OPENINGS_ARE_OF_ANOTHER_FORMAT, file=OPENINGS, format=form)
        case _:
            raise BadEvidence(Wrong.OPENINGS_ARE_MALFORMED, file=OPENINGS)
    if len(names) != len(texts) or not all(map(_is_name, names)):
        raise BadEvidence(Wrong.OPENINGS_ARE_MALFORMED, file=OPENINGS)
    if len(set(names)) != len(names):
        raise BadEvidence(Wrong.MEMBER_IS_DOUBLED, file=OPENINGS)
    commitments = [_fixed_bytes(text, COMMITMENT_BYTES) for text in texts]
    opened = {name: _read_salt(salt, len(commitments)) for name, salt in salts.items()}
    if any(names[place] != name for name, (place, _) in opened.items()):
        raise BadEvidence(Wrong.OPENINGS_ARE_MALFORMED, file=OPENINGS)
    return names, commitments, opened


def _is_name(name: object) -> bool:
    """What can be a line of its own, so that no two lists of names are the same lines."""
    return isinstance(name, str) and name.isascii() and name.isprintable() and name != ""


def _read_salt(value: object, count: int) -> tuple[int, bytes]:
    match value:
        case [bool(), _]:
            """`true` is no place, though Python takes it for 1."""
        case [int(place), text] if 0 <= place < count:
            return place, _fixed_bytes(text, SALT_BYTES)
    raise BadEvidence(Wrong.OPENINGS_ARE_MALFORMED, file=OPENINGS)


def _fixed_bytes(text: object, length: int) -> bytes:
    content = from_base64(text) if isinstance(text, str) else None
    if content is None or len(content) != length:
        raise BadEvidence(Wrong.OPENINGS_ARE_MALFORMED, file=OPENINGS)
    return content
