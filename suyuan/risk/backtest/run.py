"""A backtest: every attempt of a span judged by a new policy, beside what was decided then or by another policy.

1. Attempts come in stretches (`attempts`), each with the rows that its features look back on.
2. The compiled replay measures the features of all of them at once.
3. A policy's rules become columns, and what fired comes to an action as it does in the line.
4. What both say is counted (`tally`), and a few attempts that changed are kept to be looked at.

A backtest equals production because there is nothing else that it could be: rows, finaliser, expressions and resolution
are the line's own, and a test decides in the line and backtests the same policy over that history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from suyuan.risk.backtest.attempts import Stretch, days_of
from suyuan.risk.backtest.tally import LETS_THROUGH, ORDER, Judged, Tally
from suyuan.risk.batch import replay
from suyuan.risk.batch.columns import Column, Flags, Ints
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.policy.policy import Policy
from suyuan.risk.policy.rules import hardness

EXAMPLES_MAX = 20


class Example(NamedTuple):
    """An attempt that the new policy decides otherwise."""

    redemption: str
    seq: int
    old: str
    new: str
    truth: int
    rules: tuple[str, ...]


@dataclass(slots=True)
class Result:
    """What a backtest found."""

    tally: Tally
    examples: list[Example] = field(default_factory=list)
    not_judged: int = 0
    """Attempts that were refused before any policy was asked, or that lie before the span."""


class Verdicts(NamedTuple):
    """What a policy says of many attempts: actions by their places in `ORDER`, and which rules fired and decided."""

    actions: Ints
    fired: Flags
    decisive: Flags


def backtest(
    stretches: Iterable[Stretch],
    catalogue: Catalogue,
    new: Policy,
    *,
    old: Policy | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Result:
    """Judges all attempts. Without `old` the new policy stands beside what was really decided."""
    result = Result(Tally([rule.id for rule in new.rules]))
    for stretch in stretches:
        _count(result, stretch, measured(stretch, catalogue) | stretch.inputs, new, old)
        on_progress(sum(day.attempts for day in result.tally.days.values()))
    return result


def refs_of(*policies: Policy | None) -> tuple[tuple[str, str], ...]:
    """The lists that policies ask for, each once."""
    return tuple(dict.fromkeys((it.list, it.key) for policy in policies if policy is not None for it in policy.lists))


def measured(stretch: Stretch, catalogue: Catalogue) -> dict[str, Column]:
    """The features of a stretch's attempts, by name."""
    features = replay.measure(stretch.columns, catalogue.features, asked_from=stretch.asked_from)
    cells = zip(features.values, features.present, strict=True)
    return dict(zip(catalogue.names, (Column(*of_feature) for of_feature in cells), strict=True))


def verdicts(policy: Policy, columns: dict[str, Column]) -> Verdicts:
    """What a policy says of attempts, given everything that it may look at."""
    fired, is_confirmed = policy.columns(columns), policy.are_confirmed(columns)
    actions = _actions(policy, fired, is_confirmed)
    decisive = np.zeros_like(fired)
    for rule, of_rule in enumerate(fired):
        places = np.flatnonzero(of_rule)
        without = fired[:, places]
        without[rule] = False
        decisive[rule, places] = _actions(policy, without, is_confirmed[places]) != actions[places]
    return Verdicts(actions, fired, decisive)


def _judged_by(policy: Policy, columns: dict[str, Column]) -> Ints:
    return _actions(policy, policy.columns(columns), policy.are_confirmed(columns))


def _actions(policy: Policy, fired: Flags, is_confirmed: Flags) -> Ints:
    return hardness(policy.resolve_columns(fired, is_confirmed=is_confirmed).weight)


def _count(result: Result, stretch: Stretch, columns: dict[str, Column], new: Policy, old: Policy | None) -> None:
    said = verdicts(new, columns)
    before = stretch.actions if old is None else _judged_by(old, columns)
    rows = (stretch.asked_from + np.flatnonzero(stretch.columns.is_attempt[stretch.asked_from :]))[stretch.is_judged]
    judged = Judged(
        days=days_of(stretch.columns.at[rows]),
        face_fen=stretch.columns["face_fen"].values[rows],
        truth=stretch.truth[stretch.is_judged],
        old=before[stretch.is_judged],
        new=said.actions[stretch.is_judged],
        fired=said.fired[:, stretch.is_judged],
        decisive=said.decisive[:, stretch.is_judged],
    )
    result.not_judged += len(stretch.is_judged) - len(rows)
    result.tally.add(judged)
    result.examples += _examples(stretch, rows, judged, new, EXAMPLES_MAX - len(result.examples))


def _examples(stretch: Stretch, rows: Ints, judged: Judged, new: Policy, examples_max: int) -> list[Example]:
    """The first attempts that one policy stops and the other lets through."""
    lets_through = np.array([action in LETS_THROUGH for action in ORDER])
    crosses = np.flatnonzero(lets_through[judged.old] != lets_through[judged.new])[:examples_max]
    redemptions = np.array(stretch.redemptions, dtype=object)[stretch.is_judged]
    return [
        Example(
            redemptions[place], int(stretch.columns["seq"].values[rows[place]]), ORDER[judged.old[place]].value,
            ORDER[judged.new[place]].value, int(judged.truth[place]),
            tuple(new.rules[rule].id for rule in np.flatnonzero(judged.fired[:, place])),
        )
        for place in crosses.tolist()
    ]  # fmt: skip
