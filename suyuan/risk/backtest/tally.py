"""What two policies come to over the same attempts, counted: who is stopped, how much of it was bad, rule by rule.

An attempt is *stopped* by every action but `approve` and `delay`. Its truth is *bad*, *good* or *unknown*: one that was
taken and turned out bad; one that was taken, did not, and is old enough to be sure; any other, such as one that was
refused, of which nobody will ever know. Precision and recall count only what is known, and say how much is not.

    precision   of the stopped attempts whose truth is known, how many were bad
    recall      of the bad attempts, how many are stopped; `recall_fen` weighs each by its face value

A rule is *decisive* for an attempt where, without it, the action would be another. What a stricter policy had really
changed – a refused attempt brings none of its successors – no count over a fixed history can know; the report says so.

>>> tally = Tally(rules=("one",))
>>> tally.add(Judged(
...     days=np.array([20_000]), face_fen=np.array([100_00]), truth=np.array([BAD]),
...     old=np.array([ORDER.index(Action.APPROVE)]), new=np.array([ORDER.index(Action.REFUSE)]),
...     fired=np.array([[True]]), decisive=np.array([[True]]),
... ))
>>> tally.figures()["prevented_fen"], tally.figures()["new"]["recall"], tally.rules[0].precision
(10000, 1.0, 1.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suyuan.risk.decision import Action

ORDER = tuple(Action)
"""Actions by the numbers that columns hold, from the mildest to the hardest."""

UNKNOWN, GOOD, BAD = -1, 0, 1
LETS_THROUGH = frozenset({Action.APPROVE, Action.DELAY})
_STOPS = np.array([action not in LETS_THROUGH for action in ORDER])
_REVIEWS, _REFUSES = ORDER.index(Action.REVIEW), (ORDER.index(Action.REFUSE), ORDER.index(Action.FREEZE))


class Judged(NamedTuple):
    """A block of attempts with what both policies say; `fired` and `decisive` have a row for each rule of the new."""

    days: NDArray[np.int64]
    face_fen: NDArray[np.int64]
    truth: NDArray[np.int64]
    old: NDArray[np.int64]
    new: NDArray[np.int64]
    fired: NDArray[np.bool_]
    decisive: NDArray[np.bool_]


@dataclass(slots=True)
class Side:
    """One policy's outcome. Each array counts by truth (unknown, good, bad) and by action."""

    attempts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, len(ORDER)), np.int64))
    fen: NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, len(ORDER)), np.int64))

    def add(self, actions: NDArray[np.int64], truth: NDArray[np.int64], face_fen: NDArray[np.int64]) -> None:
        """Counts a block."""
        np.add.at(self.attempts, (truth + 1, actions), 1)
        np.add.at(self.fen, (truth + 1, actions), face_fen)

    @property
    def precision(self) -> float | None:
        """Of what is stopped and known, the share that is bad; None where nothing is."""
        good, bad = (int(self.attempts[truth + 1][_STOPS].sum()) for truth in (GOOD, BAD))
        return _share(bad, good + bad)

    @property
    def recall(self) -> float | None:
        """Of the bad attempts, the share that is stopped."""
        return _share(int(self.attempts[BAD + 1][_STOPS].sum()), int(self.attempts[BAD + 1].sum()))

    @property
    def recall_fen(self) -> float | None:
        """The same, by face value."""
        return _share(int(self.fen[BAD + 1][_STOPS].sum()), int(self.fen[BAD + 1].sum()))

    def figures(self) -> dict[str, Any]:
        """What machines read."""
        everybody, good = self.attempts.sum(axis=0), self.attempts[GOOD + 1]
        return {
            "actions": {action.value: int(count) for action, count in zip(ORDER, everybody, strict=True)},
            "precision": self.precision,
            "recall": self.recall,
            "recall_fen": self.recall_fen,
            "stopped_bad_fen": int(self.fen[BAD + 1][_STOPS].sum()),
            "let_through_bad_fen": int(self.fen[BAD + 1][~_STOPS].sum()),
            "reviews": int(everybody[_REVIEWS]),
            "good_refused_share": _share(int(good[list(_REFUSES)].sum()), int(good.sum())),
            "good_reviewed_share": _share(int(good[_REVIEWS]), int(good.sum())),
        }


@dataclass(slots=True)
class RuleTally:
    """One rule of the new policy: how often it fired, on whom, and how often everything hung on it."""

    rule: str
    fired: int = 0
    fired_good: int = 0
    fired_bad: int = 0
    bad_fen: int = 0
    decisive: int = 0
    decisive_good: int = 0
    decisive_bad_fen: int = 0

    @property
    def precision(self) -> float | None:
        """Of the attempts that it fired on and whose truth is known, the share that was bad."""
        return _share(self.fired_bad, self.fired_bad + self.fired_good)

    def add(self, fired: NDArray[np.bool_], decisive: NDArray[np.bool_], judged: Judged) -> None:
        """Counts a block."""
        is_bad, is_good = judged.truth == BAD, judged.truth == GOOD
        self.fired += int(fired.sum())
        self.fired_good += int((fired & is_good).sum())
        self.fired_bad += int((fired & is_bad).sum())
        self.bad_fen += int(judged.face_fen[fired & is_bad].sum())
        self.decisive += int(decisive.sum())
        self.decisive_good += int((decisive & is_good).sum())
        self.decisive_bad_fen += int(judged.face_fen[decisive & is_bad].sum())

    def figures(self) -> dict[str, Any]:
        """What machines read."""
        own = {name: getattr(self, name) for name in RuleTally.__slots__}
        return {**own, "precision": self.precision}


@dataclass(slots=True)
class DayTally:
    """One day: attempts, how many each policy stops, and the face value of bad ones that each lets through."""

    attempts: int = 0
    old_stopped: int = 0
    new_stopped: int = 0
    old_missed_fen: int = 0
    new_missed_fen: int = 0


class Tally:
    """Everything that a backtest counts; its size does not grow with the attempts."""

    def __init__(self, rules: Sequence[str]) -> None:
        self.old = Side()
        self.new = Side()
        self.rules = [RuleTally(rule) for rule in rules]
        self.days: dict[int, DayTally] = {}
        self.changed = np.zeros((len(ORDER), len(ORDER)), np.int64)
        """How many attempts went from one action (row) to another (column)."""
        self.prevented_fen = 0
        self.lost_fen = 0

    def add(self, judged: Judged) -> None:
        """Counts a block of attempts."""
        self.old.add(judged.old, judged.truth, judged.face_fen)
        self.new.add(judged.new, judged.truth, judged.face_fen)
        np.add.at(self.changed, (judged.old, judged.new), 1)
        is_bad, old, new = judged.truth == BAD, _STOPS[judged.old], _STOPS[judged.new]
        self.prevented_fen += int(judged.face_fen[is_bad & new & ~old].sum())
        self.lost_fen += int(judged.face_fen[is_bad & old & ~new].sum())
        for rule, fired, decisive in zip(self.rules, judged.fired, judged.decisive, strict=True):
            rule.add(fired, decisive, judged)
        for day in np.unique(judged.days).tolist():
            self._add_day(day, judged.days == day, is_bad, old, new, judged.face_fen)

    def _add_day(self, day: int, *of_day: NDArray[Any]) -> None:
        here, is_bad, old, new, face_fen = of_day
        counted = self.days.setdefault(day, DayTally())
        counted.attempts += int(here.sum())
        counted.old_stopped += int((here & old).sum())
        counted.new_stopped += int((here & new).sum())
        counted.old_missed_fen += int(face_fen[here & is_bad & ~old].sum())
        counted.new_missed_fen += int(face_fen[here & is_bad & ~new].sum())

    def figures(self) -> dict[str, Any]:
        """What machines read."""
        truths = self.new.attempts.sum(axis=1).tolist()
        return {
            "attempts": sum(truths),
            **dict(zip(("unknown", "good", "bad"), truths, strict=True)),
            "changed": int(self.changed.sum() - np.trace(self.changed)),
            "prevented_fen": self.prevented_fen,
            "lost_fen": self.lost_fen,
            "reviews_caused": self.new.figures()["reviews"] - self.old.figures()["reviews"],
            "old": self.old.figures(),
            "new": self.new.figures(),
            "rules": [rule.figures() for rule in self.rules],
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
