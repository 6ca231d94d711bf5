"""Decisions over HTTP: what they answer, what is shown of them, and how a person is asked to look at one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from suyuan.base.refusals import Reason
from suyuan.faces.http import document
from suyuan.faces.sdk import Decision, Pending, Platform, Refused, Review
from tests.faces.http.served import Served, problem, served
from tests.flows.house import ORIGIN, PLATFORM_KEYS, SIGNERS, card
from tests.flows.test_decide_attempt import DELAY, FREEZE, REFUSE, REVIEW, STEP_UP

PATH = "/v1/redemptions"


@pytest.fixture
def api(database: str) -> Iterator[Served]:
    """One for each test, since freezing somebody lasts."""
    with served(database) as api:
        yield api


def test_a_delay_and_a_review_are_said_in_the_answer_and_in_the_state(api: Served) -> None:
    api.house.decide_by(DELAY)
    taken = api.post(PATH, card(1)).json()
    assert taken["state"] == "pending"
    assert taken["release_at"] > taken["at"]
    state = api.get(f"{PATH}/{taken['redemption']}").json()
    assert (state["state"], state["release_at"]) == ("pending", taken["release_at"])
    api.house.decide_by(REVIEW)
    held = api.post(PATH, card(2)).json()
    assert held["state"] == "in_review"
    assert "release_at" not in held
    assert api.get(f"{PATH}/{held['redemption']}").json()["state"] == "in_review"


@pytest.mark.parametrize(
    ("policy", "code"),
    [(REFUSE, "redemption_was_declined"), (STEP_UP, "step_up_is_needed"), (FREEZE, "seller_is_frozen")],
)
def test_a_refusal_leads_to_its_decision_and_to_a_person(api: Served, policy: str, code: str) -> None:
    """From the problem document alone: its `where` is the redemption, its decision says how to ask, asking is repeated
    byte for byte."""
    api.house.decide_by(policy)
    told = problem(api.post(PATH, card(1)))
    assert told["code"] == code
    decision = api.get(f"{PATH}/{told['where']}/decision")
    assert decision.status_code == 200
    ask = decision.json()["ask"]
    assert ask["method"] == "POST"
    first = api.post(ask["path"], {}, idempotency_key="ask-1")
    assert first.status_code == 202
    assert (first.json()["review"], first.json()["redemption"]) == ("asked", told["where"])
    assert api.post(ask["path"], {}, idempotency_key="ask-1").content == first.content
    assert api.get(f"{PATH}/{told['where']}/decision").json()["review"] == "asked"
    assert problem(api.post(ask["path"], {"why": "please"}))["code"] == Reason.field_is_unknown


def test_an_idempotency_key_for_one_redemption_is_not_good_for_another(api: Served) -> None:
    api.house.decide_by(REFUSE)
    first, second = (problem(api.post(PATH, card(number)))["where"] for number in (1, 2))
    assert api.post(f"{PATH}/{first}/review", {}, idempotency_key="one").status_code == 202
    answer = problem(api.post(f"{PATH}/{second}/review", {}, idempotency_key="one"))
    assert answer["code"] == Reason.idempotency_key_was_used_for_another_request


def test_what_nobody_here_decided_is_not_found(api: Served) -> None:
    for target in (f"{PATH}/rdm_none/decision", f"{PATH}/{'x' * 200}/decision"):
        answer = api.get(target)
        assert (answer.status_code, problem(answer)["code"]) == (404, Reason.redemption_has_no_decision)
    assert problem(api.post(f"{PATH}/rdm_none/review", {}))["code"] == Reason.redemption_has_no_decision
    unsigned = api.client.get(f"{PATH}/rdm_none/decision")
    assert problem(unsigned)["code"] == Reason.signature_is_missing


def test_the_sdk_shows_a_decision_and_asks(api: Served) -> None:
    """In a program of its own, as a partner's is."""
    api.house.decide_by(REFUSE)
    found: list[object] = []

    def partner() -> None:
        with Platform(
            f"http://127.0.0.1:{api.port}", origin=ORIGIN, key_id="key_1", signer=SIGNERS["key_1"], keys=PLATFORM_KEYS,
            clock=api.house.clock,
        ) as platform:  # fmt: skip
            refused = platform.redeem_card(
                contract="ctr_1", seller="slr_1", operator="cmcc", serial="1" * 17, pin="2" * 18, face_fen=100_00
            )
            assert isinstance(refused, Refused)
            found.extend((platform.decision(refused.where), platform.ask_review(refused.where)))
            api.house.decide_by(DELAY)
            found.append(
                platform.redeem_card(
                    contract="ctr_1", seller="slr_1", operator="cmcc", serial="1" * 17, pin="2" * 18, face_fen=100_00
                )
            )

    thread = threading.Thread(target=partner)
    thread.start()
    thread.join(20)
    decision, review, pending = found
    assert isinstance(decision, Decision)
    assert decision.action == "refuse"
    assert decision.ask is not None
    assert isinstance(review, Review)
    assert review.review == "asked"
    assert isinstance(pending, Pending)
    assert pending.release_at > pending.at


def test_the_document_knows_both_endpoints() -> None:
    paths = document("https://api.example.com")["paths"]
    assert paths["/v1/redemptions/{redemption}/decision"]["get"]["operationId"]
    assert "202" in paths["/v1/redemptions/{redemption}/review"]["post"]["responses"]
