"""What the caller believes, against providers that say anything at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from suyuan.base import wire
from suyuan.base.crypto import suite
from suyuan.base.money import Fen, ValueKind
from suyuan.outside.caller import Caller, is_reference
from suyuan.outside.channels import HttpChannel
from suyuan.outside.operators import HttpOperator
from suyuan.outside.protocol import signed_bytes
from suyuan.settle.providers import CardSecret, ConsumeOrder, NotFound, Paid, PayOrder, Unknown
from tests.outside.scripted import HANG, Script, http, scripted

SIGNER = suite("ed25519").signer(b"p" * 32)
CONSUME = ConsumeOrder("rdm1c", "cmcc", "card", "10000000000000001", "100000000000000001", "", Fen(10_000))
PAY = PayOrder("rdm1p", "bank_transfer", "m-1", "acct-1", ValueKind.MONEY, 8_000)
PAID = http('{"about":"rdm1p","state":"done","reference":"B-1"}')


async def pay_through(script: Script, orders: Sequence[PayOrder], *, deadline_s: float = 5.0) -> list[object]:
    async with scripted(script) as url, Caller(url, SIGNER, deadline_s=deadline_s) as caller:
        return [await HttpChannel("bank_transfer", caller).pay(order) for order in orders]


def pay_once(answer: bytes, *, deadline_s: float = 5.0, close_after: bool = False) -> object:
    return asyncio.run(pay_through(Script([answer], close_after=close_after), [PAY], deadline_s=deadline_s))[0]


def test_a_done_order_is_paid() -> None:
    assert pay_once(PAID) == Paid("B-1")


ANSWERS = {
    "another order's answer": (
        http('{"about":"rdm9p","state":"done","reference":"B-9"}'),
        "answer_is_about_something_else",
    ),
    "an unknown state": (http('{"about":"rdm1p","state":"perhaps"}'), "unknown_code"),
    "an unknown refusal": (http('{"about":"rdm1p","state":"refused","code":"try_another_number"}'), "unknown_code"),
    "a refusal of operators": (http('{"about":"rdm1p","state":"refused","code":"card_is_used"}'), "unknown_code"),
    "done without a reference": (http('{"about":"rdm1p","state":"done"}'), "unknown_code"),
    "no JSON": (http("<html>Welcome</html>"), "answer_is_unreadable"),
    "not UTF-8": (http(b'{"about":"\xff"}'), "answer_is_unreadable"),
    "a list": (http("[]"), "answer_is_unreadable"),
    "nothing": (http(""), "answer_is_unreadable"),
    "a number for a state": (http('{"about":"rdm1p","state":1}'), "answer_is_unreadable"),
    "a redirect": (http("", "302 Found", headers="location: http://127.0.0.1:1/elsewhere\r\n"), "http_302"),
    "not found, said of a payment": (
        http('{"about":"rdm1p","code":"order_not_found"}', "404 Not Found"),
        "http_404",
    ),
    "a conflict": (http('{"about":"rdm1p","code":"order_conflict"}', "409 Conflict"), "order_conflict"),
    "a gateway's 502": (http("<html>Bad Gateway</html>", "502 Bad Gateway"), "http_502"),
    "too many requests": (http('{"about":"","code":"slow_down"}', "429 Too Many Requests"), "http_429"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "connection_lost"),
    "an answer without end": (http(b"x" * (1 << 21)), "answer_is_too_long"),
    "half an answer": (http("{}" * 100)[:-50], "timed_out"),
    "silence": (HANG, "timed_out"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_is_unexpected_is_unknown(name: str) -> None:
    """None of them is called failed, and none of them raises."""
    answer, why = ANSWERS[name]
    deadline_s = 0.3 if why == "timed_out" else 5.0
    assert pay_once(answer, deadline_s=deadline_s) == Unknown(why)


@pytest.mark.parametrize(
    "answer", [HANG, PAID[:-10], b"HTTP/1.1 200 OK\r\n\r\n"], ids=["none", "half", "without length"]
)
def test_a_connection_that_ends_early_is_unknown(answer: bytes) -> None:
    """Also when the answer has no length and might be complete: nobody can tell."""
    assert pay_once(answer, close_after=True) == Unknown("connection_lost")


def test_a_provider_that_drips_is_given_up_at_the_deadline() -> None:
    """One byte every 50 ms would keep a timeout per read waiting for ever."""

    script = Script([PAID], drip_s=0.05)
    assert asyncio.run(pay_through(script, [PAY], deadline_s=0.3)) == [Unknown("timed_out")]


def test_nobody_there_is_unknown() -> None:
    async def story() -> object:
        async with scripted(Script([])) as url:
            gone = url
        async with Caller(gone, SIGNER) as caller:
            return await HttpChannel("bank_transfer", caller).pay(PAY)

    assert asyncio.run(story()) == Unknown("not_reachable")


def test_the_same_order_is_the_same_bytes() -> None:
    """Sent now, sent again, sent by another process with the same key: byte for byte one request."""
    first, again, elsewhere = Script([PAID]), Script([PAID, PAID]), Script([PAID])
    asyncio.run(pay_through(first, [PAY]))
    asyncio.run(pay_through(again, [PAY, PAY]))
    asyncio.run(pay_through(elsewhere, [PAY]))
    requests = [without_host(request) for script in (first, again, elsewhere) for request in script.requests]
    assert len(requests) == 4
    assert len(set(requests)) == 1


def without_host(request: bytes) -> bytes:
    return b"\r\n".join(line for line in request.split(b"\r\n") if not line.startswith(b"Host:"))


def test_the_signature_covers_method_path_and_body() -> None:
    """The header checks against exactly these three, with the platform's public key."""
    script = Script([PAID])
    asyncio.run(pay_through(script, [PAY]))
    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    message = signed_bytes("POST", "/channels/bank_transfer/orders", body)
    suite("ed25519").checker(SIGNER.public).check(message, wire.unb64(fields["suyuan-signature"]))
    sent = b'{"amount":8000,"merchant_id":"m-1","order_no":"rdm1p","payee":"acct-1","value_kind":"money"}'
    assert body == sent


def test_asking_believes_only_the_providers_own_words_for_not_found() -> None:
    """404 from a gateway, 404 about another order, 404 with another code: all unknown. One sentence is not found."""
    answers = {
        '{"about":"rdm1p","code":"order_not_found"}': NotFound(),
        '{"about":"rdm2p","code":"order_not_found"}': Unknown("answer_is_about_something_else"),
        '{"about":"","code":"order_not_found"}': Unknown("http_404"),
        '{"about":"rdm1p","code":"no_such_route"}': Unknown("http_404"),
        "<html>Not Found</html>": Unknown("http_404"),
    }

    async def story() -> list[object]:
        script = Script([http(body, "404 Not Found") for body in answers])
        async with scripted(script) as url, Caller(url, SIGNER) as caller:
            return [await HttpChannel("bank_transfer", caller).ask("rdm1p") for _ in answers]

    assert asyncio.run(story()) == list(answers.values())


def test_a_reversal_that_makes_no_sense_is_not_believed() -> None:
    """A negative amount, a reference of a thousand letters, a cursor with a slash: unknown, all of it."""
    line = '{"cursor":"%s","order_no":"rdm1c","reference":"%s","face_fen":%d,"at":1}'
    bad = [line % ("1", "C-1", -1), line % ("1", "C" * 1000, 100), line % ("../1", "C-1", 100)]

    async def story() -> list[object]:
        answers = [http(f'{{"about":"","reversals":[{text}]}}') for text in bad]
        async with scripted(Script(answers)) as url, Caller(url, SIGNER) as caller:
            return [await HttpOperator("cmcc", caller).reversals("") for _ in bad]

    assert asyncio.run(story()) == [Unknown("answer_is_unreadable")] * len(bad)


def test_no_word_of_unknown_tells_anything_of_the_order() -> None:
    """The answer repeats PIN and payee; the verdict, and its text, do not."""
    echo = http(f'{{"about":"{CONSUME.pin}","state":"{CONSUME.serial}","code":"{PAY.payee}"}}')

    async def story() -> list[object]:
        async with scripted(Script([echo] * 3)) as url, Caller(url, SIGNER) as caller:
            operator = HttpOperator("cmcc", caller)
            consumed = await operator.consume(CONSUME)
            checked = await operator.check_secret(CardSecret(CONSUME.serial, CONSUME.pin, CONSUME.face_fen))
            return [consumed, checked, await HttpChannel("bank_transfer", caller).pay(PAY)]

    told = repr(asyncio.run(story()))
    assert "Unknown" in told
    assert not any(secret in told for secret in (CONSUME.pin, CONSUME.serial, PAY.payee))


def test_a_reference_is_short_and_printable() -> None:
    assert is_reference("C-20261122-1")
    assert not any(map(is_reference, ["", "x" * 65, "话费卡", "a\nb", "a\x00"]))
