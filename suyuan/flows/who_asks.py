"""Who asks: the first step of every signed story.

A request at the door claims to be a key's. Here the key is looked up and the claim is believed or not; a bad signature
*raises*, so nobody can go on after overlooking it. What the key may do is for each story, and in the end the line.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from suyuan.base import wire
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.desk import Desk
from suyuan.settle.account import Key, check_key
from suyuan.settle.once import nonce_mark, request_mark
from suyuan.settle.request import Claim, Signed, check

# Checking these holds a core for more than half a millisecond, and lets go of the interpreter while it does.
SLOW_ALGORITHMS = frozenset({"sm2-sm3"})


class Knock(NamedTuple):
    """A well-formed and fresh request at the door, and the address it came from. Nobody has opened yet."""

    claim: Claim
    address: str
    route: str
    """Method and path of the route, for which an idempotency key counts: `POST /v1/redemptions`."""
    takes_query: bool = False


class Visit(NamedTuple):
    """A request that nobody signed: a stranger's, or of somebody who shows the token of a number that they proved."""

    body: bytes
    target_uri: str
    address: str
    token: str
    """Of `Authorization: Bearer`; nothing where there is none."""


class Marks(NamedTuple):
    """What a write is remembered by."""

    nonce: bytes
    request: bytes
    digest: bytes


class Asking(NamedTuple):
    """Whoever signed the request, believed."""

    key: Key
    partner: str
    ip_prefix: str
    body: bytes
    marks: Marks

    @property
    def only_seller(self) -> str | None:
        """The one seller that this key speaks for; None for a partner's key, which speaks for all its sellers."""
        return self.key.owner if self.key.owner_kind == "seller" else None


async def who_asks(desk: Desk, knock: Knock, *, with_partner: bool = True) -> Asking | Refusal:
    """Believes a knock, or says why not. Raises `BadSignature`.

    Where a person asks about their own data (not `with_partner`), a partner who was stopped does not stand in the way.
    """
    claim, is_read = knock.claim, knock.claim.idempotency_key is None
    # (1) The key, from the database for reads: nobody looks at them again, while the line looks at writes.
    known = await desk.lookup.key(claim.key_id, fresh=is_read)
    key = None if known is None else known.key
    refusal = check_key(key, at=desk.clock.now(), address=knock.address)
    if refusal is not None or known is None or key is None:
        return refusal or Refusal(Reason.key_is_unknown)
    # (2) The signature. The algorithm belongs to the key, so a header cannot weaken it.
    checked_with = _Checked(key.id, key.algorithm, _raw(key.public_key))
    is_slow = key.algorithm in SLOW_ALGORITHMS
    signed = await asyncio.to_thread(check, claim, checked_with) if is_slow else check(claim, checked_with)
    if isinstance(signed, Refusal):
        return signed
    if signed.merchant_id not in ("", key.owner):
        return Refusal(Reason.merchant_id_cannot_be_asked_for, "mchid")
    if "?" in claim.request.target_uri and not knock.takes_query:
        return Refusal(Reason.field_is_unknown, "query")
    # (3) Once. A write's nonce is spent in the line, together with what it does.
    nonce = nonce_mark(key.id, signed.nonce)
    if is_read:
        refusal = desk.seen_reads.refuse(nonce, created_at=signed.created_at, now=desk.clock.now())
        refusal = refusal or (Refusal(Reason.key_is_stopped) if known.key_is_stopped else None)
        is_stopped = known.partner_is_stopped and (with_partner or key.owner_kind == "partner")
        refusal = refusal or (Refusal(Reason.partner_is_stopped) if is_stopped else None)
    return refusal or Asking(
        key, known.partner, ip_prefix(knock.address), signed.body, _marks(desk, key, signed, nonce, knock)
    )


def _marks(desk: Desk, key: Key, signed: Signed, nonce: bytes, knock: Knock) -> Marks:
    # The digest is kept for ever and the body holds a PIN or a name, so a plain hash would confirm guesses for ever.
    digest = desk.vault.keyed_digest(signed.fingerprint, purpose="request")
    return Marks(nonce, request_mark(key.owner, knock.route, signed.idempotency_key or ""), digest)


class _Checked(NamedTuple):
    """A key as `settle.request` checks with it."""

    id: str
    algorithm: str
    public_key: bytes


@lru_cache(8192)
def _raw(public_key: str) -> bytes:
    return wire.unb64(public_key)


@lru_cache(8192)
def ip_prefix(address: str) -> str:
    """The network that an address is counted under: /24 for IPv4, /48 for IPv6; nothing for no address.

    >>> ip_prefix("203.0.113.77"), ip_prefix("2001:db8:1:2::3"), ip_prefix("::ffff:203.0.113.77")
    ('203.0.113.0/24', '2001:db8:1::/48', '203.0.113.0/24')
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))
