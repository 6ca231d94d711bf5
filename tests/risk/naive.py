"""The slow, obvious executor that the others must equal: every feature again from the list of all rows.

It shares the finaliser with them, which has tests of its own, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from suyuan.base.clock import SECOND
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.features import Condition, FeatureSpec
from suyuan.risk.finalise import COMPARES_OWN, cut, finalise, share
from suyuan.risk.row import Row


class Measured(NamedTuple):
    """The features of one attempt, and the places of those that are saturated."""

    values: list[int | None]
    saturated: list[int]


def measure(catalogue: Catalogue, before: Sequence[Row], attempt: Row) -> Measured:
    """The features of an attempt, given all rows before it."""
    found = {spec.name: _of_rows(spec, before, attempt) for spec in catalogue.features if spec.aggregate != "share"}
    for spec in catalogue.features:
        if spec.aggregate == "share":
            (one, one_is_saturated), (other, other_is_saturated) = (found[name] for name in spec.of)
            is_saturated = one_is_saturated or other_is_saturated
            found[spec.name] = share(spec, one, other, is_saturated=is_saturated), is_saturated
    values = [found[name][0] for name in catalogue.names]
    return Measured(values, [place for place, name in enumerate(catalogue.names) if found[name][1]])


def _of_rows(spec: FeatureSpec, before: Sequence[Row], attempt: Row) -> tuple[int | None, bool]:
    key = [getattr(attempt, column) for column in spec.key]
    own = getattr(attempt, spec.value) if spec.value else None
    if None in key or (spec.aggregate in COMPARES_OWN and own is None):
        return None, False
    held = [
        row
        for row in before
        if [getattr(row, column) for column in spec.key] == key
        and all(_passes(row, condition) for condition in spec.where)
        and attempt.at - spec.window_s * SECOND <= row.at <= attempt.at - 1
    ]
    rows = [row for row in held if row.at <= attempt.at - max(spec.lag_s * SECOND, 1)]
    values = [getattr(row, spec.value) for row in rows] if spec.value else []
    values = [value for value in values if value is not None]
    parts = {
        "rows": len(rows),
        "n": len(values),
        "total": sum(cut(value) for value in values),
        "squares": sum(cut(value) ** 2 for value in values),
        "least": min(values, default=0),
        "greatest": max(values, default=0),
        "latest": values[-1] if values else 0,
        "different": len(set(values)),
        "equal": values.count(own),
        "newest": rows[-1].at if rows else 0,
        "oldest": rows[0].at if rows else 0,
        "held": len(held),
    }
    return finalise(spec, parts, at=attempt.at, own=own), len(held) > spec.cap


def _passes(row: Row, condition: Condition) -> bool:
    value = getattr(row, condition.column)
    if value is None:
        return False
    match condition.operator:
        case "eq":
            return bool(value == condition.operand)
        case "ne":
            return bool(value != condition.operand)
        case "ge":
            return bool(value >= condition.operand)
        case "le":
            return bool(value <= condition.operand)
