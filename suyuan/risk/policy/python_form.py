"""All rules of a policy as one Python function, for the line.

The function takes the inputs as a list and gives the rules that fired with the values that they saw, in no particular
order, because rules that ask more or less the same of an input stand behind one gate (`gates`). Inputs become locals,
and what is missing becomes "not a number": it makes every comparison false and whatever is computed with it not a
number again, which is just what missing means here, so a comparison costs what it costs without missing values. All
that is present stays a whole number without bounds. The text that is compiled holds places and numbers alone: no name,
list or id of a policy ever stands in it.

>>> from suyuan.risk.policy.tree import Comparison, Name, Number
>>> judge = python_form([Comparison(">", Name("b"), Number(5))], ("a", "b"))
>>> judge([1, 6]), judge([1, 5]), judge([1, None])
([(0, 6)], [], [])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import TypeAlias

from suyuan.risk.policy.gates import behind, gates_of
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
)

Found: TypeAlias = tuple[int, *tuple[int | None, ...]]
"""A rule that fired, by its place, and the values that it saw behind it."""
Judge: TypeAlias = Callable[[Sequence[int | None]], list[Found]]

_FEW_MEMBERS = 4


def python_form(conditions: Sequence[Truth], inputs: Sequence[str]) -> Judge:
    """One function for all conditions; it wants exactly the inputs that it was compiled for."""
    scope: dict[str, Judge] = {}
    code = compile(_source(conditions, inputs), "<policy>", "exec")
    exec(code, {"__builtins__": {}, "nan": nan}, scope)  # noqa: S102 - generated from the typed tree, places and numbers only
    return scope["judge"]


def _source(conditions: Sequence[Truth], inputs: Sequence[str]) -> str:
    writer = _Writer({name: place for place, name in enumerate(inputs)})
    used = sorted({writer.place(name) for condition in conditions for name in inputs_in(condition)})
    lines = ["def judge(inputs):", f" {''.join(f'v{place}, ' for place in range(len(inputs)))} = inputs"]
    # A constant is quicker to load as a local.
    lines += [" missing = nan", *(f" if v{place} is None: v{place} = missing" for place in used), " fired = []"]
    for gate in gates_of(conditions):
        indent = " "
        if gate.condition is not None:
            lines.append(f" if {writer.truth(gate.condition)}:")
            indent = "  "
        for number in gate.members:
            asked = " and ".join(writer.truth(part) for part in behind(conditions[number], gate))
            saw = "".join(f"{writer.seen(name, conditions[number])}, " for name in inputs_in(conditions[number]))
            lines.append(f"{indent}{f'if {asked}: ' if asked else ''}fired.append(({number}, {saw}))")
    return "\n".join([*lines, " return fired"])


class _Writer:
    """Writes expressions over the locals."""

    def __init__(self, places: dict[str, int]) -> None:
        self._places = places
        self._temporaries = 0

    def place(self, name: str) -> int:
        return self._places[name]

    def seen(self, name: str, condition: Truth) -> str:
        """The value that a rule saw; where it may be missing, as it came in."""
        place = self.place(name)
        return f"v{place}" if name in _surely_present(condition) else f"inputs[{place}]"

    def truth(self, part: Truth) -> str:
        match part:
            case And(parts):
                return f"({' and '.join(self.truth(inner) for inner in parts)})"
            case Or(parts):
                return f"({' or '.join(self.truth(inner) for inner in parts)})"
            case Not(inner):
                return f"(not {self.truth(inner)})"
            case Missing(name):
                return f"v{self.place(name)} != v{self.place(name)}"
            case Listed():
                return f"v{self.place(part.name)} == 1"
            case Membership(inner, members, is_in):
                return self._membership(inner, members, is_in)
            case Comparison("!=", left, right):
                # Only so it is false where a side is missing.
                one, again = self._twice(left)
                other, once_more = self._twice(right)
                return f"({one} < {other} or {again} > {once_more})"
            case Comparison(relation, left, right):
                return f"{self._number(left)} {relation} {self._number(right)}"

    def _membership(self, part: Numeric, members: tuple[int, ...], is_in: bool) -> str:
        constants = ", ".join(str(member) for member in members)
        among = f"({constants},)" if len(members) <= _FEW_MEMBERS else f"{{{constants}}}"
        if is_in:
            return f"{self._number(part)} in {among}"
        once, again = self._twice(part)
        return f"({once} == {again} and {again} not in {among})"

    def _twice(self, part: Numeric) -> tuple[str, str]:
        """A number that is looked at twice and computed once: its first reading, and the second."""
        written = self._number(part)
        if isinstance(part, Name | Number):
            return written, written
        self._temporaries += 1
        return f"(t{self._temporaries} := {written})", f"t{self._temporaries}"

    def _number(self, part: Numeric) -> str:
        match part:
            case Number(value):
                return f"({value})" if value < 0 else str(value)
            case Name(name):
                return f"v{self.place(name)}"
            case Negative(inner):
                return f"(-{self._number(inner)})"
            case Arithmetic("//" | "%" as sign, left, right) if not isinstance(right, Number):
                asked, divisor = self._twice(right)
                return f"({self._number(left)} {sign} {divisor} if {asked} else missing)"
            case Arithmetic(sign, left, right):
                return f"({self._number(left)} {sign} {self._number(right)})"


def _surely_present(condition: Truth) -> set[str]:
    """The inputs that cannot be missing where a condition holds, as far as its form shows it."""
    match condition:
        case And(parts):
            return set().union(*(_surely_present(part) for part in parts))
        case Comparison() | Membership() | Listed():
            return set(inputs_in(condition))
    return set()
