"""The clock of the market, and one attempt from the knock to the money.

An attempt is checked in the order of the real flow: the seller's state, the card, the decision, the limits. What is
taken is consumed at once; a card that its operator rejects is never paid for. Then it is paid, at once or when its
delay is over, unless a label came first; a held card is paid before it is sold on, which is what makes holding risky.

| outcome | what the market assumes |
|---|---|
| review | a person looks within eight hours; finds an attack 9 times in 10, errs about the honest 1 time in 50 |
| delay | what is rejected, reversed or frozen before the release is not paid |
| step-up | who passes the face check may try again; the honest almost always do, a stranger's face hardly ever |
| freeze | the honest show their papers and are free again within two days, others never come back |

Labels are rows of kind BAD, at the instant at which they become known.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from suyuan.base.clock import DAY_S, SECOND, Micros
from suyuan.base.refusals import Reason
from suyuan.faces.simulate.market import books, goods, parties, places
from suyuan.faces.simulate.market.books import MarketBooks, Posting
from suyuan.faces.simulate.market.caps import Caps
from suyuan.faces.simulate.market.defence import APPROVED, Defence, Sparring
from suyuan.faces.simulate.market.goods import Card
from suyuan.faces.simulate.market.parties import Account, Device
from suyuan.faces.simulate.market.places import BEGIN, chance_of, instant_of
from suyuan.faces.simulate.market.sight import Offer, facts_of, row_of_offer, subjects_of, tier_of_offer, undecided
from suyuan.risk.decision import Action, Decision
from suyuan.risk.row import ATTEMPT, BAD, BOUND, FORGED, REGISTERED, STEPPED_UP, Row, id64
from suyuan.settle.limits import LimitRules

REVIEW_FINDS, REVIEW_ERRS = 0.90, 0.02
REVIEW_H = (0.5, 8.0)
LIFTED_H = (8.0, 48.0)
CONSUMED_S, HOLD_S = 40, 3 * DAY_S
FOR_EVER_S = 365 * DAY_S
AFTERMATH_DAYS = 4
"""Delays and reviews of the last day still end; nobody new comes."""

TAKEN, REFUSED_BY_RISK, FROZEN = "", "refused_by_risk", "seller_is_frozen"
STEP_UP, WRONG_CARD = Reason.step_up_is_needed.value, Reason.card_secret_is_wrong.value
_REFUSALS = {Action.REFUSE: REFUSED_BY_RISK, Action.FREEZE: FROZEN, Action.STEP_UP: STEP_UP}
NEWS = ("paid", "rejected", "reversed", "stopped", "review_refused")


@dataclass(slots=True)
class Pending:
    """A redemption that was taken and is not over."""

    offer: Offer
    row: Row
    paid_fen: int
    debt_fen: int  # What of it pays an old debt; by settle's own rule that comes first.
    release_at: int
    is_over: bool = False
    is_paid: bool = False


class World:
    """A month of the market.

    `tape` keeps its rows, and by `seq`: `facts` what was known at an attempt, `truth` what it was, `whose` each row is.
    """

    def __init__(self, seed: int, defence: Defence, *, days: int = 30, keeps_tape: bool = False) -> None:
        self.rng = chance_of(seed, "world")
        self.defence = defence
        self.books = MarketBooks()
        self.caps = Caps(LimitRules())
        self.end_at = instant_of(days, 0)
        self.now = Micros(BEGIN)
        self.cards: list[Card] = []
        self.keeps_tape = keeps_tape
        self.tape: list[Row] = []
        self.facts: dict[int, tuple[int | None, ...]] = {}
        self.truth: dict[int, str] = {}
        self.whose: dict[int, str] = {}
        self.tally: Counter[tuple[str, str]] = Counter()
        self._seq = 0
        self._happenings: list[tuple[int, int, Callable[[], None]]] = []
        self._happened = 0
        self._pending_of: dict[int, list[Pending]] = {}

    # --- the clock ---

    def at(self, instant: int, happens: Callable[[], None]) -> None:
        """Lets something happen at an instant, or now where that is over."""
        self._happened += 1
        heapq.heappush(self._happenings, (max(instant, self.now), self._happened, happens))

    def run(self) -> None:
        """Lets everything happen, in order."""
        last = self.end_at + AFTERMATH_DAYS * DAY_S * SECOND
        while self._happenings and self._happenings[0][0] <= last:
            instant, _, happens = heapq.heappop(self._happenings)
            self.now = Micros(max(self.now, instant))
            happens()

    @property
    def is_over(self) -> bool:
        """Whether the month is; nobody offers anything any more."""
        return self.now >= self.end_at

    def _next(self, kind: int) -> Row:
        """An empty row with its place in history; instants strictly increase."""
        self._seq += 1
        self.now = Micros(self.now + 1)
        return Row(self._seq, self.now, kind)

    def _append(self, row: Row, whose: str) -> None:
        self.defence.see(row)
        if self.keeps_tape:
            self.tape.append(row)
            self.whose[row.seq] = whose

    # --- what is no attempt ---

    def register(self, account: Account) -> None:
        """Somebody is registered."""
        row = self._next(REGISTERED)
        row = row._replace(
            seller=account.seller, identity=account.identity, payee=account.payee, number=account.number,
            partner=parties.name_of("partner", account.partner),
        )  # fmt: skip
        self._append(row, account.holder)

    def bind(self, account: Account, device: Device) -> None:
        """A phone is enrolled."""
        row = self._next(BOUND)._replace(seller=account.seller, device=device.id, key=device.key)
        self._append(row, account.holder)

    def forge(self, key: int, prefix: int, times: int, whose: str = "") -> None:
        """Somebody knocked in the name of a key and could prove nothing."""
        self._append(self._next(FORGED)._replace(key=key, prefix=prefix, times=times), whose)

    def step_up(self, account: Account) -> None:
        """A face check was passed; today's limit rises once."""
        self.caps.raise_today(account.seller, at=self.now)
        self._append(self._next(STEPPED_UP)._replace(seller=account.seller), account.holder)

    # --- an attempt ---

    def offer(self, offer: Offer) -> str:
        """Decides one attempt; the answer is a refusal's code, or nothing where it was taken."""
        card = offer.card
        if card.offers == 0:
            self.cards.append(card)
            if card.is_attack and isinstance(self.defence, Sparring):
                self.defence.attacks.add(card.id)
        card.offers += 1
        row = row_of_offer(self._next(ATTEMPT), offer)
        outcome, decision = self._decide(offer, row)
        self._remember(offer, row, outcome, decision)
        card.last = outcome
        card.was_refused_by_risk = decision is not None and outcome != TAKEN and (
            decision.action in _REFUSALS or "tightened" in card.marks
        )  # fmt: skip
        if outcome == TAKEN and decision is not None:
            self._take(offer, row, decision)
        elif outcome == FROZEN:
            card.was_refused_by_risk = True
            self._freeze(offer, is_new=decision is not None)
        return outcome

    def _decide(self, offer: Offer, row: Row) -> tuple[str, Decision | None]:
        if offer.account.frozen_until > self.now:
            return FROZEN, None
        if offer.card.is_mistyped:
            return WRONG_CARD, None
        decision = self.defence.decide(row, self._facts_of(offer, row))
        refused = _REFUSALS.get(decision.action)
        if decision is not APPROVED:
            offer.card.marks.add(decision.action)
            self._count(offer, decision)
        if refused is not None:
            return refused, decision
        tier = tier_of_offer(offer, self.now)
        subjects = subjects_of(offer)
        limit = self.caps.check(
            subjects, offer.card.face_fen, tier=tier, at=self.now, percent=decision.limit_percent
        )  # fmt: skip
        if limit is None:
            self.caps.take(subjects, offer.card.face_fen, at=self.now)
            return TAKEN, decision
        if decision.limit_percent < 100 and not self.caps.check(subjects, offer.card.face_fen, tier=tier, at=self.now):
            offer.card.marks.add("tightened")
        return limit.value, decision

    def _count(self, offer: Offer, decision: Decision) -> None:
        who = offer.card.owner
        self.tally["action/" + decision.action, who] += 1
        for fired in decision.fired:
            self.tally["rule/" + fired.rule, who] += 1

    def _remember(self, offer: Offer, row: Row, outcome: str, decision: Decision | None) -> None:
        told = undecided(row, outcome)
        if decision is not None:
            told = row._replace(taken=int(outcome == TAKEN), reason=id64(outcome))
        self._append(told, offer.card.family)
        if self.keeps_tape:
            self.truth[row.seq] = "bait" if offer.card.is_bait else offer.card.family

    def _facts_of(self, offer: Offer, row: Row) -> tuple[int | None, ...]:
        facts = facts_of(offer, row)
        if self.keeps_tape:
            self.facts[row.seq] = facts
        return facts

    def _freeze(self, offer: Offer, *, is_new: bool) -> None:
        account = offer.account
        if not is_new:
            return
        is_honest = not offer.card.family
        free_after_s = self.rng.uniform(*LIFTED_H) * places.HOUR_S if is_honest else FOR_EVER_S
        account.frozen_until = self.now + goods.in_seconds(free_after_s)
        for pending in self._pending_of.get(account.seller, ()):
            if not pending.is_over and pending.release_at > self.now and not is_honest:
                self._end(pending, "stopped", is_frozen=True)

    # --- what was taken ---

    def _take(self, offer: Offer, row: Row, decision: Decision) -> None:
        account, paid_fen = offer.account, row.paid or 0
        debt_fen = min(account.owed_fen, paid_fen)
        account.owed_fen -= debt_fen
        pending = Pending(offer, row, paid_fen, debt_fen, self.now + decision.delay_s * SECOND)
        self._pending_of.setdefault(offer.account.seller, []).append(pending)
        if decision.action is Action.REVIEW:
            looks_at = self.now + goods.in_seconds(self.rng.uniform(*REVIEW_H) * places.HOUR_S)
            self.at(looks_at, lambda: self._review(pending))
        else:
            self.at(self.now + CONSUMED_S * SECOND, lambda: self._consume(pending))

    def _review(self, pending: Pending) -> None:
        card = pending.offer.card
        finds = self.rng.random() < (REVIEW_FINDS if card.is_attack else REVIEW_ERRS)
        if not finds:
            self._consume(pending)
        elif not pending.is_over:
            self._label(pending)
            self._end(pending, "review_refused")

    def _consume(self, pending: Pending) -> None:
        """The operator takes the card, or does not; a held card is paid first and seen later."""
        card, sold_at = pending.offer.card, pending.row.at
        if pending.is_over:
            return
        if pending.offer.contract.is_held:
            self.at(self.now + HOLD_S * SECOND, lambda: self._sell_on(pending))
        elif card.is_rejected or _is_blocked(card, self.now):
            self._label(pending)
            self._end(pending, "rejected")
            return
        else:
            self.books.move(Posting(books.OPERATORS, books.PLATFORM, card.face_fen, "consumed"))
        if card.reversed_after_s is not None:
            self.at(sold_at + card.reversed_after_s * SECOND, lambda: self._reverse(pending))
        self.at(pending.release_at, lambda: self._pay(pending))

    def _sell_on(self, pending: Pending) -> None:
        card = pending.offer.card
        is_spent = card.spent_after_s is not None and card.spent_after_s <= HOLD_S
        if card.is_rejected or is_spent or _is_blocked(card, self.now):
            self._label(pending)
            if not pending.is_over:
                self._end(pending, "rejected")
            elif pending.is_paid:
                self._owe(pending)
        else:
            self.books.move(Posting(books.OPERATORS, books.PLATFORM, card.face_fen, "sold_on"))

    def _reverse(self, pending: Pending) -> None:
        """Somebody has reported the card; its operator takes back what it paid."""
        if pending.is_over and not pending.is_paid:
            return
        self._label(pending)
        self.books.move(Posting(books.PLATFORM, books.OPERATORS, pending.offer.card.face_fen, "reversed"))
        if not pending.is_over:
            self._end(pending, "stopped")
        else:
            self._owe(pending)

    def _owe(self, pending: Pending) -> None:
        """Who was paid for a card that turned out bad owes it; settle withholds it from whatever comes next."""
        pending.offer.account.owed_fen += pending.paid_fen
        pending.offer.side.hear(pending.offer, "reversed")

    def _pay(self, pending: Pending) -> None:
        if pending.is_over:
            return
        pending.is_over = pending.is_paid = True
        card = pending.offer.card
        card.paid_fen, card.promised_fen, card.last = pending.paid_fen - pending.debt_fen, pending.paid_fen, "paid"
        payee = f"crew/{card.family}/{card.variant}" if card.family else books.SELLERS
        self.books.move(Posting(books.PLATFORM, payee, card.paid_fen, "payout"))
        pending.offer.side.hear(pending.offer, "paid")

    def _end(self, pending: Pending, news: str, *, is_frozen: bool = False) -> None:
        """It is over and nothing was paid; what it took of the limits is given back."""
        pending.is_over = True
        pending.offer.card.last = news
        pending.offer.card.was_refused_by_risk = news == "review_refused" or (news == "stopped" and is_frozen)
        pending.offer.account.owed_fen += pending.debt_fen
        self.caps.give_back(subjects_of(pending.offer), pending.offer.card.face_fen, taken_at=pending.row.at)
        pending.offer.side.hear(pending.offer, news)

    def _label(self, pending: Pending) -> None:
        empty = self._next(BAD)
        row = pending.row._replace(seq=empty.seq, at=empty.at, kind=BAD, taken=None, reason=None)
        self._append(row, pending.offer.card.family)


def _is_blocked(card: Card, at: int) -> bool:
    return card.lot is not None and card.lot.blocked_at is not None and at >= card.lot.blocked_at


def limit_codes() -> Iterable[str]:
    """The codes with which limits refuse."""
    return (
        Reason.transaction_limit_is_reached.value,
        Reason.rolling_limit_is_reached.value,
        Reason.daily_limit_is_reached.value,
        Reason.step_up_is_needed.value,
    )
