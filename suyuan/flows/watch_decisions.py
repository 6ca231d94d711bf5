"""Beside the line, somebody follows history and looks whether decisions are what they say they are.

The observer (`app.observer`) has windows of its own, made of history alone, and

1. computes one decision in `ONE_IN` again, before its row is in: the features from history, then the decision from what
   is stored; what differs is an alarm, since then a backtest would not be what happens;
2. writes the windows down now and then, so that a line that starts has little to read;
3. computes the rings of sellers once a day, and publishes their signals for decisions to come.

What it found of a stretch of history is an event too (`decisions_checked`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import structlog

from suyuan.base.crypto import sha256
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.replay_decision import Outcome, Texts, compute_again, measure
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import DecisionMade, DecisionsChecked, GraphPublished
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.store import Recorded
from suyuan.risk.deployed import GRAPH
from suyuan.risk.online.windows import Windows
from suyuan.risk.rings_kept import MEMBERS_MAX
from suyuan.risk.row import Row

ONE_IN = 100

log = structlog.get_logger()


class PublishGraph(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to decide by these signals from now on; `as_of` is the instant up to which they know history."""

    graph: str
    as_of: int
    members: tuple[tuple[int, int, int, int], ...]


class GraphStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """These signals count."""

    graph: str


class RecordChecks(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep what was found of the decisions from one place in history up to another."""

    from_seq: int
    to_seq: int
    checked: int
    differing: int


class ChecksRecorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It stands in history."""

    to_seq: int


@dataclass(slots=True)
class Checking:
    """What was found since it was last recorded."""

    windows: Windows
    texts: Texts
    from_seq: int
    one_in: int = ONE_IN
    checked: int = 0
    differing: list[str] = field(default_factory=list)

    def look(self, recorded: Recorded, row: Row) -> None:
        """Computes a decision again if it is one of those; the windows must have seen all before it and not it."""
        event = recorded.event
        assert isinstance(event, DecisionMade), "only decisions are looked at"
        if not is_looked_at(event.redemption, self.one_in):
            return
        again = compute_again(event, self.texts, measure(self.windows, row))
        if again.outcome not in (Outcome.SAME, Outcome.DIFFERS):
            return
        self.checked += 1
        if again.outcome is Outcome.DIFFERS:
            where = [difference.what for difference in again.where]
            self.differing.append(event.redemption)
            log.error("decision_differs", redemption=event.redemption, where=where)

    def command(self, to_seq: int) -> RecordChecks:
        """What to record of everything up to here."""
        return RecordChecks(self.from_seq, to_seq, self.checked, len(self.differing))

    def begin_again(self, from_seq: int) -> None:
        """After it was recorded."""
        self.from_seq, self.checked = from_seq, 0
        self.differing.clear()


def is_looked_at(redemption: str, one_in: int) -> bool:
    """Whether this is one of those that are computed again; nobody can tell before, and it is always the same ones."""
    return int.from_bytes(sha256(redemption.encode())[:4]) % one_in == 0


# --- in the line ---------------------------------------------------------------------------------


def want_graph(shelves: Shelves, command: PublishGraph, now: int) -> bool:
    """Which rows are needed."""
    shelves.risk.deployments.want(GRAPH)
    return True


def publish(shelves: Shelves, command: PublishGraph, turn: Turn) -> Decided:
    """Lets other signals count. The same ones again change nothing."""
    if len(command.members) > MEMBERS_MAX or command.as_of > turn.at:
        return Decided(Refusal(Reason.field_is_out_of_range, "members"))
    if shelves.risk.deployed(GRAPH) == command.graph:
        return Decided(GraphStands(command.graph))
    shelves.risk.publish_graph(command.graph, command.members, seq=turn.seq, at=turn.at)
    event = GraphPublished(command.graph, command.as_of, len(command.members))
    return Decided(GraphStands(command.graph), (event,))


def want_nothing(shelves: Shelves, command: RecordChecks, now: int) -> bool:
    """What is only told needs no rows."""
    return True


def record(shelves: Shelves, command: RecordChecks, turn: Turn) -> Decided:
    """Keeps what was found."""
    if not 0 <= command.from_seq <= command.to_seq <= turn.seq or command.differing > command.checked:
        return Decided(Refusal(Reason.field_is_out_of_range, "to_seq"))
    event = DecisionsChecked(command.from_seq, command.to_seq, command.checked, command.differing)
    return Decided(ChecksRecorded(command.to_seq), (event,))


APPLIERS: dict[type, Applier] = {
    PublishGraph: Applier(want_graph, publish),
    RecordChecks: Applier(want_nothing, record),
}
