"""What operators, payout channels and checks of identity are to this house: orders, verdicts and four Protocols.

Each is a party of its own that may time out, answer late, answer twice or die in the middle. So there are three kinds
of verdict – *done*, *definitely refused*, `Unknown` – and "failed" is not among them: whoever answers silence with
"failed" pays twice or robs somebody.

What an implementation promises (`tests/laws` holds each of them to it):
1. The same order is the same bytes, whenever it is sent; a provider does it once per order number.
2. `Rejected`, `PayRefused`, `FaceDiffers` and `CodeRefused` are definite: this order is not done and never will be.
3. Everything unexpected is `Unknown` with a stable word, which holds nothing of the order. Nothing is raised.
4. `ask` changes nothing, and tells the truth about an order or says that it does not know.

Secrets, numbers and payees are left out of every `repr`:

>>> ConsumeOrder("rdm1c", "cmcc", "card", "10000000000000001", "000000000000000001", "", Fen(10_000))
ConsumeOrder(order_no='rdm1c', operator='cmcc', kind='card', face_fen=10000)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from suyuan.base.clock import Micros
from suyuan.base.money import Fen, ValueKind, is_amount

SourceKind = Literal["card", "balance"]

_ORDER_NO = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Rejection(StrEnum):
    """Why an operator will never spend this card or debit this balance: the definite ones, each a fact."""

    CARD_DOES_NOT_EXIST = "card_does_not_exist"
    PIN_IS_WRONG = "pin_is_wrong"
    FACE_DIFFERS = "face_differs"
    CARD_IS_USED = "card_is_used"
    SECRET_IS_NOT_VALID = "secret_is_not_valid"
    NUMBER_IS_NOT_SERVED = "number_is_not_served"
    HOLDER_DECLINED = "holder_declined"
    BALANCE_IS_SHORT = "balance_is_short"
    CONSUMPTION_WAS_REVERSED = "consumption_was_reversed"


class PayRefusal(StrEnum):
    """Why a channel will never make this payout: the definite ones."""

    VALUE_KIND_IS_NOT_OFFERED = "value_kind_is_not_offered"
    MERCHANT_IS_NOT_REGISTERED = "merchant_is_not_registered"
    PAYEE_DOES_NOT_EXIST = "payee_does_not_exist"
    PAYEE_IS_CLOSED = "payee_is_closed"


# Orders: everything a provider is told. Frozen, because a retry must be the same bytes.


@dataclass(frozen=True, slots=True)
class CardSecret:
    """A card whose secret is asked about; the secret never shows in a log or a traceback."""

    serial: str = field(repr=False)
    pin: str = field(repr=False)
    face_fen: Fen


@dataclass(frozen=True, slots=True)
class ConsumeOrder:
    """Spend this card, or debit this balance, into our float. A card has serial and PIN, a balance has a number."""

    order_no: str
    operator: str
    kind: SourceKind
    serial: str = field(repr=False)
    pin: str = field(repr=False)
    number: str = field(repr=False)
    face_fen: Fen

    def __post_init__(self) -> None:
        _check_order_no(self.order_no)
        assert is_amount(self.face_fen), "a face value is a whole number of fen within bounds"
        is_card = self.kind == "card"
        if is_card != bool(self.serial and self.pin) or is_card == bool(self.number):
            raise ValueError("a card is consumed by serial and PIN, a balance by its number, nothing by both")

    @property
    def secret(self) -> CardSecret:
        """The card alone, for asking whether its secret is valid."""
        return CardSecret(self.serial, self.pin, self.face_fen)


@dataclass(frozen=True, slots=True)
class PayOrder:
    """Pay this much value of this kind; merchant and payee are the *registered* ones, never the request's."""

    order_no: str
    channel: str
    merchant_id: str
    payee: str = field(repr=False)
    value_kind: ValueKind
    amount: int

    def __post_init__(self) -> None:
        _check_order_no(self.order_no)
        assert is_amount(self.amount), "a payout is a whole number of units within bounds"


@dataclass(frozen=True, slots=True)
class FaceOrder:
    """Compare this capture of a face with this registered person. Both are the provider's own references."""

    order_no: str
    person: str = field(repr=False)
    capture: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_order_no(self.order_no)


@dataclass(frozen=True, slots=True)
class CodeOrder:
    """Send a one-time code to this number. The provider draws the code; this house never knows it."""

    order_no: str
    number: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_order_no(self.order_no)


# Verdicts. What is missing here is "failed", on purpose.


@dataclass(frozen=True, slots=True)
class Consumed:
    """The card is spent into our float; `reference` is the operator's own number for it."""

    reference: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Definitely not spent by this order, and never will be."""

    code: Rejection


@dataclass(frozen=True, slots=True)
class Paid:
    """The payee has it; `reference` is the channel's own number for it."""

    reference: str


@dataclass(frozen=True, slots=True)
class PayRefused:
    """Definitely not paid by this order, and never will be."""

    code: PayRefusal


@dataclass(frozen=True, slots=True)
class FaceMatched:
    """The capture shows the person."""

    reference: str


@dataclass(frozen=True, slots=True)
class FaceDiffers:
    """The capture shows somebody else, or nobody."""


@dataclass(frozen=True, slots=True)
class CodeSent:
    """The code is on its way; `reference` is what it is checked under."""

    reference: str


@dataclass(frozen=True, slots=True)
class CodeRefused:
    """No code can be sent to this number, and none was."""


class CodeVerdict(StrEnum):
    """What a provider says of a code that somebody gives back: definite, each of them."""

    PROVEN = "proven"
    WRONG = "wrong"
    EXPIRED = "expired"  # Its time is over, or its tries are.


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows yet: silence, a lost connection, a code we do not know, a holder who has not confirmed.

    `why` is one of a few stable words and holds nothing of the order.
    """

    why: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider knows no such order *now*. One may still be on its way, which is why only the same is sent again."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """An operator took a consumption back, some time after it. `cursor` goes into the next `reversals(since=…)`."""

    cursor: str
    order_no: str
    reference: str
    face_fen: Fen
    at: Micros


ConsumeVerdict: TypeAlias = Consumed | Rejected | Unknown
PayVerdict: TypeAlias = Paid | PayRefused | Unknown
FaceVerdict: TypeAlias = FaceMatched | FaceDiffers | Unknown
SendVerdict: TypeAlias = CodeSent | CodeRefused | Unknown
SecretVerdict: TypeAlias = bool | Unknown | None


class Operator(Protocol):
    """Issues cards and keeps balances; the one that can spend them. `outside/operators.py` implements it."""

    async def consume(self, order: ConsumeOrder) -> ConsumeVerdict: ...

    async def ask(self, order_no: str) -> ConsumeVerdict | NotFound: ...

    async def check_secret(self, card: CardSecret) -> SecretVerdict:
        """Whether the secret is valid and unspent. `None`: this operator does not tell. Asking spends nothing."""
        ...

    async def reversals(self, since: str) -> list[Reversal] | Unknown:
        """What was taken back after the cursor `since` ("" for the beginning), oldest first, perhaps not all of it."""
        ...


class Channel(Protocol):
    """Pays one kind of value to payees of registered merchants. `outside/channels.py` implements it."""

    async def pay(self, order: PayOrder) -> PayVerdict: ...

    async def ask(self, order_no: str) -> PayVerdict | NotFound: ...


class FaceCheck(Protocol):
    """Tells whether a face is the registered person's, for a step-up. `outside/identity.py` implements it."""

    async def check(self, order: FaceOrder) -> FaceVerdict: ...

    async def ask(self, order_no: str) -> FaceVerdict | NotFound: ...


class NumberProof(Protocol):
    """Shows that somebody holds a phone number, by a one-time code. `outside/identity.py` implements it.

    Whoever asks about their own data without a key is known by it (`flows.prove_number`).
    """

    async def begin(self, order: CodeOrder) -> SendVerdict: ...

    async def ask(self, order_no: str) -> SendVerdict | NotFound: ...

    async def check(self, reference: str, code: str) -> CodeVerdict | Unknown:
        """What a code is worth. A wrong one spends a try; the right one may be shown again while it lives."""
        ...


def _check_order_no(order_no: str) -> None:
    # It travels in a path and comes back in answers, so it may hold nothing that anybody would have to escape.
    if not _ORDER_NO.fullmatch(order_no):
        raise ValueError("an order number is 1 to 64 letters, digits, hyphens or underscores")
