"""Webhooks on their way: a real receiver that takes, refuses, hangs up, drips, redirects or is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros
from suyuan.outside.webhooks import Delivery, Outcome, Sender, is_endpoint, wait_s
from suyuan.settle.webhook import check_webhook

NOW = Micros(1_700_000_000 * SECOND)
BODY = b'{"type":"redemption.paid"}'
SIGNER = crypto.suite("ed25519").signer(bytes(32))
HTTPS = "https://"
KEY = crypto.PublicKey("ed25519", SIGNER.public)


class Receiver:
    """Answers every request with the same bytes, or stays silent, and keeps what it heard."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self.url = ""
        self.heard: list[bytes] = []
        self.is_done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(BODY)))
            if self._answer is None:
                await reader.read()
            else:
                writer.write(self._answer)
        finally:
            writer.close()
            # A sender who has heard enough closes first, and that is no fault of the receiver's.
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.is_done.set()


@asynccontextmanager
async def receiver(answer: bytes | None) -> AsyncIterator[Receiver]:
    found = Receiver(answer)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    found.url = f"http://{host}:{port}/hooks"
    async with server:
        yield found


async def deliver(url: str, deadline_s: float) -> Delivery:
    sender = Sender(deadline_s=deadline_s)
    try:
        return await sender.deliver(url, "whk_1", BODY, signers=[SIGNER], now=NOW)
    finally:
        await sender.close()


def try_once(answer: bytes | None, deadline_s: float = 5) -> tuple[Delivery, list[bytes]]:
    async def story() -> tuple[Delivery, list[bytes]]:
        async with receiver(answer) as there:
            delivery = await deliver(there.url, deadline_s)
            await there.is_done.wait()
            return delivery, there.heard

    return asyncio.run(story())


def test_a_receiver_can_check_what_he_hears() -> None:
    """The bytes that arrive carry a signature that the receiver's own check believes."""
    delivery, heard = try_once(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert delivery == Delivery(Outcome.DELIVERED)
    head, _, body = heard[0].partition(b"\r\n\r\n")
    pairs = [(name, text) for name, _, text in (line.partition(b": ") for line in head.split(b"\r\n")[1:])]
    assert check_webhook(pairs, body, keys=[KEY], now=NOW) == "whk_1"


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Delivery(Outcome.GONE, "http_410")),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Delivery(Outcome.TRY_AGAIN, "http_500")),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
            Delivery(Outcome.TRY_AGAIN, "http_302"),
        ),
        (b"nonsense\r\n\r\n", Delivery(Outcome.TRY_AGAIN, "not_reachable")),
        (b"", Delivery(Outcome.TRY_AGAIN, "not_reachable")),
    ],
)
def test_each_answer_has_its_outcome(answer: bytes, delivery: Delivery) -> None:
    """A redirect is not followed: it could lead into our own network."""
    found, heard = try_once(answer)
    assert found == delivery
    assert len(heard) == 1


def test_a_receiver_who_says_nothing_is_left_at_the_deadline() -> None:
    assert try_once(None, deadline_s=0.2)[0] == Delivery(Outcome.TRY_AGAIN, "timed_out")


def test_an_endless_answer_is_not_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + bytes(100_000)
    assert try_once(endless, deadline_s=2)[0] == Delivery(Outcome.DELIVERED)


def test_a_receiver_who_is_not_there_is_tried_again() -> None:
    async def story() -> Delivery:
        async with receiver(b"") as gone:
            url = gone.url
        return await deliver(url, 5)

    assert asyncio.run(story()) == Delivery(Outcome.TRY_AGAIN, "not_reachable")


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://partner.example.com/hooks?x=1", True),
        ("https://partner.example.com:8443/hooks", True),
        ("http://127.0.0.1:9000/hooks", True),
        ("http://localhost/hooks", True),
        ("http://[::1]:9000/hooks", True),
        ("http://partner.example.com/hooks", False),
        ("http://localhost.example.com/hooks", False),
        ("ftp://partner.example.com/", False),
        (HTTPS + "user:password@partner.example.com/", False),
        ("https://partner.example.com/#part", False),
        ("https://partner.example.com:99999/", False),
        ("https://partner.example.com:0/", False),
        (HTTPS + "[::1/", False),
        ("https:///hooks", False),
        ("https://partner.example.com/a b", False),
        ("https://话费.example.com/", False),
        ("https://partner.example.com/" + "a" * 2048, False),
        ("", False),
    ],
)
def test_webhooks_go_to_whole_encrypted_addresses_only(url: str, is_good: bool) -> None:
    assert is_endpoint(url) is is_good


def test_a_receiver_who_was_down_over_a_weekend_hears_everything() -> None:
    """Nine waits add up to more than three days, each up to a tenth longer; then people are told."""
    for chance in (0, 999):
        waits = [wait_s(tries, chance=chance) for tries in range(1, 11)]
        assert waits.pop() is None
        planned_s = sum(wait for wait in waits if wait is not None)
        assert 75 * 3600 <= planned_s <= 84 * 3600
        assert waits == sorted(wait for wait in waits if wait is not None)
