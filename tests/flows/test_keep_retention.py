"""Terms end by themselves: PINs, sellers who came no more, and people whom a law made us keep for a while."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.change_terms import AnyChange, encode_change
from suyuan.flows.follow_history import follow_history
from suyuan.flows.forget_subject import Forgotten, Shredder, finish_shreddings
from suyuan.flows.hold_records import HeldSubject, LiftHold
from suyuan.flows.hold_warrants import AddWarrant
from suyuan.flows.keep_retention import EndTerm, MoveSeller, TermsEnded, keep_retention
from suyuan.flows.read_fields import ReadRecorded
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.sell_on import SellOn
from suyuan.privacy.retention import RetentionRules, load_rules
from suyuan.privacy.subject_keys import fetch_keys
from tests.flows.house import House, card, contract, insert, open_house, written
from tests.flows.test_forget_subject import OFFICERS, forget, hear, intend, keys, register, sell, submit

RULES = load_rules()
LEADING = """
SELECT count(*) FROM pseudonym, seller
WHERE seller.id = 'slr_new' AND pseudonym IN (seller.identity, seller.payee, seller.number)
"""
_proposals = itertools.count(100)


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as opened:
        register(opened)
        for officer in OFFICERS:
            submit(opened, officers.register(officer))
        yield opened


def keep(house: House, *, days: float = 0, rules: RetentionRules = RULES) -> list[Forgotten]:
    """So many days later the keeper of the house passes by."""
    house.clock.advance(days * DAY_S)

    async def go() -> list[Forgotten]:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            look_up = functools.partial(fetch_keys, connection)
            shredder = Shredder(house.line, house.vault, look_up, connection, rules)
            assert await follow_history(connection, rules)
            await keep_retention(shredder, now=house.clock.now())
            return await finish_shreddings(shredder, now=house.clock.now())

    return house.run(go())


def secret_is_there(house: House, redemption: str) -> bool:
    return not keys(house)[f"{redemption}/card_secret"].is_forgotten


def states(house: House, owner: str = "slr_new") -> dict[str, str]:
    return dict(house.rows("SELECT id, state FROM retention WHERE owner = %s", owner))


def kinds(house: House) -> list[str]:
    return [event["kind"] for event in house.events()]


def read(house: House, purpose: str, reference: str, number: int = 0) -> Any:
    command = officers.read(
        OFFICERS[number], purpose, reference, subjects=["slr_new"], fields=["seller.name/1"], now=house.clock.now()
    )
    return submit(house, command)


def decide(house: House, change: AnyChange) -> Any:
    """Both officers want it."""
    proposal, (first, second) = f"prp_{next(_proposals)}", OFFICERS
    submit(house, officers.propose(first, proposal, change))
    return submit(house, officers.approve(second, proposal, encode_change(change)))


def order_about_seller(house: House, **changes: Any) -> AddWarrant:
    now = house.clock.now()
    order = AddWarrant(
        "wrt_1", "某市公安局", "2026-17", "0" * 64, ("slr_new",), ("seller.name/1",), now, now + 3_650 * DAY_S * 10**6
    )
    return msgspec.structs.replace(order, **changes)


def test_a_sold_cards_secret_is_gone_thirty_days_after_it_was_settled(house: House) -> None:
    """Not an hour before; the amounts and pseudonyms stay, the term and its rule stand in history."""
    redemption = sell(house, 1)
    keep(house, days=10)
    hear(house, redemption, "consumed", "paid")
    keep(house, days=29.9)
    assert secret_is_there(house, redemption)
    # The agenda had believed that the term began with the sale; it looks again a day later.
    keep(house, days=1)
    assert not secret_is_there(house, redemption)
    (ended,) = [event for event in house.events() if event["kind"] == "term_ended/1"]
    assert (ended["redemptions"], ended["law"], ended["article"]) == ([redemption], "个人信息保护法", "19")
    assert states(house)[redemption] == "shredded"
    assert len(house.rows("SELECT 1 FROM redemption WHERE state = 'paid'")) == 1


def test_a_card_in_stock_keeps_its_secret_as_long_as_the_stock(house: House) -> None:
    """It is sold on half a year later, and gone thirty days after that."""
    held = msgspec.structs.replace(contract("ctr_hold", "ptn_1"), disposition="hold_then_sell", hold_s=60)
    with psycopg.connect(house.url, autocommit=True) as connection:
        insert(connection, "contract", held)
    body = written(card(1) | {"seller": "slr_new", "contract": "ctr_hold"})
    taken = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
    assert isinstance(taken, Taken)
    hear(house, taken.redemption, "proven", "paid")
    for _ in range(6):
        keep(house, days=31)
        assert secret_is_there(house, taken.redemption)
    submit(house, SellOn(taken.redemption, "agt_1"))
    hear(house, taken.redemption, "consumed")
    keep(house, days=29)
    assert secret_is_there(house, taken.redemption)
    keep(house, days=2)
    assert not secret_is_there(house, taken.redemption)


def test_a_payout_under_way_keeps_the_secret_it_may_still_need(house: House) -> None:
    redemption = sell(house, 1)
    keep(house, days=60)
    assert secret_is_there(house, redemption)


def test_a_seller_who_came_no_more_is_restricted_and_the_next_sale_ends_that(house: House) -> None:
    """A year without a sale: staff see not even masked values. Then the seller comes back."""
    hear(house, sell(house, 1), "consumed", "paid")
    keep(house, days=364)
    assert read(house, "help_seller", "call 1").subjects == ("slr_new",)
    keep(house, days=2)
    assert states(house)["slr_new"] == "restricted"
    assert read(house, "help_seller", "call 2").subjects == ()
    hear(house, sell(house, 2), "consumed", "paid")
    keep(house)
    assert states(house)["slr_new"] == "active"
    assert read(house, "help_seller", "call 3").subjects == ("slr_new",)
    assert [kind for kind in kinds(house) if kind.startswith("processing_")] == [
        "processing_restricted/1", "processing_resumed/1",
    ]  # fmt: skip


def test_a_seller_is_forgotten_when_the_law_no_longer_keeps_them(house: House) -> None:
    """Three years after the last sale, with nobody asking. It is intended, done, and told like any forgetting."""
    hear(house, sell(house, 1), "consumed", "paid")
    keep(house, days=400)
    assert keep(house, days=690) == []
    assert keep(house, days=6) == [Forgotten("slr_new", 1)]
    assert set(states(house).values()) == {"shredded"}
    assert kinds(house).count("shredding_intended/1") == 1
    keep(house, days=30)
    assert kinds(house).count("subjects_shredded/1") == 1


def test_somebody_who_registered_and_never_sold_is_forgotten_after_a_year(house: House) -> None:
    keep(house, days=364)
    assert keep(house, days=2) == [Forgotten("slr_new", 1)]


def test_who_asks_to_be_forgotten_is_closed_at_once_and_kept_as_long_as_the_law_says(house: House) -> None:
    """Staff see nothing from the decision on; an authority's order still does; after the term nothing is left."""
    hear(house, sell(house, 1), "consumed", "paid")
    assert not isinstance(intend(house), Refusal)
    assert keep(house) == []
    (put_off,) = [event for event in house.events() if event["kind"] == "shredding_put_off/1"]
    assert (put_off["reason"], put_off["law"], put_off["article"]) == ("statutory_term", "电子商务法", "31")
    assert read(house, "help_seller", "call 1").subjects == ()
    assert not isinstance(decide(house, order_about_seller(house)), Refusal)
    assert read(house, "answer_authority", "wrt_1").subjects == ("slr_new",)
    assert keep(house, days=1_094) == []
    assert keep(house, days=2) == [Forgotten("slr_new", 1)]
    assert read(house, "answer_authority", "wrt_1", number=1).subjects == ()


def test_it_is_put_off_once_and_not_in_every_round(house: House) -> None:
    hear(house, sell(house, 1), "consumed", "paid")
    intend(house)
    for _ in range(3):
        keep(house)
    assert kinds(house).count("shredding_put_off/1") == 1


def test_a_case_keeps_everything_of_a_person_until_two_officers_lift_the_hold(house: House) -> None:
    """Placed by one officer while the shredding is already intended; two cases, and the last one lifted ends it."""
    redemption = sell(house, 1)
    hear(house, redemption, "consumed", "paid")
    for case in ("case_7", "case_9"):
        held = submit(house, officers.hold(OFFICERS[0], "slr_new", case, now=house.clock.now()))
        assert isinstance(held, HeldSubject)
    intend(house)
    assert keep(house, days=1_200) == []
    assert secret_is_there(house, redemption)
    assert house.rows(LEADING) == [(3,)], "what leads to a held person is evidence as well"
    decide(house, LiftHold("slr_new", "case_7"))
    assert keep(house, days=2) == []
    decide(house, LiftHold("slr_new", "case_9"))
    assert keep(house, days=2) == [Forgotten("slr_new", 1)]
    assert not secret_is_there(house, redemption)


def test_nobody_who_is_forgotten_is_held(house: House) -> None:
    """An officer who believed that everything is kept would tell a court so."""
    intend(house)
    assert keep(house) == [Forgotten("slr_new", 1)]
    answer = submit(house, officers.hold(OFFICERS[0], "slr_new", "case_7", now=house.clock.now()))
    assert answer == Refusal(Reason.subject_is_forgotten, "seller")


def test_a_hold_is_the_officers_own_and_fresh(house: House) -> None:
    """Somebody else's signature, an old one, and the same one again place nothing."""
    good = officers.hold(OFFICERS[0], "slr_new", "case_7", now=house.clock.now())
    forged = msgspec.structs.replace(good, case="case_8")
    assert submit(house, forged) == Refusal(Reason.officer_signature_is_wrong, "signature")
    assert isinstance(submit(house, good), HeldSubject)
    assert submit(house, good) == Refusal(Reason.request_was_replayed)
    house.clock.advance(3_600)
    stale = officers.hold(OFFICERS[0], "slr_new", "case_8", now=plus(house.clock.now(), -301))
    assert submit(house, stale) == Refusal(Reason.officer_signature_is_too_old, "at")
    assert house.rows("SELECT cases FROM legal_hold") == [("case_7",)]


def test_a_sale_just_before_the_person_is_given_up_is_kept_as_the_law_says(house: House) -> None:
    """It was settled after the keeper had read history, and before the keeper looked for whom to forget."""
    assert keep(house) == []
    hear(house, sell(house, 1), "consumed", "paid")
    intend(house)

    async def go() -> list[Forgotten]:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            shredder = Shredder(house.line, house.vault, functools.partial(fetch_keys, connection), connection, RULES)
            return await finish_shreddings(shredder, now=house.clock.now())

    assert house.run(go()) == []
    assert "shredding_put_off/1" in kinds(house)


def test_no_case_is_named_by_somebodys_number(house: House) -> None:
    """History keeps the name of a case for ever."""
    for case in ("13800000001", "case-138-0000-0001", "110101199001011237", "6222021234567894"):
        answer = submit(house, officers.hold(OFFICERS[0], "slr_new", case, now=house.clock.now()))
        assert answer == Refusal(Reason.text_holds_personal_value, "case")
    assert house.rows("SELECT * FROM legal_hold") == []


@pytest.mark.parametrize("case", ["", "two words 7", "案", "王芳", "x" * 65, "7" * 65, "7\n", "7\x00", "7；8"])
def test_a_case_is_named_by_a_plain_number(house: House, case: str) -> None:
    answer = submit(house, officers.hold(OFFICERS[0], "slr_new", case, now=house.clock.now()))
    assert answer == Refusal(Reason.case_number_is_malformed, "case")


def test_a_case_is_held_and_lifted_by_the_number_that_a_court_gave_it(house: House) -> None:
    case = "（2026）京0105刑初17号"
    held = submit(house, officers.hold(OFFICERS[0], "slr_new", case, now=house.clock.now()))
    assert held == HeldSubject("slr_new", case)
    assert not isinstance(decide(house, LiftHold("slr_new", case)), Refusal)
    assert house.rows("SELECT cases FROM legal_hold") == [("",)]


def test_the_line_ends_no_term_that_is_not_over_whatever_it_is_asked(house: House) -> None:
    """A keeper with a wrong agenda, or a wrong clock, cannot shred what is in use."""
    redemption = sell(house, 1)
    place = f"{redemption}/card_secret"
    asked = EndTerm((redemption, "rdm_nobody"), {place: bytes(16)})
    assert submit(house, asked) == TermsEnded(())
    hear(house, redemption, "consumed", "paid")
    house.clock.advance(29 * DAY_S)
    assert submit(house, asked) == TermsEnded(())
    assert secret_is_there(house, redemption)
    house.clock.advance(2 * DAY_S)
    assert submit(house, asked) == TermsEnded((redemption,))


def test_the_line_gives_up_no_seller_whose_term_cannot_be_over_yet(house: House) -> None:
    """Whoever holds its socket and says that a year has passed is not believed."""
    assert submit(house, MoveSeller("slr_new", "shredded")) == TermsEnded(())
    assert submit(house, MoveSeller("slr_nobody", "shredded")) == TermsEnded(())
    assert house.rows("SELECT * FROM shredding") == []


def test_a_keeper_that_dies_before_the_agenda_is_kept_goes_on_and_tells_nothing_twice(house: House) -> None:
    """The line has forgotten the key, the agenda does not know it yet: the next round finds nothing left to do."""
    redemption = sell(house, 1)
    hear(house, redemption, "consumed", "paid")
    keep(house, days=31)
    with psycopg.connect(house.url, autocommit=True) as connection:
        connection.execute("UPDATE retention SET state = 'active' WHERE id = %s", (redemption,))
    keep(house, days=2)
    assert states(house)[redemption] == "shredded"
    assert kinds(house).count("term_ended/1") == 1


def test_history_is_followed_from_its_beginning_and_each_event_once(house: House) -> None:
    """A platform that is older than its agenda: everything is put on it, and a second pass changes nothing."""
    hear(house, sell(house, 1), "consumed", "paid")
    keep(house)
    before = house.rows("SELECT * FROM retention ORDER BY id")
    with psycopg.connect(house.url, autocommit=True) as connection:
        connection.execute("DELETE FROM follower")
    keep(house)
    assert house.rows("SELECT * FROM retention ORDER BY id") == before


def test_who_read_what_of_a_seller_is_found_by_the_seller(house: House) -> None:
    """Reads of the seller and of the seller's cards, and of nobody else's."""
    redemption = sell(house, 1)
    first = read(house, "help_seller", "call 1")
    assert isinstance(first, ReadRecorded)
    keep(house)
    assert house.rows("SELECT subject, seq FROM field_read") == [("slr_new", first.seq)]
    assert redemption not in str(house.rows("SELECT subject FROM field_read"))


def test_a_forgotten_seller_of_a_land_without_terms_leaves_an_agenda_that_is_done(house: House) -> None:
    forget(house)
    assert set(states(house).values()) == {"shredded"}
