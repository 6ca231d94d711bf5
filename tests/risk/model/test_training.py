"""A model is trained on what was known, judged by what was not, and the same history gives the same bytes."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from suyuan.base.clock import DAY_S, SECOND
from suyuan.risk.model.card import BadCard, printed, read_card, write_card
from suyuan.risk.model.examples import NEVER, Examples
from suyuan.risk.model.fitting import Shape
from suyuan.risk.model.forest import digest_of
from suyuan.risk.model.scorer import Scorer
from suyuan.risk.model.training import Terms, TooFewLabels, Trained, drift_since, recency_weights, train
from tests.risk.model.history import catalogue, examples

SHAPE = Shape(trees=20, leaves=7, leaf_rows_min=5)


def terms(**changed: Any) -> Terms:
    base = Terms(as_of=examples().read_to, label_delay_s=3 * DAY_S, shape=SHAPE, good_share_max=0.02)
    return dataclasses.replace(base, **changed)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(examples(), terms())


def test_the_model_tells_bad_from_good_that_it_has_not_seen(trained: Trained) -> None:
    reach = trained.card.held_out
    assert reach.auc_bp > 9_000
    assert reach.found_bad_bp > 5_000
    assert reach.flagged_good_bp <= 200
    assert 0 <= reach.threshold_bp <= 10_000


def test_the_same_history_and_seed_give_the_same_bytes(trained: Trained) -> None:
    again = train(examples(), terms())
    assert again.text == trained.text
    assert write_card(again.card) == write_card(trained.card)
    assert train(examples(), terms(seed=2)).text != trained.text


def test_the_card_says_what_it_was_trained_on(trained: Trained) -> None:
    card = trained.card
    assert (card.model, card.features) == (digest_of(trained.text), catalogue().digest)
    assert (card.inputs, len(card.baselines)) == (len(examples().names),) * 2
    known = examples().labelled(as_of=card.as_of, delay_s=3 * DAY_S)
    assert (card.examples, card.bad) == (len(known.places), known.labels.sum())
    assert card.held_out.from_at > card.from_at
    assert card.held_out.to_at <= card.as_of - 3 * DAY_S * SECOND
    assert Scorer(trained.text).names == examples().names


def test_a_label_that_came_after_the_hold_out_began_changes_nothing_that_is_judged_by_it() -> None:
    """The model that is judged stands at the instant before; it must not know how attempts before it ended later."""
    base = train(examples(), terms())
    began = base.card.held_out.from_at
    chance = np.random.default_rng(0)
    late = np.flatnonzero((examples().bad_at == NEVER) & (examples().at < began) & (examples().at > began - DAY_S))
    moved = examples().bad_at.copy()
    # All that happened just before, and was not known to be bad, turns out bad in the end.
    moved[late] = terms().as_of - chance.integers(0, SECOND, len(late))
    other = train(dataclasses.replace(examples(), bad_at=moved), terms())
    assert other.card.held_out == base.card.held_out


def test_what_comes_after_as_of_changes_no_model() -> None:
    as_of = int(examples().at[-200])
    moved = examples().bad_at.copy()
    moved[examples().bad_at > as_of] = NEVER
    rows = examples().rows.copy()
    rows[examples().at > as_of] = 0
    other = dataclasses.replace(examples(), bad_at=moved, rows=rows)
    assert train(other, terms(as_of=as_of)) == train(examples(), terms(as_of=as_of))


def test_a_champion_is_judged_by_the_same_attempts(trained: Trained) -> None:
    compared = train(examples(), terms(seed=5), champion=Scorer(trained.text)).card.champion
    assert compared is not None
    assert compared.model == trained.card.model
    assert compared.reach.examples == trained.card.held_out.examples
    assert compared.reach.auc_bp > 9_000


@pytest.mark.parametrize(("days", "bad_share"), [(3, 0.06), (40, 0.004), (40, 0.0)])
def test_too_few_outcomes_are_said_and_not_learned_from(days: int, bad_share: float) -> None:
    few = examples(days, bad_share)
    with pytest.raises(TooFewLabels, match="Train when more outcomes are known"):
        train(few, dataclasses.replace(terms(), as_of=few.read_to))


def test_an_example_weighs_half_after_each_half_life() -> None:
    ages = np.array([0, 30, 60, 90, 120, 600]) * SECOND
    assert recency_weights(ages, 60).tolist() == [1, 0.75, 0.5, 0.375, 0.25, 2**-10]


# --- Drift ------------------------------------------------------------------------------------------------------------


def later(change: str) -> Examples:
    """The same history again, after its own end, with something about it changed."""
    found = examples()
    shift = found.read_to - int(found.at[0]) + SECOND
    rows, bad_at = found.rows.copy(), np.where(found.bad_at == NEVER, NEVER, found.bad_at + shift)
    if change == "input":
        rows[:, found.names.index("account_age_s")] = 6
    if change == "rate":
        bad_at[::3] = found.at[::3] + shift + DAY_S
    moved = dataclasses.replace(found, rows=rows, at=found.at + shift, bad_at=bad_at, read_to=found.read_to + shift)
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(found, name), getattr(moved, name)])
        for name in ("rows", "at", "bad_at", "taken", "face_fen")
    }
    return dataclasses.replace(moved, **joined)


@pytest.mark.parametrize(
    ("change", "drifted", "is_rate_changed"), [("input", ["account_age_s"], False), ("rate", [], True)]
)
def test_drift_is_told_by_name(trained: Trained, change: str, drifted: list[str], is_rate_changed: bool) -> None:
    found = drift_since(trained.card, later(change), as_of=later(change).read_to)
    unchanged = drift_since(trained.card, later("nothing"), as_of=later("nothing").read_to)
    assert [name for name in found.drifted if name not in unchanged.drifted] == drifted
    assert found.is_rate_changed is is_rate_changed
    assert found.is_alarm
    assert not unchanged.is_rate_changed


def test_where_nothing_came_since_nothing_has_drifted(trained: Trained) -> None:
    found = drift_since(trained.card, examples(), as_of=examples().read_to)
    assert (found.rows, found.is_alarm) == (0, False)


# --- Cards ------------------------------------------------------------------------------------------------------------


def test_a_card_is_read_from_its_own_bytes_alone(trained: Trained) -> None:
    content = write_card(trained.card)
    assert read_card(content) == trained.card
    wrong = [
        b"",
        b"{}",
        content[:-1],
        content + b" ",
        content.replace(b'"inputs":', b'"inputs": '),
        b"\xff",
        b"x" * 10**6,
    ]
    wrong.append(msgspec.json.encode({**msgspec.to_builtins(trained.card), "more": 1}))
    wrong.append(content.replace(b"suyuan model card 1", b"suyuan model card 2"))
    for bad in wrong:
        with pytest.raises(BadCard):
            read_card(bad)


def test_a_card_is_printed_in_both_languages(trained: Trained) -> None:
    english, chinese = ("\n".join(printed(trained.card, language)) for language in ("en", "zh"))
    for text in (english, chinese):
        assert trained.card.model in text
        assert trained.card.gains_bp[0][0] in text
    assert "may ask for a person" in english
    assert "人工复核" in chinese
