"""A person looks at what a machine decided: who is concerned asks, an officer decides, and something comes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.http import decisions as shown
from suyuan.flows.ask_review import ReviewStands, ask_review
from suyuan.flows.change_terms import Changed
from suyuan.flows.freeze_seller import LiftFreeze, SellerIsFrozen
from suyuan.flows.review_case import Reviewed
from suyuan.flows.show_decision import ShownDecision, show_decision
from suyuan.history.store import next_seq
from suyuan.risk.row import BAD, Row
from suyuan.risk.tail import rows_from
from tests.flows.decisions import books_are_right, complete, decided, kinds, refused, sell, state_of, taken
from tests.flows.house import House
from tests.flows.office import FIRST, Office, people
from tests.flows.test_decide_attempt import DELAY, FREEZE, HOUR_S, REFUSE, REVIEW, STEP_UP
from tests.risk.policies import QUIET, rule

HALF = rule("face_fen >= 1", limit_percent=50)


@pytest.fixture
def office(house: House) -> Office:
    """Officers, and a seller whose data is sealed."""
    people(house, 1)
    return Office(house)


def ask(house: House, redemption: str, key: str = "key_1", **changes: Any) -> ReviewStands | Refusal:
    target = f"/v1/redemptions/{redemption}/review"
    return house.run(ask_review(house.desk, house.knock("POST", target, b"{}", key=key, **changes), redemption))


def show(house: House, redemption: str, key: str = "key_1") -> ShownDecision | Refusal:
    target = f"/v1/redemptions/{redemption}/decision"
    return house.run(show_decision(house.desk, house.knock("GET", target, key=key), redemption))


def decide(office: Office, redemption: str, verdict: str, *, is_bad: bool = False, reason: str = "seen") -> Any:
    now = office.house.clock.now()
    return office.submit(officers.review(FIRST, redemption, verdict, reason, is_bad=is_bad, now=now))


def bad_rows(house: House) -> list[Row]:
    with db.connect(house.url, autocommit=True) as connection:
        return [row for row in rows_from(connection, 0, next_seq(connection)) if row.kind == BAD]


# --- what waits ----------------------------------------------------------------------------------


def test_what_an_officer_lets_go_is_consumed_and_paid(house: House, office: Office) -> None:
    house.decide_by(REVIEW)
    answer = taken(house, seller="slr_p1")
    assert decide(office, answer.redemption, "pay") == Reviewed(answer.redemption, "pay")
    channel = complete(house)
    assert state_of(house, answer.redemption) == "paid"
    assert [order.amount for order in channel.orders] == [80_00]
    assert decide(office, answer.redemption, "pay") == Refusal(Reason.review_is_closed)
    books_are_right(house)


def test_what_an_officer_refuses_is_as_if_it_had_never_been_taken(house: House, office: Office) -> None:
    """The card is the seller's again, the limits have their room, the partner is told, and nothing is owed."""
    house.rows("UPDATE partner SET webhook_url = 'https://partner.example/told' WHERE id = 'ptn_1' RETURNING id")
    house.look_again()
    house.decide_by(REVIEW)
    answer = taken(house, seller="slr_p1", face_fen=500_00)
    assert decide(office, answer.redemption, "refuse", is_bad=True) == Reviewed(answer.redemption, "refuse")
    assert state_of(house, answer.redemption) == "declined"
    assert house.rows("SELECT state FROM card") == [("released",)]
    assert house.rows("SELECT sum(debits_pending + debits_posted) FROM account") == [(0,)]
    ((message,),) = house.rows("SELECT id FROM outbox")
    assert message == f"{answer.redemption}-declined"
    (row,) = bad_rows(house)
    assert row.face_fen == 500_00
    books_are_right(house)
    house.decide_by(QUIET)
    assert taken(house, seller="slr_p1", face_fen=500_00).redemption != answer.redemption
    books_are_right(house)


@pytest.mark.parametrize("verdict", ["upheld", "overturned"])
def test_what_waits_is_paid_or_refused_and_nothing_else(house: House, office: Office, verdict: str) -> None:
    house.decide_by(REVIEW)
    answer = taken(house, seller="slr_p1")
    assert decide(office, answer.redemption, verdict) == Refusal(Reason.verdict_is_not_possible, "verdict")
    assert state_of(house, answer.redemption) == "in_review"


# --- what is delayed -----------------------------------------------------------------------------


def test_a_delay_that_is_overturned_is_paid_at_once(house: House, office: Office) -> None:
    house.decide_by(DELAY)
    answer = taken(house, seller="slr_p1")
    channel = complete(house)
    assert isinstance(ask(house, answer.redemption), ReviewStands)
    assert isinstance(decide(office, answer.redemption, "overturned"), Reviewed)
    complete(house, channel)
    assert state_of(house, answer.redemption) == "paid"
    books_are_right(house)


def test_a_delayed_payout_can_be_withdrawn_before_its_release_and_not_behind_it(house: House, office: Office) -> None:
    """What the delay is for: a consumed card is gone, so the seller keeps the claim; nobody is paid."""
    house.decide_by(DELAY)
    early, late = (taken(house, number, seller="slr_p1") for number in (1, 2))
    complete(house)
    assert isinstance(decide(office, early.redemption, "refuse", is_bad=True), Reviewed)
    assert state_of(house, early.redemption) == "payout_refused"
    house.clock.advance(2 * HOUR_S)
    assert decide(office, late.redemption, "refuse").reason is Reason.payout_is_under_way
    channel = complete(house)
    assert [order.order_no for order in channel.orders] == [f"{late.redemption}-p"]
    books_are_right(house)


def test_a_card_that_is_not_spent_yet_is_not_withdrawn(house: House, office: Office) -> None:
    """The operator may have been asked; only its answer says what became of the card."""
    house.decide_by(DELAY)
    answer = taken(house, seller="slr_p1")
    assert decide(office, answer.redemption, "refuse") == Refusal(Reason.verdict_is_not_possible, "verdict")


# --- what was refused ----------------------------------------------------------------------------


def test_a_refusal_that_is_overturned_lets_that_attempt_pass_once(house: House, office: Office) -> None:
    """The same card of the same seller for the same amount, and no other; the machine is not asked about it."""
    house.decide_by(REFUSE)
    redemption = refused(house).where
    stands = ask(house, redemption)
    assert isinstance(stands, ReviewStands)
    assert stands.review == "asked"
    assert isinstance(decide(office, redemption, "overturned"), Reviewed)
    assert refused(house, 2).reason is Reason.redemption_was_declined
    assert refused(house, face_fen=200_00).reason is Reason.redemption_was_declined
    assert refused(house, seller="slr_3").reason is Reason.redemption_was_declined
    passed = taken(house)
    assert decided(house)[-1].policy == ""
    assert kinds(house)[-3:] == ["redemption_taken", "decision_made", "list_entry_removed"]
    assert house.rows("SELECT count(*) FROM list_entry") == [(0,)]
    assert passed.state == "pending"
    assert refused(house).reason is Reason.card_was_sold_before


def test_a_pass_outlives_a_restart_and_ends_after_a_week(house: House, office: Office) -> None:
    house.decide_by(REFUSE)
    first, second = refused(house, 1).where, refused(house, 2).where
    for redemption in (first, second):
        ask(house, redemption)
        decide(office, redemption, "overturned")
    house.start_again()
    house.decide_by(REFUSE)
    assert taken(house, 1).redemption
    house.clock.advance(7 * DAY_S + 1)
    assert refused(house, 2).reason is Reason.redemption_was_declined


def test_a_balance_passes_by_its_number(house: House, office: Office) -> None:
    """Each redemption of a balance is a source of its own, so the number and the amount stand for it."""
    source: dict[str, Any] = {"type": "balance", "operator": "cmcc", "number": "13800000009", "amount_fen": 50_00}
    wish: dict[str, Any] = {"contract": "ctr_balance", "source": source}
    house.decide_by(REFUSE)
    redemption = refused(house, **wish).where
    ask(house, redemption)
    decide(office, redemption, "overturned")
    other = wish | {"source": source | {"number": "13800000008"}}
    assert refused(house, **other).reason is Reason.redemption_was_declined
    assert taken(house, **wish).redemption
    assert refused(house, **wish).reason is Reason.redemption_was_declined


def test_a_refusal_that_is_upheld_stays(house: House, office: Office) -> None:
    house.decide_by(REFUSE)
    redemption = refused(house).where
    assert decide(office, redemption, "upheld") == Refusal(Reason.review_is_closed)
    ask(house, redemption)
    assert isinstance(decide(office, redemption, "upheld", is_bad=True), Reviewed)
    assert len(bad_rows(house)) == 1
    assert refused(house, idempotency="again").reason is Reason.redemption_was_declined


def test_limits_that_were_tightened_can_be_overturned_for_that_attempt(house: House, office: Office) -> None:
    house.decide_by(HALF)
    for number in range(1, 6):
        taken(house, number, face_fen=500_00)
    sell(house, 9, face_fen=500_00)
    redemption = decided(house)[-1].redemption
    ask(house, redemption)
    assert isinstance(decide(office, redemption, "overturned"), Reviewed)
    assert taken(house, 9, face_fen=500_00).redemption


# --- who is frozen -------------------------------------------------------------------------------


def test_a_freeze_is_lifted_by_two_and_by_no_review(house: House, office: Office) -> None:
    house.decide_by(FREEZE)
    redemption = refused(house).where
    house.decide_by(QUIET)
    ask(house, redemption)
    assert isinstance(decide(office, redemption, "overturned"), Reviewed)
    assert refused(house).reason is Reason.seller_is_frozen
    assert isinstance(office.decide(LiftFreeze("slr_1", "papers were seen")), Changed)
    assert taken(house).redemption
    assert kinds(house).count("seller_unfrozen") == 1
    assert office.decide(LiftFreeze("slr_1", "again")) == Refusal(Reason.proposal_is_impossible, "change")


def test_one_officer_freezes_at_once_and_only_who_trades(house: House, office: Office) -> None:
    now = house.clock.now()
    frozen = officers.freeze(FIRST, "slr_1", "reported by the police", now=now)
    assert office.submit(frozen) == SellerIsFrozen("slr_1")
    assert refused(house) == Refusal(Reason.seller_is_frozen, "seller")
    again = officers.freeze(FIRST, "slr_1", "twice", now=plus(now, 1))
    assert office.submit(again).reason is Reason.seller_is_frozen
    unknown = officers.freeze(FIRST, "slr_none", "who?", now=plus(now, 2))
    assert office.submit(unknown).reason is Reason.seller_is_unknown
    forged = msgspec.structs.replace(officers.freeze(FIRST, "slr_3", "x", now=now), seller="slr_p1")
    assert office.submit(forged).reason is Reason.officer_signature_is_wrong
    telling = officers.freeze(FIRST, "slr_3", "call 13800000001", now=plus(now, 3))
    assert office.submit(telling).reason is Reason.text_holds_personal_value


# --- who may ask, and what they are told ---------------------------------------------------------


def test_asking_is_kept_once_and_answered_alike_whenever_it_comes(house: House, office: Office) -> None:
    house.decide_by(REFUSE)
    redemption = refused(house).where
    first = ask(house, redemption, idempotency_key="one")
    house.clock.advance(60)
    assert ask(house, redemption, idempotency_key="one") == first
    assert ask(house, redemption, idempotency_key="two") == first
    assert ask(house, redemption, key="key_seller") == first
    assert kinds(house).count("review_asked") == 1
    decide(office, redemption, "upheld")
    assert ask(house, redemption) == msgspec.structs.replace(first, review="upheld")


def test_nobody_learns_of_decisions_about_others(house: House) -> None:
    """Another partner, another seller's key, and an id that nobody has, are told the same."""
    house.decide_by(REFUSE)
    redemption, others = refused(house).where, refused(house, 2, seller="slr_3").where
    for key, about in (("key_2", redemption), ("key_seller", others), ("key_1", "rdm_none")):
        assert ask(house, about, key=key) == Refusal(Reason.redemption_has_no_decision)
        assert show(house, about, key=key) == Refusal(Reason.redemption_has_no_decision)
    assert kinds(house).count("review_asked") == 0


def test_nothing_was_decided_against_whoever_was_approved(house: House) -> None:
    answer = taken(house)
    assert ask(house, answer.redemption) == Refusal(Reason.review_is_not_needed)
    found = show(house, answer.redemption)
    assert isinstance(found, ShownDecision)
    body = msgspec.json.decode(shown.decision(found).body)
    assert (body["action"], body["ask"], body["sentence"]) == ("approve", None, "")


def test_a_stopped_partner_stands_in_no_sellers_way(house: House) -> None:
    house.decide_by(REFUSE)
    redemption = refused(house).where
    house.rows("INSERT INTO kill_switch VALUES ('partner:ptn_1', true, 1) RETURNING target")
    house.look_again()
    assert isinstance(ask(house, redemption, key="key_seller"), ReviewStands)
    assert isinstance(show(house, redemption, key="key_seller"), ShownDecision)


@pytest.mark.parametrize(("policy", "action"), [(DELAY, "delay"), (REFUSE, "refuse"), (STEP_UP, "step_up")])
def test_what_is_shown_says_what_was_done_why_and_how_to_ask(house: House, policy: str, action: str) -> None:
    """In both languages, and never by which rule, score, value or list."""
    house.decide_by(policy)
    sell(house)
    (event,) = decided(house)
    found = show(house, event.redemption)
    assert isinstance(found, ShownDecision)
    reply = shown.decision(found)
    body = msgspec.json.decode(reply.body)
    assert (body["action"], body["reason"]) == (action, event.reason)
    assert body["sentence"]
    assert body["sentence_zh"]
    assert body["ask"]["path"] == f"/v1/redemptions/{event.redemption}/review"
    assert bool(body["release_at"]) == (action == "delay")
    for secret in ("the_rule", "face_fen", event.policy, event.features):
        assert secret.encode() not in reply.body


def test_an_officers_words_hold_no_personal_value(house: House, office: Office) -> None:
    house.decide_by(REVIEW)
    answer = taken(house, seller="slr_p1")
    told = decide(office, answer.redemption, "pay", reason="caller 13800000001")
    assert told == Refusal(Reason.text_holds_personal_value, "reason")
    bad = decide(office, answer.redemption, "pay", is_bad=True)
    assert bad == Refusal(Reason.verdict_is_not_possible, "is_bad")
