"""Makes a log's lost or damaged files again from its entries, if these are the ones that were signed.

The entries come from the database, in order, from the first one; as many as the newest signed checkpoint covers are
taken. Everything is made beside the log first, and compared with the signed root: a rebuild changes either nothing, or
files that were wrong. What it has put in place when it is killed stays right, so it is simply started again.

    rebuilt = rebuild(shard, entries)
    log = ShardLog.open(shard)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from suyuan.evidence.log.shard import Lock, Published, Shard, stopping
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import (
    CHECKPOINT,
    COSIGNED,
    ENTRIES,
    STAGING,
    LogFolder,
    Place,
    make_folder,
    places,
    replace_file,
)
from suyuan.evidence.log.tree import TILE_WIDTH, Edge

_ENTRIES_AT_ONCE = 64 * TILE_WIDTH
_FILES_AT_ONCE = 256
_STAGED = "rebuild"


class Rebuilt(NamedTuple):
    """How many entries the log has, and which files were wrong, missing or too many."""

    size: int
    files: list[str]


def rebuild(shard: Shard, entries: Iterable[bytes], *, copy: bytes | None = None) -> Rebuilt:
    """Puts right whatever the newest signed checkpoint covers. Raises `LogStopped` if these are other entries.

    `copy` is a checkpoint from elsewhere, such as a witness; like those that are here it counts if the log signed it
    and none is newer.
    """
    with stopping():
        make_folder(shard.folder, shard.before)
        with Lock.taken(shard.folder) as lock:
            newest = shard.newest_published(copy)
            folder = LogFolder(shard.folder, shard.before)
            staged = LogFolder(shard.folder / STAGING / _STAGED)
            folder.clear_staging()
            _stage(staged, newest.checkpoint.size, newest.checkpoint.root, entries)
            files = [*_put_right(folder, staged, newest.checkpoint.size), *_notes_put_right(shard, newest)]
            folder.clear_staging()
            lock.release()
    return Rebuilt(newest.checkpoint.size, files)


def _stage(staged: LogFolder, size: int, root: bytes, entries: Iterable[bytes]) -> None:
    """Makes all files of the tree beside the log."""
    edge = Edge()
    given = iter(islice(entries, size))
    while chunk := list(islice(given, _ENTRIES_AT_ONCE)):
        first = edge.size // TILE_WIDTH
        for at in range(0, len(chunk), TILE_WIDTH):
            _put(staged, Place.of(size, ENTRIES, first + at // TILE_WIDTH), chunk[at : at + TILE_WIDTH])
        for tile in edge.append(chunk):
            _put(staged, Place(tile.level, tile.number, TILE_WIDTH), tile.hashes)
    if edge.size < size:
        raise LogStopped(Stop.ENTRIES_ARE_TOO_FEW, given=edge.size, signed=size)
    if edge.root() != root:
        raise LogStopped(Stop.ENTRIES_GIVE_ANOTHER_ROOT, size=size)
    for level, hashes in enumerate(edge.levels):
        _put(staged, Place.edge(size, level), hashes)


def _put(staged: LogFolder, place: Place, content: Sequence[bytes]) -> None:
    """Not synced: what is staged counts for nothing before it is put in place."""
    if content:
        file = staged.root / place.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(place.join(content))


def _put_right(folder: LogFolder, staged: LogFolder, size: int) -> Iterator[str]:
    remaining = places(size)
    while chunk := list(islice(remaining, _FILES_AT_ONCE)):
        contents = [(place, staged.content(place)) for place in chunk]
        wrong = [(place, content) for place, content in contents if _held(folder, place) != content]
        folder.write([(place, place.join(content)) for place, content in wrong])
        yield from (place.path for place, _ in wrong)
        for place, content in contents:
            for one in folder.partials(place):
                yield from _partial_put_right(folder, one, content)


def _partial_put_right(folder: LogFolder, one: Place, content: Sequence[bytes]) -> Iterator[str]:
    """A narrower file of the same tile is its beginning; a wider one belongs to no checkpoint."""
    if one.width > len(content):
        folder.remove(one)
        yield one.path
    elif _held(folder, one) != content[: one.width]:
        folder.write([(one, one.join(content[: one.width]))])
        yield one.path


def _held(folder: LogFolder, place: Place) -> list[bytes] | None:
    try:
        return folder.exact(place)
    except LogStopped:
        return None


def _notes_put_right(shard: Shard, newest: Published) -> Iterator[str]:
    if not _is_signed(shard, CHECKPOINT) or shard.published(shard.folder / CHECKPOINT) != newest:
        replace_file(shard.folder / CHECKPOINT, newest.note, shard.before)
        yield CHECKPOINT
    # Nothing is lost with it: the next cosignatures make it again.
    if not _is_signed(shard, COSIGNED):
        (shard.folder / COSIGNED).unlink()
        yield COSIGNED


def _is_signed(shard: Shard, name: str) -> bool:
    try:
        shard.published(shard.folder / name)
    except LogStopped:
        return False
    return True
