"""Trees grown on rows with labels: LightGBM with every source of chance or order fixed, so equal rows give equal bytes.

A row is its inputs as whole numbers, NaN where one is missing. The same rows, labels, weights, shape and seed give the
same trees on every run of one build of the library: one thread, histograms by row, and no setting left to the machine.

    fitted = fit(rows, labels, names=catalogue.names, shape=Shape(), seed=1)
    fitted.scores(other_rows), fitted.text(catalogue.digest)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from suyuan.risk.model.forest import read_forest, write_forest
from suyuan.risk.model.metrics import Labels, Scores

if TYPE_CHECKING:
    import lightgbm

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many trees of which size are grown, and what of rows and columns each one sees."""

    trees: int = 200
    leaves: int = 31
    learning_rate: float = 0.05
    leaf_rows_min: int = 20
    column_share: float = 0.3
    row_share: float = 0.8


@dataclass(frozen=True, slots=True)
class Fitted:
    """Trees as LightGBM holds them."""

    booster: lightgbm.Booster
    names: tuple[str, ...]

    def scores(self, rows: Rows) -> Scores:
        """The estimate for each row."""
        return np.asarray(self.booster.predict(rows, num_threads=1), np.float64)

    def text(self, catalogue: str) -> str:
        """The model's text; `catalogue` is the digest of the features that it takes."""
        return write_forest(read_forest(self.booster.model_to_string(), catalogue=catalogue))

    def gains(self) -> dict[str, float]:
        """What each input brought to the trees, the most first; together 1."""
        gains = np.asarray(self.booster.feature_importance("gain"), np.float64)
        shares = gains / max(float(gains.sum()), 1.0)
        return {self.names[place]: float(shares[place]) for place in np.argsort(-shares, kind="stable")}


def fit(
    rows: Rows, labels: Labels, *, names: Sequence[str], shape: Shape, seed: int, weights: Scores | None = None
) -> Fitted:
    """Grows trees. There must be rows of both labels, because without them there is nothing to tell apart."""
    import lightgbm

    assert len(rows) == len(labels), "a label for each row"
    assert 0 < labels.sum() < len(labels), "rows of both labels"
    settings = {
        "objective": "binary",
        "num_leaves": shape.leaves,
        "learning_rate": shape.learning_rate,
        "min_data_in_leaf": shape.leaf_rows_min,
        "feature_fraction": shape.column_share,
        "bagging_fraction": shape.row_share,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    taught = lightgbm.Dataset(rows, labels, weight=weights, feature_name=list(names), params={"verbosity": -1})
    return Fitted(lightgbm.train(settings, taught, shape.trees), tuple(names))
