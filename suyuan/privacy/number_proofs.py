"""Proofs that somebody holds a phone number: a code of six digits was sent there, and came back in time.

Owns the tables `number_proof` and `code_count`. The number itself is never kept, only its mark (`pseudonyms`), and its
pseudonym once it is proven. A code lives for ten minutes and five tries; whoever gives it back gets a token, which is
kept as a digest and good for fifteen minutes.

Nobody's phone is flooded: a number gets three codes a day, and one network asks for thirty. Before the proof nothing
tells whether a number is known here, since every number is treated alike. Proofs and counts are forgotten after a day
or two (`expired`).

>>> marks = Marks(7, (b"\\x07", b"\\x06"), "num_1")
>>> of_number(marks, at=0), of_network("203.0.113.0/24", at=0)
(['1970-01-01/number/07', '1970-01-01/number/06'], '1970-01-01/network/203.0.113.0/24')
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus, shanghai_day
from suyuan.base.db import Fetch
from suyuan.base.wire import digest
from suyuan.privacy.pseudonyms import Marks

TABLE = "number_proof"
COUNT_TABLE = "code_count"

CODE_TTL_S = 600
TRIES_MAX = 5
TOKEN_TTL_S = 900
TOKEN_BYTES = 32
CODES_PER_NUMBER_DAY_MAX = 3
CODES_PER_NETWORK_DAY_MAX = 30
KEPT_S = DAY_S
COUNTED_S = 2 * DAY_S


class NumberProof(msgspec.Struct, gc=False):
    """How far one proof has come. `sellers` are those of this number whose identity was given as well."""

    id: str
    mark: bytes
    begun_at: int
    reference: str  # The provider's own, once the code is on its way.
    tries: int
    proven_at: int | None
    token_digest: bytes
    number: str  # Its pseudonym, once it is proven.
    sellers: str  # Joined by spaces.

    def takes_a_try(self, at: int) -> bool:
        """Whether a code may still be tried."""
        return self.proven_at is None and self.tries < TRIES_MAX and at < plus(self.begun_at, CODE_TTL_S)

    def is_forgettable(self, at: int) -> bool:
        """Whether it proves nothing any more, and has not for long."""
        return plus(self.begun_at, KEPT_S) <= at

    def is_good(self, at: int) -> bool:
        """Whether its token still proves the number."""
        return self.proven_at is not None and at < plus(self.proven_at, TOKEN_TTL_S)

    def is_of(self, token: str) -> bool:
        """Whether this token belongs to it."""
        return hmac.compare_digest(digest(token.encode()), self.token_digest)


CHANGING = ("reference", "tries", "proven_at", "token_digest", "number", "sellers")


class CodeCount(msgspec.Struct, gc=False):
    """How many codes were sent on a day to one number, or for one network."""

    id: str
    codes: int
    ends_at: int


class Expired(NamedTuple):
    """What has been kept long enough."""

    proofs: list[str]
    counts: list[str]


def of_number(marks: Marks, *, at: int) -> list[str]:
    """The counts of today's codes to a number: one under each of its marks, the one that counts on first."""
    return [f"{shanghai_day(at)}/number/{mark.hex()}" for mark in marks.marks]


def of_network(network: str, *, at: int) -> str:
    """The count of today's codes for a network."""
    return f"{shanghai_day(at)}/network/{network}"


async def find(fetch: Fetch, proof_id: str) -> NumberProof | None:
    """One proof. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_ONE, [proof_id])
    return NumberProof(*rows[0]) if rows else None


async def numbers_proven(connection: psycopg.AsyncConnection[TupleRow], numbers: Sequence[str]) -> set[str]:
    """Those of these numbers that somebody has proven of late."""
    return {row[0] for row in await (await connection.execute(_PROVEN, (list(numbers),))).fetchall()}


async def expired(connection: psycopg.AsyncConnection[TupleRow], *, now: int, rows_max: int) -> Expired:
    """What nobody needs any more."""
    proofs = await (await connection.execute(_OLD, (plus(now, -KEPT_S), rows_max))).fetchall()
    counts = await (await connection.execute(_ENDED, (now, rows_max))).fetchall()
    return Expired([row[0] for row in proofs], [row[0] for row in counts])


_ONE = f"SELECT {', '.join(NumberProof.__struct_fields__)} FROM number_proof WHERE id = %s"
_PROVEN = "SELECT number FROM number_proof WHERE number = ANY(%s) AND number <> ''"
_OLD = "SELECT id FROM number_proof WHERE begun_at <= %s ORDER BY begun_at LIMIT %s"
_ENDED = "SELECT id FROM code_count WHERE ends_at < %s ORDER BY ends_at LIMIT %s"
