"""The protocols: which rows are trained on, which labels are known when, and what is scored.

1. *Random split* (of GTAN with a test share of 0.2, of RGTAN with 0.6): rows are parted by chance, so later rows teach
   about earlier ones, as they do for those who published. But no label of a test row is known to anything: label
   features see past labels of training rows alone. The threshold is chosen on scores of training rows that were held
   out in turn, whose labels no feature saw either, and the test rows are scored once.
2. *Time split*: the last fifth of labelled rows is scored in order, by a model that is trained again every 1,000
   labelled rows on what is known by then; a label is known so many payments after its own. `frozen` is the model of the
   first day, which never learns of a label again.
3. In that fifth the share of bad ones leaps from a sixth to nearly all, and back to none. A model that was trained
   before the leap says too little of every payment after it, so scores are *shifted* by what is known: the log of the
   odds of the share of bad ones among the last `SHIFTED_BY` rows whose label is known, less that of the mean score that
   the same rows were given then. One half is the threshold. Both are shown, with and without.

Shapes of trees were chosen on training rows alone: that for the random splits by folds, that for the time split on the
two fifths before the last. The shift was added after the last fifth had been scored without it, from what is known of
such leaps and not by trying; on the two fifths before, where nothing leaps, it costs up to half a hundredth of AUC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from suyuan.faces.bench.sffsd.features import FACTS, causal_features, facts_of, label_features, measured, rows_of
from suyuan.faces.bench.sffsd.splits import folds, random_halves
from suyuan.faces.bench.sffsd.table import UNKNOWN, Ints, Table
from suyuan.risk.model.fitting import Fitted, Shape, fit
from suyuan.risk.model.metrics import Scores, auc, average_precision, f1_macro, threshold_for_f1

SHAPE = Shape(trees=500, leaves=31, learning_rate=0.04, leaf_rows_min=5, column_share=0.15)
SPLIT_SEED = 2
TIME_SHAPE = Shape(trees=300, leaves=15, learning_rate=0.03, leaf_rows_min=50, column_share=0.15)
SHIFTED_BY = 500
FOLDS = 4
RETRAINED_EVERY = 1_000
NOBODY = np.zeros(0, np.int64)

Inputs = NDArray[np.float64]
Progress = Callable[[str], object]


class Reached(NamedTuple):
    """What scores come to on rows whose labels were not known."""

    auc: float
    f1_macro: float
    ap: float


@dataclass(frozen=True)
class Study:
    """The table, and what its payments alone tell of each, which no label has any part in."""

    table: Table
    causal: Inputs
    seeds: tuple[int, ...]
    on_progress: Progress

    def inputs(self, known: Ints, *, delay: int = 0) -> Inputs:
        """All inputs of all payments, where the labels of these rows are known once their delay is over."""
        labels = measured(rows_of(self.table, known, delay=delay), label_features())
        return np.hstack([self.causal, labels])

    def fit(self, inputs: Inputs, rows: Ints, seed: int, shape: Shape | None = None) -> Fitted:
        """A model trained on these rows."""
        names = NAMES[: inputs.shape[1]]
        return fit(inputs[rows], self.table.label[rows], names=names, shape=shape or SHAPE, seed=seed)


NAMES = (*FACTS, *(feature.name for feature in (*causal_features(), *label_features())))


def study_of(table: Table, *, seeds: tuple[int, ...], on_progress: Progress = lambda _: None) -> Study:
    """Measures what payments alone tell."""
    on_progress(f"{len(causal_features())} features of {len(table)} payments")
    causal = np.hstack([facts_of(table), measured(rows_of(table, NOBODY), causal_features())])
    return Study(table, causal, seeds, on_progress)


def random_split(study: Study, *, test_share: float) -> list[Reached]:
    """What is reached with label features, for each seed."""
    train, test = _labelled_halves(study.table, test_share)
    held_out = _held_out_scores(study, train)
    inputs = study.inputs(train)
    reached = []
    for seed, scores in zip(study.seeds, held_out, strict=True):
        study.on_progress(f"test share {test_share}, seed {seed}")
        threshold = threshold_for_f1(scores, study.table.label[train])
        found = study.fit(inputs, train, seed).scores(inputs[test])
        reached.append(_reached(found, study.table.label[test], found >= threshold))
    return reached


def random_split_without_labels(study: Study, *, test_share: float) -> list[Reached]:
    """The same where no label reaches any feature; as they do, whatever scores one half or more counts as bad."""
    train, test = _labelled_halves(study.table, test_share)
    reached = []
    for seed in study.seeds:
        study.on_progress(f"test share {test_share}, no label features, seed {seed}")
        found = study.fit(study.causal, train, seed).scores(study.causal[test])
        reached.append(_reached(found, study.table.label[test], found >= 0.5))
    return reached


class InTime(NamedTuple):
    """What is reached in the order of time, with scores as they are given and with shifted ones."""

    plain: Reached
    shifted: Reached


def time_split(study: Study, *, delay: int) -> InTime:
    """What a model reaches that is trained again and again, and knows each label so many payments later."""
    table, labelled = study.table, study.table.labelled
    first = len(labelled) * 4 // 5
    # How many labelled rows are known when each of them is scored.
    known = np.searchsorted(labelled + delay, labelled)
    inputs = study.inputs(labelled, delay=delay)
    # Begun as long before as there must be scores to shift by when it counts.
    steps = -(-(first - int(known[first]) + SHIFTED_BY) // RETRAINED_EVERY)
    begun = max(first - steps * RETRAINED_EVERY, first % RETRAINED_EVERY + RETRAINED_EVERY)
    scores = np.zeros(len(labelled))
    for now in range(begun, len(labelled), RETRAINED_EVERY):
        study.on_progress(f"time split, delay {delay}, trained at labelled row {now}")
        rows = slice(now, now + RETRAINED_EVERY)
        model = study.fit(inputs, labelled[: known[now]], study.seeds[0], TIME_SHAPE)
        scores[rows] = model.scores(inputs[labelled[rows]])
    labels = table.label[labelled]
    shifted = _shifted(scores, labels, known, begun)
    return InTime(
        _reached(scores[first:], labels[first:], scores[first:] >= 0.5),
        _reached(shifted[first:], labels[first:], shifted[first:] >= 0.5),
    )


def _shifted(scores: Scores, labels: Ints, known: Ints, begun: int) -> Scores:
    """The scores, moved by how far the last known ones were off; half a row keeps the odds finite."""
    bad, said = (np.concatenate([[0.0], np.cumsum(values)]) for values in (labels, scores))
    since = np.minimum(np.maximum(known - SHIFTED_BY, begun), known)
    turned_out = (bad[known] - bad[since] + 0.5) / (known - since + 1)
    was_said = (said[known] - said[since] + 0.5) / (known - since + 1)
    odds = _log_odds(np.clip(scores, 1e-9, 1 - 1e-9)) + _log_odds(turned_out) - _log_odds(was_said)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def _log_odds(shares: Scores) -> Scores:
    return np.asarray(np.log(shares / (1 - shares)), np.float64)


def frozen(study: Study) -> Reached:
    """What the model of the first day reaches in the same fifth."""
    labelled = study.table.labelled
    train, test = labelled[: len(labelled) * 4 // 5], labelled[len(labelled) * 4 // 5 :]
    study.on_progress("time split, frozen")
    inputs = study.inputs(train)
    found = study.fit(inputs, train, study.seeds[0], TIME_SHAPE).scores(inputs[test])
    return _reached(found, study.table.label[test], found >= 0.5)


def _labelled_halves(table: Table, test_share: float) -> tuple[Ints, Ints]:
    train, test = random_halves(table.label, test_share=test_share, seed=SPLIT_SEED)
    return train[table.label[train] != UNKNOWN], test[table.label[test] != UNKNOWN]


def _held_out_scores(study: Study, train: Ints) -> list[Scores]:
    """For each seed the scores of the training rows, each by a model that knew nothing of that row's label."""
    scores = [np.zeros(len(train)) for _ in study.seeds]
    for kept, held in _parted(study.table, train):
        inputs = study.inputs(train[kept])
        for seed, of_seed in zip(study.seeds, scores, strict=True):
            of_seed[held] = study.fit(inputs, train[kept], seed).scores(inputs[train[held]])
    return scores


def _parted(table: Table, train: Ints) -> Iterator[tuple[Ints, Ints]]:
    fold = folds(table.label[train], count=FOLDS, seed=SPLIT_SEED)
    for place in range(FOLDS):
        yield np.flatnonzero(fold != place), np.flatnonzero(fold == place)


def _reached(scores: Scores, labels: Ints, flagged: NDArray[np.bool_]) -> Reached:
    return Reached(auc(scores, labels), f1_macro(labels, flagged), average_precision(scores, labels))
