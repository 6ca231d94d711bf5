"""What decisions cost in the line: the same steps with a decision each and with none, in turns.

Without decisions the line does what it did before there were any: no features, no rules, no event and no row of a
decision. Everything else, such as limits, books and history, is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from suyuan.faces.bench.laboratory import Laboratory, laboratory
from suyuan.faces.bench.line_run import Measured, drive, run_line
from suyuan.faces.bench.traffic import Crowd, crowd_for, steps
from suyuan.flows.shelves import Shelves
from suyuan.flows.take_redemption import APPLIER, TakeRedemption
from suyuan.history.decision_events import DecisionMade
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.risk.decide import Engine
from suyuan.risk.decision import Action, Decision
from suyuan.risk.memory import DecidedAttempt, Risk
from suyuan.risk.row import Row
from suyuan.settle.limits import LimitRules

IN_FLIGHT = 256
TURNS = 3


class InLine(NamedTuple):
    """Steps a second, and CPU microseconds a step of the line's process; the middle one of the turns."""

    decisions_per_s: float
    cpu_us: float
    without_per_s: float
    cpu_us_without: float

    def fields(self) -> dict[str, float]:
        """What machines read."""
        return {
            "decisions_per_s_in_line": self.decisions_per_s,
            "step_cpu_us": self.cpu_us,
            "steps_per_s_without_decisions": self.without_per_s,
            "step_cpu_us_without_decisions": self.cpu_us_without,
        }


def decide_in_line(engine: Engine, step_count: int) -> InLine:
    """Measures so many steps a run."""
    crowd = crowd_for(step_count)
    with laboratory() as bench:
        bench.prepare(crowd)
        return in_turns(bench, crowd, step_count, engine)


def in_turns(bench: Laboratory, crowd: Crowd, step_count: int, engine: Engine | None = None) -> InLine:
    """The same in a laboratory that is there already; without an engine, by the policy that comes with suyuan."""
    deciding, bare = [], []
    for _ in range(TURNS):
        bare.append(_steps(bench, crowd, step_count, Undecided(), WITHOUT))
        deciding.append(_steps(bench, crowd, step_count, Risk(engine=engine), APPLIER))
    return InLine(*_middle(deciding), *_middle(bare))


def _steps(bench: Laboratory, crowd: Crowd, step_count: int, risk: Risk, taking: Applier) -> Measured:
    commands = list(steps(step_count, crowd, salt="decide"))
    with bench.fresh() as url:
        shelves = Shelves(LimitRules(), risk=risk)
        return drive(run_line(url, commands, step_count, in_flight=IN_FLIGHT, shelves=shelves, taking=taking))


def _middle(runs: Sequence[Measured]) -> tuple[float, float]:
    middle = sorted(runs, key=lambda one: one.steps_per_s)[len(runs) // 2]
    return round(middle.steps_per_s), round(middle.cpu_s / middle.steps * 1e6, 1)


class Undecided(Risk):
    """A memory that is never asked and hears nothing."""

    def decide(self, asked: DecisionMade, row: Row, facts: Sequence[int | None], *, at: int) -> DecidedAttempt:
        """Nobody looks."""
        return DecidedAttempt(_APPROVED, asked)

    def hear(self, seq: int, at: int, event: Fact) -> None:
        """Nobody listens."""


_APPROVED = Decision(Action.APPROVE, 0, 0, 100, "", ())


def _without_its_decision(shelves: Shelves, command: TakeRedemption, turn: Turn) -> Decided:
    decided = APPLIER.apply(shelves, command, turn)
    return decided._replace(events=tuple(event for event in decided.events if not isinstance(event, DecisionMade)))


WITHOUT = Applier(APPLIER.want, _without_its_decision)
