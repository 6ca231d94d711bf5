"""Signs that a leaked list came from one source, each with how likely it fits a source that is innocent.

Four signs are keyed: canaries, the digits of instants, the order of rows, and pseudonyms that were made for one
recipient. To an innocent source, whose marks nobody who made the list has seen, each of their trials fits by chance
alone, whatever else the list is: so many names repeated, sorted, mixed or made up. The bound is Chernoff's (Hoeffding
1963, theorems 1 and 4): with an average chance p, at least h of n trials fit with probability ≤ exp(-n · KL(h/n ‖ p)).
It holds for chances that differ and for drawing without replacement. It is also the inverse of the greatest likelihood
ratio that h of n can give.

The fifth sign, coverage, is no such thing: it asks how well the people in the list are those that a source has seen,
against the best other explanation that we can name. It holds as far as nobody chose people as the source did for a
reason that we did not think of; so it is believed to `COVERAGE_FLOOR` and no further.

Several signs are combined by Fisher's method, exactly: for independent signs with bounds b₁ … bₖ and x their product,
the chance that x is so small is at most x · Σ_{j<k} (-ln x)ʲ / j!.

>>> round(tail_bound(3, 3, 0.01), 3), tail_bound(1, 100, 0.01)  # Natural logarithms.
(-13.816, 0.0)
>>> round(combined([-7.0, -7.0]), 3)
-11.292
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from suyuan.privacy.canary import Canary, Numbers, Shown, chance_of, shows
from suyuan.privacy.marks import DIGITS, MARKS, SLOT_S, Marker
from suyuan.privacy.mask import masked_number

# Rows are looked at in fours: in the order of their marks one time in 24 by chance.
BLOCK_ROWS = 4
# They have twice as many bits; nobody need believe that much.
_PSEUDONYM_CHANCE = 2.0**-64
COVERAGE_FLOOR = math.log(1e-3)


class Kind(StrEnum):
    """What a sign is made of."""

    CANARIES = "canaries"
    DIGITS = "digits"
    ORDER = "order"
    PSEUDONYMS = "pseudonyms"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Sign:
    """How often a sign fits, of how many times that it could; `chance` is how often it does so to the innocent."""

    kind: Kind
    hits: int
    trials: int
    chance: float
    log_bound: float
    """Natural logarithm of the probability that an innocent source fits so well."""

    @property
    def excess(self) -> float:
        """The share of the trials that chance does not explain."""
        return max(0.0, (self.hits / self.trials - self.chance) / (1 - self.chance)) if self.chance < 1 else 0.0


class ShownInstant(NamedTuple):
    """An instant as the list shows it: its second since 1970, and what stands behind the point."""

    second: int
    digits: str


class Located(NamedTuple):
    """A row that is about one subject of the source in question."""

    subject: str
    instants: tuple[ShownInstant, ...]


def tail_bound(hits: int, trials: int, chance: float) -> float:
    """The logarithm of Chernoff's bound for at least so many hits."""
    rate = hits / trials if trials else 0.0
    if rate <= chance:
        return 0.0
    missed = (1 - rate) * math.log((1 - rate) / (1 - chance)) if rate < 1 else 0.0
    return -trials * (rate * math.log(rate / chance) + missed)


def combined(log_bounds: Sequence[float]) -> float:
    """The logarithm of the bound that several independent signs have together."""
    product = -sum(log_bounds)
    if product <= 0:
        return 0.0
    terms = sum(product**place / math.factorial(place) for place in range(len(log_bounds)))
    return min(0.0, math.log(terms) - product)


def digits_sign(marker: Marker, rows: Iterable[Located]) -> Sign:
    """Whether the digits behind the seconds are this source's, as far as they were not cut off."""
    seen = {
        (row.subject, instant.second % SLOT_S, instant.digits[:DIGITS])
        for row in rows for instant in row.instants if instant.digits.strip("0")
    }  # fmt: skip
    expected = {place: marker.digits(*place) for place in {(subject, slot) for subject, slot, _ in seen}}
    tried = [_cut_to(kept, seen, expected) for kept in range(DIGITS, 0, -1)]
    best = min(tried, key=lambda sign: sign.log_bound)
    # Three looks at the same digits are three chances to be wrong.
    log_bound = min(0.0, best.log_bound + math.log(len(tried)))
    return Sign(Kind.DIGITS, best.hits, best.trials, best.chance, log_bound)


def _cut_to(kept: int, seen: Iterable[tuple[str, int, str]], expected: Mapping[tuple[str, int], str]) -> Sign:
    """The sign of the first digits alone; who trembles a little, or cuts, leaves those."""
    found = {(subject, slot, digits[:kept]) for subject, slot, digits in seen if len(digits) >= kept}
    hits = sum(expected[subject, slot].startswith(digits) for subject, slot, digits in found)
    chance = 10 ** (DIGITS - kept) / MARKS
    return Sign(Kind.DIGITS, hits, len(found), chance, tail_bound(hits, len(found), chance))


def order_sign(marker: Marker, rows: Iterable[Located]) -> Sign:
    """Whether the rows stand in this source's order, four by four."""
    places = [marker.place(subject) for subject in dict.fromkeys(row.subject for row in rows)]
    blocks = [places[first : first + BLOCK_ROWS] for first in range(0, len(places) - BLOCK_ROWS + 1, BLOCK_ROWS)]
    hits = sum(block == sorted(block) for block in blocks)
    chance = 1 / math.factorial(BLOCK_ROWS)
    return Sign(Kind.ORDER, hits, len(blocks), chance, tail_bound(hits, len(blocks), chance))


class Trial(NamedTuple):
    """A row that is about nobody here and may be a canary; `place` tells two such rows apart."""

    place: str
    shown: Shown
    chance: float


def canary_trials(strangers: Iterable[Shown], numbers: Numbers) -> list[Trial]:
    """The rows that any source's canaries might be, among all that are about nobody here."""
    tried = {_name_of(shown): shown for shown in strangers}
    trials = (Trial(place, shown, chance_of(shown, numbers)) for place, shown in tried.items())
    return [trial for trial in trials if trial.chance > 0]


def canary_sign(canaries: Mapping[str, Canary], trials: Sequence[Trial]) -> Sign:
    """How many of these rows are canaries of this source, which come by what it calls them."""
    by_place: dict[str, list[str]] = {}
    for called, canary in canaries.items():
        for place in (called, masked_number(canary.number)):
            by_place.setdefault(place, []).append(called)
    hits = sum(
        any(shows(canaries[called], trial.shown, called=called) for called in by_place.get(trial.place, ()))
        for trial in trials
    )
    chance = min(1.0, len(canaries) * sum(trial.chance for trial in trials) / len(trials)) if trials else 0.0
    return Sign(Kind.CANARIES, hits, len(trials), chance, tail_bound(hits, len(trials), chance))


def _name_of(shown: Shown) -> str:
    """What tells two rows of strangers apart; whole and masked, a number is still one."""
    if shown.subject or "*" in shown.number:
        return shown.subject or shown.number
    return masked_number(shown.number) if shown.number else ""


def pseudonyms_sign(
    given: Iterable[tuple[str, str]], recipient: str, seen: frozenset[str], siblings: Sequence[frozenset[str]]
) -> Sign:
    """How many rows show the pseudonyms that only this recipient was given, of people in this export.

    `given` are the recipient and the subject behind each row's pseudonym. Of several exports to one recipient these do
    not tell which it was, so whoever stands in one of the `siblings` too is no trial.
    """
    told = [(to, subject) for to, subject in given if not any(subject in other for other in siblings)]
    hits = sum(to == recipient and subject in seen for to, subject in told)
    log_bound = tail_bound(hits, len(told), _PSEUDONYM_CHANCE)
    return Sign(Kind.PSEUDONYMS, hits, len(told), _PSEUDONYM_CHANCE, log_bound)


def coverage_sign(hits: int, trials: int, *, by_accident: float, explanations: Iterable[tuple[float, float]]) -> Sign:
    """How well a source has seen those who were leaked, against everybody else who may have been the source.

    An explanation is another set of people. It gives a share of the leaked, each of whom the source has seen as often
    as it has seen that set (the second number); the rest come from all people of the platform, `by_accident`.
    """
    chance = by_accident
    for given, seen in explanations:
        chance = max(chance, given * seen + (1 - given) * by_accident)
    return Sign(Kind.COVERAGE, hits, trials, chance, tail_bound(hits, trials, min(1.0, chance)))
