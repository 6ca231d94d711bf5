"""The leaves of the public log as the platform keeps them: each event's digest, and the keys that open its members.

Owns two tables. `leaf` holds a row for each event: `digest`, its entry in the log; `open_key`, the key of the open
members' group, in the clear, because these members are; `sealed_keys`, those of the groups of its subjects, in their
order, each sealed under its subject's own data key and parted by spaces; `closed`, the commitments to these members,
in their order, so that the open ones can be shown when nobody can make the others again; `thing`, what the event
happened to. A subject that was forgotten before its event was sealed, or that nobody knows, has `-` among the sealed
keys: its key was never kept. `shard` says with which event each shard of the log begins; the index of a leaf is its
`seq` less that.

Invariants: leaves have no gaps; a leaf never changes, so whatever is lost of the log's files can be made again from
here, byte for byte, without opening anything; none is made of an event that is not committed.

>>> shard_of_year(1_767_225_600_000_000)
'2026'
>>> Leaf(7, b"", b"", "- 2a.AAAA", b"", "rdm_1").sealed
['-', '2a.AAAA']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import SECOND, Micros
from suyuan.base.db import Fetch
from suyuan.evidence.records.commitment import GROUP_KEY_BYTES, OPEN_GROUP, Record, commitments_of, digest_of, record_of
from suyuan.history.store import HistoryIsBroken, Kept, read
from suyuan.privacy.classes import Privacy
from suyuan.privacy.keyring import NONCE_BYTES
from suyuan.privacy.purposes import RECORD_KEY
from suyuan.privacy.subject_keys import key_id, read_keys
from suyuan.privacy.vault import OpenKey, Vault

NEVER_KEPT = "-"
# Which of a subject's data keys closes the keys of its groups: one that lives as long as what they open. A redemption
# has the key of the card, or of the number, that it was made of.
_OF_REDEMPTIONS = ("rdm_", (Privacy.CARD_SECRET, Privacy.CONTACT))
_OF_SELLERS = (Privacy.IDENTITY,)

Connection = psycopg.Connection[TupleRow]


class Leaf(NamedTuple):
    """An event's digest, and what opens it."""

    seq: int
    digest: bytes
    open_key: bytes
    sealed_keys: str
    closed: bytes
    thing: str

    @property
    def sealed(self) -> list[str]:
        """The sealed key of each group from 1 on."""
        return self.sealed_keys.split()


class ShardStart(NamedTuple):
    """A year's log, the event that it begins with, and the name under which the world knows it."""

    name: str
    first_seq: int
    origin: str
    is_published: bool
    """Whether its log was begun; from then on it is only ever continued."""
    is_left: bool = False
    """Whether it signed what was lost, so that a later one goes on in its place (`flows.begin_shard`)."""


def shard_of_year(at: int) -> str:
    """The shard into which an event of this instant belongs; a year begins in UTC."""
    return str(datetime.fromtimestamp(at // SECOND, UTC).year)


def year_after(at: int) -> Micros:
    """The instant at which the next year, and with it the next shard, begins."""
    year = datetime.fromtimestamp(at // SECOND, UTC).year + 1
    return Micros(int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND)


# --- making them ---------------------------------------------------------------------------------


def closing_places(subjects: Iterable[str]) -> list[str]:
    """Where the data keys lie that may close what opens these subjects' members."""
    prefix, classes = _OF_REDEMPTIONS
    return [
        key_id(subject, key_class)
        for subject in subjects
        for key_class in (classes if subject.startswith(prefix) else _OF_SELLERS)
    ]


def make_leaf(kept: Kept, record: Record, keys: Mapping[str, OpenKey], vault: Vault, chance: bytes) -> Leaf:
    """The leaf of an event. `chance` is `chance_bytes(record)` fresh random bytes; never use them twice."""
    groups = 1 + len(record.subjects)
    group_keys = [chance[at : at + GROUP_KEY_BYTES] for at in range(0, groups * GROUP_KEY_BYTES, GROUP_KEY_BYTES)]
    sealed = []
    for number, subject in enumerate(record.subjects, 1):
        closing = keys.get(subject)
        if closing is None:
            sealed.append(NEVER_KEPT)
            continue
        nonce_at = groups * GROUP_KEY_BYTES + (number - 1) * NONCE_BYTES
        nonce = chance[nonce_at : nonce_at + NONCE_BYTES]
        sealed.append(vault.seal(group_keys[number].hex(), closing, RECORD_KEY, chance=nonce))
    commitments = commitments_of(record, group_keys)
    closed = b"".join([one for one, group in zip(commitments, record.groups, strict=True) if group != OPEN_GROUP])
    return Leaf(
        kept.seq, digest_of(record, commitments), group_keys[OPEN_GROUP], " ".join(sealed), closed, record.thing
    )


def chance_bytes(record: Record) -> int:
    """How much chance a leaf of this record takes."""
    return GROUP_KEY_BYTES + len(record.subjects) * (GROUP_KEY_BYTES + NONCE_BYTES)


def keep_leaves(
    connection: Connection, vault: Vault, *, log_name: str, chance: Callable[[int], bytes], events_max: int
) -> int:
    """Makes the leaves of the events that have none yet, in one transaction. Returns how many it made.

    A shard that begins among them is known as `log_name`, a slash and its own name from then on.
    Raises `UnknownKind`, `HistoryIsBroken`, and `KeyTrouble` where no key is within reach; then none is made.
    """
    with connection.transaction():
        first = next_leaf(connection)
        stretch = list(islice(read(connection, first), events_max))
        if not stretch:
            return 0
        records = [record_of(kept) for kept in stretch]
        keys = _closing_keys(connection, vault, {subject for record in records for subject in record.subjects})
        leaves = (
            make_leaf(kept, record, keys, vault, chance(chance_bytes(record)))
            for kept, record in zip(stretch, records, strict=True)
        )
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(b"".join([b"%d\t\\\\x%s\t\\\\x%s\t%s\t\\\\x%s\t%s\n" % _copied(leaf) for leaf in leaves]))
        for name, first_seq in _begun(stretch, newest_shard(connection)):
            begin_shard(connection, ShardStart(name, first_seq, f"{log_name}/{name}", is_published=False))
    return len(stretch)


def _closing_keys(connection: Connection, vault: Vault, subjects: set[str]) -> dict[str, OpenKey]:
    rows = read_keys(connection, closing_places(subjects)) if subjects else []
    return {key.subject: key for key in vault.unlock_whole(rows)}


def _copied(leaf: Leaf) -> tuple[int, bytes, bytes, bytes, bytes, bytes]:
    # Sealed texts and ids of ours hold nothing that COPY would read in another way; anything else is no id of ours.
    digest, open_key, closed = (part.hex().encode() for part in (leaf.digest, leaf.open_key, leaf.closed))
    return leaf.seq, digest, open_key, leaf.sealed_keys.encode(), closed, leaf.thing.encode()


def begin_shard(connection: Connection, shard: ShardStart) -> None:
    """Has a shard begin, in the caller's transaction."""
    connection.execute(_BEGIN, shard)


def note_published(connection: Connection, name: str) -> None:
    """Keeps that the log of a shard was begun."""
    with connection.transaction():
        connection.execute("UPDATE shard SET is_published = true WHERE name = %s", (name,))


def tell_of_shard(connection: Connection, shard: ShardStart) -> None:
    """Has the database know a shard as the world knows it, in the caller's transaction."""
    connection.execute(_TELL, shard)


def forget_unpublished(connection: Connection) -> None:
    """Takes back every shard that the world was never told of, in the caller's transaction."""
    connection.execute("DELETE FROM shard WHERE NOT is_published")


def leave_shards(connection: Connection, names: Sequence[str]) -> None:
    """Has nothing more come into these shards, in the caller's transaction."""
    connection.execute("UPDATE shard SET is_left = true WHERE name = ANY(%s)", (list(names),))


def _begun(stretch: Sequence[Kept], newest: ShardStart | None) -> Iterator[tuple[str, int]]:
    """The shards that begin in a stretch. A clock that went back begins no old year again."""
    year = newest.name[:4] if newest is not None else ""
    ends_at = 0
    for kept in stretch:
        if kept.at < ends_at:
            continue
        ends_at = year_after(kept.at)
        if (name := shard_of_year(kept.at)) > year:
            year = name
            yield name, kept.seq


# --- reading them --------------------------------------------------------------------------------


def next_leaf(connection: Connection) -> int:
    """The place of the first event that has no leaf yet."""
    row = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM leaf").fetchone()
    assert row is not None
    return int(row[0])


def shards(connection: Connection) -> list[ShardStart]:
    """All shards, the oldest first."""
    return [ShardStart(*row) for row in connection.execute(_SHARDS)]


def newest_shard(connection: Connection) -> ShardStart | None:
    """The shard that is being written."""
    return next(reversed(shards(connection)), None)


def entries(connection: Connection, first: int, behind: int) -> list[bytes]:
    """The log's entries of these events, `behind` not included. Raises `HistoryIsBroken` where one is missing."""
    found = connection.execute(_ENTRIES, (first, behind), binary=True).fetchall()
    if [seq for seq, _ in found] != list(range(first, behind)):
        raise HistoryIsBroken(f"the leaves from event {first} on have a gap; restore the table from a backup")
    return [bytes(digest) for _, digest in found]


async def leaf_at(fetch: Fetch, seq: int) -> Leaf | None:
    """The leaf of this event; None where it is not sealed yet. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_LEAF, [seq])
    return Leaf(*rows[0]) if rows else None


async def leaves_of(fetch: Fetch, thing: str, *, rows_max: int) -> list[int]:
    """The places of all sealed events of a redemption, an export or the like, the oldest first."""
    return [seq for (seq,) in await fetch(_OF_THING, [thing, rows_max])]


async def shard_of(fetch: Fetch, seq: int) -> ShardStart | None:
    """The shard that holds this event; None where there is none yet."""
    rows = await fetch(_SHARD_OF, [seq])
    return ShardStart(*rows[0]) if rows else None


_BEGIN = "INSERT INTO shard (name, first_seq, origin, is_published, is_left) VALUES (%s, %s, %s, %s, %s)"
_TELL = f"""{_BEGIN} ON CONFLICT (name) DO UPDATE
SET first_seq = EXCLUDED.first_seq, origin = EXCLUDED.origin, is_published = EXCLUDED.is_published
"""
_COPY = "COPY leaf (seq, digest, open_key, sealed_keys, closed, thing) FROM STDIN"
_LEAF = "SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf WHERE seq = %s"
_OF_THING = "SELECT seq FROM leaf WHERE thing = %s AND thing <> '' ORDER BY seq LIMIT %s"
# A shard that nothing came into, or of which everything was lost, begins with the same event as the one after it; so
# they stand in the order in which they were begun: by the year, and within it by the number.
_SHARDS = "SELECT name, first_seq, origin, is_published, is_left FROM shard ORDER BY left(name, 4), length(name), name"
_SHARD_OF = """
SELECT name, first_seq, origin, is_published, is_left FROM shard WHERE first_seq <= %s
ORDER BY left(name, 4) DESC, length(name) DESC, name DESC LIMIT 1
"""
_ENTRIES = "SELECT seq, digest FROM leaf WHERE seq >= %s AND seq < %s ORDER BY seq"
