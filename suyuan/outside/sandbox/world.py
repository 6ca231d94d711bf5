"""What the twins know and by which rules they answer; no I/O, no clock.

Every change goes through `apply`, live and in replay, so a restarted sandbox is the same sandbox. The deciding methods
(`take`, `due`) change nothing; they give the fact that `apply` then takes.

Names: `<operator>/<serial or number>`, `<channel>/<payee or merchant>`, `<target>/<order_no>`.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from suyuan.base.money import ValueKind
from suyuan.outside import protocol
from suyuan.outside.identity import FACE_DIFFERS, NUMBER_IS_NOT_SERVED
from suyuan.outside.protocol import (
    CodeBody,
    ConsumeBody,
    FaceBody,
    OrderAnswer,
    PayBody,
    ReversalLine,
    SecretBody,
)
from suyuan.outside.sandbox import facts
from suyuan.outside.sandbox.facts import Fact, Journal, OrderTaken, secret_digest
from suyuan.outside.sandbox.faults import Dice
from suyuan.settle.providers import CodeVerdict, PayRefusal, Rejection

OPERATORS = ("cmcc", "unicom", "telecom")
TELLS_SECRETS = frozenset({"telecom"})
CHANNELS = {
    "bank_transfer": ValueKind.MONEY,
    "coupon_hall": ValueKind.COUPON,
    "points_bank": ValueKind.POINTS,
}
FACES = ("face",)
NUMBERS = ("number",)
KMS = "kms"
TARGETS = (*OPERATORS, *CHANNELS, *FACES, *NUMBERS, KMS)
CODE_TTL_MS = 600_000
CODE_TRIES_MAX = 5

_MICROS_PER_MS = 1_000
_MOBILE = re.compile("1[3-9][0-9]{9}")

OrderBody: TypeAlias = ConsumeBody | PayBody | FaceBody | CodeBody


class SourceTruth(msgspec.Struct):
    """What became of one card or number. `by` names the order of each consumption."""

    consumed: int = 0
    consumed_fen: int = 0
    by: list[str] = []
    spent_by_holder: bool = False
    reversed: int = 0


class PayoutTruth(msgspec.Struct):
    """What one order at a channel brought to whom."""

    merchant_id: str
    payee: str
    value_kind: str
    amount: int
    times: int = 0


class Sums(msgspec.Struct):
    payouts: int = 0
    amount: int = 0


class Tally(msgspec.Struct):
    """The truth, by the names above.

    `checks` counts how often a face was compared for an order, `codes` holds what was sent to each number, `strange`
    counts `<target>/conflict` and `<target>/bad_signature`, `kms` how often its keys were asked to `wrap` and `unwrap`.
    """

    cards: dict[str, SourceTruth] = {}
    numbers: dict[str, SourceTruth] = {}
    payouts: dict[str, PayoutTruth] = {}
    checks: dict[str, int] = {}
    codes: dict[str, list[str]] = {}
    by_channel: dict[str, Sums] = {}
    by_merchant: dict[str, Sums] = {}
    by_payee: dict[str, Sums] = {}
    orders: dict[str, int] = {}
    refused: dict[str, int] = {}
    strange: dict[str, int] = {}
    kms: dict[str, int] = {}


class World:
    """All twins together."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.dice: dict[str, Dice] = {}
        self.reversals: dict[str, list[ReversalLine]] = {operator: [] for operator in OPERATORS}
        self._cards: dict[str, facts.IssuedCard] = {}
        self._balances: dict[str, facts.Balance] = {}
        self._balance_fen: dict[str, int] = {}
        self._merchants: set[str] = set()
        self._payees: dict[str, str] = {}
        self._people: dict[str, str] = {}
        self._transit_keys: dict[tuple[str, str], facts.TransitKey] = {}
        self._orders: dict[str, OrderTaken] = {}
        self._ends: dict[str, str] = {}
        self._reversed: set[str] = set()
        self._code_orders: dict[str, str] = {}
        self._wrong_codes: dict[str, int] = {}
        # What time will bring. After a replay it also holds what has come already, which `due` leaves out.
        self._due: list[tuple[int, str]] = []

    # Asking.

    def answer(self, target: str, order_no: str) -> OrderAnswer | None:
        """The answer about an order, if it came."""
        order = self._orders.get(f"{target}/{order_no}")
        if order is None:
            return None
        state, code = self._outcome(order)
        reference = _reference(target, order_no) if state == protocol.DONE else ""
        return OrderAnswer(order_no, state, reference, code)

    def is_same_body(self, target: str, order_no: str, body_digest: str) -> bool:
        return self._orders[f"{target}/{order_no}"].body_digest == body_digest

    def knows_card(self, operator: str, serial: str) -> bool:
        return f"{operator}/{serial}" in self._cards

    def is_unspent(self, operator: str, serial: str) -> bool:
        truth = self.tally.cards.get(f"{operator}/{serial}")
        return truth is not None and not truth.spent_by_holder and not truth.consumed

    def is_valid_secret(self, operator: str, body: SecretBody) -> bool:
        return not self._against_card(operator, body)

    def transit_key(self, mount: str, name: str) -> facts.TransitKey | None:
        """A key of the KMS, with the digest of its token."""
        return self._transit_keys.get((mount, name))

    def has_mount(self, mount: str, namespace: str) -> bool:
        """Whether the KMS has an engine there."""
        return any((key.mount, key.namespace) == (mount, namespace) for key in self._transit_keys.values())

    def has_namespace(self, namespace: str) -> bool:
        """Whether the KMS has this namespace."""
        return any(key.namespace == namespace for key in self._transit_keys.values())

    def is_token(self, digest: str) -> bool:
        """Whether anybody was given this token."""
        return any(key.token == digest for key in self._transit_keys.values())

    def order_of_code(self, target: str, reference: str) -> str | None:
        """The order under whose reference a code is checked."""
        return self._code_orders.get(f"{target}/{reference}")

    def judge_code(self, target: str, order_no: str, code: str, now: int) -> CodeVerdict:
        """What a code is worth now."""
        order = self._orders[f"{target}/{order_no}"]
        is_late = now >= order.sent_at + CODE_TTL_MS * _MICROS_PER_MS
        if is_late or self._wrong_codes.get(f"{target}/{order_no}", 0) >= CODE_TRIES_MAX:
            return CodeVerdict.EXPIRED
        return CodeVerdict.PROVEN if code == code_of(target, order_no) else CodeVerdict.WRONG

    # Deciding.

    def take(self, target: str, body: OrderBody, body_digest: str, now: int) -> OrderTaken:
        """What becomes of an order that comes for the first time."""
        taken = OrderTaken(target, body.order_no, body_digest, protocol.DONE, **_what_it_is_about(body))
        if isinstance(body, CodeBody):
            taken = msgspec.structs.replace(taken, sent_at=now)
        if isinstance(body, ConsumeBody) and body.kind == "balance":
            return self._ask_holder(taken, now)
        code = self._against(target, body)
        return msgspec.structs.replace(taken, state=protocol.REFUSED, code=code) if code else taken

    def due(self, now: int) -> Iterator[Fact]:
        """What time alone has brought about since it was last asked. Each fact must be applied before the next."""
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            order = self._orders[name]
            state, _ = self._outcome(order)
            if state == protocol.WAITING and order.holder_at == at:
                yield facts.HolderAnswered(order.target, order.order_no, self._against_debit(order))
            elif state == protocol.DONE and order.reversed_at == at and name not in self._reversed:
                yield facts.OrderReversed(order.target, order.order_no, at)

    def _against(self, target: str, body: OrderBody) -> str:
        """The code that speaks against an order, or nothing."""
        match body:
            case ConsumeBody():
                return self._against_card(target, body)
            case PayBody():
                return self._against_payout(target, body)
            case FaceBody():
                shown = secret_digest(body.person, body.capture)
                return "" if self._people.get(body.person) == shown else FACE_DIFFERS
            case CodeBody():
                return "" if _MOBILE.fullmatch(body.number) else NUMBER_IS_NOT_SERVED

    def _against_card(self, operator: str, card: ConsumeBody | SecretBody) -> str:
        name = f"{operator}/{card.serial}"
        issued = self._cards.get(name)
        if issued is None:
            return Rejection.CARD_DOES_NOT_EXIST
        if issued.pin_digest != secret_digest(name, card.pin):
            return Rejection.PIN_IS_WRONG
        if issued.face_fen != card.face_fen:
            return Rejection.FACE_DIFFERS
        return "" if self.is_unspent(operator, card.serial) else Rejection.CARD_IS_USED

    def _against_payout(self, channel: str, body: PayBody) -> str:
        if body.value_kind != CHANNELS[channel]:
            return PayRefusal.VALUE_KIND_IS_NOT_OFFERED
        if f"{channel}/{body.merchant_id}" not in self._merchants:
            return PayRefusal.MERCHANT_IS_NOT_REGISTERED
        state = self._payees.get(f"{channel}/{body.payee}", "open")
        return {"open": "", "closed": PayRefusal.PAYEE_IS_CLOSED, "unknown": PayRefusal.PAYEE_DOES_NOT_EXIST}[state]

    def _ask_holder(self, taken: OrderTaken, now: int) -> OrderTaken:
        balance = self._balances.get(f"{taken.target}/{taken.subject}")
        if balance is None:
            return msgspec.structs.replace(taken, state=protocol.REFUSED, code=Rejection.NUMBER_IS_NOT_SERVED)
        at = 0 if balance.answer == "silent" else now + balance.after_ms * _MICROS_PER_MS
        return msgspec.structs.replace(taken, state=protocol.WAITING, holder_says=balance.answer, holder_at=at)

    def _against_debit(self, order: OrderTaken) -> str:
        if order.holder_says == "declines":
            return Rejection.HOLDER_DECLINED
        has_fen = self._balance_fen[f"{order.target}/{order.subject}"]
        return Rejection.BALANCE_IS_SHORT if has_fen < order.amount else ""

    def _outcome(self, order: OrderTaken) -> tuple[str, str]:
        """State and code as they are now; a waiting order has its end in a later fact."""
        code = self._ends.get(f"{order.target}/{order.order_no}")
        if order.state != protocol.WAITING or code is None:
            return order.state, order.code
        return (protocol.REFUSED, code) if code else (protocol.DONE, "")

    # Changing.

    def apply(self, fact: Fact) -> None:
        """Takes one fact in. The only method that changes anything."""
        match fact:
            case facts.OrderTaken():
                self._apply_order(fact)
            case facts.HolderAnswered():
                self._apply_end(fact)
            case facts.CodeTried():
                _count(self._wrong_codes, f"{fact.target}/{fact.order_no}")
            case facts.OrderReversed():
                self._apply_reversal(fact)
            case facts.Strange():
                _count(self.tally.strange, f"{fact.target}/{fact.what}")
            case facts.KmsAsked(verb):
                _count(self.tally.kms, verb)
            case facts.FaultsSet():
                self.dice[fact.plan.target] = Dice(fact.plan)
            case _:
                self._apply_setting(fact)

    def _apply_setting(self, fact: Setting) -> None:
        match fact:
            case facts.CardsIssued(cards):
                for card in cards:
                    self._cards[f"{card.operator}/{card.serial}"] = card
                    self.tally.cards[f"{card.operator}/{card.serial}"] = SourceTruth()
            case facts.CardsSpent(names):
                for name in names:
                    self.tally.cards[f"{name.operator}/{name.serial}"].spent_by_holder = True
            case facts.BalancesOpened(balances):
                for balance in balances:
                    self._balances[f"{balance.operator}/{balance.number}"] = balance
                    self._balance_fen[f"{balance.operator}/{balance.number}"] = balance.balance_fen
                    self.tally.numbers.setdefault(f"{balance.operator}/{balance.number}", SourceTruth())
            case facts.MerchantsRegistered(merchants):
                self._merchants.update(f"{merchant.channel}/{merchant.merchant_id}" for merchant in merchants)
            case facts.PayeesChanged(payees):
                self._payees.update({f"{payee.channel}/{payee.payee}": payee.state for payee in payees})
            case facts.PeopleEnrolled(people):
                self._people.update({person.person: person.capture for person in people})
            case facts.TransitKeySet(key):
                self._transit_keys[key.mount, key.name] = key

    def _apply_order(self, order: OrderTaken) -> None:
        name = f"{order.target}/{order.order_no}"
        self._orders[name] = order
        _count(self.tally.orders, order.target)
        if order.target in FACES:
            _count(self.tally.checks, name)
        for at in (order.holder_at, order.reversed_at):
            if at:
                heapq.heappush(self._due, (at, name))
        if order.state == protocol.REFUSED:
            _count(self.tally.refused, f"{order.target}/{order.code}")
        elif order.state == protocol.DONE and order.target in OPERATORS:
            self._consume(self.tally.cards[f"{order.target}/{order.subject}"], order)
        elif order.state == protocol.DONE and order.target in CHANNELS:
            self._pay(name, order)
        elif order.state == protocol.DONE and order.target in NUMBERS:
            self._code_orders[f"{order.target}/{_reference(order.target, order.order_no)}"] = order.order_no
            self.tally.codes.setdefault(order.subject, []).append(code_of(order.target, order.order_no))

    def _apply_end(self, end: facts.HolderAnswered) -> None:
        name = f"{end.target}/{end.order_no}"
        self._ends[name] = end.code
        if end.code:
            _count(self.tally.refused, f"{end.target}/{end.code}")
            return
        order = self._orders[name]
        number = f"{order.target}/{order.subject}"
        self._balance_fen[number] -= order.amount
        self._consume(self.tally.numbers[number], order)

    def _apply_reversal(self, fact: facts.OrderReversed) -> None:
        order = self._orders[f"{fact.target}/{fact.order_no}"]
        self._reversed.add(f"{fact.target}/{fact.order_no}")
        lines = self.reversals[fact.target]
        reference = _reference(fact.target, fact.order_no)
        lines.append(ReversalLine(str(len(lines) + 1), fact.order_no, reference, order.amount, fact.at))
        # An order that waited for a holder was about a balance, any other one about a card.
        truths = self.tally.numbers if order.state == protocol.WAITING else self.tally.cards
        truths[f"{order.target}/{order.subject}"].reversed += 1

    def _consume(self, truth: SourceTruth, order: OrderTaken) -> None:
        truth.consumed += 1
        truth.consumed_fen += order.amount
        truth.by.append(order.order_no)

    def _pay(self, name: str, order: OrderTaken) -> None:
        truth = self.tally.payouts.setdefault(
            name, PayoutTruth(order.merchant_id, order.subject, order.value_kind, order.amount)
        )
        truth.times += 1
        for sums, key in (
            (self.tally.by_channel, order.target),
            (self.tally.by_merchant, f"{order.target}/{order.merchant_id}"),
            (self.tally.by_payee, f"{order.target}/{order.subject}"),
        ):
            row = sums.setdefault(key, Sums())
            row.payouts += 1
            row.amount += order.amount


Setting: TypeAlias = (
    facts.CardsIssued
    | facts.CardsSpent
    | facts.BalancesOpened
    | facts.MerchantsRegistered
    | facts.PayeesChanged
    | facts.PeopleEnrolled
    | facts.TransitKeySet
)


def _what_it_is_about(body: OrderBody) -> dict[str, Any]:
    match body:
        case ConsumeBody():
            return {"subject": body.number if body.kind == "balance" else body.serial, "amount": body.face_fen}
        case PayBody():
            terms = {"merchant_id": body.merchant_id, "value_kind": body.value_kind}
            return {"subject": body.payee, "amount": body.amount, **terms}
        case FaceBody():
            return {"subject": body.person}
        case CodeBody():
            return {"subject": body.number}


def _reference(target: str, order_no: str) -> str:
    """The provider's own number for an order; the same after every restart."""
    return f"{target}-{hashlib.sha256(f'{target}/{order_no}'.encode()).hexdigest()[:16]}"


def code_of(target: str, order_no: str) -> str:
    """The six digits that an order sends; the same after every restart. A twin's secret may be guessed, ours not."""
    return f"{int.from_bytes(hashlib.sha256(f'code/{target}/{order_no}'.encode()).digest()[:8]) % 1_000_000:06d}"


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


class Memory:
    """The world together with its journal: what is recorded is remembered before it is true."""

    def __init__(self, journal: Journal) -> None:
        self.world = World()
        self._journal = journal
        for fact in journal.replay():
            self.world.apply(facts.FaultsSet(fact.plan.survived()) if isinstance(fact, facts.FaultsSet) else fact)

    def record(self, fact: Fact) -> None:
        self._journal.append(fact)
        self.world.apply(fact)

    def catch_up(self, now: int) -> None:
        """Records what time alone has brought about."""
        for fact in self.world.due(now):
            self.record(fact)
