"""One decision: features and facts in, an action with its reasons out, and everything that it takes to make it again.

The inputs are features (in the order of the catalogue), facts, the model's score, and a hit for each list that the
policy asks. They are stored with the decision; `replay` makes it again from them and says by name what differs:

1. the policy's text has the digest that was stored, and the catalogue is the one whose features were stored;
2. the inputs can be read, and are as many as the policy takes;
3. the model, where there is one, scores them as it did;
4. the policy comes to the same action, delay, limit, score and reason, and to the same rules with what they saw, byte
   for byte.

A policy that is rolled out decides for a part of the sellers: always for the same ones, and when the part grows, for
those and more. A policy or model that is watched decides nothing; what it would have said stands beside.

>>> [is_in_rollout("digest", seller, 50) for seller in ("slr_1", "slr_2", "slr_3")]
[False, False, True]
>>> text = write_fired((Fired("many", (("hour", 3), ("tier", None))),))
>>> text, read_fired(text)[0].saw
('[["many",[["hour",3],["tier",null]]]]', (('hour', 3), ('tier', None)))
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from suyuan.history.decision_events import DecisionMade
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.decision import Decision, Fired
from suyuan.risk.policy.names import Names, names_of
from suyuan.risk.policy.policy import Policy
from suyuan.risk.policy.tree import Listed
from suyuan.risk.vector import BadInputs, read_inputs, write_inputs


class Scorer(Protocol):
    """A model: its digest, and its score in hundredths of a percent for features and facts."""

    @property
    def digest(self) -> str: ...

    def score(self, inputs: Sequence[int | None]) -> int: ...


class Rollout(NamedTuple):
    """A policy that decides for so many of a hundred sellers."""

    policy: Policy
    percent: int


class Made(NamedTuple):
    """A decision, and what it rested on; `shadow` is what those who only watch would have said."""

    decision: Decision
    inputs: list[int | None]
    policy: str
    model: str
    shadow: str


@dataclass(frozen=True)
class Engine:
    """Everything that decides at one moment; a change of any part is a new engine."""

    catalogue: Catalogue
    policy: Policy
    scorer: Scorer | None = None
    rollout: Rollout | None = None
    watching: Policy | None = None
    challenger: Scorer | None = None

    @cached_property
    def names(self) -> Names:
        """The names that policies may use, with their spans."""
        return names_of(self.catalogue.features)

    @cached_property
    def lists(self) -> frozenset[Listed]:
        """Everything that any of its policies asks of lists; for the rest nobody need look."""
        policies = [self.policy, self.watching, self.rollout.policy if self.rollout else None]
        return frozenset(listed for policy in policies if policy for listed in policy.lists)

    def decide(
        self, features: Sequence[int | None], facts: Sequence[int | None], hits: Collection[Listed] = (), *, seller: str
    ) -> Made:
        """The decision for one attempt; `hits` are those of `lists` on which it stands."""
        shared = [*features, *self.names.bounded(facts)]
        model_bp = self.scorer.score(shared) if self.scorer else None
        policy = self._policy_of(seller)
        inputs = _inputs_of(policy, shared, model_bp, hits)
        return Made(
            decision=policy.decide(inputs),
            inputs=inputs,
            policy=policy.digest,
            model=self.scorer.digest if self.scorer else "",
            shadow=self._watched(shared, model_bp, hits),
        )

    def _policy_of(self, seller: str) -> Policy:
        new = self.rollout
        return new.policy if new and is_in_rollout(new.policy.digest, seller, new.percent) else self.policy

    def _watched(self, shared: list[int | None], model_bp: int | None, hits: Collection[Listed]) -> str:
        """What the watching policy, and this one with the challenger's score, would have said."""
        found: dict[str, object] = {}
        if self.watching:
            decision = self.watching.decide(_inputs_of(self.watching, shared, model_bp, hits))
            found["policy"] = {"digest": self.watching.digest, **_told(decision)}
        if self.challenger:
            score = self.challenger.score(shared)
            decision = self.policy.decide(_inputs_of(self.policy, shared, score, hits))
            found["model"] = {"digest": self.challenger.digest, "bp": score, **_told(decision)}
        return msgspec.json.encode(found, order="deterministic").decode() if found else ""


def _inputs_of(
    policy: Policy, shared: list[int | None], model_bp: int | None, hits: Collection[Listed]
) -> list[int | None]:
    return [*shared, model_bp, *[int(listed in hits) for listed in policy.lists]]


def _told(decision: Decision) -> dict[str, object]:
    rules = [fired.rule for fired in decision.fired]
    return {"action": decision.action.value, "fired": rules, "reason": decision.reason, "score": decision.score}


def is_in_rollout(policy: str, seller: str, percent: int) -> bool:
    """Whether a policy that is rolled out decides for a seller; the same answer whenever it is asked."""
    drawn = int.from_bytes(blake2b(f"{policy}:{seller}".encode(), digest_size=8).digest(), "big")
    return drawn % 100 < percent


_FIRED = msgspec.json.Decoder(tuple[Fired, ...])


def write_fired(fired: tuple[Fired, ...]) -> str:
    """The rules that fired, with what they saw, as canonical JSON."""
    return msgspec.json.encode(fired).decode()


def read_fired(text: str) -> tuple[Fired, ...]:
    """The rules of a text. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return _FIRED.decode(text)


class Difference(NamedTuple):
    """Something that did not come out as it was stored."""

    what: str
    stored: str
    computed: str


class Replayed(NamedTuple):
    """A decision made again; nothing where it could not be, and then the differences say why."""

    decision: Decision | None
    differences: tuple[Difference, ...]


def replay(event: DecisionMade, catalogue: Catalogue, policy: Policy, scorer: Scorer | None) -> Replayed:
    """Makes a decision again from what was stored with it; the same to the byte where nothing differs."""
    found = [
        Difference("policy", event.policy, policy.digest),
        Difference("features", event.features, catalogue.digest),
        Difference("model", event.model, scorer.digest if scorer else ""),
    ]
    try:
        inputs = read_inputs(event.inputs)
    except BadInputs as bad:
        return Replayed(None, (*_differing(found), Difference("inputs", event.inputs, str(bad))))
    found.append(Difference("inputs", str(len(inputs)), str(len(policy.inputs))))
    if differing := _differing(found):
        return Replayed(None, differing)
    decision = policy.decide(inputs)
    return Replayed(decision, _differing([*_scored(inputs, policy, scorer), *_compared(event, inputs, decision)]))


def _differing(found: list[Difference]) -> tuple[Difference, ...]:
    return tuple(difference for difference in found if difference.stored != difference.computed)


def _scored(inputs: list[int | None], policy: Policy, scorer: Scorer | None) -> list[Difference]:
    place = len(inputs) - len(policy.lists) - 1
    score = scorer.score(inputs[:place]) if scorer else None
    return [Difference("model_bp", str(inputs[place]), str(score))]


def _compared(event: DecisionMade, inputs: list[int | None], decision: Decision) -> list[Difference]:
    return [
        Difference("inputs", event.inputs, write_inputs(inputs)),
        Difference("action", event.action, decision.action.value),
        Difference("delay_s", str(event.delay_s), str(decision.delay_s)),
        Difference("limit_percent", str(event.limit_percent), str(decision.limit_percent)),
        Difference("score", str(event.score), str(decision.score)),
        Difference("reason", event.reason, decision.reason),
        Difference("fired", event.fired, write_fired(decision.fired)),
    ]
