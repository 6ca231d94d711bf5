"""Examines a log's folder from top to bottom: everything on disk against the signed checkpoint, without any secret.

The checkpoint vouches for the hashes at the right edge, each of these for a full tile, each hash of that for the next
one below, and the lowest for the entries. So whatever fits what stands above it is what was signed, down to the single
entry. Where a tile does not fit, what lies below it is hashed instead; if that fits, it is the tile that is wrong, and
the examination goes on with the truth. Memory holds one tile of each level; a million entries take some seconds.

For use on a copy as much as on the log itself. While a log is written to, files beyond the checkpoint are no fault:
examine a copy, or look at the code of the finding.

    for finding in fsck(folder, [vkey]):
        print(finding)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from enum import StrEnum
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from suyuan.evidence import check
from suyuan.evidence.log import tree
from suyuan.evidence.log.shard import own_checkpoint
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.stops import LogStopped, Stop, shown
from suyuan.evidence.log.tiles import CHECKPOINT, COSIGNED, ENTRIES, LINK, NEXT, STAGING, LogFolder, Place
from suyuan.evidence.log.tree import TILE_HEIGHT, TILE_WIDTH

FINDINGS_MAX = 1_000
# Choosing between two hashes at each of so many positions is a thousand tries.
_DOUBTS_MAX = 10

Hashes = Sequence[bytes | None]


class Fault(StrEnum):
    """What can be wrong with a folder."""

    CHECKPOINT_IS_MISSING = "checkpoint_is_missing"
    CHECKPOINT_IS_BAD = "checkpoint_is_bad"
    FILE_IS_MISSING = "file_is_missing"
    FILE_IS_MALFORMED = "file_is_malformed"
    FILE_CANNOT_BE_READ = "file_cannot_be_read"
    ROOT_IS_ANOTHER = "root_is_another"
    TILE_IS_WRONG = "tile_is_wrong"
    NOTHING_FITS = "nothing_fits"
    ENTRY_IS_WRONG = "entry_is_wrong"
    ENTRIES_ARE_REORDERED = "entries_are_reordered"
    PARTIAL_IS_WRONG = "partial_is_wrong"
    COSIGNED_IS_ANOTHER = "cosigned_is_another"
    FILE_IS_BEYOND = "file_is_beyond"
    FILE_IS_EXTRA = "file_is_extra"
    MORE_IS_WRONG = "more_is_wrong"


# One line of English above one of Chinese, in the order of the codes.
SENTENCES: dict[Fault, tuple[str, str]] = {
    Fault.CHECKPOINT_IS_MISSING: (
        "There is no {file} in this folder, so nothing vouches for what it holds.",
        "文件夹中没有 {file}，其中内容无从担保。",
    ),
    Fault.CHECKPOINT_IS_BAD: (
        "{file} is not to be believed: {reason}",
        "{file} 不可信：{reason}",
    ),
    Fault.FILE_IS_MISSING: (
        "{file} is missing: it belongs to entries {start} to {last}.",
        "缺少 {file}：它属于第 {start} 至 {last} 条。",
    ),
    Fault.FILE_IS_MALFORMED: (
        "{file} is cut off, too long or torn: it belongs to entries {start} to {last}.",
        "{file} 被截断、过长或残缺：它属于第 {start} 至 {last} 条。",
    ),
    Fault.FILE_CANNOT_BE_READ: (
        "{file} cannot be read: {reason}",
        "{file} 无法读取：{reason}",
    ),
    Fault.ROOT_IS_ANOTHER: (
        "The files do not give the root that the checkpoint of {size} entries names: the log was cut off or replaced.",
        "文件得不出 {size} 条的检查点所载的根：日志被截断或替换。",
    ),
    Fault.TILE_IS_WRONG: (
        "{file} has {count} wrong hashes, the first for entries {start} to {last}; the entries themselves fit.",
        "{file} 有 {count} 个错误的哈希，首个对应第 {start} 至 {last} 条；条目本身相符。",
    ),
    Fault.NOTHING_FITS: (
        "Neither {file} nor the files below it fit what stands above: entries {start} to {last} cannot be vouched for.",
        "{file} 及其下层文件均与上层不符：第 {start} 至 {last} 条无从担保。",
    ),
    Fault.ENTRY_IS_WRONG: (
        "Entry {start} in {file} is not the one that was logged; {count} in this file are wrong.",
        "{file} 中第 {start} 条不是入账的条目；该文件共有 {count} 条错误。",
    ),
    Fault.ENTRIES_ARE_REORDERED: (
        "The entries in {file} stand in another order than they were logged in, from entry {start} on.",
        "{file} 中的条目顺序与入账时不同，自第 {start} 条起。",
    ),
    Fault.PARTIAL_IS_WRONG: (
        "{file} is not the beginning of its tile, from entry {start} on.",
        "{file} 不是其瓦片的开头部分，自第 {start} 条起。",
    ),
    Fault.COSIGNED_IS_ANOTHER: (
        "{file} names another root for its {size} entries than the log has.",
        "{file} 所载 {size} 条的根与日志不同。",
    ),
    Fault.FILE_IS_BEYOND: (
        "{file} lies beyond the checkpoint of {size} entries: it is not sealed yet, or was added.",
        "{file} 超出 {size} 条的检查点：尚未封存，或为外来添加。",
    ),
    Fault.FILE_IS_EXTRA: (
        "{file} is no file of a log.",
        "{file} 不属于日志。",
    ),
    Fault.MORE_IS_WRONG: (
        "There are more than {count} findings; only the first ones are listed.",
        "发现超过 {count} 处问题，仅列出前面的部分。",
    ),
}


class Finding(NamedTuple):
    """One thing that is wrong; `index` is the first entry that it concerns, where it concerns one."""

    code: Fault
    file: str
    index: int | None  # type: ignore[assignment]  # It hides tuple.index, which nobody asks of a finding.
    en: str
    zh: str

    def __str__(self) -> str:
        return self.en


def fsck(folder: Path, vkeys: Sequence[check.Vkey], *, findings_max: int = FINDINGS_MAX) -> list[Finding]:
    """All that is wrong with a log's folder; nothing if all is well.

    The keys are the log's, and those of its witnesses where their lines are to be checked too.
    """
    found = list(islice(_Examination(folder, vkeys).findings(), findings_max + 1))
    if len(found) > findings_max:
        found[findings_max:] = [_finding(Fault.MORE_IS_WRONG, "", count=findings_max)]
    return found


def _finding(code: Fault, file: str, *, start: int | None = None, **facts: object) -> Finding:
    english, chinese = SENTENCES[code]
    both = {"file": file, "start": start, **facts}
    en = english.format(**{name: shown(fact) for name, fact in both.items()})
    zh = chinese.format(**{name: shown(getattr(fact, "zh", fact)) for name, fact in both.items()})
    return Finding(code, file, start, en, zh)


class _Examination:
    """One walk over one folder."""

    def __init__(self, folder: Path, vkeys: Sequence[check.Vkey]) -> None:
        self._root = folder
        self._folder = LogFolder(folder)
        self._vkeys = vkeys
        self._size = 0

    def findings(self) -> Iterator[Finding]:
        checkpoint = yield from self._checkpoint(CHECKPOINT)
        if checkpoint is not None:
            self._size = checkpoint.size
            is_sound = True
            for finding in self._tree(checkpoint.root):
                is_sound = False
                yield finding
            yield from self._cosigned(is_sound)
            yield from self._extra_files()

    # --- Notes -------------------------------------------------------------------------------------------------------

    def _checkpoint(self, name: str) -> Generator[Finding, None, check.Checkpoint | None]:
        try:
            note = self._folder.note(name)
            if note is None:
                yield _finding(Fault.CHECKPOINT_IS_MISSING, name)
                return None
            checkpoint = own_checkpoint(note, self._vkeys)
            if checkpoint.origin not in {vkey.name for vkey in self._vkeys if vkey.kind == check.ED25519}:
                raise check.BadEvidence(check.Wrong.LOG_IS_UNKNOWN, log=checkpoint.origin)
        except (check.BadEvidence, LogStopped) as bad:
            yield _finding(Fault.CHECKPOINT_IS_BAD, name, reason=bad)
            return None
        return checkpoint

    def _cosigned(self, is_sound: bool) -> Iterator[Finding]:
        """Its root is compared with tiles that are right, since of wrong ones everything has been said."""
        if not (self._root / COSIGNED).exists():
            return
        cosigned = yield from self._checkpoint(COSIGNED)
        if cosigned is None or not is_sound:
            return
        if cosigned.size > self._size or Tiles(self._root).root(cosigned.size) != cosigned.root:
            yield _finding(Fault.COSIGNED_IS_ANOTHER, COSIGNED, size=cosigned.size)

    # --- Tiles, from the top -----------------------------------------------------------------------------------------

    def _tree(self, root: bytes) -> Iterator[Finding]:
        """The edges of all levels are vouched for together, by the root."""
        places = [Place.edge(self._size, level) for level in range(tree.level_count(self._size))]
        stored: list[list[bytes | None]] = []
        for place in places:
            stored.append((yield from self._stored(place)) if place.width else [])  # noqa: PERF401 - no list yields

        def fits(hashes: Sequence[bytes]) -> bool:
            remaining = iter(hashes)
            levels = [list(islice(remaining, place.width)) for place in places]
            return tree.Edge(self._size, levels).root() == root

        flat = [hashed for hashes in stored for hashed in hashes]
        if None not in flat and fits([hashed for hashed in flat if hashed is not None]):
            truth: Hashes | None = flat
        else:
            below = [hashed for place in places for hashed in self._below(place)]
            truth = mended(flat, below, fits)
        if truth is None:
            yield _finding(Fault.ROOT_IS_ANOTHER, CHECKPOINT, size=self._size)
            # Nothing is vouched for any more, but what does not fit together can still be named.
            truth = flat
        remaining = iter(truth)
        for place in places:
            if place.width:
                yield from self._vouched(place, stored[place.level], list(islice(remaining, place.width)))

    def _full_tile(self, place: Place, expected: bytes) -> Iterator[Finding]:
        """A tile whose root stands in the tile above, and what lies below it."""

        def fits(hashes: Sequence[bytes]) -> bool:
            return tree.layers(hashes)[-1][0] == expected

        stored = yield from self._stored(place)
        whole = [hashed for hashed in stored if hashed is not None]
        truth: Hashes | None = whole
        if len(whole) < TILE_WIDTH or not fits(whole):
            truth = mended(stored, self._below(place), fits)
        if truth is None:
            start, last = self._entries_of(place, 0, place.width)
            yield _finding(Fault.NOTHING_FITS, place.path, start=start, last=last)
        else:
            yield from self._vouched(place, stored, truth)

    def _vouched(self, place: Place, stored: Hashes, truth: Hashes) -> Iterator[Finding]:
        """What the file says against what is vouched for, then the files that this vouches for."""
        wrong = [at for at in range(place.width) if stored[at] is not None and stored[at] != truth[at]]
        if wrong:
            start, last = self._entries_of(place, wrong[0], wrong[0] + 1)
            yield _finding(Fault.TILE_IS_WRONG, place.path, start=start, last=last, count=len(wrong))
        yield from self._partials(place, truth)
        if place.level == 0:
            yield from self._bundle(place._replace(level=ENTRIES), truth)
            return
        for at, hashed in enumerate(truth):
            if hashed is not None:
                yield from self._full_tile(Place(place.level - 1, place.number * TILE_WIDTH + at, TILE_WIDTH), hashed)

    def _bundle(self, place: Place, leaves: Hashes) -> Iterator[Finding]:
        entries = yield from self._read(place)
        if entries is None:
            return
        found = tree.leaf_hashes(entries)
        wrong = [at for at, leaf in enumerate(leaves) if leaf is not None and leaf != found[at]]
        start = place.number * TILE_WIDTH + (wrong[0] if wrong else 0)
        if wrong and set(found) == set(leaves):
            yield _finding(Fault.ENTRIES_ARE_REORDERED, place.path, start=start)
        elif wrong:
            yield _finding(Fault.ENTRY_IS_WRONG, place.path, start=start, count=len(wrong))
        yield from self._partials(place, [leaf if leaf == found[at] else None for at, leaf in enumerate(leaves)])

    def _partials(self, place: Place, truth: Hashes) -> Iterator[Finding]:
        """Narrower files of older checkpoints; a place of entries is compared by their leaf hashes."""
        for one in self._folder.partials(place):
            if one.width >= place.width:
                continue
            content = yield from self._read(one)
            hashes = tree.leaf_hashes(content) if content and one.level == ENTRIES else content
            wrong = [at for at, hashed in enumerate(hashes or []) if truth[at] is not None and hashed != truth[at]]
            if wrong:
                start, _ = self._entries_of(one, wrong[0], wrong[0] + 1)
                yield _finding(Fault.PARTIAL_IS_WRONG, one.path, start=start)

    def _below(self, place: Place) -> list[bytes | None]:
        """The hashes of this place as the files below it give them."""
        if place.level == 0:
            entries = self._held(place._replace(level=ENTRIES))
            return list(tree.leaf_hashes(entries)) if entries is not None else [None] * place.width
        first = place.number << TILE_HEIGHT
        tiles = (self._held(Place(place.level - 1, first + at, TILE_WIDTH)) for at in range(place.width))
        return [tree.layers(tile)[-1][0] if tile is not None else None for tile in tiles]

    # --- Files -------------------------------------------------------------------------------------------------------

    def _stored(self, place: Place) -> Generator[Finding, None, list[bytes | None]]:
        content = yield from self._read(place)
        return list(content) if content is not None else [None] * place.width

    def _read(self, place: Place) -> Generator[Finding, None, list[bytes] | None]:
        """The content of this very file; a partial one may be gone once the full one is there, and is cut from it."""
        start, last = self._entries_of(place, 0, place.width)
        try:
            content = self._folder.exact(place)
            if content is None and place.width < TILE_WIDTH:
                content = self._folder.exact(place.full)
            if content is None:
                yield _finding(Fault.FILE_IS_MISSING, place.path, start=start, last=last)
        except LogStopped as stopped:
            code = Fault.FILE_IS_MALFORMED if stopped.code is Stop.FILE_IS_MALFORMED else Fault.FILE_CANNOT_BE_READ
            yield _finding(code, place.path, start=start, last=last, reason=stopped)
            return None
        return content[: place.width] if content is not None else None

    def _held(self, place: Place) -> list[bytes] | None:
        """The same without a word about what is wrong, which is said where the file is examined itself."""
        try:
            return self._folder.content(place)
        except LogStopped:
            return None

    def _entries_of(self, place: Place, start: int, end: int) -> tuple[int, int]:
        """The first and the last entry under these hashes."""
        height = TILE_HEIGHT * max(place.level, 0)
        first = place.number << TILE_HEIGHT
        return (first + start) << height, min((first + end) << height, self._size) - 1

    def _extra_files(self) -> Iterator[Finding]:
        for folder, folders, files in os.walk(self._root):
            folders.sort()
            relative = Path(folder).relative_to(self._root)
            if relative == Path() and STAGING in folders:
                folders.remove(STAGING)
            for name in sorted(files):
                yield from self._extra_file((relative / name).as_posix())

    def _extra_file(self, path: str) -> Iterator[Finding]:
        if path in (CHECKPOINT, COSIGNED, LINK, NEXT):
            return
        place = Place.parse(path)
        if place is None:
            yield _finding(Fault.FILE_IS_EXTRA, path)
        elif place.width > Place.of(self._size, place.level, place.number).width:
            start, _ = self._entries_of(place, 0, place.width)
            yield _finding(Fault.FILE_IS_BEYOND, path, start=start, size=self._size)


def mended(stored: Hashes, below: Hashes, fits: Callable[[Sequence[bytes]], bool]) -> list[bytes] | None:
    """The hashes that fit, each either as it is stored or as the files below give it; `None` if none do."""
    pairs = zip(below, stored, strict=True)
    choices = [[hashed for hashed in dict.fromkeys(pair) if hashed is not None] for pair in pairs]
    doubts = sum(len(choice) > 1 for choice in choices)
    if not all(choices):
        return None
    tries = product(*choices) if doubts <= _DOUBTS_MAX else iter([[choice[0] for choice in choices]])
    return next((list(one) for one in tries if fits(list(one))), None)
