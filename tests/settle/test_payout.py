"""The dialogue of paying out, played against lists of verdicts and against worlds that lose, repeat and forget."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.money import Fen, ValueKind
from suyuan.settle import payout
from suyuan.settle.payout import (
    AskConsumed,
    AskPaid,
    CheckSecret,
    Consume,
    Disposition,
    Pay,
    Question,
    Record,
    RecordConsumed,
    RecordDebt,
    RecordPaid,
    RecordPayRefused,
    RecordProven,
    RecordRejected,
    RecordUnknown,
    Stage,
    Standing,
    Verdict,
)
from suyuan.settle.providers import (
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

CONSUME = ConsumeOrder("rdm1c", "telecom", "card", "1000000000000000001", "100000000000000001", "", Fen(10_000))
PAY = PayOrder("rdm1p", "bank_transfer", "m-1", "acct-1", ValueKind.MONEY, 8_000)
UNKNOWN = Unknown("timed_out")
ENDED = (Stage.HELD, Stage.DONE)

Kind = TypeVar("Kind")


def taken(disposition: Disposition = Disposition.CONSUME_THEN_PAY) -> Standing:
    return Standing(payout.first_stage(disposition), disposition, CONSUME, PAY)


def play(standing: Standing, *verdicts: Verdict) -> tuple[list[Question], Record]:
    """Plays one turn; every verdict must be asked for, and the last one must end it."""
    dialogue = payout.turn(standing)
    questions = [next(dialogue)]
    questions.extend(dialogue.send(verdict) for verdict in verdicts[:-1])
    return questions, payout.told(dialogue, verdicts[-1])


def test_a_card_is_consumed_then_its_seller_is_paid() -> None:
    """Consume → consumed; pay → paid; done. Two questions, two records."""
    questions, record = play(taken(), Consumed("T-1"))
    assert questions == [Consume(CONSUME)]
    assert record == RecordConsumed("rdm1c", "T-1")
    standing = payout.after(taken(), record)
    questions, record = play(standing, Paid("B-1"))
    assert questions == [Pay(PAY)]
    assert record == RecordPaid("rdm1p", "B-1")
    done = payout.after(standing, record)
    assert (done.stage, done.paid) == (Stage.DONE, True)


def test_silence_is_asked_about_before_anything_is_sent_again() -> None:
    """The first consume times out; a second later it is asked, and had been done all along."""
    _, record = play(taken(), UNKNOWN)
    assert record == RecordUnknown("rdm1c", "timed_out", attempts=1, again_in_s=1)
    questions, record = play(payout.after(taken(), record), Consumed("T-1"))
    assert questions == [AskConsumed("telecom", "rdm1c")]
    assert record == RecordConsumed("rdm1c", "T-1")


def test_only_not_found_lets_the_same_order_go_out_again() -> None:
    """Asked, not found: the very same order, never another number."""
    standing = replace(taken(), attempts=3)
    questions, record = play(standing, NotFound(), UNKNOWN)
    assert questions == [AskConsumed("telecom", "rdm1c"), Consume(CONSUME)]
    assert record == RecordUnknown("rdm1c", "timed_out", attempts=4, again_in_s=10)


def test_a_payout_in_doubt_is_asked_about_too() -> None:
    """The channel's first answer is lost; the ask does not find it; the same bytes go out and are paid."""
    standing = Standing(Stage.PAY, Disposition.CONSUME_THEN_PAY, CONSUME, PAY, attempts=1)
    questions, record = play(standing, NotFound(), Paid("B-1"))
    assert questions == [AskPaid("bank_transfer", "rdm1p"), Pay(PAY)]
    assert record == RecordPaid("rdm1p", "B-1")


def test_a_card_that_is_definitely_bad_ends_before_any_payment() -> None:
    """The seller spent the PIN after selling: nothing is paid, nothing is asked any more."""
    _, record = play(taken(), Rejected(Rejection.CARD_IS_USED))
    assert record == RecordRejected("rdm1c", Rejection.CARD_IS_USED)
    done = payout.after(taken(), record)
    assert (done.stage, done.paid) == (Stage.DONE, False)
    with pytest.raises(ValueError, match="nothing to ask the world"):
        payout.turn(done)


def test_a_payout_that_is_definitely_refused_ends() -> None:
    standing = replace(taken(), stage=Stage.PAY)
    _, record = play(standing, PayRefused(PayRefusal.PAYEE_IS_CLOSED))
    assert record == RecordPayRefused("rdm1p", PayRefusal.PAYEE_IS_CLOSED)
    assert payout.after(standing, record).stage is Stage.DONE


@pytest.mark.parametrize(("verdict", "by"), [(True, "secret"), (None, "waiting")])
def test_a_held_card_is_paid_when_it_has_proven_good(verdict: bool | None, by: str) -> None:
    """telecom tells whether a secret is good; cmcc does not, so there the waiting alone must do."""
    standing = taken(Disposition.HOLD_THEN_SELL)
    questions, record = play(standing, verdict)
    assert questions == [CheckSecret("telecom", CONSUME.secret)]
    assert isinstance(record, RecordProven)
    assert record.by == by
    assert payout.after(standing, record).stage is Stage.PAY


def test_a_held_card_that_went_bad_is_not_paid() -> None:
    standing = taken(Disposition.HOLD_THEN_SELL)
    _, record = play(standing, False)
    assert record == RecordRejected("rdm1c", Rejection.SECRET_IS_NOT_VALID)


def test_a_held_card_is_not_paid_while_nobody_answers() -> None:
    """No answer is not "does not tell": the payment waits."""
    standing = taken(Disposition.HOLD_THEN_SELL)
    _, record = play(standing, UNKNOWN)
    assert payout.after(standing, record).stage is Stage.PROVE


def test_a_card_refused_after_payment_is_a_debt() -> None:
    """Held, paid, sold on – and then the operator says it was used. The seller owes it."""
    held = Standing(Stage.HELD, Disposition.HOLD_THEN_SELL, CONSUME, PAY, paid=True)
    sold = payout.sold_on(held)
    _, record = play(sold, Rejected(Rejection.CARD_IS_USED))
    assert record == RecordDebt("rdm1c", Rejection.CARD_IS_USED)
    assert payout.after(sold, record).stage is Stage.DONE
    with pytest.raises(ValueError, match="rejection is a debt"):
        payout.after(sold, RecordRejected("rdm1c", Rejection.CARD_IS_USED))


def test_a_late_reversal_is_a_debt_once_the_payout_may_be_under_way() -> None:
    """Taken back before the payout: rejected. From the stage PAY on: a debt, and the payout stays promised."""
    reversed_ = Rejection.CONSUMPTION_WAS_REVERSED
    assert payout.reversed_by_operator(taken()) == RecordRejected("rdm1c", reversed_)
    paying = replace(taken(), stage=Stage.PAY)
    debt = payout.reversed_by_operator(paying)
    assert debt == RecordDebt("rdm1c", reversed_)
    assert payout.after(paying, debt) == paying
    paid = replace(taken(), stage=Stage.DONE, paid=True)
    assert payout.reversed_by_operator(paid) == debt


def test_news_about_a_stage_that_is_over_moves_nothing() -> None:
    """A slow driver reports the consumption again, and another redemption's payout: both are refused."""
    paying = replace(taken(), stage=Stage.PAY)
    strangers: list[Record] = [
        RecordConsumed("rdm1c", "T-1"),
        RecordPaid("rdm2p", "B-1"),
        RecordUnknown("rdm1c", "timed_out", 1, 1),
        RecordDebt("rdm2c", Rejection.CARD_IS_USED),
    ]
    for record in strangers:
        with pytest.raises(ValueError, match="belong"):
            payout.after(paying, record)
    with pytest.raises(ValueError, match="needs a payout"):
        payout.after(taken(), RecordDebt("rdm1c", Rejection.CARD_IS_USED))


@pytest.mark.parametrize("stage", [Stage.PROVE, Stage.CONSUME, Stage.PAY])
def test_an_answer_to_another_question_is_an_error_not_a_verdict(stage: Stage) -> None:
    stray: Verdict = Paid("B-1") if stage is not Stage.PAY else Consumed("T-1")
    with pytest.raises(TypeError, match="was answered with"):
        play(replace(taken(), stage=stage), stray)


def test_an_order_says_what_it_is_about_and_nothing_more() -> None:
    """No PIN, number or payee in any repr; no order number that would need escaping; card or balance, not both."""
    shown = repr(taken()) + repr(play(taken(), UNKNOWN)) + repr(CheckSecret("telecom", CONSUME.secret))
    assert not any(secret in shown for secret in (CONSUME.pin, CONSUME.serial, PAY.payee))
    with pytest.raises(ValueError, match="order number"):
        replace(CONSUME, order_no="../control/spend")
    for serial, pin, number in [("1", "", ""), ("1", "2", "3"), ("", "", "")]:
        with pytest.raises(ValueError, match="by serial and PIN"):
            replace(CONSUME, serial=serial, pin=pin, number=number)
    balance = replace(CONSUME, kind="balance", serial="", pin="", number="19900000001")
    with pytest.raises(ValueError, match="cannot be held"):
        Standing(Stage.PROVE, Disposition.HOLD_THEN_SELL, balance, PAY)


# Whatever the verdicts: lists of them, in any order, for any contract.

SECRET_VERDICTS: list[Verdict] = [True, False, None, UNKNOWN]
CONSUME_VERDICTS: list[Verdict] = [Consumed("T-1"), Rejected(Rejection.PIN_IS_WRONG), UNKNOWN, UNKNOWN]
PAY_VERDICTS: list[Verdict] = [Paid("B-1"), PayRefused(PayRefusal.PAYEE_DOES_NOT_EXIST), UNKNOWN, UNKNOWN]


@dataclass
class Told:
    """What the world was asked and answered, and what was recorded, in order."""

    asked: list[tuple[Question, Verdict]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def verdicts_on(self, *kinds: type[Question]) -> list[Verdict]:
        return [verdict for question, verdict in self.asked if isinstance(question, kinds)]

    def recorded(self, kind: type[Kind] | tuple[type[Kind], ...]) -> list[Kind]:
        return [record for record in self.records if isinstance(record, kind)]


def draw_verdict(draw: st.DrawFn, question: Question) -> Verdict:
    return draw(st.sampled_from(possible_verdicts(question)))


def possible_verdicts(question: Question) -> list[Verdict]:
    match question:
        case CheckSecret():
            return SECRET_VERDICTS
        case Consume():
            return CONSUME_VERDICTS
        case AskConsumed():
            return [*CONSUME_VERDICTS, NotFound()]
        case Pay():
            return PAY_VERDICTS
        case AskPaid():
            return [*PAY_VERDICTS, NotFound()]


@st.composite
def whole_lives(draw: st.DrawFn) -> tuple[Standing, Told]:
    """A redemption from taken to ended or to the end of our patience, with crashes that forget what was just asked."""
    standing = taken(draw(st.sampled_from(Disposition)))
    told = Told()
    for _ in range(draw(st.integers(1, 12))):
        if standing.stage in ENDED:
            break
        standing = one_turn(draw, standing, told)
    return standing, told


def one_turn(draw: st.DrawFn, standing: Standing, told: Told) -> Standing:
    dialogue = payout.turn(standing)
    question = next(dialogue)
    while True:
        verdict = draw_verdict(draw, question)
        told.asked.append((question, verdict))
        if draw(st.integers(0, 9)) == 0:
            # The driver dies here. Whoever takes over knows only that something may have been sent.
            return replace(standing, attempts=max(1, standing.attempts))
        try:
            question = dialogue.send(verdict)
        except StopIteration as end:
            told.records.append(end.value)
            return payout.after(standing, end.value)


@given(whole_lives())
def test_one_stage_has_one_order(life: tuple[Standing, Told]) -> None:
    """Whatever happens, every consume is the same order, and so is every payout."""
    _, told = life
    for question, _ in told.asked:
        match question:
            case Consume(consume):
                assert consume is CONSUME
            case AskConsumed(_, order_no):
                assert order_no == CONSUME.order_no
            case Pay(pay):
                assert pay is PAY
            case AskPaid(_, order_no):
                assert order_no == PAY.order_no
            case CheckSecret(_, card):
                assert card == CONSUME.secret


@given(whole_lives())
def test_a_definite_record_needs_its_definite_verdict(life: tuple[Standing, Told]) -> None:
    """A promised payout is never recorded as refused, nor a card as rejected, on silence; nothing is paid on hope."""
    _, told = life
    on_cards = told.verdicts_on(Consume, AskConsumed)
    on_payouts = told.verdicts_on(Pay, AskPaid)
    for record in told.records:
        match record:
            case RecordConsumed(_, reference):
                assert Consumed(reference) in on_cards
            case RecordRejected(_, code):
                assert Rejected(code) in on_cards or False in told.verdicts_on(CheckSecret)
            case RecordPaid(_, reference):
                assert Paid(reference) in on_payouts
            case RecordPayRefused(_, code):
                assert PayRefused(code) in on_payouts


@given(whole_lives())
def test_a_payout_waits_for_its_card(life: tuple[Standing, Told]) -> None:
    """No question about paying before the record that the card is consumed or proven; at most one payment."""
    standing, told = life
    if told.verdicts_on(Pay, AskPaid):
        assert told.recorded((RecordConsumed, RecordProven))
    assert len(told.recorded(RecordPaid)) <= 1
    assert standing.paid == bool(told.recorded(RecordPaid))


@given(whole_lives())
def test_nothing_is_sent_a_second_time_unasked(life: tuple[Standing, Told]) -> None:
    """Before each consume or payout but the first stands an ask that did not find it."""
    _, told = life
    for sent in (Consume, Pay):
        places = [place for place, (question, _) in enumerate(told.asked) if isinstance(question, sent)]
        for place in places[1:]:
            question, verdict = told.asked[place - 1]
            assert isinstance(question, AskConsumed | AskPaid)
            assert verdict == NotFound()


@given(whole_lives())
def test_what_nobody_knows_is_asked_again_for_ever(life: tuple[Standing, Told]) -> None:
    """Waits never shrink within a stage, and never grow beyond five minutes."""
    _, told = life
    unknown = told.recorded(RecordUnknown)
    assert all(1 <= record.again_in_s <= payout.WAIT_AT_LAST_S for record in unknown)
    for earlier, later in itertools.pairwise(unknown):
        assert earlier.order_no != later.order_no or earlier.again_in_s <= later.again_in_s


# A world with a truth: providers that are idempotent by order number behind a network that loses things both ways.


class LossyWorld:
    """Does each order once; loses requests before and answers after they are carried out."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.done: dict[str, int] = {}

    def answer(self, question: Question) -> Verdict:
        if self.chance.random() < 0.3:
            return UNKNOWN
        verdict = self._carry_out(question)
        return UNKNOWN if self.chance.random() < 0.3 else verdict

    def _carry_out(self, question: Question) -> Verdict:
        match question:
            case CheckSecret():
                return True
            case Consume(consume):
                self.done.setdefault(consume.order_no, 1)
                return Consumed("T-1")
            case Pay(pay):
                self.done.setdefault(pay.order_no, 1)
                return Paid("B-1")
            case AskConsumed(_, order_no):
                return Consumed("T-1") if order_no in self.done else NotFound()
            case AskPaid(_, order_no):
                return Paid("B-1") if order_no in self.done else NotFound()


@given(st.integers(0, 2**32), st.sampled_from(Disposition))
def test_our_record_comes_to_agree_with_the_world(seed: int, disposition: Disposition) -> None:
    """However much is lost, in the end the seller is paid once and both sides know it."""
    world = LossyWorld(seed)
    standing = taken(disposition)
    for _ in range(500):
        if standing.stage in ENDED:
            break
        dialogue = payout.turn(standing)
        question = next(dialogue)
        while True:
            try:
                question = dialogue.send(world.answer(question))
            except StopIteration as end:
                standing = payout.after(standing, end.value)
                break
    assert standing.paid
    assert PAY.order_no in world.done
    assert (CONSUME.order_no in world.done) == (disposition is Disposition.CONSUME_THEN_PAY)
