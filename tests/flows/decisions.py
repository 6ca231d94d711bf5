"""What the stories of decisions begin with: a world that spends and pays, and rounds of the completer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from suyuan.base import db
from suyuan.base.refusals import Refusal
from suyuan.flows.finish_payout import Completer, finish_payout, may_open
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.history.decision_events import DecisionMade
from suyuan.history.store import replay
from suyuan.privacy.retention import load_rules
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.settle.audit import audit_books
from suyuan.settle.limits import LimitRules
from suyuan.settle.providers import Consumed, ConsumeOrder, ConsumeVerdict, NotFound, Paid, PayOrder, PayVerdict
from suyuan.settle.redemption import due_redemptions
from tests.flows.house import House, ToldOperator, card, written

PATH = "/v1/redemptions"


class Spends(ToldOperator):
    """An operator that spends every card."""

    async def consume(self, order: ConsumeOrder) -> ConsumeVerdict:
        return Consumed(f"C-{order.order_no}")


@dataclass
class Pays:
    """A channel that pays everything, and keeps what it was asked to."""

    orders: list[PayOrder] = field(default_factory=list)

    async def pay(self, order: PayOrder) -> PayVerdict:
        self.orders.append(order)
        return Paid(f"B-{order.order_no}")

    async def ask(self, order_no: str) -> PayVerdict | NotFound:
        return NotFound()


def sell(house: House, number: int = 1, *, key: str = "key_1", idempotency: str | None = None, **changes: Any) -> Any:
    """The answer to a wish to sell a card."""
    body = written(card(number, **changes))
    return house.run(redeem_card(house.desk, house.knock("POST", PATH, body, key=key, idempotency_key=idempotency)))


def taken(house: House, number: int = 1, **changes: Any) -> Taken:
    """The same where it has to be taken."""
    answer = sell(house, number, **changes)
    assert isinstance(answer, Taken), answer
    return answer


def refused(house: House, number: int = 1, **changes: Any) -> Refusal:
    """The same where it has to be refused."""
    answer = sell(house, number, **changes)
    assert isinstance(answer, Refusal), answer
    return answer


def complete(house: House, channel: Pays | None = None, rounds: int = 3) -> Pays:
    """So many rounds of the completer; gives the channel back."""
    paying = channel or Pays()

    async def go() -> None:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            look_up = functools.partial(fetch_keys, connection)
            completer = Completer(
                line=house.line, vault=house.vault, subject_keys=look_up, clock=house.clock, chance=house.desk.chance,
                operators={"cmcc": Spends()}, channels={"bank_transfer": paying}, rules=load_rules(),
            )  # fmt: skip
            for _ in range(rounds):
                house.clock.advance(1)
                due = await due_redemptions(connection, now=house.clock.now(), besides=(), rows_max=50)
                openings = await may_open(completer, due)
                assert not isinstance(openings, Refusal)
                for one in due:
                    await finish_payout(completer, one, openings[one.redemption.id], may_have_been_sent=False)

    house.run(go())
    return paying


def state_of(house: House, redemption: str) -> str:
    """Where a redemption stands."""
    ((state,),) = house.rows("SELECT state FROM redemption WHERE id = %s", redemption)
    return str(state)


def decided(house: House) -> Sequence[DecisionMade]:
    """All decisions, oldest first."""
    with db.connect(house.url, autocommit=True) as connection:
        return [event for _, _, event in replay(connection) if isinstance(event, DecisionMade)]


def kinds(house: House) -> list[str]:
    """The kinds of all events, oldest first, without their versions."""
    return [event["kind"].partition("/")[0] for event in house.events()]


def books_are_right(house: House) -> None:
    """The audit finds nothing."""
    with db.connect(house.url) as connection:
        audit = audit_books(connection, LimitRules())
    assert audit.findings == []
