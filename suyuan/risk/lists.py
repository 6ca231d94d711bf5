"""Lists that policies look at: who or what stands on them, for which reason, until when.

Owns the table `list_entry`. A list's name says what kind it is, by itself or before an underscore (`hot_cards`), and
the kind says how many officers it takes: hardening is quick, and nobody loosens anything alone.

| kind | what standing on it means | entering | taking off |
|---|---|---|---|
| `blocked`, `hot` | attempts are refused; `hot` is for cards that were reported stolen | one | two |
| `watched` | attempts are looked at more closely | one | one |
| `allowed` | attempts pass what may be overridden | two | one |

An entry is about one key column of `risk.row`, by its name there: a pseudonym, an id, a network prefix, a blind index.
The line has all entries in memory, so there are `ENTRIES_MAX` of them at most; one that has expired counts no more, and
leaves with the next change.

>>> kind_of("hot_cards").entering, kind_of("allowed").entering, kind_of("guests")
(1, 2, None)
>>> entry_id("blocked", "prefix", "203.0.113.0/24")
'blocked/prefix/203.0.113.0/24'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S
from suyuan.history.working_set import Shelf
from suyuan.privacy.free_text import holds_personal_value, is_line
from suyuan.risk.row import KEYS

TABLE = "list_entry"
PASSED = "passed"
"""The list that only the line writes (`flows.let_pass`); it is of no kind, so nobody else can name it."""
ENTRIES_MAX = 100_000
# Whatever is listed is looked at again once a year, or it goes.
LISTED_S_MAX = 366 * DAY_S

_LIST = re.compile(r"([a-z]+)(?:_[a-z0-9]+)*")
_NAME_LENGTH_MAX = 32
_VALUE = re.compile(r"[!-~]{1,128}")
# Half of a keyed digest, in which a run of digits is chance and nobody's number.
_INDEX = re.compile(r"[0-9a-f]{32}")


class ListKind(NamedTuple):
    """How many officers each direction takes."""

    entering: int
    leaving: int


KINDS = {"blocked": ListKind(1, 2), "hot": ListKind(1, 2), "watched": ListKind(1, 1), "allowed": ListKind(2, 1)}


class ListEntry(msgspec.Struct, gc=False):
    """Somebody or something that stands on a list."""

    id: str
    list: str
    key: str
    value: str
    reason: str
    added_at: int
    expires_at: int
    by_whom: str


class Lists:
    """All entries in memory, as they stand at one place in history. Never changed: a change makes another."""

    def __init__(self, until: Mapping[str, int] | None = None, version: int = 0) -> None:
        self._until = dict(until or {})
        self.version = version
        self.may_pass = any(entry.startswith(f"{PASSED}/") for entry in self._until)
        """Whether there is any attempt that a person has let pass, which is seldom."""

    def __len__(self) -> int:
        return len(self._until)

    def holds(self, listed: str, key: str, value: str, *, at: int) -> bool:
        """Whether this value stands on the list now."""
        return self._until.get(entry_id(listed, key, value), 0) > at

    def entered(self, entry: str, expires_at: int) -> Lists:
        """The lists with one entry more."""
        return Lists({**self._until, entry: expires_at}, self.version)

    def left(self, entry: str) -> Lists:
        """The lists with one entry less."""
        return Lists({name: until for name, until in self._until.items() if name != entry}, self.version)

    def at_version(self, seq: int) -> Lists:
        """The same, as of the place in history where they changed last."""
        return Lists(self._until, seq)

    def expired(self, *, at: int) -> list[str]:
        """The entries that count no more."""
        return [entry for entry, until in self._until.items() if until <= at]


def shelf() -> Shelf[ListEntry]:
    """The rows that a change touches."""
    return Shelf(TABLE, ListEntry, changing=("reason", "added_at", "expires_at", "by_whom"))


def kind_of(listed: str) -> ListKind | None:
    """What kind of list this is; None where the name says none."""
    named = _LIST.fullmatch(listed) if len(listed) <= _NAME_LENGTH_MAX else None
    return None if named is None else KINDS.get(named[1])


def entry_id(listed: str, key: str, value: str) -> str:
    """What an entry is kept under."""
    return f"{listed}/{key}/{value}"


def is_entry(listed: str, key: str, value: str) -> bool:
    """Whether this can stand on a list, and names nobody by a number of theirs."""
    is_named = kind_of(listed) is not None and key in KEYS and _VALUE.fullmatch(value) is not None
    return is_named and (_INDEX.fullmatch(value) is not None or not holds_personal_value(value))


def is_reason(reason: str) -> bool:
    """Whether this can be kept as the reason."""
    return is_line(reason) and not holds_personal_value(reason)


def load_lists(connection: psycopg.Connection[TupleRow], version: int) -> Lists:
    """All entries, as committed."""
    return Lists(dict(connection.execute("SELECT id, expires_at FROM list_entry").fetchall()), version)


def entries(connection: psycopg.Connection[TupleRow], *, listed: str, rows_max: int) -> list[ListEntry]:
    """The entries of a list, or of all, the newest first."""
    found = connection.execute(_ENTRIES, {"list": listed, "rows_max": rows_max})
    return [ListEntry(*row) for row in found.fetchall()]


_ENTRIES = f"""
SELECT {", ".join(ListEntry.__struct_fields__)} FROM list_entry
WHERE (%(list)s::text = '' OR list = %(list)s) ORDER BY added_at DESC, id LIMIT %(rows_max)s
"""
