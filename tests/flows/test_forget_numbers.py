"""What leads to a number stays as long as somebody has to find it, and goes within a day of that."""

from __future__ import annotations

import psycopg
import pytest

from suyuan.base.clock import DAY_S
from suyuan.flows import forget_numbers as forget_module
from suyuan.flows.answer_subject import Shown
from suyuan.flows.forget_numbers import BEGINNING, Swept, forget_numbers
from suyuan.flows.keep_requests import keep_requests
from suyuan.flows.keep_retention import EndTerm
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.privacy.subject_keys import fetch_keys, key_ids
from tests.flows.rights_house import LI, WANG, Rights

STRANGER = "13700000007"


def sweep(rights: Rights, swept: Swept = BEGINNING, *, rounds: int = 20) -> Swept:
    """The keeper of the house passes by, so many times."""

    async def go() -> Swept:
        done = swept
        async with await psycopg.AsyncConnection.connect(rights.house.url, autocommit=True) as connection:
            for _ in range(rounds):
                done = await forget_numbers(connection, done, now=rights.house.clock.now())
            await keep_requests(rights.house.line, connection, now=rights.house.clock.now(), said_at=2**53)
        return done

    return rights.house.run(go())


def led_to(rights: Rights) -> set[str]:
    return {name for (name,) in rights.house.rows("SELECT pseudonym FROM pseudonym WHERE pseudonym LIKE 'num%%'")}


def of_sellers(rights: Rights) -> set[str]:
    return {name for (name,) in rights.house.rows("SELECT number FROM seller WHERE number <> ''")} & led_to(rights)


def test_a_number_that_a_stranger_proved_is_led_to_for_a_day(rights: Rights) -> None:
    rights.token(STRANGER)
    assert len(led_to(rights)) == 3
    sweep(rights)
    assert len(led_to(rights)) == 3
    rights.house.clock.advance(DAY_S + 1)
    sweep(rights)
    sweep(rights)
    assert led_to(rights) == of_sellers(rights)


def test_it_is_led_to_while_a_request_waits_or_its_bundle_may_be_fetched(rights: Rights) -> None:
    """Six days later the same person proves the number anew and gets their bundle; a week later nothing is left."""
    token = rights.token(STRANGER)
    asked = rights.ask_by_number(token, kind="know")
    assert isinstance(asked, Shown)
    rights.house.clock.advance(6 * DAY_S)
    sweep(rights)
    sweep(rights)
    again = rights.token(STRANGER)
    assert not isinstance(rights.fetch_by_number(again, asked.standing.request), str)
    assert rights.ask_by_number(again, kind="know") == asked
    rights.house.clock.advance(2 * DAY_S)
    sweep(rights)
    sweep(rights)
    assert led_to(rights) == of_sellers(rights)


def test_a_corrected_number_leads_nowhere_any_more(rights: Rights) -> None:
    before = of_sellers(rights)
    request = rights.stands(kind="correct", number="13800000009").standing.request
    rights.decide(request, number="13800000009")
    assert len(led_to(rights)) == 3
    sweep(rights)
    assert led_to(rights) == of_sellers(rights)
    assert len(before & led_to(rights)) == 1


def test_a_balance_is_found_by_its_number_until_its_term_is_over(rights: Rights) -> None:
    """Then the card says of no number any more, and nothing leads to it."""
    redemption = rights.debit(STRANGER)
    for suffix, kind in (("-c", "consumed"), ("-p", "paid")):
        rights.submit(RecordOutcome(redemption, redemption + suffix, kind, "X-1"))
    sweep(rights)
    assert len(led_to(rights)) == 3
    rights.house.clock.advance(1_096 * DAY_S)

    async def end() -> EndTerm:
        async with await psycopg.AsyncConnection.connect(rights.house.url, autocommit=True) as connection:
            keys = await fetch_keys(connection, key_ids(redemption))
        return EndTerm((redemption,), {place: bytes(16) for place in keys})

    rights.submit(rights.house.run(end()))
    assert rights.house.rows("SELECT serial_index FROM card WHERE redemption = %s", redemption) == [("",)]
    sweep(rights)
    assert led_to(rights) == of_sellers(rights)


def test_a_number_that_another_bears_stays(rights: Rights) -> None:
    """Li redeemed from Wang's number; Wang has corrected hers, and it is still found by the balance."""
    rights.debit(WANG["number"], "slr_li")
    request = rights.stands(kind="correct", number="13800000009").standing.request
    rights.decide(request, number="13800000009")
    sweep(rights)
    assert len(led_to(rights)) == 3
    token = rights.token(WANG["number"])
    asked = rights.ask_by_number(token, kind="access")
    assert isinstance(asked, Shown)
    bundle = rights.fetch_by_number(token, asked.standing.request)
    assert len(getattr(bundle, "debits", ())) == 1


def test_a_round_looks_through_a_stretch_and_the_whole_once_a_day(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "NUMBERS_AT_ONCE", 1)
    first = sweep(rights, rounds=1)
    assert (first.after in led_to(rights), first.again_at) == (True, 0)
    done = sweep(rights, first, rounds=2)
    assert done == Swept("", rights.house.clock.now() + DAY_S * 1_000_000)
    assert sweep(rights, done, rounds=1) == done
    assert len(led_to(rights)) == 2
    assert LI["number"] not in str(led_to(rights))
