"""The limits of `settle`, counted in memory: the same caps, windows and order of refusals, without books and database.

`settle.limits` counts in accounts of the books, which want a database to be loaded from and written to; a market of a
hundred thousand attempts a run has none. So the caps are read from `LimitRules`, which is the one place where they
stand, and counted here; `tests/faces/simulate/market/test_caps.py` lets the real line and this file decide the same
attempts and compares every answer.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from suyuan.base.clock import DAY_S, SECOND, SHANGHAI_AHEAD_S
from suyuan.base.refusals import Reason
from suyuan.settle.limits import LimitRules, Rule

_DAY_MICROS = DAY_S * SECOND


class Caps:
    """What each subject has taken in its windows."""

    def __init__(self, rules: LimitRules) -> None:
        self._rules = rules
        self._taken: defaultdict[tuple[str, int, int], int] = defaultdict(int)
        self._raised: set[tuple[int, int]] = set()
        self._rolling: defaultdict[tuple[str, int], deque[tuple[int, int]]] = defaultdict(deque)

    def check(
        self, subjects: Mapping[str, int], face_fen: int, *, tier: int, at: int, percent: int = 100
    ) -> Reason | None:
        """The refusal of the first limit without room, or None. `percent` tightens every cap, as a policy may."""
        if face_fen > self._rules.transaction_fen_max[tier] * percent // 100:
            return Reason.transaction_limit_is_reached
        day = _day(at)
        for rule in self._rules.rules:
            subject = subjects.get(rule.subject)
            if subject is None:
                continue
            cap_fen = rule.cap_fen[tier] * percent // 100
            missing_fen = face_fen + self._spent_fen(rule, subject, day, at) - cap_fen - self._raise_fen(
                rule, subject, day, tier
            )  # fmt: skip
            if missing_fen > 0:
                return self._reason(rule, subject, day, tier=tier, missing_fen=missing_fen)
        return None

    def take(self, subjects: Mapping[str, int], face_fen: int, *, at: int) -> None:
        """Takes from every limit; `check` has said that there is room."""
        day = _day(at)
        for rule in self._rules.rules:
            subject = subjects.get(rule.subject)
            if subject is None:
                continue
            if rule.window == "24h":
                self._rolling[rule.subject, subject].append((at + _DAY_MICROS, face_fen))
            else:
                self._taken[rule.subject, subject, day] += face_fen

    def give_back(self, subjects: Mapping[str, int], face_fen: int, *, taken_at: int) -> None:
        """Returns what a redemption took and did not use."""
        day = _day(taken_at)
        for rule in self._rules.rules:
            subject = subjects.get(rule.subject)
            if subject is None:
                continue
            if rule.window == "24h":
                holds = self._rolling[rule.subject, subject]
                if (taken_at + _DAY_MICROS, face_fen) in holds:
                    holds.remove((taken_at + _DAY_MICROS, face_fen))
            else:
                self._taken[rule.subject, subject, day] -= face_fen

    def raise_today(self, seller: int, *, at: int) -> bool:
        """A face check raises the seller's limit of the day, once."""
        place = (seller, _day(at))
        is_first = place not in self._raised
        self._raised.add(place)
        return is_first

    def _spent_fen(self, rule: Rule, subject: int, day: int, at: int) -> int:
        if rule.window != "24h":
            return self._taken[rule.subject, subject, day]
        holds = self._rolling[rule.subject, subject]
        while holds and holds[0][0] <= at:
            holds.popleft()
        return sum(fen for _, fen in holds)

    def _raise_fen(self, rule: Rule, subject: int, day: int, tier: int) -> int:
        counts = tier > 0 and rule.subject == "seller" and rule.window == "day" and (subject, day) in self._raised
        return self._rules.step_up_raise_fen if counts else 0

    def _reason(self, rule: Rule, subject: int, day: int, *, tier: int, missing_fen: int) -> Reason:
        if rule.window == "24h":
            return Reason.rolling_limit_is_reached
        is_raisable = rule.subject == "seller" and tier > 0 and (subject, day) not in self._raised
        if is_raisable and missing_fen <= self._rules.step_up_raise_fen:
            return Reason.step_up_is_needed
        return Reason.daily_limit_is_reached


def _day(at: int) -> int:
    return (at // SECOND + SHANGHAI_AHEAD_S) // DAY_S
