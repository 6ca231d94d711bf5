"""What the books must say, in plain Python: no accounts, no batches, no database. The line is held against this.

Every knock that took something is remembered with its subjects and instant, and each limit is simply added up again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from suyuan.base.clock import DAY_S, SECOND, shanghai_day
from suyuan.base.refusals import Reason
from suyuan.settle.account import Contract, Key, Seller, tier_of
from suyuan.settle.limits import LimitRules, Rule
from tests.settle.books_line import Knock

MONEY = "money"
HELD_GOODS = "hold_then_sell"


class Numbers(NamedTuple):
    """What an answer says: the redemption, and where its face value goes."""

    redemption: str
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str


@dataclass
class Kept:
    """A redemption as the model remembers it."""

    numbers: Numbers
    at: int
    seller: Seller
    contract: Contract
    card: str
    subjects: dict[str, str]
    state: str = "pending"
    counts: bool = True  # Whether limits still count it.
    paid_out: int = 0


_NEXT = {
    ("consume_then_pay", "pending"): {"consumed": "consumed", "rejected": "rejected"},
    ("consume_then_pay", "consumed"): {"paid": "paid", "pay_refused": "payout_refused"},
    (HELD_GOODS, "pending"): {"proven": "proven", "rejected": "rejected"},
    (HELD_GOODS, "proven"): {"paid": "held", "pay_refused": "payout_refused"},
    (HELD_GOODS, "selling"): {"consumed": "paid", "rejected": "reversed", "debt": "reversed"},
}


OF_LIMITS = (
    Reason.transaction_limit_is_reached, Reason.step_up_is_needed, Reason.daily_limit_is_reached,
    Reason.rolling_limit_is_reached,
)  # fmt: skip


@dataclass
class BooksModel:
    """The whole platform, as far as money is concerned."""

    rules: LimitRules
    sellers: dict[str, Seller]
    contracts: dict[str, Contract]
    keys: dict[str, Key]
    nonces: set[str] = field(default_factory=set)
    answers: dict[str, tuple[str, Numbers | Reason]] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    raised: set[tuple[str, str]] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    owed: dict[str, int] = field(default_factory=dict)

    # --- taking ---

    def knock(self, knock: Knock, at: int) -> tuple[Numbers | Reason, int]:
        """The answer to a request, and how many micros it takes in history."""
        nonce = knock.nonce or str(knock.number)
        if nonce in self.nonces:
            return Reason.request_was_replayed, 0
        self.nonces.add(nonce)
        request = knock.idempotency or str(knock.number)
        digest = knock.digest or request
        if request in self.answers:
            known, answer = self.answers[request]
            return (answer if known == digest else Reason.idempotency_key_was_used_for_another_request), 0
        answer = self._decide(knock, at)
        self.answers[request] = digest, answer
        # A decision stands a micro behind the turn; what is refused after it follows, what is taken stands before it.
        return answer, 2 if isinstance(answer, Numbers) else 3 if answer in OF_LIMITS else 1

    def _decide(self, knock: Knock, at: int) -> Numbers | Reason:
        key, seller, contract = self.keys[knock.key], self.sellers[knock.seller], self.contracts[knock.contract]
        refusal = self._refuse_party(knock, key, contract)
        if refusal is not None:
            return refusal
        paid = knock.face_fen * contract.ratio_value // contract.ratio_face
        fee = knock.face_fen * (contract.ratio_face - contract.ratio_value) // contract.ratio_face
        subjects = {
            "seller": seller.id, "identity": seller.identity, "payee": seller.payee,
            "partner": seller.partner, "ip_prefix": knock.ip_prefix,
        }  # fmt: skip
        if key.device is not None:
            subjects["device"] = key.device
        refusal = self._refuse_card(knock, paid) or self._refuse_limits(
            knock, subjects, tier_of(seller, key, at=at), at
        )
        if refusal is not None:
            return refusal
        debt = min(self.owed.get(seller.id, 0), paid) if contract.value_kind == MONEY else 0
        self.owed[seller.id] = self.owed.get(seller.id, 0) - debt
        rest = knock.face_fen - paid - fee
        numbers = Numbers(knock.id, knock.face_fen, paid, fee, rest, debt, contract.value_kind)
        self.kept[knock.id] = Kept(numbers, at, seller, contract, card_of(knock), subjects)
        return numbers

    def _refuse_party(self, knock: Knock, key: Key, contract: Contract) -> Reason | None:
        if key.owner_kind == "seller" and key.owner != knock.seller:
            return Reason.key_may_not_do_this
        for target, reason in (
            ("platform", Reason.platform_is_stopped),
            (f"key:{knock.key}", Reason.key_is_stopped),
            (f"partner:{contract.partner}", Reason.partner_is_stopped),
            (f"channel:{contract.channel}", Reason.channel_is_stopped),
            (f"card_kind:{knock.operator}", Reason.card_kind_is_stopped),
        ):
            if target in self.stopped:
                return reason
        return None if contract.source == knock.source else Reason.source_is_not_the_contracts

    def _refuse_card(self, knock: Knock, paid: int) -> Reason | None:
        if any(kept.card == card_of(knock) and not self._let_go(kept) for kept in self.kept.values()):
            return Reason.card_was_sold_before
        if knock.secret_is_valid is False:
            return Reason.card_secret_is_wrong
        if paid == 0:
            return Reason.payout_is_too_small
        return None if knock.expected_payout in (None, paid) else Reason.payout_is_not_the_expected_one

    def _refuse_limits(self, knock: Knock, subjects: dict[str, str], tier: int, at: int) -> Reason | None:
        if knock.face_fen > self.rules.transaction_fen_max[tier]:
            return Reason.transaction_limit_is_reached
        for rule in self.rules.rules:
            if rule.subject not in subjects:
                continue
            subject = subjects[rule.subject]
            is_raised = rule == self._raisable and (subject, shanghai_day(at)) in self.raised
            raised_fen = self.rules.step_up_raise_fen if is_raised and tier > 0 else 0
            room_fen = rule.cap_fen[tier] + raised_fen - self.used(rule, subject, at)
            if knock.face_fen <= room_fen:
                continue
            if rule.window == "24h":
                return Reason.rolling_limit_is_reached
            helps = knock.face_fen - room_fen <= self.rules.step_up_raise_fen
            may_raise = rule == self._raisable and tier > 0 and not is_raised
            return Reason.step_up_is_needed if may_raise and helps else Reason.daily_limit_is_reached
        return None

    @property
    def _raisable(self) -> Rule:
        return next(rule for rule in self.rules.rules if (rule.subject, rule.window) == ("seller", "day"))

    def used(self, rule: Rule, subject: str, at: int) -> int:
        """What counts against a limit at an instant."""
        return sum(
            kept.numbers.face_fen
            for kept in self.kept.values()
            if kept.counts and kept.subjects.get(rule.subject) == subject and _is_within(rule, kept.at, at)
        )

    # --- what the world answers ---

    def record(self, redemption: str, kind: str) -> str | Reason:
        """The state after a verdict, or why it is not kept."""
        kept = self.kept.get(redemption)
        if kept is None:
            return Reason.redemption_is_unknown
        allowed = _NEXT.get((kept.contract.disposition, kept.state), {})
        if kind in ("unknown", "pay_unknown") and allowed:
            # Not knowing is news of one order; the other stage's says nothing.
            is_present = ("paid" in allowed) == (kind == "pay_unknown")
            return kept.state if is_present else Reason.redemption_is_settled_already
        if kind not in allowed:
            return Reason.redemption_is_settled_already
        was_selling = kept.state == "selling"
        kept.state = self._past_an_empty_payout(kept, allowed[kind])
        if kept.state in ("rejected", "payout_refused"):
            kept.counts = False
        if self._let_go(kept):
            self.owed[kept.seller.id] += kept.numbers.debt_fen
        if was_selling and kept.state == "reversed":
            self._owe(kept, kept.numbers.paid)
        if kind == "paid":
            kept.paid_out = kept.numbers.paid - kept.numbers.debt_fen
        return kept.state

    def take_back(self, redemption: str) -> str | Reason:
        """The operator reverses a consumption."""
        kept = self.kept.get(redemption)
        if kept is None:
            return Reason.redemption_is_unknown
        is_spending = kept.state == "selling" or (kept.state == "pending" and kept.contract.disposition != HELD_GOODS)
        if is_spending or kept.state == "consumed":
            return Reason.payout_is_under_way
        refused = kept.state == "payout_refused" and kept.contract.disposition != HELD_GOODS
        if not (kept.state == "paid" or refused):
            return Reason.redemption_is_settled_already
        self._owe(kept, kept.numbers.debt_fen if refused else kept.numbers.paid)
        kept.state = "reversed"
        return kept.state

    def sell_on(self, redemption: str) -> str | Reason:
        """A held card finds its buyer."""
        kept = self.kept.get(redemption)
        if kept is None:
            return Reason.redemption_is_unknown
        if kept.state != "held":
            return Reason.redemption_is_settled_already
        kept.state = "selling"
        return kept.state

    def raise_today(self, seller: str, at: int) -> int | Reason:
        """A face check is passed."""
        if (seller, shanghai_day(at)) in self.raised:
            return Reason.step_up_was_granted_before
        self.raised.add((seller, shanghai_day(at)))
        return self.rules.step_up_raise_fen

    def _past_an_empty_payout(self, kept: Kept, state: str) -> str:
        if kept.numbers.debt_fen < kept.numbers.paid:
            return state
        return {"consumed": "paid", "proven": "held"}.get(state, state)

    def _let_go(self, kept: Kept) -> bool:
        held = kept.contract.disposition == HELD_GOODS
        return kept.state == "rejected" or (kept.state == "payout_refused" and held)

    def _owe(self, kept: Kept, fen: int) -> None:
        self.owed[kept.seller.id] = self.owed.get(kept.seller.id, 0) + fen


def card_of(knock: Knock) -> str:
    """The card that a knock offers."""
    return knock.card or f"crd_{knock.number}"


def _is_within(rule: Rule, taken_at: int, at: int) -> bool:
    if rule.window == "day":
        return shanghai_day(taken_at) == shanghai_day(at)
    return at - taken_at < DAY_S * SECOND
