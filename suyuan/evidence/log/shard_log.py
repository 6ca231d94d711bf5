"""One log's folder: who reads it makes proofs, who writes it appends and seals.

A *shard* is one log with its own name, keys and folder. The writer takes entries that are durable elsewhere already (in
the database), so whatever is not sealed yet may be lost here: the same entries come again and give the same bytes.

Sealing, in this order; a crash between any two steps loses nothing and signs nothing twice:

 1. Entries and tiles are on disk, each file synced, then its folder.
 2. Nobody is ahead: no witness, not the second copy of the last checkpoint, not the folder itself.
 3. What was written is read back and hashed again, and gives the root that was reckoned in memory.
 4. `evidence.check` believes that the last checkpoint is the beginning of this one.
 5. All keys sign, and each signature is checked.
 6. The second copy is written, then the checkpoint. From here on it is published, and never taken back.

Invariants: one writer at a time (a lock on the folder); a checkpoint is followed only by consistent ones; after any
failure the writer stops, because what it remembers may differ from what the disk has, and is opened anew from what the
published checkpoint vouches for; what lies beyond that is not trusted and is written again.

    with ShardLog.open(Shard(folder, "suyuan.example/log/2026", signers)) as log:
        log.append(entries)
        note = log.seal(seen={"witness.example": 1200})
    proof = Tiles(folder).proof(17)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

from suyuan.evidence import check
from suyuan.evidence.log import tree
from suyuan.evidence.log.note import checkpoint_text, ed25519_fits, sign_note
from suyuan.evidence.log.shard import Cosigned, Lock, Published, Shard, stopping, with_cosignatures
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import (
    CHECKPOINT,
    COSIGNED,
    ENTRIES,
    ENTRY_BYTES_MAX,
    NEXT,
    LogFolder,
    Place,
    join_entries,
    make_folder,
    read_note_file,
    replace_file,
)
from suyuan.evidence.log.tree import TILE_HEIGHT, TILE_WIDTH, Edge, Subtree, tile_width

TILES_CACHED_MAX = 512


class Tiles:
    """Reads a log's folder; holds the hashes between the tiles' own, so that a proof costs tens of microseconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = LogFolder(folder)
        self._layers = lru_cache(TILES_CACHED_MAX)(self._read_layers)

    def checkpoint(self) -> bytes | None:
        """The published note."""
        return self.folder.note(CHECKPOINT)

    def cosigned(self) -> bytes | None:
        """The newest note that enough witnesses had cosigned."""
        return self.folder.note(COSIGNED)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that entry `index` stands in the tree of the first `size` entries. Raises `LogStopped`."""
        return self._hashes(tree.inclusion_path(index, size), size)

    def consistency(self, old: int, size: int) -> list[bytes]:
        """The proof that the first `old` entries are the beginning of the first `size`. Raises `LogStopped`."""
        return self._hashes(tree.consistency_path(old, size), size)

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries. Raises `LogStopped`."""
        return tree.root_of(partial(self._node, size), size)

    def entry(self, index: int, size: int | None = None) -> bytes:
        """An entry of the published checkpoint, or of a tree of this size. Raises `IndexError` and `LogStopped`."""
        if size is None:
            note = self.checkpoint()
            size = _checkpoint_of(note).size if note is not None else 0
        if not 0 <= index < size:
            raise IndexError(f"entry {index} is not among the first {size} of this log")
        number, at = divmod(index, TILE_WIDTH)
        return self.folder.content(Place.of(size, ENTRIES, number))[at]

    def proof(self, index: int) -> bytes | None:
        """The proof to carry away (c2sp.org/tlog-proof), or `None` while no checkpoint covers the entry.

        It stands on the newest checkpoint that enough witnesses have cosigned, and before they have, on the newest. It
        is checked against the entry on disk before it is given out. Raises `LogStopped`.
        """
        for note in (self.cosigned(), self.checkpoint()):
            if note is not None and index < _checkpoint_of(note).size:
                return self.proof_against(index, note)
        return None

    def proof_against(self, index: int, note: bytes) -> bytes:
        """The same against any checkpoint of this log that covers the entry. Raises `LogStopped`."""
        _, size, root = _checkpoint_of(note)
        hashes = self.inclusion(index, size)
        try:
            check.check_inclusion(check.leaf_hash(self.entry(index, size)), index, size, hashes, root)
        except check.BadEvidence:
            # What is cached may be what was wrong, and may have been repaired since.
            self._layers.cache_clear()
            raise LogStopped(Stop.TILES_GIVE_ANOTHER_ROOT, size=size) from None
        return check.write_proof(check.Proof(index, tuple(hashes), note))

    def _hashes(self, path: Sequence[Subtree], size: int) -> list[bytes]:
        node = partial(self._node, size)
        return [tree.subtree_hash(node, subtree) for subtree in path]

    def _node(self, size: int, height: int, place: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        number = place >> TILE_HEIGHT - within
        first = number << TILE_HEIGHT - within
        return self._layers(level, number, tile_width(size, level, number))[within][place - first]

    def _read_layers(self, level: int, number: int, width: int) -> list[Sequence[bytes]]:
        return tree.layers(self.folder.content(Place(level, number, width)))


class ShardLog:
    """The one writer of a log. Made by `open` and `create`; not to be shared between threads."""

    def __init__(self, shard: Shard, lock: Lock) -> None:
        """For `open` and `create`: the folder is locked already."""
        self._shard = shard
        self._lock = lock
        self._folder = LogFolder(shard.folder, shard.before)
        self._folder.clear_staging()
        self._has_stopped = False
        # What the second copy holds, where there is one.
        self._second: Published | None = None
        self._published = self._newest()
        # What is sealed, and what is appended; between seals the second is ahead of the first.
        self._sealed, self._tail = self._load(self._published.checkpoint)
        self._edge = self._sealed.copy()
        self.tiles = Tiles(shard.folder)
        self._settle()

    @classmethod
    def create(cls, shard: Shard) -> ShardLog:
        """Begins a log where there was none, with a signed checkpoint of no entries. Raises `LogStopped`.

        This is an act of its own, so that a lost folder is never taken for a new log.
        """
        with stopping():
            make_folder(shard.folder, shard.before)
            with Lock.taken(shard.folder) as lock:
                shard.check_has_not_begun()
                note = sign_note(checkpoint_text(shard.origin, 0, check.EMPTY_ROOT), shard.signers)
                if shard.second_copy is not None:
                    replace_file(shard.second_copy, note, shard.before)
                replace_file(shard.folder / CHECKPOINT, note, shard.before)
                return cls(shard, lock)

    @classmethod
    def open(cls, shard: Shard) -> ShardLog:
        """Goes on from what the published checkpoint vouches for. Raises `LogStopped`."""
        with stopping(), Lock.taken(shard.folder) as lock:
            return cls(shard, lock)

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shard(self) -> Shard:
        return self._shard

    @property
    def size(self) -> int:
        """How many entries are appended, sealed or not."""
        return self._edge.size

    @property
    def signed(self) -> check.Checkpoint:
        """The published checkpoint."""
        return self._published.checkpoint

    @property
    def note(self) -> bytes:
        """The published note, with its cosignatures."""
        return self._published.note

    @property
    def cosigned_size(self) -> int:
        """How far the cosigned note goes; a damaged one is worth nothing, and is replaced."""
        try:
            kept = self._shard.published(self._shard.folder / COSIGNED)
        except LogStopped:
            return 0
        return kept.checkpoint.size if kept is not None else 0

    @property
    def has_stopped(self) -> bool:
        """Whether something went wrong, and this log has to be opened anew."""
        return self._has_stopped or not self._lock.is_held

    # --- Appending ---------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[bytes]) -> None:
        """Takes entries in: bundles and tiles are on disk when this returns. Raises `LogStopped`."""
        if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
            raise ValueError(f"an entry has at most {ENTRY_BYTES_MAX} bytes")
        with self._going_on():
            if (self._shard.folder / NEXT).exists():
                raise LogStopped(Stop.SHARD_IS_CLOSED, file=NEXT)
            if entries:
                self._folder.write([*self._bundles(entries), *self._grown_tiles(entries)])

    def _bundles(self, entries: Sequence[bytes]) -> Iterator[tuple[Place, bytes]]:
        first = self.size // TILE_WIDTH
        entries = [*self._tail, *entries]
        for at in range(0, len(entries), TILE_WIDTH):
            bundle = entries[at : at + TILE_WIDTH]
            yield Place(ENTRIES, first + at // TILE_WIDTH, len(bundle)), join_entries(bundle)
        self._tail = entries[len(entries) - len(entries) % TILE_WIDTH :]

    def _grown_tiles(self, entries: Sequence[bytes]) -> Iterator[tuple[Place, bytes]]:
        full = self._edge.append(entries)
        for tile in full:
            # A full tile under a signed checkpoint is never written again.
            assert tile_width(self.signed.size, tile.level, tile.number) < TILE_WIDTH
            yield Place(tile.level, tile.number, TILE_WIDTH), b"".join(tile.hashes)
        for level in sorted({0} | {tile.level + 1 for tile in full}):
            if hashes := self._edge.levels[level] if level < len(self._edge.levels) else []:
                yield Place.edge(self.size, level), b"".join(hashes)

    # --- Sealing -----------------------------------------------------------------------------------------------------

    def seal(self, *, seen: Mapping[str, int] | None = None) -> bytes:
        """Signs and publishes a checkpoint of all that was appended, and returns it; the last one if nothing was.

        `seen` says how many entries each witness that answered has seen of this log. Raises `LogStopped`.
        """
        with self._going_on():
            self._check_nobody_is_ahead(seen or {})
            if self.size == self.signed.size:
                return self.note
            sealed = self._read_back()
            size, root = sealed.size, sealed.root()
            if (size, root) != (self.size, self._edge.root()):
                raise LogStopped(Stop.DISK_READS_DIFFERENTLY, file=Place.edge(self.size, 0).path)
            self._check_consistent(self.signed, check.Checkpoint(self._shard.origin, size, root))
            note = sign_note(checkpoint_text(self._shard.origin, size, root), self._shard.signers)
            old = self.signed.size
            self._publish(self._shard.believed(note))
            self._sealed = sealed
            self._tidy(old)
            return note

    def _check_nobody_is_ahead(self, seen: Mapping[str, int]) -> None:
        for witness, size in seen.items():
            if size > self.signed.size:
                raise LogStopped(Stop.WITNESS_IS_AHEAD, witness=witness, seen=size, signed=self.signed.size)
        if self._folder.note(CHECKPOINT) != self.note:
            raise LogStopped(Stop.CHECKPOINT_WAS_EXCHANGED, file=CHECKPOINT)
        second = self._shard.second_copy
        if second is not None and self._second is not None and read_note_file(second) != self._second.note:
            raise LogStopped(Stop.CHECKPOINT_WAS_EXCHANGED, file=second)

    def _read_back(self) -> Edge:
        """The tree that the disk gives, from where the last seal ended; every new file is compared on the way."""
        edge = self._sealed.copy()
        for number in range(edge.size // TILE_WIDTH, -(-self.size // TILE_WIDTH)):
            bundle = Place.of(self.size, ENTRIES, number)
            entries = self._read_exactly(bundle)
            # The first bundle may have been begun before the last seal.
            held = edge.levels[0] if edge.levels else []
            if tree.leaf_hashes(entries[: len(held)]) != held:
                raise LogStopped(Stop.DISK_READS_DIFFERENTLY, file=bundle.path)
            for tile in edge.append(entries[len(held) :]):
                self._check_on_disk(Place(tile.level, tile.number, TILE_WIDTH), tile.hashes)
        for level, hashes in enumerate(edge.levels):
            self._check_on_disk(Place.edge(edge.size, level), hashes)
        return edge

    def _check_on_disk(self, place: Place, hashes: Sequence[bytes]) -> None:
        if hashes and self._read_exactly(place) != hashes:
            raise LogStopped(Stop.DISK_READS_DIFFERENTLY, file=place.path)

    def _read_exactly(self, place: Place) -> list[bytes]:
        try:
            content = self._folder.exact(place, from_disk=True)
        except LogStopped as torn:
            raise LogStopped(Stop.DISK_READS_DIFFERENTLY, file=place.path) from torn
        if content is None:
            raise LogStopped(Stop.DISK_READS_DIFFERENTLY, file=place.path)
        return content

    def _check_consistent(self, old: check.Checkpoint, new: check.Checkpoint) -> None:
        """Asks the verifier's code, which shares nothing with the writer's, with a proof from the files."""
        proof = Tiles(self._shard.folder).consistency(old.size, new.size)
        try:
            check.check_consistency(old.size, old.root, new.size, new.root, proof)
        except check.BadEvidence as bad:
            raise LogStopped(Stop.LOG_HAS_FORKED, reason=bad) from bad

    def _publish(self, published: Published) -> None:
        """The second copy first: were it last, a folder put back from a backup at that moment would go unnoticed."""
        if self._shard.second_copy is not None:
            replace_file(self._shard.second_copy, published.note, self._shard.before)
            self._second = published
        self._folder.replace(CHECKPOINT, published.note)
        self._published = published

    def _tidy(self, old: int) -> None:
        """Takes away partial files that no checkpoint needs: of tiles that are full now, and never published ones."""
        size = self.signed.size
        for level in (ENTRIES, *range(tree.level_count(size))):
            height = max(level, 0)
            first, last = (count >> TILE_HEIGHT * (height + 1) for count in (old, size))
            for number in range(first, last + 1):
                kept = tile_width(old, height, number), tile_width(size, height, number)
                for one in self._folder.partials(Place(level, number, TILE_WIDTH)):
                    if kept[1] == TILE_WIDTH or kept[0] < one.width != kept[1]:
                        self._folder.remove(one)

    # --- Cosignatures ------------------------------------------------------------------------------------------------

    def add_cosignatures(self, lines: bytes, note: bytes | None = None) -> Cosigned:
        """Adds what witnesses signed to a note that this log sealed, the published one unless another is given.

        A line is taken if it is a good one of a witness of the policy; it replaces an older one of the same key. The
        published note is exchanged for the one with more lines; a note that has enough of them becomes the cosigned
        one, unless there is a larger. Raises `LogStopped`.
        """
        with self._going_on():
            target = self._published if note is None else self._shard.believed(note)
            cosigned = with_cosignatures(target.note, lines, self._shard.policy)
            if not cosigned.names:
                return cosigned
            published = Published(cosigned.note, target.checkpoint)
            if published.checkpoint == self.signed:
                self._folder.replace(CHECKPOINT, published.note)
                self._published = published
            self._keep_cosigned(published)
            return cosigned

    def _keep_cosigned(self, published: Published) -> None:
        policy = self._shard.policy
        if policy is None or published.checkpoint.size < self.cosigned_size:
            return
        try:
            check.check_checkpoint(published.note, policy, verify=ed25519_fits)
        except check.BadEvidence:
            return
        self._folder.replace(COSIGNED, published.note)

    # --- Opening -----------------------------------------------------------------------------------------------------

    def _newest(self) -> Published:
        """The newest checkpoint that this log is known to have signed."""
        here = self._shard.published(self._shard.folder / CHECKPOINT)
        second = self._shard.second_copy
        if second is None:
            if here is None:
                raise LogStopped(Stop.CHECKPOINT_IS_MISSING)
            return here
        away = self._shard.published(second)
        if away is None:
            raise LogStopped(Stop.SECOND_COPY_IS_MISSING, file=second)
        self._second = away
        if here is None or here.checkpoint.size < away.checkpoint.size:
            self._check_holds(here, away)
            return away
        self._check_consistent(away.checkpoint, here.checkpoint)
        return here

    def _check_holds(self, here: Published | None, away: Published) -> None:
        """A crash between the two last steps of sealing leaves all tiles behind; an old copy of the folder has not."""
        try:
            self._load(away.checkpoint)
        except LogStopped as stopped:
            size = here.checkpoint.size if here is not None else 0
            raise LogStopped(Stop.FOLDER_IS_OLDER, size=size, signed=away.checkpoint.size) from stopped
        if here is not None:
            self._check_consistent(here.checkpoint, away.checkpoint)

    def _load(self, checkpoint: check.Checkpoint) -> tuple[Edge, list[bytes]]:
        """The edge of the tree and the entries of the last bundle, from disk, as the checkpoint vouches for them."""
        size = checkpoint.size
        places = [Place.edge(size, level) for level in range(tree.level_count(size))]
        edge = Edge(size, [self._folder.content(place) if place.width else [] for place in places])
        if edge.root() != checkpoint.root:
            raise LogStopped(Stop.TILES_GIVE_ANOTHER_ROOT, size=size)
        bundle = Place.edge(size, ENTRIES)
        tail = self._folder.content(bundle) if bundle.width else []
        if tree.leaf_hashes(tail) != (edge.levels[0] if edge.levels else []):
            raise LogStopped(Stop.ENTRIES_ARE_NOT_IN_TILES, file=bundle.path)
        return edge, tail

    def _settle(self) -> None:
        """Finishes what a crash has cut off: both copies of the checkpoint, the cosigned one, partial files beyond."""
        if self._folder.note(CHECKPOINT) != self.note:
            self._folder.replace(CHECKPOINT, self.note)
        second = self._shard.second_copy
        if second is not None and self._second is not None and self._second.checkpoint != self.signed:
            replace_file(second, self.note, self._shard.before)
            self._second = self._published
        # Without it nobody would ask again for cosignatures that the checkpoint has already.
        if self._folder.note(COSIGNED) != self.note:
            self._keep_cosigned(self._published)
        self._tidy(self.signed.size)

    # --- Stopping ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Whatever goes wrong, nothing that is remembered here is used again."""
        if self.has_stopped:
            raise LogStopped(Stop.LOG_HAS_STOPPED)
        self._has_stopped = True
        with stopping():
            self._lock.check_is_on(self._shard.folder)
            yield
        self._has_stopped = False


def _checkpoint_of(note: bytes) -> check.Checkpoint:
    try:
        return check.read_checkpoint(check.read_note(note).text)
    except check.BadEvidence as bad:
        raise LogStopped(Stop.CHECKPOINT_IS_NOT_OURS, file=CHECKPOINT, reason=bad) from bad
