"""A rule and a band as they decide: the typed condition, and what each asks for in one number.

What a rule asks for is its *weight*: the hardness of its action, then the precedence of its public reason. So the
greatest weight of all that count is both the action that is taken and the reason that is told, whatever the order.

>>> weight_of(Action.REFUSE, "cannot_be_taken") > weight_of(Action.REVIEW, "source_needs_proof")
True
>>> taken(weight_of(Action.REFUSE, "cannot_be_taken")), taken(0)
((<Action.REFUSE: 'refuse'>, 'cannot_be_taken'), (<Action.APPROVE: 'approve'>, ''))
"""

from __future__ import annotations

from dataclasses import dataclass

from suyuan.risk.decision import Action
from suyuan.risk.finalise import Integers
from suyuan.risk.policy.tree import Truth
from suyuan.risk.reasons import PublicReason

ACTIONS = tuple(Action)
REASONS = tuple(PublicReason)
_PLACES = len(REASONS) + 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    id: str
    condition: Truth
    lane: str
    action: Action
    points: int
    delay_s: int
    limit_percent: int
    weight: int
    asks: bool  # It has an action or tightens limits; whatever only adds points asks for nothing by itself.
    saw: tuple[str, ...]  # The inputs that it looks at, in the order in which it names them.
    zh: str
    en: str
    line: int
    only_watches: bool  # It was written to do nothing but to be seen.


@dataclass(frozen=True, slots=True)
class Band:
    """From which score on what is asked for."""

    score_min: int
    action: Action
    delay_s: int
    weight: int
    line: int


def weight_of(action: Action, reason: str) -> int:
    """The greater, the harder the action; of one action, the earlier its reason stands in the list of reasons."""
    if action == Action.APPROVE:
        return 0
    return ACTIONS.index(action) * _PLACES + len(REASONS) - REASONS.index(PublicReason(reason))


def hardness(weight: Integers) -> Integers:
    """The places of the actions of many weights."""
    return weight // _PLACES


def taken(weight: int) -> tuple[Action, str]:
    """The action and the reason of a weight."""
    hardness, precedence = divmod(weight, _PLACES)
    return ACTIONS[hardness], REASONS[len(REASONS) - precedence].value if hardness else ""
