"""Which rules are looked at together: those that ask of one input at least, or at most, so much.

A gate is the mildest of such comparisons. Whoever does not pass it fires none of the rules behind it, so most rules of
most attempts cost nothing at all. It is only a shortcut: each rule still asks everything that its gate does not.

>>> many, few, some = Comparison(">", Name("a"), Number(5)), Comparison("<", Name("b"), Number(3)), Comparison(
...     ">=", Name("a"), Number(4))
>>> first, second = gates_of([many, few, some])
>>> first.condition == some, first.members, second
(True, (0, 2), Gate(condition=None, members=(1,)))
>>> behind(many, first) == (many,), behind(some, first)
(True, ())
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from suyuan.risk.policy.spans import turned_to_name
from suyuan.risk.policy.tree import And, Comparison, Name, Number, Relation, Truth, inputs_in

Side: TypeAlias = tuple[str, Relation]
_MEMBERS_MIN = 2


class Gate(NamedTuple):
    """A comparison and the rules behind it, by their places; without one, a rule that stands alone."""

    condition: Comparison | None
    members: tuple[int, ...]


def gates_of(conditions: Sequence[Truth]) -> list[Gate]:
    """Every condition behind one gate; those that most conditions share come first, as long as two are left."""
    left = {place: _bounds(condition) for place, condition in enumerate(conditions)}
    gates: list[Gate] = []
    while (shared := _most_shared(left)) is not None:
        side, members = shared
        bounds = [left.pop(member)[side] for member in members]
        mildest = min(bounds) if side[1] == ">=" else max(bounds)
        gates.append(Gate(Comparison(side[1], Name(side[0]), Number(mildest)), tuple(members)))
    return [*gates, *(Gate(None, (place,)) for place in left)]


def behind(condition: Truth, gate: Gate) -> tuple[Truth, ...]:
    """What is still to be asked behind a gate; what asks more of its input comes last, since it has passed so far."""
    parts = condition.parts if isinstance(condition, And) else (condition,)
    if gate.condition is None:
        return parts
    (name,) = inputs_in(gate.condition)
    asked = [part for part in parts if _bound(part) != _bound(gate.condition)]
    return tuple(sorted(asked, key=lambda part: inputs_in(part) == [name]))


def _most_shared(left: dict[int, dict[Side, int]]) -> tuple[Side, list[int]] | None:
    places: dict[Side, list[int]] = {}
    for place, bounds in left.items():
        for side in bounds:
            places.setdefault(side, []).append(place)
    if not places:
        return None
    side = max(places, key=lambda side: (len(places[side]), side))
    return (side, places[side]) if len(places[side]) >= _MEMBERS_MIN else None


def _bounds(condition: Truth) -> dict[Side, int]:
    """What a condition asks of inputs in any case, each with the least or the most that it lets pass."""
    parts = condition.parts if isinstance(condition, And) else (condition,)
    return dict(bound for part in parts if (bound := _bound(part)) is not None)


def _bound(part: Truth) -> tuple[Side, int] | None:
    turned = turned_to_name(part) if isinstance(part, Comparison) else None
    if turned is None:
        return None
    name, relation, operand = turned
    if relation in (">", ">="):
        return (name, ">="), operand + (relation == ">")
    return ((name, "<="), operand - (relation == "<")) if relation in ("<", "<=") else None
