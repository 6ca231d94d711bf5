"""The market's laws: one seed one world, balanced books, honest people who never depend on who attacks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market import books, frozen
from suyuan.faces.simulate.market.defence import Coin, Undefended
from suyuan.faces.simulate.market.goods import Card
from suyuan.faces.simulate.market.month import Month, live
from suyuan.faces.simulate.market.places import BEGIN
from suyuan.faces.simulate.market.playbooks import FAMILIES, LADDERS, PLAYBOOKS, STATIC, VARIANTS
from suyuan.faces.simulate.market.tactics import first_tactics
from suyuan.risk.inputs import FACTS
from suyuan.risk.row import ATTEMPT, BAD

TIER = [fact.name for fact in FACTS].index("tier")


@pytest.fixture(scope="module")
def undefended() -> Month:
    return live(1, Undefended(), scale=0.4, keeps_tape=True)


@pytest.fixture(scope="module")
def refused() -> Month:
    """A third of all attempts is refused by a coin, and everybody lives with it."""
    return live(1, Coin(330), days=20, scale=0.4, keeps_tape=True)


def test_the_generator_is_the_frozen_one() -> None:
    """If this fails, the market has changed: tune and measure everything again, and only then write this digest."""
    assert frozen.generator_digest() == frozen.GENERATOR


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    first, again, other = (live(seed, Coin(300), days=6, scale=0.1, keeps_tape=True).world for seed in (3, 3, 4))
    assert first.tape == again.tape
    assert first.facts == again.facts
    assert first.tape != other.tape


def test_instants_strictly_increase(undefended: Month) -> None:
    instants = [row.at for row in undefended.world.tape]
    assert all(before < after for before, after in pairwise(instants))


def test_what_the_honest_mean_to_do_does_not_depend_on_who_attacks() -> None:
    """A family can be left out of a market, and everybody honest still makes the same visits."""
    with_all, with_none = (live(5, Undefended(), families=families, days=8, scale=0.2) for families in (FAMILIES, ()))
    assert not any(card.family for card in with_none.world.cards)
    assert _honest(with_all) == _honest(with_none)


def test_leaving_out_one_family_leaves_the_others_as_they_are_before_anybody_meets() -> None:
    without = live(5, Undefended(), families=set(FAMILIES) - {"night_burst"}, days=8, scale=0.2)
    assert {card.family for card in without.world.cards} == {"", *FAMILIES} - {"night_burst"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_earns_where_nobody_defends(undefended: Month, family: str) -> None:
    """An attack that cannot win is no attack."""
    balance_fen = undefended.world.books.balance_fen
    assert sum(balance_fen[f"crew/{family}/{variant}"] for variant in VARIANTS) > 0
    assert sum(card.got_through_fen for card in undefended.world.cards if card.family == family) > 15_000_00


def test_there_are_many_families_and_each_has_variants_that_learn() -> None:
    assert len(FAMILIES) == len(set(FAMILIES)) >= 14
    assert len(VARIANTS) == 3
    for playbook in PLAYBOOKS:
        assert set(playbook.knobs) <= set(LADDERS) >= set(playbook.starts)
        assert len(playbook.knobs) >= 5


@pytest.mark.parametrize("which", ["undefended", "refused"])
def test_the_books_balance(which: str, request: pytest.FixtureRequest) -> None:
    """What every crew has is what it was paid less what it spent, and all of it adds up to nothing."""
    month: Month = request.getfixturevalue(which)
    kept = month.world.books
    assert kept.is_balanced
    paid: Counter[str] = Counter()
    for card in month.world.cards:
        paid[f"crew/{card.family}/{card.variant}" if card.family else books.SELLERS] += card.paid_fen
    assert kept.moved_fen["payout", books.PLATFORM] == paid.total()
    for crew in month.crews:
        spent_fen = sum(fen for (_, payer), fen in kept.moved_fen.items() if payer == crew.name)
        assert kept.balance_fen[crew.name] == paid[crew.name] - spent_fen


def test_nobody_honest_is_bad_in_truth_though_labels_err(undefended: Month) -> None:
    """Honest cards fail too, and then carry a label; the truth is not the label."""
    world = undefended.world
    honest = {card.id for card in world.cards if not card.family}
    labelled = [row for row in world.tape if row.kind == BAD]
    assert 0 < sum(row.card in honest for row in labelled) < len(labelled) / 20
    assert all(not card.is_attack and card.got_through_fen <= card.face_fen for card in world.cards if not card.family)
    assert all(world.truth[row.seq] == "" for row in world.tape if row.kind == ATTEMPT and row.card in honest)


def test_labels_come_late_and_some_never(undefended: Month) -> None:
    world = undefended.world
    sold = {row.card: row.at for row in world.tape if row.kind == ATTEMPT and row.taken}
    attack = {card.id for card in world.cards if card.is_attack and card.last == "paid"}
    delays_s = [(row.at - sold[row.card]) // SECOND for row in world.tape if row.kind == BAD and row.card in attack]
    assert 0.4 < len(delays_s) / len(attack) < 0.9
    assert sorted(delays_s)[len(delays_s) // 2] > DAY_S


def test_the_share_of_heavy_users_rises(undefended: Month) -> None:
    """Of what honest people sell, the part of those who sell five times a week and more; shops are no heavy users."""
    world = undefended.world
    honest = {card.id for card in world.cards if not card.family}
    attempts = [row for row in world.tape if row.kind == ATTEMPT and row.card in honest and row.seq in world.facts]
    people = [row for row in attempts if world.facts[row.seq][TIER] != 2]
    shares = []
    for begins in (0, 23):
        week = [row for row in people if begins * DAY_S <= (row.at - BEGIN) // SECOND < (begins + 7) * DAY_S]
        count = Counter(row.seller for row in week)
        shares.append(sum(count[row.seller] >= 5 for row in week) / len(week))
    assert shares[1] > 1.5 * shares[0]


def test_learners_change_and_the_static_never_do(refused: Month) -> None:
    for crew in refused.crews:
        first = first_tactics(crew.playbook, crew.variant).steps
        if crew.variant == STATIC:
            assert crew.tactics.steps == first
            assert crew.tactics.turns == 0
    learners = [crew for crew in refused.crews if crew.variant != STATIC]
    changed = [
        crew for crew in learners if crew.tactics.steps != first_tactics(crew.playbook, crew.variant).steps
    ]  # fmt: skip
    assert len(changed) > 0.9 * len(learners)
    for crew in learners:
        begun = first_tactics(crew.playbook, crew.variant).steps
        assert {knob for knob in LADDERS if crew.tactics.steps[knob] != begun[knob]} <= set(crew.playbook.knobs)


def test_a_card_is_tried_three_times_at_most_and_counted_once(refused: Month) -> None:
    cards = refused.world.cards
    assert len({card.id for card in cards}) == len(cards)
    assert max(card.offers for card in cards if card.is_attack) == 3
    assert any(card.offers == 3 and card.last == "paid" for card in cards if card.is_attack)


def test_facts_stand_in_the_order_of_the_inputs(undefended: Month) -> None:
    assert {len(facts) for facts in undefended.world.facts.values()} == {len(FACTS)}
    names = [fact.name for fact in FACTS]
    attempts = {row.seq: row for row in undefended.world.tape if row.kind == ATTEMPT}
    for seq, facts in list(undefended.world.facts.items())[:500]:
        known = dict(zip(names, facts, strict=True))
        row = attempts[seq]
        assert (known["face_fen"], known["paid"], known["ratio_bp"], known["hour"]) == (
            row.face_fen, row.paid, row.ratio_bp, row.hour,
        )  # fmt: skip
        assert known["is_signed_by_device"] == (row.device is not None)


def test_tuning_and_scoring_never_share_a_seed() -> None:
    assert len(frozen.TUNING_SEEDS) == 100
    assert 1 not in frozen.TUNING_SEEDS


def _honest(month: Month) -> list[tuple[int, int, int]]:
    cards: list[Card] = [card for card in month.world.cards if not card.family]
    return sorted((card.id, card.face_fen, card.offers) for card in cards)
