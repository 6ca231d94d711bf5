"""What risk says of an attempt to redeem: the line turns command and parties into what decisions look at, and asks.

1. The attempt becomes the event `decision_made` without its end, and that event a row of `risk.row`: the same row that
   everybody else reads from history later, so a backtest sees what was seen here.
2. The windows, which hold all events before this one, measure its features; facts are what the register and the books
   know; a list is hit where one of the attempt's own names stands on it.
3. The policy that decides about this seller comes to an action. An attempt that a person has let pass (`let_pass`) is
   approved without it, and says so by naming no policy.

The decision always happens one micro after the command's turn, whether it follows `redemption_taken` or stands before
`redemption_refused`: its instant has to be known before anybody knows which of the two it will be.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from suyuan.base.clock import SECOND
from suyuan.base.money import Split
from suyuan.flows.keep_keys import pseudonym_of
from suyuan.flows.let_pass import may_pass, want_pass
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import DecisionMade
from suyuan.history.line import Turn
from suyuan.privacy.classes import BlindIndex
from suyuan.privacy.pseudonyms import Marks
from suyuan.risk.decision import Action, Decision
from suyuan.risk.reading import hour_of, ratio_bp, row_of
from suyuan.risk.row import ATTEMPT, Row, id64
from suyuan.settle import redemption as booking
from suyuan.settle.account import Contract, Key, Seller, tier_of
from suyuan.settle.payout import Disposition

DECIDED_AFTER = 1
"""How many micros behind the command's turn its decision stands."""
AGENT_DEPTH_MAX = 8
"""A longer chain counts as this long, so that nobody can make the line walk for ever."""


class Parties(NamedTuple):
    """Who takes part in a redemption, once all of them are known to."""

    key: Key
    seller: Seller
    contract: Contract


class Asked(Protocol):
    """What risk needs to know of a command to redeem."""

    @property
    def redemption(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def seller(self) -> str: ...
    @property
    def ip_prefix(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def operator(self) -> str: ...
    @property
    def card(self) -> BlindIndex: ...
    @property
    def batch_index(self) -> BlindIndex: ...
    @property
    def number(self) -> Marks | None: ...
    @property
    def face_fen(self) -> int: ...


class Judged(NamedTuple):
    """What was decided, and the event that will tell of it once it is known how the attempt ended."""

    decision: Decision
    event: DecisionMade
    attempt: Row
    is_passed: bool  # A person has let it pass.


def want_judging(shelves: Shelves, command: Asked) -> bool:
    """Which rows deciding needs beside the parties, and whether that was all."""
    are_known = want_agents(shelves, command.agent)
    if not shelves.risk.lists.may_pass:
        return are_known
    if command.number is None:
        want_pass(shelves, _passing(command, None))
        return are_known
    known = [shelves.pseudonyms.peek(mark) for mark in command.number.marks]
    number = next((row.pseudonym for row in known if row is not None), None)
    if number is None:
        # A number that was never here has no pass.
        return are_known and all(shelves.pseudonyms.is_absent(mark) for mark in command.number.marks)
    want_pass(shelves, _passing(command, number))
    return are_known


def judge(shelves: Shelves, command: Asked, parties: Parties, parts: Split, turn: Turn) -> Judged:
    """Decides one attempt."""
    at = turn.at + DECIDED_AFTER
    asked = _asked(shelves, command, parties, parts)
    row = row_of(turn.seq, at, asked, _nobody)
    assert row is not None, "a decision is about an attempt"
    if shelves.risk.lists.may_pass and may_pass(shelves, row, at=turn.at):
        return Judged(_PASSED, asked, row, is_passed=True)
    facts = _facts(shelves, command, parties, parts, at)
    decided = shelves.risk.decide(asked, row, facts, at=turn.at)
    return Judged(decided.decision, decided.event, row, is_passed=False)


def ended(judged: Judged, outcome: str) -> DecisionMade:
    """The event, once it is known with which refusal the attempt ended, or with none."""
    return msgspec.structs.replace(judged.event, outcome=outcome) if outcome else judged.event


_PASSED = Decision(Action.APPROVE, 0, 0, 100, "", ())


def _nobody(redemption: str) -> Row | None:
    return None


def _asked(shelves: Shelves, command: Asked, parties: Parties, parts: Split) -> DecisionMade:
    """The attempt, undecided. Where no policy is asked this is the whole of it."""
    seller, contract = parties.seller, parties.contract
    is_card = command.number is None
    return DecisionMade(
        redemption=command.redemption,
        partner=seller.partner,
        agent=command.agent,
        key=command.key,
        contract=contract.id,
        merchant=contract.merchant_id,
        operator=command.operator,
        source=command.source,
        seller=seller.id,
        identity=seller.identity,
        payee=seller.payee,
        number=seller.number if command.number is None else pseudonym_of(shelves, command.number),
        device=parties.key.device,
        ip_prefix=command.ip_prefix,
        batch=command.batch_index,
        # A balance is a source of its own each time, so its index would say nothing of it.
        card=command.card if is_card else BlindIndex(""),
        face_fen=command.face_fen,
        paid=parts.paid,
        outcome="",
        action=Action.APPROVE,
        delay_s=0,
        limit_percent=100,
        score=0,
        reason="",
        inputs="",
        saturated="",
        fired="[]",
        features="",
        policy="",
        model="",
        lists=0,
        graph="",
        shadow="",
    )


def _passing(command: Asked, number: str | None) -> Row:
    """As much of the attempt as its pass is about."""
    return Row(
        0, 0, ATTEMPT,
        seller=id64(command.seller),
        number=id64(number),
        card=id64(command.card) if command.number is None else None,
        face_fen=command.face_fen,
    )  # fmt: skip


# --- facts ---------------------------------------------------------------------------------------


def _facts(shelves: Shelves, command: Asked, parties: Parties, parts: Split, at: int) -> list[int | None]:
    """What is known without looking back, in the order of `risk.inputs.FACTS`."""
    key, seller, contract = parties
    ring = shelves.risk.ring_of(seller.id)
    return [
        command.face_fen,
        parts.paid,
        ratio_bp(parts.paid, command.face_fen),
        hour_of(at),
        int(command.source != "card"),
        int(contract.value_kind == booking.MONEY),
        int(contract.disposition == Disposition.HOLD_THEN_SELL),
        tier_of(seller, key, at=at),
        _age_s(seller.registered_at, at),
        _age_s(seller.bound_at, at) if seller.bound_at else None,
        int(key.owner_kind == "seller" and key.device is not None),
        agent_depth(shelves, command.agent),
        _age_s(contract.begins_at, at),
        booking.debt_of(shelves.books, seller.id),
        *ring,
    ]


def _age_s(since: int, at: int) -> int:
    return (at - since) // SECOND


def want_agents(shelves: Shelves, agent: str | None) -> bool:
    """Asks for a chain of agents, each of which is known once the one below it is."""
    agents = shelves.register.agents
    for _ in range(AGENT_DEPTH_MAX):
        if agent is None:
            return True
        agents.want(agent)
        known = agents.peek(agent)
        if known is None:
            return agents.is_absent(agent)
        agent = known.parent
    return True


def agent_depth(shelves: Shelves, agent: str | None) -> int:
    """How many agents stand between the seller and the partner, as far as anybody counts."""
    depth = 0
    while agent is not None and depth < AGENT_DEPTH_MAX:
        known = shelves.register.agents.peek(agent)
        depth, agent = depth + 1, None if known is None else known.parent
    return depth
