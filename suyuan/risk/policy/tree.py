"""The typed tree of an expression: numbers that may be missing, and truths that never are.

Meaning, for every executor:

| part | is |
|---|---|
| a number, a name | itself; a name's value may be missing |
| `-a`, `a + b`, `a - b`, `a * b` | exact; missing where a part is |
| `a // b`, `a % b` | rounded down as in Python, so `-7 // 2` is `-4`; missing where a part is, or where b is 0 |
| `a < b`, `<=`, `>`, `>=`, `==`, `!=` | false where a part is missing |
| `a in (1, 2)`, `a not in (1, 2)` | false where a is missing |
| `missing(name)` | whether it is |
| `listed("list", key)` | whether the attempt's own value of that key stands on the list |
| `and`, `or`, `not` | as always; so `not a < 5` is true where a is missing, and `a >= 5` is not |

>>> tree = And((Comparison("<", Name("hour"), Number(6)), Not(Missing("device_age_s"))))
>>> inputs_in(tree), count(tree), canonical(tree)
(['hour', 'device_age_s'], 6, 'and(<(hour,6),not(missing(device_age_s)))')
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Sign = Literal["+", "-", "*", "//", "%"]
Relation = Literal["<", "<=", ">", ">=", "==", "!="]


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number of 64 bits."""

    value: int


@dataclass(frozen=True, slots=True)
class Name:
    """An input by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """The negative of a number."""

    part: Numeric


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers and what is made of them."""

    sign: Sign
    left: Numeric
    right: Numeric


Numeric: TypeAlias = Number | Name | Negative | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two numbers compared; a chain `a < b < c` is two of these under an `And`."""

    relation: Relation
    left: Numeric
    right: Numeric


@dataclass(frozen=True, slots=True)
class Membership:
    """A number among constants, or not among them."""

    part: Numeric
    members: tuple[int, ...]
    is_in: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether an input is missing."""

    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Whether the attempt's value of a key stands on a list."""

    list: str
    key: str

    @property
    def name(self) -> str:
        """The name of the input that holds the answer, 0 or 1; no other input has a colon in its name."""
        return f"{self.list}:{self.key}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Truth


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    parts: tuple[Truth, ...]


Truth: TypeAlias = Comparison | Membership | Missing | Listed | Not | And | Or
Part: TypeAlias = Numeric | Truth

MIRRORED: dict[Relation, Relation] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
OPPOSITE: dict[Relation, Relation] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def children(part: Part) -> tuple[Part, ...]:
    """The parts of a part, in the order in which they are written."""
    match part:
        case Arithmetic() | Comparison():
            return part.left, part.right
        case Negative() | Membership() | Not():
            return (part.part,)
        case And() | Or():
            return part.parts
    return ()


def walk(part: Part) -> Iterator[Part]:
    """A part and all parts of it, in the order in which they are written."""
    yield part
    for child in children(part):
        yield from walk(child)


def inputs_in(part: Part) -> list[str]:
    """The inputs that an expression looks at, each once, in the order in which it names them."""
    named = (found.name for found in walk(part) if isinstance(found, Name | Missing | Listed))
    return list(dict.fromkeys(named))


def lists_in(part: Part) -> list[Listed]:
    """What it asks of lists, each once, in order."""
    return list(dict.fromkeys(found for found in walk(part) if isinstance(found, Listed)))


def count(part: Part) -> int:
    """How many parts there are; a constant that something is compared with is one too."""
    return sum(1 + len(found.members) if isinstance(found, Membership) else 1 for found in walk(part))


def canonical(part: Part) -> str:
    """The same text for expressions that say the same in another order."""
    match part:
        case Number(value):
            return str(value)
        case Name(name):
            return name
        case Missing(name):
            return f"missing({name})"
        case Listed():
            return f"listed({part.name})"
        case Membership(inner, members, is_in):
            return f"{'in' if is_in else 'not-in'}({canonical(inner)},{sorted(set(members))})"
        case Comparison(relation, left, right):
            one, other = canonical(left), canonical(right)
            is_turned = relation in (">", ">=") or (relation in ("==", "!=") and other < one)
            return f"{MIRRORED[relation]}({other},{one})" if is_turned else f"{relation}({one},{other})"
        case And(parts) | Or(parts):
            word = "and" if isinstance(part, And) else "or"
            return f"{word}({','.join(sorted({canonical(inner) for inner in parts}))})"
        case Not(inner):
            return f"not({canonical(inner)})"
        case Negative(inner):
            return f"-({canonical(inner)})"
        case Arithmetic(sign, left, right):
            operands = [canonical(left), canonical(right)]
            return f"{sign}({','.join(sorted(operands) if sign in ('+', '*') else operands)})"
