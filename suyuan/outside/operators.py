"""Operators over HTTP: spends cards and debits balances by the protocol of `outside/protocol.py`.

Each answer becomes exactly one verdict; only a refusal whose code we know is definite:

>>> verdict_of(OrderAnswer("rdm1c", "done", reference="C-77"))
Consumed(reference='C-77')
>>> verdict_of(OrderAnswer("rdm1c", "refused", code="card_is_used"))
Rejected(code=<Rejection.CARD_IS_USED: 'card_is_used'>)
>>> verdict_of(OrderAnswer("rdm1c", "refused", code="E9731"))
Unknown(why='unknown_code')
>>> verdict_of(OrderAnswer("rdm1c", "waiting"))
Unknown(why='waiting_for_holder')
"""

from __future__ import annotations

from suyuan.base import wire
from suyuan.base.clock import Micros
from suyuan.base.money import Fen, is_amount
from suyuan.outside import protocol
from suyuan.outside.caller import Caller, Stated, is_reference
from suyuan.outside.protocol import ConsumeBody, OrderAnswer, ReversalLine, ReversalsAnswer, SecretAnswer, SecretBody
from suyuan.settle.providers import (
    CardSecret,
    Consumed,
    ConsumeOrder,
    ConsumeVerdict,
    NotFound,
    Rejected,
    Rejection,
    Reversal,
    SecretVerdict,
    Unknown,
)


class HttpOperator:
    """An `Operator` that is reached through a `Caller`."""

    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self._caller = caller
        self._path = f"/operators/{name}"

    async def consume(self, order: ConsumeOrder) -> ConsumeVerdict:
        assert order.operator == self.name, "an order goes to its own operator"
        answer = await self._caller.order(f"{self._path}/orders", ConsumeBody.of(order), order.order_no)
        return answer if isinstance(answer, Unknown) else verdict_of(answer)

    async def ask(self, order_no: str) -> ConsumeVerdict | NotFound:
        answer = await self._caller.ask(f"{self._path}/orders", order_no)
        return answer if isinstance(answer, NotFound | Unknown) else verdict_of(answer)

    async def check_secret(self, card: CardSecret) -> SecretVerdict:
        body = wire.canonical_record(SecretBody(card.serial, card.pin, card.face_fen))
        answer = await self._caller.call("POST", f"{self._path}/secrets", body, about=card.serial, answer=SecretAnswer)
        if isinstance(answer, Stated):
            return None if (answer.status, answer.code) == (501, protocol.NOT_OFFERED) else answer.doubt
        return answer.valid if isinstance(answer, SecretAnswer) else answer

    async def reversals(self, since: str) -> list[Reversal] | Unknown:
        assert since.isalnum() or not since, "a cursor is one that an earlier answer gave"
        target = f"{self._path}/reversals?since={since}"
        answer = await self._caller.call("GET", target, b"", about=since, answer=ReversalsAnswer)
        if isinstance(answer, Stated):
            return answer.doubt
        if isinstance(answer, Unknown):
            return answer
        if not all(_is_sound(line) for line in answer.reversals):
            return Unknown("answer_is_unreadable")
        return [_reversal(line) for line in answer.reversals]


def verdict_of(answer: OrderAnswer) -> ConsumeVerdict:
    """What an operator's answer about an order means."""
    if answer.state == protocol.WAITING:
        return Unknown("waiting_for_holder")
    if answer.state == protocol.DONE and is_reference(answer.reference):
        return Consumed(answer.reference)
    if answer.state == protocol.REFUSED and answer.code in _REJECTIONS:
        return Rejected(Rejection(answer.code))
    return Unknown("unknown_code")


# A secret that is not valid and a reversal are no answers to an order; from an operator they would be unknown codes.
_REJECTIONS = frozenset(Rejection) - {Rejection.SECRET_IS_NOT_VALID, Rejection.CONSUMPTION_WAS_REVERSED}


def _is_sound(line: ReversalLine) -> bool:
    return is_amount(line.face_fen) and is_reference(line.reference) and line.cursor.isalnum()


def _reversal(line: ReversalLine) -> Reversal:
    return Reversal(line.cursor, line.order_no, line.reference, Fen(line.face_fen), Micros(line.at))
