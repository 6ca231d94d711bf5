"""Delivers webhooks to the addresses that partners registered, as Standard Webhooks 1.0.0 recommends.

`Sender.deliver` makes one try and says what became of it; it raises nothing. A 2xx answer is delivered, 410 says that
nobody listens there any more, and everything else is tried again after `wait_s`, with the same id and body, signed
anew. Who asks for the tries, and remembers them, is the outbox; this file holds no state but its connections.

Invariants: a try ends by its deadline and reads nothing of the answer but its status, so a receiver can neither hold
us nor feed us; redirects are not followed; addresses are https, or http on this very machine for a trial.

>>> [wait_s(tries, chance=0) for tries in (1, 2, 10)]
[5, 300, None]
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from suyuan.base.clock import Micros
from suyuan.base.crypto import Signer
from suyuan.settle.webhook import sign_webhook

DEADLINE_S = 15
URL_LENGTH_MAX = 2048
CHANCE_BELOW = 1000

# The specification's example: a receiver who is down over a weekend still hears everything.
_WAITS_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
_GONE = 410


class Outcome(StrEnum):
    """What became of one try."""

    DELIVERED = "delivered"
    GONE = "gone"
    TRY_AGAIN = "try_again"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try's outcome, and for people why it was not delivered: `http_<status>`, `timed_out`, `not_reachable`."""

    outcome: Outcome
    why: str = ""


class Sender:
    """Sends webhooks; shared by all receivers."""

    def __init__(self, *, connections: int = 20, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        # `trust_env=False`, because a variable of the environment must not lead webhooks through somebody's proxy.
        self._client = httpx.AsyncClient(
            timeout=deadline_s,
            limits=httpx.Limits(max_connections=connections),
            headers={"user-agent": "suyuan", "content-type": "application/json"},
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def deliver(
        self, url: str, webhook_id: str, body: bytes, *, signers: Sequence[Signer], now: Micros
    ) -> Delivery:
        """Makes one try. The id and the body are those of the first one; the time and the signatures are today's."""
        assert is_endpoint(url), "an address is looked at when it is registered"
        headers = sign_webhook(webhook_id, body, signers=signers, now=now)
        try:
            async with asyncio.timeout(self._deadline_s):
                status = await self._post(url, body, headers)
        except (TimeoutError, httpx.TimeoutException):
            return Delivery(Outcome.TRY_AGAIN, "timed_out")
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return Delivery(Outcome.TRY_AGAIN, "not_reachable")
        if httpx.codes.is_success(status):
            return Delivery(Outcome.DELIVERED)
        return Delivery(Outcome.GONE if status == _GONE else Outcome.TRY_AGAIN, f"http_{status}")

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            return response.status_code


def is_endpoint(url: str) -> bool:
    """Whether webhooks may go to this address: https and a host, without a password, and short enough to keep."""
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or not has_port or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))


def wait_s(tries: int, *, chance: int) -> int | None:
    """How long to wait after so many tries, or nothing once it is time to give up and tell people.

    `chance` from 0 to 999 adds up to a tenth, so that receivers who were down together are not all met at once.
    """
    assert tries >= 1
    assert 0 <= chance < CHANCE_BELOW
    if tries > len(_WAITS_S):
        return None
    planned_s = _WAITS_S[tries - 1]
    return planned_s + planned_s * chance // (10 * CHANCE_BELOW)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
