"""How this house and its providers speak: the bodies, the answers and the signature of every request.

| request | body | answer |
|---|---|---|
| `POST /operators/{name}/orders` | `ConsumeBody` | `OrderAnswer` |
| `POST /channels/{name}/orders` | `PayBody` | `OrderAnswer` |
| `POST /faces/{name}/orders` | `FaceBody` | `OrderAnswer` |
| `POST /numbers/{name}/orders` | `CodeBody` | `OrderAnswer`, done once the code is on its way |
| `GET /{any of the four}/{name}/orders/{order_no}` | – | `OrderAnswer`, or 404 `order_not_found` |
| `POST /numbers/{name}/checks` | `CheckBody` | `OrderAnswer` about the reference; refused with `wrong` or `expired` |
| `POST /operators/{name}/secrets` | `SecretBody` | `SecretAnswer`, or 501 `not_offered` |
| `GET /operators/{name}/reversals?since={cursor}` | – | `ReversalsAnswer` |

An order is done once per number: the same body again gets the same answer, another body gets 409 `order_conflict`.
A body that is not signed by the platform gets 401 `signature_refused`. Every answer repeats in `about` what it answers
(the order number, the serial, the cursor), because an answer that comes twice would otherwise be read as the answer to
the next question on the same connection.

Format: bodies are canonical JSON (`base/wire`); the header `Suyuan-Signature` is the unpadded base64url of a signature
over `signed_bytes`. Neither holds a time, so the same order is the same bytes whenever it is sent; a replay by a
stranger is harmless, since it can only repeat an order that is done once.

>>> signed_bytes("POST", "/channels/bank_transfer/orders", b"{}")
b'suyuan-provider-v1\\nPOST\\n/channels/bank_transfer/orders\\n{}'
"""

from __future__ import annotations

import msgspec

from suyuan.settle.providers import CodeOrder, ConsumeOrder, FaceOrder, PayOrder, SourceKind

SIGNATURE_HEADER = "suyuan-signature"
REVERSALS_PER_ANSWER = 500

ORDER_NOT_FOUND = "order_not_found"
ORDER_CONFLICT = "order_conflict"
SIGNATURE_REFUSED = "signature_refused"
NOT_OFFERED = "not_offered"
BODY_IS_UNREADABLE = "body_is_unreadable"
PROVIDER_FAILED = "provider_failed"

DONE = "done"
REFUSED = "refused"
WAITING = "waiting"


class ConsumeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_no: str
    kind: SourceKind
    serial: str
    pin: str
    number: str
    face_fen: int

    @classmethod
    def of(cls, order: ConsumeOrder) -> ConsumeBody:
        return cls(order.order_no, order.kind, order.serial, order.pin, order.number, order.face_fen)


class PayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_no: str
    merchant_id: str
    payee: str
    value_kind: str
    amount: int

    @classmethod
    def of(cls, order: PayOrder) -> PayBody:
        return cls(order.order_no, order.merchant_id, order.payee, order.value_kind.value, order.amount)


class FaceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_no: str
    person: str
    capture: str

    @classmethod
    def of(cls, order: FaceOrder) -> FaceBody:
        return cls(order.order_no, order.person, order.capture)


class CodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_no: str
    number: str

    @classmethod
    def of(cls, order: CodeOrder) -> CodeBody:
        return cls(order.order_no, order.number)


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reference: str
    code: str


class SecretBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    serial: str
    pin: str
    face_fen: int


class OrderAnswer(msgspec.Struct, frozen=True):
    """`state` is done (with a `reference`), refused (with a `code`) or waiting (for the holder of a balance)."""

    about: str
    state: str
    reference: str = ""
    code: str = ""


class SecretAnswer(msgspec.Struct, frozen=True):
    about: str
    valid: bool


class ReversalLine(msgspec.Struct, frozen=True):
    cursor: str
    order_no: str
    reference: str
    face_fen: int
    at: int


class ReversalsAnswer(msgspec.Struct, frozen=True):
    """At most `REVERSALS_PER_ANSWER` lines after the cursor, oldest first."""

    about: str
    reversals: list[ReversalLine]


class Problem(msgspec.Struct, frozen=True):
    """What stands in an answer whose status is not 200."""

    about: str
    code: str


def signed_bytes(method: str, target: str, body: bytes) -> bytes:
    """What a request's signature covers. `target` is path and query as sent, so it contains no line break."""
    assert "\n" not in target, "a line break would let two requests share one signature"
    return b"suyuan-provider-v1\n" + f"{method}\n{target}\n".encode() + body
