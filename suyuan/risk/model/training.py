"""Trains a model from history, and says on its card what it reached on labels that nobody had when it was trained.

1. The attempts whose outcome is known are put in order of time; the newest fifth of those that are older than the label
   delay is held out, and time is set back to where it begins.
2. A model is trained on what was known *then*: an attempt whose outcome came later teaches nothing yet, and those that
   were too young to be good are left out. Older examples weigh less, by half every `half_life_s`.
3. It scores the held-out attempts. The threshold is the lowest score that no more than `good_share_max` of the good
   ones reach; the card says how many bad ones do. The champion, if there is one, scores the same attempts.
4. The model that is written is trained on everything known at `as_of`, in the same shape and with the same seed.

The threshold stands on the card for whoever writes the policy; the score itself stays an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import numpy as np

from suyuan.base.clock import DAY_S, SECOND
from suyuan.risk.model.card import Champion, Growth, ModelCard, Reach
from suyuan.risk.model.drift import Drift, baselines_of, drifted, is_other_rate
from suyuan.risk.model.examples import Examples
from suyuan.risk.model.fitting import Fitted, Shape, fit
from suyuan.risk.model.forest import digest_of
from suyuan.risk.model.metrics import Labels, Scores, auc, average_precision, threshold_for_flagged
from suyuan.risk.model.scorer import SCORE_MAX, Scorer

HELD_OUT_SHARE = 0.2
BAD_MIN = 20
"""Fewer bad examples than this, to train on or to judge by, say nothing."""
GAINS_SHOWN = 12
BP = 10_000


class TooFewLabels(Exception):
    """Raised where history does not hold enough outcomes yet; its text says how many there are and are needed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a model is trained."""

    as_of: int
    label_delay_s: int = 7 * DAY_S
    half_life_s: int = 60 * DAY_S
    good_share_max: float = 0.005
    seed: int = 1
    shape: Shape = field(default_factory=Shape)


class Trained(NamedTuple):
    """A model's text, and its card."""

    text: str
    card: ModelCard


class _HeldOut(NamedTuple):
    """The examples that judge, and the instant that the model which they judge was trained at."""

    places: Labels
    labels: Labels
    since: int


def train(examples: Examples, terms: Terms, *, champion: Scorer | None = None) -> Trained:
    """Trains a model. Raises `TooFewLabels`."""
    held_out = _held_out(examples, terms)
    early = _fit(examples, terms, as_of=held_out.since)
    final = _fit(examples, terms, as_of=terms.as_of)
    text = final.text(examples.catalogue)
    rows = examples.rows[held_out.places]
    compared = None
    if champion is not None:
        found = np.array([champion.score(_whole(row)) for row in rows.tolist()], np.float64) / SCORE_MAX
        compared = Champion(champion.digest, _reach(examples, held_out, found, terms))
    known = examples.labelled(as_of=terms.as_of, delay_s=terms.label_delay_s)
    card = ModelCard(
        model=digest_of(text),
        features=examples.catalogue,
        inputs=len(examples.names),
        as_of=terms.as_of,
        from_at=int(examples.at[known.places[0]]),
        examples=len(known.places),
        bad=int(known.labels.sum()),
        partly_known=examples.partly_known,
        growth=_growth(terms),
        held_out=_reach(examples, held_out, early.scores(rows), terms),
        champion=compared,
        gains_bp=tuple((name, round(share * BP)) for name, share in list(final.gains().items())[:GAINS_SHOWN]),
        baselines=baselines_of(examples.names, rows),
    )
    return Trained(text, card)


def drift_since(card: ModelCard, examples: Examples, *, as_of: int) -> Drift:
    """What has changed since a model was trained, in the attempts that came later."""
    later = examples.at > card.as_of
    known = examples.labelled(as_of=as_of, delay_s=card.growth.label_delay_s)
    ripe = examples.known_after(known.places, as_of=as_of, delay_s=card.growth.label_delay_s)
    judged = ripe[later[ripe]]
    bad = int(np.count_nonzero(examples.bad_at[judged] <= as_of))
    then = (card.held_out.bad, card.held_out.examples)
    rows = examples.rows[later]
    return Drift(
        rows=len(rows),
        drifted=drifted(card.baselines, rows) if len(rows) else {},
        base_rate_bp=_bp(bad, len(judged)),
        trained_base_rate_bp=_bp(*then),
        is_rate_changed=is_other_rate(then=then, now=(bad, len(judged))),
    )


def _held_out(examples: Examples, terms: Terms) -> _HeldOut:
    known = examples.labelled(as_of=terms.as_of, delay_s=terms.label_delay_s)
    ripe = examples.known_after(known.places, as_of=terms.as_of, delay_s=terms.label_delay_s)
    places = ripe[len(ripe) - int(len(ripe) * HELD_OUT_SHARE) :]
    labels = (examples.bad_at[places] <= terms.as_of).astype(np.int64)
    if labels.sum() < BAD_MIN or labels.sum() == len(labels):
        raise TooFewLabels(
            f"of the newest {len(places)} attempts whose outcome is known {labels.sum()} were bad; there must be "
            f"{BAD_MIN}, and good ones, to judge a model by. Train when more outcomes are known."
        )
    return _HeldOut(places, labels, since=int(examples.at[places[0]]) - 1)


def _fit(examples: Examples, terms: Terms, *, as_of: int) -> Fitted:
    known = examples.labelled(as_of=as_of, delay_s=terms.label_delay_s)
    if known.labels.sum() < BAD_MIN or known.labels.sum() == len(known.labels):
        raise TooFewLabels(
            f"of {len(known.places)} attempts whose outcome was known early enough {known.labels.sum()} were bad; "
            f"there must be {BAD_MIN}, and good ones, to train a model. Train when more outcomes are known."
        )
    return fit(
        examples.rows[known.places],
        known.labels,
        names=examples.names,
        shape=terms.shape,
        seed=terms.seed,
        weights=recency_weights(as_of - examples.at[known.places], terms.half_life_s),
    )


def recency_weights(ages: Labels, half_life_s: int) -> Scores:
    """What examples of these ages, in micros, weigh: 1 now, half of it after each half-life.

    >>> recency_weights(np.array([0, 60 * SECOND, 120 * SECOND]), 60).tolist()
    [1.0, 0.5, 0.25]
    """
    halves, rest = np.divmod(ages, half_life_s * SECOND)
    # A straight line between the powers of two is the same on every machine, which `exp` is not.
    return np.asarray(np.ldexp(1 - rest / (2 * half_life_s * SECOND), -halves), np.float64)


def _reach(examples: Examples, held_out: _HeldOut, scores: Scores, terms: Terms) -> Reach:
    labels, face_fen = held_out.labels, examples.face_fen[held_out.places]
    # The threshold is one of the scores that the line will compare, which are whole.
    whole = np.floor(scores * SCORE_MAX + 0.5)
    threshold = threshold_for_flagged(whole, labels, good_share_max=terms.good_share_max)
    is_flagged, is_bad = whole >= threshold, labels == 1
    reached = auc(scores, labels)
    assert not isnan(reached), "there are examples of both labels"
    return Reach(
        from_at=int(examples.at[held_out.places[0]]),
        to_at=int(examples.at[held_out.places[-1]]),
        examples=len(labels),
        bad=int(labels.sum()),
        auc_bp=round(reached * BP),
        ap_bp=round(average_precision(scores, labels) * BP),
        threshold_bp=int(np.ceil(threshold)),
        flagged_good_bp=_bp(int(np.count_nonzero(is_flagged & ~is_bad)), int(np.count_nonzero(~is_bad))),
        found_bad_bp=_bp(int(np.count_nonzero(is_flagged & is_bad)), int(labels.sum())),
        found_fen_bp=_bp(int(face_fen[is_flagged & is_bad].sum()), int(face_fen[is_bad].sum())),
    )


def _growth(terms: Terms) -> Growth:
    shape = terms.shape
    return Growth(
        trees=shape.trees,
        leaves=shape.leaves,
        learning_rate_bp=round(shape.learning_rate * BP),
        leaf_rows_min=shape.leaf_rows_min,
        column_share_bp=round(shape.column_share * BP),
        row_share_bp=round(shape.row_share * BP),
        seed=terms.seed,
        half_life_s=terms.half_life_s,
        label_delay_s=terms.label_delay_s,
    )


def _bp(part: int, whole: int) -> int:
    return part * BP // whole if whole else 0


def _whole(row: list[float]) -> list[int | None]:
    return [None if isnan(value) else int(value) for value in row]
