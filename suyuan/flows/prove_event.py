"""Proof of an event: what it says, opened member by member, and its place in the public log.

1. The event and its leaf are read, and the members that are asked for are opened. Open ones take no authority, since
   they say nothing of a person; the others take the keys of their subjects' groups, which the caller has been given.
2. The shard's files give the inclusion proof, against the newest checkpoint that enough witnesses have cosigned, else
   against the newest that is signed; the answer says which.

What is proven is that the platform said this no later than the witnesses' time and has not changed it since. Whether
it was true when it was said, no log can prove.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from suyuan.base.db import Fetch
from suyuan.base.refusals import Reason, Refusal
from suyuan.evidence import check
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.records.commitment import Record, record_of
from suyuan.evidence.records.leaves import Leaf, ShardStart, leaf_at, leaves_of, shard_of
from suyuan.evidence.records.opening import Opened, open_record, openable
from suyuan.flows.desk import Desk
from suyuan.flows.show_records import own_redemption
from suyuan.flows.who_asks import Knock, who_asks
from suyuan.history.recall import kept_at
from suyuan.history.store import Kept

# To whom the platform sold a held card on is no business of the partner who sold it to the platform. How narrowly an
# attempt was decided, and by what, would teach whoever tries the platform out; what was decided is told in plain words.
WITHHELD = frozenset({"buyer", "score", "limit_percent", "shadow", "features", "policy", "model", "lists", "graph"})
# A redemption that its operator reverses after years of partial trouble still has fewer.
EVENTS_OF_A_THING_MAX = 100


class Proven(NamedTuple):
    """An event as far as it is opened, and the C2SP tlog-proof of its entry."""

    seq: int
    opened: Opened
    proof: bytes
    is_cosigned: bool
    """Whether as many witnesses as the platform's own policy asks for have cosigned the proof's checkpoint."""


class Publication(NamedTuple):
    """Where an event is looked up: the database, read-only, and the folder of the published log."""

    fetch: Fetch
    folder: Path


class SealedEvent(NamedTuple):
    """An event that has its leaf, and the shard that it is of."""

    kept: Kept
    record: Record
    leaf: Leaf
    shard: ShardStart


async def sealed_event(published: Publication, seq: int) -> SealedEvent | None:
    """The event of this place; None as long as it has no leaf."""
    kept, leaf = await kept_at(published.fetch, seq), await leaf_at(published.fetch, seq)
    shard = await shard_of(published.fetch, seq)
    if kept is None or leaf is None or shard is None:
        return None
    return SealedEvent(kept, record_of(kept), leaf, shard)


def prove_sealed(
    published: Publication, event: SealedEvent, *, keys: Mapping[int, bytes], names: Collection[str]
) -> Proven | Refusal:
    """Opens these members, with the keys of subjects' groups by their numbers, and proves the event.

    Raises `NotOpen` for a name that is not to be had, `BrokenLeaf`, and `LogStopped` for files that are broken.
    """
    seq, shard = event.leaf.seq, event.shard
    tiles, index = Tiles(published.folder / shard.name), seq - shard.first_seq
    # Read once, because the sealer goes on meanwhile.
    cosigned = tiles.cosigned()
    notes = [note for note in (cosigned, tiles.checkpoint()) if note is not None and _covers(note, index)]
    if not notes:
        return Refusal(Reason.event_is_not_sealed_yet)
    opened = open_record(event.record, event.leaf, keys, names)
    return Proven(seq, opened, tiles.proof_against(index, notes[0]), is_cosigned=notes[0] == cosigned)


async def prove_event(published: Publication, seq: int, *, without: Collection[str] = ()) -> Proven | Refusal:
    """Proves an event by its open members, but nothing of `without`. Raises as `prove_sealed` does."""
    event = await sealed_event(published, seq)
    if event is None:
        return Refusal(Reason.event_is_not_sealed_yet)
    names = [name for name in openable(event.record, ()) if name not in without]
    return prove_sealed(published, event, keys={}, names=names)


def _covers(note: bytes, index: int) -> bool:
    return index < check.read_checkpoint(check.read_note(note).text).size


async def prove_redemption(desk: Desk, knock: Knock, redemption_id: str) -> list[Proven] | Refusal:
    """What the log holds of a redemption of the caller's, its open members. Raises `BadSignature`."""
    # (1) Who asks, and for which redemption of theirs.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    redemption = await own_redemption(desk, asking, redemption_id)
    if isinstance(redemption, Refusal):
        return redemption
    # (2) Each of its events, as far as they are sealed; none is a reason to ask again.
    published = Publication(desk.fetch, desk.log_folder)
    places = await leaves_of(desk.fetch, redemption.id, rows_max=EVENTS_OF_A_THING_MAX)
    found = [await prove_event(published, seq, without=WITHHELD) for seq in places]
    proven = [one for one in found if isinstance(one, Proven)]
    return proven or Refusal(Reason.event_is_not_sealed_yet)
