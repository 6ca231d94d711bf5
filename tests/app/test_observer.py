"""The observer: what it writes down, what it computes again, what it says of it, and the rings that it publishes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from suyuan.app import line as line_process
from suyuan.app.appliers import ANSWERS
from suyuan.app.line import Front, run_line
from suyuan.app.observer import METRICS, REPORT_S, SNAPSHOT_S, Observer
from suyuan.base import db
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.config import Settings
from suyuan.flows.keep_house import Released, ReleaseHolds
from suyuan.history.decision_events import DecisionsChecked, GraphPublished
from suyuan.history.frames import LineCaller
from suyuan.history.store import replay
from suyuan.risk.tail import SNAPSHOT
from tests.flows.decisions import decided, kinds, sell, taken
from tests.flows.house import House, insert, open_house, seller


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as house:
        yield house


class NewestLine:
    """The line that the house has now, whichever that is."""

    def __init__(self, house: House) -> None:
        self._house = house

    def submit(self, command: msgspec.Struct) -> asyncio.Future[msgspec.Struct]:
        return self._house.line.submit(command)


@pytest.fixture
def observer(house: House, tmp_path: Path) -> Iterator[Observer]:
    """One that computes every decision again."""
    with db.connect(house.url, autocommit=True) as connection:
        yield Observer(connection, NewestLine(house), tmp_path, house.clock, one_in=1)


def told(house: House, kind: type[Any]) -> list[Any]:
    with db.connect(house.url, autocommit=True) as connection:
        return [event for _, _, event in replay(connection) if isinstance(event, kind)]


def metric(folder: Path, name: str) -> float:
    lines = (folder / METRICS).read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith((f"{name} ", f"{name}_total ")))


def test_every_decision_comes_to_the_same_and_once_a_day_that_is_said(
    house: House, observer: Observer, tmp_path: Path
) -> None:
    for number in range(6):
        sell(house, number % 5)
        house.clock.advance(600)
    house.run(observer.round())
    assert (observer.checking.checked, observer.checking.differing) == (5, [])
    assert told(house, DecisionsChecked) == []
    house.clock.advance(REPORT_S)
    house.run(observer.round())
    (said,) = told(house, DecisionsChecked)
    assert (said.from_seq, said.checked, said.differing) == (0, 5, 0)
    assert metric(tmp_path, "suyuan_decisions_checked") == 5
    assert metric(tmp_path, "suyuan_decisions_differing") == 0
    house.run(observer.round())
    assert len(told(house, DecisionsChecked)) == 1


def test_a_decision_that_history_does_not_bear_out_is_an_alarm_at_once(
    house: House, observer: Observer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has altered what was stored: it is named in the log, in history and in the metrics."""
    answer = taken(house)
    (event,) = decided(house)
    body = msgspec.json.encode(msgspec.structs.replace(event, score=77), order="sorted")
    house.rows("UPDATE event SET body = %s WHERE seq = 1 RETURNING seq", body)
    house.run(observer.round())
    (said,) = told(house, DecisionsChecked)
    assert (said.checked, said.differing) == (1, 1)
    assert metric(tmp_path, "suyuan_decisions_differing") == 1
    logged = capsys.readouterr().out
    assert "decision_differs" in logged
    assert answer.redemption in logged


def test_a_line_starts_from_what_the_observer_wrote_down(house: House, observer: Observer, tmp_path: Path) -> None:
    for number in range(4):
        taken(house, number)
    house.run(observer.round())
    assert not (tmp_path / SNAPSHOT).exists()
    house.clock.advance(SNAPSHOT_S)
    house.run(observer.round())
    assert (tmp_path / SNAPSHOT).stat().st_mode & 0o077 == 0
    taken(house, 9)
    house.snapshot = tmp_path / SNAPSHOT
    house.start_again()
    place = house.risk.windows.catalogue.names.index("seller_count_24h")
    taken(house, 10)
    assert decided(house)[-1].inputs.split(",")[place] == "5"


def test_rings_are_published_once_a_day_and_count_in_the_next_decision(house: House, observer: Observer) -> None:
    """Two sellers are paid on one account; the next decision about either sees a ring of two, after a restart too."""
    shared = msgspec.structs.replace(seller("slr_4", "ptn_1"), payee="index-of-slr_1")
    with db.connect(house.url, autocommit=True) as connection:
        insert(connection, "seller", shared)
    taken(house, 1)
    taken(house, 2, seller="slr_4")
    house.run(observer.round())
    (published,) = told(house, GraphPublished)
    assert published.members == 2
    place = len(house.risk.windows.catalogue.names) + 14
    for number in (3, 4):
        taken(house, number)
        event = decided(house)[-1]
        assert event.inputs.split(",")[place] == "2"
        assert event.graph == published.graph
        house.start_again()
    taken(house, 5, seller="slr_3")
    assert decided(house)[-1].inputs.split(",")[place] == ""
    house.run(observer.round())
    assert kinds(house).count("graph_published") == 1
    house.clock.advance(DAY_S)
    house.run(observer.round())
    assert kinds(house).count("graph_published") == 2


# --- the line's start ----------------------------------------------------------------------------


def test_until_the_line_remembers_it_says_that_it_is_starting(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives a sign of life all the while, so that no standby takes it for dead."""
    remember, gate = line_process._remember, threading.Event()

    def slowly(*arguments: Any) -> Any:
        gate.wait(20)
        return remember(*arguments)

    monkeypatch.setattr(line_process, "_remember", slowly)
    (tmp_path / "run").mkdir(mode=0o700)
    settings = Settings(data=tmp_path)

    async def story() -> list[Any]:
        serving = asyncio.create_task(run_line(settings, database))
        caller = LineCaller(settings.line_socket, ANSWERS)
        try:
            assert await caller.connect(within_s=20)
            said = [await caller.submit(ReleaseHolds(())), await caller.is_alive()]
            gate.set()
            async with asyncio.timeout(20):
                while isinstance(answer := await caller.submit(ReleaseHolds(())), Refusal):
                    assert answer.reason is Reason.platform_is_starting
                    await asyncio.sleep(0.02)
            return [*said, answer]
        finally:
            gate.set()
            caller.close()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    assert asyncio.run(story()) == [Refusal(Reason.platform_is_starting), True, Released(0, 0)]


def test_a_front_without_a_line_changes_nothing() -> None:
    async def ask() -> Any:
        return await Front().submit(ReleaseHolds(()))

    assert asyncio.run(ask()) == Refusal(Reason.platform_is_starting)
