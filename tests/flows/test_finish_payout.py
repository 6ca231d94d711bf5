"""What a completer shows the world: read on record first, all of a round in one event, and one broken key stops one."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.clock import plus
from suyuan.base.refusals import Refusal
from suyuan.flows.finish_payout import Completer, Opening, finish_payout, may_open, wait_for_key
from suyuan.flows.record_outcome import Recorded
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.privacy.authority import NoAuthority
from suyuan.privacy.retention import load_rules
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.settle.providers import Consumed, ConsumeOrder, ConsumeVerdict
from suyuan.settle.redemption import DueRedemption, due_redemptions
from tests.flows.house import House, ToldOperator, card, written


class Spends(ToldOperator):
    """An operator that spends every card, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[ConsumeOrder] = []

    async def consume(self, order: ConsumeOrder) -> ConsumeVerdict:
        self.shown.append(order)
        return Consumed("C-1")


def sell(house: House, *numbers: int) -> list[str]:
    answers = [
        house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(number)))))
        for number in numbers
    ]
    # Events are a microsecond apart, so all of them are due a moment later.
    house.clock.advance(1)
    return [answer.redemption for answer in answers if isinstance(answer, Taken)]


async def due(connection: psycopg.AsyncConnection[Any], house: House) -> list[DueRedemption]:
    return await due_redemptions(connection, now=house.clock.now(), besides=(), rows_max=10)


def open_all(house: House, operator: Spends, *, finish: bool = False) -> tuple[dict[str, Opening], list[Any]]:
    """One round of the completer."""

    async def go() -> tuple[dict[str, Opening], list[Any]]:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            look_up = functools.partial(fetch_keys, connection)
            completer = Completer(
                house.line, house.vault, look_up, house.clock, house.desk.chance, {"cmcc": operator}, {}, load_rules()
            )
            taken = await due(connection, house)
            openings = await may_open(completer, taken)
            assert not isinstance(openings, Refusal)
            answers = [
                await finish_payout(completer, one, openings[one.redemption.id], may_have_been_sent=False)
                if one.redemption.id in openings
                else await wait_for_key(completer, one)
                for one in taken
                if finish
            ]
            return openings, answers

    return house.run(go())


def test_the_reads_of_a_round_are_one_event_that_names_fields_and_no_value(house: House) -> None:
    """Three cards, one event, and it stands in history before anybody was shown anything."""
    redemptions, operator = sell(house, 1, 2, 3), Spends()
    openings, _ = open_all(house, operator)
    assert set(openings) == set(redemptions)
    assert operator.shown == []
    (read,) = [event for event in house.events() if event["kind"] == "fields_read/2"]
    assert read["subjects"] == sorted(redemptions)
    assert (read["purpose"], read["reader"], read["article"]) == ("consume_card", "completer", "13(1)(2)")
    assert "card.pin/1" in read["fields"]
    assert f"{1:018d}" not in str(house.events())
    assert {opening.authority.read_seq for opening in openings.values()} == {len(house.events()) - 1}


def test_what_was_read_on_record_is_shown_to_the_operator_alone(house: House) -> None:
    (redemption,), operator = sell(house, 1), Spends()
    _, answers = open_all(house, operator, finish=True)
    assert answers == [Recorded(redemption, "consumed")]
    assert [(order.serial, order.pin) for order in operator.shown] == [(f"{1:017d}", f"{1:018d}")]


def test_one_broken_key_holds_up_its_own_redemption_and_no_other(house: House) -> None:
    """Otherwise whoever alters one row of the database stops every payout of the platform."""
    redemptions, operator = sell(house, 1, 2, 3), Spends()
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20)) WHERE id = %s",
            (f"{redemptions[1]}/card_secret",),
        )
    openings, answers = open_all(house, operator, finish=True)
    assert set(openings) == {redemptions[0], redemptions[2]}
    assert len(operator.shown) == 2
    assert answers[1] == Recorded(redemptions[1], "pending")
    # It makes room for others, and history tells of no read that was none.
    assert house.rows("SELECT id FROM outbox WHERE due_at > %s", plus(house.clock.now(), 300)) == [(redemptions[1],)]
    (read,) = [event for event in house.events() if event["kind"] == "fields_read/2"]
    assert redemptions[1] not in read["subjects"]


def test_an_authority_for_one_round_opens_no_other_redemption(house: House) -> None:
    """A completer that mixes up two redemptions is stopped by the vault, before the operator sees anything."""
    first, second = sell(house, 1, 2)
    openings, _ = open_all(house, Spends())
    alone = replace(openings[first].authority, subjects=frozenset({first}))
    with pytest.raises(NoAuthority):
        mixed_up(house, second, Opening(alone, openings[second].key))


def mixed_up(house: House, redemption: str, opening: Opening) -> None:
    async def go() -> None:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            (one,) = [each for each in await due(connection, house) if each.redemption.id == redemption]
            completer = Completer(
                house.line, house.vault, no_keys, house.clock, house.desk.chance, {"cmcc": Spends()}, {}, load_rules()
            )
            await finish_payout(completer, one, opening, may_have_been_sent=False)

    async def no_keys(places: object) -> dict[str, Any]:
        return {}

    house.run(go())
