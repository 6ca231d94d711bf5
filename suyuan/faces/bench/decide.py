"""`suyuan bench decide`: what a decision costs, and of that what its parts do.

1. Rules: a hundred of them with reasons beside a plain generated function, in turns, and over columns (`rules`).
2. The whole decision as the line makes it: features over windows that a month of trade has filled, facts, the model, a
   hundred rules, and the two texts that history keeps of it; then the row is appended. CPU time of this thread, attempt
   by attempt. Rules compare with what was seen of each input, so some nine fire; the model is trained on what the
   attempts of the warm-up turned out to be.
3. The same policy and model in the line, over whole steps with a decision each and with none (`deciding`).

    suyuan bench decide --json
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from random import Random
from typing import NamedTuple

import numpy as np

from suyuan.app.line import spare_the_collector
from suyuan.base.clock import DAY_S, thread_cpu_s
from suyuan.faces.bench.attempts import attempts
from suyuan.faces.bench.deciding import InLine, decide_in_line
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.faces.bench.rules import RULES, RuleFigures, made_policy, measure_rules
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.decide import Engine, write_fired
from suyuan.risk.inputs import FACTS
from suyuan.risk.model.fitting import Shape, fit
from suyuan.risk.model.scorer import Scorer
from suyuan.risk.online.windows import Windows
from suyuan.risk.policy.names import names_of
from suyuan.risk.row import ATTEMPT, BAD, Row
from suyuan.risk.vector import write_inputs

SETTLE_EVERY = 64
"""Rows a commit, about as many as the line takes when it is busy."""
SEEN_MAX = 10_000


class Whole(NamedTuple):
    """The whole decision, CPU microseconds each."""

    features: int
    rules: int
    us_p50: float
    us_p99: float
    features_us: float
    events_per_s: float
    fired_mean: float


class Report(NamedTuple):
    """Everything that `bench decide` found."""

    before: Machine
    after: Machine
    rules: RuleFigures
    whole: Whole
    in_line: InLine

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        return {
            **self.rules._asdict(),
            **self.whole._asdict(),
            **self.in_line.fields(),
            "rss_mb": rss_mb(),
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }


class Seen(NamedTuple):
    """An attempt of the warm-up, with what a model takes: features, then facts."""

    row: Row
    inputs: list[int | None]


def measure(*, turns: int, events: int, warm_up: int, steps: int, seed: int = 1) -> Report:
    """Measures rules in so many turns, so many whole decisions behind so many rows of history, and so many steps."""
    before = machine_now()
    spare_the_collector()
    rules = measure_rules(turns=turns, seed=seed)
    whole, engine = _whole(events, warm_up, seed)
    return Report(before, machine_now(), rules, whole, decide_in_line(engine, steps))


def _whole(events: int, warm_up: int, seed: int) -> tuple[Whole, Engine]:
    catalogue, chance = load_catalogue(), Random(seed)  # noqa: S311 - a measurement must be repeatable
    # A third more rows than are decided, because not all of them are attempts.
    stream = list(attempts(warm_up + events + events // 3, seed=seed))
    windows = Windows(catalogue)
    seen = _warmed(windows, stream[:warm_up], chance)
    engine = _engine(catalogue, seen, stream, chance)
    spare_the_collector()
    costs: list[tuple[float, float]] = []
    fired = 0
    for row in stream[warm_up:]:
        if row.kind == ATTEMPT and len(costs) < events:
            cost, count = _decided(engine, windows, row, _facts(row, chance))
            costs.append(cost)
            fired += count
        else:
            windows.append(row)
        if row.seq % SETTLE_EVERY == 0:
            windows.settle()
    features_us, whole_us = np.array(costs).T * 1e6
    found = Whole(
        features=len(catalogue.names),
        rules=len(engine.policy.rules),
        us_p50=round(float(np.percentile(whole_us, 50)), 1),
        us_p99=round(float(np.percentile(whole_us, 99)), 1),
        features_us=round(float(np.percentile(features_us, 50)), 1),
        events_per_s=round(1e6 / float(whole_us.mean())),
        fired_mean=round(fired / len(costs), 2),
    )
    return found, engine


def _warmed(windows: Windows, rows: Sequence[Row], chance: Random) -> list[Seen]:
    """Appends the rows of the warm-up, and measures the last attempts among them."""
    seen = []
    for row in rows:
        if row.kind == ATTEMPT and row.seq >= len(rows) - SEEN_MAX:
            seen.append(Seen(row, [*windows.measure(row), *_facts(row, chance)]))
        windows.append(row)
        if row.seq % SETTLE_EVERY == 0:
            windows.settle()
    windows.settle()
    return seen


def _engine(catalogue: Catalogue, seen: Sequence[Seen], stream: Sequence[Row], chance: Random) -> Engine:
    names = names_of(catalogue.features)
    columns = zip(*(one.inputs for one in seen), strict=True)
    values = [[value for value in column if value is not None] for column in columns]
    named = dict(zip((*catalogue.names, *(fact.name for fact in FACTS)), values, strict=True))
    made = made_policy(names, named, rules=RULES, chance=chance)
    return Engine(catalogue, made.policy, _model(catalogue, seen, stream))


def _model(catalogue: Catalogue, seen: Sequence[Seen], stream: Sequence[Row]) -> Scorer:
    """A model of the size that the platform uses, trained on which cards turned out bad."""
    bad = {row.card for row in stream if row.kind == BAD}
    rows = np.array([[nan if value is None else value for value in one.inputs] for one in seen])
    labels = np.array([one.row.card in bad for one in seen])
    names = [*catalogue.names, *(fact.name for fact in FACTS)]
    fitted = fit(rows, labels, names=names, shape=Shape(), seed=1)
    return Scorer(fitted.text(catalogue.digest))


def _facts(row: Row, chance: Random) -> list[int | None]:
    told = {"face_fen": row.face_fen, "paid": row.paid, "ratio_bp": row.ratio_bp, "hour": row.hour}
    drawn: dict[str, int | None] = {
        "account_age_s": chance.randrange(400 * DAY_S), "device_age_s": chance.choice([None, 60, 90 * DAY_S]),
        "tier": chance.randrange(3), "agent_depth": chance.randrange(4), "is_money": 1, "owed_fen": 0,
        "contract_age_s": 90 * DAY_S, "is_signed_by_device": chance.randrange(2), "is_balance": 0, "is_held": 0,
    }  # fmt: skip
    return [{**drawn, **told}.get(fact.name) for fact in FACTS]


def _decided(engine: Engine, windows: Windows, row: Row, facts: list[int | None]) -> tuple[tuple[float, float], int]:
    """CPU seconds of the features, and of the whole decision; and how many rules fired."""
    began_s = thread_cpu_s()
    features = windows.measure(row)
    measured_s = thread_cpu_s()
    made = engine.decide(features, facts, seller=str(row.seller))
    texts = write_inputs(made.inputs), write_fired(made.decision.fired)
    windows.append(row)
    ended_s = thread_cpu_s()
    assert all(texts), "what history keeps is part of the cost"
    return (measured_s - began_s, ended_s - began_s), len(made.decision.fired)
