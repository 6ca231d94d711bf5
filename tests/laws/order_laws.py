"""The laws that every provider keeps, whatever it does: operators, payout channels, the face check.

A `Kind` shows one implementation to the laws: how to make an order that can be done, one that cannot, one with other
bytes; how to send and to ask; and where the twin keeps the truth. Each law is a story of its own orders.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from suyuan.outside.caller import Caller
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from suyuan.outside.sandbox.provider_side import EXIT_WENT_DOWN
from suyuan.outside.sandbox.world import Tally
from suyuan.settle.providers import NotFound, Unknown
from tests.laws.twins import LATE_MS, Twins

Verdict: TypeAlias = Any
"""What a provider of any kind says; a law compares verdicts and never looks inside."""

_numbers = itertools.count(1)


def fresh_number() -> str:
    """A number that no other order of this run has."""
    return f"n{next(_numbers)}"


class Kind(Protocol):
    """One implementation, as the laws see it."""

    @property
    def target(self) -> str: ...

    def order(self, twins: Twins) -> Any:
        """An order that the twin will do."""
        ...

    def bad_order(self, twins: Twins) -> Any:
        """An order that the twin will definitely refuse."""
        ...

    def with_other_bytes(self, order: Any) -> Any:
        """The same number, asking for something else."""
        ...

    async def send(self, caller: Caller, order: Any) -> Verdict:
        """Sends the order, and asks once more where the twin first answers that somebody has to confirm."""
        ...

    async def ask(self, caller: Caller, order_no: str) -> Verdict: ...

    def is_done(self, verdict: Verdict) -> bool: ...

    def is_refused(self, verdict: Verdict) -> bool: ...

    def times_done(self, tally: Tally, order: Any) -> int:
        """How often the twin did this order, by its own books."""
        ...


Law: TypeAlias = Callable[[Kind, Twins], Coroutine[Any, Any, None]]


async def an_order_is_done_once(kind: Kind, twins: Twins) -> None:
    """Sent five times at once and once again: one deed, one reference."""
    order = kind.order(twins)
    verdicts = await asyncio.gather(*(kind.send(twins.platform, order) for _ in range(5)))
    verdicts.append(await kind.send(twins.platform, order))
    assert all(kind.is_done(verdict) for verdict in verdicts)
    assert len(set(verdicts)) == 1
    assert kind.times_done(twins.control.tally(), order) == 1


async def what_never_came_is_not_found(kind: Kind, twins: Twins) -> None:
    """Asked before it is sent: not found, and asking did nothing."""
    order = kind.order(twins)
    assert await kind.ask(twins.platform, order.order_no) == NotFound()
    assert kind.times_done(twins.control.tally(), order) == 0
    assert kind.is_done(await kind.send(twins.platform, order))


async def an_ask_tells_what_was_told(kind: Kind, twins: Twins) -> None:
    order = kind.order(twins)
    verdict = await kind.send(twins.platform, order)
    assert await kind.ask(twins.platform, order.order_no) == verdict


async def a_refusal_stays(kind: Kind, twins: Twins) -> None:
    """Refused, refused again, and asked: the same definite code, and nothing done."""
    order = kind.bad_order(twins)
    verdict = await kind.send(twins.platform, order)
    assert kind.is_refused(verdict)
    assert await kind.send(twins.platform, order) == verdict
    assert await kind.ask(twins.platform, order.order_no) == verdict


async def other_bytes_under_the_same_number_are_a_conflict(kind: Kind, twins: Twins) -> None:
    """The first order stands; the second is neither done nor called failed."""
    order = kind.order(twins)
    verdict = await kind.send(twins.platform, order)
    conflicts = twins.control.tally().strange.get(f"{kind.target}/conflict", 0)
    changed = kind.with_other_bytes(order)
    answer = await kind.send(twins.platform, changed)
    assert answer == Unknown("order_conflict")
    tally = twins.control.tally()
    assert tally.strange[f"{kind.target}/conflict"] == conflicts + 1
    assert kind.times_done(tally, order) == 1
    assert await kind.ask(twins.platform, order.order_no) == verdict


async def a_stranger_is_refused(kind: Kind, twins: Twins) -> None:
    """Somebody else's signature moves nothing and learns nothing – and is no verdict on the order."""
    order = kind.order(twins)
    before = twins.control.tally().strange.get(f"{kind.target}/bad_signature", 0)
    assert await kind.send(twins.stranger, order) == Unknown("signature_refused")
    assert await kind.ask(twins.stranger, order.order_no) == Unknown("signature_refused")
    tally = twins.control.tally()
    assert tally.strange[f"{kind.target}/bad_signature"] == before + 2
    assert kind.times_done(tally, order) == 0
    assert await kind.ask(twins.platform, order.order_no) == NotFound()


# Each fault: what is heard, and whether the order was carried out all the same.
HEARD: dict[Fault, tuple[str, bool]] = {
    Fault.NEVER_ANSWERS: ("timed_out", False),
    Fault.FAILS: ("http_500", False),
    Fault.ANSWERS_LATE: ("timed_out", True),
    Fault.LOSES_ANSWER: ("connection_lost", True),
    Fault.UNKNOWN_CODE: ("unknown_code", True),
    Fault.DOES_BUT_FAILS: ("http_500", True),
}


async def a_fault_is_unknown_and_the_ask_tells_the_truth(kind: Kind, twins: Twins) -> None:
    """Whatever breaks is unknown, never refused; then the ask finds it, or lets the same bytes go again."""
    for fault, (why, carried_out) in HEARD.items():
        order = kind.order(twins)
        twins.control.set_faults(FaultPlan(kind.target, {fault: 1.0}, late_ms=LATE_MS))
        try:
            assert await kind.send(twins.hasty, order) == Unknown(why), fault
        finally:
            twins.control.heal(kind.target)
        found = await kind.ask(twins.platform, order.order_no)
        assert kind.is_done(found) if carried_out else found == NotFound(), fault
        assert kind.is_done(await kind.send(twins.platform, order)), fault
        assert kind.times_done(twins.control.tally(), order) == 1, fault


async def unknown_stays_unknown_until_somebody_knows(kind: Kind, twins: Twins) -> None:
    """While the asks fail too, each stays unknown; when they work again, the deed has been there all along."""
    order = kind.order(twins)
    twins.control.set_faults(FaultPlan(kind.target, {Fault.DOES_BUT_FAILS: 1.0}, on=("order", "ask")))
    try:
        heard = [await kind.send(twins.platform, order)]
        heard += [await kind.ask(twins.platform, order.order_no) for _ in range(3)]
    finally:
        twins.control.heal(kind.target)
    assert heard == [Unknown("http_500")] * 4
    assert kind.is_done(await kind.ask(twins.platform, order.order_no))
    assert kind.times_done(twins.control.tally(), order) == 1


async def a_request_that_comes_twice_is_done_once(kind: Kind, twins: Twins) -> None:
    order = kind.order(twins)
    twins.control.set_faults(FaultPlan(kind.target, {Fault.DELIVERED_TWICE: 1.0}))
    try:
        assert kind.is_done(await kind.send(twins.platform, order))
    finally:
        twins.control.heal(kind.target)
    assert kind.times_done(twins.control.tally(), order) == 1


async def an_answer_that_comes_twice_answers_nothing_else(kind: Kind, twins: Twins) -> None:
    """Every answer comes twice on its connection; no order gets another one's reference."""
    orders = [kind.order(twins) for _ in range(8)]
    twins.control.set_faults(FaultPlan(kind.target, {Fault.ANSWERS_TWICE: 1.0}, on=("order", "ask")))
    try:
        heard = [await kind.send(twins.platform, order) for order in orders]
    finally:
        twins.control.heal(kind.target)
    told = [await the_truth(kind, twins, order) for order in orders]
    assert len(set(told)) == len(orders)
    # An answer that went astray leaves its own order unknown, and nothing more.
    assert all(verdict == truth or isinstance(verdict, Unknown) for verdict, truth in zip(heard, told, strict=True))


async def the_truth(kind: Kind, twins: Twins, order: Any) -> Verdict:
    """Asks until it is known; a stray answer or two may still be on its way."""
    for _ in range(5):
        verdict = await kind.ask(twins.platform, order.order_no)
        if not isinstance(verdict, Unknown):
            return verdict
    raise AssertionError("the twin is healed, so somebody must know")


async def what_was_answered_survives_a_kill(kind: Kind, twins: Twins) -> None:
    """kill -9 and start again: the same answers, nothing done twice, nothing forgotten."""
    done, refused, waiting = kind.order(twins), kind.bad_order(twins), kind.order(twins)
    told = [await kind.send(twins.platform, order) for order in (done, refused)]
    before = twins.control.tally()
    twins.sandbox.kill()
    assert await kind.send(twins.platform, waiting) in (Unknown("not_reachable"), Unknown("connection_lost"))
    twins.sandbox.start()
    assert twins.control.tally() == before
    assert [await kind.ask(twins.platform, order.order_no) for order in (done, refused)] == told
    assert [await kind.send(twins.platform, order) for order in (done, refused)] == told
    assert await kind.ask(twins.platform, waiting.order_no) == NotFound()
    assert kind.times_done(twins.control.tally(), done) == 1


async def going_down_in_the_middle_is_unknown(kind: Kind, twins: Twins) -> None:
    """Down before doing it: not found afterwards. Down after doing it: found. Done once either way."""
    for fault, carried_out in ((Fault.GOES_DOWN_BEFORE, False), (Fault.GOES_DOWN_AFTER, True)):
        order = kind.order(twins)
        twins.control.set_faults(FaultPlan(kind.target, {fault: 1.0}))
        assert await kind.send(twins.platform, order) == Unknown("connection_lost")
        assert twins.sandbox.wait() == EXIT_WENT_DOWN
        # It comes back mended, so nobody has to heal it.
        twins.sandbox.start()
        found = await kind.ask(twins.platform, order.order_no)
        assert kind.is_done(found) if carried_out else found == NotFound()
        assert kind.is_done(await kind.send(twins.platform, order))
        assert kind.times_done(twins.control.tally(), order) == 1


LAWS: list[Law] = [
    an_order_is_done_once,
    what_never_came_is_not_found,
    an_ask_tells_what_was_told,
    a_refusal_stays,
    other_bytes_under_the_same_number_are_a_conflict,
    a_stranger_is_refused,
    a_fault_is_unknown_and_the_ask_tells_the_truth,
    unknown_stays_unknown_until_somebody_knows,
    a_request_that_comes_twice_is_done_once,
    an_answer_that_comes_twice_answers_nothing_else,
    what_was_answered_survives_a_kill,
    going_down_in_the_middle_is_unknown,
]


def law_name(law: Law) -> str:
    return getattr(law, "__name__", repr(law))
