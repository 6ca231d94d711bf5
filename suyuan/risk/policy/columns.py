"""All rules of a policy over columns, for backtests: the same tree, as numpy.

A column (`finalise.Column`) holds int64 values and a mask of those that are present; what else stands there does not
matter. The
answer of every rule for every row equals that of the Python form, bit for bit: arithmetic that could leave 64 bits was
refused when the policy was read, and a column whose values leave the span that this rested on is refused here
(`BeyondSpan`). Blocks of rows stay in the processor's cache, so memory is bounded whatever comes in.

>>> import numpy as np
>>> from suyuan.risk.policy.tree import Comparison, Name, Number
>>> form = column_form([Comparison(">", Name("b"), Number(5))], ("a", "b"), {"b": Span(0, 9)})
>>> b = Column(np.array([6, 5, 9]), np.array([True, True, False]))
>>> form({"b": b}).tolist()
[[True, False, False]]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from suyuan.risk.finalise import Column, Flags, Integers
from suyuan.risk.policy.names import Span
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
    inputs_in,
    walk,
)

BLOCK_ROWS = 8_192
_FEW_MEMBERS = 8


class BeyondSpan(Exception):
    """Raised for a column with a value that its input cannot have, on which arithmetic of the policy rests."""


Columns: TypeAlias = Mapping[str, Column]
ColumnForm: TypeAlias = Callable[[Columns], Flags]
_Block: TypeAlias = Callable[[list[Integers], list[Flags], Flags], None]


def column_form(conditions: Sequence[Truth], inputs: Sequence[str], spans: Mapping[str, Span]) -> ColumnForm:
    """A function from columns, by input, to a matrix: a row for each condition, a column for each row of theirs."""
    named = set().union(*(inputs_in(condition) for condition in conditions))
    used = [name for name in inputs if name in named]
    block = _compiled(conditions, used)
    bounded = [(place, spans[name]) for place, name in enumerate(used) if name in _calculated(conditions)]

    def fired(columns: Columns) -> Flags:
        chosen = [columns[name] for name in used]
        rows = len(chosen[0].values)
        values, masks = [column.values for column in chosen], [column.present for column in chosen]
        answer = np.empty((len(conditions), rows), np.bool_)
        # Places that are not present hold anything, so what is computed there may be anything too; masks take it out.
        with np.errstate(all="ignore"):
            for begin in range(0, rows, BLOCK_ROWS):
                rows_of_block = slice(begin, begin + BLOCK_ROWS)
                blocks = [column[rows_of_block] for column in values], [mask[rows_of_block] for mask in masks]
                for place, span in bounded:
                    _check_span(used[place], blocks[0][place], blocks[1][place], span)
                block(*blocks, answer[:, rows_of_block])
        return answer

    return fired


def _calculated(conditions: Sequence[Truth]) -> set[str]:
    """The inputs that stand in arithmetic; comparing alone is exact whatever the values."""
    arithmetic = (part for condition in conditions for part in walk(condition))
    found = (inputs_in(part) for part in arithmetic if isinstance(part, Arithmetic | Negative))
    return {name for names in found for name in names}


def _check_span(name: str, values: Integers, present: Flags, span: Span) -> None:
    beyond = ((values < span.least) | (values > span.most)) & present
    if beyond.any():
        raise BeyondSpan(f"{name} is {values[beyond][0]}, which is not between {span.least} and {span.most}")


def _compiled(conditions: Sequence[Truth], used: Sequence[str]) -> _Block:
    writer = _Writer({name: place for place, name in enumerate(used)})
    lines = ["def block(values, masks, answer):"]
    for place in range(len(used)):
        lines += [f" v{place} = values[{place}]", f" p{place} = masks[{place}]"]
    for number, condition in enumerate(conditions):
        first, *others = writer.factors(condition)
        lines += [f" row = {first}", f" row = row & {others[0]}"] if others else [f" row = {first}"]
        lines += [f" row &= {factor}" for factor in others[1:]]
        lines.append(f" answer[{number}] = row")
    scope: dict[str, _Block] = {}
    modules = {"__builtins__": {}, "isin": np.isin, "where": np.where}
    exec(compile("\n".join(lines), "<columns>", "exec"), modules, scope)  # noqa: S102 - generated from the typed tree, places and numbers only
    return scope["block"]


class _Writer:
    """Writes a condition as factors: arrays of truths that all have to hold."""

    def __init__(self, places: dict[str, int]) -> None:
        self._places = places

    def factors(self, part: Truth) -> list[str]:
        match part:
            case And(parts):
                return list(dict.fromkeys(factor for inner in parts for factor in self.factors(inner)))
            case Or(parts):
                return [f"({' | '.join(self._whole(inner) for inner in parts)})"]
            case Not(inner):
                return [f"~{self._whole(inner)}"]
            case Missing(name):
                return [f"~p{self._places[name]}"]
            case Listed():
                place = self._places[part.name]
                return [f"(v{place} == 1)", f"p{place}"]
            case Membership(inner, members, is_in):
                masks, value = self._number(inner)
                return [_among(value, members) if is_in else f"~{_among(value, members)}", *masks]
            case Comparison(relation, left, right):
                masks, one, other = self._pair(left, right)
                return [f"({one} {relation} {other})", *masks]

    def _whole(self, part: Truth) -> str:
        return f"({' & '.join(self.factors(part))})"

    def _number(self, part: Numeric) -> tuple[list[str], str]:
        """The masks under which a number is there, and the number."""
        match part:
            case Number(constant):
                return [], f"({constant})"
            case Name(name):
                place = self._places[name]
                return [f"p{place}"], f"v{place}"
            case Negative(inner):
                masks, value = self._number(inner)
                return masks, f"(-{value})"
            case Arithmetic("//" | "%" as sign, left, right) if not isinstance(right, Number):
                masks, above, below = self._pair(left, right)
                # No processor divides by zero, whatever is masked afterwards.
                return [*masks, f"({below} != 0)"], f"({above} {sign} where({below} == 0, 1, {below}))"
            case Arithmetic(sign, left, right):
                masks, one, other = self._pair(left, right)
                return masks, f"({one} {sign} {other})"

    def _pair(self, left: Numeric, right: Numeric) -> tuple[list[str], str, str]:
        first, one = self._number(left)
        second, other = self._number(right)
        return list(dict.fromkeys([*first, *second])), one, other


def _among(value: str, members: tuple[int, ...]) -> str:
    if len(members) > _FEW_MEMBERS:
        return f"isin({value}, {list(members)})"
    return f"({' | '.join(f'({value} == {member})' for member in members)})"
