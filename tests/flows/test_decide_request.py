"""What an officer decides of a person's request: corrections, deletions, heirs, reviews, refusals with their rule."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.answer_subject import Shown
from suyuan.flows.decide_request import Corrected, RequestDecided, open_correction
from suyuan.flows.read_fields import ReadRecorded
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.privacy import requests
from suyuan.privacy.bundles import Bundle
from suyuan.privacy.purposes import SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE
from suyuan.privacy.requests import REFUSALS
from suyuan.privacy.subject_keys import fetch_keys, key_ids
from tests.flows.rights_house import LI, OFFICERS, WANG, Rights, unsigned_decision, values_of


def waiting(rights: Rights, **wish: Any) -> str:
    standing = rights.stands(**wish).standing
    assert standing.state == "in_review"
    return standing.request


def correction(rights: Rights, request: str, *, officer: int = 0) -> list[Corrected] | Refusal:
    """An officer opens what a correction says, whole, as the command line does."""
    fields = (SELLER_NAME.name, SELLER_NUMBER.name)
    house = rights.house
    command = officers.read(
        OFFICERS[officer], "correct_seller", request, subjects=("slr_wang",), fields=fields, now=house.clock.now()
    )

    async def go() -> list[Corrected] | Refusal:
        seller = await house.desk.lookup.seller("slr_wang")
        found = await requests.find(house.desk.fetch, request)
        assert seller is not None
        assert found is not None
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            keys = await fetch_keys(connection, key_ids("slr_wang"))
        return await open_correction(house.line, house.vault, keys, (seller, found), command)

    return house.run(go())


# --- corrections ---


def test_a_correction_takes_effect_once_an_officer_accepts(rights: Rights) -> None:
    """Until then nothing has changed; then the name and the number are new, and the number is found under its index."""
    request = waiting(rights, kind="correct", name="王方", number="13800000009")
    assert values_of(rights.bundle(kind="copy"))["seller.name/1"] == "王芳"
    assert correction(rights, request) == [
        Corrected("seller.name/1", "王芳", "王方"), Corrected("seller.number/1", "13800000001", "13800000009"),
    ]  # fmt: skip
    assert rights.decide(request) == Refusal(Reason.field_is_malformed, "number")
    assert rights.decide(request, number="13800000009") == RequestDecided(request, "corrected")
    copy = rights.fetch(rights.stands(kind="copy").standing.request)
    assert isinstance(copy, Bundle)
    assert (values_of(copy)["seller.name/1"], values_of(copy)["seller.number/1"]) == ("王方", "13800000009")
    ((number,),) = rights.house.rows("SELECT number FROM seller WHERE id = 'slr_wang'")
    (told,) = rights.told("seller_corrected/1")
    assert (told["request"], told["number"], told["by"]) == (request, number, "ofc_1")
    assert number not in [event["number"] for event in rights.told("seller_registered/2")]
    # Whoever has the new number and the ID number is known as her; with the old one nobody is.
    found = rights.ask_by_number(rights.token("13800000009", identity_number=WANG["identity_number"]), kind="restrict")
    assert isinstance(found, Shown)
    old = rights.token(WANG["number"], identity_number=WANG["identity_number"])
    assert rights.ask_by_number(old, kind="restrict") == Refusal(Reason.identity_is_not_proven)
    shown = rights.show(request)
    assert isinstance(shown, Shown)
    assert (shown.standing.state, shown.standing.outcome) == ("answered", "corrected")


def test_what_was_asked_to_be_corrected_is_gone_from_the_request_once_it_is_decided(rights: Rights) -> None:
    """The request store is no second place for names; neither is the memory of idempotency keys."""
    for refusal in ("", "is_not_shown_to_be_wrong"):
        request = waiting(rights, kind="correct", name="王方")
        ((sealed,),) = rights.house.rows("SELECT sealed_name FROM subject_request WHERE id = %s", request)
        assert sealed.startswith("2a.")
        answers = rights.house.rows("SELECT answer FROM idempotency")
        assert not any(sealed.encode() in answer for (answer,) in answers)
        rights.decide(request, refusal)
        row = rights.house.rows("SELECT sealed_name || sealed_number FROM subject_request WHERE id = %s", request)
        assert row == [("",)]


def test_an_officer_sees_whole_values_for_a_waiting_correction_alone(rights: Rights) -> None:
    """Not for a deletion, not of another person, not once it is decided; and it stands in history."""
    request = waiting(rights, kind="correct", name="王方")
    deletion = waiting(rights, kind="delete")

    def read(reference: str, *subjects: str) -> Any:
        now = rights.house.clock.now()
        names = (SELLER_NAME.name,)
        return rights.submit(
            officers.read(OFFICERS[0], "correct_seller", reference, subjects=subjects, fields=names, now=now)
        )

    refused = Refusal(Reason.read_is_not_allowed, "reference")
    assert read(deletion, "slr_wang") == refused
    assert read("req_nobody", "slr_wang") == refused
    assert read(request, "slr_li") == refused
    assert read(request, "slr_wang", "slr_li") == refused
    assert isinstance(read(request, "slr_wang"), ReadRecorded)
    rights.decide(request)
    rights.house.clock.advance(1)
    assert read(request, "slr_wang") == refused
    (told,) = rights.told("fields_read/2")
    assert (told["purpose"], told["reader"], told["reference"]) == ("correct_seller", "ofc_1", request)


def test_a_correction_opens_no_payee(rights: Rights) -> None:
    """No purpose of an officer does: the field does not name it."""
    assert "correct_seller" not in [purpose.id for purpose in SELLER_PAYEE.purposes]


# --- deletions ---


def test_a_deletion_takes_the_persons_proof_and_one_officer(rights: Rights) -> None:
    """Closed at once; what the person sees afterwards is how far it has come."""
    request = waiting(rights, kind="delete")
    assert rights.house.rows("SELECT count(*) FROM shredding") == [(0,)]
    assert rights.decide(request) == RequestDecided(request, "deletion_begun")
    (told,) = rights.told("shredding_intended/1")
    assert (told["seller"], told["reason"], told["by"]) == ("slr_wang", f"request {request}", "ofc_1")
    shown = rights.show(request)
    assert isinstance(shown, Shown)
    assert shown.shredding is not None
    assert (shown.standing.outcome, shown.shredding.shredded_at) == ("deletion_begun", None)
    assert set(values_of(rights.bundle(kind="copy")).values()) == {None}
    assert rights.ask(kind="correct", name="王方") == Refusal(Reason.seller_is_unknown, "seller")


def test_nobody_is_deleted_while_money_is_on_its_way_and_the_refusal_cites_its_rule(rights: Rights) -> None:
    redemption = rights.sell(1)
    request = waiting(rights, kind="delete")
    assert rights.decide(request) == Refusal(Reason.subject_has_unfinished_business, "seller")
    shown = rights.show(request)
    assert isinstance(shown, Shown)
    assert shown.standing.state == "in_review"
    assert rights.decide(request, "business_is_unfinished") == RequestDecided(request, "refused")
    (told,) = rights.told("request_refused/1")
    assert (told["law"], told["version"], told["article"]) == ("个人信息保护法", "2021", "47(1)(1)")
    for suffix, kind in (("-c", "consumed"), ("-p", "paid")):
        rights.submit(RecordOutcome(str(redemption), f"{redemption}{suffix}", kind, "X"))
    again = waiting(rights, kind="delete")
    assert again != request
    assert isinstance(rights.decide(again), RequestDecided)


# --- heirs ---

DECEASED = {"number": WANG["number"], "identity_number": WANG["identity_number"], "papers_sha256": "a" * 64}


def test_an_heir_gets_a_copy_by_the_code_that_an_officer_hands_over(rights: Rights) -> None:
    """Their own number, proven anew, and the code; either alone is nothing."""
    token = rights.token(LI["number"])
    asked = rights.ask_by_number(token, kind="heir", deceased=DECEASED)
    assert isinstance(asked, Shown)
    request = asked.standing.request
    assert asked.standing.state == "in_review"
    assert rights.fetch_by_number(token, request) == Refusal(Reason.subject_request_has_no_bundle)
    assert rights.decide(request) == Refusal(Reason.field_is_malformed, "code_digest")
    assert rights.decide(request, code="HEIR-CODE") == RequestDecided(request, "handed_over")
    wrong = Refusal(Reason.heir_code_is_wrong, "heir_code")
    assert rights.fetch_by_number(token, request) == wrong
    assert rights.fetch_by_number(token, request, "?heir_code=GUESS") == wrong
    bundle = rights.fetch_by_number(token, request, "?heir_code=HEIR-CODE")
    assert isinstance(bundle, Bundle)
    assert values_of(bundle)["seller.name/1"] == "王芳"
    unknown = Refusal(Reason.subject_request_is_unknown)
    assert rights.fetch_by_number(rights.token("13700000008"), request, "?heir_code=HEIR-CODE") == unknown
    assert rights.fetch(request, "slr_li", "?heir_code=HEIR-CODE") == unknown


def test_an_heir_is_not_told_whether_there_is_anything_to_inherit(rights: Rights) -> None:
    """The answer is the same for a number that nobody has here; only the officer sees, and cannot accept."""
    token = rights.token(LI["number"])
    asked = rights.ask_by_number(token, kind="heir", deceased=DECEASED | {"number": "13700000001"})
    assert isinstance(asked, Shown)
    assert asked.standing.state == "in_review"
    accepted = rights.decide(asked.standing.request, code="HEIR-CODE")
    assert accepted == Refusal(Reason.seller_is_unknown, "seller")
    assert rights.decide(asked.standing.request, "kinship_is_not_shown") == RequestDecided(
        asked.standing.request, "refused"
    )


def test_a_key_is_nobodys_heir(rights: Rights) -> None:
    assert rights.ask(kind="heir", deceased=DECEASED) == Refusal(Reason.identity_is_not_proven)


# --- reviews, and how an officer decides ---


def test_a_review_waits_for_a_person_while_the_explanation_can_be_read(rights: Rights) -> None:
    request = waiting(rights, kind="explain", review=True)
    assert isinstance(rights.fetch(request), Bundle)
    assert rights.decide(request, officer=1) == RequestDecided(request, "reviewed")
    assert rights.told("request_answered/1")[0]["by"] == "ofc_2"


def test_who_has_read_the_explanation_may_still_ask_a_person_to_look(rights: Rights) -> None:
    """The explanation was given at once and may be fetched for a week; a review does not wait for that to end."""
    explained = rights.stands(kind="explain").standing.request
    request = waiting(rights, kind="explain", review=True)
    assert request != explained
    assert rights.stands(kind="explain", review=True).standing.request == request
    assert isinstance(rights.fetch(explained), Bundle)
    assert rights.decide(request, officer=1) == RequestDecided(request, "reviewed")
    assert rights.stands(kind="explain", review=True).standing.request == request


def test_a_request_is_decided_once_by_a_registered_officer_who_signed_it_just_now(rights: Rights) -> None:
    request = waiting(rights, kind="delete")
    now = rights.house.clock.now()
    good = officers.decide(OFFICERS[0], request, now=now)
    assert rights.submit(unsigned_decision(good)).reason is Reason.officer_signature_is_wrong
    stranger = officers.Officer("ofc_9", OFFICERS[0].signer)
    assert rights.submit(officers.decide(stranger, request, now=now)).reason is Reason.officer_is_unknown
    old = officers.decide(OFFICERS[0], request, now=type(now)(now - 301_000_000))
    assert rights.submit(old).reason is Reason.officer_signature_is_too_old
    assert rights.decide("req_nobody").reason is Reason.subject_request_is_unknown
    assert rights.decide(request, "because").reason is Reason.field_is_malformed
    assert isinstance(rights.submit(good), RequestDecided)
    assert rights.submit(good).reason is Reason.request_was_replayed
    assert rights.decide(request, "statutory_term_runs").reason is Reason.subject_request_is_closed


def test_what_was_answered_at_once_is_not_decided_again(rights: Rights) -> None:
    request = rights.stands(kind="copy").standing.request
    assert rights.decide(request, "concerns_somebody_else").reason is Reason.subject_request_is_closed


@pytest.mark.parametrize("code", list(REFUSALS))
def test_every_refusal_cites_its_rule_in_both_languages(rights: Rights, code: str) -> None:
    request = waiting(rights, kind="delete")
    rights.decide(request, code)
    (told,) = rights.told("request_refused/1")
    reason = REFUSALS[code]
    assert (told["refusal"], told["law"], told["article"]) == (code, reason.basis.law, reason.basis.article)
    assert reason.en.endswith(".")
    assert reason.zh.endswith("。")


def test_a_request_that_was_refused_frees_its_place(rights: Rights) -> None:
    first = waiting(rights, kind="delete")
    assert waiting(rights, kind="delete") == first
    rights.decide(first, "identity_is_not_proven")
    assert waiting(rights, kind="delete") != first


def test_a_correction_is_due_within_fifteen_working_days(rights: Rights) -> None:
    """It came on a Sunday, 2026-11-22; the fifteenth working day is Friday, 2026-12-11."""
    standing = rights.stands(kind="delete").standing
    assert (standing.due_at - standing.received_at) // (DAY_S * 1_000_000) == 19
