"""What is wrong with rules beside each other: ids, contradictions, rules and bands that can never matter.

Only what is certain is refused. A rule is shadowed by another where its condition lies within the other's (proven on
intervals, for conjunctions of plain comparisons) and whatever it asks for is asked for anyway. A rule that adds points
or tightens limits is never shadowed within its lane, since those add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from suyuan.risk.decision import Action
from suyuan.risk.policy.mistakes import Mistake, Parts
from suyuan.risk.policy.names import Span
from suyuan.risk.policy.reading import OVERRIDABLE, OVERRIDE
from suyuan.risk.policy.resolve import LIMIT_PERCENT
from suyuan.risk.policy.rules import ACTIONS, Band, Rule
from suyuan.risk.policy.spans import Box, exact_box, lies_within, narrowed
from suyuan.risk.policy.texts import Wrong
from suyuan.risk.policy.tree import canonical, count

NODES_MAX = 8_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """A rule with what is known of its condition."""

    rule: Rule
    said: str
    box: Box  # Everything that the condition allows lies in it.
    exact: Box | None  # The same, where it says no less than the condition.


def check_rules(rules: Sequence[Rule], spans: Mapping[str, Span]) -> Iterator[Mistake]:
    """Everything that is wrong with rules beside each other; they come in the order in which they stand."""
    yield from _check_ids(rules)
    yield from _check_nodes(rules)
    seen: list[_Seen] = []
    for rule in rules:
        box = narrowed({}, rule.condition, spans, holds=True)
        if box is None:
            yield Mistake(Wrong.rule_never_fires, rule.line, rule.id, {})
            continue
        if narrowed({}, rule.condition, spans, holds=False) is None:
            yield Mistake(Wrong.rule_always_fires, rule.line, rule.id, {})
            continue
        seen.append(_Seen(rule, canonical(rule.condition), box, exact_box(rule.condition, spans)))
    same = list(_check_same(seen))
    yield from same
    yield from _check_shadows(seen, spans, but={mistake.rule for mistake in same})


def _check_ids(rules: Sequence[Rule]) -> Iterator[Mistake]:
    lines: dict[str, int] = {}
    for rule in rules:
        other = lines.setdefault(rule.id, rule.line)
        if other != rule.line:
            yield Mistake(Wrong.id_is_doubled, rule.line, rule.id, {"name": rule.id, "other": other})


def _check_nodes(rules: Sequence[Rule]) -> Iterator[Mistake]:
    nodes = sum(count(rule.condition) for rule in rules)
    if nodes > NODES_MAX:
        yield Mistake(Wrong.policy_has_too_many_nodes, 0, "", {"count": nodes, "most": NODES_MAX})


def _check_same(seen: Sequence[_Seen]) -> Iterator[Mistake]:
    """Two rules with one condition in one lane: they contradict each other, or one of them is not needed."""
    by_condition = sorted(seen, key=lambda one: (one.rule.lane, one.said, one.rule.line))
    for _, group in groupby(by_condition, key=lambda one: (one.rule.lane, one.said)):
        for first, second in pairwise(one.rule for one in group):
            parts: Parts = {"other": first.id, "other_line": first.line}
            if Action.APPROVE not in (first.action, second.action) and first.action != second.action:
                actions: Parts = {"other_action": first.action.value, "action": second.action.value}
                yield Mistake(Wrong.rules_contradict, second.line, second.id, {**parts, **actions})
            elif _does(first) == _does(second):
                yield Mistake(Wrong.rule_is_repeated, second.line, second.id, parts)


def _does(rule: Rule) -> tuple[object, ...]:
    return rule.action, rule.points, rule.limit_percent, rule.delay_s, rule.only_watches


def _check_shadows(seen: Sequence[_Seen], spans: Mapping[str, Span], *, but: set[str]) -> Iterator[Mistake]:
    outer = [one for one in seen if one.exact is not None]
    for inner in seen:
        if inner.rule.id in but or inner.rule.only_watches:
            continue
        for other in outer:
            if _goes_before(other.rule, inner.rule) and lies_within(inner.box, other.exact or {}, spans):
                parts: Parts = {"other": other.rule.id, "other_line": other.rule.line}
                yield Mistake(Wrong.rule_is_shadowed, inner.rule.line, inner.rule.id, parts)
                break


def _goes_before(other: Rule, rule: Rule) -> bool:
    """Whether what a rule asks for is of no account wherever the other fires."""
    if other.id == rule.id:
        return False
    if other.lane == OVERRIDE and rule.lane in (OVERRIDE, OVERRIDABLE):
        return True
    # A step-up may be met already, and then a delay counts; it is never behind one, because it is longer than none.
    adds_nothing = not rule.points and rule.limit_percent == LIMIT_PERCENT and rule.delay_s <= other.delay_s
    is_heavier = other.weight > rule.weight or (other.weight == rule.weight and other.line < rule.line)
    return other.lane == rule.lane != OVERRIDE and adds_nothing and is_heavier


def check_bands(bands: Sequence[Band], points: Sequence[int]) -> Iterator[Mistake]:
    """Everything that is wrong with bands, given the points of all rules."""
    most = sum(point for point in points if point > 0)
    for first, second in pairwise(bands):
        if second.score_min <= first.score_min or ACTIONS.index(second.action) < ACTIONS.index(first.action):
            yield Mistake(Wrong.bands_are_out_of_order, second.line, "", {})
    for band in bands:
        if band.score_min > most:
            yield Mistake(Wrong.band_is_never_reached, band.line, "", {"score": band.score_min, "most": most})
