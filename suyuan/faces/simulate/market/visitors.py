"""How honest people carry out their visits, and what they do when something is asked of them or refused."""

from __future__ import annotations

from functools import partial

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market.parties import PARTNERS, Terms
from suyuan.faces.simulate.market.people import Arrival, People, Visit
from suyuan.faces.simulate.market.places import BEGIN, HOUR_S, chance_of
from suyuan.faces.simulate.market.sight import Offer
from suyuan.faces.simulate.market.world import FROZEN, REFUSED_BY_RISK, STEP_UP, TAKEN, WRONG_CARD, World

TRIES_MAX = 4
CLUMSY_A_MONTH = 90
TRIES_AGAIN = 0.3


class Visitors:
    """The honest side of the market."""

    def __init__(self, seed: int, world: World, people: People, terms: Terms) -> None:
        self._rng = chance_of(seed, "visitors")
        self._world = world
        self._terms = terms
        for arrival in people.arrivals:
            world.at(arrival.at, partial(self._arrive, arrival))
        for visit in people.visits:
            world.at(visit.at, partial(self._knock, visit))
        self._clumsy()

    def _clumsy(self) -> None:
        """Partners' clients sign wrongly now and then; that is no attack, though it looks like one."""
        for _ in range(CLUMSY_A_MONTH):
            partner = self._rng.randrange(1, len(PARTNERS))
            key, prefix = self._terms.keys[partner], self._rng.choice(self._terms.servers[partner])
            at = BEGIN + round(self._rng.random() * 30 * DAY_S * SECOND)
            times = 1 + int(self._rng.expovariate(0.3))
            self._world.at(at, partial(self._world.forge, key, prefix, times))

    def hear(self, offer: Offer, news: str) -> None:
        """Nobody honest learns tricks from it."""

    def _arrive(self, arrival: Arrival) -> None:
        if arrival.is_new:
            self._world.register(arrival.account)
        if arrival.device is not None:
            self._world.bind(arrival.account, arrival.device)

    def _knock(self, visit: Visit) -> None:
        account, card = visit.account, visit.card
        contract = self._terms.contracts[account.partner][visit.contract]
        outcome = self._world.offer(Offer(account, visit.device, visit.prefix, contract, card, account.agent, self))
        if outcome == TAKEN or card.offers >= TRIES_MAX:
            return
        again_s = self._again_s(outcome, visit)
        if again_s is not None and not self._world.is_over:
            self._world.at(self._world.now + round(again_s * SECOND), lambda: self._knock(visit))

    def _again_s(self, outcome: str, visit: Visit) -> float | None:
        """After how long somebody tries again, if ever."""
        rng, account = self._rng, visit.account
        if outcome == WRONG_CARD:
            visit.card.is_mistyped = False
            return rng.uniform(20, 90)
        if outcome == STEP_UP:
            if rng.random() > account.face_odds:
                return None
            self._world.step_up(account)
            return rng.uniform(60, 400)
        if outcome == REFUSED_BY_RISK and rng.random() < TRIES_AGAIN:
            return rng.uniform(300, 4_000)
        if outcome == FROZEN and rng.random() < TRIES_AGAIN:
            return max(0, account.frozen_until - self._world.now) / SECOND + rng.uniform(0, 6 * HOUR_S)
        return None
