"""What a decision is: one action, the score, the rules that fired with the values that they saw, and the versions."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What is done with a redemption, from the mildest to the hardest; of several the hardest is taken."""

    APPROVE = "approve"
    DELAY = "delay"  # Taken now, paid out after `delay_s`.
    STEP_UP = "step_up"  # Refused until a face check is passed or the seller's own device signs.
    REVIEW = "review"  # Taken, and neither consumed nor paid before a person has decided.
    REFUSE = "refuse"
    FREEZE = "freeze"  # Refused, and the account is flagged until two officers lift it.


class Fired(NamedTuple):
    """A rule that fired, and what it saw: names and values in the order in which its expression names them."""

    rule: str
    saw: tuple[tuple[str, int | None], ...]


class Decision(NamedTuple):
    """What the policy comes to for one attempt."""

    action: Action
    score: int  # The sum of the points of all rules that fired.
    delay_s: int  # For DELAY.
    limit_percent: int  # How much of each limit counts for this attempt, 100 unless a rule tightens it.
    reason: str  # The public reason, a code of `risk.reasons`; empty for a plain approval.
    fired: tuple[Fired, ...]


class Versions(NamedTuple):
    """Everything that a decision depends on beside its inputs."""

    features: str  # The hash of the catalogue.
    policy: str  # The digest of the policy's text.
    model: str  # The digest of the model, or nothing.
    lists: int  # The place in history of the last change of any list.
    graph: str  # The digest of the graph's signals, or nothing.
