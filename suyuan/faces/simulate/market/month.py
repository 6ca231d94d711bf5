"""Puts a market together: people, crews and a defence, and lets its month pass."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from suyuan.faces.simulate.market.crews import Around, Crew
from suyuan.faces.simulate.market.defence import Defence
from suyuan.faces.simulate.market.goods import lay_batches
from suyuan.faces.simulate.market.parties import draw_terms
from suyuan.faces.simulate.market.people import People
from suyuan.faces.simulate.market.places import chance_of, lay_networks
from suyuan.faces.simulate.market.playbooks import FAMILIES, PLAYBOOKS, VARIANTS
from suyuan.faces.simulate.market.visitors import Visitors
from suyuan.faces.simulate.market.world import World

DAYS = 30


@dataclass(frozen=True, slots=True)
class Month:
    """A month that is over."""

    world: World
    crews: tuple[Crew, ...]


def live(
    seed: int,
    defence: Defence,
    *,
    families: Collection[str] = FAMILIES,
    days: int = DAYS,
    scale: float = 1.0,
    keeps_tape: bool = False,
) -> Month:
    """A month with these families in it; what the honest mean to do never depends on which."""
    terms, networks, batches = draw_terms(chance_of(seed, "terms")), lay_networks(), lay_batches()
    world = World(seed, defence, days=days, keeps_tape=keeps_tape)
    people = People(seed, terms, networks, batches, days=days, scale=scale)
    Visitors(seed, world, people, terms)
    around = Around(world, terms, networks, batches, people.dormant)
    crews = tuple(
        Crew(around, playbook, variant, seed=seed, scale=scale)
        for playbook in PLAYBOOKS
        if playbook.name in families
        for variant in VARIANTS
    )
    world.run()
    return Month(world, crews)
