"""Data keys: one per subject and key class, wrapped under an epoch's key. Whoever loses the row loses the fields.

Owns two tables. `subject_key` holds each key, wrapped, under `<subject>/<key class>`; only the line adds and forgets,
only the keeper of the house wraps again. A key that was forgotten leaves its row, empty but for a fingerprint: that is
the never-again register, since no second key can ever be made for the same subject and class. `vault_epoch` holds up
to which epoch the line takes no new keys any more, and up to which one the keys are destroyed.

>>> SubjectKey("slr_1/finance", 1, b"", b"").subject
'slr_1'
>>> key_id("slr_1", Privacy.FINANCE)
'slr_1/finance'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch
from suyuan.privacy.classes import KEY_CLASSES, Privacy

TABLE = "subject_key"
EPOCH_TABLE = "vault_epoch"
VAULT = "vault"


class SubjectKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A wrapped data key, or the mark of one that was forgotten."""

    id: str
    epoch: int
    wrapped: bytes
    fingerprint: bytes

    @property
    def subject(self) -> str:
        """Whose key it is."""
        return self.id.rpartition("/")[0]

    @property
    def is_forgotten(self) -> bool:
        """Whether there is nothing left to unwrap."""
        return not self.wrapped


class VaultEpoch(msgspec.Struct, gc=False):
    """How far the epochs have come: up to `closed` no key is taken, up to `destroyed` none can be unwrapped."""

    id: str
    closed: int
    destroyed: int


class Rewrapped(NamedTuple):
    """How far a pass over the keys has come."""

    last_id: str
    tried: int
    broken: int  # Those that do not unwrap.
    is_done: bool


def key_id(subject: str, key_class: Privacy) -> str:
    """What a data key is kept under."""
    return f"{subject}/{key_class.value}"


def key_ids(subject: str) -> list[str]:
    """All the places in which a subject may have a key."""
    return [key_id(subject, key_class) for key_class in KEY_CLASSES]


async def fetch_keys(connection: psycopg.AsyncConnection[TupleRow], ids: Iterable[str]) -> dict[str, SubjectKey]:
    """The data keys at these places, forgotten ones too."""
    rows = await (await connection.execute(_BY_ID, (list(ids),))).fetchall()
    return {row[0]: SubjectKey(*row) for row in rows}


def read_keys(connection: psycopg.Connection[TupleRow], ids: Iterable[str]) -> list[SubjectKey]:
    """The same for whoever works through history in order, thousands at a time."""
    # One text is told to the database in a tenth of the time that a list takes.
    found = connection.execute(_BY_TEXT, ("\n".join(ids),), binary=True)
    return [SubjectKey(*row) for row in found.fetchall()]


async def look_up_keys(fetch: Fetch, ids: Iterable[str]) -> dict[str, SubjectKey]:
    """The same for an API worker. `fetch` is `base.db.ReadPool.fetch`."""
    return {row[0]: SubjectKey(*row) for row in await fetch(_BY_ID, (list(ids),))}


async def wrap_again(
    connection: psycopg.AsyncConnection[TupleRow],
    wrap: Callable[[SubjectKey], SubjectKey | None],
    *,
    until: int,
    after_id: str,
    rows_max: int,
) -> Rewrapped:
    """Wraps the keys of old epochs anew, one stretch of the table at a time. `wrap` gives nothing for a broken key.

    A key that is forgotten meanwhile stays forgotten, since only a row that is still as it was read is written.
    """
    rows = await (await connection.execute(_OLD, (after_id, rows_max))).fetchall()
    old = [SubjectKey(*row) for row in rows]
    tried = [wrap(key) for key in old if key.epoch <= until and not key.is_forgotten]
    fresh = [key for key in tried if key is not None]
    if fresh:
        before = {key.id: key.wrapped for key in old}
        columns = (
            [key.id for key in fresh], [key.epoch for key in fresh],
            [key.wrapped for key in fresh], [before[key.id] for key in fresh],
        )  # fmt: skip
        await connection.execute(_REWRAP, columns)
    last_id = old[-1].id if old else after_id
    return Rewrapped(last_id, len(tried), broken=len(tried) - len(fresh), is_done=len(old) < rows_max)


async def count_of_epochs(connection: psycopg.AsyncConnection[TupleRow], *, until: int) -> int:
    """How many keys still hang on epochs up to this one."""
    row = await (await connection.execute(_COUNT, (until,))).fetchone()
    assert row is not None
    return int(row[0])


async def newest_epoch(connection: psycopg.AsyncConnection[TupleRow]) -> int:
    """The newest epoch that any key hangs on; 0 where there is none."""
    row = await (await connection.execute(_NEWEST)).fetchone()
    assert row is not None
    return int(row[0])


async def vault_epoch(connection: psycopg.AsyncConnection[TupleRow]) -> VaultEpoch:
    """How far the epochs have come."""
    row = await (await connection.execute(_EPOCH, (VAULT,))).fetchone()
    return VaultEpoch(*row) if row is not None else VaultEpoch(VAULT, 0, 0)


_BY_ID = "SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE id = ANY(%s)"
_BY_TEXT = "SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE id = ANY(string_to_array(%s, E'\\n'))"
_OLD = "SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE id > %s ORDER BY id LIMIT %s"
_REWRAP = """
UPDATE subject_key SET epoch = new.epoch, wrapped = new.wrapped
FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::bytea[]) AS new (id, epoch, wrapped, before)
WHERE subject_key.id = new.id AND subject_key.wrapped = new.before
"""
_NEWEST = "SELECT coalesce(max(epoch), 0) FROM subject_key WHERE wrapped <> ''"
_EPOCH = "SELECT id, closed, destroyed FROM vault_epoch WHERE id = %s"
_COUNT = "SELECT count(*) FROM subject_key WHERE epoch <= %s AND wrapped <> ''"
