"""Windows on disk, so that the line is ready again without reading all of history.

A snapshot is everything up to one place in history. It is written beside the line, named only once it is whole and on
disk, and opened without being loaded: a state is read from the file when its key is first asked for. Pseudonyms are
personal information, so the file has mode 0600.

Format, all numbers little-endian and of 64 bits unless said otherwise:

1. `MAGIC`.
2. For each kind, the packed states of its keys (`slots`) one after the other, in the order of the keys.
3. For each kind, for each column of its key, the values of all keys; keys are sorted by the first column, then by the
   second. Then the offsets of the states in the file, and the end of the last.
4. The directory, canonical JSON: `catalogue` (its digest), `next_seq` and `at` (the place in history), and for each
   kind `columns`, `keys` (how many), `keys_at` and `offsets_at` (where 3. stands) and `lost`.
5. The length of the directory, and the SHA-256 of all that stands before it.

A file that is not of this form, not whole, of another catalogue, or whose digest is wrong is refused with a sentence
(`SnapshotIsUnusable`), and the line then reads history from its beginning. Whether history has come as far as the
snapshot only its reader can know: `Windows.settled` says what to compare.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from suyuan.base.wire import canonical_record
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online.compiled import Key
from suyuan.risk.online.plan import plan_of
from suyuan.risk.online.slots import Packed, until_of
from suyuan.risk.online.states import Bounds, States
from suyuan.risk.online.windows import Position, Windows

MAGIC = b"suyuan windows 1"
WORD_BYTES = 8
_TAIL = struct.Struct("<q32s")
_HASHED_AT_ONCE_BYTES = 1 << 24


class SnapshotIsUnusable(Exception):
    """Raised for a file that windows cannot start from; its sentence says why, and what to do."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file.name} {why}; move it away, and windows are made from history again")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a kind's keys stand in the file."""

    columns: tuple[str, ...]
    keys: int
    keys_at: int
    offsets_at: int
    lost: int


class _Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    catalogue: str
    next_seq: int
    at: int
    kinds: tuple[_Section, ...]


class Written(NamedTuple):
    """What was written."""

    keys: int
    bytes: int


# --- Writing ---------------------------------------------------------------------------------------------------------


def write_snapshot(windows: Windows, file: Path) -> Written:
    """Writes what is settled; an older snapshot under this name is replaced at once, or not at all."""
    assert windows.is_settled, "a snapshot is of what is committed"
    torn = file.with_name(file.name + ".torn")
    torn.unlink(missing_ok=True)
    descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=1 << 20) as opened:
        out = _Out(opened)
        keys = _write(windows, out)
        opened.flush()
        os.fsync(opened.fileno())
    torn.replace(file)
    _sync(file.parent)
    return Written(keys, out.bytes)


class _Out:
    """A file that is digested as it is written."""

    def __init__(self, opened: BinaryIO) -> None:
        self.bytes = 0
        self._opened = opened
        self._digest = hashlib.sha256()

    def write(self, content: Packed) -> None:
        self._opened.write(content)
        self._digest.update(content)
        self.bytes += len(content)

    def close(self, directory: bytes) -> None:
        self.write(directory)
        self._opened.write(_TAIL.pack(len(directory), self._digest.digest()))
        self.bytes += _TAIL.size


def _write(windows: Windows, out: _Out) -> int:
    states, settled = windows.states, windows.settled
    out.write(MAGIC)
    kept = [_write_states(states, number, settled.at, out) for number in range(len(states.code.kinds))]
    sections = []
    for kind, lost, (columns, offsets) in zip(states.code.kinds, states.lost, kept, strict=True):
        keys_at = out.bytes
        for column in columns:
            out.write(_words(column))
        sections.append(_Section(kind.columns, len(offsets) - 1, keys_at, out.bytes, lost))
        out.write(_words(offsets))
    out.close(
        canonical_record(_Directory(windows.catalogue.digest, settled.next_seq, settled.at, tuple(sections))),
    )
    return sum(section.keys for section in sections)


def _write_states(states: States, number: int, at: int, out: _Out) -> tuple[list[array[int]], array[int]]:
    """The states of a kind; returns the columns of its keys and where each state stands."""
    columns = [array("q") for _ in states.code.kinds[number].columns]
    offsets = array("q", [out.bytes])
    for key, packed in _in_order(states, number, at):
        for column, part in zip(columns, (key,) if isinstance(key, int) else key, strict=True):
            column.append(part)
        out.write(packed)
        offsets.append(out.bytes)
    return columns, offsets


def _in_order(states: States, number: int, at: int) -> Iterator[tuple[Key, Packed]]:
    """All keys that matter after `at`: those in memory, and those that only the last snapshot has."""
    in_memory = sorted(states.everything(number), key=_key_of)
    if not isinstance(states.kept, Snapshot):
        return iter(in_memory)
    is_newer = states.is_in_memory
    older = (
        (key, packed)
        for key, packed in states.kept.everything(number)
        if until_of(packed) > at and not is_newer(number, key)
    )
    return merge(in_memory, older, key=_key_of)


def _key_of(found: tuple[Key, Packed]) -> tuple[int, ...]:
    return (found[0],) if isinstance(found[0], int) else found[0]


def _words(values: array[int]) -> memoryview:
    return memoryview(values).cast("B")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- Opening ---------------------------------------------------------------------------------------------------------


class Snapshot:
    """A snapshot that is open: finds a key's packed state."""

    def __init__(self, content: memoryview, directory: _Directory) -> None:
        self._content = content
        self._sections = [_Keys(content, section) for section in directory.kinds]

    def find(self, number: int, key: Key) -> Packed | None:
        """The packed state of a key."""
        section = self._sections[number]
        place = section.place(key)
        return None if place is None else section.packed(place)

    def everything(self, number: int) -> Iterator[tuple[Key, Packed]]:
        """All keys of a kind with their states, in order."""
        section = self._sections[number]
        return ((section.key(place), section.packed(place)) for place in range(len(section)))


class _Keys:
    """The keys of one kind, sorted, and where their states stand."""

    def __init__(self, content: memoryview, section: _Section) -> None:
        self._content = content
        self._length = section.keys
        ends = [section.keys_at + n * WORD_BYTES * section.keys for n in range(len(section.columns) + 1)]
        self._columns = [content[begin:end].cast("q") for begin, end in pairwise(ends)]
        offsets_end = section.offsets_at + WORD_BYTES * (section.keys + 1)
        self._offsets = content[section.offsets_at : offsets_end].cast("q")

    def __len__(self) -> int:
        return self._length

    def place(self, key: Key) -> int | None:
        """Where a key stands: among all keys by its first column, among those that share it by the second."""
        low, high = 0, self._length
        for column, part in zip(self._columns, (key,) if isinstance(key, int) else key, strict=True):
            low = bisect_left(column, part, low, high)
            if low == high or column[low] != part:
                return None
            high = bisect_right(column, part, low, high) if len(self._columns) > 1 else high
        return low

    def key(self, place: int) -> Key:
        """The key at a place."""
        return self._columns[0][place] if len(self._columns) == 1 else tuple(column[place] for column in self._columns)

    def packed(self, place: int) -> Packed:
        """The state of the key at a place."""
        return self._content[self._offsets[place] : self._offsets[place + 1]]


def open_snapshot(file: Path, catalogue: Catalogue, bounds: Bounds = Bounds()) -> Windows:  # noqa: B008 - a frozen value
    """Windows as they were written. Raises `SnapshotIsUnusable`, and `FileNotFoundError` where there is none."""
    content = _content(file)
    directory = _directory(file, content)
    if directory.catalogue != catalogue.digest:
        raise SnapshotIsUnusable(file, "is of another catalogue of features")
    if [section.columns for section in directory.kinds] != [kind.columns for kind in plan_of(catalogue)]:
        raise SnapshotIsUnusable(file, "has other keys than its catalogue")
    return Windows(
        catalogue,
        bounds,
        kept=Snapshot(content, directory),
        settled=Position(directory.next_seq, directory.at),
        lost=[section.lost for section in directory.kinds],
    )


def _content(file: Path) -> memoryview:
    """The file as it lies on disk; it is read as it is asked for, and stays readable when it is replaced."""
    if sys.byteorder != "little":
        raise SnapshotIsUnusable(file, "is little-endian, which this machine is not")
    with file.open("rb") as opened:
        if os.fstat(opened.fileno()).st_size < len(MAGIC) + _TAIL.size:
            raise SnapshotIsUnusable(file, "is no snapshot of windows, or only the beginning of one")
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))


def _directory(file: Path, content: memoryview) -> _Directory:
    """The directory of a file that is whole."""
    if content[: len(MAGIC)] != MAGIC:
        raise SnapshotIsUnusable(file, "is no snapshot of windows, or of another version")
    end = len(content) - _TAIL.size
    length, digest = _TAIL.unpack_from(content, end)
    if _digest(content[:end]) != digest or not 0 < length <= end:
        raise SnapshotIsUnusable(file, "is torn or was changed: its digest is wrong")
    try:
        return msgspec.json.decode(content[end - length : end], type=_Directory)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise SnapshotIsUnusable(file, "has a directory that cannot be read") from fault


def _digest(content: memoryview) -> bytes:
    digest = hashlib.sha256()
    for begin in range(0, len(content), _HASHED_AT_ONCE_BYTES):
        digest.update(content[begin : begin + _HASHED_AT_ONCE_BYTES])
    return digest.digest()
