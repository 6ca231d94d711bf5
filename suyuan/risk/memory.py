"""What the line has in memory to decide by: windows, policies, models, lists, rings; one member of its working set.

`hear` takes in every event of a batch, whoever's applier made it: an event that is a row of `risk.row` goes into the
windows, a decision is kept (`decisions_kept`), a change of a list is the lists' new version. So later commands of a
batch see what earlier ones did, and no flow has to remember to tell. All of it advances only with the commit: `settle`
makes it last, `forget` brings back what was there before the batch.

What decides is changed by `deploy_…` and `end_…`, for the commands behind it in the line; the rows that say so are
written with the same commit. A policy or model that this suyuan cannot use any more, because its features have changed,
is left out at the start, loudly, and the policy that comes with suyuan decides in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.history.decision_events import DecisionMade, ListEntryAdded, ListEntryRemoved
from suyuan.history.fact import Fact
from suyuan.history.working_set import Shelf
from suyuan.risk import decisions_kept, lists
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.decide import Engine, Made, Rollout, Scorer, write_fired
from suyuan.risk.decision import Action, Decision
from suyuan.risk.decisions_kept import NOT_ASKED, WAITS, KeptDecision, pack_row, unpack_row
from suyuan.risk.deployed import (
    ACTIVE,
    CHALLENGER,
    CHAMPION,
    GRAPH,
    LISTS,
    ROLLOUT,
    SHADOW,
    BadModel,
    Deployment,
    ModelStage,
    PolicyStage,
    deployment_shelf,
    deployments,
    model_shelf,
    model_text,
    policy_shelf,
    policy_text,
)
from suyuan.risk.lists import Lists, load_lists
from suyuan.risk.model import forest
from suyuan.risk.model.scorer import Scorer as TreeScorer
from suyuan.risk.model.scorer import ScorerTrouble
from suyuan.risk.online.windows import Windows
from suyuan.risk.policy.mistakes import BadPolicy
from suyuan.risk.policy.names import Names, names_of
from suyuan.risk.policy.policy import Policy, load_policy
from suyuan.risk.policy.tree import Listed
from suyuan.risk.reading import row_of
from suyuan.risk.rings_kept import NO_RING, Rings, Signals, load_rings
from suyuan.risk.row import Row, id64
from suyuan.risk.tail import TOLD_BY
from suyuan.risk.vector import write_inputs

DEFAULT_POLICY = "default.toml"
WHOLE = 100

log = structlog.get_logger()


class DecidedAttempt(NamedTuple):
    """A decision, and the event that tells of it, as if the attempt was taken."""

    decision: Decision
    event: DecisionMade


class _Standing(NamedTuple):
    """Everything beside windows and rings, as it stands at one place in the line."""

    engine: Engine
    lists: Lists
    graph: str


class Risk:
    """The memory of decisions."""

    def __init__(
        self,
        windows: Windows | None = None,
        *,
        engine: Engine | None = None,
        listed: Lists | None = None,
        rings: Rings | None = None,
        graph: str = "",
    ) -> None:
        self.windows = windows or Windows(catalogue_here())
        self.rings = rings or Rings()
        self.decisions = decisions_kept.shelf()
        self.policies = policy_shelf()
        self.models = model_shelf()
        self.deployments = deployment_shelf()
        self.list_entries = lists.shelf()
        self._now = self._committed = _Standing(engine or default_engine(), listed or Lists(), graph)

    @property
    def written(self) -> tuple[Shelf[msgspec.Struct] | Rings, ...]:
        """What is written with a commit."""
        return (
            self.decisions, self.policies, self.models, self.deployments, self.list_entries, self.rings,
        )  # type: ignore[return-value]  # fmt: skip  # A shelf is invariant in its row only for writers.

    def settle(self) -> None:
        """After the commit."""
        self.windows.settle()
        self._committed = self._now

    def forget(self) -> None:
        """After a failed commit."""
        self.windows.forget()
        self._now = self._committed

    # --- deciding ---

    @property
    def engine(self) -> Engine:
        """What decides now."""
        return self._now.engine

    @property
    def lists(self) -> Lists:
        """The lists that count now."""
        return self._now.lists

    def ring_of(self, seller: str) -> Signals:
        """What the graph says of a seller."""
        return self.rings.of(id64(seller)) if self._now.graph else NO_RING

    def decide(self, asked: DecisionMade, row: Row, facts: Sequence[int | None], *, at: int) -> DecidedAttempt:
        """What the policy that counts for this seller comes to, and the event that says so."""
        features = self.windows.measure(row)
        made = self.engine.decide(features, facts, self._hits(asked, at), seller=asked.seller)
        return DecidedAttempt(made.decision, self._told(asked, made))

    def _hits(self, asked: DecisionMade, at: int) -> frozenset[Listed]:
        """Those of the policies' lists on which one of the attempt's names stands."""
        held, asks = self._now.lists, self.engine.lists
        if not len(held) or not asks:
            return _NO_HITS
        return frozenset(
            ref for ref in asks if (name := name_of(asked, ref.key)) and held.holds(ref.list, ref.key, name, at=at)
        )

    def _told(self, asked: DecisionMade, made: Made) -> DecisionMade:
        decision = made.decision
        return msgspec.structs.replace(
            asked,
            action=decision.action.value,
            delay_s=decision.delay_s,
            limit_percent=decision.limit_percent,
            score=decision.score,
            reason=decision.reason,
            inputs=write_inputs(made.inputs),
            saturated=write_inputs(self.windows.saturated),
            fired=write_fired(decision.fired),
            features=self.windows.catalogue.digest,
            policy=made.policy,
            model=made.model,
            lists=self._now.lists.version,
            graph=self._now.graph,
            shadow=made.shadow,
        )

    # --- what history tells ---

    def hear(self, seq: int, at: int, event: Fact) -> None:
        """Takes in an event that was decided just now."""
        if type(event) not in _HEARD:
            return
        row = row_of(seq, at, event, self._attempt)  # type: ignore[arg-type]  # What is no event of risk comes to no row.
        if row is not None:
            self.windows.append(row)
        if isinstance(event, DecisionMade):
            assert row is not None, "a decision is about an attempt"
            self.decisions.add(_kept(seq, at, event, row))
        elif isinstance(event, ListEntryAdded | ListEntryRemoved):
            self._note(LISTS, "", WHOLE, seq, at)
            self._now = self._now._replace(lists=self._now.lists.at_version(seq))

    def _attempt(self, redemption: str) -> Row | None:
        kept = self.decisions.peek(redemption)
        return None if kept is None else unpack_row(kept.attempt)

    # --- changing what decides ---

    def deployed(self, stage: str) -> str | None:
        """The digest of what stands at a stage; its row must have been wanted."""
        row = self.deployments.get(stage)
        return None if row is None else row.digest

    def deploy_policy(self, stage: PolicyStage, policy: Policy, percent: int, *, seq: int, at: int) -> None:
        """From here on this policy stands at the stage."""
        self._note(stage, policy.digest, percent, seq, at)
        self._change(_PARTS[stage], Rollout(policy, percent) if stage == ROLLOUT else policy)

    def deploy_model(self, stage: ModelStage, scorer: Scorer, *, seq: int, at: int) -> None:
        """From here on this model stands at the stage."""
        self._note(stage, scorer.digest, WHOLE, seq, at)
        self._change(_PARTS[stage], scorer)

    def end(self, stage: str) -> None:
        """From here on nothing stands at the stage."""
        assert stage != ACTIVE, "the active policy is replaced and never ended"
        row = self.deployments.get(stage)
        assert row is not None, "only what stands there is ended"
        self.deployments.drop(row)
        self._change(_PARTS[stage], None)

    def publish_graph(self, graph: str, members: Sequence[tuple[int, int, int, int]], *, seq: int, at: int) -> None:
        """From here on other signals count."""
        self._note(GRAPH, graph, WHOLE, seq, at)
        self.rings.publish(members)
        self._now = self._now._replace(graph=graph)

    def enlist(self, entry: str, expires_at: int) -> None:
        """From here on this stands on a list."""
        self._now = self._now._replace(lists=self._now.lists.entered(entry, expires_at))

    def unlist(self, entry: str) -> None:
        """From here on it does not."""
        self._now = self._now._replace(lists=self._now.lists.left(entry))

    def _change(self, part: str, value: object) -> None:
        changed: Any = {part: value}
        self._now = self._now._replace(engine=replace(self._now.engine, **changed))

    def _note(self, stage: str, digest: str, percent: int, seq: int, at: int) -> None:
        row = self.deployments.get(stage)
        if row is None:
            self.deployments.add(Deployment(stage, digest, percent, seq, at))
            return
        row.digest, row.percent, row.seq, row.at = digest, percent, seq, at
        self.deployments.change(stage, row)


_NO_HITS: frozenset[Listed] = frozenset()
_HEARD = frozenset({*TOLD_BY, ListEntryAdded, ListEntryRemoved})
_PARTS = {ACTIVE: "policy", ROLLOUT: "rollout", SHADOW: "watching", CHAMPION: "scorer", CHALLENGER: "challenger"}
"""What stands at a stage is this part of the engine."""


def _kept(seq: int, at: int, event: DecisionMade, row: Row) -> KeptDecision:
    is_held = event.action == Action.REVIEW and not event.outcome
    return KeptDecision(
        redemption=event.redemption,
        seq=seq,
        at=at,
        partner=event.partner,
        seller=event.seller,
        action=str(event.action),
        reason=event.reason,
        limit_percent=event.limit_percent,
        outcome=event.outcome,
        review=WAITS if is_held else NOT_ASKED,
        asked_at=0,
        attempt=pack_row(row),
    )


_NAMES = {"prefix": "ip_prefix"}


def name_of(asked: DecisionMade, key: str) -> str:
    """What an attempt is called by one of the key columns of `risk.row`; nothing where it has no such name."""
    name: str | None = getattr(asked, _NAMES.get(key, key))
    return name or ""


# --- at the start --------------------------------------------------------------------------------


@cache
def catalogue_here() -> Catalogue:
    """The features of this suyuan."""
    return load_catalogue()


@cache
def names_here() -> Names:
    """The names that a policy may use here."""
    return names_of(catalogue_here().features)


@cache
def default_policy() -> Policy:
    """The policy that decides where officers have deployed none."""
    return load_policy(files("suyuan.risk.policy").joinpath(DEFAULT_POLICY).read_text("utf-8"), names_here())


@cache
def default_engine() -> Engine:
    """It alone, without a model."""
    return Engine(catalogue_here(), default_policy())


def remember(connection: psycopg.Connection[TupleRow], windows: Windows) -> Risk:
    """What is committed, with windows that have seen all of history."""
    stages = deployments(connection)
    version = stages[LISTS].seq if LISTS in stages else 0
    graph = stages[GRAPH].digest if GRAPH in stages else ""
    return Risk(
        windows,
        engine=_engine(connection, stages),
        listed=load_lists(connection, version),
        rings=load_rings(connection),
        graph=graph,
    )


def _engine(connection: psycopg.Connection[TupleRow], stages: dict[str, Deployment]) -> Engine:
    policies = {stage: _policy(connection, stages.get(stage)) for stage in (ACTIVE, ROLLOUT, SHADOW)}
    rolled_out = policies[ROLLOUT]
    return Engine(
        catalogue=catalogue_here(),
        policy=policies[ACTIVE] or default_policy(),
        scorer=_scorer(connection, stages.get(CHAMPION)),
        rollout=None if rolled_out is None else Rollout(rolled_out, stages[ROLLOUT].percent),
        watching=policies[SHADOW],
        challenger=_scorer(connection, stages.get(CHALLENGER)),
    )


def _policy(connection: psycopg.Connection[TupleRow], deployed: Deployment | None) -> Policy | None:
    text = None if deployed is None else policy_text(connection, deployed.digest)
    if deployed is None or text is None:
        return None
    try:
        return load_policy(text, names_here())
    except BadPolicy as bad:
        log.error("policy_is_left_out", stage=deployed.stage, policy=deployed.digest, why=str(bad))
        return None


def _scorer(connection: psycopg.Connection[TupleRow], deployed: Deployment | None) -> Scorer | None:
    try:
        text = None if deployed is None else model_text(connection, deployed.digest)
        return None if text is None else scorer_of(text)
    except BadModel as bad:
        stage = "" if deployed is None else deployed.stage
        log.error("model_is_left_out", stage=stage, why=str(bad))
        return None


def scorer_of(text: str) -> Scorer:
    """A model that scores features and facts as they are here. Raises `BadModel`."""
    try:
        scorer = TreeScorer(text)
    except (forest.BadModel, ScorerTrouble) as bad:
        raise BadModel(str(bad)) from bad
    if scorer.catalogue != catalogue_here().digest:
        raise BadModel("the model was trained on another catalogue of features; train it again")
    return scorer
