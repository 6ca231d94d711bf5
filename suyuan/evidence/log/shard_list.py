"""Which shards the log has, as the world is told in `shards.json`: the name, origin, first event and keys of each.

What stands there was published, and is never taken back; so a database that knows less than the list is of an older
day (`flows.seal_history`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from suyuan.base.wire import canonical_record
from suyuan.evidence.check import BadEvidence, read_checkpoint, read_note
from suyuan.evidence.log.shard import stopping
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT, read_note_file, replace_file

SHARDS = "shards.json"


class ShardShown(msgspec.Struct, frozen=True):
    """A shard as strangers are told of it; its leaf `index` is event `first_seq + index`."""

    name: str
    origin: str
    first_seq: int
    vkeys: tuple[str, ...]


class ShardsShown(msgspec.Struct, frozen=True):
    """All of them, the oldest first."""

    shards: tuple[ShardShown, ...]


def read_list(folder: Path) -> tuple[ShardShown, ...]:
    """What was told last; nothing where the file is lost or damaged, since it is made again in the next round.

    Raises `LogStopped` where the disk refuses.
    """
    listed = read_note_file(folder / SHARDS)
    try:
        return msgspec.json.decode(listed, type=ShardsShown).shards if listed is not None else ()
    except msgspec.MsgspecError:
        return ()


def write_list(folder: Path, shown: ShardsShown) -> None:
    """Tells what is new. Raises `LogStopped`."""
    replace_if_other(folder / SHARDS, canonical_record(shown))


def replace_if_other(file: Path, content: bytes) -> None:
    """Writes a file of the log's folder anew where it says something else. Raises `LogStopped`."""
    with stopping():
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_bytes() != content:
            replace_file(file, content)


def signed_size(folder: Path, name: str) -> int:
    """How many events the published checkpoint of a shard covers. Raises `LogStopped` for one that is damaged."""
    return size_in(folder / name / CHECKPOINT)


def size_in(checkpoint: Path) -> int:
    """The same of any copy of a checkpoint; 0 where there is none."""
    note = read_note_file(checkpoint)
    try:
        return 0 if note is None else read_checkpoint(read_note(note).text).size
    except BadEvidence as bad:
        raise LogStopped(Stop.CHECKPOINT_IS_NOT_OURS, file=checkpoint, reason=bad) from bad
