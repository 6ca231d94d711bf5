"""A model of what months have taught, as the platform would train it: from labels that came, never from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from suyuan.faces.simulate.market.rehearsal import LABEL_DELAY_S, Lessons
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.model.fitting import Fitted, Shape, fit
from suyuan.risk.model.scorer import Scorer

SHAPE = Shape(trees=120, leaves=63, learning_rate=0.08, leaf_rows_min=40, column_share=0.4, row_share=0.7)
SEED = 1


class Taught(NamedTuple):
    """The same model twice: for many attempts at once, and for one at a time."""

    fitted: Fitted
    scorer: Scorer


def teach(lessons: Sequence[Lessons], catalogue: Catalogue) -> Taught:
    """Trains on attempts that were taken, and are so old that most labels have come.

    The young are left out whether they have a label or not. Were those with one kept, everything young would be bad,
    and whatever tells how late it is in the month, such as the age of a contract, would look like fraud.
    """
    taken = [month.is_taken & (month.age_s >= LABEL_DELAY_S) for month in lessons]
    rows = np.vstack([month.matrix()[chosen] for month, chosen in zip(lessons, taken, strict=True)])
    labels = np.concatenate([month.is_labelled[chosen] for month, chosen in zip(lessons, taken, strict=True)])
    fitted = fit(rows, labels.astype(np.int8), names=lessons[0].names, shape=SHAPE, seed=SEED)
    return Taught(fitted, Scorer(fitted.text(catalogue.digest)))
