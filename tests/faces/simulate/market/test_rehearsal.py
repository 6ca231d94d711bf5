"""Learning from months that are over, and what it takes to leave a family out of them."""

from __future__ import annotations

import numpy as np
import pytest

from suyuan.faces.simulate.market.defence import Sparring
from suyuan.faces.simulate.market.frozen import TUNING_SEEDS
from suyuan.faces.simulate.market.month import live
from suyuan.faces.simulate.market.playbooks import FAMILIES
from suyuan.faces.simulate.market.rehearsal import BAIT, LABEL_DELAY_S, Rehearsal, lessons_of, remembered
from suyuan.faces.simulate.market.world import World
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, BAD, BOUND, REGISTERED

SEED, DAYS, SCALE = TUNING_SEEDS[50], 12, 0.15
CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def world() -> World:
    """A month with all of its truth."""
    return live(SEED, Sparring(), days=DAYS, scale=SCALE, keeps_tape=True).world


@pytest.fixture(scope="module")
def rehearsal(world: World) -> Rehearsal:
    return remembered(world)


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_a_family_out_leaves_no_row_of_it(rehearsal: Rehearsal, world: World, family: str) -> None:
    """By the keys of everything that its crews ever offered with: no attempt, account, phone or label is left."""
    own = {card.id for card in world.cards if card.family == family}
    rows = [row for row in world.tape if row.card in own]
    sellers = {row.seller for row in rows if row.seller is not None}
    devices = {row.device for row in rows if row.device is not None}
    assert {ATTEMPT, BAD} <= {row.kind for row in rows}
    assert any(row.seller in sellers and row.kind in (REGISTERED, BOUND) for row in world.tape)
    kept = rehearsal.without(family).rows
    for column, values in (("card", own), ("seller", sellers), ("device", devices)):
        assert not np.isin(kept[column].values[kept[column].present], np.array(sorted(values))).any(), column
    assert len(kept) < len(rehearsal.rows)


def test_leaving_one_out_takes_nothing_of_anybody_else(rehearsal: Rehearsal) -> None:
    family = "device_farm"
    without = rehearsal.without(family)
    others, counts = np.unique(rehearsal.whose[rehearsal.whose != family], return_counts=True)
    kept, kept_counts = np.unique(without.whose, return_counts=True)
    assert (others.tolist(), counts.tolist()) == (kept.tolist(), kept_counts.tolist())
    assert family in rehearsal.whose.tolist()


def test_features_of_the_others_have_never_seen_the_family(rehearsal: Rehearsal, world: World) -> None:
    """Windows that only ever were given the rows that are left measure the same, cell by cell."""
    family = "network_farm"
    lessons = lessons_of(rehearsal, CATALOGUE, without=family)
    assert family not in set(lessons.owner.tolist())
    windows, measured = Windows(CATALOGUE), []
    for row in world.tape:
        if world.whose[row.seq] == family:
            continue
        if row.seq in world.facts:
            measured.append(windows.measure(row._replace(taken=None, reason=None)))
        windows.append(row)
        windows.settle()
    count = len(CATALOGUE.features)
    expected = np.where(lessons.present[:count], lessons.values[:count], -1).T
    assert [[-1 if value is None else value for value in line] for line in measured] == expected.tolist()


def test_an_attempt_teaches_by_labels_that_came_and_not_by_the_truth(rehearsal: Rehearsal) -> None:
    """Some attacks were never found out, and some honest cards carry a label: so it is in the lessons too."""
    lessons = lessons_of(rehearsal, CATALOGUE)
    assert 0.2 < lessons.is_labelled[lessons.is_attack & lessons.is_taken].mean() < 0.95
    assert 0 < lessons.is_labelled[lessons.is_honest & lessons.is_taken].mean() < 0.03
    assert not lessons.is_labelled[~lessons.is_taken].any()
    assert (lessons.age_s >= LABEL_DELAY_S).any()
    assert BAIT in set(lessons.owner.tolist())


def test_a_sparring_partner_keeps_attackers_learning_and_hardly_harms_anybody(world: World) -> None:
    attack = [card for card in world.cards if card.is_attack]
    honest = [card for card in world.cards if not card.family]
    assert 0.15 < sum(card.last == "paid" for card in attack) / len(attack) < 0.6
    assert sum(card.was_refused_by_risk for card in honest) / len(honest) < 0.02
