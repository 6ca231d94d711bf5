"""How long what is kept of persons is kept: rules that cannot contradict the law, and plans that follow them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import DAY_S, SECOND
from suyuan.privacy import retention
from suyuan.privacy.retention import (
    ACTIVE,
    OF_PAPERS,
    RESTRICTED,
    SHREDDED,
    BadRetention,
    NoRule,
    Rule,
    load_rules,
    plan,
)

RULES = list(load_rules().rules.values()) + list(load_rules(aml_obliged=True).rules.values())
DAY = DAY_S * SECOND
STATES = (ACTIVE, RESTRICTED, SHREDDED)
instants = st.integers(0, 20_000 * DAY)


@given(st.sampled_from(RULES), instants, instants, instants)
def test_a_term_only_goes_forward(rule: Rule, began_at: int, earlier: int, later: int) -> None:
    """Time alone never gives restricted data back to use, and never brings back what is to be shredded."""
    first, second = sorted((earlier, later))
    before, after = plan(rule, began_at=began_at, now=first), plan(rule, began_at=began_at, now=second)
    assert STATES.index(before.state) <= STATES.index(after.state)


@given(st.sampled_from(RULES), instants, instants)
def test_the_agenda_names_the_very_instant_of_the_next_change(rule: Rule, began_at: int, now: int) -> None:
    """One micro before it all is as it was; at it the state is another."""
    planned = plan(rule, began_at=began_at, now=now)
    if planned.changes_at is None:
        assert planned.state == SHREDDED
        return
    assert plan(rule, began_at=began_at, now=planned.changes_at - 1).state == planned.state
    assert plan(rule, began_at=began_at, now=planned.changes_at).state != planned.state


@given(st.sampled_from(RULES), instants, instants)
def test_nothing_is_shredded_while_a_law_keeps_it(rule: Rule, began_at: int, now: int) -> None:
    if now < retention.kept_until(rule, began_at=began_at):
        assert plan(rule, began_at=began_at, now=now).state != SHREDDED


def test_every_rule_cites_its_law_and_says_what_it_is_about_in_both_languages() -> None:
    for rule in RULES:
        assert all((rule.law, rule.version.isdigit(), rule.article))
        assert all((rule.what.en, rule.what.zh, rule.begins.en, rule.begins.zh))


def test_both_channels_have_a_rule_for_every_category() -> None:
    channels = {channel: {c for at, c in load_rules().rules if at == channel} for channel in ("online", "shop")}
    assert channels["online"] == channels["shop"]
    assert channels["online"] == {"card_secret", "balance_number", "applicant", "seller", *OF_PAPERS}


def test_a_platform_that_the_laundering_law_obliges_keeps_sellers_for_ten_years() -> None:
    assert load_rules(aml_obliged=True).rule("online", "seller").min_d == 3650
    assert load_rules().rule("online", "seller").min_d == 1095


@pytest.mark.parametrize(
    ("name", "days", "sentence"),
    [
        ("online.seller", 1094, "1094 days is not between 1095 and 1095"),
        ("online.card_secret", 91, "is not between 30 and 90"),
        ("online.card_secret", -1, "-1 days is not between"),
        ("online.rumours", 10, "there is no such rule"),
        ("seller", 1095, "there is no such rule"),
    ],
)
def test_a_platform_may_not_leave_what_the_law_allows(name: str, days: int, sentence: str) -> None:
    with pytest.raises(BadRetention, match=sentence):
        load_rules(days={name: days})


def test_a_platform_may_choose_within_the_law() -> None:
    assert load_rules(days={"online.card_secret": 45}).rule("online", "card_secret").max_d == 45
    shorter = load_rules(days={"online.card_secret": 7}).rule("online", "card_secret")
    assert (shorter.active_d, shorter.max_d) == (7, 7)


def test_what_has_no_rule_is_an_error() -> None:
    with pytest.raises(NoRule, match="rumours of the channel online"):
        load_rules().rule("online", "rumours")


def test_a_rule_that_contradicts_itself_does_not_load() -> None:
    rule = load_rules().rule("shop", "seller")
    with pytest.raises(BadRetention):
        msgspec.structs.replace(rule, min_d=rule.ceiling_d + 1)
