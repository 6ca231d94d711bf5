"""Writes a plan: keeps the seed, the people so far and the deeds so far, and knows how cards are printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, TypedDict, Unpack

from suyuan.base.money import split
from suyuan.faces.simulate.cast import (
    BLUE,
    Cast,
    Seller,
    draw_contracts,
    draw_id,
    draw_keys,
    draw_partners,
    draw_seller,
)
from suyuan.faces.simulate.deeds import (
    HONEST,
    By,
    Deed,
    Plan,
    Repeat,
    Sale,
    SameDevice,
    SimCard,
    Source,
    Spending,
    StepUp,
)
from suyuan.settle.card import Formats

# Attackers move to another network before they use one up, or its limit would stop what other limits should.
SALES_PER_LAIR = 1_500
# How many redemptions each hour of the day sees, of a thousand: little at night, most after lunch and after work.
RHYTHM = (8, 5, 3, 2, 2, 4, 10, 22, 38, 50, 58, 64, 76, 60, 50, 48, 50, 56, 70, 86, 90, 72, 48, 28)
FACES_FEN = (30_00, 50_00, 100_00)


class How(TypedDict, total=False):
    """What is special about a sale; nothing is said of the usual."""

    scheme: str
    variant: str
    signs: int
    by: By
    after: int | None
    extras: Mapping[str, Any]
    forged: str
    agent: str | None
    expects: bool
    may_be_taken: bool
    address: str


class Scribe:
    """Draws people, cards and deeds. The order of the calls is part of the seed, so nothing here depends on a set."""

    def __init__(self, seed: int, redemptions: int, formats: Formats) -> None:
        self.rng = Random(seed)  # noqa: S311 - a plan must be repeatable; nothing in it is a secret
        self.seed = seed
        self.formats = formats
        self.sellers: list[Seller] = []
        self.deeds: list[Deed] = []
        self.sales = 0
        self._attacking = 0
        self.contracts = draw_contracts(self.rng)
        self.partners = draw_partners(self.rng, redemptions)
        self.officers = (draw_keys(self.rng, "ofc"), draw_keys(self.rng, "ofc"))
        self.agents = (draw_id(self.rng, "agt"), draw_id(self.rng, "agt"))
        self.stranger = draw_keys(self.rng, "key")

    # --- people and cards ---

    def seller(self, partner: int = BLUE, *, like: Seller | None = None, has_device: bool = False) -> int:
        """A new seller's place in the cast."""
        self.sellers.append(draw_seller(self.rng, partner, like=like, has_device=has_device))
        return len(self.sellers) - 1

    def paid_like(self, seller: int, payee: str) -> None:
        """Has a seller paid into this account."""
        self.sellers[seller] = replace(self.sellers[seller], payee=payee)

    def time_of_day(self) -> int:
        """A second of the day, drawn by its rhythm."""
        hour = self.rng.choices(range(24), RHYTHM)[0]
        return hour * 3600 + self.rng.randrange(3600)

    def card(self, face_fen: int | None = None, *, operator: str = "") -> SimCard:
        """A good card that nobody has sold yet."""
        operator = operator or self.rng.choice(sorted(self.formats.operators))
        form = self.formats.operators[operator]
        face_fen = face_fen or self.rng.choice(FACES_FEN)
        pin = self.digits(form.pin_digits)
        return SimCard(operator, self.digits(form.serial_digits), pin, face_fen, pin)

    def digits(self, count: int) -> str:
        """So many random digits; with 15 and more no two are the same."""
        return "".join(self.rng.choices("0123456789", k=count))

    # --- deeds ---

    def sell(self, at_s: int, seller: int, contract: int, source: Source, **how: Unpack[How]) -> Sale:
        """Writes down one request for a redemption."""
        signs = how.get("signs", self.sellers[seller].partner)
        scheme = how.get("scheme", HONEST)
        parts = split(source.face_fen, self.contracts[contract].ratio)
        sale = Sale(
            n=len(self.deeds),
            at_s=at_s,
            scheme=scheme,
            variant=how.get("variant", ""),
            seller=seller,
            contract=contract,
            source=source,
            signs=signs,
            by=how.get("by", "partner"),
            address=how.get("address") or self._address(scheme, signs),
            idempotency_key=self.rng.randbytes(12).hex(),
            after=how.get("after"),
            extras=how.get("extras", {}),
            forged=how.get("forged", ""),
            repeat="",
            repeats=None,
            agent=how.get("agent"),
            expected_payout=parts.paid if how.get("expects") else None,
            may_be_taken=how.get("may_be_taken", True),
        )
        return self._write_sale(sale)

    def again(self, sale: Sale, repeat: Repeat, *, scheme: str, is_at_once: bool = False) -> Sale:
        """Writes down a repetition of a sale. Repeating takes nothing by itself, so it may never be taken anew."""
        source = self.card(sale.source.face_fen) if repeat == "other" else sale.source
        return self._write_sale(
            replace(
                sale,
                n=len(self.deeds),
                scheme=scheme,
                variant=repeat,
                source=source,
                repeat=repeat,
                # Whoever replays a replay has the first request in hand.
                repeats=sale.repeats if sale.repeat == "replayed" else sale.n,
                after=sale.after if is_at_once else sale.n,
                may_be_taken=False,
            )
        )

    def step_up(
        self, at_s: int, seller: int, *, scheme: str = HONEST, after: int | None, capture: str | None = None
    ) -> StepUp:
        """Writes down a face check; with a `capture`, one that shows somebody else."""
        own = self.sellers[seller].capture
        deed = StepUp(
            n=len(self.deeds), at_s=at_s, scheme=scheme, seller=seller, capture=capture or own, after=after,
            may_be_granted=scheme == HONEST,
        )  # fmt: skip
        self.deeds.append(deed)
        return deed

    def spend(self, at_s: int, card: SimCard, *, after: int | None, waits_for_payout: bool = False) -> Spending:
        """Writes down that the holder uses the PIN."""
        deed = Spending(n=len(self.deeds), at_s=at_s, card=card, after=after, waits_for_payout=waits_for_payout)
        self.deeds.append(deed)
        return deed

    def same_device(self, at_s: int, first: int, second: int, *, scheme: str) -> SameDevice:
        """Writes down that one phone is enrolled for two sellers."""
        deed = SameDevice(n=len(self.deeds), at_s=at_s, scheme=scheme, first=first, second=second, after=None)
        self.deeds.append(deed)
        return deed

    def _address(self, scheme: str, signs: int) -> str:
        if scheme == HONEST:
            return self.rng.choice(self.partners[signs].addresses)
        self._attacking += 1
        return lair(self._attacking // SALES_PER_LAIR)

    def _write_sale(self, sale: Sale) -> Sale:
        self.deeds.append(sale)
        self.sales += 1
        return sale

    def plan(self) -> Plan:
        """The day in order. Deeds keep their numbers, by which they name each other."""
        cast = Cast(
            self.officers, self.partners, self.agents, self.contracts, tuple(self.sellers), self.stranger, lair(0)
        )
        return Plan(self.seed, cast, tuple(sorted(self.deeds, key=lambda deed: (deed.at_s, deed.n))))


def lair(number: int) -> str:
    """An address of the attackers, in a network of its own; the range is reserved for tests."""
    return f"198.18.{number}.66"
