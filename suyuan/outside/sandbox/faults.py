"""The ways in which a provider fails, drawn from a seed.

A plan gives each fault of a target a share of the requests. Whether a request meets one follows from the seed, the
order's number and how many times that order has come – so it does not depend on who is faster, and a run can be
repeated.

>>> plan = FaultPlan("cmcc", shares={Fault.LOSES_ANSWER: 0.25}, seed=7)
>>> dice = Dice(plan)
>>> sum(dice.draw("order", f"rdm{n}") is Fault.LOSES_ANSWER for n in range(1000))
253
>>> Dice(plan).draw("ask", "rdm1") is None  # Faults strike orders only, unless the plan says otherwise.
True
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec

Route = Literal["order", "ask", "secret", "reversals", "check", "wrap", "unwrap"]


class Fault(StrEnum):
    """What goes wrong, and whether the order was carried out before it did."""

    NEVER_ANSWERS = "never_answers"  # Not carried out; the connection stays open and silent.
    FAILS = "fails"  # Not carried out; answers 500.
    GOES_DOWN_BEFORE = "goes_down_before"  # Not carried out; the whole sandbox is gone at once.
    ANSWERS_LATE = "answers_late"  # Carried out; the answer comes after the asker has gone.
    LOSES_ANSWER = "loses_answer"  # Carried out; the connection breaks.
    UNKNOWN_CODE = "unknown_code"  # Carried out; answers with a code that no contract has.
    DOES_BUT_FAILS = "does_but_fails"  # Carried out; answers 500 all the same.
    DELIVERED_TWICE = "delivered_twice"  # The request arrives twice; one answer.
    ANSWERS_TWICE = "answers_twice"  # Carried out; the same answer follows itself on the connection.
    GOES_DOWN_AFTER = "goes_down_after"  # Carried out; the whole sandbox is gone at once.
    REVERSES_LATER = "reverses_later"  # Carried out and answered; some time later an operator takes it back.
    # Of the KMS alone.
    IS_SEALED = "is_sealed"  # Answers nobody until people unseal it.
    FORBIDS = "forbids"  # Its policy was changed, or the token is over.
    TEARS_ANSWER = "tears_answer"  # The JSON ends in the middle.
    SWELLS_ANSWER = "swells_answer"  # More than anybody should read.
    SHORTENS_KEY = "shortens_key"  # Gives back a key that lacks a byte.
    SWAPS_KEY = "swaps_key"  # Gives back another key.


UNDONE = frozenset({Fault.NEVER_ANSWERS, Fault.FAILS, Fault.GOES_DOWN_BEFORE})
DEADLY = frozenset({Fault.GOES_DOWN_BEFORE, Fault.GOES_DOWN_AFTER})
OF_KMS_ALONE = frozenset(
    {Fault.IS_SEALED, Fault.FORBIDS, Fault.TEARS_ANSWER, Fault.SWELLS_ANSWER, Fault.SHORTENS_KEY, Fault.SWAPS_KEY}
)
OF_KMS = OF_KMS_ALONE | {Fault.NEVER_ANSWERS, Fault.ANSWERS_LATE, Fault.LOSES_ANSWER}


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one target fails. A plan without shares heals it."""

    target: str
    shares: dict[Fault, float] = {}
    seed: int = 0
    on: tuple[Route, ...] = ("order",)
    late_ms: int = 1_000
    reversed_after_ms: int = 1_000

    def __post_init__(self) -> None:
        if min(self.shares.values(), default=0.0) < 0 or sum(self.shares.values()) > 1.0 + 1e-9:
            raise ValueError("the shares of a target's faults are not negative and add up to 1 at most")

    def survived(self) -> FaultPlan:
        """The plan after a restart: what brought the sandbox down is mended, or it would go down for ever."""
        return msgspec.structs.replace(self, shares={f: s for f, s in self.shares.items() if f not in DEADLY})


class Dice:
    """Draws the faults of one plan."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._times: dict[tuple[Route, str], int] = {}

    def draw(self, route: Route, about: str) -> Fault | None:
        """The fault that this request meets, if any."""
        if route not in self.plan.on or not self.plan.shares:
            return None
        times = self._times[route, about] = self._times.get((route, about), 0) + 1
        point = _point(f"{self.plan.seed}/{self.plan.target}/{route}/{about}/{times}")
        for fault in Fault:
            point -= self.plan.shares.get(fault, 0.0)
            if point < 0:
                return fault
        return None


def _point(text: str) -> float:
    """A number in [0, 1) that looks random and is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
