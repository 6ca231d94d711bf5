"""Who takes part in the market and under which terms, by the numbers that rows carry.

Partner 0 is the platform's own application, whose sellers sign with their devices; the others sign for their sellers,
so the platform sees the network of their servers and no device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market.places import BEGIN
from suyuan.risk.row import id64

APP, BLUE, WEST, NORTH, EAST = range(5)
PARTNERS = ("app", "blue", "west", "north", "east")
PARTNER_WEIGHTS = (58, 18, 12, 7, 5)

CARD, HELD, BALANCE, PROMO, COUPON = range(5)
AGENTS_PER_PARTNER = 12
DEPTH_MAX = 6


class Device(NamedTuple):
    """A phone with a key; one phone may be enrolled for several sellers."""

    id: int
    key: int
    bound_at: int


class Agent(NamedTuple):
    """A link in a chain of agents, and how many stand in it."""

    id: int
    depth: int


class Contract(NamedTuple):
    """What a partner may pay for what."""

    id: int
    partner: int
    merchant: int
    ratio_percent: int
    since: int
    is_balance: bool = False
    is_held: bool = False
    is_money: bool = True


@dataclass(slots=True, eq=False)
class Account:
    """A registered seller. `face_odds` is how likely whoever uses the account passes a face check."""

    seller: int
    identity: int
    number: int
    payee: int
    partner: int
    registered_at: int
    tier: int = 1
    face_odds: float = 0.97
    agent: Agent | None = None
    devices: list[Device] = field(default_factory=list)
    frozen_until: int = 0
    owed_fen: int = 0
    holder: str = ""  # The family in whose hands it is; nothing for somebody honest.

    @property
    def bound_at(self) -> int | None:
        """When the newest device was bound."""
        return max((device.bound_at for device in self.devices), default=None)


@dataclass(frozen=True, slots=True)
class Terms:
    """Contracts of each partner, its key, the networks of its servers, and its agents."""

    contracts: tuple[tuple[Contract, ...], ...]
    keys: tuple[int, ...]
    servers: tuple[tuple[int, ...], ...]
    agents: tuple[tuple[Agent, ...], ...]


def name_of(kind: str, *place: object) -> int:
    """The number under which rows know something of the market."""
    number = id64(f"market/{kind}/{'/'.join(map(str, place))}")
    assert number is not None, "a name is not empty"
    return number


def draw_terms(rng: Random) -> Terms:
    """The terms of all partners; each has agents, most of them close to the partner."""
    return Terms(
        contracts=tuple(_contracts_of(partner) for partner in range(len(PARTNERS))),
        keys=tuple(name_of("partner_key", partner) for partner in PARTNERS),
        servers=tuple(tuple(name_of("server", partner, n) for n in range(4)) for partner in PARTNERS),
        agents=tuple(
            tuple(
                Agent(name_of("agent", partner, n), rng.choices((1, 2, 3, 4), (50, 30, 14, 6))[0])
                for n in range(AGENTS_PER_PARTNER)
            )
            for partner in PARTNERS
        ),
    )


def _contracts_of(partner: int) -> tuple[Contract, ...]:
    """Card, held card, balance, promotion and coupon, in the order of the names above."""
    name = PARTNERS[partner]
    merchant = name_of("merchant", name)
    long_ago = BEGIN - 300 * DAY_S * SECOND
    recently = BEGIN - 6 * DAY_S * SECOND

    def contract(kind: str, ratio_percent: int, since: int = long_ago, **flags: bool) -> Contract:
        return Contract(name_of("contract", name, kind), partner, merchant, ratio_percent, since, **flags)

    return (
        contract("card", 80 + partner % 3),
        contract("held", 86, is_held=True),
        contract("balance", 70, is_balance=True),
        contract("promo", 92, recently),
        contract("coupon", 95, is_money=False),
    )
