"""The purposes for which the platform handles personal data, and the sealed fields with the purposes that need them.

Both registries are closed: a purpose that does not stand here opens nothing, and a field that no purpose needs is not
collected. A citation is (law, version, article), as `LAW.md` asks; it says on what the platform relies, and a lawyer
signs before anybody calls that compliant.

>>> SELLER_PAYEE.name, SELLER_PAYEE.key_class.value, [purpose.id for purpose in SELLER_PAYEE.purposes]
('seller.payee/1', 'finance', ['pay_seller', 'help_seller', 'answer_subject', 'answer_authority'])
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from suyuan.privacy.classes import Privacy
from suyuan.privacy.mask import Mask, hidden, masked_account, masked_identity, masked_name, masked_number


class Ground(StrEnum):
    """What an authority rests on; each purpose says which of them it takes."""

    CONTRACT = "contract"
    CONSENT = "consent"
    LEGAL_DUTY = "legal_duty"
    WARRANT = "warrant"


@dataclass(frozen=True, slots=True)
class Citation:
    """A rule of law as it is quoted everywhere: law, version, article."""

    law: str
    version: str
    article: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why personal data is handled, in words that a notice can print, and the rule that allows it.

    Fields are shown masked unless the purpose cannot be reached without whole values. While a person's data is
    restricted, only purposes that are marked so go on: what was promised, the person's own request, an order.
    """

    id: str
    ground: Ground
    basis: Citation
    en: str
    zh: str
    shows_whole: bool = False
    while_restricted: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A sealed column in its version: under which key class it is closed, and which purposes may open it.

    `mask` is how it is shown to whoever need not know it. `name` is what history names in a recorded read, `bound`
    what every seal of this field is bound to.
    """

    table: str
    column: str
    version: int
    key_class: Privacy
    mask: Mask
    purposes: tuple[Purpose, ...]
    name: str = field(init=False)
    bound: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Made once, because every seal needs them."""
        name = f"{self.table}.{self.column}/{self.version}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "bound", name.encode())


_PIPL = "个人信息保护法"
_TO_PERFORM_A_CONTRACT = Citation(_PIPL, "2021", "13(1)(2)")
_REAL_NAME = Citation("反电信网络诈骗法", "2022", "21")
_COPY = Citation(_PIPL, "2021", "45")
_EVIDENCE = Citation("数据安全法", "2021", "35")

CONSUME_CARD = Purpose(
    "consume_card", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To show the operator the card, or the number, that its holder asked us to redeem.",
    "向运营商提交持有人要求回收的卡或号码。",
    shows_whole=True,
    while_restricted=True,
)  # fmt: skip
PAY_SELLER = Purpose(
    "pay_seller", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To pay the seller on the account that was verified as theirs.",
    "向卖卡人本人已核验的账户付款。",
    shows_whole=True,
    while_restricted=True,
)  # fmt: skip
HELP_SELLER = Purpose(
    "help_seller", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To help a seller who asks about a redemption of theirs; our staff see masked values only.",
    "在卖卡人咨询其兑换时提供帮助；工作人员只能看到脱敏后的信息。",
)  # fmt: skip
REGISTER_SELLER = Purpose(
    "register_seller", Ground.LEGAL_DUTY, _REAL_NAME,
    "To trade with real-named sellers only, and to answer for it to an authority that asks lawfully.",
    "仅与实名卖卡人交易，并在主管机关依法要求时提供。",
)  # fmt: skip
ANSWER_SUBJECT = Purpose(
    "answer_subject", Ground.LEGAL_DUTY, _COPY,
    "To give persons who ask for it a copy of what is kept of them.",
    "应本人请求，提供其个人信息的查阅与复制。",
    shows_whole=True,
    while_restricted=True,
)  # fmt: skip
ANSWER_AUTHORITY = Purpose(
    "answer_authority", Ground.WARRANT, _EVIDENCE,
    "To hand an authority what its order names, after two officers have examined the order.",
    "主管机关依法调取数据时，经两名管理员审核后，仅提供文书列明的内容。",
    shows_whole=True,
    while_restricted=True,
)  # fmt: skip

PURPOSES = (CONSUME_CARD, PAY_SELLER, HELP_SELLER, REGISTER_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY)

_OF_SELLERS = (REGISTER_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY)

SELLER_NAME = Field("seller", "name", 1, Privacy.IDENTITY, masked_name, (HELP_SELLER, *_OF_SELLERS))
SELLER_IDENTITY = Field("seller", "identity_number", 1, Privacy.IDENTITY, masked_identity, _OF_SELLERS)
SELLER_NUMBER = Field("seller", "number", 1, Privacy.CONTACT, masked_number, (HELP_SELLER, *_OF_SELLERS))
SELLER_PAYEE = Field(
    "seller", "payee", 1, Privacy.FINANCE, masked_account, (PAY_SELLER, HELP_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY)
)
CARD_SERIAL = Field("card", "serial", 1, Privacy.CARD_SECRET, masked_account, (CONSUME_CARD, ANSWER_AUTHORITY))
CARD_PIN = Field("card", "pin", 1, Privacy.CARD_SECRET, hidden, (CONSUME_CARD,))
BALANCE_NUMBER = Field(
    "card", "number", 1, Privacy.CONTACT, masked_number, (CONSUME_CARD, ANSWER_SUBJECT, ANSWER_AUTHORITY)
)

SELLER_FIELDS = (SELLER_NAME, SELLER_IDENTITY, SELLER_NUMBER, SELLER_PAYEE)
FIELDS = (*SELLER_FIELDS, CARD_SERIAL, CARD_PIN, BALANCE_NUMBER)


def purpose_of(purpose_id: str) -> Purpose | None:
    """The purpose with this id."""
    return _BY_ID.get(purpose_id)


def fields_of(names: Iterable[str]) -> tuple[Field, ...] | None:
    """The fields with these names; None where one of them is not registered."""
    found = [_BY_NAME.get(name) for name in names]
    return None if None in found else tuple(field for field in found if field is not None)


_BY_ID = {purpose.id: purpose for purpose in PURPOSES}
_BY_NAME = {field.name: field for field in FIELDS}
