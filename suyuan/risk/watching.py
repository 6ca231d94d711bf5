"""What those who only watch would have done: a shadow policy, or a challenging model, beside what was decided.

Each decision keeps what a watcher would have said (`DecisionMade.shadow`). Compared is action by action: how many
attempts, of how much face value, and how many of these turned out bad since. So two officers can see before they
approve what a policy would refuse that was good, and catch that was not.

>>> report = Watched()
>>> report.add("policy", "p2", ("approve", "refuse"), 100_00)
>>> report.turned_out_bad([("policy", "p2", "approve", "refuse")], 100_00)
>>> (line,) = report.lines()
>>> line.decided, line.watched, line.attempts, line.face_fen, line.bad, line.bad_fen
('approve', 'refuse', 1, 10000, 1, 10000)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import SourceRejected, SourceReversed
from suyuan.history.fact import Fact
from suyuan.history.store import Recorded

TOLD_BY: tuple[type[Fact], ...] = (DecisionMade, SourceRejected, SourceReversed, ReviewDecided)
ROLES = ("policy", "model")

_Cell: TypeAlias = tuple[str, str, str, str]


class WatchedLine(NamedTuple):
    """How often a watcher would have taken one action where another was decided."""

    role: str
    digest: str
    decided: str
    watched: str
    attempts: int
    face_fen: int
    bad: int
    bad_fen: int


class _Said(msgspec.Struct):
    digest: str
    action: str


class Watched:
    """The comparison, as it is counted."""

    def __init__(self) -> None:
        self._counts: dict[_Cell, list[int]] = {}
        self._open: dict[str, tuple[list[_Cell], int]] = {}

    def take(self, recorded: Iterable[Recorded]) -> None:
        """Counts a stretch of history."""
        for _, _, event in recorded:
            if isinstance(event, DecisionMade):
                self._decided(event)
            elif isinstance(event, SourceRejected | SourceReversed) or (
                isinstance(event, ReviewDecided) and event.is_bad
            ):
                cells, face_fen = self._open.pop(event.redemption, ([], 0))
                self.turned_out_bad(cells, face_fen)

    def add(self, role: str, digest: str, actions: tuple[str, str], face_fen: int) -> None:
        """Counts one attempt: what was decided, and what the watcher would have."""
        counted = self._counts.setdefault((role, digest, *actions), [0, 0, 0, 0])
        counted[0] += 1
        counted[1] += face_fen

    def turned_out_bad(self, cells: Iterable[_Cell], face_fen: int) -> None:
        """Counts that an attempt was not what it seemed."""
        for cell in cells:
            self._counts[cell][2] += 1
            self._counts[cell][3] += face_fen

    def lines(self) -> list[WatchedLine]:
        """The comparison, watcher by watcher."""
        return [WatchedLine(*cell, *counted) for cell, counted in sorted(self._counts.items())]

    def _decided(self, event: DecisionMade) -> None:
        if not event.shadow:
            return
        said = msgspec.json.decode(event.shadow, type=dict[str, _Said])
        cells: list[_Cell] = []
        for role in ROLES:
            if role in said:
                watcher = said[role]
                self.add(role, watcher.digest, (event.action, watcher.action), event.face_fen)
                cells.append((role, watcher.digest, event.action, watcher.action))
        self._open[event.redemption] = cells, event.face_fen
