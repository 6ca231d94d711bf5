"""Opens members of a record to others: what they say, and the salts by which anybody finds them in the log's entry.

`record.json` is the canonical JSON of the members that are shown. `openings.json` holds all names and commitments in
their order, the latter as base64, and of each member shown its position and its salt:

    {"commitments":["<c_1>",…],"format":"suyuan-openings-v1","names":["seq",…],"salts":{"paid":[4,"<salt>"],…}}

The commitments of members that are not shown say nothing: each hangs on a salt of its own, 32 bytes that nobody has.

>>> from suyuan.evidence.records.commitment import commitments_of, digest_of, record_of
>>> from suyuan.history.events import PayoutPaid, encode
>>> from suyuan.history.store import Kept
>>> paid = encode(PayoutPaid("rdm_1", "B-1", 8000, "money"))
>>> record = record_of(Kept(7, 1_700_000_000_000_000, "payout_paid/1", paid))
>>> leaf = Leaf(7, digest_of(record, commitments_of(record, [bytes(32)])), bytes(32), "", b"", "rdm_1")
>>> open_record(record, leaf, {}, ["paid", "redemption"]).record
b'{"paid":8000,"redemption":"rdm_1"}'
>>> open_record(record, leaf, {}, ["seller"])
Traceback (most recent call last):
    ...
suyuan.evidence.records.opening.NotOpen: event 7 has no member seller that could be shown here; it has: seq, at, …
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Collection, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.evidence.records.commitment import OPEN_GROUP, Record, commit, digest_of, name_of, salts_of
from suyuan.evidence.records.leaves import Leaf

FORMAT = "suyuan-openings-v1"
NAMED_MAX = 2


class NotOpen(Exception):
    """Raised for a member that the event does not have, or whose group's key is not at hand."""


class BrokenLeaf(Exception):
    """Raised when an event and its leaf do not fit: one of them was changed after it was sealed."""


class Opened(NamedTuple):
    """What is shown of a record: `record.json`, `openings.json`, and the entry that both lead to."""

    record: bytes
    openings: bytes
    entry: bytes


class _Openings(msgspec.Struct, frozen=True):
    commitments: tuple[str, ...]
    names: tuple[str, ...]
    salts: dict[str, tuple[int, str]]
    format: str = FORMAT


def open_record(record: Record, leaf: Leaf, keys: Mapping[int, bytes], names: Collection[str] | None = None) -> Opened:
    """Shows the named members, or all that can be. `keys` are those of subjects' groups, by their numbers.

    Raises `NotOpen`, and `BrokenLeaf` rather than show what nobody could verify.
    """
    salts = salts_of(record, OPEN_GROUP, leaf.open_key)
    for group, key in keys.items():
        salts |= salts_of(record, group, key)
    commitments = _commitments(record, leaf, salts)
    shown = _shown(record, leaf, salts, names)
    openings = _Openings(
        tuple(_b64(one) for one in commitments),
        tuple(names_of(record)),
        {name: (position, _b64(salts[position])) for name, position in shown.items()},
    )
    texts = b",".join(record.texts[position] for _, position in sorted(shown.items()))
    return Opened(b"{%s}" % texts, wire.canonical_record(openings), leaf.digest)


def _commitments(record: Record, leaf: Leaf, salts: Mapping[int, bytes]) -> list[bytes]:
    closed = iter([leaf.closed[at : at + 32] for at in range(0, len(leaf.closed), 32)])
    kept = [None if group == OPEN_GROUP else next(closed, None) for group in record.groups]
    made = [commit(text, salts[at]) if at in salts else kept[at] for at, text in enumerate(record.texts)]
    commitments = [one for one in made if one is not None]
    if len(commitments) != len(record.texts) or digest_of(record, commitments) != leaf.digest:
        raise BrokenLeaf(f"event {leaf.seq} is not the one that was sealed: history or its leaf was changed afterwards")
    return commitments


def _shown(record: Record, leaf: Leaf, salts: Mapping[int, bytes], names: Collection[str] | None) -> dict[str, int]:
    able = {name: at for at, name in enumerate(names_of(record)) if at in salts}
    if names is None:
        return able
    for name in names:
        if name not in able:
            some = ", ".join(islice(able, NAMED_MAX))
            raise NotOpen(f"event {leaf.seq} has no member {name} that could be shown here; it has: {some}, …")
    return {name: able[name] for name in names}


def openable(record: Record, keys: Collection[int]) -> list[str]:
    """The names of the members that are open, or of a subject's group whose key is at hand."""
    members = zip(names_of(record), record.groups, strict=True)
    return [name for name, group in members if group == OPEN_GROUP or group in keys]


def _b64(content: bytes) -> str:
    """As the log's own formats write it: the standard alphabet, padded."""
    return b2a_base64(content, newline=False).decode()


def names_of(record: Record) -> list[str]:
    """The names of a record's members, in their order."""
    return [name_of(text) for text in record.texts]
