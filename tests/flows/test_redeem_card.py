"""The story of a redemption at the door, over the real line and the real books."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.crypto import BadSignature
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.follow_history import follow_history
from suyuan.flows.meet_canary_cards import canary_cards, canary_cards_met
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.privacy.purposes import CARD_PIN, CARD_SERIAL
from suyuan.privacy.retention import load_rules
from suyuan.settle.providers import Unknown
from tests.flows.house import SIGNERS, House, card, insert, seller, written
from tests.risk.policies import QUIET

PATH = "/v1/redemptions"


def redeem(house: House, body: object, **changes: Any) -> Taken | Refusal:
    return house.run(redeem_card(house.desk, house.knock("POST", PATH, written(body), **changes)))


def taken(house: House, body: object, **changes: Any) -> Taken:
    answer = redeem(house, body, **changes)
    assert isinstance(answer, Taken), answer
    return answer


def refused(house: House, body: object, **changes: Any) -> Reason:
    answer = redeem(house, body, **changes)
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_a_card_becomes_money(house: House) -> None:
    """100.00 at 10 : 8 is 80.00 for the seller and 20.00 for us; the card is claimed, the payout is due."""
    answer = taken(house, card())
    assert (answer.face_fen, answer.paid, answer.fee_fen, answer.rounding_fen) == (100_00, 80_00, 20_00, 0)
    assert answer.value_kind == "money"
    assert house.rows("SELECT redemption, state FROM card") == [(answer.redemption, "claimed")]
    assert house.rows("SELECT redemption, kind FROM outbox") == [(answer.redemption, "settle")]
    assert [event["kind"] for event in house.events()] == ["redemption_taken/1", "decision_made/1"]


def test_a_canary_card_is_refused_as_a_wrong_one_and_names_whose_it_was(house: House) -> None:
    """It lay among cards that somebody was given; no operator is asked, and history finds whoever brings it."""
    formats = house.desk.formats("2026-11-22")
    strange: dict[str, Any] = {}
    for operator in ("cmcc", "telecom"):
        canary = canary_cards(house.vault, formats, "exp_7", operator, 3)[2]
        source = {"type": "card", "operator": operator, "serial": canary.serial, "pin": canary.pin, "face_fen": 100_00}
        assert refused(house, card(source=source)) is Reason.card_secret_is_wrong
        # The PIN alone, or with another serial, is no canary: it is what it always was, a card to be asked about.
        strange = source | {"pin": canary.pin[:-1] + str(9 - int(canary.pin[-1]))}
        assert isinstance(redeem(house, card(source=strange)), Taken)
    # Telecom is asked of the strange card alone; of cmcc's cards nobody is asked anyway.
    assert [asked.pin for asked in house.operator.asked] == [strange["pin"]]
    with db.connect(house.url) as connection:
        met = canary_cards_met(connection, house.vault, formats, ["exp_6", "exp_7"])
        assert [(it.export, it.operator, it.number, it.partner, it.seller) for it in met] == [
            ("exp_7", "cmcc", 2, "ptn_1", "slr_1"),
            ("exp_7", "telecom", 2, "ptn_1", "slr_1"),
        ]
        assert canary_cards_met(connection, house.vault, formats, ["exp_6"]) == []


def test_serial_and_pin_are_sealed_before_they_leave_the_door(house: House) -> None:
    """No table holds them; the sealed fields open to an authority for this redemption, and to no other."""
    answer = taken(house, card(7))
    ((sealed_serial, sealed_pin),) = house.rows("SELECT sealed_serial, sealed_secret FROM card")
    assert house.opened(sealed_serial, CARD_SERIAL, answer.redemption) == f"{7:017d}"
    assert house.opened(sealed_pin, CARD_PIN, answer.redemption) == f"{7:018d}"
    for table in ("event", "card", "redemption", "idempotency", "outbox", "subject_key"):
        assert f"{7:017d}" not in str(house.rows(f"SELECT {table}::text FROM {table}"))


def test_a_balance_is_a_source_of_its_own_each_time(house: House) -> None:
    """The holder of a number may sell twice a day; the number is sealed and there is no secret."""
    source = {"type": "balance", "operator": "cmcc", "number": "13800000000", "amount_fen": 50_00}
    for _ in range(2):
        assert taken(house, card(contract="ctr_balance", source=source)).paid == 40_00
    rows = house.rows("SELECT id, redemption, sealed_secret FROM card")
    assert sorted(row[0] for row in rows) == sorted(f"balance-{row[1]}" for row in rows)
    assert {row[2] for row in rows} == {""}


def test_a_retry_gets_the_first_answer(house: House) -> None:
    """Signed anew with the same idempotency key: the same redemption, and nothing is taken twice."""
    first = taken(house, card(), idempotency_key="order-A")
    assert taken(house, card(), idempotency_key="order-A") == first
    assert house.counts()["redemption"] == 1


def test_another_request_under_a_used_key_conflicts(house: House) -> None:
    taken(house, card(1), idempotency_key="order-A")
    reason = refused(house, card(2), idempotency_key="order-A")
    assert reason is Reason.idempotency_key_was_used_for_another_request


def test_a_replayed_request_acts_never(house: House) -> None:
    """The very same bytes again, by somebody who listened."""
    knock = house.knock("POST", PATH, written(card()))
    assert isinstance(house.run(redeem_card(house.desk, knock)), Taken)
    assert house.run(redeem_card(house.desk, knock)) == Refusal(Reason.request_was_replayed)
    assert house.counts()["redemption"] == 1


def test_a_bad_signature_raises_and_changes_nothing(house: House) -> None:
    """Signed by another key than the one that it names."""
    before = house.counts()
    with pytest.raises(BadSignature):
        redeem(house, card(), signer=SIGNERS["key_2"])
    assert house.counts() == before


def test_a_card_is_sold_once_whoever_sells_it(house: House) -> None:
    taken(house, card(5))
    assert refused(house, card(5)) is Reason.card_was_sold_before
    other = card(5, contract="ctr_2", seller="slr_2")
    assert refused(house, other, key="key_2") is Reason.card_was_sold_before


def test_a_key_sells_for_its_own_sellers_under_its_own_contracts(house: House) -> None:
    """Another partner's seller and contract are unknown, not forbidden; a seller's key speaks for that seller alone."""
    assert refused(house, card(seller="slr_2")) is Reason.seller_is_unknown
    assert refused(house, card(contract="ctr_2")) is Reason.contract_is_unknown
    assert refused(house, card(seller="slr_3"), key="key_seller") is Reason.key_may_not_do_this
    assert refused(house, card(agent="agt_9")) is Reason.agent_is_unknown
    assert taken(house, card(), key="key_seller").paid == 80_00


def test_a_revoked_key_acts_no_more_though_the_door_remembers_it(house: House) -> None:
    """The door knows a key for a second; the line asks again before it acts, and before it repeats an answer."""
    taken(house, card(1), idempotency_key="order-A")
    house.rows("UPDATE signing_key SET state = 'revoked' WHERE id = 'key_1' RETURNING id")
    house.line._working_set.forget()  # What the line's own command for revoking would have changed in memory.
    assert refused(house, card(2)) is Reason.key_is_not_active
    assert refused(house, card(1), idempotency_key="order-A") is Reason.key_is_not_active


def test_a_sum_split_into_parallel_pieces_meets_one_limit(house: House) -> None:
    """11 × 500.00 at once against a limit of 5,000.00: ten pass, in whatever order they come."""
    house.decide_by(QUIET)
    face_fen = 500_00
    knocks = [house.knock("POST", PATH, written(card(n, face_fen))) for n in range(1, 12)]

    async def all_at_once() -> list[Taken | Refusal]:
        return await asyncio.gather(*(redeem_card(house.desk, knock) for knock in knocks))

    answers = house.run(all_at_once())
    assert sum(answer.face_fen for answer in answers if isinstance(answer, Taken)) == 5_000_00
    assert [answer.reason for answer in answers if isinstance(answer, Refusal)] == [Reason.step_up_is_needed]


def test_the_expected_payout_is_a_guard_for_the_seller(house: House) -> None:
    assert refused(house, card(1, expected_payout=90_00)) is Reason.payout_is_not_the_expected_one
    assert taken(house, card(1, expected_payout=80_00)).paid == 80_00


def telecom(number: int = 1, **changes: Any) -> dict[str, Any]:
    body = card(number, operator="telecom", **changes)
    body["source"]["serial"] = f"{number:019d}"
    return body


def test_an_operator_that_tells_is_asked_before_anything_is_taken(house: House) -> None:
    """Asking spends nothing. A wrong secret is refused and the card stays free; silence is not held against it."""
    house.operator.verdict = False
    assert refused(house, telecom()) is Reason.card_secret_is_wrong
    assert house.counts()["card"] == 0
    house.operator.verdict = Unknown("timed_out")
    assert taken(house, telecom()).paid == 80_00


def test_a_seller_whom_nobody_has_is_not_kept_by_a_persons_number(house: House) -> None:
    """The refusal is a fact for ever; what a caller wrote in the place of a seller need not be one."""
    number = "13800000001"
    assert refused(house, card(seller=f"slr_{number}", contract=f"ctr_{number}")) is Reason.seller_is_unknown
    (event,) = house.events()
    assert (event["seller"], event["contract"], event["reason"]) == ("", "", "seller_is_unknown")


def test_another_callers_refusals_are_no_decisions_about_a_seller(house: House) -> None:
    """Otherwise any partner could fill what a competitor's seller is told about decisions on them."""
    assert refused(house, card(seller="slr_2")) is Reason.seller_is_unknown
    assert refused(house, card(seller="slr_3"), key="key_seller") is Reason.key_may_not_do_this
    assert refused(house, card(agent="agt_9")) is Reason.agent_is_unknown

    async def follow() -> None:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            assert await follow_history(connection, load_rules())

    house.run(follow())
    assert house.rows("SELECT seller FROM refused_redemption") == [("slr_1",)]


def test_an_operator_is_asked_only_for_who_may_sell(house: House) -> None:
    """Otherwise a key without a contract could try PINs at the operator's counter."""
    assert refused(house, telecom(contract="ctr_2")) is Reason.contract_is_unknown
    assert refused(house, telecom(seller="slr_2")) is Reason.seller_is_unknown
    assert refused(house, telecom(seller="slr_3"), key="key_seller") is Reason.key_may_not_do_this
    assert house.operator.asked == []


def test_an_operator_that_does_not_tell_is_not_asked(house: House) -> None:
    taken(house, card())
    assert house.operator.asked == []


def test_sm2_signs_as_well(house: House) -> None:
    assert taken(house, card(), key="key_sm2").paid == 80_00


def test_the_merchant_id_of_the_other_dialect_must_be_the_keys_own(house: House) -> None:
    """It is not signed there, so it may say nothing but what we know."""
    assert taken(house, card(1), merchant_id="ptn_1").paid == 80_00
    assert refused(house, card(2), merchant_id="1900001") is Reason.merchant_id_cannot_be_asked_for


def test_a_refusal_is_a_fact_and_cannot_flip(house: House) -> None:
    """Refused for a seller who is unknown; after the registration the same request is still refused, a new one not."""
    assert refused(house, card(seller="slr_9"), idempotency_key="order-A") is Reason.seller_is_unknown
    assert house.events()[0]["reason"] == "seller_is_unknown"
    with db.connect(house.url, autocommit=True) as connection:
        insert(connection, "seller", seller("slr_9", "ptn_1"))
    assert refused(house, card(seller="slr_9"), idempotency_key="order-A") is Reason.seller_is_unknown
    assert taken(house, card(seller="slr_9")).paid == 80_00
