"""The honest: who they are, and every visit that they mean to make in the month.

Most are casual and sell a card or three in one go, now and then. Heavy users sell daily, and there are more of them
from day to day. Much of what they do looks like fraud from afar: families share phones and accounts, a carrier's
gateway stands before thousands, travellers and users of a VPN jump between networks, people come back after long
with a new phone, shops sell twenty cards a day, night workers sell at four, a company gives five hundred cards of one
batch to its people, and a promotion brings crowds of new sellers at an unusual ratio.

Visits are drawn before the month begins and from the seed alone, so no attack moves an honest visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market import goods, places
from suyuan.faces.simulate.market.goods import CASUAL_FACES, HEAVY_FACES, Batches
from suyuan.faces.simulate.market.parties import (
    APP,
    BALANCE,
    BLUE,
    CARD,
    COUPON,
    HELD,
    PARTNER_WEIGHTS,
    PARTNERS,
    PROMO,
    WEST,
    Account,
    Device,
    Terms,
)
from suyuan.faces.simulate.market.places import BEGIN, Networks, chance_of, draw_second, instant_of

CASUAL, HEAVY, SHOPS, NEWCOMERS, RETURNING, DORMANT = 9_000, 620, 42, 1_500, 240, 900
COMPANIES, COMPANY_PEOPLE = 10, (15, 45)
PROMO_DAYS = (9, 10, 11, 20, 21, 22)
FAMILY_SHARE, SHARED_PAYEE_SHARE, NIGHT_SHARE, SECOND_DEVICE_SHARE, BALANCE_SHARE = 0.10, 0.04, 0.04, 0.15, 0.14


class Visit(NamedTuple):
    """One honest redemption that is meant to be: who, when, from where, what for what."""

    at: int
    account: Account
    device: Device | None
    prefix: int
    contract: int
    card: goods.Card


class Arrival(NamedTuple):
    """Somebody registers, or binds another phone, within the month."""

    at: int
    account: Account
    device: Device | None
    is_new: bool


@dataclass(slots=True)
class _Person:
    account: Account
    home: int
    mobiles: tuple[int, ...]
    hours: tuple[int, ...] = places.RHYTHM
    faces: tuple[int, ...] = CASUAL_FACES
    batch: tuple[int, int] | None = None
    contract: int = CARD
    office: int | None = None


class People:
    """Everybody honest, their arrivals and their visits; and accounts that nobody uses, for whoever takes them over."""

    def __init__(
        self, seed: int, terms: Terms, networks: Networks, batches: Batches, *, days: int, scale: float
    ) -> None:
        self._rng = chance_of(seed, "people")
        self._terms, self._networks, self._batches = terms, networks, batches
        self._days, self._scale = days, scale
        self.arrivals: list[Arrival] = []
        self.visits: list[Visit] = []
        self._count = 0
        self._casual()
        self._heavy()
        self._shops()
        self._newcomers()
        self._returning()
        self._companies()
        self.dormant = [self._person(age_d=(120, 900)).account for _ in range(self._number(DORMANT))]

    # --- kinds of people ---

    def _casual(self) -> None:
        before: _Person | None = None
        for _ in range(self._number(CASUAL)):
            person = self._person(age_d=(1, 700), family=before)
            before = person
            self._sessions(person, times=self._poisson(1.0), days=range(self._days))

    def _heavy(self) -> None:
        """One in seven has always been heavy; the others become so in the course of the month."""
        count = self._number(HEAVY)
        for place in range(count):
            person = self._person(age_d=(20, 700))
            person.faces = HEAVY_FACES
            first = max(0, (place * 7 // 6 - count // 6) * self._days // count)
            per_day = self._rng.choice((0.4, 0.5, 0.7, 1.0, 1.4))
            self._daily(person, range(first, self._days), per_day)

    def _shops(self) -> None:
        """A shop sells for whoever walks in, from its own phone or through its agent, by a contract of its own."""
        for place in range(self._number(SHOPS)):
            person = self._person(age_d=(60, 900), partner=(APP, BLUE, WEST)[place % 3])
            person.account.tier, person.hours, person.faces = 2, places.SHOP_HOURS, HEAVY_FACES
            self._daily(person, range(self._days), self._rng.choice((3.0, 4.5, 6.0)))

    def _newcomers(self) -> None:
        """People who register within the month; half sell at once, and a promotion brings many on its days."""
        for _ in range(self._number(NEWCOMERS)):
            is_for_promo = self._rng.random() < 0.3
            day = self._rng.choice(PROMO_DAYS) if is_for_promo else self._rng.randrange(self._days)
            partner = WEST if is_for_promo else None
            person = self._person(age_d=(0, 0), partner=partner, arrives=instant_of(day, self._second()))
            person.contract = PROMO if is_for_promo else CARD
            begins = self._in_hours(person.account.registered_at, self._rng.choice((0.1, 0.3, 1, 30, 80)))
            self._session(person, begins)
            later = range(min(self._days, day + 2), self._days)
            self._sessions(person, times=self._poisson(0.05 * len(later)), days=later)

    def _returning(self) -> None:
        """Somebody comes back after months, with a new phone and from a new place, and sells what lay in a drawer."""
        for _ in range(self._number(RETURNING)):
            person = self._person(age_d=(100, 900), partner=APP)
            at = instant_of(self._rng.randrange(self._days), self._second())
            device = self._new_device(at)
            person.account.devices.append(device)
            self.arrivals.append(Arrival(at, person.account, device, is_new=False))
            person.home = self._rng.choice(self._networks.homes)
            self._session(person, self._in_hours(at, self._rng.choice((0.05, 0.2, 2, 26, 50))), device=device)

    def _companies(self) -> None:
        """A company gives cards of one batch to its people, and many of them sell theirs within days."""
        for _ in range(self._number(COMPANIES)):
            batch, office = self._batches.draw(self._rng), self._rng.choice(self._networks.offices)
            given = self._rng.randrange(1, max(2, self._days - 3))
            for _ in range(self._rng.randrange(*COMPANY_PEOPLE)):
                is_new = self._rng.random() < 0.4
                day = given + self._rng.choice((0, 0, 0, 1, 1, 2))
                arrives = instant_of(day, self._second()) if is_new else None
                person = self._person(age_d=(5, 600), arrives=arrives)
                person.batch, person.office = batch, office
                begins = instant_of(day, self._second()) if arrives is None else self._in_hours(arrives, 0.2)
                self._session(person, begins)

    # --- their parts ---

    def _person(
        self,
        *,
        age_d: tuple[int, int],
        partner: int | None = None,
        family: _Person | None = None,
        arrives: int | None = None,
    ) -> _Person:
        rng, self._count = self._rng, self._count + 1
        registered_at = arrives or BEGIN - round(rng.uniform(*age_d) * DAY_S * SECOND)
        chosen = rng.choices(range(len(PARTNERS)), PARTNER_WEIGHTS)[0] if partner is None else partner
        relative = family if family is not None and rng.random() < FAMILY_SHARE else None
        account = Account(
            seller=rng.getrandbits(62),
            identity=rng.getrandbits(62),
            number=rng.getrandbits(62),
            payee=rng.getrandbits(62),
            partner=chosen,
            registered_at=registered_at,
            agent=rng.choice(self._terms.agents[chosen]) if chosen != APP and rng.random() < 0.5 else None,
        )
        if chosen == APP:
            self._give_devices(account, relative)
        if relative is not None and rng.random() < SHARED_PAYEE_SHARE / FAMILY_SHARE:
            account.payee = relative.account.payee
        home = relative.home if relative is not None else rng.choice(self._networks.homes)
        hours = places.NIGHT if rng.random() < NIGHT_SHARE else places.RHYTHM
        if arrives is not None:
            device = account.devices[-1] if account.devices else None
            self.arrivals.append(Arrival(arrives, account, device, is_new=True))
        return _Person(account, home, tuple(rng.sample(self._networks.gateways, 3)), hours)

    def _give_devices(self, account: Account, relative: _Person | None) -> None:
        rng = self._rng
        account.devices.append(self._new_device(account.registered_at))
        if relative is not None and relative.account.devices and rng.random() < 0.4:
            shared = relative.account.devices[0]
            account.devices[0] = Device(shared.id, account.devices[0].key, account.registered_at)
        if account.registered_at < BEGIN and rng.random() < SECOND_DEVICE_SHARE:
            account.devices.append(self._new_device(BEGIN - round(rng.uniform(1, 100) * DAY_S * SECOND)))

    def _new_device(self, bound_at: int) -> Device:
        return Device(self._rng.getrandbits(62), self._rng.getrandbits(62), bound_at)

    def _daily(self, person: _Person, days: range, per_day: float) -> None:
        for day in days:
            for _ in range(self._poisson(per_day)):
                self._session(person, instant_of(day, draw_second(self._rng, person.hours)))

    def _sessions(self, person: _Person, *, times: int, days: range) -> None:
        for _ in range(times if days else 0):
            day = self._rng.choice(days)
            self._session(person, instant_of(day, draw_second(self._rng, person.hours)))

    def _session(self, person: _Person, at: int, *, device: Device | None = None) -> None:
        """One to many cards in one go, a minute or so apart."""
        rng, account = self._rng, person.account
        used = device or (rng.choice(account.devices) if account.devices else None)
        prefix = self._prefix(person)
        for _ in range(1 + min(9, int(rng.expovariate(0.9)))):
            if at >= instant_of(self._days, 0):
                return
            contract, card = self._choose(person)
            self.visits.append(Visit(at, account, used, prefix, contract, card))
            at += round(rng.lognormvariate(4.1, 0.7) * SECOND)
            if prefix in person.mobiles and rng.random() < 0.1:
                prefix = rng.choice(person.mobiles)

    def _choose(self, person: _Person) -> tuple[int, goods.Card]:
        rng = self._rng
        if person.contract == CARD and person.batch is None and rng.random() < BALANCE_SHARE:
            return BALANCE, goods.draw_balance(rng, self._batches)
        card = goods.draw_honest_card(rng, self._batches, person.faces, of=person.batch)
        chance = rng.random()
        is_other = person.contract == CARD
        return (HELD if is_other and chance < 0.08 else COUPON if is_other and chance < 0.12 else person.contract), card

    def _prefix(self, person: _Person) -> int:
        rng = self._rng
        if person.account.partner != APP:
            return rng.choice(self._terms.servers[person.account.partner])
        if person.office is not None and rng.random() < 0.7:
            return person.office
        chance = rng.random()
        if chance < 0.52:
            return person.home
        if chance < 0.95:
            return rng.choice(person.mobiles)
        return rng.choice(self._networks.hotels if chance < 0.985 else self._networks.data_centres)

    # --- chance ---

    def _number(self, full: int) -> int:
        return max(1, round(full * self._scale))

    def _second(self) -> float:
        return draw_second(self._rng, places.RHYTHM)

    def _in_hours(self, at: int, hours: float) -> int:
        return at + round(hours * self._rng.uniform(0.5, 1.5) * places.HOUR_S * SECOND)

    def _poisson(self, mean: float) -> int:
        """A count by Knuth's method; means are small here."""
        count, product, bound = 0, self._rng.random(), 2.718281828459045**-mean
        while product > bound:
            count, product = count + 1, product * self._rng.random()
        return count
