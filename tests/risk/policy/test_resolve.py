"""What fired rules come to: block over override over overridable, the hardest wins, and order changes nothing."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.decision import Action
from suyuan.risk.finalise import Column
from suyuan.risk.policy.policy import Policy, load_policy
from suyuan.risk.policy.rules import hardness, taken
from suyuan.risk.reasons import PublicReason, fitting
from tests.risk.policy.writing import NAMES, band, inputs, policy, rule, text

# Each rule looks at its own fact, so a test fires exactly those that it wants.
FACTS = ("face_fen", "paid", "ratio_bp", "owed_fen", "ring_size", "ring_bad", "agent_depth")


def fired(of: Policy, *rules: str, **more: int) -> Action:
    """The action where the rules called so fire."""
    found = of.decide(inputs(of, **dict.fromkeys(rules, 1), **more))
    assert {one.rule for one in found.fired} == set(rules)
    return found.action


def of(fact: str, **keys: object) -> str:
    """A rule that fires where its fact is 1."""
    return rule(fact, f"{fact} == 1", **keys)


REFUSE = {"action": "refuse", "reason": "cannot_be_taken"}
REVIEW = {"action": "review", "reason": "a_person_looks_at_it"}
FREEZE = {"action": "freeze", "reason": "account_needs_attention"}
STEP_UP = {"action": "step_up", "reason": "confirm_it_is_you"}
DELAY = {"action": "delay", "delay_s": 7200, "reason": "payment_comes_later"}


def test_the_hardest_of_what_fired_is_taken() -> None:
    found = policy(of("face_fen", **REVIEW), of("paid", **REFUSE), of("ratio_bp", **DELAY))
    assert fired(found) == Action.APPROVE
    assert fired(found, "ratio_bp") == Action.DELAY
    assert fired(found, "face_fen", "ratio_bp") == Action.REVIEW
    assert fired(found, "face_fen", "paid", "ratio_bp") == Action.REFUSE


def test_an_override_lets_through_what_may_be_overridden_and_nothing_else() -> None:
    found = policy(
        of("face_fen", **REFUSE, points=50, limit_percent=10), of("paid", lane="override"),
        of("ratio_bp", lane="block", **REVIEW), band(40, **REFUSE),
    )  # fmt: skip
    assert fired(found, "face_fen") == Action.REFUSE
    assert fired(found, "face_fen", "paid") == Action.APPROVE
    assert fired(found, "face_fen", "paid", "ratio_bp") == Action.REVIEW
    decision = found.decide(inputs(found, face_fen=1, paid=1))
    assert (decision.score, decision.limit_percent, decision.reason) == (50, 100, "")
    assert {one.rule for one in decision.fired} == {"face_fen", "paid"}, "what was overridden is still told"


def test_a_mild_block_does_not_soften_what_is_hard() -> None:
    """A block asks for a review, a plain rule refuses: it is refused, since more evidence is never milder."""
    found = policy(of("face_fen", lane="block", **REVIEW), of("paid", **REFUSE))
    assert fired(found, "face_fen", "paid") == Action.REFUSE


def test_points_add_up_and_bands_ask() -> None:
    found = policy(
        of("face_fen", points=30), of("paid", points=25), of("ratio_bp", points=-40),
        band(30, **DELAY), band(55, **REVIEW),
    )  # fmt: skip
    assert fired(found, "paid") == Action.APPROVE
    assert fired(found, "face_fen") == Action.DELAY
    assert fired(found, "face_fen", "paid") == Action.REVIEW
    assert fired(found, "face_fen", "paid", "ratio_bp") == Action.APPROVE
    decision = found.decide(inputs(found, face_fen=1))
    assert (decision.score, decision.delay_s, decision.reason) == (30, 7200, "payment_comes_later")


def test_limits_are_tightened_to_the_least_and_delays_are_the_longest() -> None:
    found = policy(
        of("face_fen", limit_percent=50), of("paid", limit_percent=20), of("ratio_bp", **DELAY),
        of("owed_fen", action="delay", delay_s=86_400, reason="payment_comes_later"),
    )  # fmt: skip
    decision = found.decide(inputs(found, face_fen=1, paid=1, ratio_bp=1, owed_fen=1))
    assert (decision.action, decision.delay_s, decision.limit_percent) == (Action.DELAY, 86_400, 20)
    assert found.decide(inputs(found)).limit_percent == 100


def test_who_has_just_confirmed_themselves_meets_the_next_milder_action() -> None:
    found = policy(
        of("face_fen", **STEP_UP),
        of("paid", **DELAY),
        of("ratio_bp", points=80),
        band(70, **DELAY),
        band(80, **STEP_UP),
    )
    by_device = {"is_signed_by_device": 1, "device_age_s": 86_400}
    assert fired(found, "face_fen") == Action.STEP_UP
    assert fired(found, "face_fen", **by_device) == Action.APPROVE
    assert fired(found, "face_fen", "paid", **by_device) == Action.DELAY
    assert fired(found, "face_fen", seller_stepups_24h=1) == Action.APPROVE
    assert fired(found, "ratio_bp") == Action.STEP_UP
    assert fired(found, "ratio_bp", **by_device) == Action.DELAY, "the milder band below was reached too"


def test_a_young_device_and_an_unsigned_request_confirm_nobody() -> None:
    """A thief binds a device and signs with it a minute later."""
    found = policy(of("face_fen", **STEP_UP))
    assert fired(found, "face_fen", is_signed_by_device=1, device_age_s=86_399) == Action.STEP_UP
    assert fired(found, "face_fen", is_signed_by_device=0, device_age_s=10**6) == Action.STEP_UP
    assert fired(found, "face_fen", is_signed_by_device=1) == Action.STEP_UP
    assert fired(found, "face_fen", seller_stepups_24h=0) == Action.STEP_UP


def test_of_two_reasons_the_first_of_the_list_is_told() -> None:
    found = policy(of("face_fen", **REFUSE), of("paid", action="refuse", reason="source_needs_proof"))
    assert found.decide(inputs(found, face_fen=1, paid=1)).reason == "source_needs_proof"
    assert found.decide(inputs(found, face_fen=1)).reason == "cannot_be_taken"


def test_lists_are_asked_by_hits_in_the_order_of_the_text() -> None:
    lists = '\n[[lists]]\nname = "b"\nkeys = ["seller", "card"]\nzh = "名单"\nen = "a list"\n'
    by_seller = rule("a", 'listed("b", seller) and not listed("b", card)', **REVIEW)
    found = policy(lists, rule("z", 'listed("b", card)', **REFUSE), by_seller)
    assert found.inputs[-2:] == ("b:card", "b:seller")
    decision = found.decide(inputs(found, **{"b:seller": 1}))
    assert decision.action == Action.REVIEW
    assert decision.fired[0].saw == (("b:seller", 1), ("b:card", 0))


def test_fired_rules_stand_in_the_order_of_their_ids() -> None:
    """Whatever is looked at first: the last two share a gate, which comes before what stands alone."""
    found = policy(*[rule(one, f"{name} >= {bound}", points=1) for one, name, bound in (
        ("c", "seller_count_24h", 3), ("a", "hour", 3), ("b", "seller_count_24h", 5),
    )])  # fmt: skip
    judged = inputs(found, hour=9, seller_count_24h=9)
    assert [one[0] for one in found.judge(judged)] != [0, 1, 2]
    assert [one.rule for one in found.decide(judged).fired] == ["a", "b", "c"]


def test_what_a_rule_saw_stands_in_the_order_of_its_expression() -> None:
    found = policy(rule("x", "hour < 6 and missing(tier) or face_fen > 5", points=1))
    saw = found.decide(inputs(found, face_fen=9, hour=7)).fired[0].saw
    assert saw == (("hour", 7), ("tier", None), ("face_fen", 9))


# --- Laws over random policies ---------------------------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn, least: int = 1) -> list[str]:
    """Rules of every lane, each on a fact of its own."""
    chosen = draw(st.lists(st.sampled_from(FACTS), min_size=least, max_size=len(FACTS), unique=True))
    return [draw(_rule(fact)) for fact in chosen]


@st.composite
def _rule(draw: st.DrawFn, fact: str) -> str:
    lane = draw(st.sampled_from(["block", "override", "overridable", "overridable"]))
    if lane == "override":
        return of(fact, lane=lane)
    action = draw(st.sampled_from([action for action in Action if action != Action.APPROVE or lane == "overridable"]))
    keys: dict[str, object] = {"lane": lane, "points": draw(st.integers(0, 40))}
    if action != Action.APPROVE:
        keys |= {"action": action.value, "reason": draw(st.sampled_from(fitting(action))).value}
    if action == Action.DELAY:
        keys["delay_s"] = draw(st.sampled_from([7_200, 86_400]))
    if draw(st.booleans()):
        keys["limit_percent"] = draw(st.integers(1, 99))
    return of(fact, **keys)


facts = st.fixed_dictionaries(
    dict.fromkeys(FACTS, st.sampled_from([0, 1, None]))
    | {"is_signed_by_device": st.sampled_from([0, 1, None]), "device_age_s": st.sampled_from([5, 86_400, None])}
    | {"seller_stepups_24h": st.sampled_from([0, 1, None])}
)
HARDNESS = {action: place for place, action in enumerate(Action)}
BANDS = [band(30, **DELAY), band(60, **REFUSE)]


def with_bands(found: list[str]) -> Policy:
    """The rules, and those bands that their points can reach."""
    most = sum(one.points for one in policy(*found).rules)
    return policy(*found, *(part for part, score in zip(BANDS, (30, 60), strict=True) if score <= most))


@given(rules(), facts, st.randoms(use_true_random=False))
def test_the_order_of_rules_in_the_file_changes_no_decision(
    found: list[str], values: dict[str, int | None], chance: random.Random
) -> None:
    turned = chance.sample(found, len(found))
    first, second = with_bands(found), with_bands(turned)
    assert first.decide(inputs(first, **values)) == second.decide(inputs(second, **values))


@given(rules(least=2), facts)
def test_a_rule_that_does_not_fire_changes_nothing(found: list[str], values: dict[str, int | None]) -> None:
    *fewer, _ = found
    with_it, without = policy(*found), policy(*fewer)
    fact = next(one.id for one in with_it.rules if one.id not in {other.id for other in without.rules})
    values = {**values, fact: 0}
    assert with_it.decide(inputs(with_it, **values)) == without.decide(inputs(without, **values))


@given(rules(least=2), facts)
def test_one_more_rule_that_fires_never_makes_it_milder(found: list[str], values: dict[str, int | None]) -> None:
    """Unless it overrides; so nobody gains by looking more suspicious."""
    whole = with_bands(found)
    for one in whole.rules:
        if one.lane != "override" and values[one.id] == 1:
            less = whole.decide(inputs(whole, **{**values, one.id: 0}))
            more = whole.decide(inputs(whole, **values))
            assert HARDNESS[more.action] >= HARDNESS[less.action]
            assert more.limit_percent <= less.limit_percent


@given(rules(), facts)
def test_a_block_is_never_overridden(found: list[str], values: dict[str, int | None]) -> None:
    whole = policy(*found)
    decision = whole.decide(inputs(whole, **values))
    is_confirmed = whole.is_confirmed(inputs(whole, **values))
    asked = [
        one.action for one in whole.rules
        if one.lane == "block" and values[one.id] == 1 and not (is_confirmed and one.action == Action.STEP_UP)
    ]  # fmt: skip
    if asked:
        assert HARDNESS[decision.action] >= max(HARDNESS[action] for action in asked)
    elif any(one.lane == "override" and values[one.id] == 1 for one in whole.rules):
        assert decision.action == Action.APPROVE


@given(rules(), st.lists(facts, min_size=1, max_size=8))
def test_columns_come_to_the_same_decisions(found: list[str], many: list[dict[str, int | None]]) -> None:
    whole = with_bands(found)
    vectors = [inputs(whole, **values) for values in many]
    columns = {
        name: Column(
            np.array([vector[place] or 0 for vector in vectors], np.int64),
            np.array([vector[place] is not None for vector in vectors], np.bool_),
        )
        for place, name in enumerate(whole.inputs)
    }
    matrix, resolved = whole.decide_columns(columns)
    for place, vector in enumerate(vectors):
        decision = whole.decide(vector)
        fired_ids = tuple(one.id for one, row in zip(whole.rules, matrix, strict=True) if row[place])
        assert fired_ids == tuple(one.rule for one in decision.fired)
        assert taken(int(resolved.weight[place])) == (decision.action, decision.reason)
        assert hardness(resolved.weight)[place] == HARDNESS[decision.action]
        assert (resolved.score[place], resolved.delay_s[place]) == (decision.score, decision.delay_s)
        assert resolved.limit_percent[place] == decision.limit_percent


@given(rules(), facts)
def test_who_is_told_a_reason_is_told_one_that_fits(found: list[str], values: dict[str, int | None]) -> None:
    whole = policy(*found)
    decision = whole.decide(inputs(whole, **values))
    assert (decision.reason == "") == (decision.action == Action.APPROVE)
    assert not decision.reason or PublicReason(decision.reason) in fitting(decision.action)


def test_the_digest_is_of_the_bytes() -> None:
    """A space more is another policy, whatever it says."""
    first = text(of("face_fen", **REFUSE))
    assert load_policy(first, NAMES).digest != load_policy(first + "\n", NAMES).digest
