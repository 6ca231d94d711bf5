"""Which features of an attempt are saturated, for the few attempts where any may be.

The written code only notices that some stream has more rows than the smallest cap, or that keys were given up; what
that means for each feature is worked out here, slowly and by the book.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from suyuan.risk.catalogue import Catalogue
from suyuan.risk.finalise import COMPARES_OWN
from suyuan.risk.online.compiled import NONE_LOST, State, States
from suyuan.risk.online.plan import Kind, Placed, Stream
from suyuan.risk.row import COLUMNS, Row


class _Feature(NamedTuple):
    place: int
    cursor: str
    window: int
    cap: int
    over: int | None  # What it says where it is saturated.
    own: int | None  # The column that it compares, by its place in a row.


class _Stream(NamedTuple):
    instants: str
    cap_min: int
    features: tuple[_Feature, ...]


class Saturation:
    """Knows the caps of a catalogue."""

    def __init__(self, catalogue: Catalogue, kinds: Sequence[Kind]) -> None:
        self._kinds = [tuple(_stream(stream) for stream in kind.streams) for kind in kinds]
        self._shares = [
            (place, catalogue.place(spec.of[0]), catalogue.place(spec.of[1]))
            for place, spec in enumerate(catalogue.features)
            if spec.aggregate == "share"
        ]

    def apply(self, values: list[int | None], states: States, over: int, row: Row) -> tuple[int, ...]:
        """Puts right what is saturated among the features of the kinds whose bits are set; returns their places."""
        places: set[int] = set()
        while over:
            number = over.bit_length() - 1
            over ^= 1 << number
            for feature in self._saturated(number, states[number], row):
                values[feature.place] = feature.over
                places.add(feature.place)
        for place, one, other in self._shares:
            if one in places or other in places:
                values[place] = None
                places.add(place)
        return tuple(sorted(places))

    def _saturated(self, number: int, state: State | None, row: Row) -> Iterator[_Feature]:
        assert state is not None, "only keys that are known have a state"
        for stream in self._kinds[number]:
            size = len(getattr(state, stream.instants))
            for feature in stream.features if size > stream.cap_min or state.lost != NONE_LOST else ():
                held = size - getattr(state, feature.cursor) if size else 0
                is_over = held > feature.cap or state.lost >= row.at - feature.window
                if is_over and (feature.own is None or row[feature.own] is not None):
                    yield feature


def _stream(stream: Stream) -> _Stream:
    features = tuple(_feature(stream, each) for each in stream.features)
    return _Stream(f"a{stream.number}", stream.cap_min, features)


def _feature(stream: Stream, each: Placed) -> _Feature:
    spec = each.spec
    return _Feature(
        place=each.place,
        cursor=f"w{stream.number}_{stream.windows.index(each.window)}",
        window=each.window,
        cap=spec.cap,
        over=spec.cap if spec.aggregate == "count" else None,
        own=COLUMNS.index(spec.value) if spec.aggregate in COMPARES_OWN else None,
    )
