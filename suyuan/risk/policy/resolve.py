"""What the rules that fired come to: one decision, the same in whatever order they stand in the file.

1. The score is the sum of the points of all rules that fired.
2. Where an `override` rule fired, `overridable` rules and bands ask for nothing. `block` rules always do.
3. A step-up asks for nothing of somebody who has just confirmed themselves (`is_confirmed`), so the next milder of what
   was asked for is taken.
4. The hardest action that is still asked for is taken, with the first of its reasons; a delay is the longest, and
   limits are tightened to the smallest percentage of the rules that count.

So one more rule that fires never makes a decision milder, unless it overrides or takes points off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from suyuan.risk.decision import Action, Decision, Fired
from suyuan.risk.finalise import Flags, Integers
from suyuan.risk.policy.columns import BLOCK_ROWS
from suyuan.risk.policy.python_form import Found
from suyuan.risk.policy.reading import BLOCK, OVERRIDE
from suyuan.risk.policy.rules import ACTIONS, Band, Rule, hardness, taken

LIMIT_PERCENT = 100


def resolve(rules: Sequence[Rule], bands: Sequence[Band], fired: Sequence[Found], *, is_confirmed: bool) -> Decision:
    """The decision that fired rules, by their places, come to."""
    is_overridden = OVERRIDE in [rules[one[0]].lane for one in fired]
    score, limit_percent = 0, LIMIT_PERCENT
    told: list[Fired] = []
    asking: list[Rule | Band] = []
    for one in sorted(fired):
        rule = rules[one[0]]
        saw = zip(rule.saw, one[1:])  # noqa: B905 - as many as each other by construction; asking costs a fifth more
        told.append(Fired(rule.id, tuple(saw)))
        score += rule.points
        if rule.asks and (rule.lane == BLOCK or not is_overridden):
            limit_percent = min(limit_percent, rule.limit_percent)
            asking.append(rule)
    asking += [band for band in bands if band.score_min <= score and not is_overridden]
    if is_confirmed:
        asking = [asked for asked in asking if asked.action != Action.STEP_UP]
    action, reason = taken(max([asked.weight for asked in asking], default=0))
    return Decision(
        action=action,
        score=score,
        delay_s=max([asked.delay_s for asked in asking]) if action == Action.DELAY else 0,
        limit_percent=limit_percent,
        reason=reason,
        fired=tuple(told),
    )


class Resolved(NamedTuple):
    """The decisions of many attempts, a column for each part; a weight is action and reason (`rules.taken`)."""

    weight: Integers
    score: Integers
    delay_s: Integers
    limit_percent: Integers


def resolve_columns(rules: Sequence[Rule], bands: Sequence[Band], fired: Flags, *, is_confirmed: Flags) -> Resolved:
    """The same for columns: `fired` has a row for each rule, and a column for each attempt."""
    answer = Resolved(*(np.empty(fired.shape[1], np.int64) for _ in Resolved._fields))
    for begin in range(0, fired.shape[1], BLOCK_ROWS):
        block = slice(begin, begin + BLOCK_ROWS)
        for column, values in zip(answer, _block(rules, bands, fired[:, block], is_confirmed[block]), strict=True):
            column[block] = values
    return answer


def _block(rules: Sequence[Rule], bands: Sequence[Band], fired: Flags, is_confirmed: Flags) -> Resolved:
    asked = _Asked(fired.shape[1], ~is_confirmed)
    seen = [(rule, row) for rule, row in zip(rules, fired, strict=True) if row.any()]
    is_overridden = np.zeros_like(is_confirmed)
    for rule, row in seen:
        asked.score += rule.points * row
        is_overridden |= row & (rule.lane == OVERRIDE)
    for rule, row in seen:
        counts = row if rule.lane == BLOCK else row & ~is_overridden
        np.minimum(asked.limit_percent, rule.limit_percent, out=asked.limit_percent, where=counts)
        asked.ask(rule, counts)
    for band in bands:
        asked.ask(band, (asked.score >= band.score_min) & ~is_overridden)
    return asked.resolved()


class _Asked:
    """What was asked for so far, in one block of attempts."""

    def __init__(self, rows: int, may_step_up: Flags) -> None:
        self.score, self.delay_s = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        self.weight, self.limit_percent = np.zeros(rows, np.int64), np.full(rows, LIMIT_PERCENT)
        self._may_step_up = may_step_up

    def ask(self, part: Rule | Band, counts: Flags) -> None:
        asking = counts & self._may_step_up if part.action == Action.STEP_UP else counts
        np.maximum(self.weight, part.weight, out=self.weight, where=asking)
        np.maximum(self.delay_s, part.delay_s, out=self.delay_s, where=asking)

    def resolved(self) -> Resolved:
        is_delayed = hardness(self.weight) == ACTIONS.index(Action.DELAY)
        return Resolved(self.weight, self.score, self.delay_s * is_delayed, self.limit_percent)
