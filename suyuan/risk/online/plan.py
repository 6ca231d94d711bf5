"""What a catalogue asks to be kept, worked out once: for each key its streams, for each stream its columns and cursors.

A *kind* is a key of the catalogue, such as `(seller,)` or `(payee, device)`. A *stream* of a kind is a filter: the rows
that pass it are kept for each key by themselves, because each filter has its own bound. Features of one stream share
its columns, and those of one window its cursor; so what a row costs depends on the streams and columns that there are,
hardly on the number of features.

>>> from suyuan.risk.catalogue import load_catalogue
>>> kinds = plan_of(load_catalogue())
>>> kinds[0].columns, kinds[0].streams[0].is_every_attempt, kinds[0].streams[0].windows[0] // SECOND
(('seller',), True, 600)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from suyuan.base.clock import SECOND
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.features import Aggregate, Condition, FeatureSpec
from suyuan.risk.row import ATTEMPT

_SUMMED: frozenset[Aggregate] = frozenset({"sum", "mean", "spread", "ratio"})
_SQUARED: frozenset[Aggregate] = frozenset({"sum_squares", "spread"})
_COUNTED: frozenset[Aggregate] = frozenset({"mean", "spread", "ratio"})
_PLACED: frozenset[Aggregate] = frozenset({"distinct", "new"})
_PLAIN: frozenset[Aggregate] = frozenset({"distinct", "same", "min", "max", "last"})
_PLAIN_WITH_LAG = _PLAIN | {"new"}


@dataclass(frozen=True)
class Placed:
    """A feature, and where it stands in the catalogue; its times in micros."""

    place: int
    spec: FeatureSpec

    @property
    def window(self) -> int:
        """How far it looks back."""
        return self.spec.window_s * SECOND

    @property
    def lag(self) -> int:
        """How far it stays away from the present; 0 where it looks at everything before."""
        return self.spec.lag_s * SECOND


@dataclass(frozen=True)
class Stream:
    """The rows of a key that pass one filter, and what features ask of them."""

    number: int
    where: tuple[Condition, ...]
    features: tuple[Placed, ...]

    @property
    def is_every_attempt(self) -> bool:
        """Whether each attempt is in it: then it is never empty for long, and made with its key."""
        return self.where == (Condition("kind", "eq", ATTEMPT),)

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """All windows, the shortest first."""
        return tuple(sorted({each.window for each in self.features}))

    @cached_property
    def lags(self) -> tuple[int, ...]:
        """All lags but none."""
        return tuple(sorted({each.lag for each in self.features if each.lag}))

    @property
    def span(self) -> int:
        """The shortest time after which a new row can change anything by itself."""
        return min((*self.windows, *(lag - 1 for lag in self.lags)))

    @property
    def cap_min(self) -> int:
        """With no more rows than this, nothing is saturated."""
        return min(each.spec.cap for each in self.features)

    @property
    def keep(self) -> int:
        """With so many newest rows everything can be told, be it that it is saturated."""
        return max(each.spec.cap for each in self.features) + 1

    @property
    def too_long(self) -> int:
        """With more rows than this, somebody should cut them off, whether anything is measured or not."""
        return 2 * self.keep + 64

    @cached_property
    def summed(self) -> tuple[str, ...]:
        """Columns whose sums are asked for."""
        return self._columns_of(_SUMMED)

    @cached_property
    def squared(self) -> tuple[str, ...]:
        """Columns whose sums of squares are asked for."""
        return self._columns_of(_SQUARED)

    @cached_property
    def counted(self) -> tuple[str, ...]:
        """Columns of which must be known in how many rows they have a value."""
        return self._columns_of(_COUNTED)

    @cached_property
    def latest(self) -> tuple[str, ...]:
        """Columns whose newest value is asked for."""
        return self._columns_of(frozenset({"last"}), without_lag=True)

    @cached_property
    def placed(self) -> dict[str, int]:
        """Columns of which must be known when each value came last, and for how long."""
        return self._longest(each for each in self.features if each.spec.aggregate in _PLACED and not each.lag)

    @cached_property
    def plain(self) -> dict[str, int]:
        """Columns of which each row's value is kept as it came, and for how long; of others it is not needed."""
        asked = (each for each in self.features if each.spec.aggregate in (_PLAIN_WITH_LAG if each.lag else _PLAIN))
        return self._longest(asked)

    def window_number(self, window: int) -> int:
        """The place of a window among all."""
        return self.windows.index(window)

    def at_windows(self, aggregate: Aggregate) -> tuple[tuple[str, int], ...]:
        """Column and window of each feature of an aggregate without a lag."""
        found = [
            (each.spec.value, each.window)
            for each in self.features
            if each.spec.aggregate == aggregate and not each.lag
        ]
        return tuple(dict.fromkeys(found))

    @staticmethod
    def _longest(features: Iterable[Placed]) -> dict[str, int]:
        longest: dict[str, int] = {}
        for each in features:
            longest[each.spec.value] = max(each.window, longest.get(each.spec.value, 0))
        return longest

    def _columns_of(self, aggregates: frozenset[Aggregate], *, without_lag: bool = False) -> tuple[str, ...]:
        found = [
            each.spec.value
            for each in self.features
            if each.spec.aggregate in aggregates and not (without_lag and each.lag)
        ]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Kind:
    """A key, and its streams."""

    number: int
    columns: tuple[str, ...]
    streams: tuple[Stream, ...]

    @property
    def features(self) -> Iterator[Placed]:
        """All features of this key."""
        return (each for stream in self.streams for each in stream.features)


def plan_of(catalogue: Catalogue) -> tuple[Kind, ...]:
    """The kinds of a catalogue, in the order in which it names them."""
    asked: dict[tuple[str, ...], dict[tuple[Condition, ...], list[Placed]]] = {}
    for place, spec in enumerate(catalogue.features):
        if spec.aggregate != "share":
            asked.setdefault(spec.key, {}).setdefault(spec.where, []).append(Placed(place, spec))
    return tuple(
        Kind(number, key, tuple(Stream(j, where, tuple(each)) for j, (where, each) in enumerate(streams.items())))
        for number, (key, streams) in enumerate(asked.items())
    )
