"""Every way into the platform that the cast has: a connection pool for each address, a session for each key.

All of it is the public SDK. What honest callers send goes through its methods; what attackers send goes through the
same flows with the request changed on the way, because an attacker is free to do so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import msgspec

from suyuan.base import wire
from suyuan.base.clock import SystemClock
from suyuan.base.crypto import PublicKey
from suyuan.faces.sdk import AsyncPlatform, Pending, Refused
from suyuan.faces.sdk.exchange import Answer, Ask, Came, Flow, Said, Session
from suyuan.faces.simulate.cast import Cast, Keys
from suyuan.faces.simulate.deeds import Sale, SimCard

TIMEOUT_S = 30.0
TARGET = "/v1/redemptions"


class Door(NamedTuple):
    """One key at one address."""

    platform: AsyncPlatform
    session: Session


class Doors:
    """Opens doors and keeps them open. The platform trusts this machine to name the address of a caller."""

    def __init__(self, url: str, cast: Cast, pinned: Mapping[str, PublicKey], *, connections_max: int) -> None:
        self._url = url
        self._cast = cast
        self._pinned = dict(pinned)
        self._bounds = httpx.Limits(max_connections=connections_max, max_keepalive_connections=connections_max)
        self._pools: dict[str, httpx.AsyncClient] = {}
        self._doors: dict[tuple[str, str], Door] = {}
        self.device_keys: dict[int, str] = {}
        """The ids that the platform gave to the keys of sellers' devices."""

    def of_partner(self, partner: int, address: str) -> Door:
        """A partner's own key."""
        who = self._cast.partners[partner]
        return self._door(who.key, address, dialect=who.dialect, merchant_id=who.id)

    def of_device(self, seller: int, address: str) -> Door:
        """The key of a seller's phone."""
        device = self._cast.sellers[seller].device
        assert device is not None, "a sale by device is planned for sellers who have one"
        return self._door(Keys(self.device_keys[seller], device.algorithm, device.secret), address)

    def of(self, sale: Sale) -> Door:
        """The door through which a sale comes."""
        if sale.by == "device":
            return self.of_device(sale.seller, sale.address)
        return self.of_partner(sale.signs, sale.address)

    async def close(self) -> None:
        """Closes every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    def _door(self, key: Keys, address: str, *, dialect: str = "rfc9421", merchant_id: str = "") -> Door:
        door = self._doors.get((key.id, address))
        if door is None:
            words: dict[str, Any] = {
                "key_id": key.id, "signer": key.signer, "keys": self._pinned, "dialect": dialect,
                "merchant_id": merchant_id,
            }  # fmt: skip
            platform = AsyncPlatform(self._url, http=self._pool(address), timeout_s=TIMEOUT_S, **words)
            session = Session(self._url, clock=SystemClock(), chance=os.urandom, **words)
            door = self._doors[key.id, address] = Door(platform, session)
        return door

    def _pool(self, address: str) -> httpx.AsyncClient:
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = httpx.AsyncClient(
                base_url=self._url,
                headers={"x-forwarded-for": address, "user-agent": "suyuan-simulator"},
                limits=self._bounds,
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        return pool


def body_of(sale: Sale, cast: Cast) -> bytes:
    """The body of a sale, with what its scheme puts into it."""
    source = sale.source
    if isinstance(source, SimCard):
        shown: dict[str, Any] = {
            "type": "card", "operator": source.operator, "serial": source.serial, "pin": source.pin,
            "face_fen": source.face_fen,
        }  # fmt: skip
    else:
        shown = {
            "type": "balance", "operator": source.operator, "number": source.number, "amount_fen": source.amount_fen,
        }  # fmt: skip
    body: dict[str, Any] = {"contract": cast.contracts[sale.contract].id, "seller": cast.sellers[sale.seller].id}
    optional = {"agent": sale.agent, "expected_payout": sale.expected_payout}
    body |= {name: value for name, value in optional.items() if value is not None}
    for path, value in sale.extras.items():
        part, _, name = path.rpartition(".")
        (shown if part == "source" else body)[name] = value
    return wire.canonical(body | {"source": shown})


def recorded(flow: Flow[Said], seen: list[Ask]) -> Flow[Said]:
    """The same flow, while somebody on the way writes down what is sent."""
    came: Came = None
    while True:
        try:
            step = flow.send(came)
        except StopIteration as end:
            said: Said = end.value
            return said
        if isinstance(step, Ask):
            seen.append(step)
        came = yield step


def thrown(ask: Ask) -> Flow[Pending | Refused | None]:
    """Sends a request as it is, once, and takes the answer as it comes. None where none came."""
    came = yield ask
    if not isinstance(came, Answer):
        return None
    if came.status < httpx.codes.BAD_REQUEST:
        return msgspec.json.decode(came.content, type=Pending)
    problem = msgspec.json.decode(came.content)
    return Refused(problem["code"], came.status, problem["detail"], problem["detail_zh"], problem.get("where", ""))
