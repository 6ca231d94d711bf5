"""What API workers read of settle's tables, through connections that cannot write.

The line decides; a worker only has to know who knocks, and to show what is there. So the key of a *write* may come
from memory for `REMEMBERED_S`: the line looks at the key again before it acts, and a key that was revoked a moment
ago acts no more. A *read* is answered by the worker alone, so it always asks the database.

Amounts and states are shown as their owners keep them (`account`, `redemption`, `ledger`, `limits`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from suyuan.base.clock import SECOND, Clock, Micros
from suyuan.base.db import Fetch
from suyuan.settle.account import Contract, Key, Seller
from suyuan.settle.redemption import Redemption

REMEMBERED_S = 1
KEYS_MAX = 10_000


class Known(NamedTuple):
    """A registered key, the partner it speaks for, and whether a kill switch stops either."""

    key: Key
    partner: str
    key_is_stopped: bool
    partner_is_stopped: bool


class Payment(NamedTuple):
    """When a redemption was paid: the place in history, and the instant."""

    seq: int
    at: Micros


class Used(NamedTuple):
    """What was taken from one limit account, and by how much a step-up raised it."""

    taken_fen: int
    raised_fen: int


class Lookup:
    """The questions that a worker asks. `fetch` is `base.db.ReadPool.fetch`."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, tuple[int, Known]] = {}

    async def key(self, key_id: str, *, fresh: bool) -> Known | None:
        """A key. A stranger's key is never remembered, so strangers cannot fill memory."""
        now = self._clock.now()
        remembered_until, known = self._keys.get(key_id, (0, None))
        if not fresh and now < remembered_until:
            return known
        rows = await self._fetch(_KEY, [key_id])
        if not rows:
            self._keys.pop(key_id, None)
            return None
        values = rows[0]
        known = Known(Key(*values[:-3]), *values[-3:])
        if len(self._keys) >= KEYS_MAX:
            self._keys.clear()
        self._keys[key_id] = (now + REMEMBERED_S * SECOND, known)
        return known

    async def seller(self, seller_id: str) -> Seller | None:
        """A registered seller."""
        rows = await self._fetch(_SELLER, [seller_id])
        return Seller(*rows[0]) if rows else None

    async def partner_name(self, partner: str) -> str:
        """What a partner is called."""
        rows = await self._fetch(_PARTNER_NAME, [partner])
        return str(rows[0][0]) if rows else ""

    async def sellers_of_number(self, number: str) -> list[Seller]:
        """All who are registered with this number, by its pseudonym."""
        return [Seller(*row) for row in await self._fetch(_SELLERS_OF_NUMBER, [number])]

    async def contract(self, contract_id: str) -> Contract | None:
        """A contract, whether in force or not."""
        rows = await self._fetch(_CONTRACT, [contract_id])
        return Contract(*rows[0]) if rows else None

    async def contracts(self, partner: str) -> list[Contract]:
        """All contracts of a partner, the oldest first."""
        return [Contract(*row) for row in await self._fetch(_CONTRACTS, [partner])]

    async def redemption(self, redemption_id: str) -> Redemption | None:
        """One redemption."""
        rows = await self._fetch(_REDEMPTION, [redemption_id])
        return Redemption(*rows[0]) if rows else None

    async def redemptions(self, partner: str, *, seller: str | None, after_seq: int, limit: int) -> list[Redemption]:
        """The redemptions of a partner, or of one of its sellers, in the order in which they were taken."""
        rows = await self._fetch(_REDEMPTIONS, [partner, after_seq, seller, seller, limit])
        return [Redemption(*row) for row in rows]

    async def redemptions_among(self, ids: Iterable[str]) -> list[Redemption]:
        """Those of these redemptions that there are, in the order of their ids."""
        return [Redemption(*row) for row in await self._fetch(_REDEMPTIONS_AMONG, [list(ids)])]

    async def sources_of(self, ids: Iterable[str]) -> dict[str, str]:
        """What is sealed of each redemption's source: a card's serial, or the number whose balance was debited."""
        return {str(row[0]): str(row[1]) for row in await self._fetch(_SOURCES, [list(ids)])}

    async def debits_of_number(self, number: str, *, after_id: str, rows_max: int) -> list[Redemption]:
        """The redemptions that drew on a number's balance, in the order of their ids."""
        return [Redemption(*row) for row in await self._fetch(_DEBITS, [number, after_id, rows_max])]

    async def payment(self, redemption: Redemption) -> Payment | None:
        """When the payout was posted, or, where all of it settled an old debt, the debt. None before that."""
        first, after = redemption.first_transfer, redemption.first_transfer + redemption.transfers
        kind = "debt" if redemption.debt_fen == redemption.paid else "payout"
        rows = await self._fetch(_PAYMENT, [first, after, kind])
        return Payment(*rows[0]) if rows else None

    async def used(self, limit_keys: Iterable[str], now: Micros) -> dict[str, Used]:
        """What was taken from limit accounts; holds that have expired no longer count."""
        rows = await self._fetch(_USED, [now, list(limit_keys)])
        return {row[0]: Used(int(row[1]), int(row[2])) for row in rows}


def _columns(row: type[Any], of: str = "") -> str:
    return ", ".join(f"{of}{name}" for name in row.__struct_fields__)


_KEY = f"""
SELECT {_columns(Key, "k.")}, coalesce(s.partner, k.owner), coalesce(stopped_key.stopped, false),
       coalesce(stopped_partner.stopped, false)
FROM signing_key k
LEFT JOIN seller s ON k.owner_kind = 'seller' AND s.id = k.owner
LEFT JOIN kill_switch stopped_key ON stopped_key.target = 'key:' || k.id
LEFT JOIN kill_switch stopped_partner ON stopped_partner.target = 'partner:' || coalesce(s.partner, k.owner)
WHERE k.id = %s
"""
_SELLER = f"SELECT {_columns(Seller)} FROM seller WHERE id = %s"
_PARTNER_NAME = "SELECT name FROM partner WHERE id = %s"
_CONTRACT = f"SELECT {_columns(Contract)} FROM contract WHERE id = %s"
_CONTRACTS = f"SELECT {_columns(Contract)} FROM contract WHERE partner = %s ORDER BY begins_at, id"
_REDEMPTION = f"SELECT {_columns(Redemption)} FROM redemption WHERE id = %s"
_REDEMPTIONS = f"""
SELECT {_columns(Redemption)} FROM redemption
WHERE partner = %s AND seq > %s AND (%s::text IS NULL OR seller = %s) ORDER BY seq LIMIT %s
"""
_SELLERS_OF_NUMBER = f"SELECT {_columns(Seller)} FROM seller WHERE number = %s AND number <> '' ORDER BY id"
_REDEMPTIONS_AMONG = f"SELECT {_columns(Redemption)} FROM redemption WHERE id = ANY(%s) ORDER BY id"
_SOURCES = "SELECT redemption, sealed_serial FROM card WHERE redemption = ANY(%s)"
_DEBITS = f"""
SELECT {_columns(Redemption, "r.")} FROM card c JOIN redemption r ON r.id = c.redemption
WHERE c.serial_index = %s AND c.id LIKE 'balance-%%' AND r.id > %s ORDER BY r.id LIMIT %s
"""
_PAYMENT = """
SELECT done.seq, done.at FROM transfer promised JOIN transfer done ON done.resolves = promised.id
WHERE promised.id >= %s AND promised.id < %s AND promised.kind = %s AND done.state = 'post'
"""
_USED = """
SELECT a.key, a.debits_pending + a.debits_posted - coalesce((
           SELECT sum(t.fen) FROM transfer t
           WHERE t.payer = a.id AND t.expires_at > a.released_at AND t.expires_at <= %s
             AND NOT EXISTS (SELECT FROM transfer r WHERE r.resolves = t.id)), 0),
       a.credits_posted
FROM account a WHERE a.key = ANY(%s)
"""
