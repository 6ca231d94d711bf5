"""Every privacy notice that was ever published: what a consent that names a version has agreed to.

Owns the table `privacy_notice`. A row never changes and never goes: its key is the digest of its content, so what
stands there is what was shown. Notices hold nothing of anybody's but the controller's name.
"""

from __future__ import annotations

import hashlib

import msgspec
import psycopg
from psycopg.rows import TupleRow

TABLE = "privacy_notice"


class PublishedNotice(msgspec.Struct, gc=False):
    """A notice, and when it was first served."""

    version: str
    content: bytes
    published_at: int

    @classmethod
    def of(cls, content: bytes, *, at: int) -> PublishedNotice:
        """The row of a content."""
        return cls(hashlib.sha256(content).hexdigest(), content, at)


def find(connection: psycopg.Connection[TupleRow], version: str) -> PublishedNotice | None:
    """One notice. The first characters of its version are enough, where no other begins with them."""
    rows = connection.execute(_FIND, (version,)).fetchall()
    return PublishedNotice(*rows[0]) if len(rows) == 1 else None


def newest(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[PublishedNotice]:
    """The notices, those published last first."""
    return [PublishedNotice(*row) for row in connection.execute(_NEWEST, (rows_max,)).fetchall()]


_COLUMNS = ", ".join(PublishedNotice.__struct_fields__)
_FIND = f"SELECT {_COLUMNS} FROM privacy_notice WHERE starts_with(version, %s) LIMIT 2"
_NEWEST = f"SELECT {_COLUMNS} FROM privacy_notice ORDER BY published_at DESC LIMIT %s"
