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
>>> lineup = Lineup(candidates, key=bytes(32))
>>> found = attribute(rows, lineup, people=1_000)
>>> found.named, len(found.told), f"{found.weighed[0].bound:.1g}"
(('exp_2',), 5, '4e-12')
>>> attribute(rows[:1], lineup, people=1_000).missing
(<Missing.CANARY_COLUMNS: 'canary_columns'>, <Missing.ORDER: 'order'>, <Missing.ROWS: 'rows'>)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from suyuan.privacy.canary import UNASSIGNED, Canaries, Canary, Numbers, Shown
from suyuan.privacy.marks import Marker
from suyuan.privacy.signs import (
    COVERAGE_FLOOR,
    Kind,
    Located,
    ShownInstant,
    Sign,
    Trial,
    canary_sign,
    canary_trials,
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


class Lineup:
    """Everybody who had the data, with what tells them apart; made once, for however many lists."""

    def __init__(self, candidates: Sequence[Candidate], *, key: bytes, called: Called = by_id) -> None:
        """`called` says how a recipient's exports call a subject."""
        self.candidates = tuple(candidates)
        self._key = key
        self._called = called
        self._canaries: dict[str, dict[str, Canary]] = {}
        self._seen: dict[tuple[str, str], float] = {}

    @property
    def prefixes(self) -> set[tuple[str, ...]]:
        """Where anybody's canaries' numbers lie."""
        return {candidate.prefixes for candidate in self.candidates}

    def marker(self, candidate: Candidate) -> Marker:
        """What reads a candidate's marks."""
        return Marker(self._key, candidate.id)

    def canaries(self, candidate: Candidate) -> dict[str, Canary]:
        """A candidate's canaries, by what it calls them."""
        if candidate.id not in self._canaries:
            made = Canaries(self._key, candidate.id, candidate.prefixes).among(candidate.subjects)
            self._canaries[candidate.id] = {self._called(candidate.recipient, it.subject): it for it in made}
        return self._canaries[candidate.id]

    def siblings(self, candidate: Candidate) -> list[frozenset[str]]:
        """Whom the other exports to the same recipient were about."""
        others = (other for other in self.candidates if other is not candidate)
        return [other.subjects for other in others if other.recipient == candidate.recipient]

    def seen(self, candidate: Candidate, other: Candidate) -> float:
        """The share of another's people whom a candidate has seen too."""
        pair = (candidate.id, other.id)
        if pair not in self._seen:
            self._seen[pair] = _share_of(other.subjects, candidate.subjects)
        return self._seen[pair]


@dataclass(frozen=True, slots=True)
class _Leak:
    """The list, looked at once for all candidates."""

    rows: Sequence[LeakedRow]
    leaked: frozenset[str]
    trials: Mapping[tuple[str, ...], Sequence[Trial]]
    """The rows that may be canaries, by where the canaries' numbers lie."""
    whole: frozenset[str]
    people: int
    lineup: Lineup
    given: Mapping[str, float]
    """The share of the leaked whom each candidate has seen."""
    groups: Sequence[tuple[frozenset[str], float]]
    """The same of each group."""


def attribute(
    rows: Sequence[LeakedRow],
    lineup: Lineup,
    *,
    people: int,
    groups: Iterable[frozenset[str]] = (),
    whole: frozenset[str] = frozenset(),
) -> Attribution:
    """Weighs every candidate.

    `people` counts everybody whom the list might be about. `groups` are sets in which people stand together for
    other reasons, such as the sellers of one partner; `whole` are the fields that the list shows unmasked.
    """
    leaked = frozenset(row.subjects[0] for row in rows if len(row.subjects) == 1)
    strangers = [row.shown for row in rows if not row.subjects]
    leak = _Leak(
        rows=rows,
        leaked=leaked,
        trials={prefixes: canary_trials(strangers, Numbers(prefixes)) for prefixes in lineup.prefixes},
        whole=whole,
        people=people,
        lineup=lineup,
        given={candidate.id: _share_of(leaked, candidate.subjects) for candidate in lineup.candidates},
        groups=[(group, _share_of(leaked, group)) for group in groups],
    )
    weighed = [_weigh(leak, candidate) for candidate in lineup.candidates]
    weighed.sort(key=lambda it: (it.bound, -it.likelihood, it.candidate.id))
    told = _told(rows, [it.candidate for it in weighed if it.is_named])
    return Attribution(
        weighed=tuple(weighed),
        missing=() if any(it.is_named for it in weighed) else _missing(leak, weighed),
        told=tuple(sorted(told)),
        rows=len(rows),
        perhaps=sum(len(row.subjects) > 1 and not told & set(row.subjects) for row in rows),
        strangers=len(strangers),
        recipients=tuple(Counter(row.given_to for row in rows if row.given_to).most_common()),
    )


def _weigh(leak: _Leak, candidate: Candidate) -> Weighed:
    coverage = _coverage_sign(leak, candidate)
    keyed = _keyed_signs(leak, candidate) if candidate.is_marked else []
    signs = tuple(sign for sign in (*keyed, coverage) if sign.trials)
    believed = [max(sign.log_bound, COVERAGE_FLOOR) if sign.kind is Kind.COVERAGE else sign.log_bound for sign in signs]
    bound = _for_all(leak, combined(believed))
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
        is_lead=not is_named and not beyond and _for_all(leak, coverage.log_bound) <= ACCUSATION_MAX,
    )


def _coverage_sign(leak: _Leak, candidate: Candidate) -> Sign:
    others = (other for other in leak.lineup.candidates if other is not candidate and leak.given[other.id])
    explanations = [(leak.given[other.id], leak.lineup.seen(candidate, other)) for other in others]
    explanations += [(given, _share_of(group, candidate.subjects)) for group, given in leak.groups if given]
    by_accident = min(1.0, len(candidate.subjects) / leak.people) if leak.people else 1.0
    hits = len(leak.leaked & candidate.subjects)
    return coverage_sign(hits, len(leak.leaked), by_accident=by_accident, explanations=explanations)


def _keyed_signs(leak: _Leak, candidate: Candidate) -> list[Sign]:
    marker = leak.lineup.marker(candidate)
    rows = [located for row in leak.rows if (located := _located(row, candidate.subjects)) is not None]
    given = [(row.given_to, row.subjects[0]) for row in leak.rows if row.given_to]
    return [
        _canary_sign(leak, candidate),
        digits_sign(marker, rows),
        order_sign(marker, rows),
        pseudonyms_sign(given, candidate.recipient, candidate.subjects, leak.lineup.siblings(candidate)),
    ]


def _canary_sign(leak: _Leak, candidate: Candidate) -> Sign:
    trials = leak.trials[candidate.prefixes]
    # Making canaries is dear; a list without a row that could be one is not worth it.
    canaries = leak.lineup.canaries(candidate) if trials else {}
    return canary_sign(canaries, trials if canaries else ())


def _share_of(these: frozenset[str], those: frozenset[str]) -> float:
    """The share of these that are those too."""
    return len(these & those) / len(these) if these else 0.0


def _located(row: LeakedRow, subjects: frozenset[str]) -> Located | None:
    """The row with the one subject of a candidate that it can be about; None where there is none, or several."""
    found = [subject for subject in row.subjects if subject in subjects]
    return Located(found[0], row.instants) if len(found) == 1 else None


def _for_all(leak: _Leak, log_bound: float) -> float:
    """The same bound for all candidates together."""
    return math.exp(max(_LOG_MIN, min(0.0, log_bound + math.log(len(leak.lineup.candidates)))))


def _share(signs: Sequence[Sign]) -> float:
    """By the keyed sign with the most to compare, or by coverage where none fits."""
    fitting = [sign for sign in signs if sign.kind is not Kind.COVERAGE and sign.log_bound < 0]
    if fitting:
        return max(fitting, key=lambda sign: sign.trials).excess
    coverage = next((sign for sign in signs if sign.kind is Kind.COVERAGE), None)
    return coverage.hits / coverage.trials if coverage else 0.0


def _told(rows: Iterable[LeakedRow], named: Sequence[Candidate]) -> set[str]:
    """Whom the rows are about; a row that could be about several is narrowed by the export that it is from."""
    told: set[str] = set()
    for row in rows:
        located = (_located(row, candidate.subjects) for candidate in named if len(row.subjects) > 1)
        told.update(row.subjects if len(row.subjects) == 1 else {it.subject for it in located if it is not None})
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
