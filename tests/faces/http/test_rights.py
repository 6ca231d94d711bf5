"""People ask about their own data over HTTP: with a key, or with a number that they have proven."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from suyuan.base import crypto, wire
from suyuan.base.refusals import Reason
from suyuan.faces.http import document
from tests.faces.http.served import JSON, Served, problem
from tests.flows.house import ORIGIN, written

PROOFS, REQUESTS = "/v1/number-proofs", "/v1/subject-requests"
WISH = {"kind": "know"}


def anybody(api: Served, target: str, body: Any = None, **headers: str) -> httpx.Response:
    """A request that nobody signed. Its answer is signed, and names no nonce, since there was none."""
    method = "GET" if body is None else "POST"
    answer = api.client.request(method, target, content=b"" if body is None else written(body), headers=JSON | headers)
    assert "suyuan-answer-v1" in answer.headers["signature-input"]
    return answer


def proven(api: Served, number: str) -> str:
    begun = anybody(api, PROOFS, {"number": number})
    assert begun.status_code == 202, begun.text
    code = api.house.phones.shows[number]
    given = anybody(api, f"{PROOFS}/{begun.json()['proof']}", {"number": number, "code": code})
    assert given.status_code == 200, given.text
    token: str = given.json()["token"]
    return token


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_somebody_without_a_key_proves_a_number_and_asks(api: Served) -> None:
    """A code, a token, a request, its bundle; and whoever has only its id gets nothing."""
    token = proven(api, "13700000101")
    asked = anybody(api, REQUESTS, WISH, **bearing(token))
    assert asked.status_code == 201
    request = asked.json()["request"]
    assert asked.headers["location"] == f"{REQUESTS}/{request}"
    assert (asked.json()["state"], asked.json()["refusal"], asked.json()["deletion"]) == ("answered", None, None)
    shown = anybody(api, f"{REQUESTS}/{request}", **bearing(token))
    assert shown.json() == asked.json()
    bundle = anybody(api, f"{REQUESTS}/{request}/bundle", **bearing(token))
    assert bundle.status_code == 200
    assert bundle.content == wire.canonical(bundle.json())
    assert bundle.headers["cache-control"] == "no-store"
    assert (bundle.json()["format"], bundle.json()["about"]) == ("suyuan-bundle/1", "")
    for target in (f"{REQUESTS}/{request}", f"{REQUESTS}/{request}/bundle"):
        assert problem(anybody(api, target))["code"] == Reason.signature_is_missing
        stolen = anybody(api, target, **bearing(proven(api, "13700000102")))
        assert problem(stolen)["code"] == Reason.subject_request_is_unknown


def test_a_seller_asks_with_their_key_and_sees_who_read(api: Served) -> None:
    signer = crypto.suite("ed25519").signer(b"\x66" * 32)
    person = {"name": "赵敏", "identity_number": "11010119900307391X", "number": "13700000103", "payee": "6222"}
    device = {"algorithm": "ed25519", "public_key": wire.b64(signer.public)}
    registered = api.post("/v1/sellers", person | {"key": device}).json()
    own = {"key": registered["device_key"], "signer": signer}
    request = api.post(REQUESTS, {"kind": "copy"}, **own).json()["request"]
    bundle = api.get(f"{REQUESTS}/{request}/bundle", **own).json()
    assert {field["field"]: field["value"] for field in bundle["fields"]}["seller.name/1"] == "赵敏"
    reads = api.get(f"/v1/sellers/{registered['seller']}/reads?limit=5", **own)
    assert reads.json() == {"reads": [], "next": None}
    assert problem(api.get(f"/v1/sellers/{registered['seller']}/reads"))["code"] == Reason.seller_is_unknown


def test_the_same_idempotency_key_gets_the_same_bytes(api: Served) -> None:
    first, again = (api.post(REQUESTS, WISH, key="key_seller", idempotency_key="mine") for _ in range(2))
    assert (first.status_code, first.content) == (201, again.content)


def test_a_token_is_good_where_a_number_is_asked_for_and_nowhere_else(api: Served) -> None:
    token = proven(api, "13700000104")
    for target in ("/v1/contracts", "/v1/redemptions"):
        assert problem(anybody(api, target, **bearing(token)))["code"] == Reason.signature_is_missing
    assert problem(anybody(api, "/v1/sellers", {}, **bearing(token)))["code"] == Reason.signature_is_missing


def test_one_request_has_one_proof(api: Served) -> None:
    """A signature and a token, or two tokens, might disagree about who asks."""
    token = proven(api, "13700000105")
    signed = api.house.sign("GET", f"{REQUESTS}/req_x", key="key_seller")
    both = problem(anybody(api, f"{REQUESTS}/req_x", **signed, **bearing(token)))
    assert (both["code"], both["where"]) == (Reason.signature_header_is_malformed, "authorization")
    twice = [*JSON.items(), *bearing(token).items(), *bearing("npf_x.y").items()]
    answer = api.client.get(f"{REQUESTS}/req_x", headers=twice)
    assert problem(answer)["code"] == Reason.header_is_doubled
    lower = {"authorization": f"bearer {token}"}
    assert problem(anybody(api, f"{REQUESTS}/req_x", **lower))["code"] == Reason.subject_request_is_unknown


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.body_is_not_json),
        (b"[]", Reason.body_is_not_json),
        (b'{"number":"\xff"}', Reason.body_is_not_utf8),
        (b'{"number":"13700000106","number":"13700000107"}', Reason.body_field_is_doubled),
        (b'{"number":"137000001"}', Reason.field_is_malformed),
        (b'{"number":"13700000106\\n"}', Reason.field_is_out_of_range),
        (b'{"number":13700000106}', Reason.field_has_the_wrong_type),
        (b'{"number":"13700000106","text":"call 0900"}', Reason.field_is_unknown),
        (b'{"number":"' + b"1" * 20_000 + b'"}', Reason.body_is_too_large),
    ],
)
def test_what_nobody_signed_is_read_as_strictly(api: Served, body: bytes, reason: Reason) -> None:
    sent = len(api.house.phones.sent)
    assert problem(api.client.post(PROOFS, content=body, headers=JSON))["code"] == reason
    assert len(api.house.phones.sent) == sent


def test_what_nobody_signed_is_declared_as_json(api: Served) -> None:
    answer = api.client.post(PROOFS, content=written({"number": "13700000106"}), headers={"content-type": "text/plain"})
    assert problem(answer)["code"] == Reason.content_type_is_not_json


def test_guessing_ids_and_codes_is_counted_and_tells_nothing(api: Served) -> None:
    for proof in ("npf_nobody", "npf_01M80PJBG024G6CSEJ7YNX3C43", "%2e%2e", "x" * 200):
        answer = anybody(api, f"{PROOFS}/{proof}", {"number": "13700000108", "code": "000000"})
        assert problem(answer)["code"] == Reason.number_proof_is_unknown, proof
    begun = anybody(api, PROOFS, {"number": "13700000108"}).json()
    answer = anybody(api, f"{PROOFS}/{begun['proof']}", {"number": "13700000108", "code": "999999"})
    assert problem(answer)["code"] == Reason.number_code_is_wrong


def test_every_code_of_these_routes_is_documented() -> None:
    paths = document(ORIGIN)["paths"]
    assert paths[f"{PROOFS}/{{proof}}"]["post"]["parameters"][0]["name"] == "proof"
    assert [each["name"] for each in paths[PROOFS]["post"]["parameters"]] == []
    assert paths[REQUESTS]["post"]["security"] == [{}, {"provenNumber": []}]
    bundle = paths[f"{REQUESTS}/{{request}}/bundle"]["get"]["responses"]
    codes = {
        code
        for answer in bundle.values()
        for content in answer["content"].values()
        for part in content["schema"].get("allOf", [])
        for code in part.get("properties", {}).get("code", {}).get("enum", [])
    }
    assert {"heir_code_is_wrong", "subject_request_is_unknown", "number_proof_has_expired"} <= codes
