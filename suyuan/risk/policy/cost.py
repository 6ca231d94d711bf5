"""What a policy costs for each attempt, measured on a sample before it may decide, so that none can stall the line.

Size is bounded when a policy is read, so that even the largest takes less than a millisecond; this bounds the time that
the machine at hand takes. The least of several runs counts, since whatever else the machine does only ever makes a run
slower. Without a sample of real inputs one is made up from the policy's own constants, so that comparisons go either
way.

>>> import itertools
>>> from suyuan.risk.catalogue import load_catalogue
>>> from suyuan.risk.policy.names import names_of
>>> from suyuan.risk.policy.policy import load_policy, shipped_text
>>> names = names_of(load_catalogue().features)
>>> policy = load_policy(shipped_text(), names)
>>> ticks = itertools.count()
>>> measure_cost(policy, made_up(policy, names, Random(1), count=4), cpu_s=lambda: next(ticks) * 1e-4).us
25.0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from suyuan.risk.policy.mistakes import Mistake
from suyuan.risk.policy.names import FLAG, Names, Span
from suyuan.risk.policy.policy import Policy
from suyuan.risk.policy.texts import Wrong
from suyuan.risk.policy.tree import Membership, Number, walk

COST_US_MAX = 100
"""Four tenths of what a whole decision may take; the shipped policy takes a small part of it."""
RUNS = 7
MADE_UP = 512
_MISSING_OF_TEN = 1


class Cost(NamedTuple):
    """CPU microseconds for each attempt, on how many, and how often each rule fired among them."""

    us: float
    rows: int
    fired: dict[str, int]


def measure_cost(policy: Policy, sample: Sequence[Sequence[int | None]], *, cpu_s: Callable[[], float]) -> Cost:
    """The cost of whole decisions on a sample of inputs; `cpu_s` tells the processor time of this thread."""
    times = []
    for _ in range(RUNS):
        began_s = cpu_s()
        for inputs in sample:
            policy.decide(inputs)
        times.append(cpu_s() - began_s)
    fired = Counter(fired.rule for inputs in sample for fired in policy.decide(inputs).fired)
    return Cost(
        round(min(times) / len(sample) * 1e6, 3), len(sample), {rule.id: fired[rule.id] for rule in policy.rules}
    )


def check_cost(cost: Cost, *, us_max: int = COST_US_MAX) -> Mistake | None:
    """What is wrong with a cost, or nothing."""
    if cost.us <= us_max:
        return None
    return Mistake(Wrong.policy_is_too_dear, 0, "", {"cost": round(cost.us), "most": us_max})


def made_up(policy: Policy, names: Names, chance: Random, *, count: int = MADE_UP) -> list[list[int | None]]:
    """Inputs around the policy's own constants, some missing; the same for the same chance."""
    constants = sorted(_constants(policy))
    spans = [*names.spans.values(), *[FLAG] * len(policy.lists)]
    choices = [_choices(span, constants) for span in spans]
    hits_from = len(names.spans)

    def one(place: int) -> int | None:
        is_missing = place < hits_from and chance.randrange(10) < _MISSING_OF_TEN
        return None if is_missing else chance.choice(choices[place])

    return [[one(place) for place in range(len(spans))] for _ in range(count)]


def _constants(policy: Policy) -> set[int]:
    parts = [part for rule in policy.rules for part in walk(rule.condition)]
    members = {member for part in parts if isinstance(part, Membership) for member in part.members}
    return members | {part.value for part in parts if isinstance(part, Number)}


def _choices(span: Span, constants: Sequence[int]) -> list[int]:
    near = {constant + step for constant in constants for step in (-1, 0, 1)}
    return sorted({value for value in near if span.least <= value <= span.most} | {span.least})
