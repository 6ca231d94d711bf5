"""What can be said of an expression before it ever sees a value: intervals of numbers, and which truths can come.

`span_of` bounds a number; it raises where the result, or anything on the way to it, might leave 64 bits, so columns of
int64 compute what whole numbers without bounds would. `narrowed` follows a condition into the values that it leaves
possible; where nothing is left, the condition never holds. Both err on the side of possible.

>>> from suyuan.risk.policy.names import names_of
>>> from suyuan.risk.policy.parse import Scope, read_expression
>>> spans = names_of(()).spans
>>> def left(text: str) -> Box | None:
...     return narrowed({}, read_expression(text, Scope(spans, {})), spans, holds=True)
>>> left("hour < 6 and face_fen > 100")["hour"]
Cell(least=0, most=5, may_miss=False)
>>> left("hour < 6 and (hour > 10 or hour * 2 > 22)") is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple, TypeAlias

from suyuan.risk.policy.names import FLAG, INT64_MAX, INT64_MIN, Span
from suyuan.risk.policy.parse import EXACT
from suyuan.risk.policy.texts import Text, Wrong
from suyuan.risk.policy.tree import (
    MIRRORED,
    OPPOSITE,
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
    Relation,
    Truth,
    canonical,
    inputs_in,
    walk,
)

NEVER, ALWAYS = Text("false", "不成立"), Text("true", "成立")


class Cell(NamedTuple):
    """What an input can still be: none of the values where `least > most`."""

    least: int
    most: int
    may_miss: bool


Box: TypeAlias = dict[str, Cell]
"""What is known of inputs; one that does not stand here can be anything of its span, or missing."""


class Unsound(Exception):
    """Raised for a part whose meaning cannot be kept in every executor, or that says nothing."""

    def __init__(self, wrong: Wrong, **parts: str | int | Text) -> None:
        super().__init__(wrong.value)
        self.wrong, self.parts = wrong, parts


def check_parts(condition: Truth, spans: Mapping[str, Span]) -> None:
    """Refuses arithmetic that may leave 64 bits, and comparisons whose answer is always the same. Raises `Unsound`."""
    for part in walk(condition):
        if isinstance(part, Comparison):
            _check_answer(part, _answer(part.relation, span_of(part.left, spans), span_of(part.right, spans)))
        elif isinstance(part, Membership):
            inner = span_of(part.part, spans)
            for member in part.members:
                _check_answer(part, _answer("==", inner, Span(member, member)))


def _check_answer(part: Truth, answer: bool | None) -> None:
    if answer is not None:
        raise Unsound(Wrong.comparison_is_constant, shown=readable(part), always=ALWAYS if answer else NEVER)


def _answer(relation: Relation, left: Span, right: Span) -> bool | None:
    """What a comparison of present values says, where that is always the same."""
    match relation:
        case "<":
            return True if left.most < right.least else False if left.least >= right.most else None
        case "<=":
            return True if left.most <= right.least else False if left.least > right.most else None
        case "==":
            if left.most < right.least or right.most < left.least:
                return False
            return True if left.least == left.most == right.least == right.most else None
        case "!=":
            equal = _answer("==", left, right)
            return None if equal is None else not equal
    return _answer(MIRRORED[relation], right, left)


def span_of(part: Numeric, spans: Mapping[str, Span]) -> Span:
    """The least and the most that a number can be. Raises `Unsound` where that leaves 64 bits."""
    if isinstance(part, Number):
        return Span(part.value, part.value)
    if isinstance(part, Name):
        return spans[part.name]
    found = _calculated(part, spans)
    if not INT64_MIN <= found.least <= found.most <= INT64_MAX:
        raise Unsound(Wrong.result_may_leave_64_bits, shown=readable(part), most=max(found, key=abs))
    return found


def _calculated(part: Negative | Arithmetic, spans: Mapping[str, Span]) -> Span:
    if isinstance(part, Negative):
        least, most = span_of(part.part, spans)
        return Span(-most, -least)
    left, right = span_of(part.left, spans), span_of(part.right, spans)
    if part.sign in ("//", "%"):
        return _divided(part, left, right)
    corners = [EXACT[part.sign](a, b) for a, b in product(left, right)]
    return Span(min(corners), max(corners))


def _divided(part: Arithmetic, above: Span, below: Span) -> Span:
    """Rounded down; zero divisors make it missing, so they bound nothing."""
    sides = [Span(below.least, min(below.most, -1)), Span(max(below.least, 1), below.most)]
    sides = [side for side in sides if side.least <= side.most]
    if not sides:
        raise Unsound(Wrong.divides_by_zero, shown=readable(part))
    if part.sign == "%":
        # A remainder has the divisor's sign and is smaller; one of what is not negative is not above it either.
        least = min(side.least + 1 if side.least < 0 else 0 for side in sides)
        most = max(side.most - 1 if side.most > 0 else 0 for side in sides)
        return Span(least, min(most, above.most) if above.least >= 0 else most)
    corners = [a // b for side in sides for a, b in product(above, side)]
    return Span(min(corners), max(corners))


def narrowed(box: Box, condition: Truth, spans: Mapping[str, Span], *, holds: bool) -> Box | None:
    """What is left of a box where a condition holds, or does not; nothing where that cannot be."""
    match condition:
        case Not(inner):
            return narrowed(box, inner, spans, holds=not holds)
        case And(parts) if holds:
            return _all_of(box, parts, spans, holds=True)
        case Or(parts) if not holds:
            return _all_of(box, parts, spans, holds=False)
        case And(parts) | Or(parts):
            found = [narrowed(box, part, spans, holds=holds) for part in parts]
            return _hull([left for left in found if left is not None])
        case Comparison():
            return _compared(box, condition, spans, holds)
        case Membership(inner, members, is_in):
            return _among(box, inner, members, spans) if is_in and holds else _present(box, inner, spans, holds)
        case Missing(name):
            cell = _cell(box, name, spans)
            return _put(box, name, Cell(1, 0, cell.may_miss) if holds else cell._replace(may_miss=False))
        case Listed():
            cell = box.get(condition.name, Cell(*FLAG, may_miss=False))
            return _put(box, condition.name, _cut(cell, "==", int(holds)))


def _all_of(box: Box, parts: tuple[Truth, ...], spans: Mapping[str, Span], *, holds: bool) -> Box | None:
    # What leaves a choice comes last, so that each alternative meets all that is certain.
    certain = sorted(parts, key=lambda part: isinstance(part, And | Or))
    left: Box | None = box
    for part in certain:
        left = narrowed(left, part, spans, holds=holds) if left is not None else None
    return left


def _hull(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    shared = set(boxes[0]).intersection(*boxes[1:])
    return {name: _widened([box[name] for box in boxes]) for name in shared}


def _widened(cells: list[Cell]) -> Cell:
    known = [cell for cell in cells if cell.least <= cell.most] or cells[:1]
    least, most = min(cell.least for cell in known), max(cell.most for cell in known)
    return Cell(least, most, any(cell.may_miss for cell in cells))


def _compared(box: Box, condition: Comparison, spans: Mapping[str, Span], holds: bool) -> Box | None:
    turned = turned_to_name(condition)
    if turned is not None:
        name, relation, operand = turned
        cell = _cell(box, name, spans)
        if holds:
            return _put(box, name, _cut(cell, relation, operand)._replace(may_miss=False))
        return _put(box, name, _cut(cell, OPPOSITE[relation], operand))
    left = _present(box, condition, spans, holds)
    if left is None or not holds:
        return left
    at_hand = {**spans, **{name: Span(cell.least, cell.most) for name, cell in left.items()}}
    try:
        answer = _answer(condition.relation, span_of(condition.left, at_hand), span_of(condition.right, at_hand))
    except Unsound:
        # With what else is known the divisor is always 0, so a side is missing.
        return None
    return None if answer is False else left


def _among(box: Box, inner: Numeric, members: tuple[int, ...], spans: Mapping[str, Span]) -> Box | None:
    if not isinstance(inner, Name):
        return _present(box, inner, spans, holds=True)
    cell = _cell(box, inner.name, spans)
    left = [member for member in members if cell.least <= member <= cell.most]
    return _put(box, inner.name, Cell(min(left), max(left), may_miss=False)) if left else None


def _present(box: Box, part: Numeric | Truth, spans: Mapping[str, Span], holds: bool) -> Box | None:
    """A comparison that holds has no missing part; one that does not says nothing here."""
    left: Box | None = box
    for name in inputs_in(part) if holds else ():
        left = _put(left, name, _cell(left, name, spans)._replace(may_miss=False)) if left is not None else None
    return left


def _cell(box: Box, name: str, spans: Mapping[str, Span]) -> Cell:
    return box.get(name) or Cell(*spans[name], may_miss=True)


def _put(box: Box, name: str, cell: Cell) -> Box | None:
    return {**box, name: cell} if cell.least <= cell.most or cell.may_miss else None


def _cut(cell: Cell, relation: Relation, operand: int) -> Cell:
    least, most, may_miss = cell
    match relation:
        case "<" | "<=":
            most = min(most, operand - (relation == "<"))
        case ">" | ">=":
            least = max(least, operand + (relation == ">"))
        case "==":
            least, most = max(least, operand), min(most, operand)
        case "!=":
            least, most = least + (least == operand), most - (most == operand)
    return Cell(least, most, may_miss)


def turned_to_name(condition: Comparison) -> tuple[str, Relation, int] | None:
    """A comparison of a name with a constant, the name first; nothing for any other."""
    match condition:
        case Comparison(relation, Name(name), Number(operand)):
            return name, relation, operand
        case Comparison(relation, Number(operand), Name(name)):
            return name, MIRRORED[relation], operand
    return None


def exact_box(condition: Truth, spans: Mapping[str, Span]) -> Box | None:
    """The box that says as much as the condition, where one does: a conjunction of plain comparisons."""
    parts = condition.parts if isinstance(condition, And) else (condition,)
    return narrowed({}, condition, spans, holds=True) if all(_is_box(part) for part in parts) else None


def _is_box(condition: Truth) -> bool:
    match condition:
        case Missing() | Listed() | Not(Missing() | Listed()):
            return True
        case Comparison(relation):
            return relation != "!=" and turned_to_name(condition) is not None
        case Not(Comparison(relation) as inner):
            return relation != "==" and turned_to_name(inner) is not None
        case And(parts):
            return all(_is_box(part) for part in parts)
    return False


def lies_within(inner: Box, outer: Box, spans: Mapping[str, Span]) -> bool:
    """Whether everything that the inner box allows is allowed by the outer one too."""
    return all(_is_narrower(_cell(inner, name, _with_hits(spans, name)), cell) for name, cell in outer.items())


def _with_hits(spans: Mapping[str, Span], name: str) -> Mapping[str, Span]:
    return spans if name in spans else {name: FLAG}


def _is_narrower(inner: Cell, outer: Cell) -> bool:
    values = inner.least > inner.most or (outer.least <= inner.least and inner.most <= outer.most)
    return values and (outer.may_miss or not inner.may_miss)


def readable(part: Numeric | Truth) -> str:
    """A part as a sentence quotes it.

    >>> readable(Comparison(">", Arithmetic("+", Name("a"), Number(1)), Number(5)))
    'a + 1 > 5'
    """
    match part:
        case Comparison(relation, left, right):
            return f"{readable(left)} {relation} {readable(right)}"
        case Arithmetic(sign, left, right):
            return f"{_inner(left)} {sign} {_inner(right)}"
        case Negative(inner):
            return f"-{_inner(inner)}"
        case Membership(inner, members, is_in):
            return f"{readable(inner)} {'in' if is_in else 'not in'} {members}"
    return canonical(part)


def _inner(part: Numeric) -> str:
    return f"({readable(part)})" if isinstance(part, Arithmetic) else readable(part)
