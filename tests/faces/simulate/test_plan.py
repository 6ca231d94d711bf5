"""The plan of a simulated day: the same for ever, complete, and in an order that can be carried out."""

from __future__ import annotations

from collections import defaultdict

import pytest

from suyuan.faces.simulate import attacks
from suyuan.faces.simulate.deeds import HONEST, Plan, SimCard
from suyuan.faces.simulate.doors import body_of
from suyuan.faces.simulate.plan import make_plan
from suyuan.settle.limits import LimitRules

SCHEMES = {
    "kind_change", "channel_hijack", "rule_bypass", "fund_splitting", "forged_signature", "replay", "doubled_key",
    "double_sale", "spent_after_sale", "wrong_card", "forged_face",
}  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(seed=7, redemptions=1_000)


def test_the_same_seed_is_the_same_day(plan: Plan) -> None:
    """Every person, card, second and forgery again, or nobody could look at a run a second time."""
    assert make_plan(seed=7, redemptions=1_000) == plan
    assert make_plan(seed=8, redemptions=1_000) != plan


@pytest.mark.parametrize("redemptions", [1, 17, 150, 1_000])
def test_a_day_has_as_many_redemptions_as_asked_for(redemptions: int) -> None:
    assert len(make_plan(seed=1, redemptions=redemptions).sales) == redemptions


def test_every_attack_is_tried(plan: Plan) -> None:
    """All of them, though two thirds of the day are honest."""
    assert set(plan.schemes()) == SCHEMES
    honest = [sale for sale in plan.sales if sale.scheme == HONEST]
    assert len(honest) > 600


def test_a_deed_comes_after_the_one_it_names(plan: Plan) -> None:
    """Workers take deeds in order, so one that waited for a later one would wait for ever."""
    place = {deed.n: index for index, deed in enumerate(plan.deeds)}
    assert all(place[deed.after] < place[deed.n] for deed in plan.deeds if deed.after is not None)


def test_no_card_is_good_for_two_honest_sellers(plan: Plan) -> None:
    cards = [sale.source.name for sale in plan.sales if isinstance(sale.source, SimCard) and sale.scheme == HONEST]
    assert len(set(cards)) == len(cards)


def test_what_an_attacker_takes_is_nobody_elses(plan: Plan) -> None:
    """An honest seller is never refused for what an attacker did, but for the first act of an attack's own people."""
    attackers = {sale.seller for sale in plan.sales if sale.scheme != HONEST}
    honest = {sale.seller for sale in plan.sales if sale.scheme == HONEST}
    shared = attackers & honest
    firsts = {sale.seller for sale in plan.sales if sale.repeat or sale.variant == "at_the_limit"}
    assert shared <= firsts


def test_attacks_cost_what_their_table_says() -> None:
    """The budget of a day is kept by these numbers."""
    from suyuan.faces.simulate.scribe import Scribe
    from suyuan.settle.card import load_formats

    for cost, write in attacks.ROUND:
        scribe = Scribe(1, 1, load_formats("2026-11-22"))
        write(scribe, 0)
        assert scribe.sales == cost, write.__name__


def test_the_same_act_is_the_same_body(plan: Plan) -> None:
    """A doubled key with another body would be another attack."""
    by_number = {sale.n: sale for sale in plan.sales}
    for sale in plan.sales:
        if sale.repeats is None or sale.repeat == "replayed":
            continue
        first = by_number[sale.repeats]
        assert sale.idempotency_key == first.idempotency_key
        assert (body_of(sale, plan.cast) == body_of(first, plan.cast)) == (sale.repeat == "same")


def test_attacks_come_from_their_own_networks(plan: Plan) -> None:
    """So what they use up of a network's limit is theirs, unless they repeat what an honest caller sent."""
    attacking = [sale for sale in plan.sales if sale.scheme != HONEST and not sale.repeat]
    assert {sale.address for sale in attacking} == {plan.cast.lair}
    assert plan.cast.lair not in {sale.address for sale in plan.sales if sale.scheme == HONEST}


def test_a_long_day_uses_up_one_network_and_no_other() -> None:
    """A farm asks for more than its network may have; all other attackers move on in time, so that it is their own
    limit that stops them."""
    night = make_plan(seed=1, redemptions=100_000)
    asked_fen: dict[str, int] = defaultdict(int)
    for sale in night.sales:
        asked_fen[sale.address] += sale.source.face_fen
    (cap_fen,) = {rule.cap_fen[1] for rule in LimitRules().rules if rule.subject == "ip_prefix"}
    assert [address for address, fen in asked_fen.items() if fen > cap_fen] == [attacks.FARM]
