"""A past decision is computed again: from what is stored with it, and, while history lasts, from history itself.

| outcome | |
|---|---|
| `same` | it comes to the same bytes |
| `differs` | it does not; `where` names each part that differs, with what was stored and what was computed |
| `passed_by_a_person` | a person had let this attempt pass, and no policy was asked |
| `policy_is_not_here` | the policy, or the model, that decided is not kept here |
| `other_features` | it was decided by another catalogue of features, so they cannot be computed again |
| `history_is_gone` | events before it are missing, so its features cannot be computed again |
| `person_was_forgotten` | the seller was forgotten, and what a decision saw of them is not looked at again |

From the stored inputs only the policy is asked again. From history, everything that the windows saw is read once more,
by the executor that the line uses, and the features come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.refusals import Language
from suyuan.history.decision_events import DecisionMade
from suyuan.history.store import HistoryIsBroken, Recorded, at_places
from suyuan.privacy import shredding
from suyuan.risk.decide import Difference, Scorer, read_fired, replay
from suyuan.risk.decisions_kept import places_of
from suyuan.risk.deployed import BadModel, model_text, policy_text
from suyuan.risk.memory import catalogue_here, default_policy, names_here, scorer_of
from suyuan.risk.online.windows import Windows
from suyuan.risk.policy.mistakes import BadPolicy
from suyuan.risk.policy.policy import Policy, load_policy
from suyuan.risk.reasons import sentence
from suyuan.risk.row import Row
from suyuan.risk.tail import catch_up, rows_among
from suyuan.risk.vector import BadInputs, read_inputs

Connection = psycopg.Connection[TupleRow]


class Outcome(StrEnum):
    """What computing again came to."""

    SAME = "same"
    DIFFERS = "differs"
    PASSED_BY_A_PERSON = "passed_by_a_person"
    POLICY_IS_NOT_HERE = "policy_is_not_here"
    OTHER_FEATURES = "other_features"
    HISTORY_IS_GONE = "history_is_gone"
    PERSON_WAS_FORGOTTEN = "person_was_forgotten"


class Again(NamedTuple):
    """What computing a decision again came to; what differs, where anything does."""

    outcome: Outcome
    where: tuple[Difference, ...] = ()


class Measured(NamedTuple):
    """The features of an attempt, and the places of those that are saturated."""

    features: tuple[int | None, ...]
    saturated: tuple[int, ...]


class FoundDecision(NamedTuple):
    """A decision as history has it."""

    seq: int
    at: int
    event: DecisionMade


@dataclass(slots=True)
class Texts:
    """The policies and models that decisions name, read once each."""

    connection: Connection
    _policies: dict[str, Policy | None] = field(default_factory=dict)
    _models: dict[str, Scorer | None] = field(default_factory=dict)

    def policy(self, digest: str) -> Policy | None:
        """The policy of this digest; None where it is not here, or names features that are gone."""
        if digest not in self._policies:
            text = policy_text(self.connection, digest)
            own = default_policy()
            self._policies[digest] = own if digest == own.digest else _loaded(text)
        return self._policies[digest]

    def scorer(self, digest: str) -> Scorer | None:
        """The model of this digest; None where it is not here, or cannot be used any more."""
        if digest not in self._models:
            text = model_text(self.connection, digest)
            try:
                self._models[digest] = None if text is None else scorer_of(text)
            except BadModel:
                self._models[digest] = None
        return self._models[digest]


def _loaded(text: str | None) -> Policy | None:
    try:
        return None if text is None else load_policy(text, names_here())
    except BadPolicy:
        return None


def find_decision(connection: Connection, redemption: str) -> FoundDecision | None:
    """The decision about a redemption, from history."""
    for seq, at, event in at_places(connection, places_of(connection, [redemption])):
        assert isinstance(event, DecisionMade), "a decision stands where the table of decisions says"
        return FoundDecision(seq, at, event)
    return None


def replay_decision(connection: Connection, found: FoundDecision, *, from_history: bool) -> Again:
    """Computes a decision again. Reads all of history before it where it is asked to."""
    if shredding.is_over(connection, found.event.seller):
        return Again(Outcome.PERSON_WAS_FORGOTTEN)
    texts = Texts(connection)
    if not from_history:
        return compute_again(found.event, texts)
    if found.event.features != catalogue_here().digest:
        return Again(Outcome.OTHER_FEATURES)
    try:
        measured = measured_again(connection, found)
    except HistoryIsBroken:
        return Again(Outcome.HISTORY_IS_GONE)
    return compute_again(found.event, texts, measured)


def measured_again(connection: Connection, found: FoundDecision) -> Measured:
    """The features of an attempt, from all of history before it. Raises `HistoryIsBroken`."""
    windows = Windows(catalogue_here())
    catch_up(connection, windows, found.seq)
    ((_, row),) = rows_among(connection, [Recorded(found.seq, found.at, found.event)])
    return measure(windows, row)


def measure(windows: Windows, row: Row) -> Measured:
    """The features of an attempt by windows that have seen everything before it."""
    return Measured(tuple(windows.measure(row)), tuple(windows.saturated))


def compute_again(event: DecisionMade, texts: Texts, measured: Measured | None = None) -> Again:
    """Decides again from the stored inputs, which are held against these features where there are any."""
    if not event.policy:
        return Again(Outcome.PASSED_BY_A_PERSON)
    policy = texts.policy(event.policy)
    scorer = texts.scorer(event.model) if event.model else None
    if policy is None or (event.model and scorer is None):
        return Again(Outcome.POLICY_IS_NOT_HERE)
    if event.features != catalogue_here().digest:
        return Again(Outcome.OTHER_FEATURES)
    found = replay(event, catalogue_here(), policy, scorer).differences
    if measured is not None:
        found += _unlike(event, measured)
    return Again(Outcome.DIFFERS, found) if found else Again(Outcome.SAME)


def _unlike(event: DecisionMade, measured: Measured) -> tuple[Difference, ...]:
    """The features that came out otherwise. Where either ran out of room for a key, both have said so honestly."""
    try:
        stored, full = read_inputs(event.inputs), {*_places(event.saturated), *measured.saturated}
    except BadInputs as bad:
        return (Difference("inputs", event.inputs, str(bad)),)
    return tuple(
        Difference(name, str(before), str(now))
        for place, (name, before, now) in enumerate(
            zip(catalogue_here().names, stored, measured.features, strict=False)
        )
        if before != now and place not in full
    )


def _places(text: str) -> list[int]:
    return [place for place in read_inputs(text) if place is not None] if text else []


def describe(connection: Connection, found: FoundDecision, language: Language) -> Mapping[str, object]:
    """Everything that a decision rested on, for a person who looks at it; names are pseudonyms."""
    event = found.event
    policy = Texts(connection).policy(event.policy) if event.policy else None
    says = {rule.id: rule.zh if language == "zh" else rule.en for rule in policy.rules} if policy else {}
    return {
        "redemption": event.redemption, "seq": found.seq, "at": found.at, "seller": event.seller,
        "partner": event.partner, "face_fen": event.face_fen, "paid": event.paid, "action": event.action,
        "outcome": event.outcome, "score": event.score, "delay_s": event.delay_s,
        "limit_percent": event.limit_percent, "reason": event.reason, "told": sentence(event.reason, language),
        "fired": [
            {"rule": fired.rule, "says": says.get(fired.rule, ""), "saw": dict(fired.saw)}
            for fired in read_fired(event.fired)
        ],
        "policy": event.policy, "model": event.model, "lists": event.lists, "graph": event.graph,
        "shadow": event.shadow,
    }  # fmt: skip
