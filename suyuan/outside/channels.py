"""Payout channels over HTTP: pays sellers by the protocol of `outside/protocol.py`.

Each answer becomes exactly one verdict; only a refusal whose code we know is definite, so a payout is never given up on
a word that nobody has agreed on:

>>> verdict_of(OrderAnswer("rdm1p", "done", reference="B-77"))
Paid(reference='B-77')
>>> verdict_of(OrderAnswer("rdm1p", "refused", code="payee_is_closed"))
PayRefused(code=<PayRefusal.PAYEE_IS_CLOSED: 'payee_is_closed'>)
>>> verdict_of(OrderAnswer("rdm1p", "refused", code="try_another_order_number"))
Unknown(why='unknown_code')
"""

from __future__ import annotations

from suyuan.outside import protocol
from suyuan.outside.caller import Caller, is_reference
from suyuan.outside.protocol import OrderAnswer, PayBody
from suyuan.settle.providers import NotFound, Paid, PayOrder, PayRefusal, PayRefused, PayVerdict, Unknown


class HttpChannel:
    """A `Channel` that is reached through a `Caller`."""

    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self._caller = caller
        self._orders = f"/channels/{name}/orders"

    async def pay(self, order: PayOrder) -> PayVerdict:
        assert order.channel == self.name, "an order goes to its own channel"
        answer = await self._caller.order(self._orders, PayBody.of(order), order.order_no)
        return answer if isinstance(answer, Unknown) else verdict_of(answer)

    async def ask(self, order_no: str) -> PayVerdict | NotFound:
        answer = await self._caller.ask(self._orders, order_no)
        return answer if isinstance(answer, NotFound | Unknown) else verdict_of(answer)


def verdict_of(answer: OrderAnswer) -> PayVerdict:
    """What a channel's answer about an order means."""
    if answer.state == protocol.DONE and is_reference(answer.reference):
        return Paid(answer.reference)
    if answer.state == protocol.REFUSED and answer.code in frozenset(PayRefusal):
        return PayRefused(PayRefusal(answer.code))
    return Unknown("unknown_code")
