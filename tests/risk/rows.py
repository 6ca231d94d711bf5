"""Rows for tests: few keys, so that everything meets; instants that stand exactly on the edges of windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple, get_args

from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.features import Aggregate, Condition, FeatureSpec
from suyuan.risk.row import ATTEMPT, BAD, FORGED, Row

AT = 1_800_000_000_000_000
WINDOWS_S = (1, 3)
LAGS_S = (0, 1, 2)
FILTERS: tuple[tuple[Condition, ...], ...] = (
    (Condition("kind", "eq", ATTEMPT),),
    (Condition("kind", "eq", ATTEMPT), Condition("taken", "eq", 0)),
    (Condition("kind", "eq", BAD),),
    (Condition("kind", "ge", BAD), Condition("hour", "le", 5)),
    (Condition("face_fen", "ne", 3),),
    (),
)
KEYS: tuple[tuple[str, ...], ...] = (("seller",), ("device",), ("seller", "device"), ("key",))
CAPS = (2_048, 2, 4)
_AMOUNT: frozenset[Aggregate] = frozenset({"sum", "sum_squares", "min", "max", "last", "mean", "spread", "ratio"})
_ANYTHING: frozenset[Aggregate] = frozenset({"distinct", "new", "same"})

SMALL = st.sampled_from([0, 0, 0, 0, 1, 1, 2, None])


class Aim(NamedTuple):
    """When the next row comes: so much after one of the last rows, which puts that one on the edge of a window."""

    back: int
    edge_s: int
    off: int

    def at(self, rows: Sequence[Row], now: int) -> int:
        """The instant aimed at, or the next micros where that is over."""
        aimed = rows[-self.back].at + self.edge_s * SECOND + self.off if self.back <= len(rows) else 0
        return max(aimed, now + 2 + self.off)


AIMS = st.builds(Aim, st.integers(1, 12), st.sampled_from([0, 0, 0, 1, 2, 3]), st.sampled_from([-1, 0, 0, 1]))


def every_aggregate(*, features: int = 200, caps: Sequence[int] = CAPS) -> Catalogue:
    """A catalogue with each aggregate under many windows, lags, filters, keys and caps, and shares of some.

    By chance, always the same: any two cycles would meet in some of their pairs and never in the others.
    """
    specs: list[FeatureSpec] = []
    pick = Random(1).choice
    while len(specs) < features - 4:
        for aggregate in get_args(Aggregate):
            if aggregate == "share":
                continue
            value = pick(("face_fen", "face_fen", "paid")) if aggregate in _AMOUNT else ""
            value = pick(("payee", "face_fen", "prefix")) if aggregate in _ANYTHING else value
            window_s = pick(WINDOWS_S)
            lag_s = pick([lag_s for lag_s in LAGS_S if lag_s < window_s])
            specs.append(
                FeatureSpec(
                    name=f"f{len(specs)}", zh="特征", en="feature", aggregate=aggregate, key=pick(KEYS), value=value,
                    window_s=window_s, lag_s=lag_s, where=pick(FILTERS), cap=pick(caps),
                )
            )  # fmt: skip
    for number, (one, other) in enumerate([(0, 13), (1, 14), (13, 27), (6, 40)]):
        specs.append(
            FeatureSpec(
                name=f"s{number}", zh="比例", en="share", aggregate="share", of=(f"f{one}", f"f{other}"),
                empty=None if number % 2 else -1,
            )
        )  # fmt: skip
    return Catalogue(tuple(specs))


_FACES = [None, 0, 1, 2, 3, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2**62]
_ROW_KINDS = [ATTEMPT] * 6 + [BAD, BAD, *range(3, FORGED + 1)]


@st.composite
def facts(draw: st.DrawFn) -> Row:
    """A row without its place in history."""
    return Row(
        0, 0, draw(st.sampled_from(_ROW_KINDS)),
        seller=draw(SMALL), device=draw(SMALL), key=draw(st.sampled_from([1, 1, 1, None])), prefix=draw(SMALL),
        payee=draw(SMALL), face_fen=draw(st.sampled_from(_FACES)), paid=draw(SMALL),
        hour=draw(st.sampled_from([None, 0, 5, 6, 23])), taken=draw(st.sampled_from([0, 1, None])),
    )  # fmt: skip


def crowd(seed: int, length: int) -> Iterator[tuple[Aim, Row]]:
    """A long story of the same kind: few keys, and instants on edges."""
    chance = Random(seed)
    small = [0, 0, 0, 0, 1, 1, 2, None]
    for _ in range(length):
        pick = chance.choice
        row = Row(
            0, 0, pick(_ROW_KINDS),
            seller=pick(small), device=pick(small), key=pick([1, 1, 1, None]), prefix=pick(small), payee=pick(small),
            face_fen=pick(_FACES), paid=pick(small), hour=pick([None, 0, 5, 6, 23]), taken=pick([0, 1, None]),
        )  # fmt: skip
        yield Aim(chance.randint(1, 12), pick([0, 0, 0, 0, 1, 2, 3]), pick([-1, 0, 0, 1])), row
