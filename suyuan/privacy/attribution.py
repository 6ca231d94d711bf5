"""Whose export, or whose reads, a leaked list fits: with a likelihood, and a bound on accusing somebody innocent.

For each candidate the signs that can be tried are tried (`signs`). Its bound is the probability that an innocent
candidate fits as well, times the number of candidates, so that asking about many accuses no more easily than asking
about one. A candidate is *named* only where that is at most `ACCUSATION_MAX`: one keyed sign alone that is strong
enough, or several independent ones that agree. Coverage counts for a factor of a thousand at most; alone it names
nobody, but gives a *lead*: who could have, not who did. Where nobody is named, `missing` says what would have helped.

What comes out is decision support, never a verdict: a mark names the copy, not the hand that let it go, and a copy
may have been stolen from whom it was given to. `told` are those whom 个人信息保护法 2021 (art. 57) gives a right to be
told, by pseudonym; no sealed field is opened for any of this.

>>> people = [f"slr_{number}" for number in range(40)]
>>> candidates = [Candidate("exp_1", frozenset(people)), Candidate("exp_2", frozenset(people))]
>>> marker = Marker(bytes(32), "exp_2")
>>> rows = [
...     LeakedRow(line, subjects=(person,), instants=(ShownInstant(0, marker.digits(person, 0)),))
...     for line, person in enumerate(people[:5])
... ]
>>> found = attribute(rows, candidates, key=bytes(32), people=1_000)
>>> found.named, len(found.told), f"{found.weighed[0].bound:.0e}"
(('exp_2',), 5, '4e-12')
>>> attribute(rows[:1], candidates, key=bytes(32), people=1_000).missing
(<Missing.CANARY_COLUMNS: 'canary_columns'>, <Missing.ORDER: 'order'>, <Missing.ROWS: 'rows'>)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from suyuan.privacy.canary import UNASSIGNED, Canaries, Canary, Numbers, Shown, chance_of
from suyuan.privacy.marks import Marker
from suyuan.privacy.signs import (
    COVERAGE_FLOOR,
    Kind,
    Located,
    ShownInstant,
    Sign,
    canary_sign,
    combined,
    coverage_sign,
    digits_sign,
    order_sign,
    pseudonyms_sign,
)

Called = Callable[[str, str], str]

ACCUSATION_MAX = 1e-6
NOTHING_SHOWN = Shown()
_LOG_MIN = -690.0  # What a float still holds; beyond that nobody counts.
# Fewer rows than this leave even a perfect copy unnamed.
ROWS_MIN = 4


def by_id(_: str, subject: str) -> str:
    """What exports call a subject that give no pseudonyms of their own."""
    return subject


@dataclass(frozen=True, slots=True)
class LeakedRow:
    """A row of a leaked list, as far as its columns survived."""

    line: int
    subjects: tuple[str, ...] = ()
    """Whom it may be about: one where a pseudonym or a number's index says so, several where only an instant does."""
    shown: Shown = NOTHING_SHOWN
    instants: tuple[ShownInstant, ...] = ()
    given_to: str = ""
    """The one recipient who knows the subject by the pseudonym that stands here."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An export, or all that one officer has read: what may have leaked."""

    id: str
    subjects: frozenset[str]
    is_marked: bool = True
    """Exports carry marks and canaries; what an officer has read on a screen carries none."""
    asked_by: str = ""
    recipient: str = ""
    whole: frozenset[str] = frozenset()
    """The names of the fields that it held unmasked."""
    prefixes: tuple[str, ...] = UNASSIGNED
    """Where its canaries' numbers lie."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate with everything that speaks for it."""

    candidate: Candidate
    signs: tuple[Sign, ...]
    bound: float
    """The probability that anybody innocent among the candidates fits as well as this one."""
    likelihood: float
    """Powers of ten: how much likelier the list is if this is a source of it than if it is not, at most."""
    share: float
    """How much of what could be compared came from here, estimated."""
    beyond: tuple[str, ...]
    """Fields that the list shows whole and this candidate never did."""
    is_named: bool
    is_lead: bool


class Missing(StrEnum):
    """What kept the list from naming anybody."""

    CANDIDATES = "candidates"
    SUBJECTS = "subjects"
    DIGITS = "digits"
    CANARY_COLUMNS = "canary_columns"
    CANARIES = "canaries"
    ORDER = "order"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a leaked list says about where it came from, the best candidate first."""

    weighed: tuple[Weighed, ...]
    missing: tuple[Missing, ...]
    told: tuple[str, ...]
    """Whom the list is about beyond doubt, by pseudonym, in order."""
    rows: int
    perhaps: int
    """Rows that may be about several people here."""
    strangers: int
    """Rows about nobody whom we can tell: canaries are among them."""
    recipients: tuple[tuple[str, int], ...]
    """Whose own pseudonyms stand in the list, and in how many rows. Nobody else was ever given them."""

    @property
    def named(self) -> tuple[str, ...]:
        """The candidates that the list is from, to the bound."""
        return tuple(it.candidate.id for it in self.weighed if it.is_named)

    @property
    def leads(self) -> tuple[str, ...]:
        """The candidates whom coverage alone points at."""
        return tuple(it.candidate.id for it in self.weighed if it.is_lead)


@dataclass(frozen=True, slots=True)
class _Leak:
    """The list, looked at once for all candidates."""

    rows: Sequence[LeakedRow]
    leaked: frozenset[str]
    strangers: Sequence[Shown]
    whole: frozenset[str]
    others: Sequence[frozenset[str]] = field(repr=False)
    people: int
    candidates: Sequence[Candidate]
    called: Called


def attribute(
    rows: Sequence[LeakedRow],
    candidates: Sequence[Candidate],
    *,
    key: bytes,
    people: int,
    groups: Iterable[frozenset[str]] = (),
    whole: frozenset[str] = frozenset(),
    called: Called = by_id,
) -> Attribution:
    """Weighs every candidate.

    `people` counts everybody whom the list might be about. `groups` are sets in which people stand together for
    other reasons, such as the sellers of one partner; `whole` are the fields that the list shows unmasked; `called`
    says how a recipient's exports call a subject.
    """
    sure = (row.subjects[0] for row in rows if len(row.subjects) == 1)
    leak = _Leak(
        rows=rows,
        leaked=frozenset(sure),
        strangers=[row.shown for row in rows if not row.subjects],
        whole=whole,
        others=[*(candidate.subjects for candidate in candidates), *groups],
        people=people,
        candidates=candidates,
        called=called,
    )
    weighed = [_weigh(leak, candidate, place, key) for place, candidate in enumerate(candidates)]
    weighed.sort(key=lambda it: (it.bound, -it.likelihood, it.candidate.id))
    told = _told(rows, [it.candidate for it in weighed if it.is_named])
    return Attribution(
        weighed=tuple(weighed),
        missing=() if any(it.is_named for it in weighed) else _missing(leak, weighed),
        told=tuple(sorted(told)),
        rows=len(rows),
        perhaps=sum(len(row.subjects) > 1 and not told & set(row.subjects) for row in rows),
        strangers=len(leak.strangers),
        recipients=tuple(Counter(row.given_to for row in rows if row.given_to).most_common()),
    )


def _weigh(leak: _Leak, candidate: Candidate, place: int, key: bytes) -> Weighed:
    others = (other for number, other in enumerate(leak.others) if number != place)
    coverage = coverage_sign(leak.leaked, candidate.subjects, others, leak.people)
    keyed = _keyed_signs(leak, candidate, key) if candidate.is_marked else []
    signs = tuple(sign for sign in (*keyed, coverage) if sign.trials)
    believed = [max(sign.log_bound, COVERAGE_FLOOR) if sign.kind is Kind.COVERAGE else sign.log_bound for sign in signs]
    bound = _for_all(combined(believed), len(leak.candidates))
    is_named = bound <= ACCUSATION_MAX
    beyond = tuple(sorted(leak.whole - candidate.whole))
    return Weighed(
        candidate=candidate,
        signs=signs,
        bound=bound,
        likelihood=-sum(sign.log_bound for sign in signs) / math.log(10),
        share=_share(signs),
        beyond=beyond,
        is_named=is_named,
        # Fields that it never held whole cannot have leaked from here; a mark would say otherwise, coverage does not.
        is_lead=not is_named and not beyond and _for_all(coverage.log_bound, len(leak.candidates)) <= ACCUSATION_MAX,
    )


def _keyed_signs(leak: _Leak, candidate: Candidate, key: bytes) -> list[Sign]:
    marker = Marker(key, candidate.id)
    rows = [located for row in leak.rows if (located := _located(row, candidate.subjects)) is not None]
    return [
        _canary_sign(leak, candidate, key),
        digits_sign(marker, rows),
        order_sign(marker, rows),
        _pseudonyms_sign(leak, candidate),
    ]


def _canary_sign(leak: _Leak, candidate: Candidate, key: bytes) -> Sign:
    numbers = Numbers(candidate.prefixes)
    # Making canaries is dear; a list without a row that could be one is not worth it.
    is_worth_it = any(chance_of(shown, numbers) > 0 for shown in leak.strangers)
    canaries: dict[str, Canary] = {}
    if is_worth_it:
        made = Canaries(key, candidate.id, candidate.prefixes).among(candidate.subjects)
        canaries = {leak.called(candidate.recipient, canary.subject): canary for canary in made}
    return canary_sign(canaries, numbers, leak.strangers if canaries else ())


def _pseudonyms_sign(leak: _Leak, candidate: Candidate) -> Sign:
    given = [(row.given_to, row.subjects[0]) for row in leak.rows if row.given_to]
    siblings = [it.subjects for it in leak.candidates if it.recipient == candidate.recipient and it is not candidate]
    return pseudonyms_sign(given, candidate.recipient, candidate.subjects, siblings)


def _located(row: LeakedRow, subjects: frozenset[str]) -> Located | None:
    """The row with the one subject of a candidate that it can be about; None where there is none, or several."""
    found = [subject for subject in row.subjects if subject in subjects]
    return Located(found[0], row.instants) if len(found) == 1 else None


def _for_all(log_bound: float, candidates: int) -> float:
    """The same bound for all candidates together."""
    return math.exp(max(_LOG_MIN, min(0.0, log_bound + math.log(max(1, candidates)))))


def _share(signs: Sequence[Sign]) -> float:
    """By the keyed sign with the most to compare, or by coverage where none fits."""
    fitting = [sign for sign in signs if sign.kind is not Kind.COVERAGE and sign.log_bound < 0]
    if fitting:
        return max(fitting, key=lambda sign: sign.trials).excess
    coverage = next((sign for sign in signs if sign.kind is Kind.COVERAGE), None)
    return coverage.hits / coverage.trials if coverage else 0.0


def _told(rows: Iterable[LeakedRow], named: Sequence[Candidate]) -> set[str]:
    """Whom the rows are about; a row that could be about several is narrowed by the export that it is from."""
    told = set()
    for row in rows:
        found = row.subjects
        for candidate in named if len(found) > 1 else ():
            located = _located(row, candidate.subjects)
            found = found if located is None else (located.subject,)
        if len(found) == 1:
            told.add(found[0])
    return told


def _missing(leak: _Leak, weighed: Sequence[Weighed]) -> tuple[Missing, ...]:
    if not weighed:
        return (Missing.CANDIDATES,)
    tried = {sign.kind: sign for it in weighed for sign in it.signs}
    fitting = {sign.kind for it in weighed for sign in it.signs if sign.hits and sign.log_bound < COVERAGE_FLOOR}
    has_canary_columns = any(row.shown.subject or row.shown.number for row in leak.rows)
    found = {
        Missing.SUBJECTS: not any(row.subjects for row in leak.rows),
        Missing.DIGITS: Kind.DIGITS not in tried,
        Missing.CANARY_COLUMNS: not has_canary_columns,
        Missing.CANARIES: has_canary_columns and Kind.CANARIES not in fitting,
        Missing.ORDER: Kind.ORDER not in fitting,
        Missing.ROWS: len(leak.rows) < ROWS_MIN,
    }
    return tuple(missing for missing, is_missing in found.items() if is_missing)
