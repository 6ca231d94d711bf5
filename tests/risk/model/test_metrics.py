"""Metrics agree with scikit-learn's, and thresholds keep what they promise."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from suyuan.risk.model.metrics import (
    auc,
    average_precision,
    f1_macro,
    threshold_for_f1,
    threshold_for_flagged,
)

scored = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=2, max_size=60).map(
    lambda pairs: (np.array([score / 12 for score, _ in pairs]), np.array([label for _, label in pairs]))
)


@given(scored)
def test_auc_and_average_precision_are_those_of_the_field(rows: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = rows
    if 0 < labels.sum() < len(labels):
        assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    else:
        assert isnan(auc(scores, labels))


@given(scored)
def test_no_other_threshold_has_a_larger_f1(rows: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = rows
    best = max(f1_score(labels, scores >= score, average="macro", labels=[0, 1], zero_division=0.0) for score in scores)
    assert f1_macro(labels, scores >= threshold_for_f1(scores, labels)) == pytest.approx(best, abs=1e-12)


@given(scored, st.floats(0, 1))
def test_a_threshold_flags_no_more_good_ones_than_allowed_and_as_many_bad_ones_as_it_can(
    rows: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    scores, labels = rows
    threshold = threshold_for_flagged(scores, labels, good_share_max=share)
    good = labels == 0
    assert np.count_nonzero(good & (scores >= threshold)) <= share * np.count_nonzero(good)
    lower = scores[scores < threshold]
    assert not len(lower) or np.count_nonzero(good & (scores >= lower.max())) > share * np.count_nonzero(good)


def test_nothing_scored_is_no_figure_and_no_error() -> None:
    nothing = np.zeros(0), np.zeros(0, np.int64)
    assert all(isnan(found) for found in (auc(*nothing), average_precision(*nothing), threshold_for_f1(*nothing)))
    assert f1_macro(nothing[1], np.zeros(0, np.bool_)) == 0.0
