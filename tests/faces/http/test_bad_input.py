"""Bad input: every wrong field gets its own sentence, in both languages, and changes nothing in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from suyuan.base.refusals import TEXTS, Reason, Refusal
from suyuan.faces.http import document
from tests.faces.http.served import Served, problem
from tests.flows.house import ORIGIN, SIGNERS, card, written

PATH = "/v1/redemptions"
PERSON = {
    "name": "王小明", "identity_number": "11010119900307391X", "number": "13800000000", "payee": "6222020000000000001",
}  # fmt: skip


class Bad(NamedTuple):
    """One bad body, the refusal it gets, and the field that is named."""

    name: str
    body: Any
    reason: Reason
    where: str = ""


def with_source(**changes: Any) -> dict[str, Any]:
    body = card()
    body["source"] |= changes
    return body


def without(name: str) -> dict[str, Any]:
    body = card()
    outer, _, inner = name.rpartition(".")
    del (body[outer] if outer else body)[inner]
    return body


def text(body: Any = None, old: str = "", new: str = "") -> bytes:
    """A body with one piece of its JSON text replaced."""
    found = written(card() if body is None else body).decode()
    assert old in found
    return found.replace(old, new, 1).encode("utf-8", "surrogatepass")


R = Reason
FACE = '"face_fen": 10000'
BODIES = [
    # From bytes to JSON.
    Bad("empty", b"", R.body_is_not_json),
    Bad("not utf-8", b'{"contract":"\xff"}', R.body_is_not_utf8),
    Bad("utf-16", '{"contract":"ctr_1"}'.encode("utf-16"), R.body_is_not_utf8),
    Bad("byte order mark", b"\xef\xbb\xbf" + written(card()), R.body_is_not_json),
    Bad("torn", written(card())[:-2], R.body_is_not_json),
    Bad("two objects", written(card()) * 2, R.body_is_not_json),
    Bad("array", b"[]", R.body_is_not_json),
    Bad("null", b"null", R.body_is_not_json),
    Bad("deep", b"[" * 8_000, R.body_is_not_json),
    Bad("NaN", text(None, FACE, '"face_fen": NaN'), R.body_is_not_json),
    Bad("infinity", text(None, FACE, '"face_fen": Infinity'), R.body_is_not_json),
    Bad("comment", text(None, FACE, FACE + "/* 100 yuan */"), R.body_is_not_json),
    Bad("leading zero", text(None, FACE, '"face_fen": 010000'), R.body_is_not_json),
    Bad("line break in a text", text(None, "ctr_1", "ctr_1\n"), R.body_is_not_json),
    # Doubled, also where an escape hides it.
    Bad("doubled", text(None, FACE, FACE + ', "face_fen": 1'), R.body_field_is_doubled, "face_fen"),
    Bad("doubled by escape", text(None, FACE, FACE + r', "fac\u0065_fen": 1'), R.body_field_is_doubled, "face_fen"),
    Bad("doubled outside", text(None, '"seller"', '"contract": "", "seller"'), R.body_field_is_doubled, "contract"),
    Bad("doubled before asked", text(None, FACE, FACE + ', "ratio": 1, "ratio": 1'), R.body_field_is_doubled, "ratio"),
    # What the contract says.
    Bad("payee", card(payee="6222020000000000001"), R.payee_cannot_be_asked_for, "payee"),
    Bad("account", with_source(account="6222"), R.payee_cannot_be_asked_for, "account"),
    Bad("payee, capitals", card() | {"Payee-Account": "1"}, R.payee_cannot_be_asked_for),
    Bad("payee, deep", card(extra={"a": [{"payee_account": 1}]}), R.payee_cannot_be_asked_for, "payee_account"),
    Bad("merchant", card(merchant_id="m-2"), R.merchant_id_cannot_be_asked_for, "merchant_id"),
    Bad("mchid", card(mchid="1900001"), R.merchant_id_cannot_be_asked_for, "mchid"),
    Bad("channel", card(channel="shell"), R.channel_cannot_be_asked_for, "channel"),
    Bad("ratio", card(ratio="1:1"), R.ratio_cannot_be_asked_for, "ratio"),
    Bad("rate", with_source(rate=100), R.ratio_cannot_be_asked_for, "rate"),
    Bad("value kind", card(value_kind="money"), R.value_kind_cannot_be_asked_for, "value_kind"),
    Bad("cash", card(cash=True), R.value_kind_cannot_be_asked_for, "cash"),
    Bad("the first of two", card(cash=True, payee="1"), R.payee_cannot_be_asked_for, "payee"),
    # Fields.
    Bad("unknown", card(colour="red"), R.field_is_unknown, "colour"),
    Bad("unknown inside", with_source(amount_fen=1), R.field_is_unknown, "source.amount_fen"),
    Bad("a pin as a name", card() | {"123456789012345678": 1}, R.field_is_unknown, ""),
    Bad("empty object", {}, R.field_is_missing, "contract"),
    *[
        Bad(f"no {name}", without(name), R.field_is_missing, name)
        for name in ("contract", "seller", "source", "source.type", "source.operator", "source.serial", "source.pin")
    ],
    Bad("no face", without("source.face_fen"), R.field_is_missing, "source.face_fen"),
    Bad("face as text", with_source(face_fen="10000"), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("face as a fraction", with_source(face_fen=10000.0), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("face with an exponent", text(None, FACE, '"face_fen": 1e4'), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("face as a truth", with_source(face_fen=True), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("face as null", with_source(face_fen=None), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("face as a list", with_source(face_fen=[10000]), R.field_has_the_wrong_type, "source.face_fen"),
    Bad("pin as a number", with_source(pin=10**17), R.field_has_the_wrong_type, "source.pin"),
    Bad("contract as an object", card(contract={}), R.field_has_the_wrong_type, "contract"),
    Bad("source as text", card(source="card"), R.field_has_the_wrong_type, "source"),
    Bad("type as a number", with_source(type=1), R.field_has_the_wrong_type, "source.type"),
    Bad("expected as a fraction", card(expected_payout=80.5), R.field_has_the_wrong_type, "expected_payout"),
    Bad("nothing", with_source(face_fen=0), R.field_is_out_of_range, "source.face_fen"),
    Bad("less than nothing", with_source(face_fen=-100_00), R.field_is_out_of_range, "source.face_fen"),
    Bad("too much", with_source(face_fen=10**13 + 1), R.field_is_out_of_range, "source.face_fen"),
    Bad("beyond 64 bits", with_source(face_fen=2**64 + 10000), R.field_is_out_of_range, "source.face_fen"),
    Bad("9,000 digits", text(None, FACE, FACE + "0" * 9_000), R.field_is_out_of_range, "source.face_fen"),
    Bad("empty contract", card(contract=""), R.field_is_out_of_range, "contract"),
    Bad("long contract", card(contract="ctr_" + "1" * 99), R.field_is_out_of_range, "contract"),
    Bad("expected nothing", card(expected_payout=0), R.field_is_out_of_range, "expected_payout"),
    Bad("contract of another kind", card(contract="slr_1"), R.field_is_malformed, "contract"),
    Bad("contract with a line break", card(contract="ctr_1\n"), R.field_is_malformed, "contract"),
    Bad("contract with a zero", card(contract="ctr_1\0"), R.field_is_malformed, "contract"),
    Bad("contract in other digits", card(contract="ctr_１"), R.field_is_malformed, "contract"),
    Bad("lone surrogate", text(None, "ctr_1", r"ctr_\ud800"), R.field_is_malformed, "contract"),
    Bad("unknown type", with_source(type="voucher"), R.field_is_malformed, "source.type"),
    Bad("operator in capitals", with_source(operator="CMCC"), R.field_is_malformed, "source.operator"),
    Bad("empty agent", card(agent=""), R.field_is_out_of_range, "agent"),
    # The card.
    Bad("unknown operator", with_source(operator="mvno"), R.card_kind_is_unknown, "source.operator"),
    Bad("short serial", with_source(serial="1"), R.card_serial_is_malformed, "source.serial"),
    Bad("letters in the serial", with_source(serial="x" * 17), R.card_serial_is_malformed, "source.serial"),
    Bad("long pin", with_source(pin="1" * 19), R.card_pin_is_malformed, "source.pin"),
    Bad("no such face", with_source(face_fen=99_00), R.card_face_is_not_offered, "source.face_fen"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BODIES, ids=[bad.name for bad in BODIES])
def test_a_bad_body_is_refused_by_its_first_reason(api: Served, bad: Bad) -> None:
    before = api.house.counts()
    found = problem(api.post(PATH, bad.body))
    assert (found["code"], found["where"]) == (bad.reason, bad.where)
    assert found["detail"] == Refusal(bad.reason, bad.where).sentence("en")
    assert found["detail_zh"] == Refusal(bad.reason, bad.where).sentence("zh")
    assert api.house.counts() == before


BALANCE = {"type": "balance", "operator": "cmcc", "number": "13800000000", "amount_fen": 5000}
SHORT_KEY = {"algorithm": "ed25519", "public_key": "AA"}
OTHERS = [
    (PATH, card(source=BALANCE | {"number": "+8613800000000"}), R.field_is_out_of_range, "source.number"),
    (PATH, card(source=BALANCE | {"number": "23800000000"}), R.field_is_malformed, "source.number"),
    (PATH, card(source=BALANCE | {"pin": "1"}), R.field_is_unknown, "source.pin"),
    (PATH, card(source=BALANCE | {"operator": "mvno"}), R.card_kind_is_unknown, "source.operator"),
    ("/v1/sellers", PERSON | {"tier": 2}, R.field_is_unknown, "tier"),
    ("/v1/sellers", PERSON | {"ratio": 1}, R.ratio_cannot_be_asked_for, "ratio"),
    ("/v1/sellers", PERSON | {"name": ""}, R.field_is_out_of_range, "name"),
    ("/v1/sellers", PERSON | {"name": "王\u0000"}, R.field_is_malformed, "name"),
    ("/v1/sellers", PERSON | {"identity_number": "11010119900307391x"}, R.field_is_malformed, "identity_number"),
    ("/v1/sellers", PERSON | {"number": "1380000000"}, R.field_is_malformed, "number"),
    ("/v1/sellers", PERSON | {"payee": "6222 0200"}, R.field_is_malformed, "payee"),
    ("/v1/sellers", PERSON | {"key": {"algorithm": "rsa", "public_key": "AA"}}, R.field_is_malformed, "key.algorithm"),
    ("/v1/sellers", PERSON | {"key": {"algorithm": "ed25519"}}, R.field_is_missing, "key.public_key"),
    ("/v1/sellers", PERSON | {"key": SHORT_KEY}, R.field_is_malformed, "key.public_key"),
    ("/v1/step-ups", {"seller": "slr_1"}, R.field_is_missing, "capture"),
    ("/v1/step-ups", {"seller": "slr_1", "capture": "x" * 13_000}, R.field_is_out_of_range, "capture"),
    ("/v1/redemptions?draft=1", card(), R.field_is_unknown, "query"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "reason", "where"), OTHERS)
def test_other_bodies_are_as_strict(api: Served, path: str, body: Any, reason: Reason, where: str) -> None:
    before = api.house.counts()
    found = problem(api.post(path, body))
    assert (found["code"], found["where"]) == (reason, where)
    assert api.house.counts() == before


QUERIES = [
    ("/v1/redemptions?limit=0", R.field_is_out_of_range, "limit"),
    ("/v1/redemptions?limit=201", R.field_is_out_of_range, "limit"),
    ("/v1/redemptions?limit=" + "9" * 99, R.field_is_out_of_range, "limit"),
    ("/v1/redemptions?limit=ten", R.field_has_the_wrong_type, "limit"),
    ("/v1/redemptions?limit=1&limit=2", R.body_field_is_doubled, "query"),
    ("/v1/redemptions?colour=red", R.field_is_unknown, "colour"),
    ("/v1/redemptions?cursor=AAAA", R.cursor_is_malformed, "cursor"),
    ("/v1/redemptions?cursor=%00", R.field_is_malformed, "cursor"),
    ("/v1/limits", R.field_is_missing, "seller"),
    ("/v1/limits?seller=slr_1%0a", R.field_is_malformed, "seller"),
    ("/v1/limits?seller=slr_2", R.seller_is_unknown, "seller"),
    ("/v1/contracts?x=1", R.field_is_unknown, "query"),
    ("/v1/redemptions/rdm_1", R.redemption_is_unknown, ""),
    ("/v1/redemptions/%00", R.redemption_is_unknown, ""),
    ("/v1/redemptions/rdm_1/voucher", R.redemption_is_unknown, ""),
]


@pytest.mark.parametrize(("target", "reason", "where"), QUERIES)
def test_bad_reads_are_refused(api: Served, target: str, reason: Reason, where: str) -> None:
    found = problem(api.get(target))
    assert (found["code"], found["where"]) == (reason, where)


class Forged(NamedTuple):
    """How somebody signs badly, and what that gets."""

    name: str
    words: dict[str, Any]
    headers: Callable[[dict[str, str]], dict[str, str]]
    reason: Reason


def same(headers: dict[str, str]) -> dict[str, str]:
    return headers


def replaced(name: str, old: str, new: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: headers | {name: headers[name].replace(old, new)}


def leaving_out(*names: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {name: text for name, text in headers.items() if name not in names}


INPUT = "signature-input"
LATIN = {"content-type": "application/json; charset=latin-1"}
FORGED = [
    Forged("no signature", {}, leaving_out("signature", "signature-input"), R.signature_is_missing),
    Forged("half a signature", {}, leaving_out("signature-input"), R.signature_is_missing),
    Forged("garbage", {}, lambda headers: headers | {"signature": "x"}, R.signature_header_is_malformed),
    Forged("body left open", {}, replaced(INPUT, ' "content-digest"', ""), R.signature_covers_too_little),
    Forged("another purpose", {}, replaced(INPUT, "suyuan-v1", "suyuan-v0"), R.signature_is_for_another_purpose),
    Forged("short nonce", {}, replaced(INPUT, "0" * 12, ""), R.nonce_is_malformed),
    Forged("no idempotency key", {}, leaving_out("idempotency-key"), R.idempotency_key_is_missing),
    Forged("long idempotency key", {}, lambda h: h | {"idempotency-key": "x" * 256}, R.idempotency_key_is_malformed),
    Forged("changed idempotency key", {}, lambda h: h | {"idempotency-key": "another"}, R.signature_is_wrong),
    Forged("expired", {"age_s": 301}, same, R.signature_is_too_old),
    Forged("from the future", {"age_s": -301}, same, R.signature_is_from_the_future),
    Forged("unknown key", {"key": "key_nobody", "signer": SIGNERS["key_1"]}, same, R.key_is_unknown),
    Forged("key not yet active", {"key": "key_next"}, same, R.key_is_not_active),
    Forged("revoked key", {"key": "key_revoked"}, same, R.key_is_not_active),
    Forged("key of another network", {"key": "key_bound"}, same, R.key_is_used_from_another_address),
    Forged("other algorithm", {}, replaced(INPUT, ';tag', ';alg="sm2-sm3";tag'), R.signature_algorithm_is_not_the_keys),
    Forged("another key's signature", {"signer": SIGNERS["key_2"]}, same, R.signature_is_wrong),
    Forged("large header", {}, lambda headers: headers | {"signature": "x" * 3_000}, R.header_is_too_large),
    Forged("not JSON", {}, lambda headers: headers | {"content-type": "text/plain"}, R.content_type_is_not_json),
    Forged("JSON in latin-1", {}, lambda headers: headers | LATIN, R.content_type_is_not_json),
]  # fmt: skip


@pytest.mark.parametrize("forged", FORGED, ids=[forged.name for forged in FORGED])
def test_a_request_that_is_not_believed_changes_nothing(api: Served, forged: Forged) -> None:
    before = api.house.counts()
    body = written(card())
    headers = forged.headers(api.house.sign("POST", PATH, body, **forged.words))
    answer = api.client.post(PATH, content=body, headers={"content-type": "application/json"} | headers)
    assert problem(answer)["code"] == forged.reason
    assert api.house.counts() == before


def test_a_changed_body_is_not_what_was_signed(api: Served) -> None:
    headers = api.house.sign("POST", PATH, written(card(1)))
    answer = api.client.post(PATH, content=written(card(2)), headers={"content-type": "application/json"} | headers)
    assert problem(answer)["code"] == Reason.content_digest_is_wrong


def test_another_path_is_not_what_was_signed(api: Served) -> None:
    body = written(PERSON)
    headers = api.house.sign("POST", PATH, body)
    answer = api.client.post("/v1/sellers", content=body, headers={"content-type": "application/json"} | headers)
    assert problem(answer)["code"] == Reason.signature_is_wrong


def test_a_doubled_header_is_refused(api: Served) -> None:
    body = written(card())
    headers = [("content-type", "application/json"), *api.house.sign("POST", PATH, body).items()]
    for name in ("signature", "idempotency-key", "content-type"):
        answer = api.client.post(PATH, content=body, headers=[*headers, (name, "x")])
        assert (problem(answer)["code"], problem(answer)["where"]) == (Reason.header_is_doubled, name)


@pytest.mark.parametrize("size", [16 * 1024 + 1, 900_000, 3_000_000])
def test_a_large_body_is_refused_before_it_is_believed(api: Served, size: int) -> None:
    """By its length where that is told, and while it is read where it is not."""
    body = b'{"contract":"' + b"x" * size + b'"}'
    headers = {"content-type": "application/json"} | api.house.sign("POST", PATH, body)
    if size < 1 << 20:
        assert problem(api.client.post(PATH, content=iter([body[:9], body[9:]]), headers=headers))["code"] == (
            Reason.body_is_too_large
        )
    assert problem(api.client.post(PATH, content=body, headers=headers))["code"] == Reason.body_is_too_large


def test_unknown_addresses_and_methods_are_refused_in_our_own_words(api: Served) -> None:
    assert problem(api.client.get("/v1/nothing"))["code"] == Reason.route_is_unknown
    assert problem(api.client.get("/v1/redemptions/"))["code"] in (Reason.route_is_unknown, Reason.signature_is_missing)
    answer = api.client.delete("/v1/redemptions")
    assert problem(answer)["code"] == Reason.method_is_not_allowed
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert problem(api.client.post("/v1/health"))["code"] == Reason.method_is_not_allowed


def test_every_refusal_here_is_documented_for_its_route() -> None:
    """The OpenAPI document lists each code that these tests have met, under the status that it came with."""
    responses = document(ORIGIN)["paths"][PATH]["post"]["responses"]
    for reason in {bad.reason for bad in BODIES} | {forged.reason for forged in FORGED}:
        schema = responses[str(TEXTS[reason].status)]["content"]["application/problem+json"]["schema"]
        assert reason in schema["allOf"][1]["properties"]["code"]["enum"]
