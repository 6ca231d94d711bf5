"""What stands in the way of a person's data: restrictions, under which little is opened, and holds, which keep it.

Owns the tables `restriction` and `legal_hold`, each with one row a subject. A *restriction* closes a person's fields to
every purpose that is not marked `while_restricted`. A *legal hold* keeps everything of a person from being shredded, as
long as one of its cases is open; it opens nothing.

>>> hold = LegalHold("slr_1", "case_7 case_9")
>>> hold.without("case_7").cases, hold.without("case_7").without("case_9").is_over
('case_9', True)
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.db import Fetch

RESTRICTION_TABLE = "restriction"
HOLD_TABLE = "legal_hold"
CASES_MAX = 100
# Why a restriction stands: the person asked, or nothing of the trade needs the data any more.
SUBJECT_ASKED, NO_LONGER_NEEDED = "subject_asked", "no_longer_needed"


class Restriction(msgspec.Struct, gc=False):
    """A person whose data is only stored and secured."""

    subject: str
    reason: str
    since: int


class LegalHold(msgspec.Struct, gc=False):
    """A person whose data may not be shredded; the cases are joined by spaces."""

    subject: str
    cases: str

    @property
    def is_over(self) -> bool:
        """Whether no case is left."""
        return not self.cases

    def also_for(self, case: str) -> LegalHold:
        """The hold with one case more; each case counts once."""
        return LegalHold(self.subject, " ".join(sorted({*self.cases.split(), case})))

    def without(self, case: str) -> LegalHold:
        """The hold with one case less."""
        return LegalHold(self.subject, " ".join(each for each in self.cases.split() if each != case))


async def is_held(connection: psycopg.AsyncConnection[TupleRow], subject: str) -> bool:
    """Whether a case keeps everything of this person, for the keeper of the house; the line looks once more."""
    return await (await connection.execute(_HELD, (subject,))).fetchone() is not None


async def is_restricted(fetch: Fetch, subject: str) -> bool:
    """Whether a person's data is only stored and secured, for a worker. `fetch` is `base.db.ReadPool.fetch`."""
    return bool(await fetch(_RESTRICTED, [subject]))


def holds(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[LegalHold]:
    """Who is held, by pseudonym."""
    return [LegalHold(*row) for row in connection.execute(_HOLDS, (rows_max,)).fetchall()]


def holds_of(connection: psycopg.Connection[TupleRow], sellers: Iterable[str]) -> dict[str, LegalHold]:
    """The holds on these sellers that are not over, by seller."""
    return {row[0]: LegalHold(*row) for row in connection.execute(_HOLDS_OF, (list(sellers),)).fetchall()}


_RESTRICTED = "SELECT subject FROM restriction WHERE subject = %s"
_HELD = "SELECT FROM legal_hold WHERE subject = %s AND cases <> ''"
_HOLDS = "SELECT subject, cases FROM legal_hold WHERE cases <> '' ORDER BY subject LIMIT %s"
_HOLDS_OF = "SELECT subject, cases FROM legal_hold WHERE cases <> '' AND subject = ANY(%s)"
