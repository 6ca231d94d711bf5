"""Thresholds are chosen by what they do to honest people, on months that nobody scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from suyuan.faces.bench import attacks
from suyuan.faces.bench.attacks import TuningSeed, measure, shipped_policy
from suyuan.faces.simulate.market import tuning
from suyuan.faces.simulate.market.frozen import TUNING_SEEDS
from suyuan.faces.simulate.market.playbooks import FAMILIES
from suyuan.faces.simulate.market.rehearsal import LABEL_DELAY_S, Lessons, Rehearsal, lessons_of, rehearse
from suyuan.faces.simulate.market.teaching import Taught, teach
from suyuan.faces.simulate.market.tuning import (
    KNOBS,
    MODEL_RULES,
    Budgets,
    rule_of,
    tune,
    useful_rules,
    with_number,
    without_rule,
)
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.finalise import Column
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import load_policy
from suyuan.risk.policy.rules import hardness

CATALOGUE = load_catalogue()
NAMES = names_of(CATALOGUE.features)
TEXT = shipped_policy()


class Learned(NamedTuple):
    """Two small rehearsals, what they teach, and a model of them."""

    rehearsals: list[Rehearsal]
    lessons: list[Lessons]
    taught: Taught


@pytest.fixture(scope="module")
def learned() -> Learned:
    rehearsals = [rehearse(seed, days=16, scale=0.15) for seed in TUNING_SEEDS[50:52]]
    lessons = [lessons_of(rehearsal, CATALOGUE) for rehearsal in rehearsals]
    return Learned(rehearsals, lessons, teach(lessons, CATALOGUE))


def threshold(text: str, rule: str, name: str = "model_bp") -> int:
    found = rule_of(text, rule).split(f"{name} >= ")[1]
    return int("".join(letter for letter in found.split()[0] if letter.isdigit()))


# --- The text of a policy ---


def test_every_knob_is_a_number_of_the_shipped_policy() -> None:
    for knob in KNOBS:
        assert load_policy(with_number(TEXT, knob.rule, knob.name, knob.values[0]), NAMES).rules
    for rule in MODEL_RULES:
        assert "model_bp" in rule_of(TEXT, rule)


def test_a_rule_can_be_taken_out_and_nothing_else_changes() -> None:
    for knob in KNOBS:
        left = load_policy(without_rule(TEXT, knob.rule), NAMES)
        assert {rule.id for rule in load_policy(TEXT, NAMES).rules} - {rule.id for rule in left.rules} == {knob.rule}


def test_turning_a_knob_turns_that_number_alone() -> None:
    turned = with_number(TEXT, "wrong_secrets", "seller_wrong_secrets_24h", 17)
    lines = [(old, new) for old, new in zip(TEXT.splitlines(), turned.splitlines(), strict=True) if old != new]
    assert lines == [('when = "seller_wrong_secrets_24h >= 3"', 'when = "seller_wrong_secrets_24h >= 17"')]


def test_amounts_are_written_as_yuan_and_fen() -> None:
    assert "seller_face_7d + face_fen >= 1_234_05" in with_number(TEXT, "young_sum", "seller_face_7d", 1_234_05)


@pytest.mark.parametrize(("rule", "name"), [("no_such_rule", "hour"), ("wrong_secrets", "hour")])
def test_what_is_not_there_cannot_be_turned(rule: str, name: str) -> None:
    with pytest.raises(LookupError):
        with_number(TEXT, rule, name, 1)


# --- Tuning ---


def test_what_is_tuned_is_a_policy_that_keeps_the_budgets(learned: Learned) -> None:
    text = tune(TEXT, learned.lessons, learned.taught, CATALOGUE)
    policy = load_policy(text, NAMES)
    months = tuning._as_one(learned.lessons)
    scores = np.concatenate([learned.taught.fitted.scores(month.matrix()) for month in learned.lessons])
    months.columns["model_bp"] = Column((scores * 10_000 + 0.5).astype(np.int64), scores >= 0)
    _, resolved = policy.decide_columns(tuning._asked(policy, months))
    action = hardness(resolved.weight)
    share = [months.honest_share(action == place) for place in range(6)]
    assert share[4] + share[5] <= Budgets().refused
    assert share[3] <= Budgets().reviewed
    assert months.attack_share(action >= 1) > 0.9


def test_tighter_budgets_give_higher_thresholds(learned: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = tune(TEXT, learned.lessons, learned.taught, CATALOGUE)
    monkeypatch.setattr(tuning, "Budgets", lambda: Budgets(0.004, 0.012, 0.04, 0.05))
    tight = tune(TEXT, learned.lessons, learned.taught, CATALOGUE)
    assert all(threshold(tight, rule) >= threshold(wide, rule) for rule in MODEL_RULES)
    assert threshold(tight, "model_high") > threshold(wide, "model_high")


def test_a_rule_that_hits_the_honest_is_taken_out(learned: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "KNOBS", (tuning.Knob("young_sum", "seller_face_7d", (1, 2)),))
    tuned = tune(TEXT, learned.lessons, learned.taught, CATALOGUE)
    assert "young_sum" not in {rule.id for rule in load_policy(tuned, NAMES).rules}


def test_a_rule_that_nobody_could_have_thought_of_without_the_family_is_taken_out(learned: Learned) -> None:
    """Wrong PINs come from one family alone; who has never met it has no rule against it and no example of it."""
    on_trial = useful_rules(TEXT, learned.lessons, CATALOGUE)
    assert {"wrong_secrets", "collecting_payee"} <= on_trial
    assert "on_block_list" not in on_trial
    without = [lessons_of(rehearsal, CATALOGUE, without="partner_abuse") for rehearsal in learned.rehearsals]
    tuned = tune(TEXT, without, teach(without, CATALOGUE), CATALOGUE, on_trial=on_trial)
    left = {rule.id for rule in load_policy(tuned, NAMES).rules}
    assert "wrong_secrets" not in left
    assert {"collecting_payee", "on_block_list", *MODEL_RULES} <= left
    with_it = tune(TEXT, learned.lessons, learned.taught, CATALOGUE, on_trial=on_trial)
    assert "wrong_secrets" in {rule.id for rule in load_policy(with_it, NAMES).rules}


def test_a_model_that_never_met_a_family_is_another_model(learned: Learned) -> None:
    without = [lessons_of(rehearsal, CATALOGUE, without="reversal_abuse") for rehearsal in learned.rehearsals]
    taught = teach(without, CATALOGUE)
    assert taught.scorer.digest != learned.taught.scorer.digest
    assert teach(without, CATALOGUE).scorer.digest == taught.scorer.digest


def test_age_is_no_evidence(learned: Learned) -> None:
    """Attempts of the last days are left out, labelled or not; else everything late in the month would look bad."""
    scores = learned.taught.fitted.scores(learned.lessons[0].matrix())
    month = learned.lessons[0]
    late = month.is_honest & (month.age_s < LABEL_DELAY_S)
    early = month.is_honest & (month.age_s >= LABEL_DELAY_S)
    assert scores[late].mean() < 3 * scores[early].mean() + 0.01


# --- The bench ---


@pytest.mark.parametrize("seed", [TUNING_SEEDS[0], TUNING_SEEDS[-1]])
def test_a_seed_of_the_tuning_range_is_not_scored(seed: int) -> None:
    with pytest.raises(TuningSeed):
        measure(seed)


def test_months_that_teach_and_months_that_try_are_all_of_the_tuning_range() -> None:
    used = [*attacks.TEACHING_SEEDS, *attacks.TRYING_SEEDS]
    assert len(set(used)) == len(used)
    assert set(used) <= set(TUNING_SEEDS)


@pytest.mark.nightly
def test_the_bench_says_what_it_promises_for_every_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market a tenth of the size, with one family left out; its figures mean little, its fields all of it."""
    monkeypatch.setattr(attacks, "TEACHING_SEEDS", TUNING_SEEDS[:2])
    monkeypatch.setattr(attacks, "TRYING_SEEDS", TUNING_SEEDS[2:3])
    fields = measure(7, leave_out=["mutual_ring"], scale=0.12).fields()
    families = fields["families"]
    assert isinstance(families, dict)
    assert set(families) == set(FAMILIES)
    for name, told in families.items():
        assert set(told) >= {"attack_fen", "stopped_fen", "stopped_share", "net_take_fen", "net_take_undefended_fen"}
        assert (told["stopped_share_left_out"] is not None) == (name == "mutual_ring")
        assert told["net_take_fen"] < told["net_take_undefended_fen"]
        assert 0 <= told["stopped_fen"] <= told["attack_fen"]
    stopped, refused = fields["stopped_share"], fields["honest_refused_share"]
    assert isinstance(stopped, float)
    assert isinstance(refused, float)
    assert stopped > 0.8
    assert refused < 0.05
    assert fields["generator_is_frozen"]
    assert fields["books_balance"]
