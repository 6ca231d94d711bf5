"""Every executor of features behind one call, so that one list of laws holds for all; and the histories for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.faces.bench.executors import online
from suyuan.risk.batch import duck, kernels, replay
from suyuan.risk.batch.columns import from_rows
from suyuan.risk.batch.parts import Features, Measured, features_of
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.row import ATTEMPT, Row
from tests.risk import naive
from tests.risk.rows import AIMS, AT, LAGS_S, WINDOWS_S, Aim, every_aggregate, facts

Batch = Callable[..., Features]
BATCHES: dict[str, Batch] = {
    "replay": replay.measure,
    "replay-without-numba": partial(replay.measure, kernels=kernels.PLAIN),
    "duckdb": partial(duck.measure, threads=1),
}


@dataclass(frozen=True)
class Executor:
    """What measures all attempts of a history."""

    name: str
    measure: Callable[[list[Row], Catalogue], Features]

    def __str__(self) -> str:
        return self.name


def _on_columns(batch: Batch) -> Callable[[list[Row], Catalogue], Features]:
    return lambda rows, catalogue: batch(from_rows(rows), catalogue.features)


EXECUTORS = [Executor("online", online), *(Executor(name, _on_columns(batch)) for name, batch in BATCHES.items())]


def by_definition(rows: list[Row], catalogue: Catalogue) -> Features:
    """What every executor must come to."""
    measured = []
    for place, row in enumerate(rows):
        if row.kind == ATTEMPT:
            found = naive.measure(catalogue, rows[:place], row)
            measured.append(Measured(row.seq, found.values, found.saturated))
    return features_of(len(catalogue.features), measured)


# --- Histories --------------------------------------------------------------------------------------------------------


def laid_out(steps: Sequence[tuple[Aim, Row]]) -> list[Row]:
    """Rows at the instants that they aim at."""
    rows: list[Row] = []
    at = AT
    for place, (aim, row) in enumerate(steps):
        at = aim.at(rows, at)
        rows.append(row._replace(seq=place, at=at))
    return rows


HISTORIES = st.lists(st.tuples(AIMS, facts()), min_size=1, max_size=30).map(laid_out)


def some_aggregates(part: int, parts: int) -> Catalogue:
    """Every so many-th feature of the catalogue of every aggregate, with what its shares are of.

    An engine plans a query for longer than a short history takes to measure, so it is asked a part at a time.
    """
    every = every_aggregate().features
    wanted = {name for spec in every[part::parts] for name in (spec.name, *spec.of)}
    return Catalogue(tuple(spec for spec in every if spec.name in wanted))


def edges() -> list[Row]:
    """A few rows for each edge, each with keys of its own: one row, and another exactly so much later."""
    near = {edge_s * SECOND + off for edge_s in (*LAGS_S, *WINDOWS_S) for off in (-1, 0, 1, 2)}
    stories: list[tuple[int, ...]] = [(0, age) for age in sorted(near) if age > 0]
    # A value that comes again while it is still in the window; and a row that is carried on to the last micro.
    stories += [(0, SECOND // 2, SECOND)] + [(0, window_s * SECOND - 1, window_s * SECOND) for window_s in WINDOWS_S]
    moments = [(key, AT + key * 100 * SECOND + age) for key, story in enumerate(stories) for age in story]
    return [
        Row(
            seq,
            at,
            ATTEMPT,
            seller=key,
            device=key,
            key=key,
            prefix=key,
            payee=key,
            face_fen=1,
            paid=seq,
            taken=0,
            hour=1,
        )
        for seq, (key, at) in enumerate(moments)
    ]
