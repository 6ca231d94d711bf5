"""Who takes part in a simulated day: officers, partners, contracts, agents, sellers and their addresses.

Everything is drawn from one seed, and every person, number, account and card is made up. Partner `blue` buys cards and
balances for money, `mall` gives coupons and points for them, `west` pays money at an odd ratio and signs with SM2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from suyuan.base import crypto, ids
from suyuan.base.money import Ratio, ValueKind
from suyuan.privacy.free_text import holds_personal_value
from suyuan.settle.payout import Disposition

SECRET_BYTES = 32
HOLD_S = 1
REDEMPTIONS_PER_PREFIX = 4_000
"""A partner spreads its servers over as many networks as the limit per network needs."""

_NOWHERE = "000000"  # The first digits of a Chinese identity number name a district, and this one does not exist.


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair and the name under which the platform knows it."""

    id: str
    algorithm: str
    secret: bytes = field(repr=False)

    @property
    def signer(self) -> crypto.Signer:
        return crypto.suite(self.algorithm).signer(self.secret)


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner with its key, the dialect in which it signs, and the addresses of its servers."""

    id: str
    name: str
    key: Keys
    dialect: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract as two officers register it; the truth that payouts are judged by."""

    id: str
    partner: int
    source: str
    value_kind: ValueKind
    ratio: Ratio
    channel: str
    merchant_id: str
    disposition: Disposition = Disposition.CONSUME_THEN_PAY
    hold_s: int = 0


@dataclass(frozen=True, slots=True)
class Seller:
    """A person who sells. Two sellers may be one person, or be paid into one account; that is what limits are for."""

    id: str
    partner: int
    name: str
    identity_number: str
    number: str
    payee: str
    capture: str
    device: Keys | None = None
    """The key of the seller's phone; a phone that is new today sells in the lowest tier."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody."""

    officers: tuple[Keys, Keys]
    partners: tuple[Partner, ...]
    agents: tuple[str, ...]
    """A chain of the first partner's agents, the top one first."""
    contracts: tuple[Terms, ...]
    sellers: tuple[Seller, ...]
    stranger: Keys
    """Somebody who is registered with nobody."""
    lair: str
    """The address from which attacks come."""


BLUE, MALL, WEST = 0, 1, 2
BLUE_CARD, BLUE_HELD, BLUE_BALANCE, MALL_COUPON, MALL_POINTS, WEST_CARD = range(6)


def draw_keys(rng: Random, prefix: str, algorithm: str = "ed25519") -> Keys:
    """A key pair from the seed. Real keys come from the system's chance; these open nothing but a sandbox."""
    return Keys(draw_id(rng, prefix), algorithm, rng.randbytes(SECRET_BYTES))


def draw_id(rng: Random, prefix: str) -> str:
    """An id from the seed, of an instant long ago; one that by chance holds somebody's number is drawn again."""
    while holds_personal_value(drawn := _draw(rng, prefix)):
        pass
    return drawn


def _draw(rng: Random, prefix: str) -> str:
    return ids.new_id(prefix, at=rng.randrange(10**15), chance=rng.randbytes(ids.CHANCE_BYTES))


def draw_partners(rng: Random, redemptions: int) -> tuple[Partner, ...]:
    """The three partners."""
    prefixes = 1 + redemptions // REDEMPTIONS_PER_PREFIX
    kinds = (("blue", "ed25519", "rfc9421"), ("mall", "ed25519", "wechat"), ("west", "sm2-sm3", "rfc9421"))
    return tuple(
        Partner(
            draw_id(rng, "ptn"), name, draw_keys(rng, "key", algorithm), dialect,
            tuple(f"10.{place + 1}.{prefix}.7" for prefix in range(prefixes)),
        )
        for place, (name, algorithm, dialect) in enumerate(kinds)
    )  # fmt: skip


def draw_contracts(rng: Random) -> tuple[Terms, ...]:
    """The contracts, in the order of the names above."""
    money, coupon, points = ValueKind.MONEY, ValueKind.COUPON, ValueKind.POINTS
    held = Disposition.HOLD_THEN_SELL
    return (
        Terms(draw_id(rng, "ctr"), BLUE, "card", money, Ratio(10, 8), "bank_transfer", "m-blue"),
        Terms(draw_id(rng, "ctr"), BLUE, "card", money, Ratio(100, 85), "bank_transfer", "m-blue", held, HOLD_S),
        Terms(draw_id(rng, "ctr"), BLUE, "balance", money, Ratio(10, 7), "bank_transfer", "m-blue"),
        Terms(draw_id(rng, "ctr"), MALL, "card", coupon, Ratio(10, 9), "coupon_hall", "m-mall"),
        Terms(draw_id(rng, "ctr"), MALL, "card", points, Ratio(1, 1), "points_bank", "m-mall-points"),
        Terms(draw_id(rng, "ctr"), WEST, "card", money, Ratio(1000, 805), "bank_transfer", "m-west"),
    )


def draw_seller(rng: Random, partner: int, *, like: Seller | None = None, has_device: bool = False) -> Seller:
    """A new seller; with `like`, another registration of the same person."""
    birthday = f"{rng.randrange(1950, 2001)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
    identity_number = _NOWHERE + birthday + "".join(rng.choices("0123456789", k=4))
    return Seller(
        id=draw_id(rng, "slr"),
        partner=partner,
        name=like.name if like else rng.choice("赵钱孙李周吴郑王冯陈") + rng.choice("一二三四五六七八九十"),
        identity_number=like.identity_number if like else identity_number,
        number="1" + rng.choice("3456789") + "".join(rng.choices("0123456789", k=9)),
        payee="acct-" + rng.randbytes(9).hex(),
        capture=rng.randbytes(12).hex(),
        device=draw_keys(rng, "key") if has_device else None,
    )
