"""The notice anybody may read, and consents as a partner brings and keeps them over HTTP."""

from __future__ import annotations

import hashlib
import json

import pytest

from suyuan.base.refusals import Reason
from suyuan.faces.sdk import check_receipt
from tests.faces.http.served import Served, problem
from tests.flows.consents import wish
from tests.flows.house import NOTICE, PLATFORM_KEYS

PATH = "/v1/consents"


def test_the_notice_is_its_very_bytes(api: Served) -> None:
    """Nobody has to sign for it, and the version is the digest of what came."""
    for target in ("/v1/privacy-notice", "/v1/privacy-notice?lang=en"):
        answer = api.client.get(target)
        assert answer.status_code == 200
        assert answer.content == NOTICE.content
        assert answer.headers["notice-version"] == hashlib.sha256(answer.content).hexdigest() == NOTICE.version


@pytest.mark.parametrize(("accept", "begins"), [("text/html", "<!doctype html>"), ("text/markdown", "# ")])
def test_people_read_it_in_their_language(api: Served, accept: str, begins: str) -> None:
    said = {"zh": "隐私声明", "en": "Privacy notice"}
    for lang, title in said.items():
        answer = api.client.get(f"/v1/privacy-notice?lang={lang}", headers={"accept": accept})
        assert answer.text.startswith(begins)
        assert title in answer.text
        assert answer.headers["content-type"].startswith(accept)
        assert answer.headers["notice-version"] == NOTICE.version
    chinese = api.client.get("/v1/privacy-notice", headers={"accept": accept})
    assert said["zh"] in chinese.text


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("lang=fr", Reason.field_is_malformed),
        ("lang=zh&lang=en", Reason.body_field_is_doubled),
        ("lang=", Reason.field_is_out_of_range),
        ("colour=red", Reason.field_is_unknown),
        ("lang=zh%00", Reason.field_is_out_of_range),
    ],
)
def test_a_bad_question_for_the_notice_is_refused(api: Served, query: str, reason: Reason) -> None:
    assert problem(api.client.get(f"/v1/privacy-notice?{query}"))["code"] == reason


def test_the_notice_is_only_read(api: Served) -> None:
    answer = api.client.post("/v1/privacy-notice", content=b"{}")
    assert problem(answer)["code"] == Reason.method_is_not_allowed
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_seller_agrees_and_the_receipt_is_kept_as_it_stands(api: Served) -> None:
    """What stands in the answer is the receipt's one encoding, so it can be cut out and checked by itself."""
    answer = api.post(PATH, wish(), idempotency_key="agree")
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["state"], shown["in_force"], shown["may_ask_at"]) == ("given", True, 0)
    start = answer.content.index(b'"receipt":{"receipt"') + len(b'"receipt":')
    paper = answer.content[start : answer.content.rindex(b',"recipient":')]
    assert json.loads(paper) == shown["receipt"]
    assert check_receipt(paper, PLATFORM_KEYS).privacy_notice == NOTICE.version
    assert api.post(PATH, wish(), idempotency_key="agree").content == answer.content
    listed = api.get(f"{PATH}?seller=slr_1").json()
    assert [(one["purpose"], one["state"]) for one in listed["consents"]] == [
        ("compare_face", "given"),
        ("tell_partner_number", "not_asked"),
        ("provide_abroad", "not_asked"),
    ]
    assert listed["consents"][0]["receipt"] == shown["receipt"]
    assert listed["consents"][1]["receipt"] is None


def test_a_no_says_when_a_partner_may_ask_again(api: Served) -> None:
    refused = api.post(PATH, wish("refuse", seller="slr_3")).json()
    assert (refused["state"], refused["in_force"]) == ("refused", False)
    assert refused["may_ask_at"] > api.house.clock.now()
    assert problem(api.post(PATH, wish(seller="slr_3")))["code"] == Reason.consent_was_refused


def test_a_number_is_not_shown_without_consent(api: Served) -> None:
    found = problem(api.get("/v1/masked-numbers?seller=slr_1"))
    assert (found["code"], found["where"]) == (Reason.consent_is_needed, "tell_partner_number")


@pytest.mark.parametrize(
    ("birthday", "code"), [("20130101", Reason.seller_is_a_child), ("20090101", Reason.seller_is_too_young)]
)
def test_nobody_registers_a_minor(api: Served, birthday: str, code: Reason) -> None:
    person = {"name": "王小明", "identity_number": f"110101{birthday}391X", "number": "13800000000", "payee": "6222"}
    before = api.house.counts()
    found = problem(api.post("/v1/sellers", person))
    assert (found["code"], found["where"]) == (code, "identity_number")
    assert api.house.counts() == before
