"""A crew: gets a lot of cards, hires accounts to sell them through, and learns from what is refused.

Crews are rational in a simple way. Every refusal, and everything that is stopped later, may change a learner's tactics
(`tactics`). An account that was refused too often, or that owes, is thrown away; a card is offered three times at
most; what is left of a lot that its operator has blocked is thrown away too; a crew whose losses exceed its capital
leaves the market.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market import books, playbooks
from suyuan.faces.simulate.market.books import Posting
from suyuan.faces.simulate.market.goods import Batches, Card, Lot, delay_s, draw_honest_card
from suyuan.faces.simulate.market.parties import APP, BALANCE, CARD, Account, Agent, Device, Terms
from suyuan.faces.simulate.market.places import HOUR_S, Networks, chance_of, hour_of
from suyuan.faces.simulate.market.playbooks import (
    AGE_FEN,
    DATA_CENTRE,
    DEVICE_FEN,
    HANDS,
    MOBILE,
    PATIENT,
    PREFIX_FEN,
    STATIC,
    TAKEN_OVER,
    Playbook,
)
from suyuan.faces.simulate.market.sight import Offer
from suyuan.faces.simulate.market.tactics import first_tactics
from suyuan.faces.simulate.market.world import FROZEN, REFUSED_BY_RISK, STEP_UP, TAKEN, World, limit_codes

CAPITAL_FEN = 30_000_00
OFFERS_PER_CARD_MAX = 3
REFUSALS_PER_ACCOUNT = {STATIC: 5}
LEARNER_REFUSALS_PER_ACCOUNT = 3
ACCOUNTS_MAX = 90
FACES_FEN, FACE_WEIGHTS = (50_00, 100_00, 200_00, 300_00, 500_00), (8, 26, 26, 16, 24)
SMALL_FEN = (10_00, 20_00, 30_00)
AGENT_SELLERS = 7
REJECTED_OF_LOT = 2
"""So many rejected cards, and a crew knows that the rest of their lot is worth nothing either."""
_LIMITS = frozenset(limit_codes())


class Around(NamedTuple):
    """The world as a crew finds it."""

    world: World
    terms: Terms
    networks: Networks
    batches: Batches
    dormant: list[Account]


@dataclass(slots=True, eq=False)
class Hired:
    """An account in a crew's hands."""

    account: Account
    device: Device | None
    prefixes: tuple[int, ...]
    ready_at: int
    warmups: int
    rests_until: int = 0
    today: int = 0
    day: int = -1
    sales: int = 0
    refusals: int = 0
    is_burned: bool = False


@dataclass(slots=True)
class Shared:
    """Something that several accounts use, until its share is full."""

    value: int
    users: int = 0


class Crew:
    """One crew of a family and variant."""

    def __init__(self, around: Around, playbook: Playbook, variant: str, *, seed: int, scale: float) -> None:
        self.rng = chance_of(seed, playbook.name, variant)
        self.around, self.world = around, around.world
        self.playbook, self.variant = playbook, variant
        self.name = f"crew/{playbook.name}/{variant}"
        self.tactics = first_tactics(playbook, variant)
        self.hired: list[Hired] = []
        self.accounts = 0
        self.stash: list[Card] = []
        self.is_working = self.is_gone = False
        self._scale = scale
        self._shared: dict[str, Shared] = {}
        self._agent: Agent | None = None
        # Those who do not learn come first, as a rule; so the rest of the month belongs to those who do.
        first_d = self.rng.uniform(1.5, 5) + (0 if variant == STATIC else self.rng.uniform(0, 3))
        self.world.at(self.world.now + round(first_d * DAY_S * SECOND), self._set_up)

    def _set_up(self) -> None:
        """Accounts come before cards: those that have to ripen, or to look honest first, do so without a lot."""
        for _ in range(self.tactics.number("crowd")):
            self._hire()
        self._begin()
        wait_h = cast("float", self.tactics.value("ripe_h")) + 30 * self.tactics.number("warmups")
        self.world.at(self.world.now + round(wait_h * HOUR_S * SECOND), self._get_lot)

    # --- goods ---

    def _get_lot(self) -> None:
        """Buys a lot of cards, unless the last one still lies there, and comes back for the next one."""
        if self.is_gone or self.world.is_over:
            return
        rng, goods = self.rng, self.playbook.goods
        self.world.at(self.world.now + round(goods.lot_every_d * rng.uniform(0.7, 1.3) * DAY_S * SECOND), self._get_lot)
        if len(self.stash) > goods.lot_cards * self._scale:
            return
        count = max(2, round(goods.lot_cards * self._scale * rng.uniform(0.7, 1.3)))
        blocked_at = None
        if goods.blocked_h is not None:
            blocked_at = self.world.now + delay_s(rng, goods.blocked_h) * SECOND
        batches = tuple(self.around.batches.draw(rng) for _ in range(self.tactics.number("batches")))
        lot = Lot(batches, blocked_at)
        cards = [self._card(lot) for _ in range(count)]
        self._spend(sum(card.face_fen for card in cards) * goods.cost_percent // 100, "goods")
        self.stash += cards
        self._begin()

    def _card(self, lot: Lot) -> Card:
        rng, goods = self.rng, self.playbook.goods
        operator, batch = rng.choice(lot.batches)
        is_found = rng.random() < goods.found_share
        return Card(
            id=rng.getrandbits(62),
            operator=operator,
            batch=None if self.playbook.contract == BALANCE else batch,
            face_fen=rng.choices(FACES_FEN, FACE_WEIGHTS)[0],
            family=self.playbook.name,
            variant=self.variant,
            lot=lot,
            reversed_after_s=delay_s(rng, goods.found_h) if is_found else None,
            spent_after_s=round(rng.uniform(0.2, 40) * HOUR_S) if goods.is_spent else None,
        )

    def _pick(self, hired: Hired) -> Card:
        """The largest card that the tactics allow; or the smallest, where the lot is to be tested first."""
        if hired.warmups > 0:
            return self._bait()
        allowed = [card for card in self.stash if card.face_fen <= self.tactics.number("face_fen_max")]
        untested = [card for card in self.stash if card.lot is not None and not card.lot.is_tested]
        if playbooks.TESTS_FIRST in self.playbook.tricks and untested:
            small = min(untested, key=lambda card: (card.face_fen, card.id))
            small.face_fen = self.rng.choice(SMALL_FEN) if small.offers == 0 else small.face_fen
            return small
        return max(allowed or self.stash, key=lambda card: (card.face_fen if allowed else -card.face_fen, card.id))

    def _bait(self) -> Card:
        """A good card, bought in a shop, that is sold at a loss to look honest."""
        card = draw_honest_card(self.rng, self.around.batches, (20, 30, 30, 20, 0, 0, 0, 0))
        card.family, card.variant, card.is_bait = self.playbook.name, self.variant, True
        card.is_mistyped, card.is_rejected, card.reversed_after_s = False, False, None
        self._spend(card.face_fen * 98 // 100, "bait")
        return card

    # --- people, phones, networks ---

    def _hire(self) -> Hired:
        """An account, as much its own as the tactics say."""
        rng, hands, now = self.rng, HANDS[self.playbook.hands], self.world.now
        self.accounts += 1
        self._spend(hands.account_fen, "accounts")
        is_taken_over = self.playbook.hands == TAKEN_OVER and bool(self.around.dormant)
        account = self.around.dormant.pop() if is_taken_over else self._new_account()
        account.face_odds, account.holder = hands.face_odds, self.playbook.name
        if account.registered_at == self.world.now:
            self.world.register(account)
        device = None
        if account.partner == APP:
            device = Device(
                self._share("device", DEVICE_FEN, self.tactics.number("per_device")), rng.getrandbits(62), now
            )
            account.devices.append(device)
            self.world.bind(account, device)
        ready_at = now + round(cast("float", self.tactics.value("ripe_h")) * HOUR_S * rng.uniform(0.8, 1.3) * SECOND)
        hired = Hired(account, device, self._prefixes(account), ready_at, self.tactics.number("warmups"))
        self.hired.append(hired)
        return hired

    def _new_account(self) -> Account:
        rng, hands, playbook = self.rng, HANDS[self.playbook.hands], self.playbook
        partner = playbook.partners[min(self.tactics.number("partner"), len(playbook.partners) - 1)]
        if "partner" not in playbook.starts:
            partner = playbook.partners[0]
        aged_d = self.tactics.number("aged_d")
        self._spend(AGE_FEN if aged_d else 0, "accounts")
        age_d = rng.uniform(0.3, 2) * aged_d
        return Account(
            seller=rng.getrandbits(62),
            identity=self._share("identity", 0, self.tactics.number("per_identity")),
            number=rng.getrandbits(62),
            payee=self._share("payee", hands.payee_fen, self.tactics.number("per_payee")),
            partner=partner,
            registered_at=self.world.now - round(age_d * DAY_S * SECOND),
            agent=self._next_agent(partner) if playbook.through_agents else None,
        )

    def _next_agent(self, partner: int) -> Agent:
        """The crew's own agents; a deep chain is one that the partner has never seen the end of."""
        if self._agent is None or self.accounts % AGENT_SELLERS == 0:
            depth = self.tactics.number("depth")
            is_ordinary = depth <= 1 and self.variant == PATIENT
            known = self.around.terms.agents[partner]
            self._agent = self.rng.choice(known) if is_ordinary else Agent(self.rng.getrandbits(62), depth)
        return self._agent

    def _share(self, kind: str, fen: int, users_max: int) -> int:
        """The thing of this kind that is in use, or a new one once enough accounts share it."""
        shared = self._shared.get(kind)
        if shared is None or shared.users >= users_max:
            shared = self._shared[kind] = Shared(self.rng.getrandbits(62))
            self._spend(fen, kind)
        shared.users += 1
        # Those who interlock hand the phone on one account later than the payee, so that neighbours overlap crosswise.
        if playbooks.INTERLOCKS in self.playbook.tricks and kind == "device" and self.accounts == 1:
            shared.users += 1
        return shared.value

    def _prefixes(self, account: Account) -> tuple[int, ...]:
        """Who goes by mobile data meets more than one gateway of the carrier, as everybody does."""
        first = self._prefix(account)
        if account.partner != APP or self.tactics.value("network") != MOBILE:
            return (first,)
        return (first, first, *self.rng.sample(self.around.networks.gateways, 2))

    def _prefix(self, account: Account) -> int:
        if account.partner != APP:
            return self.rng.choice(self.around.terms.servers[account.partner])
        kind = cast("str", self.tactics.value("network"))
        shared = self._shared.get("prefix")
        if shared is None or shared.users >= self.tactics.number("per_prefix"):
            networks = self.around.networks
            pool = {DATA_CENTRE: networks.data_centres, MOBILE: networks.gateways}.get(kind, networks.homes)
            shared = self._shared["prefix"] = Shared(self.rng.choice(pool))
            self._spend(PREFIX_FEN[kind], "networks")
        shared.users += 1
        return shared.value

    def _spend(self, fen: int, kind: str) -> None:
        self.world.books.move(Posting(self.name, books.UNDERWORLD, fen, kind))

    # --- work ---

    def _begin(self) -> None:
        if not self.is_working:
            self.is_working = True
            self.world.at(self._in_hours(self.world.now + 60 * SECOND), self._work)

    def _work(self) -> None:
        """One sale, and when the next one is to be."""
        if self.world.books.balance_fen[self.name] < -CAPITAL_FEN:
            self.is_gone = True
        if self.is_gone or self.world.is_over or not (self.stash or any(hired.warmups > 0 for hired in self.hired)):
            self.is_working = False
            return
        hired = self._ready()
        if hired is not None:
            self._sell(hired)
        self.world.at(self._in_hours(self._next_at()), self._work)

    def _ready(self) -> Hired | None:
        """An account that may sell now, the one with the fewest sales of the day first. Too few, and one is hired."""
        if any(hired.is_burned for hired in self.hired):
            self.hired = [hired for hired in self.hired if not hired.is_burned]
        if len(self.hired) < self.tactics.number("crowd") and self.accounts < ACCOUNTS_MAX * max(1.0, self._scale):
            self._hire()
        now, per_day = self.world.now, self.tactics.number("per_day")
        day = (now // SECOND + 8 * HOUR_S) // DAY_S
        best: Hired | None = None
        for hired in self.hired:
            if hired.day != day:
                hired.day, hired.today = day, 0
            if hired.ready_at > now or hired.rests_until > now or hired.today >= per_day:
                continue
            if not (self.stash or hired.warmups > 0):
                continue
            if best is None or (hired.today, hired.account.seller) < (best.today, best.account.seller):
                best = hired
        return best

    def _next_at(self) -> int:
        """Accounts take turns, so a crew is as fast as its accounts together; bursts leave no pause between them."""
        gap_s = self.tactics.number("gap_s") / max(1, len(self.hired))
        if playbooks.BURSTS in self.playbook.tricks:
            gap_s = min(gap_s, 8)
        at = self.world.now + round(self.rng.expovariate(1 / gap_s) * SECOND) + SECOND
        per_day = self.tactics.number("per_day")
        waits_for, everybody_is_done = None, True
        for hired in self.hired:
            free_at = max(hired.rests_until, hired.ready_at)
            if waits_for is None or free_at < waits_for:
                waits_for = free_at
            if hired.today < per_day:
                everybody_is_done = False
        if everybody_is_done and len(self.hired) >= self.tactics.number("crowd"):
            at += round(self.rng.uniform(2, 5) * HOUR_S * SECOND)
        return max(at, waits_for or 0)

    def _in_hours(self, at: int) -> int:
        """The next instant that fits the hours in which the crew works."""
        hours = cast("tuple[int, ...]", self.tactics.value("hours"))
        busiest = max(hours)
        for _ in range(48):
            if hours[hour_of(at)] / busiest > self.rng.random() * 0.5:
                return at
            at += round(self.rng.uniform(0.3, 1.0) * HOUR_S * SECOND)
        return at

    def _sell(self, hired: Hired) -> None:
        if playbooks.PROBES in self.playbook.tricks:
            self._probe(hired)
        card = self._pick(hired)
        if playbooks.ROTATES in self.playbook.tricks:
            hired.prefixes = (self._prefix(hired.account),)
        terms, account = self.around.terms, hired.account
        contract = terms.contracts[account.partner][CARD if card.is_bait else self.playbook.contract]
        if card in self.stash:
            self.stash.remove(card)
        hired.today += 1
        prefix = self.rng.choice(hired.prefixes)
        offer = Offer(account, hired.device, prefix, contract, card, account.agent, self)
        self._react(hired, card, self.world.offer(offer))

    def _probe(self, hired: Hired) -> None:
        """PINs that are guessed, most of them wrong; and now and then signatures, which prove nothing."""
        account = hired.account
        if self.rng.random() < 0.1:
            key, times = self.around.terms.keys[account.partner], 1 + self.rng.randrange(30)
            self.world.forge(key, hired.prefixes[0], times, self.playbook.name)
        for _ in range(self.rng.choice((0, 1, 2, 4))):
            wrong = self._guess()
            contract = self.around.terms.contracts[hired.account.partner][self.playbook.contract]
            offer = Offer(hired.account, hired.device, hired.prefixes[0], contract, wrong, hired.account.agent, self)
            if self.world.offer(offer) == FROZEN:
                hired.is_burned = True

    def _guess(self) -> Card:
        guess = draw_honest_card(self.rng, self.around.batches, (0, 0, 0, 20, 40, 20, 10, 10))
        guess.family, guess.variant = self.playbook.name, self.variant
        guess.is_bait = guess.is_mistyped = True
        return guess

    # --- what comes of it ---

    def _react(self, hired: Hired, card: Card, outcome: str) -> None:
        if outcome == TAKEN:
            hired.sales += 1
            if card.lot is not None:
                card.lot.is_tested = True
            if card.is_bait:
                hired.warmups -= 1
                hired.rests_until = self.world.now + round(self.rng.uniform(6, 30) * HOUR_S * SECOND)
            hired.is_burned = self.playbook.sales_max is not None and hired.sales >= self.playbook.sales_max
            return
        if not card.is_bait and card.offers < OFFERS_PER_CARD_MAX:
            self.stash.append(card)
        if outcome in _LIMITS and outcome != STEP_UP:
            hired.rests_until = self.world.now + round(self.rng.uniform(8, 26) * HOUR_S * SECOND)
            return
        if outcome == STEP_UP and self.rng.random() < hired.account.face_odds:
            self.world.step_up(hired.account)
            return
        if outcome in (STEP_UP, REFUSED_BY_RISK, FROZEN):
            self._was_refused(hired, outcome)

    def _was_refused(self, hired: Hired, outcome: str) -> None:
        self.tactics.lose(self.rng)
        hired.refusals += 1
        patience = REFUSALS_PER_ACCOUNT.get(self.variant, LEARNER_REFUSALS_PER_ACCOUNT)
        hired.is_burned = outcome == FROZEN or hired.refusals >= patience
        hired.rests_until = self.world.now + round(self.rng.uniform(0.1, 3) * HOUR_S * SECOND)

    def hear(self, offer: Offer, news: str) -> None:
        """What became of a sale; a crew learns from money that does not come."""
        card = offer.card
        if news == "reversed":
            # From here on settle keeps what the account is paid, so it is worth nothing any more.
            self._burn(offer.account)
        elif news == "rejected" and card.lot is not None:
            card.lot.rejected += 1
            self.tactics.lose(self.rng, was_late=True)
            if card.lot.rejected >= REJECTED_OF_LOT:
                self.stash = [other for other in self.stash if other.lot is not card.lot]
        elif not card.is_bait and news == "paid":
            self.tactics.win(self.rng)
        elif not card.is_bait:
            self.tactics.lose(self.rng)

    def _burn(self, account: Account) -> None:
        for hired in self.hired:
            hired.is_burned = hired.is_burned or hired.account is account
