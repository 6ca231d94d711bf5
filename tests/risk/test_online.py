"""The windows of the line against the slow, obvious executor."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online import compiled
from suyuan.risk.online.snapshot import open_snapshot, write_snapshot
from suyuan.risk.online.states import Bounds
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, Row
from tests.risk.naive import measure
from tests.risk.rows import AIMS, AT, WINDOWS_S, Aim, crowd, every_aggregate, facts

CATALOGUE = every_aggregate()
# So few that states are packed and opened again all the time.
INSTANTS = "a0"  # The slot of a state in which its first stream has the instants of its rows.
NARROW = Bounds(open_max=3)

Act = Literal["settle", "forget", "restart"]
Step = tuple[Aim, Row] | Act
STEPS = st.lists(
    st.tuples(AIMS, facts()) | st.tuples(AIMS, facts()) | st.sampled_from(["settle", "settle", "forget", "restart"]),
    min_size=1,
    max_size=40,
)


class Story:
    """Windows and the list of rows that they must be equal to, after each step."""

    def __init__(self, catalogue: Catalogue, bounds: Bounds) -> None:
        self.catalogue, self.bounds = catalogue, bounds
        self.windows = Windows(catalogue, bounds)
        self.rows: list[Row] = []
        self.settled: list[Row] = []
        self.at = AT

    def take(self, step: Step) -> None:
        match step:
            case "settle":
                self.windows.settle()
                self.settled = list(self.rows)
            case "forget":
                self.windows.forget()
                self.rows = list(self.settled)
                # What did not happen has taken no time: the next row may come before those that were forgotten.
                self.at = self.rows[-1].at if self.rows else AT
            case "restart":
                self.take("settle")
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / "windows"
                    write_snapshot(self.windows, file)
                    self.windows = open_snapshot(file, self.catalogue, self.bounds)
            case aim, row:
                self.at = aim.at(self.rows, self.at)
                self.append(row._replace(at=self.at, seq=len(self.rows)))

    def append(self, row: Row) -> None:
        if row.kind == ATTEMPT:
            looked_at = [before for before in self.rows if before.at >= row.at - WINDOWS_S[-1] * SECOND]
            expected = measure(self.catalogue, looked_at, row)
            values = self.windows.measure(row)
            assert dict(zip(self.catalogue.names, values, strict=True)) == dict(
                zip(self.catalogue.names, expected.values, strict=True)
            )
            assert list(self.windows.saturated) == expected.saturated
        self.windows.append(row)
        self.rows.append(row)


@settings(max_examples=30)
@given(STEPS)
def test_the_line_says_what_the_rows_say(steps: list[Step]) -> None:
    """Whatever is settled, forgotten, packed or restarted in between."""
    story = Story(CATALOGUE, NARROW)
    for step in steps:
        story.take(step)


@pytest.mark.parametrize("open_max", [1, 8, 1_000])
def test_the_line_says_what_the_rows_say_in_a_crowd(open_max: int) -> None:
    story = Story(CATALOGUE, Bounds(open_max=open_max))
    for step in with_acts(open_max, length=400):
        story.take(step)


@pytest.mark.nightly
@settings(max_examples=3_000, deadline=None)
@given(STEPS, st.sampled_from([1, 3, 1_000]))
def test_the_line_says_what_the_rows_say_in_many_stories(steps: list[Step], open_max: int) -> None:
    story = Story(CATALOGUE, Bounds(open_max=open_max))
    for step in steps:
        story.take(step)


@pytest.mark.nightly
def test_the_line_says_what_the_rows_say_in_large_crowds() -> None:
    for seed in range(10, 30):
        story = Story(CATALOGUE, Bounds(open_max=seed))
        for step in with_acts(seed, length=3_000):
            story.take(step)


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_nobody_asks_for_are_cut_off_and_missed_by_nobody(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small caps alone, and cut as soon as anything can be."""
    monkeypatch.setattr(compiled, "LEFT_MIN", 1)
    story = Story(every_aggregate(caps=(1, 3, 2)), NARROW)
    for step in with_acts(seed, length=400):
        story.take(step)


def test_a_burst_says_that_it_is_saturated_and_takes_no_more_memory() -> None:
    """A thousand attempts of one seller in a second, in commits of fifty, and what comes after they are over."""
    story = Story(every_aggregate(caps=(3, 2, 4)), Bounds())
    burst = Row(0, 0, ATTEMPT, seller=1, device=1, key=1, face_fen=5, paid=4, payee=1, prefix=1, hour=1, taken=0)
    for number in range(1_000):
        story.windows.append(burst._replace(seq=number, at=AT + number))
        story.rows.append(burst._replace(seq=number, at=AT + number))
        if number % 50 == 49:
            story.windows.measure(burst._replace(at=AT + number + 1))
            story.take("settle")
    story.at = AT + 999
    states = story.windows.states
    assert sum(len(getattr(state, INSTANTS)) for state in states.open[0].values()) < 150
    for aim in (Aim(1, 0, 0), Aim(1, 0, 0), Aim(1, 1, 0), Aim(5, 1, 1), Aim(2, 3, 0), Aim(1, 3, 1)):
        story.take((aim, burst))


def with_acts(seed: int, *, length: int) -> Iterator[Step]:
    """A crowd that is settled often, and now and then forgotten or restarted."""
    chance = Random(seed)
    acts: list[Act] = ["settle", "settle", "settle", "forget", "restart"]
    for aim, row in crowd(seed, length):
        yield aim, row
        if chance.random() < 0.2:
            yield chance.choice(acts)
