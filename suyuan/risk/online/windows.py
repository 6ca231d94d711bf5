"""The windows of the line: features of an attempt in microseconds, and memory that has a bound.

The line measures an attempt, decides, and appends the row that the decision became; after the commit it calls `settle`,
after a failed one `forget`, and all is exactly as at the last `settle`. Invariants:

1. `measure` says what `risk.features` defines over all rows that were appended, whatever was measured before.
2. Rows come in the order of history. An attempt is measured at the very instant that its row will have: the features
   of a decision are those of its row, so that everybody can compute them again.
3. What an unsettled row, or a later instant, would make obsolete is kept until it is settled.
4. Open states, keys and rows of a key are bounded (`Bounds`, `states`). A key that is given up for want of room is
   missed honestly: until their windows have passed, features of any key of its kind that is not in memory are
   saturated.

>>> from suyuan.risk.catalogue import load_catalogue
>>> windows = Windows(load_catalogue())
>>> count = windows.catalogue.place("seller_count_1h")
>>> first = Row(seq=0, at=1_000_000, kind=ATTEMPT, seller=7, face_fen=50_00, taken=1)
>>> windows.measure(first)[count]
0
>>> windows.append(first)
>>> windows.settle()
>>> windows.measure(first._replace(seq=1, at=2_000_000))[count]
1
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online.compiled import NONE_LOST, Key
from suyuan.risk.online.compiled import States as Touched
from suyuan.risk.online.saturation import Saturation
from suyuan.risk.online.states import Bounds, Kept, NothingKept, States
from suyuan.risk.row import ATTEMPT, COLUMNS, KEYS, Row

_KEYS = slice(COLUMNS.index(KEYS[0]), COLUMNS.index(KEYS[-1]) + 1)


class Position(NamedTuple):
    """A place in history: what comes next, and the instant of the last row."""

    next_seq: int
    at: int


BEGINNING = Position(0, -1)


class Windows:
    """All windows of a catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value, the same for everybody
        *,
        kept: Kept | None = None,
        settled: Position = BEGINNING,
        lost: list[int] | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.saturated: tuple[int, ...] = ()
        self.settled = settled
        self.states = States(catalogue, bounds, NothingKept() if kept is None else kept, lost)
        self.states.settle(settled.at)
        self._code = self.states.code
        self._measure = self._code.measure
        self._append_attempt = self._code.append_attempt
        self._saturation = Saturation(catalogue, self._code.kinds)
        self._now = settled
        self._least_at = settled.at + 1
        self._unsettled: list[Row] = []
        self._measured: tuple[Row, Touched] | None = None
        self._is_short = self.states.is_short

    @property
    def next_seq(self) -> int:
        """The place in history from which on rows are still to be appended."""
        return self._now.next_seq

    @property
    def is_settled(self) -> bool:
        """Whether nothing has happened since the last `settle`."""
        return not self._unsettled and self._now == self.settled

    def measure(self, row: Row) -> list[int | None]:
        """The features of an attempt that is not appended yet; `saturated` then has the places of those that are."""
        assert row.at >= self._least_at, "an attempt is measured at an instant after every row, in the order of time"
        values, touched, over = self._measure(row)
        self._least_at = row.at
        self._measured = row, touched
        self._unsettled.append(row)
        self.saturated = ()
        if self._is_short:
            over |= sum(1 << place for place, state in enumerate(touched) if state and state.lost != NONE_LOST)
        if over:
            self.saturated = self._saturation.apply(values, touched, over, row)
        return values

    def append(self, row: Row) -> None:
        """Takes a row in, at once if it is the attempt that was just measured."""
        assert row.at >= self._least_at, "rows are appended in the order of history"
        self._least_at = row.at + 1
        self._now = Position(row.seq + 1, row.at)
        self._unsettled.append(row)
        if row.kind != ATTEMPT:
            self._code.append[row.kind](row)
            return
        measured = self._measured
        if measured is None or measured[0][_KEYS] != row[_KEYS]:
            self._append_attempt(row, self._code.touch(row))
            return
        # A micro between the two would be a second in some gap, and a decision that nobody can compute again.
        assert measured[0].at == row.at, "an attempt is measured at the instant of its decision's event"
        self._measured = None
        self._append_attempt(row, measured[1])

    def pass_by(self, next_seq: int) -> None:
        """Says that history was seen up to here, where its newest events come to no rows."""
        assert next_seq >= self._now.next_seq, "history is not read backwards"
        self._now = Position(next_seq, self._now.at)

    def settle(self) -> None:
        """What happened since the last time is committed."""
        self.settled = self._now
        self._least_at = self._now.at + 1
        self._unsettled.clear()
        self._measured = None
        self.states.settle(self._now.at)
        self._is_short = self.states.is_short

    def forget(self) -> None:
        """What happened since the last time did not happen."""
        self.states.put_back({touched for row in self._unsettled for touched in self._keys_of(row)})
        self._unsettled.clear()
        self._measured = None
        self._now = self.settled
        self._least_at = self._now.at + 1

    def _keys_of(self, row: Row) -> Iterator[tuple[int, Key]]:
        for kind in self._code.kinds:
            parts: list[int | None] = [row[COLUMNS.index(column)] for column in kind.columns]
            key = tuple(part for part in parts if part is not None)
            if len(key) == len(parts):
                yield kind.number, key[0] if len(key) == 1 else key
