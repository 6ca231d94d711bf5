"""The policy that comes with suyuan: it can be read, every rule of it can fire, and an ordinary person passes."""

from __future__ import annotations

from random import Random

import pytest

from suyuan.base.clock import thread_cpu_s
from suyuan.risk.decision import Action
from suyuan.risk.policy.cost import check_cost, made_up, measure_cost
from suyuan.risk.policy.names import FLAG
from suyuan.risk.policy.policy import Policy, load_policy, shipped_text
from suyuan.risk.policy.spans import Cell, narrowed
from tests.risk.policy.writing import NAMES, inputs

DAY_S = 86_400


@pytest.fixture(scope="module")
def default() -> Policy:
    return load_policy(shipped_text(), NAMES)


def test_every_rule_can_fire(default: Policy) -> None:
    """At one end or the other of what its inputs can be, after the certain part of its condition has cut them."""
    for rule in default.rules:
        box = narrowed({}, rule.condition, NAMES.spans, holds=True)
        assert box is not None
        spans = {name: NAMES.spans.get(name, FLAG) for name in rule.saw}
        cells = {name: box.get(name) or Cell(*span, may_miss=False) for name, span in spans.items()}
        ends = [{name: cell[end] for name, cell in cells.items()} for end in (0, 1)]
        fired = [one.rule for values in ends for one in default.decide(inputs(default, **values)).fired]
        assert rule.id in fired, rule.id


def test_an_ordinary_seller_is_approved(default: Policy) -> None:
    """A card a week, the same phone, the same account, at home."""
    quiet = dict.fromkeys(
        [name for name in NAMES.order if name.endswith(("_10m", "_1h", "_24h", "_7d", "_30d", "_90d"))], 0
    )
    values = quiet | {
        "seller_count_before_30d": 4, "seller_age_30d": 20 * DAY_S, "seller_face_ratio_30d": 100, "face_fen": 100_00,
        "paid": 80_00, "ratio_bp": 8_000, "contract_bp_ratio_24h": 100, "hour": 20, "is_money": 1, "tier": 1,
        "account_age_s": 100 * DAY_S, "device_age_s": 90 * DAY_S, "is_signed_by_device": 1, "agent_depth": 0,
        "contract_age_s": 300 * DAY_S, "owed_fen": 0, "model_bp": 50, "prefix_sellers_1h": 3, "seller_gap_24h": None,
    }  # fmt: skip
    decision = default.decide(inputs(default, **values))
    assert (decision.action, decision.limit_percent) == (Action.APPROVE, 100)


def test_who_is_seen_for_the_first_time_with_a_small_card_is_approved(default: Policy) -> None:
    """Everything about them is missing or new."""
    new = {
        "seller_new_device_30d": 1,
        "seller_new_prefix_30d": 1,
        "seller_new_payee_30d": 1,
        "seller_new_merchant_30d": 1,
    }
    values = new | {"face_fen": 50_00, "account_age_s": 600, "hour": 12, "is_money": 1, "tier": 0, "owed_fen": 0}
    assert default.decide(inputs(default, **values)).action == Action.APPROVE
    assert default.decide([None] * (len(NAMES.order)) + [0] * len(default.lists)).action == Action.APPROVE


def test_nothing_that_strangers_share_refuses_anybody_by_itself(default: Policy) -> None:
    """A network of a phone company or a popular partner is shared by many honest people."""
    shared = ("prefix_", "partner_", "merchant_", "key_")
    for rule in default.rules:
        if all(name.startswith(shared) for name in rule.saw):
            assert rule.action == Action.APPROVE, rule.id


def test_it_costs_little(default: Policy) -> None:
    """Against the budget that every policy keeps, with much room; how fast exactly is the benchmark's question."""
    sample = made_up(default, NAMES, Random(1), count=64)
    assert check_cost(measure_cost(default, sample, cpu_s=thread_cpu_s)) is None
