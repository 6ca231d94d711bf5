"""From the whole numbers that an executor counts to the feature: one text for all, so that all say the same.

An executor finds, for one attempt, the *parts* of a feature:

| part | over the rows in `[t - window, t - lag]` with the feature's key that pass its `where` |
|---|---|
| rows | how many |
| n | how many of them have a value |
| total, squares | the sum of their values, and of their squares, each value cut by `cut` |
| least, greatest, latest | the smallest, largest and newest value, not cut; any number where `n` is 0 |
| different | how many different values |
| equal | how many have the attempt's own value |
| newest, oldest | the instants of the first and last of them; any number where `rows` is 0 |
| held | how many in `[t - window, t - 1]`, whatever the lag; more than `cap` is saturated |

A feature is saturated where its key is known, the attempt's own value too if it compares that, and `held` is over its
cap; a share is where one of its two features is.

`FORMS` says which parts an aggregate takes, which of them must not be 0, and what is computed then. Its expressions are
Python and numpy at once; an executor that generates code sets them into it as they stand. Every operand is at least 0
(rows hold no negative amounts), so that rounding down and rounding to zero are the same, and no step leaves 63 bits:
the largest is `n * squares`, at most `CAP * CAP * VALUE_MAX ** 2 == 2 ** 62`, which is why a spread has no larger cap.

>>> from suyuan.risk.features import FeatureSpec
>>> mean = FeatureSpec(name="a", zh="均值", en="mean", aggregate="mean", key=("seller",), value="face_fen", empty=-1)
>>> finalise(mean, {"n": 3, "total": 200, "held": 3}), finalise(mean, {"n": 0, "total": 0, "held": 0})
(66, -1)
>>> finalise(mean, {"n": 2_049, "total": 200, "held": 2_049}) is None
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suyuan.risk.features import CAP, VALUE_MAX, Aggregate, FeatureSpec

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

CAP_MAX = 65_536
"""The largest cap of any feature but a spread: memory is bounded by it, and sums stay below 2**37, squares 2**57."""


class Form(NamedTuple):
    """How one aggregate becomes a feature."""

    parts: tuple[str, ...]
    needs: str  # The part that must not be 0; where it is, the feature is what its spec calls `empty`.
    expression: str


FORMS: dict[Aggregate, Form] = {
    "count": Form(("rows",), "", "rows"),
    "sum": Form(("total",), "", "total"),
    "sum_squares": Form(("squares",), "", "squares"),
    "min": Form(("n", "least"), "n", "least"),
    "max": Form(("n", "greatest"), "n", "greatest"),
    "last": Form(("n", "latest"), "n", "latest"),
    "mean": Form(("n", "total"), "n", "total // n"),
    "spread": Form(("n", "total", "squares"), "n", "isqrt(n * squares - total * total) // n"),
    "distinct": Form(("different",), "", "different"),
    "gap": Form(("rows", "newest"), "rows", "(at - newest) // 1_000_000"),
    "age": Form(("rows", "oldest"), "rows", "(at - oldest) // 1_000_000"),
    "new": Form(("equal",), "", "1 - (equal > 0)"),
    "same": Form(("equal",), "", "equal"),
    "ratio": Form(("n", "total"), "total", "100 * own * n // total"),
    "share": Form(("one", "other"), "other", "1_000 * one // other"),
}

CAPS_MAX: dict[Aggregate, int] = {"spread": CAP}
COMPARES_OWN: frozenset[Aggregate] = frozenset({"new", "same", "ratio"})
"""Aggregates that ask for the attempt's own `value`, and are `None` where it has none."""


class Column(NamedTuple):
    """A feature of many attempts: its values, and where it has one. What stands elsewhere means nothing."""

    values: Integers
    present: Flags

    def listed(self) -> list[int | None]:
        """The same as whole numbers and `None`."""
        return [value if known else None for value, known in zip(self.values.tolist(), self.present, strict=True)]


def cut(value: int) -> int:
    """An amount as it counts in sums, and as `ratio` compares it.

    >>> cut(5), cut(VALUE_MAX + 1) == VALUE_MAX
    (5, True)
    """
    return min(VALUE_MAX, value)


def finalise(spec: FeatureSpec, parts: Mapping[str, int], *, at: int = 0, own: int | None = None) -> int | None:
    """The feature of one attempt whose key is known. `own` is the attempt's own value, for those that compare it."""
    form = FORMS[spec.aggregate]
    if spec.aggregate in COMPARES_OWN and own is None:
        return None
    if parts["held"] > spec.cap:
        return spec.cap if spec.aggregate == "count" else None
    if form.needs and not parts[form.needs]:
        return spec.empty
    names = {**parts, "at": at, "own": None if own is None else cut(own), "isqrt": math.isqrt}
    value: int = eval(_compiled(form.expression), {"__builtins__": {}}, names)  # noqa: S307 - an expression of FORMS
    return value


def finalise_columns(
    spec: FeatureSpec, parts: Mapping[str, Integers], *, known: Flags, at: Integers, own: Column | None = None
) -> Column:
    """The same of many attempts; `known` says whose key is. Parts may be anything where it is not."""
    form = FORMS[spec.aggregate]
    present = known
    names: dict[str, Any] = {**{name: parts[name] for name in form.parts}, "at": at, "isqrt": isqrt_columns}
    if spec.aggregate in COMPARES_OWN:
        assert own is not None, f"`{spec.name}` compares the attempt's own value"
        present = known & own.present
        names["own"] = np.minimum(np.where(present, own.values, 0), VALUE_MAX)
    values = _evaluated(spec, form, names, present)
    saturated = parts["held"] > spec.cap
    if spec.aggregate == "count":
        return Column(np.where(saturated, spec.cap, values.values), present)
    return Column(values.values, values.present & ~saturated)


def share(spec: FeatureSpec, one: int | None, other: int | None, *, is_saturated: bool) -> int | None:
    """The share of two features of the same attempt; nothing where either is not known or is saturated."""
    if one is None or other is None or is_saturated:
        return None
    return finalise(spec, {"one": one, "other": other, "held": 0})


def share_columns(spec: FeatureSpec, one: Column, other: Column, *, saturated: Flags) -> Column:
    """The same of many attempts."""
    present = one.present & other.present & ~saturated
    names = {"one": np.where(present, one.values, 0), "other": np.where(present, other.values, 0)}
    return _evaluated(spec, FORMS["share"], names, present)


def isqrt_columns(values: Integers) -> Integers:
    """`math.isqrt` of each, up to 2**62. The root of a float is off by one at most, and is put right.

    >>> isqrt_columns(np.array([0, 15, 16, (2**31 - 1) ** 2 - 1, 2**62], np.int64)).tolist()
    [0, 3, 4, 2147483646, 2147483648]
    """
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)
    root -= root * root > values
    root += (root + 1) * (root + 1) <= values
    return root


def _evaluated(spec: FeatureSpec, form: Form, names: dict[str, Any], present: Flags) -> Column:
    """What the form computes, and `empty` where it needs what is 0."""
    # What stands in a cell that means nothing must not divide by zero or overflow on its way to nowhere.
    names = {
        name: np.where(present, value, 0) if isinstance(value, np.ndarray) else value for name, value in names.items()
    }
    if not form.needs:
        return Column(_columns_of(form, names), present)
    has = names[form.needs] != 0
    names[form.needs] = np.where(has, names[form.needs], 1)
    computed = _columns_of(form, names)
    if spec.empty is None:
        return Column(computed, present & has)
    return Column(np.where(has, computed, spec.empty), present)


def _columns_of(form: Form, names: dict[str, Any]) -> Integers:
    computed = eval(_compiled(form.expression), {"__builtins__": {}}, names)  # noqa: S307 - an expression of FORMS
    return np.asarray(computed, dtype=np.int64)


@lru_cache(len(FORMS))
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<feature>", "eval")
