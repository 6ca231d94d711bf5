"""The API as a partner meets it: signed both ways, a retry byte for byte, and vouchers that check offline."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from suyuan.base import crypto, wire
from suyuan.base.clock import SECOND, Micros, plus
from suyuan.base.refusals import Reason
from suyuan.faces.http.building import HANDED_ON_S
from suyuan.flows.count_strangers import Strangers
from suyuan.flows.record_outcome import CONSUME_SUFFIX, PAY_SUFFIX, RecordOutcome
from suyuan.settle.answer import check_answer
from suyuan.settle.voucher import BadVoucher, Voucher, check_voucher
from tests.faces.http.served import JSON, Served, problem
from tests.flows.consents import wish
from tests.flows.house import ADDRESS, NOON, ORIGIN, PLATFORM_KEYS, SIGNERS, card, written

PATH = "/v1/redemptions"


def redeemed(api: Served, number: int, **changes: Any) -> dict[str, Any]:
    answer = api.post(PATH, card(number), **changes)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def pay(api: Served, redemption: str) -> None:
    """The operator consumed the card and the channel paid."""
    for suffix, kind, word in ((CONSUME_SUFFIX, "consumed", "C-1"), (PAY_SUFFIX, "paid", "B-77")):
        command = RecordOutcome(redemption, redemption + suffix, kind, word)

        async def submit(command: RecordOutcome = command) -> Any:
            return await api.house.line.submit(command)

        api.house.run(submit())


def test_a_card_is_redeemed_over_http(api: Served) -> None:
    """202 with everything that was promised, and where to look again."""
    answer = api.post(PATH, card(101))
    taken = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{PATH}/{taken['redemption']}"
    assert (taken["state"], taken["face_fen"], taken["paid"], taken["fee_fen"]) == ("pending", 100_00, 80_00, 20_00)
    shown = api.get(answer.headers["location"]).json()
    assert shown.items() >= taken.items()
    assert shown["reference"] == ""


def test_a_retried_idempotency_key_gets_the_very_same_bytes(api: Served) -> None:
    first = api.post(PATH, card(102), idempotency_key="order-A")
    again = api.post(PATH, card(102), idempotency_key="order-A")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    conflict = problem(api.post(PATH, card(103), idempotency_key="order-A"))
    assert conflict["code"] == Reason.idempotency_key_was_used_for_another_request


def test_the_same_signed_bytes_act_once(api: Served) -> None:
    body = written(card(104))
    headers = api.house.sign("POST", PATH, body)
    assert api.checked("POST", PATH, body, headers).status_code == 202
    assert problem(api.checked("POST", PATH, body, headers))["code"] == Reason.request_was_replayed


def test_a_read_is_answered_once(api: Served) -> None:
    headers = api.house.sign("GET", "/v1/contracts")
    assert api.checked("GET", "/v1/contracts", b"", headers).status_code == 200
    assert problem(api.checked("GET", "/v1/contracts", b"", headers))["code"] == Reason.request_was_replayed


def test_an_answer_is_signed_for_its_request_alone(api: Served) -> None:
    headers = api.house.sign("GET", "/v1/contracts", nonce="n" * 22)
    answer = api.client.get("/v1/contracts", headers=JSON | headers)
    check_answer(200, answer.headers.raw, answer.content, keys=PLATFORM_KEYS, nonce="n" * 22)
    with pytest.raises(crypto.BadSignature, match="another request"):
        check_answer(200, answer.headers.raw, answer.content, keys=PLATFORM_KEYS, nonce="m" * 22)


def test_a_voucher_is_given_once_it_is_paid_and_checks_offline(api: Served) -> None:
    """Not before; then by the platform's key, and by nobody else's. A changed amount is found."""
    redemption = redeemed(api, 105)["redemption"]
    assert problem(api.get(f"{PATH}/{redemption}/voucher"))["code"] == Reason.voucher_is_not_ready
    pay(api, redemption)
    paper = api.get(f"{PATH}/{redemption}/voucher").content
    voucher = check_voucher(paper, PLATFORM_KEYS)
    assert (voucher.redemption, voucher.seller, voucher.paid, voucher.reference) == (redemption, "slr_1", 80_00, "B-77")
    assert voucher.origin == ORIGIN
    assert voucher.taken_at < voucher.paid_at
    with pytest.raises(crypto.BadSignature):
        check_voucher(paper, {"platform-1": crypto.PublicKey("ed25519", SIGNERS["key_1"].public)})
    with pytest.raises(crypto.BadSignature):
        check_voucher(paper, {})
    with pytest.raises(crypto.BadSignature):
        check_voucher(paper.replace(b"slr_1", b"slr_2"), PLATFORM_KEYS)
    for broken in (b"", paper[:-1], paper.replace(b":", b": ", 1), paper.replace(b'"paid":8000', b'"paid":9000')):
        with pytest.raises(BadVoucher):
            check_voucher(broken, PLATFORM_KEYS)


def test_a_voucher_has_one_encoding() -> None:
    voucher = Voucher("rdm", "ptn", "slr", "cmcc", 100, 80, 20, 0, 0, "money", "bank", "B", 1, 2, 3, ORIGIN)
    assert wire.canonical(voucher) == wire.canonical_record(voucher)


def test_somebody_elses_redemption_is_unknown(api: Served) -> None:
    """To another partner, and to a seller's key where the seller is another."""
    mine = redeemed(api, 106)["redemption"]
    others = redeemed(api, 107)["redemption"]
    assert problem(api.get(f"{PATH}/{mine}", key="key_2"))["code"] == Reason.redemption_is_unknown
    assert problem(api.get(f"{PATH}/{mine}/voucher", key="key_2"))["code"] == Reason.redemption_is_unknown
    assert api.get(f"{PATH}/{others}", key="key_seller").status_code == 200


def test_the_list_goes_on_where_it_stopped(api: Served) -> None:
    """Page by page, oldest first, every redemption once; a cursor is nobody else's."""
    mine = [redeemed(api, number)["redemption"] for number in range(110, 115)]
    found: list[str] = []
    target = f"{PATH}?limit=2"
    while True:
        page = api.get(target).json()
        found += [each["redemption"] for each in page["redemptions"]]
        if page["next"] is None:
            break
        target = f"{PATH}?limit=2&cursor={page['next']}"
    assert found[-5:] == mine
    assert len(found) == len(set(found))
    cursor = api.get(f"{PATH}?limit=1").json()["next"]
    assert problem(api.get(f"{PATH}?cursor={cursor}", key="key_2"))["code"] == Reason.cursor_is_malformed
    assert api.get(PATH, key="key_2").json() == {"redemptions": [], "next": None}


def test_contracts_and_limits_are_shown_to_who_they_concern(api: Served) -> None:
    contracts = api.get("/v1/contracts").json()["contracts"]
    assert {each["contract"] for each in contracts} == {"ctr_1", "ctr_balance"}
    assert (contracts[0]["ratio_face"], contracts[0]["ratio_value"]) == (10, 8)
    before = api.get("/v1/limits?seller=slr_1").json()
    redeemed(api, 120)
    after = api.get("/v1/limits?seller=slr_1").json()
    assert after["tier"] == 1
    for was, now in zip(before["limits"], after["limits"], strict=True):
        assert was["left_fen"] - now["left_fen"] == 100_00, now
    assert problem(api.get("/v1/limits?seller=slr_3", key="key_seller"))["code"] == Reason.seller_is_unknown


def test_a_seller_registers_and_steps_up_over_http(api: Served) -> None:
    person = {"name": "王小明", "identity_number": "11010119900307391X", "number": "13800000000", "payee": "6222"}
    answer = api.post("/v1/sellers", person)
    assert answer.status_code == 201
    seller = answer.json()["seller"]
    needed = problem(api.post("/v1/step-ups", {"seller": seller, "capture": "c"}))
    assert (needed["code"], needed["where"]) == (Reason.consent_is_needed, "compare_face")
    assert api.post("/v1/consents", wish(seller=seller)).status_code == 201
    raised = api.post("/v1/step-ups", {"seller": seller, "capture": "c"})
    assert raised.status_code == 201
    assert raised.json()["raised_fen"] == 5_000_00


def test_a_stopped_key_reads_nothing_from_the_next_request_on(api: Served) -> None:
    """Reads ask the database each time, so nobody has to wait for a memory to fade."""
    assert api.get("/v1/contracts", key="key_2").status_code == 200
    api.house.rows("INSERT INTO kill_switch VALUES ('partner:ptn_2', true, 1) RETURNING target")
    assert problem(api.get("/v1/contracts", key="key_2"))["code"] == Reason.partner_is_stopped
    api.house.rows("UPDATE kill_switch SET target = 'key:key_2' RETURNING target")
    assert problem(api.get("/v1/contracts", key="key_2"))["code"] == Reason.key_is_stopped
    api.house.rows("DELETE FROM kill_switch RETURNING target")
    assert api.get("/v1/contracts", key="key_2").status_code == 200


def test_a_read_signed_before_this_process_began_is_refused(api: Served) -> None:
    """A restart forgets the nonces of reads, so it draws a line in time instead."""
    began_s_ago = (api.house.clock.now() - NOON) // SECOND
    found = problem(api.get("/v1/contracts", age_s=began_s_ago + 2))
    assert (found["code"], found["where"]) == (Reason.signature_is_too_old, "created")


def test_open_addresses_need_no_signature(api: Served) -> None:
    assert api.client.get("/v1/health").json() == {"ready": True}
    platform = api.client.get("/v1/platform").json()
    assert platform["origin"] == ORIGIN
    assert [crypto.PublicKey.parse(key["public_key"]) for key in platform["keys"]] == list(PLATFORM_KEYS.values())
    assert api.client.get("/openapi.json").json()["openapi"] == "3.1.0"


def test_head_is_a_get_without_a_body(api: Served) -> None:
    headers = api.house.sign("HEAD", "/v1/contracts")
    answer = api.client.head("/v1/contracts", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_fault_inside_tells_nobody_anything(api: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A vault that breaks with the PIN in its message: the caller gets a sentence, the log the kind of the fault."""

    class Broken:
        def new_key(self, *subject: object, **words: object) -> None:
            return None

        def index(self, value: str, *, purpose: str) -> str:
            raise RuntimeError(f"cannot index {value}")

        def keyed_digest(self, content: bytes, *, purpose: str) -> bytes:
            return bytes(32)

    vault = api.house.desk.vault
    object.__setattr__(api.house.desk, "vault", Broken())
    try:
        answer = api.post(PATH, card(123456))
    finally:
        object.__setattr__(api.house.desk, "vault", vault)
    assert problem(answer)["code"] == Reason.platform_has_a_fault
    assert "123456" not in answer.text
    said = capsys.readouterr()
    assert "RuntimeError" in said.out + said.err
    assert "123456" not in said.out + said.err


def test_strangers_are_counted_once_a_minute(api: Served) -> None:
    """Five bad signatures with a known key and three with keys that nobody has: two events, however many requests."""
    strangers = Strangers()
    minute = NOON // (60 * SECOND) * 60 * SECOND
    for _ in range(5):
        strangers.count("key_1", "203.0.113.0/24", "signature_is_wrong", at=Micros(NOON))
    for _ in range(3):
        strangers.count("", "203.0.113.0/24", "key_is_unknown", at=Micros(NOON))
    command = strangers.finished(at=plus(NOON, 60))
    assert command is not None
    before = len(api.house.events())

    async def submit() -> Any:
        return await api.house.line.submit(command)

    api.house.run(submit())
    told = api.house.events()[before:]
    assert [(event["key"], event["times"], event["minute"]) for event in told] == [
        ("key_1", 5, minute),
        ("", 3, minute),
    ]
    assert strangers.finished(at=plus(NOON, 600)) is None
    assert HANDED_ON_S < 60


def test_the_address_behind_our_own_proxy_counts(api: Served) -> None:
    """The proxy is trusted, so the caller's network is the one that it tells; what the caller wrote itself is not."""
    forwarded = {"x-forwarded-for": f"6.6.6.6, {ADDRESS}"}
    body = written(card(130))
    answer = api.client.post(PATH, content=body, headers=JSON | api.house.sign("POST", PATH, body) | forwarded)
    assert answer.status_code == 202
    assert api.house.events()[-1]["ip_prefix"] == "203.0.113.0/24"


def test_a_slow_body_is_not_waited_for(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers promise a body that never comes."""
    monkeypatch.setattr("suyuan.faces.http.door.BODY_S", 0.2)
    headers = {"content-type": "application/json", "content-length": "100"} | api.house.sign("POST", PATH, b"x")

    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + b'{"contract"')
        answered = b""
        while part := connection.recv(65536):
            answered += part
    assert b" 408 " in answered.split(b"\r\n")[0]
    assert Reason.body_came_too_slowly.encode() in answered
