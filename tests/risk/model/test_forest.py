"""A model's text from a stranger is a model or a sentence, and never a walk outside memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.model import forest
from suyuan.risk.model.forest import BadModel, Forest, Tree, check_written, read_forest, write_forest
from tests.risk.model.stand_in import CATALOGUE, fitted, model_text

STUMP = Tree((0,), (1.5,), (10,), (-1,), (-2,), (-0.25, 0.75))
LEAF = Tree((), (), (), (), (), (0.5,))
DEEP = Tree((0, 1, 0), (1.5, -2.0, 1e-35), (10, 8, 2), (1, -1, -3), (2, -2, -4), (0.1, -0.2, 0.3, -0.0))


def text_of(*trees: Tree) -> str:
    return write_forest(Forest(CATALOGUE, ("hour", "face_fen"), trees))


def test_what_is_written_is_read_again() -> None:
    text = text_of(STUMP, LEAF, DEEP)
    assert write_forest(check_written(text)) == text
    assert check_written(text).trees == (STUMP, LEAF, DEEP)


def test_a_text_of_lightgbm_loses_what_scoring_does_not_need() -> None:
    own = fitted().booster.model_to_string()
    read = read_forest(own, catalogue=CATALOGUE)
    assert write_forest(read) == model_text()
    assert len(model_text()) < len(own) / 2
    with pytest.raises(BadModel, match="no `features`"):
        read_forest(own)


def test_a_text_that_says_more_than_a_model_needs_is_not_scored() -> None:
    """LightGBM would read parameters from it, and a second entry of the same name."""
    text = text_of(STUMP)
    for more in (text + "\nparameters:\n", text.replace("version=v4\n", "version=v4\nnote=x\n"), text + " "):
        with pytest.raises(BadModel, match="not written as a model is written"):
            check_written(more)


WRONG = [
    ("version=v4", "version=v3", "`version` is not v4"),
    ("objective=binary sigmoid:1", "objective=regression", "`objective` is not"),
    ("num_class=1", "num_class=2", "`num_class` is not 1"),
    ("max_feature_idx=1", "max_feature_idx=7", "`max_feature_idx`"),
    ("feature_names=hour face_fen", "feature_names=hour hour", "each of one name"),
    ("feature_names=hour face_fen", "feature_names=hour [x]", "each of one name"),
    (f"features={CATALOGUE}", "features=none", "no SHA-256"),
    ("tree_sizes=", "tree_sizes=9", "not written as a model"),
    ("num_leaves=4", "num_leaves=5", "`split_feature` has 3 numbers, not 4"),
    ("num_leaves=4", "num_leaves=-1", "1 to 64 leaves"),
    ("num_leaves=4", "num_leaves=99999999", "1 to 64 leaves"),
    ("num_leaves=4", "num_leaves=4 4", "2 numbers, not 1"),
    ("num_cat=0", "num_cat=1", "`num_cat` is not 0"),
    ("is_linear=0", "is_linear=1", "`is_linear` is not 0"),
    ("split_feature=0 1 0", "split_feature=0 2 0", "a feature that there is not"),
    ("split_feature=0 1 0", "split_feature=0 -1 0", "a feature that there is not"),
    ("split_feature=0 1 0", "split_feature=0 1  0", "4 numbers, not 3"),
    ("decision_type=10 8 2", "decision_type=11 8 2", "no plain comparison"),
    ("threshold=1.5 -2.0 1e-35", "threshold=1.5 nan 1e-35", "no finite number"),
    ("threshold=1.5 -2.0 1e-35", "threshold=1.5 -2.0 1e999", "no finite number"),
    ("threshold=1.5 -2.0 1e-35", "threshold=1.5 -2.0 0x1p4", "no finite number"),
    ("left_child=1 -1 -3", "left_child=1 -1 -9", "exactly one split"),
    ("left_child=1 -1 -3", "left_child=2 -1 -3", "exactly one split"),
    ("left_child=1 -1 -3\nright_child=2 -2 -4", "left_child=-1 2 1\nright_child=-2 -3 -4", "leads back"),
    ("left_child=1 -1 -3\nright_child=2 -2 -4", "left_child=0 -1 -3\nright_child=2 -2 -4", "exactly one split"),
    ("leaf_value=0.1", "leaf_value=1e9", "a leaf is beyond"),
    ("leaf_value=0.1", "leaf_value=inf", "no finite number"),
    ("Tree=0", "Tree=1", "numbered `1`"),
    ("end of trees", "end of tree", "no `end of trees`"),
    ("tree\nversion", "forest\nversion", "does not begin with `tree`"),
    ("num_cat=0", "num_cat=0\nnum_cat=0", "stands twice"),
    ("num_cat=0", "num_cat", "no entry"),
    ("left_child=1 -1 -3\n", "", "there is no `left_child`"),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), WRONG)
def test_each_wrong_text_is_refused_with_a_sentence(right: str, wrong: str, sentence: str) -> None:
    text = text_of(DEEP)
    assert right in text
    with pytest.raises(BadModel, match=re.escape(sentence)):
        check_written(text.replace(right, wrong, 1))


def test_a_text_is_bounded() -> None:
    with pytest.raises(BadModel, match="at most"):
        check_written("tree\n" + "x" * forest.TEXT_BYTES_MAX)
    with pytest.raises(BadModel, match="ASCII"):
        check_written(text_of(STUMP).replace("hour", "小时"))
    with pytest.raises(BadModel, match="1 to 1000 trees, not 1001"):
        check_written(text_of(*[STUMP] * 1_001))
    with pytest.raises(BadModel, match="1 to 1000 trees, not 0"):
        check_written(text_of())


@given(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 40))
def test_a_torn_or_changed_text_is_a_model_in_its_only_form_or_a_bad_one(place: int, put: bytes, cut: int) -> None:
    text = text_of(STUMP, DEEP)
    place %= len(text)
    changed = text[:place] + put.decode("latin-1") + text[place + cut :]
    try:
        found = check_written(changed)
    except BadModel:
        return
    assert write_forest(found) == changed


FUZZ = """
import random, sys
from suyuan.risk.model.forest import BadModel
from suyuan.risk.model.scorer import Scorer
text, chance, refused = open(sys.argv[1], "rb").read(), random.Random(5), 0
for turn in range(int(sys.argv[2])):
    torn = bytearray(text[: chance.randrange(1, len(text))] if turn % 4 == 0 else text)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(torn))
        torn[place] = torn[place] ^ (1 << chance.randrange(8)) if turn % 2 else chance.choice(b"0123456789- .=")
    try:
        scorer = Scorer(torn.decode("latin-1"))
    except BadModel:
        refused += 1
        continue
    scores = [scorer.score(row) for row in ([None] * len(scorer.names), [2**62] * len(scorer.names))]
    assert all(0 <= score <= 10_000 for score in scores), scores
print(refused, "refused")
"""


@pytest.mark.parametrize("turns", [400, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_flipped_bits_and_torn_texts_never_end_the_process(tmp_path: Path, turns: int) -> None:
    """In a process of its own, because LightGBM given such a text unread ends it, or never comes back."""
    model = tmp_path / "model.txt"
    model.write_text(model_text(), "ascii")
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(model), str(turns)], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > turns // 4
