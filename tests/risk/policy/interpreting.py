"""The third reading of an expression, for tests: slow and obvious, straight from the table in `risk.policy.tree`."""

from __future__ import annotations

import operator
from collections.abc import Mapping

from suyuan.risk.policy.tree import (
    And,
    Arithmetic,
    Comparison,
    Listed,
    Membership,
    Missing,
    Name,
    Negative,
    Not,
    Number,
    Numeric,
    Or,
    Truth,
)

RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
SIGNS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip


def number_of(part: Numeric, values: Mapping[str, int | None]) -> int | None:
    """The value of a number, or None where it is missing."""
    if isinstance(part, Number):
        return part.value
    if isinstance(part, Name):
        return values[part.name]
    if isinstance(part, Negative):
        inner = number_of(part.part, values)
        return None if inner is None else -inner
    assert isinstance(part, Arithmetic)
    left, right = number_of(part.left, values), number_of(part.right, values)
    if left is None or right is None:
        return None
    if part.sign in ("//", "%") and right == 0:
        return None
    return int(SIGNS[part.sign](left, right))


def truth_of(part: Truth, values: Mapping[str, int | None]) -> bool:
    """Whether a condition holds."""
    if isinstance(part, And):
        return all(truth_of(inner, values) for inner in part.parts)
    if isinstance(part, Or):
        return any(truth_of(inner, values) for inner in part.parts)
    if isinstance(part, Not):
        return not truth_of(part.part, values)
    if isinstance(part, Missing):
        return values[part.name] is None
    if isinstance(part, Listed):
        return values[part.name] == 1
    if isinstance(part, Membership):
        found = number_of(part.part, values)
        return False if found is None else (found in part.members) == part.is_in
    assert isinstance(part, Comparison)
    left, right = number_of(part.left, values), number_of(part.right, values)
    return False if left is None or right is None else bool(RELATIONS[part.relation](left, right))
