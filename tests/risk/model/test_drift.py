"""Drift is seen where it is, and not where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.model.drift import PSI_ALARM, baseline_of, baselines_of, drifted, is_other_rate, psi

columns = st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), max_size=80).map(
    lambda values: np.array([np.nan if value is None else value for value in values], np.float64)
)


@given(columns)
def test_what_has_not_changed_has_not_drifted(column: np.ndarray) -> None:
    baseline = baseline_of("x", column)
    assert sum(baseline.counts) == len(column)
    assert list(baseline.edges) == sorted(set(baseline.edges))
    assert psi(baseline, column) == 0.0


@given(columns, columns)
def test_an_index_is_never_negative_and_knows_no_order_of_rows(then: np.ndarray, now: np.ndarray) -> None:
    baseline = baseline_of("x", then)
    assert psi(baseline, now) >= 0
    assert psi(baseline, now) == psi(baseline, now[::-1])


def test_an_index_is_that_of_the_field() -> None:
    """Two parts of a half each, of which one now has nine tenths: 0.4 ln(1.8) + 0.4 ln(5) = 0.8789."""
    baseline = baseline_of("x", np.array([0.0, 1.0] * 50_000))
    assert psi(baseline, np.array([0.0] * 90_000 + [1.0] * 10_000)) == pytest.approx(0.8789, abs=1e-3)


def test_a_value_that_was_never_seen_is_drift_even_where_there_was_but_one() -> None:
    baseline = baseline_of("x", np.full(400, 7.0))
    assert psi(baseline, np.full(400, 7.0)) == 0
    assert min(psi(baseline, np.full(400, value)) for value in (6.0, 8.0, -1.0, 2.0**62)) > PSI_ALARM


def test_an_input_that_goes_missing_has_drifted() -> None:
    rows = np.column_stack([np.arange(500.0), np.arange(500.0)])
    later = rows.copy()
    later[::2, 1] = np.nan
    found = drifted(baselines_of(("steady", "lost"), rows), later)
    assert list(found) == ["lost"]
    assert found["lost"] >= 100 * PSI_ALARM


@pytest.mark.parametrize(
    ("then", "now", "alarm"),
    [
        ((50, 1_000), (150, 1_000), True),  # Three times as much.
        ((150, 1_000), (50, 1_000), True),  # And back.
        ((50, 1_000), (60, 1_000), False),  # Less than half as much again.
        ((5, 100), (10, 100), False),  # Twice as much, which chance does.
        ((0, 0), (10, 100), False),
        ((10, 100), (0, 0), False),
        ((0, 10_000), (60, 10_000), True),
    ],
)
def test_a_base_rate_changes_when_it_is_far_off_and_not_by_chance(
    then: tuple[int, int], now: tuple[int, int], alarm: bool
) -> None:
    assert is_other_rate(then=then, now=now) is alarm
