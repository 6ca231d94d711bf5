"""Papers: photos of identity cards and of top-up cards, and what a shop keeps on paper. The rows; the files are beside.

Owns the table `paper`: one row a paper, written when its sealed file is whole on the disk (`paper_files`) and never
deleted, so that it stays known that there was one and what became of it. The row says whose it is, its kind, how many
bytes, and a keyed digest of them; never a file's name, which may hold anything. Each kind is a `Field` of its own, so
who reads a paper says which kind and why, as for any sealed field.

>>> [kind for kind in KINDS], KINDS["card_photo"].key_class.value
(['identity_photo', 'card_photo', 'shop_paper'], 'card_secret')
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch
from suyuan.privacy.purposes import PAPER_FIELDS, Field
from suyuan.privacy.vault import Vault

TABLE = "paper"
KEPT, DELETED = "kept", "deleted"
FILE_BYTES_MAX = 20 * 1024 * 1024
DIGEST_BYTES = 32

KINDS: dict[str, Field] = {field.column: field for field in PAPER_FIELDS}


class Paper(msgspec.Struct, gc=False):
    """One paper. `reason` says why it was deleted, such as that verification is done, with its result."""

    id: str
    subject: str
    kind: str
    size_bytes: int
    digest: bytes
    sealed_by: str
    sealed_at: int
    state: str
    reason: str
    deleted_at: int | None


def digest_of(vault: Vault, paper: str, content: bytes) -> bytes:
    """What the row and history keep of a paper's content. Keyed, and another for each paper of the same content."""
    return vault.keyed_digest(paper.encode() + b"\0" + content, purpose="paper")


def find(connection: psycopg.Connection[TupleRow], paper: str) -> Paper | None:
    """One paper."""
    row = connection.execute(_ONE, (paper,)).fetchone()
    return None if row is None else Paper(*row)


async def papers_of(fetch: Fetch, subject: str, *, rows_max: int) -> list[Paper]:
    """The newest papers of one subject, for a worker. `fetch` is `base.db.ReadPool.fetch`."""
    return [Paper(*row) for row in await fetch(_NEWEST, [subject, subject, rows_max])]


def newest(connection: psycopg.Connection[TupleRow], *, subject: str = "", rows_max: int) -> list[Paper]:
    """The papers of one subject, or of all, the newest first."""
    return [Paper(*row) for row in connection.execute(_NEWEST, (subject, subject, rows_max)).fetchall()]


def kept_sizes(connection: psycopg.Connection[TupleRow]) -> dict[str, int]:
    """How many bytes each paper has that is kept, before sealing."""
    return dict(connection.execute(_SIZES).fetchall())


async def of_subject(connection: psycopg.AsyncConnection[TupleRow], subject: str) -> list[str]:
    """The papers of one subject that are kept."""
    found = await connection.execute(_OF_SUBJECT, (subject,))
    return [row[0] for row in await found.fetchall()]


async def kept_among(connection: psycopg.AsyncConnection[TupleRow], papers: Iterable[str]) -> list[str]:
    """Those of these papers that are kept."""
    return [paper for paper, state in (await states(connection, papers)).items() if state == KEPT]


async def deleted_since(connection: psycopg.AsyncConnection[TupleRow], instant: int) -> dict[str, int]:
    """The papers that were deleted after an instant, and when."""
    found = await connection.execute(_DELETED_SINCE, (instant,))
    return dict(await found.fetchall())


async def states(connection: psycopg.AsyncConnection[TupleRow], papers: Iterable[str]) -> dict[str, str]:
    """The states of these papers, as far as there are such."""
    found = await connection.execute(_STATES, (list(papers),))
    return dict(await found.fetchall())


_COLUMNS = ", ".join(Paper.__struct_fields__)
_ONE = f"SELECT {_COLUMNS} FROM paper WHERE id = %s"
_NEWEST = f"SELECT {_COLUMNS} FROM paper WHERE (%s = '' OR subject = %s) ORDER BY sealed_at DESC, id LIMIT %s"
_SIZES = "SELECT id, size_bytes FROM paper WHERE state = 'kept'"
_OF_SUBJECT = "SELECT id FROM paper WHERE subject = %s AND state = 'kept' ORDER BY id"
_DELETED_SINCE = "SELECT id, deleted_at FROM paper WHERE deleted_at > %s"
_STATES = "SELECT id, state FROM paper WHERE id = ANY(%s)"
