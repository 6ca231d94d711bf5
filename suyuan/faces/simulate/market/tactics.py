"""How a crew learns: a knob for everything that it can change, and a memory of what has worked.

A static crew never turns one. A learner that was refused turns a knob three times in ten: to the neighbouring step,
mostly the stealthier one, or to the step that has won most often so far. Where a card was blocked before it was sold,
it hurries instead; and after a long run of money it grows bold again, which is how it finds where the line is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import cast

from suyuan.faces.simulate.market.playbooks import LADDERS, NEW_ACCOUNTS, PATIENT, STATIC, Playbook

LEARNS, GROWS_BOLD_AFTER = 0.30, 14
_HASTE = ("gap_s", "per_day", "ripe_h", "warmups")


@dataclass(slots=True)
class Tactics:
    """Where each knob stands, and what has worked."""

    steps: dict[str, int]
    knobs: tuple[str, ...]
    learns: bool
    won: Counter[tuple[str, int]] = field(default_factory=Counter)
    lost: Counter[tuple[str, int]] = field(default_factory=Counter)
    streak: int = 0
    turns: int = 0
    _values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Crews look at their knobs far more often than they turn one.
        self._values = {knob: LADDERS[knob][step] for knob, step in self.steps.items()}

    def value(self, knob: str) -> object:
        """What the knob stands at."""
        return self._values[knob]

    def number(self, knob: str) -> int:
        """The same, of a knob that counts."""
        return cast("int", self.value(knob))

    def win(self, rng: Random) -> None:
        """Something was paid; after a long run one grows bold."""
        self.won.update(self.steps.items())
        self.streak += 1
        if self.learns and self.streak >= GROWS_BOLD_AFTER:
            self.streak = 0
            self._turn(rng.choice(self.knobs), -1)

    def lose(self, rng: Random, *, was_late: bool = False) -> None:
        """Something was refused or stopped; a learner may turn a knob, to be quicker where a card was blocked first."""
        self.lost.update(self.steps.items())
        self.streak = 0
        if not self.learns or rng.random() > LEARNS:
            return
        knob = rng.choice(_HASTE if was_late else self.knobs)
        if was_late:
            self._turn(knob, -1 if knob in self.knobs else 0)
        elif rng.random() < 0.3:
            self._put(knob, max(range(len(LADDERS[knob])), key=lambda step: (self._share(knob, step), step)))
        else:
            self._turn(knob, 1 if rng.random() < 0.8 else -1)

    def _turn(self, knob: str, by: int) -> None:
        self._put(knob, min(max(0, self.steps[knob] + by), len(LADDERS[knob]) - 1))

    def _put(self, knob: str, step: int) -> None:
        self.turns += 1
        self.steps[knob] = step
        self._values[knob] = LADDERS[knob][step]

    def _share(self, knob: str, step: int) -> float:
        won, lost = self.won[knob, step], self.lost[knob, step]
        return (won + 1) / (won + lost + 2)


def first_tactics(playbook: Playbook, variant: str) -> Tactics:
    """Where a crew of this variant begins."""
    steps = {knob: playbook.starts.get(knob, len(ladder) - 1) for knob, ladder in LADDERS.items()}
    steps["aged_d"] = playbook.starts.get("aged_d", NEW_ACCOUNTS)
    if variant == PATIENT:
        for knob in set(playbook.knobs) - {"aged_d"}:
            steps[knob] = min(steps[knob] + 1, len(LADDERS[knob]) - 1)
    return Tactics(steps, playbook.knobs, learns=variant != STATIC)
