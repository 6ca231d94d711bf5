"""The text of a model: read strictly, because the library that walks its trees believes every number in it.

LightGBM reads such a text without looking whether a child exists, a feature does, or a path ever ends; one wrong digit
is a read outside memory, or a walk without end. So no foreign text ever reaches it: a text is read into a `Forest`,
which is checked, and LightGBM is given what `write_forest` makes of that. The form is LightGBM's own (version 4), cut
down to what scoring needs, so that every tool that reads LightGBM's models reads ours:

    tree                                 the first line
    version=v4, num_class=1, …           the header; `objective=binary sigmoid:1` is the only objective
    features=<64 hexadecimal digits>     the digest of the catalogue whose features it takes; LightGBM passes over it
    feature_names=a b c                  the names of all inputs, in their order
    tree_sizes=…                         how many bytes each tree takes
    Tree=0, num_leaves=31, …             each tree: for each split its feature, threshold and children, then the leaves
    end of trees

What a `Forest` promises, and `BadModel` says of anything else: every split asks a feature that there is; every child
is a later split or a leaf (written `~leaf`), each of which has exactly one parent, so every path ends; every number is
finite and every leaf within ±`LEAF_MAX`; there are no more trees, leaves and bytes than can be walked in time; splits
are plain comparisons of numbers, which say on which side a missing value goes.

>>> stump = Tree((0,), (1.5,), (10,), (-1,), (-2,), (-0.25, 0.75))
>>> text = write_forest(Forest("0" * 64, ("hour",), (stump,)))
>>> read_forest(text).trees[0] == stump, check_written(text) == read_forest(text)
(True, True)
>>> read_forest(text.replace("left_child=-1", "left_child=-9"))
Traceback (most recent call last):
    ...
suyuan.risk.model.forest.BadModel: tree 0: leaves and splits are not each the child of exactly one split
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple, TypeVar

TEXT_BYTES_MAX = 4 << 20
TREES_MAX = 1_000
LEAVES_MAX = 64
"""So that a walk takes a few hundred thousand steps at the very most, however the trees are grown."""
FEATURES_MAX = 1_024
LEAF_MAX = 1_000.0
BEYOND = 1e300

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_DECISIONS = frozenset({0, 2, 4, 6, 8, 10})
"""Plain comparisons; 2 sends what is missing to the left, 4 takes a zero as missing, 8 takes NaN as missing."""

_HEADER = {
    "version": "v4",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": "0",
    "objective": "binary sigmoid:1",
}
_PLAIN_TREE = {"num_cat": "0", "is_linear": "0"}

T = TypeVar("T")


class BadModel(ValueError):
    """Raised for a text that is no model; its text says where and why."""


class Tree(NamedTuple):
    """One tree: for each split its feature, threshold, way of deciding and children, and a value for each leaf."""

    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    decisions: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaves: tuple[float, ...]


class Forest(NamedTuple):
    """The trees, whose leaves add up to the log of the odds, and the inputs that they ask."""

    catalogue: str  # The digest of the catalogue of features, in hexadecimal.
    names: tuple[str, ...]
    trees: tuple[Tree, ...]


def digest_of(text: str) -> str:
    """What a model is known by."""
    return sha256(text.encode()).hexdigest()


def check_written(text: str) -> Forest:
    """The forest of a text that `write_forest` wrote, byte for byte. Raises `BadModel` for any other."""
    forest = read_forest(text)
    if write_forest(forest) != text:
        raise BadModel("the text is not written as a model is written; `suyuan risk train` writes models")
    return forest


def read_forest(text: str, *, catalogue: str = "") -> Forest:
    """The forest of a text in LightGBM's form, with whatever else stands in it left out. Raises `BadModel`.

    A text that LightGBM itself wrote names no catalogue; whoever trained it gives the digest.
    """
    if len(text) > TEXT_BYTES_MAX or not text.isascii():
        raise BadModel(f"a model is plain ASCII text of at most {TEXT_BYTES_MAX} bytes")
    if not text.startswith("tree\n") or "\nend of trees\n" not in text:
        raise BadModel("the text does not begin with `tree`, or has no `end of trees`")
    head, *blocks = text.partition("\nend of trees\n")[0].split("\nTree=")
    header = _entries(head.removeprefix("tree\n"), "the header")
    _check_fixed(header, _HEADER, "the header")
    names = tuple(_of(header, "feature_names", "the header").split(" "))
    digest = catalogue or _of(header, "features", "the header")
    _check_header(header, names, digest, len(blocks))
    return Forest(digest, names, tuple(_tree(block, place, len(names)) for place, block in enumerate(blocks)))


def write_forest(forest: Forest) -> str:
    """The one text of a forest."""
    trees = [_written(tree, place) for place, tree in enumerate(forest.trees)]
    header = {
        **_HEADER,
        "max_feature_idx": str(len(forest.names) - 1),
        "features": forest.catalogue,
        "feature_names": " ".join(forest.names),
        # The span of each feature at training, which scoring never asks.
        "feature_infos": " ".join(["none"] * len(forest.names)),
        "tree_sizes": " ".join(str(len(tree)) for tree in trees),
    }
    lines = "".join(f"{key}={value}\n" for key, value in header.items())
    return f"tree\n{lines}\n{''.join(trees)}end of trees\n"


# --- Reading ----------------------------------------------------------------------------------------------------------


def _entries(block: str, where: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for line in block.split("\n"):
        key, equals, value = line.partition("=")
        if line and not equals:
            raise BadModel(f"{where}: `{line[:40]}` is no entry `key=value`")
        if line and key in entries:
            raise BadModel(f"{where}: `{key[:40]}` stands twice")
        entries[key] = value
    return entries


def _of(entries: dict[str, str], key: str, where: str) -> str:
    if key not in entries:
        raise BadModel(f"{where}: there is no `{key}`")
    return entries[key]


def _check_fixed(entries: dict[str, str], fixed: dict[str, str], where: str) -> None:
    for key, value in fixed.items():
        if _of(entries, key, where) != value:
            raise BadModel(f"{where}: `{key}` is not {value}; only such models are scored")


def _check_header(header: dict[str, str], names: tuple[str, ...], digest: str, trees: int) -> None:
    if not 1 <= len(names) <= FEATURES_MAX or len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        raise BadModel(f"the header: 1 to {FEATURES_MAX} features, each of one name")
    if _of(header, "max_feature_idx", "the header") != str(len(names) - 1):
        raise BadModel("the header: `max_feature_idx` is not that of the last name")
    if not _DIGEST.fullmatch(digest):
        raise BadModel("the header: `features` is no SHA-256 in hexadecimal")
    if not 1 <= trees <= TREES_MAX:
        raise BadModel(f"a model has 1 to {TREES_MAX} trees, not {trees}")


def _tree(block: str, place: int, feature_count: int) -> Tree:
    where = f"tree {place}"
    number, _, rest = block.partition("\n")
    if number != str(place):
        raise BadModel(f"{where}: it is numbered `{number[:20]}`")
    entries = _entries(rest, where)
    _check_fixed(entries, _PLAIN_TREE, where)
    leaf_count = _numbers(entries, "num_leaves", where, _whole)[0]
    if not 1 <= leaf_count <= LEAVES_MAX:
        raise BadModel(f"{where}: a tree has 1 to {LEAVES_MAX} leaves, not {leaf_count}")
    splits = leaf_count - 1
    tree = Tree(
        features=_numbers(entries, "split_feature", where, _whole, splits),
        thresholds=_numbers(entries, "threshold", where, _threshold, splits),
        decisions=_numbers(entries, "decision_type", where, _whole, splits),
        left=_numbers(entries, "left_child", where, _whole, splits),
        right=_numbers(entries, "right_child", where, _whole, splits),
        leaves=_numbers(entries, "leaf_value", where, _decimal, leaf_count),
    )
    for finding in _findings(tree, feature_count):
        raise BadModel(f"{where}: {finding}")
    return tree


def _findings(tree: Tree, feature_count: int) -> Iterator[str]:
    """Everything that would lead a walk astray."""
    splits = len(tree.features)
    if not all(0 <= feature < feature_count for feature in tree.features):
        yield "a split asks a feature that there is not"
    if not _DECISIONS.issuperset(tree.decisions):
        yield "a split is no plain comparison"
    children = sorted([*tree.left, *tree.right])
    # Leaves are written as their complement: -1 is the leaf 0. The first split is nobody's child.
    if children != [*range(-splits - 1, 0), *range(1, splits)] and splits:
        yield "leaves and splits are not each the child of exactly one split"
    if any(0 <= child <= split for pair in (tree.left, tree.right) for split, child in enumerate(pair)):
        yield "a split leads back to one before it"
    if not all(abs(leaf) <= LEAF_MAX for leaf in tree.leaves):
        yield f"a leaf is beyond {LEAF_MAX:g}"


def _numbers(entries: dict[str, str], key: str, where: str, read: Callable[[str], T], count: int = 1) -> tuple[T, ...]:
    written = _of(entries, key, where) if count or key in entries else ""
    parts = written.split(" ") if written else []
    if len(parts) != count:
        raise BadModel(f"{where}: `{key}` has {len(parts)} numbers, not {count}")
    try:
        return tuple(read(part) for part in parts)
    except ValueError as fault:
        raise BadModel(f"{where}: `{key}`: {fault}") from None


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"`{text[:40]}` is no whole number")
    return int(text)


def _decimal(text: str) -> float:
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"`{text[:40]}` is no finite number")
    return number


def _threshold(text: str) -> float:
    """LightGBM writes infinity where only what is missing goes the other way; no input is as large as `BEYOND`."""
    return BEYOND if text == "inf" else _decimal(text)


# --- Writing ----------------------------------------------------------------------------------------------------------


def _written(tree: Tree, place: int) -> str:
    entries = {
        "Tree": str(place),
        "num_leaves": str(len(tree.leaves)),
        "num_cat": "0",
        "split_feature": _joined(tree.features),
        "threshold": _joined(tree.thresholds),
        "decision_type": _joined(tree.decisions),
        "left_child": _joined(tree.left),
        "right_child": _joined(tree.right),
        "leaf_value": _joined(tree.leaves),
        "is_linear": "0",
        "shrinkage": "1",
    }
    return "".join(f"{key}={value}\n" for key, value in entries.items()) + "\n"


def _joined(numbers: tuple[int, ...] | tuple[float, ...]) -> str:
    # `repr` is the shortest text that reads back as the same number, so equal forests are equal bytes.
    return " ".join(map(repr, numbers))
