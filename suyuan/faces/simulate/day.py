"""A simulated day from the first act to the report, against a platform that runs already.

1. The world is furnished and the terms registered by two officers.
2. Partners register their sellers; then the plan's deeds are carried out, so many at a time.
3. What was promised is waited for, up to a deadline; whoever holds a number and says nothing keeps us waiting in vain.
4. The trouble ends. Held cards are sold on, which shows those whose PIN was used meanwhile.
5. The tally, the platform's own lists and the answers are judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from suyuan.base.clock import monotonic_s
from suyuan.base.crypto import PublicKey
from suyuan.faces.sdk import RedemptionState
from suyuan.faces.sdk.records import PAID, PENDING
from suyuan.faces.simulate import stage
from suyuan.faces.simulate.deeds import Plan, Sale, SimBalance
from suyuan.faces.simulate.doors import Doors
from suyuan.faces.simulate.traffic import Answered, Traffic, list_states, look_again
from suyuan.faces.simulate.truth import Witnessed, first_sales, is_worthless, judge
from suyuan.faces.simulate.verdict import Verdict, sum_up
from suyuan.flows.sell_on import SellOn
from suyuan.history.frames import Commands
from suyuan.outside.sandbox.client import Control
from suyuan.outside.sandbox.world import Tally
from suyuan.settle.limits import LimitRules
from suyuan.settle.payout import Disposition

LOOK_S = 0.5
# The pool looks at each idle connection for every request, so many of them cost more than they bring.
CONNECTIONS_PER_ADDRESS = 16
DEBTS_WAIT_S = 60.0
TAKING_BACK_S = 1.5
BUYER = "buyer-of-held-cards"

Progress = Callable[[str, int, int], None]
"""Told of each step by its name, how far it is and how far it goes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the day is spent: a running platform, seen from outside, and the two sides that only its owner has."""

    url: str
    pinned: Mapping[str, PublicKey]
    control: Control
    line: Commands
    person_of: Callable[[str], str]
    """The reference under which the platform asks the face check for a seller."""


@dataclass(frozen=True, slots=True)
class Day:
    """What a day brought, and how long the traffic itself took."""

    verdict: Verdict
    witnessed: Witnessed
    traffic_s: float


async def live_through(plan: Plan, place: Place, *, in_flight: int, payouts_wait_s: float, progress: Progress) -> Day:
    """Spends the day and judges it."""
    doors = Doors(place.url, plan.cast, place.pinned, connections_max=CONNECTIONS_PER_ADDRESS)
    try:
        # (1) The scene.
        progress("scene", 0, 1)
        await asyncio.to_thread(stage.furnish_world, place.control, plan)
        await stage.register_terms(place.line, plan.cast)
        progress("scene", 1, 1)
        # (2) Sellers and traffic.
        tick = _counter("sellers", len(plan.cast.sellers), progress)
        await stage.register_sellers(doors, plan.cast, in_flight=in_flight, on_registered=tick)
        await asyncio.to_thread(stage.enrol_faces, place.control, plan.cast, place.person_of)
        began_s = monotonic_s()
        answers = await _carry_out(plan, doors, place.control, in_flight=in_flight, progress=progress)
        traffic_s = monotonic_s() - began_s
        # (3)-(4) What was promised, and what is held.
        seen = Witnessed(plan, answers, await list_states(doors, plan), Tally())
        await _wait_for_payouts(doors, seen, within_s=payouts_wait_s, progress=progress)
        await _sell_on(place, doors, seen)
        # (5) The truth. The states are read once more, since selling on has changed some.
        states = await list_states(doors, plan)
        seen = Witnessed(plan, answers, states, await asyncio.to_thread(place.control.tally))
        return Day(sum_up(seen, judge(seen, LimitRules())), seen, traffic_s)
    finally:
        await doors.close()


async def _carry_out(
    plan: Plan, doors: Doors, control: Control, *, in_flight: int, progress: Progress
) -> dict[int, Answered]:
    tick = _counter("traffic", len(plan.sales), progress)
    return await Traffic(plan, doors, control, in_flight=in_flight, on_answer=lambda _: tick()).run()


def _counter(step: str, of: int, progress: Progress) -> Callable[[], None]:
    """Reports a step one further each time it is called."""
    places = count(1)
    return lambda: progress(step, next(places), of)


async def _wait_for_payouts(doors: Doors, seen: Witnessed, *, within_s: float, progress: Progress) -> None:
    """Looks again at what is pending until nothing is, or the time is up."""
    states = dict(seen.states)
    taken = first_sales(seen)
    until_s = monotonic_s() + within_s
    while True:
        waiting = [(sale, redemption) for redemption, sale in taken.items() if _is_waiting(sale, states, redemption)]
        progress("payouts", len(taken) - len(waiting), len(taken))
        if not waiting or monotonic_s() > until_s:
            return
        await asyncio.sleep(LOOK_S)
        await look_again(doors, seen.plan, waiting, states)


def _is_waiting(sale: Sale, states: Mapping[str, RedemptionState], redemption: str) -> bool:
    is_silent = isinstance(sale.source, SimBalance) and sale.source.answer == "silent"
    state = states.get(redemption)
    return not is_silent and (state is None or state.state == PENDING)


async def _sell_on(place: Place, doors: Doors, seen: Witnessed) -> None:
    """Calms the world and sells every held card; then waits until all that is worth nothing is its seller's debt."""
    contracts, taken = seen.plan.cast.contracts, first_sales(seen)
    await asyncio.to_thread(stage.calm_world, place.control)
    for redemption, sale in taken.items():
        if contracts[sale.contract].disposition == Disposition.HOLD_THEN_SELL:
            await place.line.submit(SellOn(redemption, BUYER))
    # What operators have decided to take back comes by itself, and is fetched by the next round of housekeeping.
    await asyncio.sleep(TAKING_BACK_S)
    tally = await asyncio.to_thread(place.control.tally)
    bad = [(sale, redemption) for redemption, sale in taken.items() if is_worthless(sale.source, tally)]
    states: dict[str, RedemptionState] = {}
    until_s = monotonic_s() + DEBTS_WAIT_S
    while monotonic_s() < until_s:
        await look_again(doors, seen.plan, bad, states)
        bad = [(sale, redemption) for sale, redemption in bad if states[redemption].state in (PAID, PENDING)]
        if not bad:
            return
        await asyncio.sleep(LOOK_S)


__all__ = ["Day", "Place", "Progress", "live_through"]
