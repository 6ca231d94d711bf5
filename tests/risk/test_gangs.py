"""Rings are what hangs together, within bounds, and never by what came later."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.risk import gangs
from suyuan.risk.gangs import HUB_MAX, SHARED, WINDOW_S, Ring, find_rings
from suyuan.risk.row import ATTEMPT, BAD, BOUND, FORGED, REGISTERED, STEPPED_UP, Row

AT = WINDOW_S * SECOND

some = st.one_of(st.none(), st.integers(1, 6))
rows_of_a_few = st.lists(
    st.builds(
        Row,
        seq=st.just(0),
        at=st.integers(AT - 3, AT + 3) | st.integers(0, 3),
        kind=st.sampled_from([ATTEMPT, ATTEMPT, BAD, REGISTERED, BOUND, STEPPED_UP, FORGED]),
        seller=st.one_of(st.none(), st.integers(1, 9)),
        prefix=st.just(1),
        **dict.fromkeys(SHARED, some),
    ),
    max_size=14,
)


def naive(rows: list[Row], as_of: int, hub_max: int) -> dict[int, Ring]:
    """Joins sets of sellers until no two of them meet."""
    seen = [row for row in rows if row.seller is not None and as_of - WINDOW_S * SECOND <= row.at <= as_of]
    linking = [row for row in seen if row.kind in (ATTEMPT, REGISTERED, BOUND)]
    values = {(name, getattr(row, name)) for row in linking for name in SHARED if getattr(row, name) is not None}
    linked = [{row.seller or 0 for row in linking if getattr(row, name) == value} for name, value in values]
    linked = [sellers for sellers in linked if 2 <= len(sellers) <= hub_max]
    rings = [set(sellers) for sellers in linked]
    while meeting := next(((one, other) for one, other in combinations(rings, 2) if one & other), None):
        one, other = meeting
        rings = [ring for ring in rings if ring is not one and ring is not other] + [one | other]
    found: dict[int, Ring] = {}
    for ring in rings:
        pairs = [pair for pair in combinations(sorted(ring), 2) if any(set(pair) <= sellers for sellers in linked)]
        bad = sum(row.kind == BAD and row.seller in ring for row in seen)
        facts = Ring(len(ring), bad, 1_000 * len(pairs) // (len(ring) * (len(ring) - 1) // 2))
        found |= dict.fromkeys(ring, facts)
    return found


@given(rows_of_a_few, st.integers(AT - 4, AT + 4), st.sampled_from([2, 3, HUB_MAX]))
def test_rings_are_those_of_the_slow_way(rows: list[Row], as_of: int, hub_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gangs, "HUB_MAX", hub_max)
        assert find_rings(rows, as_of=as_of).members == naive(rows, as_of, hub_max)


@given(rows_of_a_few, rows_of_a_few, st.randoms(use_true_random=False))
def test_neither_later_rows_nor_their_order_change_a_graph(rows: list[Row], more: list[Row], chance: Random) -> None:
    later = [row._replace(at=AT + 1 + place) for place, row in enumerate(more)]
    shuffled = [*rows, *later]
    chance.shuffle(shuffled)
    before, after = (find_rings(those, as_of=AT) for those in ([row for row in rows if row.at <= AT], shuffled))
    assert before == after
    assert before.digest == after.digest


def sharing(name: str, sellers: int, *, value: int = 7, first: int = 1) -> list[Row]:
    return [Row(place, AT, ATTEMPT, seller=first + place, **{name: value}) for place in range(sellers)]


@pytest.mark.parametrize("name", SHARED)
def test_two_who_share_a_value_are_a_ring_and_a_hub_links_nobody(name: str) -> None:
    assert find_rings(sharing(name, 2), as_of=AT).members[1] == Ring(2, 0, 1_000)
    assert find_rings(sharing(name, HUB_MAX), as_of=AT).members[1].size == HUB_MAX
    assert not find_rings(sharing(name, HUB_MAX + 1), as_of=AT).members
    assert not find_rings(sharing(name, 500), as_of=AT).members


@pytest.mark.parametrize("name", ["prefix", "batch", "merchant", "partner", "contract", "agent", "operator"])
def test_what_many_honest_people_share_makes_no_ring(name: str) -> None:
    assert not find_rings(sharing(name, 5), as_of=AT).members


def test_equal_numbers_of_two_kinds_of_values_link_nobody() -> None:
    rows = [Row(1, AT, ATTEMPT, seller=1, device=7), Row(2, AT, ATTEMPT, seller=2, payee=7)]
    assert not find_rings(rows, as_of=AT).members


def test_a_hub_that_a_ring_passes_through_does_not_hide_the_ring() -> None:
    """Whoever logs in once from a shop's tablet is still tied to those with whom they share a payee."""
    rows = [*sharing("device", 200), *sharing("payee", 3, value=9)]
    assert set(find_rings(rows, as_of=AT).members) == {1, 2, 3}


def test_a_long_chain_is_one_ring_of_low_density() -> None:
    links = [row for place in range(1, 2_000) for row in sharing("device", 2, value=place, first=place)]
    ring = find_rings(links, as_of=AT).members[1]
    assert (ring.size, ring.density) == (2_000, 1)


def test_a_graph_is_bounded_and_keeps_the_worst_first() -> None:
    large, small, worst = (
        sharing("device", 6, value=1, first=100),
        sharing("device", 3, value=2, first=200),
        [*sharing("device", 2, value=3, first=300), Row(0, AT, BAD, seller=300)],
    )
    rows = [*large, *small, *worst]
    assert set(find_rings(rows, as_of=AT, members_max=2).members) == {300, 301}
    cut = find_rings(rows, as_of=AT, members_max=6)
    assert set(cut.members) == {300, 301, 100, 101, 102, 103}
    assert cut.members[100].size == 6
    assert len(find_rings(rows, as_of=AT, members_max=100).members) == 11


def test_facts_are_those_of_the_ring_or_nothing() -> None:
    graph = find_rings([*sharing("payee", 2), Row(9, AT, BAD, seller=2)], as_of=AT)
    assert graph.facts_of(1) == graph.facts_of(2) == (2, 1, 1_000)
    assert graph.facts_of(3) == graph.facts_of(None) == (None, None, None)
    assert find_rings([], as_of=AT).digest != graph.digest
