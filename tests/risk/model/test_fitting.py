"""Equal rows give equal bytes: in another process, and whatever else the machine does."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from suyuan.risk.model.fitting import fit
from suyuan.risk.model.forest import digest_of
from tests.risk.model.stand_in import CATALOGUE, SMALL, fitted, model_text, names_of, rows_and_labels

ELSEWHERE = """
from tests.risk.model.stand_in import model_text
from suyuan.risk.model.forest import digest_of
print(digest_of(model_text()))
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest_of(model_text())


def test_another_seed_gives_other_trees() -> None:
    assert model_text(seed=2) != model_text(seed=1)


def test_weights_change_what_is_learned() -> None:
    rows, labels = rows_and_labels()
    weights = np.where(labels == 1, 1.0, 0.1)
    weighted = fit(rows, labels, names=names_of(rows), shape=SMALL, seed=1, weights=weights)
    assert weighted.scores(rows).mean() > fitted().scores(rows).mean()
    assert weighted.text(CATALOGUE) != model_text()


def test_gains_name_what_matters_first() -> None:
    gains = fitted().gains()
    assert list(gains)[:2] == ["input_0", "input_1"] or next(iter(gains)) == "input_0"
    assert sum(gains.values()) == pytest.approx(1)


def test_labels_of_one_sort_teach_nothing() -> None:
    rows, labels = rows_and_labels(200)
    with pytest.raises(AssertionError, match="both labels"):
        fit(rows, np.zeros_like(labels), names=names_of(rows), shape=SMALL, seed=1)
