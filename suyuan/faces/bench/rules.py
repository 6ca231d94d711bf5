"""What rules cost: a hundred of them with reasons, beside the least that Python could do, and over columns.

The least is a function that this module writes itself: the same comparisons over locals, which collects the numbers of
the rules that fired and nothing else. It knows no missing values and gives no reasons, so it is not a policy; it is the
floor. The two run in turns (floor, policy, floor) in CPU time of this thread, over the same events, and both find the
same rules; the ratio is the median of all turns. A tenth of all inputs is missing in a second run without a floor.

>>> made = made_policy(*drawn(Random(1)), rules=3, chance=Random(1))
>>> events = made_events(made, 2, missing_of_hundred=0, chance=Random(1))
>>> [sorted(found[0] for found in made.policy.judge(event)) == made.floor(event) for event in events]
[True, True]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np

from suyuan.base.clock import thread_cpu_s
from suyuan.risk.finalise import Column
from suyuan.risk.policy.names import FLAG, Names, Span
from suyuan.risk.policy.policy import Policy, load_policy

FEATURES, RULES, COMPARISONS = 60, 100, 3
VALUE_MAX = 1_000
PASSING, SPREAD = 0.45, 0.1
"""How likely a comparison holds, about; three of them together fire some 9 rules of a hundred."""
DIFFERENT_MIN = 8
EVENTS = 200
COLUMN_ROWS = 200_000
COLUMN_RUNS = 5

Event: TypeAlias = list[int | None]
Floor: TypeAlias = Callable[[Sequence[int | None]], list[int]]
Condition: TypeAlias = list[tuple[str, str, int]]


class MadePolicy(NamedTuple):
    """A policy, and the least that does the same comparisons."""

    policy: Policy
    floor: Floor


class RuleFigures(NamedTuple):
    """What was found."""

    rules_fired_mean: float
    rules_us: float
    rules_us_with_missing: float
    rules_decided_us: float  # With the decision that they come to.
    floor_us: float
    rules_over_generated: float
    rules_columns_events_per_s: float


def measure_rules(*, turns: int, seed: int = 1) -> RuleFigures:
    """Measures rules alone, in so many turns of floor, policy, floor."""
    chance = Random(seed)  # noqa: S311 - a measurement must be repeatable; nothing in it is a secret
    made = made_policy(*drawn(chance), rules=RULES, chance=chance)
    events = made_events(made, EVENTS, missing_of_hundred=0, chance=chance)
    holed = made_events(made, EVENTS, missing_of_hundred=10, chance=chance)
    judge = made.policy.judge
    fired = [judge(event) for event in events]
    assert [sorted(found[0] for found in one) for one in fired] == [made.floor(event) for event in events]
    ratios, rules_us, floor_us = [], [], []
    for _ in range(turns):
        before, ours, after = (_us_each(call, events) for call in (made.floor, judge, made.floor))
        ratios.append(2 * ours / (before + after))
        rules_us.append(ours)
        floor_us += [before, after]
    return RuleFigures(
        rules_fired_mean=round(sum(map(len, fired)) / len(fired), 2),
        rules_us=round(median(rules_us), 2),
        rules_us_with_missing=round(median(_us_each(judge, holed) for _ in range(turns)), 2),
        rules_decided_us=round(median(_us_each(made.policy.decide, holed) for _ in range(turns)), 2),
        floor_us=round(median(floor_us), 2),
        rules_over_generated=round(median(ratios), 3),
        rules_columns_events_per_s=round(rules_only_events_per_s(made.policy, seed=seed)),
    )


def rules_only_events_per_s(policy: Policy, *, seed: int) -> float:
    """Events a second of one core, rules alone over columns, a tenth of all inputs missing; the best of some runs."""
    chance = np.random.default_rng(seed)
    columns = {
        name: Column(chance.integers(0, VALUE_MAX, COLUMN_ROWS), chance.random(COLUMN_ROWS) >= 0.1)
        for name in policy.inputs
    }
    times = []
    for _ in range(COLUMN_RUNS):
        began_s = thread_cpu_s()
        policy.columns(columns)
        times.append(thread_cpu_s() - began_s)
    return COLUMN_ROWS / min(times)


def drawn(chance: Random) -> tuple[Names, dict[str, list[int]]]:
    """Names of no catalogue, and values that are spread evenly."""
    names = [f"feature_{place}" for place in range(FEATURES)]
    confirming = {"is_signed_by_device": FLAG, "device_age_s": Span(0, 1 << 40), "seller_stepups_24h": Span(0, 2_048)}
    spans = dict.fromkeys(names, Span(0, VALUE_MAX)) | confirming
    return Names(spans, ()), {name: [chance.randrange(VALUE_MAX) for _ in range(EVENTS)] for name in names}


def made_policy(names: Names, seen: Mapping[str, Sequence[int]], *, rules: int, chance: Random) -> MadePolicy:
    """Rules of three comparisons with constants, each of which holds for about so many of the values that were seen."""
    varied = [name for name, values in seen.items() if len(set(values)) >= DIFFERENT_MIN]
    ordered = {name: sorted(seen[name]) for name in varied}
    conditions = [
        [_comparison(name, ordered[name], names.spans[name], chance) for name in chance.sample(varied, COMPARISONS)]
        for _ in range(rules)
    ]
    text = 'name = "bench"\n' + "".join(_rule(place, condition) for place, condition in enumerate(conditions))
    policy = load_policy(text, names)
    return MadePolicy(policy, _floor(conditions, policy.inputs))


def _comparison(name: str, values: Sequence[int], span: Span, chance: Random) -> tuple[str, str, int]:
    relation = chance.choice([">", ">=", "<", "<="])
    share = PASSING + chance.uniform(-SPREAD, SPREAD)
    operand = values[int(len(values) * (share if relation[0] == "<" else 1 - share))]
    # At the ends of a span a comparison says nothing, and is no rule.
    return name, relation, min(max(operand, span.least + 1), span.most - 1)


def _rule(place: int, condition: Condition) -> str:
    when = " and ".join(f"{name} {relation} {operand}" for name, relation, operand in condition)
    return f"[[rules]]\nid = 'r{place:03}'\nwhen = '{when}'\npoints = 1\nzh = '规则'\nen = 'a rule'\n"


def _floor(conditions: Sequence[Condition], inputs: Sequence[str]) -> Floor:
    places = {name: place for place, name in enumerate(inputs)}
    lines = ["def floor(inputs):", f" {', '.join(f'f{place}' for place in places.values())} = inputs", " hits = []"]
    for number, condition in enumerate(conditions):
        when = " and ".join(f"f{places[name]} {relation} {operand}" for name, relation, operand in condition)
        lines.append(f" if {when}: hits.append({number})")
    scope: dict[str, Floor] = {}
    exec("\n".join([*lines, " return hits"]), scope)  # noqa: S102 - the text above, from numbers of our own
    return scope["floor"]


def made_events(made: MadePolicy, count: int, *, missing_of_hundred: int, chance: Random) -> list[Event]:
    """Inputs drawn evenly; so many of a hundred are missing."""
    return [
        [
            None if chance.randrange(100) < missing_of_hundred else chance.randrange(VALUE_MAX)
            for _ in made.policy.inputs
        ]
        for _ in range(count)
    ]


def _us_each(call: Callable[[Event], object], events: Sequence[Event]) -> float:
    began_s = thread_cpu_s()
    for event in events:
        call(event)
    return (thread_cpu_s() - began_s) / len(events) * 1e6
