"""A platform's exports as recipients get them, and what leakers do to them. The same for the same seed.

Every person has a name, a number and an instant of registration. A `File` is a list of rows as an export writes them:
real rows and canaries in the export's order, masked, each instant with the export's digits. A leak is rows of files,
changed by functions such as `without_digits`, and read again as the platform would: by pseudonym where the column is
there, or else by the second of the registration.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from suyuan.base.clock import SECOND
from suyuan.base.ids import new_id
from suyuan.privacy.attribution import Attribution, Candidate, LeakedRow, Lineup, attribute
from suyuan.privacy.canary import UNASSIGNED, Canaries, Shown
from suyuan.privacy.leaked import leaked_instant, leaked_name, leaked_number
from suyuan.privacy.marks import Marker
from suyuan.privacy.mask import masked_name, masked_number

BEGAN_AT = 1_760_000_000 * SECOND
YEAR_US = 365 * 86_400 * SECOND


@dataclass(frozen=True)
class Row:
    """A row of a file; a column that was dropped is empty."""

    subject: str = ""
    name: str = ""
    number: str = ""
    registered_at: str = ""


Change = Callable[[random.Random, list[Row]], list[Row]]


@dataclass
class World:
    """A platform with people and exports."""

    seed: int
    people: int = 3_000
    exports: int = 50
    rows: int = 1_000
    prefixes: tuple[str, ...] = UNASSIGNED
    all_alike: bool = False
    """Whether every recipient got the same people, which makes telling them apart hardest."""
    key: bytes = b""
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.key = self.key or self.chance.randbytes(32)
        self.registered: dict[str, int] = {}
        self.real: dict[str, Row] = {}
        for _ in range(self.people):
            at = BEGAN_AT + self.chance.randrange(YEAR_US)
            person = new_id("slr", at=at, chance=self.chance.randbytes(10))
            self.registered[person] = at
            self.real[person] = Row(
                person, f"{chr(self.chance.randrange(0x4E00, 0x9000))}芳", f"138{self.chance.randrange(10**8):08}"
            )
        everybody = sorted(self.registered)
        chosen = self.chance.sample(everybody, self.rows)
        self.candidates = [
            Candidate(
                new_id("exp", at=BEGAN_AT + YEAR_US + number * SECOND, chance=self.chance.randbytes(10)),
                frozenset(chosen if self.all_alike else self.chance.sample(everybody, self.rows)),
                prefixes=self.prefixes,
            )
            for number in range(self.exports)
        ]
        self._by_second: dict[int, list[str]] = defaultdict(list)
        for person, at in self.registered.items():
            self._by_second[at // SECOND].append(person)
        self._files: dict[str, list[Row]] = {}

    def file(self, candidate: Candidate) -> list[Row]:
        """What the recipient of an export holds."""
        if candidate.id not in self._files:
            self._files[candidate.id] = self.make(candidate)
        return self._files[candidate.id]

    def make(self, candidate: Candidate) -> list[Row]:
        """Writes the rows of an export."""
        marker = Marker(self.key, candidate.id)
        canaries = Canaries(self.key, candidate.id, candidate.prefixes).among(candidate.subjects)
        shown = {person: (self.real[person], self.registered[person]) for person in candidate.subjects}
        shown |= {it.subject: (Row(it.subject, it.name, it.number), it.at(self.registered[it.like])) for it in canaries}
        return [
            replace(
                shown[subject][0],
                name=masked_name(shown[subject][0].name),
                number=masked_number(shown[subject][0].number),
                registered_at=marker.instant(subject, shown[subject][1]),
            )
            for subject in marker.order(shown)
        ]

    def read(self, rows: Sequence[Row]) -> list[LeakedRow]:
        """A leak as the platform sees it."""
        return [self._read(line, row) for line, row in enumerate(rows, 2)]

    def _read(self, line: int, row: Row) -> LeakedRow:
        instant = leaked_instant(row.registered_at)
        known: Iterable[str] = ()
        if row.subject:
            known = [row.subject] if row.subject in self.registered else ()
        elif instant is not None:
            known = self._by_second.get(instant.second, ())
        shown = Shown(row.subject, leaked_number(row.number), leaked_name(row.name))
        return LeakedRow(line, tuple(known), shown, () if instant is None else (instant,))

    @cached_property
    def lineup(self) -> Lineup:
        return Lineup(self.candidates, key=self.key)

    def attribute(self, rows: Sequence[Row], candidates: Sequence[Candidate] = ()) -> Attribution:
        lineup = Lineup(candidates, key=self.key) if candidates else self.lineup
        return attribute(self.read(rows), lineup, people=self.people)


def true_instant(at: int) -> str:
    """An instant with the digits that the books have."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC).replace(tzinfo=None).isoformat()}.{at % SECOND // 1000:03}Z"


def part(chance: random.Random, rows: Sequence[Row], share: float) -> list[Row]:
    """A random share of the rows, in their order."""
    kept = sorted(chance.sample(range(len(rows)), max(1, round(share * len(rows)))))
    return [rows[place] for place in kept]


# --- what leakers do -----------------------------------------------------------------------------


def as_it_is(chance: random.Random, rows: list[Row]) -> list[Row]:
    return rows


def sorted_by_number(chance: random.Random, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.number)


def without_pseudonyms(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [replace(row, subject="") for row in rows]


def without_digits(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [replace(row, registered_at=row.registered_at[:19]) for row in rows]


def without_instants(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [replace(row, registered_at="") for row in rows]


def without_numbers_and_names(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [replace(row, number="", name="") for row in rows]


def without_canaries(chance: random.Random, rows: list[Row]) -> list[Row]:
    """By somebody who knows which prefixes nobody has."""
    return [row for row in rows if not row.number.startswith(UNASSIGNED)]


def _with_digits(row: Row, digits: str) -> Row:
    return replace(row, registered_at=f"{row.registered_at[:20]}{digits}{row.registered_at[23:]}")


def with_fresh_digits(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [_with_digits(row, f"{chance.randrange(1000):03}") for row in rows]


def half_zeroed(chance: random.Random, rows: list[Row]) -> list[Row]:
    """Half of the instants went through something that keeps no digits."""
    return [_with_digits(row, "000") if chance.random() < 0.5 else row for row in rows]


def half_fresh(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [_with_digits(row, f"{chance.randrange(1000):03}") if chance.random() < 0.5 else row for row in rows]


def trembling(chance: random.Random, rows: list[Row]) -> list[Row]:
    """Each instant is moved by up to 20 ms within its second."""
    return [
        _with_digits(row, f"{min(999, max(0, int(row.registered_at[20:23]) + chance.randint(-20, 20))):03}")
        for row in rows
    ]


def cut_to_tenths(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [_with_digits(row, row.registered_at[20]) for row in rows]


def rounded_to_hundredths(chance: random.Random, rows: list[Row]) -> list[Row]:
    return [_with_digits(row, f"{min(99, round(int(row.registered_at[20:23]) / 10)):02}") for row in rows]


def in_turn(*changes: Change) -> Change:
    """One after the other."""

    def changed(chance: random.Random, rows: list[Row]) -> list[Row]:
        for change in changes:
            rows = change(chance, rows)
        return rows

    return changed


def mixed(chance: random.Random, files: Sequence[Sequence[Row]], share: float) -> list[Row]:
    """What several who collude put together: each gives its part of a leak that is this share of one file."""
    rows = [row for file in files for row in part(chance, file, share / len(files))]
    chance.shuffle(rows)
    return rows
