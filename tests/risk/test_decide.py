"""An engine decides, and what it decided can be made again to the byte, or what differs is named."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.history.decision_events import DecisionMade
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.decide import Engine, Made, Rollout, is_in_rollout, read_fired, replay, write_fired
from suyuan.risk.decision import Action, Fired
from suyuan.risk.inputs import FACTS
from suyuan.risk.policy.policy import load_policy
from suyuan.risk.policy.tree import Listed
from suyuan.risk.vector import write_inputs
from tests.risk.policy.writing import LISTS, NAMES, policy, rule

CATALOGUE = load_catalogue()
REFUSE = {"action": "refuse", "reason": "cannot_be_taken"}
REVIEW = {"action": "review", "reason": "a_person_looks_at_it"}
MANY = rule("many", "seller_count_1h >= 3 or missing(hour)", **REFUSE)
POLICY = policy(
    LISTS, MANY, rule("hot", 'listed("hot_cards", card)', **REFUSE), rule("sure", "model_bp >= 9_000", **REVIEW)
)
OTHER = policy(
    LISTS, rule("many", "seller_count_1h >= 9", **REVIEW), rule("known", 'listed("trusted", seller)', lane="override")
)


class Model:
    """Scores by one feature, so that a test can foresee it."""

    def __init__(self, digest: str, step: int) -> None:
        self.digest, self._step = digest, step

    def score(self, inputs: Sequence[int | None]) -> int:
        assert len(inputs) == len(CATALOGUE.names) + len(FACTS), "a model sees features and facts alone"
        return self._step * (inputs[CATALOGUE.place("seller_count_1h")] or 0)


def features(**values: int | None) -> list[int | None]:
    return [values.get(name) for name in CATALOGUE.names]


def facts(**values: int | None) -> list[int | None]:
    return [values.get(fact.name, 1) for fact in FACTS]


def event(made: Made, engine: Engine) -> DecisionMade:
    """The decision as history keeps it; what risk does not set is nobody's."""
    decision = made.decision
    nobody = dict.fromkeys(DecisionMade.__struct_fields__, "") | {"agent": None, "device": None}
    decided = {
        "face_fen": 1, "paid": 1, "lists": 0, "action": decision.action.value, "delay_s": decision.delay_s,
        "limit_percent": decision.limit_percent, "score": decision.score, "reason": decision.reason,
        "inputs": write_inputs(made.inputs), "fired": write_fired(decision.fired), "model": made.model,
        "features": engine.catalogue.digest, "policy": made.policy, "shadow": made.shadow,
    }  # fmt: skip
    return msgspec.convert(nobody | decided, DecisionMade)


def test_inputs_are_features_facts_score_and_hits_in_this_order() -> None:
    engine = Engine(CATALOGUE, POLICY, Model("m", 100))
    made = engine.decide(features(seller_count_1h=2), facts(hour=7), {Listed("hot_cards", "card")}, seller="slr_1")
    named = dict(zip(POLICY.inputs, made.inputs, strict=True))
    assert (named["seller_count_1h"], named["hour"], named["model_bp"], named["hot_cards:card"]) == (2, 7, 200, 1)
    assert (made.decision.action, made.policy, made.model, made.shadow) == (Action.REFUSE, POLICY.digest, "m", "")


def test_without_a_model_its_score_is_missing() -> None:
    made = Engine(CATALOGUE, POLICY).decide(features(seller_count_1h=1), facts(), seller="slr_1")
    assert dict(zip(POLICY.inputs, made.inputs, strict=True))["model_bp"] is None
    assert made.model == ""


def test_a_fact_beyond_its_span_counts_as_its_bound() -> None:
    """A clock that was set back makes an account of the future; it is as young as can be, and nothing breaks."""
    made = Engine(CATALOGUE, POLICY).decide(
        features(), facts(account_age_s=-5, face_fen=1 << 70, hour=None), seller="s"
    )
    named = dict(zip(POLICY.inputs, made.inputs, strict=True))
    assert (named["account_age_s"], named["face_fen"], named["hour"]) == (0, 1 << 40, None)


def test_who_watches_decides_nothing() -> None:
    engine = Engine(CATALOGUE, POLICY, Model("m", 100), watching=OTHER, challenger=Model("c", 1_000))
    made = engine.decide(features(seller_count_1h=9), facts(), {Listed("trusted", "seller")}, seller="slr_1")
    alone = Engine(CATALOGUE, POLICY, Model("m", 100)).decide(features(seller_count_1h=9), facts(), seller="slr_1")
    assert (made.decision, made.inputs) == (alone.decision, alone.inputs)
    refused = {"action": "refuse", "score": 0, "reason": "cannot_be_taken"}
    assert msgspec.json.decode(made.shadow) == {
        "policy": {"digest": OTHER.digest, "action": "approve", "score": 0, "reason": "", "fired": ["known", "many"]},
        "model": {"digest": "c", "bp": 9_000, "fired": ["many", "sure"], **refused},
    }


def test_an_engine_says_which_lists_have_to_be_looked_up() -> None:
    assert Engine(CATALOGUE, POLICY, watching=OTHER).lists == {Listed("hot_cards", "card"), Listed("trusted", "seller")}
    assert Engine(CATALOGUE, POLICY, rollout=Rollout(OTHER, 5)).lists == {*POLICY.lists, *OTHER.lists}


@given(st.integers(0, 100), st.integers(0, 100), st.text(max_size=20))
def test_a_rollout_that_grows_loses_nobody(one: int, other: int, seller: str) -> None:
    """The same seller always meets the same policy, and with a larger part the same ones and more."""
    less, more = sorted((one, other))
    assert is_in_rollout("d", seller, less) <= is_in_rollout("d", seller, more)
    assert not is_in_rollout("d", seller, 0)
    assert is_in_rollout("d", seller, 100)


def test_a_rollout_takes_about_its_part_and_each_policy_another() -> None:
    sellers = [f"slr_{number}" for number in range(4_000)]
    first = {seller for seller in sellers if is_in_rollout("one", seller, 20)}
    second = {seller for seller in sellers if is_in_rollout("two", seller, 20)}
    assert 700 < len(first) < 900
    assert not any(is_in_rollout("one", seller, 0) for seller in sellers)
    assert all(is_in_rollout("one", seller, 100) for seller in sellers)
    assert 100 < len(first & second) < 230, "the same sellers would meet every trial"


def test_a_rolled_out_policy_decides_for_its_part_alone() -> None:
    engine = Engine(CATALOGUE, POLICY, rollout=Rollout(OTHER, 50))
    for seller in ("slr_1", "slr_2", "slr_3", "slr_4", "slr_5"):
        made = engine.decide(features(seller_count_1h=3), facts(), seller=seller)
        is_new = is_in_rollout(OTHER.digest, seller, 50)
        assert made.policy == (OTHER if is_new else POLICY).digest
        assert made.decision.action == (Action.APPROVE if is_new else Action.REFUSE)


values = st.none() | st.integers(0, 12)


@given(values, values, st.booleans())
def test_a_decision_is_made_again_to_the_byte(count: int | None, hour: int | None, is_hot: bool) -> None:
    model = Model("m", 1_000)
    engine = Engine(CATALOGUE, POLICY, model)
    hits = {Listed("hot_cards", "card")} if is_hot else set()
    made = engine.decide(features(seller_count_1h=count), facts(hour=hour), hits, seller="slr_1")
    again = replay(event(made, engine), CATALOGUE, POLICY, model)
    assert again.differences == ()
    assert again.decision == made.decision
    assert write_fired(again.decision.fired) == write_fired(made.decision.fired)
    assert read_fired(write_fired(made.decision.fired)) == made.decision.fired


SEEN = '[["many",[["seller_count_1h",9],["hour",1]]],["sure",[["model_bp",9000]]]]'
TAMPERED = [
    ("action", "approve", "refuse"), ("score", 5, "0"), ("reason", "", "cannot_be_taken"), ("delay_s", 60, "0"),
    ("limit_percent", 50, "100"), ("fired", "[]", SEEN),
]  # fmt: skip


@pytest.mark.parametrize(("field", "stored", "computed"), TAMPERED)
def test_what_was_changed_afterwards_is_named(field: str, stored: str | int, computed: str) -> None:
    model = Model("m", 1_000)
    engine = Engine(CATALOGUE, POLICY, model)
    honest = event(engine.decide(features(seller_count_1h=9), facts(), seller="slr_1"), engine)
    changed = replay(msgspec.structs.replace(honest, **{field: stored}), CATALOGUE, POLICY, model)
    assert [tuple(difference) for difference in changed.differences] == [(field, str(stored), computed)]


def test_another_policy_catalogue_or_model_is_named_and_decides_nothing() -> None:
    model = Model("m", 1_000)
    engine = Engine(CATALOGUE, POLICY, model)
    made = event(engine.decide(features(seller_count_1h=9), facts(), seller="slr_1"), engine)
    fewer = Catalogue(CATALOGUE.features[:-1])
    for arguments, what in (
        ((CATALOGUE, OTHER, model), ["policy"]),
        ((fewer, POLICY, model), ["features"]),
        ((CATALOGUE, POLICY, None), ["model"]),
        ((CATALOGUE, POLICY, Model("other", 1)), ["model"]),
    ):
        found = replay(made, *arguments)
        assert found.decision is None
        assert [difference.what for difference in found.differences] == what
    dearer = replay(made, CATALOGUE, POLICY, Model("m", 1_001))
    assert [tuple(difference) for difference in dearer.differences] == [("model_bp", "9000", "9009")]


@pytest.mark.parametrize(("inputs", "what"), [("1,2", "inputs"), ("1,x", "inputs"), ("", "inputs")])
def test_inputs_that_are_not_those_of_the_policy_are_named(inputs: str, what: str) -> None:
    engine = Engine(CATALOGUE, POLICY)
    made = event(engine.decide(features(), facts(), seller="slr_1"), engine)
    found = replay(msgspec.structs.replace(made, inputs=inputs), CATALOGUE, POLICY, None)
    assert (found.decision, [difference.what for difference in found.differences]) == (None, [what])


def test_fired_rules_are_canonical_json() -> None:
    fired = (Fired("a", (("x", 1), ("y", None))), Fired("b", ()))
    assert write_fired(fired) == '[["a",[["x",1],["y",null]]],["b",[]]]'
    assert write_fired(()) == "[]"
    with pytest.raises(msgspec.ValidationError):
        read_fired('[["a",[["x","1"]]]]')


def test_the_text_alone_is_the_policy() -> None:
    """Whoever reads `policy_deployed` can decide as the platform did."""
    again = load_policy(POLICY.text, NAMES)
    assert (again.digest, again.inputs, [one.id for one in again.rules]) == (
        POLICY.digest,
        POLICY.inputs,
        [one.id for one in POLICY.rules],
    )
