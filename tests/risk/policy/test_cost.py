"""A policy that would stall the line is refused on the cost that was measured, whatever its size."""

from __future__ import annotations

import itertools
from random import Random

from suyuan.risk.policy.cost import COST_US_MAX, RUNS, check_cost, made_up, measure_cost
from suyuan.risk.policy.texts import Wrong
from tests.risk.policy.writing import LISTS, NAMES, policy, rule

FOUND = policy(LISTS, rule("late", "hour >= 22", points=1), rule("big", "face_fen > 500_00 or missing(tier)", points=1))


def test_a_policy_that_is_too_dear_is_refused_with_its_cost() -> None:
    """A clock that moves a tenth of a second a reading stands for a machine on which it takes that long."""
    readings = itertools.count()
    sample = made_up(FOUND, NAMES, Random(1), count=400)
    cost = measure_cost(FOUND, sample, cpu_s=lambda: next(readings) * 0.1)
    assert cost.us == 250.0
    mistake = check_cost(cost)
    assert mistake is not None
    assert mistake.wrong == Wrong.policy_is_too_dear
    assert (
        mistake.sentence("en")
        == f"one attempt costs 250 µs on this sample, over {COST_US_MAX}; make expressions shorter or fewer."
    )
    assert mistake.sentence("zh") == f"在该样本上每笔耗时 250 微秒，超过 {COST_US_MAX}，请缩短或减少表达式。"
    assert check_cost(cost, us_max=250) is None


def test_the_quietest_run_counts() -> None:
    """Six runs beside a busy neighbour and one alone: the neighbour is not the policy's fault."""
    durations = iter([9, 9, 9, 1, 9, 9, 9])
    readings = iter([reading for start in range(RUNS) for reading in (start * 100, start * 100 + next(durations))])
    assert measure_cost(FOUND, [[0] * len(FOUND.inputs)], cpu_s=lambda: next(readings)).us == 1e6


def test_a_made_up_sample_goes_both_ways_at_every_constant() -> None:
    """Values at, below and above each, some missing; the same sample for the same chance."""
    sample = made_up(FOUND, NAMES, Random(7))
    hours = [row[FOUND.inputs.index("hour")] for row in sample]
    faces = [row[FOUND.inputs.index("face_fen")] for row in sample]
    assert {21, 22, 23, None} <= set(hours)
    assert {499_99, 500_00, 500_01, None} <= set(faces)
    assert all(
        span.least <= value <= span.most
        for row in sample
        for value, span in zip(row, NAMES.spans.values(), strict=False)
        if value is not None
    )
    cost = measure_cost(FOUND, sample, cpu_s=lambda: 0.0)
    assert set(cost.fired) == {"late", "big"}
    late = [row for row in sample if "late" in {one.rule for one in FOUND.decide(row).fired}]
    assert (cost.rows, cost.fired["late"]) == (len(sample), len(late))
    assert sample == made_up(FOUND, NAMES, Random(7))
