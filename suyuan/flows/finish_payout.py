"""What was taken is finished: the operator is asked, the seller is paid, and silence is never taken for an answer.

After the commit that made it pending, each redemption has a row in the outbox. A completer takes the rows that are
due and, for each:

1. records which fields this stage has to show the world, for all redemptions in hand at once (`may_open`), and then
   opens these and nothing else;
2. holds the dialogue of this stage (`settle.payout`), which asks before it sends again;
3. has the line keep the verdict; an unknown one waits in the outbox and is asked again, for ever.

A completer that dies between (2) and (3) loses nothing: the order number is the redemption's own, so whoever takes
over asks for it first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from suyuan.base.clock import Clock
from suyuan.base.money import Fen, ValueKind
from suyuan.base.refusals import Refusal
from suyuan.flows.read_fields import read_to_perform
from suyuan.flows.record_outcome import CONSUME_SUFFIX, PAY_SUFFIX, Recorded, RecordOutcome, order_no_of, outcome_of
from suyuan.history.frames import Commands
from suyuan.privacy.authority import Authority
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import KmsFailed, NoEpochKey
from suyuan.privacy.purposes import BALANCE_NUMBER, CARD_PIN, CARD_SERIAL, CONSUME_CARD, PAY_SELLER, SELLER_PAYEE, Field
from suyuan.privacy.retention import RetentionRules
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.privacy.vault import BrokenSeal, OpenKey, Vault
from suyuan.settle import payout, providers
from suyuan.settle.payout import Stage, Standing
from suyuan.settle.providers import Channel, ConsumeOrder, Operator, PayOrder
from suyuan.settle.redemption import SELLING, DueRedemption, Redemption, stage_of

# What a stage does not show the world stays sealed, so its place in the other stage's order is only held.
SEALED = "sealed"
READER = "completer"
# Somebody has to bring the key ring or the row back first, which takes people a while.
NO_KEY_WAIT_S = 600


@dataclass(frozen=True, slots=True)
class Completer:
    """What finishing needs: the line, the vault, the clock, and the world."""

    line: Commands
    vault: Vault
    subject_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]]
    """Looks up wrapped data keys."""
    clock: Clock
    chance: Callable[[int], bytes]
    operators: Mapping[str, Operator]
    channels: Mapping[str, Channel]
    rules: RetentionRules


@dataclass(frozen=True, slots=True)
class Opening:
    """What one redemption's stage may open: an authority whose read stands in history, and the data key."""

    authority: Authority
    key: OpenKey


async def may_open(completer: Completer, due: Sequence[DueRedemption]) -> dict[str, Opening] | Refusal:
    """Records the reads of all these stages, one event for each purpose. What is not in the answer stays closed."""
    openings: dict[str, Opening] = {}
    for purpose, fields in ((CONSUME_CARD, (CARD_SERIAL, CARD_PIN, BALANCE_NUMBER)), (PAY_SELLER, (SELLER_PAYEE,))):
        places = {one.redemption.id: _key_of(one) for one in due if _is_paid_now(one) == (purpose is PAY_SELLER)}
        rows = await completer.subject_keys(places.values()) if places else {}
        # Only what can be opened is read, so that history tells of nobody whose key is gone.
        keys = {name: key for name, place in places.items() if (key := _unlocked(completer.vault, rows.get(place)))}
        if not keys:
            continue
        subjects = {key.subject for key in keys.values()}
        authority = await read_to_perform(completer.line, purpose, subjects, fields, reader=READER)
        if isinstance(authority, Refusal):
            return authority
        openings |= {name: Opening(authority, key) for name, key in keys.items() if key.subject in authority.subjects}
    return openings


async def wait_for_key(completer: Completer, due: DueRedemption) -> Recorded | Refusal:
    """Puts off a redemption whose key is gone or broken, so that it makes room for the others."""
    redemption = due.redemption
    answer = await completer.line.submit(
        RecordOutcome(redemption.id, order_no_of(redemption), "unknown", "no_key", due.attempts, NO_KEY_WAIT_S)
    )
    assert isinstance(answer, Recorded | Refusal)
    return answer


def _unlocked(vault: Vault, row: SubjectKey | None) -> OpenKey | None:
    """One key that is gone, broken or out of the KMS's reach holds up its own redemption, and no other."""
    if row is None or row.is_forgotten:
        return None
    try:
        return vault.unlock(row)
    except (BrokenSeal, NoEpochKey, KmsFailed):
        return None


async def finish_payout(
    completer: Completer, due: DueRedemption, opening: Opening, *, may_have_been_sent: bool
) -> Recorded | Refusal:
    """Takes one redemption one stage further, or learns that it must wait."""
    # (1) Only this stage's secrets are opened.
    standing = _standing(completer, due, opening, may_have_been_sent)
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


def _is_paid_now(due: DueRedemption) -> bool:
    return stage_of(due.redemption) is Stage.PAY


def _key_of(due: DueRedemption) -> str:
    """Where the data key lies of what this stage shows."""
    if _is_paid_now(due):
        return key_id(due.redemption.seller, SELLER_PAYEE.key_class)
    field = CARD_PIN if due.redemption.source == "card" else BALANCE_NUMBER
    return key_id(due.redemption.id, field.key_class)


def _standing(completer: Completer, due: DueRedemption, opening: Opening, may_have_been_sent: bool) -> Standing:
    redemption = due.redemption
    stage = stage_of(redemption)
    attempts = max(due.attempts, 1) if may_have_been_sent else due.attempts
    return Standing(
        stage=stage,
        disposition=payout.Disposition(redemption.disposition),
        consume=_consume_order(completer, due, None if stage is Stage.PAY else opening),
        pay=_pay_order(completer, redemption, opening if stage is Stage.PAY else None),
        attempts=attempts,
        paid=redemption.state == SELLING,
    )


def _consume_order(completer: Completer, due: DueRedemption, opening: Opening | None) -> ConsumeOrder:
    redemption = due.redemption
    is_card = redemption.source == "card"
    serial = pin = number = ""
    if is_card:
        serial = _shown(completer, due.sealed_serial, CARD_SERIAL, opening)
        pin = _shown(completer, due.sealed_secret, CARD_PIN, opening)
    else:
        number = _shown(completer, due.sealed_serial, BALANCE_NUMBER, opening)
    return ConsumeOrder(
        order_no=redemption.id + CONSUME_SUFFIX,
        operator=redemption.operator,
        kind="card" if is_card else "balance",
        serial=serial,
        pin=pin,
        number=number,
        face_fen=Fen(redemption.face_fen),
    )


def _pay_order(completer: Completer, redemption: Redemption, opening: Opening | None) -> PayOrder:
    return PayOrder(
        order_no=redemption.id + PAY_SUFFIX,
        channel=redemption.channel,
        merchant_id=redemption.merchant_id,
        payee=_shown(completer, redemption.sealed_payee, SELLER_PAYEE, opening),
        value_kind=ValueKind(redemption.value_kind),
        amount=redemption.paid - redemption.debt_fen or redemption.paid,
    )


def _shown(completer: Completer, sealed: str, field: Field, opening: Opening | None) -> str:
    if opening is None:
        return SEALED
    now = completer.clock.now()
    return completer.vault.open(Sealed(sealed), opening.key, field, opening.authority, now=now)
