"""One attempt is scored as `Booster.predict` would, without its package and without a word on standard output."""

from __future__ import annotations

import gc
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.model.fitting import Shape
from suyuan.risk.model.forest import Forest, Tree, digest_of, write_forest
from suyuan.risk.model.scorer import Scorer
from tests.risk.model.stand_in import CATALOGUE, SMALL, fitted, inputs_of, model_text, rows_and_labels

INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize("shape", [SMALL, Shape(trees=60, leaves=31), Shape(trees=1, leaves=2)])
def test_scores_equal_those_of_the_library_in_every_bit(shape: Shape) -> None:
    """Over thousands of rows, and against the text as LightGBM itself keeps it."""
    rows, _ = rows_and_labels(5_000, seed=11)
    scorer = Scorer(model_text(shape))
    assert [scorer.estimate(row) for row in inputs_of(rows)] == fitted(shape).scores(rows).tolist()


@given(st.lists(st.none() | INT64, min_size=9, max_size=9))
def test_any_whole_numbers_are_scored_as_the_library_does(row: list[int | None]) -> None:
    """Those that a double does not hold are rounded as numpy rounds them."""
    scorer = Scorer(model_text())
    as_array = np.array([[np.nan if value is None else value for value in row]], np.float64)
    assert scorer.estimate(row) == fitted().scores(as_array)[0]
    assert 0 <= scorer.score(row) <= 10_000


def test_a_score_is_the_estimate_in_hundredths_of_a_percent() -> None:
    leaf = Tree((), (), (), (), (), (0.0,))
    assert Scorer(write_forest(Forest(CATALOGUE, ("hour",), (leaf,)))).score([3]) == 5_000
    for leaf_value, score in ((-1_000.0, 0), (1_000.0, 10_000)):
        extreme = Tree((0,), (5.0,), (10,), (-1,), (-2,), (leaf_value, leaf_value))
        assert Scorer(write_forest(Forest(CATALOGUE, ("hour",), (extreme,)))).score([3]) == score


def test_a_missing_input_goes_where_the_split_says() -> None:
    """Decision 8 sends it to the right, 10 to the left."""
    for decision, score in ((8, 7_311), (10, 2_689)):
        split = Tree((0,), (5.0,), (decision,), (-1,), (-2,), (-1.0, 1.0))
        scorer = Scorer(write_forest(Forest(CATALOGUE, ("hour",), (split,))))
        assert [scorer.score([value]) for value in (5, 6, None)] == [2_689, 7_311, score]


def test_a_row_of_another_length_never_reaches_the_library() -> None:
    scorer = Scorer(model_text())
    for row in ([], [1] * 8, [1] * 10):
        with pytest.raises(struct.error):
            scorer.score(row)
    assert scorer.score([1] * 9) == scorer.score([1] * 9)


def test_a_scorer_says_what_it_is() -> None:
    scorer = Scorer(model_text())
    assert scorer.digest == digest_of(model_text())
    assert (scorer.catalogue, scorer.names) == (CATALOGUE, tuple(f"input_{place}" for place in range(9)))


def test_scorers_of_two_models_do_not_disturb_each_other() -> None:
    """The champion and a challenger score the same attempt, one after the other, and one of them goes."""
    rows = inputs_of(rows_and_labels(50, seed=3)[0])
    champion, challenger = Scorer(model_text()), Scorer(model_text(seed=2))
    alone = [champion.estimate(row) for row in rows]
    assert [(champion.estimate(row), challenger.estimate(row))[0] for row in rows] == alone
    del challenger
    gc.collect()
    assert [champion.estimate(row) for row in rows] == alone


def test_the_line_imports_no_package_of_lightgbm_to_score(tmp_path: Path) -> None:
    """It would take two seconds and a hundred megabytes; and standard output belongs to whoever called."""
    model = tmp_path / "model.txt"
    model.write_text(model_text(), "ascii")
    code = (
        "import sys; from suyuan.risk.model.scorer import Scorer\n"
        "score = Scorer(open(sys.argv[1]).read()).score([1] * 9)\n"
        "assert 0 <= score <= 10_000 and not {'lightgbm', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
