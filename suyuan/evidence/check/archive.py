"""Zip files, of which only the plainest form is read, so that every program sees the same files in one.

A zip says most things twice, and programs differ in which of the two they believe. So a bundle is refused unless its
members fill the file from its first byte on, one behind the other, followed by the directory, which says the same of
each, and by nothing else: no comment, no extra field, no encryption, no link, no folder, no size that comes later.
All sizes are added up before anything is inflated, and nothing inflates beyond the size that it names.

Members are stored or deflated; names are ASCII, `/` between at most three parts, unlike also where case is ignored, and
no part ends in a dot, which Windows leaves out: `verify.py.` would take the place of `verify.py` there.
Whatever Python's `zipfile` writes from plain files and names is of this form. The layout is that of APPNOTE.TXT, 4.3.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from suyuan.evidence.check.wrong import BadEvidence, Wrong

BUNDLE_BYTES_MAX = 64 << 20
# Ten thousand records and what stands beside them.
BUNDLE_FILES_MAX = 50_000

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
_NAME = re.compile(rf"(?:{_PART}/){{0,2}}{_PART}")
_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
_ENTRY, _ENTRY_MARK = struct.Struct("<4s6H3L5H2L"), b"PK\x01\x02"
_LOCAL, _LOCAL_MARK = struct.Struct("<4s5H3L2H"), b"PK\x03\x04"
_ENCRYPTED = 1
# How hard the deflating tried, and that a name is UTF-8: nothing that a reader acts on here.
_FLAGS_OF_NO_MATTER = 0x0806
_STORED, _DEFLATED = 0, 8


class _Member(NamedTuple):
    """What the directory says of a file. `told` is what the file's own head must say again."""

    name: str
    method: int
    checksum: int
    packed: int
    size: int
    told: tuple[int, ...]


def read_archive(file: Path | BinaryIO) -> dict[str, bytes]:
    """All files of a bundle by name. Raises `BadEvidence`, or `OSError` for a file that cannot be read."""
    content = _bounded(file)
    files: dict[str, bytes] = {}
    place = 0
    for member in _directory(content):
        end = _end_of_head(content, place, member) + member.packed
        files[member.name] = _unpacked(member, content[end - member.packed : end])
        place = end
    return files


def _bounded(file: Path | BinaryIO) -> bytes:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return _bounded(opened)
    content = file.read(BUNDLE_BYTES_MAX + 1)
    if len(content) > BUNDLE_BYTES_MAX:
        raise BadEvidence(Wrong.BUNDLE_IS_TOO_LARGE, most=BUNDLE_BYTES_MAX)
    return content


def _directory(content: bytes) -> list[_Member]:
    """The members in the order of the directory, whose sizes are bounded in all."""
    start = len(content) - _END.size
    if start < 0 or content[start : start + 4] != _END_MARK:
        raise BadEvidence(Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP)
    _, disk, first_disk, count_here, count, size, offset, comment = _END.unpack_from(content, start)
    if (disk, first_disk, comment) != (0, 0, 0) or count_here != count or offset + size != start:
        raise BadEvidence(Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP)
    if count > BUNDLE_FILES_MAX:
        raise BadEvidence(Wrong.BUNDLE_HAS_TOO_MANY_FILES, count=count, most=BUNDLE_FILES_MAX)
    listing = io.BytesIO(content[offset:start])
    members: list[_Member] = []
    place = 0
    for _ in range(count):
        member = _entry(listing, place)
        members.append(member)
        place += _LOCAL.size + len(member.name) + member.packed
    if listing.read(1) or place != offset:
        raise BadEvidence(Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP)
    _check_members(members)
    return members


def _entry(listing: BinaryIO, place: int) -> _Member:
    """The next entry of the directory, if it is of a plain file that begins at this place."""
    head = listing.read(_ENTRY.size)
    if len(head) < _ENTRY.size or not head.startswith(_ENTRY_MARK):
        raise BadEvidence(Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP)
    (_, _, needed, flags, method, time, date, checksum, packed, size) = _ENTRY.unpack(head)[:10]
    (name_length, extra, comment, disk, _, attributes, offset) = _ENTRY.unpack(head)[10:]
    name = listing.read(name_length).decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise BadEvidence(Wrong.BUNDLE_NAME_IS_UNSAFE, name=name)
    if flags & _ENCRYPTED:
        raise BadEvidence(Wrong.BUNDLE_FILE_IS_ENCRYPTED, name=name)
    # The high half holds the mode of Unix; other systems leave it 0.
    if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG):
        raise BadEvidence(Wrong.BUNDLE_FILE_IS_A_LINK, name=name)
    is_plain = not (flags & ~_FLAGS_OF_NO_MATTER or extra or comment or disk) and method in (_STORED, _DEFLATED)
    if not is_plain or offset != place or (method == _STORED and packed != size):
        raise BadEvidence(Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM, name=name)
    told = (needed, flags, method, time, date, checksum, packed, size, name_length, 0)
    return _Member(name, method, checksum, packed, size, told)


def _check_members(members: list[_Member]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.name.lower() in seen:
            raise BadEvidence(Wrong.BUNDLE_NAME_IS_DOUBLED, name=member.name)
        seen.add(member.name.lower())
    if sum(member.size for member in members) > BUNDLE_BYTES_MAX:
        raise BadEvidence(Wrong.BUNDLE_IS_TOO_LARGE, most=BUNDLE_BYTES_MAX)


def _end_of_head(content: bytes, place: int, member: _Member) -> int:
    """Where the file's own bytes begin, if its head says what the directory says."""
    end = place + _LOCAL.size + len(member.name)
    # The directory lies behind all files, so there are always enough bytes.
    head = _LOCAL.unpack_from(content, place)
    if head != (_LOCAL_MARK, *member.told) or content[place + _LOCAL.size : end] != member.name.encode():
        raise BadEvidence(Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM, name=member.name)
    return end


def _unpacked(member: _Member, packed: bytes) -> bytes:
    inflated = packed if member.method == _STORED else _inflated(packed, member.size)
    if inflated is None or zlib.crc32(inflated) != member.checksum:
        raise BadEvidence(Wrong.BUNDLE_FILE_IS_TORN, name=member.name)
    return inflated


def _inflated(packed: bytes, size: int) -> bytes | None:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than there should be shows that there is more; 0 would mean without bound.
        inflated = inflating.decompress(packed, size + 1)
    except zlib.error:
        return None
    is_whole = inflating.eof and not inflating.unused_data and len(inflated) == size
    return inflated if is_whole else None
