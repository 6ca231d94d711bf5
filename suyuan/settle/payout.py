"""Turning a taken card into a paid seller: a dialogue with operators and channels that never guesses.

`turn` is one stage of one redemption as a generator without I/O: it yields a question, is sent the verdict, and returns
what the line shall record. `after` says where the redemption stands once that is recorded. The stages, by disposition:

    consume_then_pay    CONSUME → PAY → DONE      the operator spends the card into our float, then the channel pays
    hold_then_sell      PROVE → PAY → HELD        paid once the card has proven good; HELD → CONSUME → DONE when sold on

The rule of retry, in this order:
1. An order that may have been sent before (attempts > 0) is first *asked* about, by its order number.
2. Only "not found" lets it be sent – the same order number, the same bytes, so two that meet on the way are one.
3. Unknown is asked again after 1, 2, 5, 10, 30, 60 seconds and then every 5 minutes, for ever.

Invariants: one order number per stage; a stage ends only by a definite verdict on its own order; a payout is asked for
only after the stage before it ended well; a card refused after its seller was paid is a debt, never a silent loss.

>>> from suyuan.base.money import Fen, ValueKind
>>> consume = ConsumeOrder("rdm1c", "cmcc", "card", "10000000000000001", "000000000000000001", "", Fen(10_000))
>>> pay = PayOrder("rdm1p", "bank_transfer", "m-1", "acct-1", ValueKind.MONEY, 8_000)
>>> standing = Standing(Stage.CONSUME, Disposition.CONSUME_THEN_PAY, consume, pay, attempts=1)
>>> dialogue = turn(standing)
>>> next(dialogue)  # It may have been sent before, so it is asked first.
AskConsumed(operator='cmcc', order_no='rdm1c')
>>> dialogue.send(NotFound()) == Consume(consume)  # Never arrived: the same order goes out again.
True
>>> record = told(dialogue, Unknown("timed_out"))
>>> record
RecordUnknown(order_no='rdm1c', why='timed_out', attempts=2, again_in_s=2)
>>> after(standing, record).stage
<Stage.CONSUME: 'consume'>
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, TypeAlias

from suyuan.settle.providers import (
    CardSecret,
    Consumed,
    ConsumeOrder,
    NotFound,
    Paid,
    PayOrder,
    PayRefusal,
    PayRefused,
    Rejected,
    Rejection,
    Unknown,
)

WAITS_S = (1, 2, 5, 10, 30, 60)
WAIT_AT_LAST_S = 300


class Disposition(StrEnum):
    """What a contract does with a card it has taken."""

    CONSUME_THEN_PAY = "consume_then_pay"
    HOLD_THEN_SELL = "hold_then_sell"


class Stage(StrEnum):
    """What has to happen next. `REVIEW` waits for a person, `HELD` for a buyer, `DONE` for nobody."""

    REVIEW = "review"
    PROVE = "prove"
    CONSUME = "consume"
    PAY = "pay"
    HELD = "held"
    DONE = "done"


# Questions: what a turn yields.


@dataclass(frozen=True, slots=True)
class CheckSecret:
    operator: str
    card: CardSecret


@dataclass(frozen=True, slots=True)
class Consume:
    order: ConsumeOrder


@dataclass(frozen=True, slots=True)
class AskConsumed:
    operator: str
    order_no: str


@dataclass(frozen=True, slots=True)
class Pay:
    order: PayOrder


@dataclass(frozen=True, slots=True)
class AskPaid:
    channel: str
    order_no: str


Question: TypeAlias = CheckSecret | Consume | AskConsumed | Pay | AskPaid
Verdict: TypeAlias = Consumed | Rejected | Paid | PayRefused | Unknown | NotFound | bool | None


# Records: what a turn returns, for the line to remember. Each names the order it is about.


@dataclass(frozen=True, slots=True)
class RecordProven:
    """The card is good, or the operator does not tell and only the time held speaks for it (`by` says which)."""

    order_no: str
    by: Literal["secret", "waiting"]


@dataclass(frozen=True, slots=True)
class RecordConsumed:
    order_no: str
    reference: str


@dataclass(frozen=True, slots=True)
class RecordRejected:
    """Nothing was paid: void the payout, give the limits back."""

    order_no: str
    code: Rejection


@dataclass(frozen=True, slots=True)
class RecordPaid:
    order_no: str
    reference: str


@dataclass(frozen=True, slots=True)
class RecordPayRefused:
    """The channel will not pay: void the payout, give the limits back; what the card brought is the seller's still."""

    order_no: str
    code: PayRefusal


@dataclass(frozen=True, slots=True)
class RecordDebt:
    """The card turned out bad and its payout is made or may be under way: the seller owes it."""

    order_no: str
    code: Rejection


@dataclass(frozen=True, slots=True)
class RecordUnknown:
    """Still pending. Ask again in `again_in_s`, as the attempt after `attempts`."""

    order_no: str
    why: str
    attempts: int
    again_in_s: int


Record: TypeAlias = (
    RecordProven | RecordConsumed | RecordRejected | RecordPaid | RecordPayRefused | RecordDebt | RecordUnknown
)
Turn: TypeAlias = Generator[Question, Verdict, Record]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one redemption stands, as the line remembers it.

    `attempts` counts how often the present stage may have been tried. Whoever takes the work over from a process that
    died passes at least 1: the dead one may have sent the order and had no time to say so.
    """

    stage: Stage
    disposition: Disposition
    consume: ConsumeOrder
    pay: PayOrder
    attempts: int = 0
    paid: bool = False

    def __post_init__(self) -> None:
        assert self.attempts >= 0, "attempts are counted from zero"
        assert self.consume.order_no != self.pay.order_no, "each stage has an order number of its own"
        if self.disposition is Disposition.HOLD_THEN_SELL and self.consume.kind != "card":
            raise ValueError("a balance cannot be held and sold on; its contract consumes, then pays")

    @property
    def order_no(self) -> str:
        """The number of the order that the present stage is about."""
        return self.pay.order_no if self.stage is Stage.PAY else self.consume.order_no


def first_stage(disposition: Disposition) -> Stage:
    """Where a redemption begins once it is taken."""
    return Stage.PROVE if disposition is Disposition.HOLD_THEN_SELL else Stage.CONSUME


def wait_s(attempts: int) -> int:
    """How long to wait after this many attempts that ended in silence.

    >>> [wait_s(attempts) for attempts in range(1, 9)]
    [1, 2, 5, 10, 30, 60, 300, 300]
    """
    assert attempts >= 1, "waiting follows an attempt"
    return WAITS_S[attempts - 1] if attempts <= len(WAITS_S) else WAIT_AT_LAST_S


def turn(standing: Standing) -> Turn:
    """The dialogue of the present stage. A driver carries the questions out and sends the verdicts in."""
    match standing.stage:
        case Stage.PROVE:
            return _prove(standing)
        case Stage.CONSUME:
            return _consume(standing)
        case Stage.PAY:
            return _pay(standing)
        case Stage.REVIEW | Stage.HELD | Stage.DONE:
            raise ValueError(f"a redemption that is {standing.stage} has nothing to ask the world")


def told(dialogue: Turn, verdict: Verdict) -> Record:
    """Sends the last verdict of a dialogue and gives its record; raises if the dialogue had another question."""
    try:
        question = dialogue.send(verdict)
    except StopIteration as end:
        record: Record = end.value
        return record
    raise ValueError(f"the dialogue is not over, it asks {type(question).__name__}")


def after(standing: Standing, record: Record) -> Standing:
    """Where the redemption stands once the record is kept.

    Raises `ValueError` for a record that does not belong to the present stage: a slow driver's news about a stage that
    is over must not move anything.
    """
    if isinstance(record, RecordDebt):
        return _after_debt(standing, record)
    if record.order_no != standing.order_no or not isinstance(record, _RECORDS_OF[standing.stage]):
        raise ValueError(f"{type(record).__name__} does not belong to the stage {standing.stage} of this redemption")
    if standing.paid and isinstance(record, RecordRejected):
        raise ValueError("the seller of this card is paid, so its rejection is a debt")
    match record:
        case RecordUnknown():
            return replace(standing, attempts=record.attempts)
        case RecordProven():
            return replace(standing, stage=Stage.PAY, attempts=0)
        case RecordConsumed():
            return replace(standing, stage=Stage.DONE if standing.paid else Stage.PAY, attempts=0)
        case RecordPaid():
            sells = standing.disposition is Disposition.HOLD_THEN_SELL
            return replace(standing, stage=Stage.HELD if sells else Stage.DONE, attempts=0, paid=True)
        case RecordRejected() | RecordPayRefused():
            return replace(standing, stage=Stage.DONE, attempts=0)


def sold_on(standing: Standing) -> Standing:
    """A held card has found its buyer, so it is consumed now; its seller has long been paid."""
    assert standing.stage is Stage.HELD, "only a held card is sold on"
    assert standing.paid, "a held card has been paid for"
    return replace(standing, stage=Stage.CONSUME, attempts=0)


def reversed_by_operator(standing: Standing) -> RecordRejected | RecordDebt:
    """What to record when the operator took the consumption back.

    From the stage PAY on the payout may be under way, whatever `attempts` says, so the seller owes it: a promised
    payout is never withdrawn, and if the channel should refuse it after all, the line sets the two off.
    """
    order_no = standing.consume.order_no
    if standing.paid or standing.stage is Stage.PAY:
        return RecordDebt(order_no, Rejection.CONSUMPTION_WAS_REVERSED)
    return RecordRejected(order_no, Rejection.CONSUMPTION_WAS_REVERSED)


_RECORDS_OF: dict[Stage, tuple[type[Record], ...]] = {
    Stage.PROVE: (RecordProven, RecordRejected, RecordUnknown),
    Stage.CONSUME: (RecordConsumed, RecordRejected, RecordUnknown),
    Stage.PAY: (RecordPaid, RecordPayRefused, RecordUnknown),
    Stage.REVIEW: (),
    Stage.HELD: (),
    Stage.DONE: (),
}


def _prove(standing: Standing) -> Turn:
    """A held card is paid for when its secret is still good after the waiting, or when nobody can say."""
    order = standing.consume
    verdict = yield CheckSecret(order.operator, order.secret)
    if isinstance(verdict, Unknown):
        return _unknown(standing, verdict)
    if verdict is None:
        return RecordProven(order.order_no, by="waiting")
    if verdict is True:
        return RecordProven(order.order_no, by="secret")
    if verdict is False:
        return RecordRejected(order.order_no, Rejection.SECRET_IS_NOT_VALID)
    raise TypeError(f"whether a secret is valid was answered with {type(verdict).__name__}")


def _consume(standing: Standing) -> Turn:
    order = standing.consume
    verdict: Verdict = NotFound()
    if standing.attempts:
        verdict = yield AskConsumed(order.operator, order.order_no)
    if isinstance(verdict, NotFound):
        verdict = yield Consume(order)
    match verdict:
        case Consumed(reference):
            return RecordConsumed(order.order_no, reference)
        case Rejected(code):
            return RecordDebt(order.order_no, code) if standing.paid else RecordRejected(order.order_no, code)
        case Unknown():
            return _unknown(standing, verdict)
    raise TypeError(f"the question whether a card is consumed was answered with {type(verdict).__name__}")


def _pay(standing: Standing) -> Turn:
    order = standing.pay
    verdict: Verdict = NotFound()
    if standing.attempts:
        verdict = yield AskPaid(order.channel, order.order_no)
    if isinstance(verdict, NotFound):
        verdict = yield Pay(order)
    match verdict:
        case Paid(reference):
            return RecordPaid(order.order_no, reference)
        case PayRefused(code):
            return RecordPayRefused(order.order_no, code)
        case Unknown():
            return _unknown(standing, verdict)
    raise TypeError(f"the question whether a payout is made was answered with {type(verdict).__name__}")


def _unknown(standing: Standing, verdict: Unknown) -> RecordUnknown:
    attempts = standing.attempts + 1
    return RecordUnknown(standing.order_no, verdict.why, attempts, again_in_s=wait_s(attempts))


def _after_debt(standing: Standing, debt: RecordDebt) -> Standing:
    """A debt ends the consumption of a sold card; a payout that is under way stays under way."""
    if debt.order_no != standing.consume.order_no:
        raise ValueError("this debt belongs to another redemption")
    if not (standing.paid or standing.stage is Stage.PAY):
        raise ValueError("a debt needs a payout that is made or under way")
    return standing if standing.stage is Stage.PAY else replace(standing, stage=Stage.DONE, attempts=0)
