"""Which shards the log has, as the world is told in `shards.json`: the name, origin, first event and keys of each.

What stands there was published, and is never taken back; so a database that knows less than the list is of an older
day (`flows.seal_history`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from suyuan.evidence.check import BadEvidence, read_checkpoint, read_note
from suyuan.evidence.stops import LogStopped, Stop
from suyuan.evidence.tiles import CHECKPOINT, read_note_file

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


def signed_size(folder: Path, name: str) -> int:
    """How many events the published checkpoint of a shard covers. Raises `LogStopped` for one that is damaged."""
    note = read_note_file(folder / name / CHECKPOINT)
    try:
        return 0 if note is None else read_checkpoint(read_note(note).text).size
    except BadEvidence as bad:
        raise LogStopped(Stop.CHECKPOINT_IS_NOT_OURS, file=f"{name}/{CHECKPOINT}", reason=bad) from bad
