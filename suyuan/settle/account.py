"""Who takes part, under which terms: officers, partners, agents, sellers, contracts, keys, kill switches.

Owns the tables `officer`, `proposal`, `partner`, `agent`, `seller`, `contract`, `signing_key` and `kill_switch`. The
line decides over them; API workers read them to know who knocks (`flows.desk`), and the line checks again, so a key
that was revoked a moment ago signs nothing any more.

What a contract says is a fact that no request and no policy can change: which source it takes, which kind of value
it pays, at which ratio, through which channel and merchant id. Contracts, ratios and keys change only by a proposal
that a second officer approves; a kill switch stops at once and takes one.

Keys live through `next` → `active` → `retiring` → `revoked`. Active and retiring keys sign, so that a partner can
change its key without a gap; a retiring one until `ends_at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import WHOLE_NUMBER_MAX
from suyuan.history.working_set import Connection, Shelf

ACTIVE, SUSPENDED, FROZEN = "active", "suspended", "frozen"
NEXT, RETIRING, REVOKED = "next", "retiring", "revoked"
FOR_EVER = WHOLE_NUMBER_MAX
EVERYTHING = "platform"
NEW_DEVICE_S = DAY_S


class Officer(msgspec.Struct, gc=False):
    id: str
    algorithm: str
    public_key: str


class Proposal(msgspec.Struct, gc=False):
    """A change that waits for a second officer; approved once `approver` is set."""

    id: str
    change: str
    proposer: str
    approver: str | None


class Partner(msgspec.Struct, gc=False):
    id: str
    name: str
    state: str
    webhook_url: str
    trade_channel: str = "online"  # Where it meets its sellers, online or in a shop; retention differs.


class Agent(msgspec.Struct, gc=False):
    """A link in a partner's chain of agents; `parent` is the agent above it."""

    id: str
    partner: str
    parent: str | None


class Seller(msgspec.Struct, gc=False):
    """Who sells cards, and the one verified account on which that person is paid."""

    id: str
    partner: str
    state: str
    tier: int
    identity: str  # A pseudonym: equal for the same person.
    payee: str  # A pseudonym: equal for the same account.
    number: str  # A pseudonym: equal for the same phone number.
    sealed_name: str
    sealed_identity: str
    sealed_number: str
    sealed_payee: str
    registered_at: int
    bound_at: int  # When the newest device was bound.
    frozen_at: int = 0  # What was promised waits from here on; 0 where the seller is not frozen.
    frozen_for: str = ""  # The public reason, or an officer's words.
    frozen_by: str = ""  # The attempt that was decided so, or the officer.


class Contract(msgspec.Struct, gc=False):
    id: str
    partner: str
    source: str
    value_kind: str
    ratio_face: int
    ratio_value: int
    channel: str
    merchant_id: str
    disposition: str
    hold_s: int
    begins_at: int
    ends_at: int


class Key(msgspec.Struct, gc=False):
    """A public key that signs requests. `networks` are CIDR blocks, joined by spaces; none means any."""

    id: str
    owner_kind: str
    owner: str
    algorithm: str
    public_key: str
    state: str
    device: str | None
    networks: str
    ends_at: int


class Switch(msgspec.Struct, gc=False):
    """A kill switch; `target` reads `<kind>:<name>`, such as `channel:bank_transfer`."""

    target: str
    stopped: bool
    turned_at: int


class PublicKeys:
    """Which public keys are enrolled, officers' too, under whatever id: one key pair never speaks for two."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._taken: set[str] = set()

    def want(self, public_key: str) -> None:
        """Asks whether this key is enrolled."""
        if public_key not in self._asked:
            self._wanted.add(public_key)

    def is_taken(self, public_key: str) -> bool:
        """Whether it is; it must have been wanted."""
        assert public_key in self._asked, "a public key is looked up before it is judged"
        return public_key in self._taken

    def take(self, public_key: str) -> None:
        """From now on it is: for whoever comes later in the same batch."""
        self._taken.add(public_key)

    async def load(self, connection: Connection) -> bool:
        """Looks up what was wanted. Returns whether there was anything."""
        if not self._wanted:
            return False
        wanted, self._wanted = self._wanted, set()
        rows = await connection.fetch(_TAKEN, list(wanted))
        self._asked |= wanted
        self._taken |= {str(row[0]) for row in rows}
        return True

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None:
        """Writes nothing: the keys themselves are written by their shelf."""

    @property
    def is_clean(self) -> bool:
        """Always, since nothing is written here."""
        return True

    def settle(self) -> None:
        """After the commit: forgets, because the table knows."""
        self._asked.clear()
        self._taken.clear()

    def forget(self) -> None:
        """After a failed commit."""
        self.settle()
        self._wanted.clear()


class Register:
    """The register's rows that are in memory."""

    def __init__(self) -> None:
        self.officers = Shelf("officer", Officer)
        self.proposals = Shelf("proposal", Proposal, changing=("approver",))
        self.partners = Shelf("partner", Partner, changing=("state", "webhook_url"))
        self.agents = Shelf("agent", Agent)
        self.sellers = Shelf("seller", Seller, changing=Seller.__struct_fields__[2:])
        self.contracts = Shelf("contract", Contract, changing=("ends_at",))
        self.keys = Shelf("signing_key", Key, changing=("state", "ends_at"))
        self.public_keys = PublicKeys()
        self.switches = Shelf("kill_switch", Switch, changing=("stopped", "turned_at"))

    @property
    def shelves(self) -> tuple[Shelf[msgspec.Struct], ...]:
        """All of them, in the order in which they are written."""
        return (
            self.officers, self.proposals, self.partners, self.agents, self.sellers, self.contracts, self.keys,
            self.switches,
        )  # type: ignore[return-value]  # fmt: skip  # A shelf is invariant in its row only for writers.

    def is_stopped(self, target: str) -> bool:
        """Whether a kill switch stops this; it must have been wanted."""
        switch = self.switches.get(target)
        return switch is not None and switch.stopped


def check_key(key: Key | None, *, at: int, address: str | None = None) -> Refusal | None:
    """Whether a key may sign at this instant, and from this address where one is given."""
    if key is None:
        return Refusal(Reason.key_is_unknown)
    if key.state not in (ACTIVE, RETIRING) or at >= key.ends_at:
        return Refusal(Reason.key_is_not_active)
    if address is not None and key.networks and not _is_within(address, key.networks):
        return Refusal(Reason.key_is_used_from_another_address)
    return None


def check_partner(partner: Partner | None) -> Refusal | None:
    """Whether a partner may act."""
    if partner is None:
        return Refusal(Reason.partner_is_unknown)
    return None if partner.state == ACTIVE else Refusal(Reason.partner_is_suspended)


def check_seller(seller: Seller | None, partner_id: str) -> Refusal | None:
    """Whether a seller may act. Another partner's seller is unknown here, not forbidden: ids are not to be probed."""
    if seller is None or seller.partner != partner_id:
        return Refusal(Reason.seller_is_unknown, "seller")
    return Refusal(Reason.seller_is_suspended, "seller") if seller.state == SUSPENDED else None


def check_not_frozen(seller: Seller | None) -> Refusal | None:
    """Whether a seller may redeem. A frozen one may do all else: agree and withdraw, ask, and be answered."""
    return Refusal(Reason.seller_is_frozen, "seller") if seller is not None and seller.state == FROZEN else None


def check_contract(contract: Contract | None, partner_id: str, source: str, *, at: int) -> Refusal | None:
    """Whether a contract of this partner is in force and takes this source."""
    if contract is None or contract.partner != partner_id:
        return Refusal(Reason.contract_is_unknown, "contract")
    if not contract.begins_at <= at < contract.ends_at:
        return Refusal(Reason.contract_is_not_in_force, "contract")
    return None if contract.source == source else Refusal(Reason.source_is_not_the_contracts, "source")


def tier_of(seller: Seller, key: Key, *, at: int) -> int:
    """The tier that counts now: a device that is newer than a day starts at the lowest."""
    is_new_device = key.device is not None and at < plus(seller.bound_at, NEW_DEVICE_S)
    return 0 if is_new_device else seller.tier


def _is_within(address: str, networks: str) -> bool:
    try:
        return any(ip_address(address) in ip_network(block) for block in networks.split())
    except ValueError:
        return False


async def borne_by_nobody_else(
    connection: psycopg.AsyncConnection[TupleRow], seller: str, sold: Sequence[str]
) -> list[str]:
    """The pseudonyms of a seller, and of the numbers that the seller redeemed from, that nobody else bears."""
    found = await connection.execute(_BORNE_ALONE, {"seller": seller, "sold": list(sold)})
    return [row[0] for row in await found.fetchall()]


async def numbers_borne(connection: psycopg.AsyncConnection[TupleRow], numbers: Sequence[str]) -> set[str]:
    """Those of these pseudonyms of numbers that a seller bears, or a balance whose number is still kept."""
    found = await connection.execute(_NUMBERS_BORNE, {"numbers": list(numbers)})
    return {row[0] for row in await found.fetchall()}


_TAKEN = """
SELECT public_key FROM signing_key WHERE public_key = ANY($1)
UNION ALL SELECT public_key FROM officer WHERE public_key = ANY($1)
"""
# A forgotten seller's balances lead to nobody any more; a number whose term is over is gone from its card.
_LIVE_BALANCES = """
    card c JOIN redemption r ON r.id = c.redemption JOIN seller o ON o.id = r.seller
    WHERE c.id LIKE 'balance-%%' AND o.sealed_number <> ''
"""
_BORNE_ALONE = f"""
WITH own AS (
    SELECT borne.pseudonym FROM seller s, LATERAL (VALUES (s.identity), (s.payee), (s.number)) AS borne (pseudonym)
    WHERE s.id = %(seller)s
    UNION SELECT serial_index FROM card WHERE redemption = ANY(%(sold)s) AND id LIKE 'balance-%%'
)
SELECT pseudonym FROM own WHERE pseudonym <> ''
  AND NOT EXISTS (SELECT FROM seller other WHERE other.id <> %(seller)s AND other.identity = pseudonym)
  AND NOT EXISTS (SELECT FROM seller other WHERE other.id <> %(seller)s AND other.payee = pseudonym)
  AND NOT EXISTS (SELECT FROM seller other WHERE other.id <> %(seller)s AND other.number = pseudonym)
  AND NOT EXISTS (SELECT FROM {_LIVE_BALANCES} AND c.serial_index = pseudonym AND o.id <> %(seller)s)
"""
_NUMBERS_BORNE = f"""
SELECT number FROM seller WHERE number = ANY(%(numbers)s)
UNION SELECT c.serial_index FROM {_LIVE_BALANCES} AND c.serial_index = ANY(%(numbers)s)
"""
