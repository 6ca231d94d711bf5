"""Rows with something to learn in them, and models trained on them, for the tests of the model."""

from __future__ import annotations

from functools import cache

import numpy as np

from suyuan.risk.model.fitting import Fitted, Rows, Shape, fit
from suyuan.risk.model.metrics import Labels

CATALOGUE = "c" * 64
SMALL = Shape(trees=12, leaves=7, leaf_rows_min=5)


def rows_and_labels(count: int = 3_000, columns: int = 9, *, seed: int = 7) -> tuple[Rows, Labels]:
    """Whole numbers of many sizes, a tenth of them missing, and a label that the first two columns tell."""
    chance = np.random.default_rng(seed)
    rows = np.floor(10.0 ** chance.uniform(0, 12, size=(count, columns)))
    labels = (rows[:, 0] > 10**8) ^ (rows[:, 1] % 7 == 3)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows, labels.astype(np.int64)


def names_of(rows: Rows) -> tuple[str, ...]:
    return tuple(f"input_{place}" for place in range(rows.shape[1]))


@cache
def fitted(shape: Shape = SMALL, seed: int = 1) -> Fitted:
    rows, labels = rows_and_labels()
    return fit(rows, labels, names=names_of(rows), shape=shape, seed=seed)


def model_text(shape: Shape = SMALL, seed: int = 1) -> str:
    return fitted(shape, seed).text(CATALOGUE)


def inputs_of(rows: Rows) -> list[list[int | None]]:
    return [[None if value != value else int(value) for value in row] for row in rows.tolist()]
