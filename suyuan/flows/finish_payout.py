"""What was taken is finished: the operator is asked, the seller is paid, and silence is never taken for an answer.

After the commit that made it pending, each redemption has a row in the outbox. A completer takes the rows that are
due and, for each:

1. opens what this stage has to show the world, and nothing else, under an authority of its own;
2. holds the dialogue of this stage (`settle.payout`), which asks before it sends again;
3. has the line keep the verdict; an unknown one waits in the outbox and is asked again, for ever.

A completer that dies between (2) and (3) loses nothing: the order number is the redemption's own, so whoever takes
over asks for it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from suyuan.base.clock import Clock
from suyuan.base.money import Fen, ValueKind
from suyuan.base.refusals import Refusal
from suyuan.flows.record_outcome import CONSUME_SUFFIX, PAY_SUFFIX, Recorded, outcome_of
from suyuan.history.frames import Commands
from suyuan.privacy import grant
from suyuan.privacy.classes import Sealed
from suyuan.privacy.vault import Vault
from suyuan.settle import payout, providers
from suyuan.settle.payout import Stage, Standing
from suyuan.settle.providers import Channel, ConsumeOrder, Operator, PayOrder
from suyuan.settle.redemption import SELLING, DueRedemption, Redemption, stage_of

# What a stage does not show the world stays sealed, so its place in the other stage's order is only held.
SEALED = "sealed"
SERIAL, PIN, NUMBER, PAYEE = "serial", "pin", "number", "payee"


@dataclass(frozen=True, slots=True)
class Completer:
    """What finishing needs: the line, the vault, the clock, and the world."""

    line: Commands
    vault: Vault
    clock: Clock
    operators: Mapping[str, Operator]
    channels: Mapping[str, Channel]


async def finish_payout(completer: Completer, due: DueRedemption, *, may_have_been_sent: bool) -> Recorded | Refusal:
    """Takes one redemption one stage further, or learns that it must wait."""
    # (1) Only this stage's secrets are opened.
    standing = _standing(completer, due, may_have_been_sent)
    # (2) The dialogue decides what to ask; this loop only carries questions and verdicts.
    record = await _hold_dialogue(completer, standing)
    # (3) The line keeps it, or says that the news is stale.
    answer = await completer.line.submit(outcome_of(due.redemption.id, record))
    assert isinstance(answer, Recorded | Refusal)
    return answer


async def _hold_dialogue(completer: Completer, standing: Standing) -> payout.Record:
    dialogue = payout.turn(standing)
    question = next(dialogue)
    while True:
        verdict = await _ask(completer, question)
        try:
            question = dialogue.send(verdict)
        except StopIteration as end:
            record: payout.Record = end.value
            return record


async def _ask(completer: Completer, question: payout.Question) -> payout.Verdict:
    """Carries one question to whom it concerns. A provider we have no way to is not a refusal."""
    match question:
        case payout.CheckSecret(operator, card):
            asked = completer.operators.get(operator)
            return await asked.check_secret(card) if asked else _NO_WAY
        case payout.Consume(order):
            asked = completer.operators.get(order.operator)
            return await asked.consume(order) if asked else _NO_WAY
        case payout.AskConsumed(operator, order_no):
            asked = completer.operators.get(operator)
            return await asked.ask(order_no) if asked else _NO_WAY
        case payout.Pay(order):
            paying = completer.channels.get(order.channel)
            return await paying.pay(order) if paying else _NO_WAY
        case payout.AskPaid(channel, order_no):
            paying = completer.channels.get(channel)
            return await paying.ask(order_no) if paying else _NO_WAY


_NO_WAY = providers.Unknown("not_connected")


def _standing(completer: Completer, due: DueRedemption, may_have_been_sent: bool) -> Standing:
    redemption = due.redemption
    stage = stage_of(redemption)
    attempts = max(due.attempts, 1) if may_have_been_sent else due.attempts
    return Standing(
        stage=stage,
        disposition=payout.Disposition(redemption.disposition),
        consume=_consume_order(completer, due, is_shown=stage is not Stage.PAY),
        pay=_pay_order(completer, redemption, is_shown=stage is Stage.PAY),
        attempts=attempts,
        paid=redemption.state == SELLING,
    )


def _consume_order(completer: Completer, due: DueRedemption, *, is_shown: bool) -> ConsumeOrder:
    redemption = due.redemption
    is_card = redemption.source == "card"
    serial = pin = number = ""
    if is_card:
        serial = _opened(completer, redemption, due.sealed_serial, SERIAL) if is_shown else SEALED
        pin = _opened(completer, redemption, due.sealed_secret, PIN) if is_shown else SEALED
    else:
        number = _opened(completer, redemption, due.sealed_serial, NUMBER) if is_shown else SEALED
    return ConsumeOrder(
        order_no=redemption.id + CONSUME_SUFFIX,
        operator=redemption.operator,
        kind="card" if is_card else "balance",
        serial=serial,
        pin=pin,
        number=number,
        face_fen=Fen(redemption.face_fen),
    )


def _opened(completer: Completer, redemption: Redemption, sealed: str, field: str) -> str:
    now = completer.clock.now()
    return completer.vault.open(Sealed(sealed), grant.to_consume_card(redemption.id, now=now), field=field, now=now)


def _pay_order(completer: Completer, redemption: Redemption, *, is_shown: bool) -> PayOrder:
    payee = SEALED
    if is_shown:
        now = completer.clock.now()
        authority = grant.to_pay_seller(redemption.seller, now=now)
        payee = completer.vault.open(Sealed(redemption.sealed_payee), authority, field=PAYEE, now=now)
    return PayOrder(
        order_no=redemption.id + PAY_SUFFIX,
        channel=redemption.channel,
        merchant_id=redemption.merchant_id,
        payee=payee,
        value_kind=ValueKind(redemption.value_kind),
        amount=redemption.paid - redemption.debt_fen or redemption.paid,
    )
