"""A log's files, byte for byte as c2sp.org/tlog-tiles has them, so that any static server can offer the folder.

    tile/<level>/<number>         256 hashes of 32 bytes; level 0 holds leaf hashes
    tile/entries/<number>         256 entries, each behind its length in two bytes, high byte first
    … .p/<width>                  the same with fewer than 256, at the right edge
    checkpoint                    the last signed checkpoint, a signed note
    checkpoint.cosigned           the last one that enough witnesses have cosigned
    link, next                    notes that say which shard this one goes on from, and which one goes on from it
    .staging/                     files on their way; nothing in it counts

A number is written in groups of three digits, `x` before all but the last: 1234067 is `x001/x234/067`.

Invariants: a file has its name only once its bytes are on disk, and a folder is synced after what changed in it; a
reader takes exactly the length that a file must have. A partial tile may be gone once its full one is there, so it
may be cut from a wider one.

>>> Place(0, 1234067, 256).path, Place(1, 0, 8).path, Place(ENTRIES, 7, 3).path
('tile/0/x001/x234/067', 'tile/1/000.p/8', 'tile/entries/007.p/3')
>>> Place.parse("tile/entries/007.p/3") == Place(ENTRIES, 7, 3)
True
>>> join_entries([b"one", b"two"])
b'\\x00\\x03one\\x00\\x03two'
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tree import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, level_count, tile_width

ENTRIES = -1
"""The level of entry bundles, below the tiles of level 0."""

ENTRY_BYTES_MAX = 0xFFFF
LEVEL_MAX = 63
CHECKPOINT = "checkpoint"
COSIGNED = "checkpoint.cosigned"
LINK = "link"
NEXT = "next"
STAGING = ".staging"

_LENGTH_BYTES = 2
_BUNDLE_BYTES_MAX = TILE_WIDTH * (_LENGTH_BYTES + ENTRY_BYTES_MAX)
_NOTE_BYTES_MAX = 1_000_000
# Few enough to be open at once on any system.
_FILES_AT_ONCE = 64

_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?")

Before = Callable[[str, str], None]
"""Is told each durable step before it is made: what (`write`, `sync`, `rename`, `remove`) and on which file."""


def unwatched(_step: str, _file: str) -> None:
    """Nobody wants to know."""


@contextmanager
def step(before: Before, what: str, file: str) -> Iterator[None]:
    """One durable step. What the disk refuses is said of this file, which the system's own error often leaves out."""
    try:
        before(what, file)
        yield
    except OSError as refused:
        refused.filename = file
        raise


class Place(NamedTuple):
    """Where a tile stands, and how many hashes or entries it has."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """Relative to the log's folder."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else self.level
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @property
    def full(self) -> Place:
        return self._replace(width=TILE_WIDTH)

    def join(self, content: Sequence[bytes]) -> bytes:
        """The bytes of the file that holds these hashes or entries."""
        return join_entries(content) if self.level == ENTRIES else b"".join(content)

    @classmethod
    def of(cls, size: int, level: int, number: int) -> Place:
        """The place with the width that it has in a tree of this size."""
        return cls(level, number, tile_width(size, max(level, 0), number))

    @classmethod
    def edge(cls, size: int, level: int) -> Place:
        """The one at the right edge, whose width may be 0."""
        return cls.of(size, level, size >> TILE_HEIGHT * (max(level, 0) + 1))

    @classmethod
    def parse(cls, path: str) -> Place | None:
        """The place that has this path, if any has."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        level = ENTRIES if found[1] == "entries" else int(found[1])
        place = cls(level, int(re.sub("[x/]", "", found[2])), int(found[3] or TILE_WIDTH))
        # One place has one path: no leading groups of zeros, no partial tile of full width.
        return place if level <= LEVEL_MAX and place.path == path else None


def join_entries(entries: Sequence[bytes]) -> bytes:
    """The bundle of these entries."""
    return b"".join([len(entry).to_bytes(_LENGTH_BYTES) + entry for entry in entries])


def split_entries(bundle: bytes, width: int) -> list[bytes] | None:
    """The entries of a bundle that holds exactly so many."""
    entries = []
    start = 0
    for _ in range(width):
        content = start + _LENGTH_BYTES
        end = content + int.from_bytes(bundle[start:content])
        if end > len(bundle) or content > len(bundle):
            return None
        entries.append(bundle[content:end])
        start = end
    return entries if start == len(bundle) else None


def split_hashes(tile: bytes, width: int) -> list[bytes] | None:
    """The hashes of a tile that holds exactly so many."""
    if len(tile) != width * HASH_BYTES:
        return None
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def places(size: int) -> Iterator[Place]:
    """Every file that a tree of this size has, the entries first, and then level by level."""
    for level in (ENTRIES, *range(level_count(size))):
        edge = Place.edge(size, level)
        yield from (Place(level, number, TILE_WIDTH) for number in range(edge.number))
        if edge.width:
            yield edge


class LogFolder:
    """The files of one log."""

    def __init__(self, root: Path, before: Before = unwatched) -> None:
        self.root = root
        self._before = before

    # --- Reading -----------------------------------------------------------------------------------------------------

    def content(self, place: Place) -> list[bytes]:
        """The hashes or entries of a place, from its own file or cut from a wider one. Raises `LogStopped`."""
        found = self.exact(place)
        if found is None and place.width < TILE_WIDTH:
            wider = [place.full, *(one for one in self.partials(place) if one.width > place.width)]
            found = next((content for one in wider if (content := self.exact(one)) is not None), None)
        if found is None:
            raise LogStopped(Stop.FILE_IS_MISSING, file=place.path)
        return found[: place.width]

    def exact(self, place: Place, *, from_disk: bool = False) -> list[bytes] | None:
        """What this one file holds, `None` if there is none. Raises `LogStopped` for a torn one."""
        raw = read_file(self.root, place.path, _BUNDLE_BYTES_MAX, from_disk=from_disk)
        if raw is None:
            return None
        split = split_entries if place.level == ENTRIES else split_hashes
        content = split(raw, place.width)
        if content is None:
            raise LogStopped(Stop.FILE_IS_MALFORMED, file=place.path)
        return content

    def partials(self, place: Place) -> list[Place]:
        """The partial files of this tile that are there, the narrowest first."""
        folder = self.root / (place.full.path + ".p")
        try:
            names = [file.name for file in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = (Place.parse(f"{place.full.path}.p/{name}") for name in names)
        return sorted(one for one in found if one is not None)

    def note(self, name: str) -> bytes | None:
        """A signed note of the log's, unchecked; `None` if there is none."""
        return read_note_file(self.root / name)

    # --- Writing: each of these raises OSError when the disk refuses --------------------------------------------------

    def write(self, files: Sequence[tuple[Place, bytes]]) -> None:
        """Puts files in their places, all of them on disk when this returns; a file that stands there is replaced."""
        if not files:
            return
        changed: set[str] = set()
        (self.root / STAGING).mkdir(exist_ok=True)
        for place, _ in files:
            self._make_folder(_folder_of(place.path), changed)
        remaining = iter(files)
        while chunk := list(islice(remaining, _FILES_AT_ONCE)):
            self._stage(chunk)
            for at, (place, _) in enumerate(chunk):
                with step(self._before, "rename", place.path):
                    (self.root / STAGING / str(at)).rename(self.root / place.path)
        for folder in sorted(changed):
            with step(self._before, "sync", folder or "."):
                sync_folder(self.root / folder)

    def _stage(self, chunk: Sequence[tuple[Place, bytes]]) -> None:
        """All are written before the first is synced, so that the disk may take them together."""
        with ExitStack() as opened:
            files = []
            for at, (place, content) in enumerate(chunk):
                with step(self._before, "write", place.path):
                    file = opened.enter_context((self.root / STAGING / str(at)).open("wb", buffering=0))
                    write_whole(file.fileno(), content)
                files.append(file)
            for (place, _), file in zip(chunk, files, strict=True):
                with step(self._before, "sync", place.path):
                    os.fsync(file.fileno())

    def _make_folder(self, path: str, changed: set[str]) -> None:
        """Makes a folder, and notes every one whose list of names changes."""
        if path in changed:
            return
        changed.add(path)
        if path and not (self.root / path).is_dir():
            self._make_folder(_folder_of(path), changed)
            with step(self._before, "write", path):
                (self.root / path).mkdir()

    def replace(self, name: str, content: bytes) -> None:
        """Exchanges a note of the log's, so that a reader always finds a whole one."""
        replace_file(self.root / name, content, self._before)

    def remove(self, place: Place) -> None:
        """Takes a partial file away, and its folder with the last one."""
        file = self.root / place.path
        with step(self._before, "remove", place.path):
            file.unlink(missing_ok=True)
            if not any(file.parent.iterdir()):
                file.parent.rmdir()

    def clear_staging(self) -> None:
        """Takes away what a killed writer left on its way."""
        for file in self.root.glob("*.new"):
            file.unlink()
        shutil.rmtree(self.root / STAGING, ignore_errors=True)


def read_file(root: Path, path: str, bytes_max: int, *, from_disk: bool = False) -> bytes | None:
    """A file's bytes, one more than allowed at most; `None` if there is none. Raises `LogStopped`.

    With `from_disk` the system is asked to forget the copy that it holds in memory, because that one would agree with
    what was written even if the disk does not. Where it cannot be asked, or does not listen, its copy is what is read.
    """
    try:
        with (root / path).open("rb", buffering=0) as file:
            if from_disk and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return b"".join(_pieces(file.fileno(), bytes_max + 1))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as refused:
        raise LogStopped(Stop.DISK_REFUSED, file=path, reason=refused.strerror) from refused


def read_note_file(file: Path) -> bytes | None:
    """A note's bytes, unchecked; `None` if there is none. Raises `LogStopped`."""
    return read_file(file.parent, file.name, _NOTE_BYTES_MAX)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _pieces(descriptor: int, bytes_max: int) -> Iterator[bytes]:
    while bytes_max > 0 and (piece := os.read(descriptor, min(bytes_max, 1 << 20))):
        bytes_max -= len(piece)
        yield piece


def write_whole(descriptor: int, content: bytes) -> None:
    """A disk that is nearly full takes a part and says so in the next call only."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_file(file: Path, content: bytes, before: Before = unwatched) -> None:
    """A file under its name is always a whole one, the old or the new. Raises `OSError`."""
    fresh = file.with_name(file.name + ".new")
    with step(before, "write", file.name), fresh.open("wb", buffering=0) as opened:
        write_whole(opened.fileno(), content)
        with step(before, "sync", file.name):
            os.fsync(opened.fileno())
    with step(before, "rename", file.name):
        fresh.rename(file)
    with step(before, "sync", file.parent.name):
        sync_folder(file.parent)


def make_folder(folder: Path, before: Before = unwatched) -> None:
    """Makes a folder that outlives a power cut, with every one above it that is missing. Raises `OSError`."""
    if folder.is_dir():
        return
    make_folder(folder.parent, before)
    with step(before, "write", folder.name):
        folder.mkdir()
    with step(before, "sync", folder.parent.name):
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
