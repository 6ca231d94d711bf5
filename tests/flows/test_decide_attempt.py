"""What a decision does: each action from the request to the payout or the refusal, and what is kept of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from suyuan.base import db, wire
from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http import answers
from suyuan.flows.redeem_card import redeem_card
from suyuan.flows.replay_decision import Measured, Outcome, find_decision, measured_again, replay_decision
from suyuan.flows.step_up import Raised, step_up
from suyuan.flows.take_redemption import Taken
from suyuan.risk.vector import read_inputs
from suyuan.settle.account import FOR_EVER, Agent, Key
from tests.flows.consents import give
from tests.flows.decisions import (
    PATH,
    books_are_right,
    complete,
    decided,
    kinds,
    refused,
    sell,
    state_of,
    taken,
)
from tests.flows.house import SIGNERS, House, card, insert, written
from tests.flows.office import people
from tests.risk.policies import QUIET, rule

HOUR_S = 3_600
DELAY = rule("face_fen >= 1", action="delay", delay_s=2 * HOUR_S, reason="payment_comes_later")
REVIEW = rule("face_fen >= 1", action="review", reason="a_person_looks_at_it")
STEP_UP = rule("face_fen >= 1", action="step_up", reason="confirm_it_is_you")
REFUSE = rule("face_fen >= 1", action="refuse", reason="cannot_be_taken")
FREEZE = rule("face_fen >= 1", action="freeze", reason="account_needs_attention")


def test_what_is_approved_is_taken_and_its_decision_stands_behind_it_in_the_same_commit(house: House) -> None:
    answer = taken(house)
    assert kinds(house) == ["redemption_taken", "decision_made"]
    (event,) = decided(house)
    assert (event.redemption, event.action, event.outcome) == (answer.redemption, "approve", "")
    assert (event.seller, event.identity, event.payee) == ("slr_1", "index-of-slr_1", "index-of-slr_1")
    assert (answer.release_at, answer.state) == (0, "pending")
    ((at,),) = house.rows("SELECT at FROM event WHERE kind = 'decision_made/1'")
    assert at == answer.at + 1
    ((seq, action, review),) = house.rows("SELECT seq, action, review FROM decision")
    assert (seq, action, review) == (1, "approve", "")


def test_cards_of_one_lot_have_one_batch_and_others_another(house: House) -> None:
    """All but the last six characters of the serial agree; what is kept says neither the serial nor its beginning."""
    for number in (1, 999_999, 1_000_000):
        taken(house, number, face_fen=10_00)
    first, second, third = decided(house)
    assert first.batch == second.batch != third.batch
    assert f"{1:017d}"[:-6] not in str(house.events())


def test_a_delayed_redemption_is_consumed_now_and_paid_at_its_time(house: House) -> None:
    """Two hours: the operator spends the card at once, the channel hears of it when they are over, and not before."""
    people(house, 1)
    house.decide_by(DELAY)
    answer = taken(house, seller="slr_p1")
    assert answer.release_at == plus(answer.at, 2 * HOUR_S)
    channel = complete(house)
    assert state_of(house, answer.redemption) == "consumed"
    house.clock.advance(2 * HOUR_S - 10)
    complete(house, channel)
    assert channel.orders == []
    house.clock.advance(10)
    complete(house, channel)
    assert state_of(house, answer.redemption) == "paid"
    assert [order.amount for order in channel.orders] == [80_00]
    books_are_right(house)


def test_a_delay_is_told_in_the_answer_and_what_is_not_delayed_is_answered_as_ever(house: House) -> None:
    body = msgspec.json.decode(answers.taken(taken(house)).body)
    assert "release_at" not in body
    house.decide_by(DELAY)
    delayed = taken(house, 2)
    body = msgspec.json.decode(answers.taken(delayed).body)
    assert (body["state"], body["release_at"]) == ("pending", delayed.release_at)


def test_an_answer_of_before_decisions_is_repeated_byte_for_byte(house: House) -> None:
    """An older suyuan kept nine facts of a redemption; its HTTP body said these and no more."""
    old = Taken("rdm_old", 3, 4, 100_00, 80_00, 20_00, 0, 0, "money")
    nine = msgspec.msgpack.encode(["Taken", *msgspec.structs.astuple(old)[:9]])
    again = msgspec.msgpack.decode(nine, type=Taken)
    assert answers.taken(again).body == (
        b'{"redemption":"rdm_old","state":"pending","seq":3,"at":4,"face_fen":10000,"paid":8000,"fee_fen":2000,'
        b'"rounding_fen":0,"debt_fen":0,"value_kind":"money"}'
    )


@pytest.mark.parametrize("policy", [DELAY, REVIEW, REFUSE, STEP_UP, FREEZE])
def test_a_retry_hears_the_first_answer_whatever_decides_by_then(house: House, policy: str) -> None:
    house.decide_by(policy)
    first = sell(house, idempotency="order-A")
    before = house.counts()
    house.decide_by(QUIET)
    house.clock.advance(60)
    again = sell(house, idempotency="order-A")
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(first)
    house.start_again()
    assert msgspec.msgpack.encode(sell(house, idempotency="order-A")) == msgspec.msgpack.encode(first)
    after = house.counts()
    assert (after["event"], after["redemption"]) == (before["event"], before["redemption"])


def test_what_is_under_review_is_neither_consumed_nor_paid(house: House) -> None:
    people(house, 1)
    house.decide_by(REVIEW)
    answer = taken(house, seller="slr_p1")
    assert answer.state == "in_review"
    house.clock.advance(7 * DAY_S)
    channel = complete(house)
    assert (state_of(house, answer.redemption), channel.orders) == ("in_review", [])
    assert house.rows("SELECT id FROM outbox") == []
    assert house.rows("SELECT review FROM decision") == [("waits",)]
    books_are_right(house)
    house.decide_by(QUIET)
    assert refused(house, seller="slr_p1").reason is Reason.card_was_sold_before


def test_a_step_up_is_asked_for_and_a_face_check_of_today_satisfies_it(house: House) -> None:
    give(house)
    house.decide_by(STEP_UP)
    answer = refused(house)
    assert answer.reason is Reason.step_up_is_needed
    assert answer.where == decided(house)[0].redemption
    wish = written({"seller": "slr_1", "capture": "capture-1"})
    assert isinstance(house.run(step_up(house.desk, house.knock("POST", "/v1/step-ups", wish))), Raised)
    assert taken(house).redemption
    house.clock.advance(DAY_S + 1)
    assert refused(house, 2).reason is Reason.step_up_is_needed


def test_the_sellers_own_device_satisfies_a_step_up_once_it_is_older_than_a_day(house: House) -> None:
    signer = SIGNERS["key_device"]
    device = Key(
        "key_device", "seller", "slr_1", signer.algorithm, wire.b64(signer.public), "active", "dev_1", "", FOR_EVER
    )
    with db.connect(house.url, autocommit=True) as connection:
        insert(connection, "signing_key", device)
        connection.execute("UPDATE seller SET bound_at = %s WHERE id = 'slr_1'", (house.clock.now(),))
    house.look_again()
    house.decide_by(STEP_UP)
    assert refused(house, key="key_device").reason is Reason.step_up_is_needed
    house.clock.advance(DAY_S + 1)
    assert taken(house, key="key_device").redemption
    assert refused(house, 2, key="key_seller").reason is Reason.step_up_is_needed


def test_a_refusal_of_risk_takes_nothing_and_names_its_redemption(house: House) -> None:
    house.decide_by(REFUSE)
    before = house.counts()
    answer = refused(house)
    (event,) = decided(house)
    assert answer == Refusal(Reason.redemption_was_declined, event.redemption)
    assert kinds(house) == ["decision_made", "redemption_refused"]
    assert (event.action, event.outcome, event.reason) == ("refuse", "redemption_was_declined", "cannot_be_taken")
    after = house.counts()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"event", "nonce", "idempotency"}
    house.decide_by(QUIET)
    assert taken(house).redemption


def test_a_frozen_seller_redeems_nothing_and_is_told_by_which_attempt(house: House) -> None:
    house.decide_by(FREEZE)
    answer = refused(house)
    (event,) = decided(house)
    assert answer == Refusal(Reason.seller_is_frozen, event.redemption)
    assert kinds(house) == ["decision_made", "redemption_refused", "seller_frozen"]
    house.decide_by(QUIET)
    assert refused(house, 2) == Refusal(Reason.seller_is_frozen, event.redemption)
    # That second refusal came before risk was asked; another seller is not concerned.
    assert len(decided(house)) == 1
    assert taken(house, 3, seller="slr_3").redemption


def test_what_a_frozen_seller_was_promised_waits(house: House) -> None:
    people(house, 1)
    promised = taken(house, seller="slr_p1")
    house.decide_by(FREEZE)
    refused(house, 2, seller="slr_p1")
    channel = complete(house)
    assert (state_of(house, promised.redemption), channel.orders) == ("pending", [])
    house.rows("UPDATE seller SET state = 'active' WHERE id = 'slr_p1' RETURNING id")
    complete(house, channel)
    assert state_of(house, promised.redemption) == "paid"


def test_a_tightened_limit_counts_for_the_attempt_that_it_was_tightened_for(house: House) -> None:
    """Half of 5,000.00 a day is 2,500.00; half of 1,000.00 for one card is 500.00."""
    house.decide_by(rule("face_fen >= 1", limit_percent=50))
    for number in range(5):
        taken(house, number, face_fen=500_00)
    answer = refused(house, 6, face_fen=10_00)
    assert answer.reason is Reason.step_up_is_needed
    last = decided(house)[-1]
    assert (last.action, last.limit_percent, last.outcome) == ("approve", 50, "step_up_is_needed")
    house.decide_by(QUIET)
    assert taken(house, 6, face_fen=10_00).redemption


def test_splitting_in_parallel_meets_the_same_windows_in_order(house: House) -> None:
    """5 × 100.00 at once: each sees those before it, though none of them is committed yet."""
    house.decide_by(rule("seller_count_1h >= 3", action="refuse", reason="cannot_be_taken"))
    knocks = [house.knock("POST", PATH, written(card(number))) for number in range(5)]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(redeem_card(house.desk, knock) for knock in knocks))

    found = [isinstance(answer, Taken) for answer in house.run(all_at_once())]
    assert sorted(found) == [False, False, True, True, True]
    names = house.risk.windows.catalogue.names
    place = names.index("seller_count_1h")
    assert [int(event.inputs.split(",")[place]) for event in decided(house)] == [0, 1, 2, 3, 4]


def test_what_is_refused_before_risk_is_asked_counts_as_an_attempt(house: House) -> None:
    taken(house)
    assert refused(house).reason is Reason.card_was_sold_before
    house.decide_by(rule("seller_count_1h >= 2", action="refuse", reason="cannot_be_taken"))
    assert refused(house, 2).reason is Reason.redemption_was_declined
    assert kinds(house) == [
        "redemption_taken", "decision_made", "redemption_refused", "decision_made", "redemption_refused",
    ]  # fmt: skip


def test_a_chain_of_agents_counts_link_by_link_as_far_as_anybody_counts(house: House) -> None:
    """Three links are three; a ring of agents is as deep as the bound, and the line does not walk for ever."""
    with db.connect(house.url, autocommit=True) as connection:
        for number, parent in ((1, None), (2, 1), (3, 2), (10, 11), (11, 10)):
            above = None if parent is None else f"agt_{parent}"
            insert(connection, "agent", Agent(f"agt_{number}", "ptn_1", above))
    depth = len(house.risk.windows.catalogue.names) + 11
    for number, agent in enumerate((None, "agt_1", "agt_3", "agt_10")):
        taken(house, number, face_fen=10_00, **({} if agent is None else {"agent": agent}))
    assert [event.inputs.split(",")[depth] for event in decided(house)] == ["0", "1", "3", "8"]


@pytest.mark.parametrize("from_history", [False, True])
def test_each_decision_comes_to_the_same_again(house: House, from_history: bool) -> None:
    """From what is stored with it, and from history alone; what was altered since is named."""
    for number in range(4):
        sell(house, number)
        house.clock.advance(1_000)
    with db.connect(house.url, autocommit=True) as connection:
        for event in decided(house):
            found = find_decision(connection, event.redemption)
            assert found is not None
            assert replay_decision(connection, found, from_history=from_history).outcome is Outcome.SAME
        found = find_decision(connection, decided(house)[0].redemption)
        assert found is not None
        altered = found._replace(event=msgspec.structs.replace(found.event, score=99))
        again = replay_decision(connection, altered, from_history=from_history)
    assert (again.outcome, [difference.what for difference in again.where]) == (Outcome.DIFFERS, ["score"])


@pytest.mark.parametrize("policy", [QUIET, REFUSE])
def test_a_decision_stands_at_the_instant_at_which_its_features_were_measured(house: House, policy: str) -> None:
    """The last attempt lies one second back to the microsecond: a micro less, and the gap would be none."""
    taken(house)
    house.clock.advance(1)
    house.decide_by(policy)
    sell(house, 2)
    gap = house.risk.windows.catalogue.names.index("seller_gap_24h")
    first, second = decided(house)
    assert second.inputs.split(",")[gap] == "1"
    ((at,), (later,)) = house.rows("SELECT at FROM event WHERE kind = 'decision_made/1' ORDER BY seq")
    assert later - at == 1_000_000
    house.decide_by(QUIET)
    with db.connect(house.url, autocommit=True) as connection:
        for event in (first, second):
            found = find_decision(connection, event.redemption)
            assert found is not None
            again = replay_decision(connection, found, from_history=True)
            assert again.outcome in (Outcome.SAME, Outcome.POLICY_IS_NOT_HERE)
            measured = Measured(tuple(read_inputs(event.inputs)[: len(house.risk.windows.catalogue.names)]), ())
            assert measured_again(connection, found).features == measured.features


def test_of_a_frozen_seller_no_operator_and_no_face_check_is_asked(house: House) -> None:
    """Both cost money, and nothing that they might say would change the answer."""
    give(house)
    house.rows("UPDATE seller SET state = 'frozen', frozen_at = 1, frozen_by = 'ofc_1' WHERE id = 'slr_1' RETURNING id")
    house.look_again()
    source = {"type": "card", "operator": "telecom", "serial": "1" * 19, "pin": "2" * 18, "face_fen": 100_00}
    assert refused(house, source=source) == Refusal(Reason.seller_is_frozen, "seller")
    assert house.operator.asked == []
    wish = written({"seller": "slr_1", "capture": "capture-1"})
    answer = house.run(step_up(house.desk, house.knock("POST", "/v1/step-ups", wish)))
    assert answer == Refusal(Reason.seller_is_frozen, "seller")
    assert house.face_check.asked == []


def test_a_feature_that_history_does_not_bear_out_is_found_from_history_alone(house: House) -> None:
    taken(house)
    with db.connect(house.url, autocommit=True) as connection:
        found = find_decision(connection, decided(house)[0].redemption)
        assert found is not None
        inputs = "1" + found.event.inputs.removeprefix("0")
        altered = found._replace(event=msgspec.structs.replace(found.event, inputs=inputs))
        assert replay_decision(connection, altered, from_history=False).outcome is Outcome.SAME
        again = replay_decision(connection, altered, from_history=True)
    assert (again.outcome, again.where[0][:3]) == (Outcome.DIFFERS, ("seller_count_10m", "1", "0"))


def test_why_a_decision_cannot_be_computed_again_is_named(house: House) -> None:
    """Another catalogue, a policy that is not here, events that are missing, a person who was forgotten."""
    taken(house)
    taken(house, 2)
    with db.connect(house.url, autocommit=True) as connection:
        found = find_decision(connection, decided(house)[1].redemption)
        assert found is not None

        def outcome(from_history: bool = False, **changes: Any) -> Outcome:
            event = msgspec.structs.replace(found.event, **changes)
            return replay_decision(connection, found._replace(event=event), from_history=from_history).outcome

        assert outcome(features="0" * 64) is Outcome.OTHER_FEATURES
        assert outcome(policy="0" * 64) is Outcome.POLICY_IS_NOT_HERE
        assert outcome(model="0" * 64) is Outcome.POLICY_IS_NOT_HERE
        connection.execute("DELETE FROM event WHERE seq = 1")
        assert outcome(from_history=True) is Outcome.HISTORY_IS_GONE
        connection.execute("INSERT INTO shredding VALUES ('slr_1', 'asked', 1, 2, 1, 0)")
        assert outcome() is Outcome.PERSON_WAS_FORGOTTEN
