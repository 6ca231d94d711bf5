"""How well scores tell bad from good: AUC, average precision, F1, and thresholds chosen on scores.

All take scores and labels (1 is bad) of the same rows; equal scores count as one step, so no order of rows matters.

>>> scores, labels = np.array([0.9, 0.8, 0.8, 0.1]), np.array([1, 1, 0, 0])
>>> auc(scores, labels), round(average_precision(scores, labels), 4), round(f1_macro(labels, scores >= 0.85), 4)
(0.875, 0.8333, 0.7333)
>>> threshold_for_f1(scores, labels), threshold_for_flagged(scores, labels, good_share_max=0.4)
(0.9, 0.9)
"""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


class _Steps(NamedTuple):
    """For each different score, from the highest down: how many bad and good rows score that or more."""

    scores: Scores
    bad: Labels
    good: Labels


def _steps(scores: Scores, labels: Labels) -> _Steps:
    order = np.argsort(-scores, kind="stable")
    ranked, bad = scores[order], np.cumsum(labels[order], dtype=np.int64)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else np.zeros(0, np.int64)
    return _Steps(ranked[last], bad[last], last + 1 - bad[last])


def auc(scores: Scores, labels: Labels) -> float:
    """How often a bad row scores above a good one, a tie counting half; NaN where there are not both."""
    steps = _steps(scores, labels)
    if not len(labels) or not steps.bad[-1] or not steps.good[-1]:
        return nan
    bad, good = np.append(0, steps.bad), np.append(0, steps.good)
    # Whole numbers until the last division, so the sum has no order.
    doubled = int(np.sum((bad[1:] + bad[:-1]) * np.diff(good)))
    return doubled / (2 * int(bad[-1]) * int(good[-1]))


def average_precision(scores: Scores, labels: Labels) -> float:
    """The mean precision at the steps at which bad rows are found; NaN where there are none."""
    steps = _steps(scores, labels)
    if not len(labels) or not steps.bad[-1]:
        return nan
    found = np.diff(np.append(0, steps.bad)) / steps.bad[-1]
    return float(np.sum(found * steps.bad / (steps.bad + steps.good)))


def f1_macro(labels: Labels, flagged: Flags) -> float:
    """The mean of the F1 of bad and the F1 of good; one that is neither told nor there counts 0."""
    bad, good = labels == 1, labels == 0
    wrong = int(np.count_nonzero(bad ^ flagged))
    halves = [int(np.count_nonzero(bad & flagged)), int(np.count_nonzero(good & ~flagged))]
    return sum(2 * right / (2 * right + wrong) if right else 0.0 for right in halves) / 2


def threshold_for_f1(scores: Scores, labels: Labels) -> float:
    """The score from which on rows count as bad, so that the macro F1 is largest; the higher of equal ones."""
    steps = _steps(scores, labels)
    if not len(labels):
        return nan
    all_bad, all_good = steps.bad[-1], steps.good[-1]
    wrong = (all_bad - steps.bad) + steps.good
    of_bad = 2 * steps.bad / np.maximum(2 * steps.bad + wrong, 1)
    of_good = 2 * (all_good - steps.good) / np.maximum(2 * (all_good - steps.good) + wrong, 1)
    return float(steps.scores[int(np.argmax(of_bad + of_good))])


def threshold_for_flagged(scores: Scores, labels: Labels, *, good_share_max: float) -> float:
    """The lowest score from which on no more than this share of good rows counts as bad; above all where none does."""
    steps = _steps(scores, labels)
    if not len(labels):
        return nan
    within = np.flatnonzero(steps.good <= good_share_max * steps.good[-1])
    return float(steps.scores[within[-1]]) if len(within) else float(np.nextafter(steps.scores[0], np.inf))
