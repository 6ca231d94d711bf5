"""The purposes for which the platform handles personal data, and the sealed fields with the purposes that need them.

Both registries are closed: a purpose that does not stand here opens nothing, and a field that no purpose needs is not
collected. A citation is (law, version, article), as `LAW.md` asks; it says on what the platform relies, and a lawyer
signs before anybody calls that compliant.

>>> SELLER_PAYEE.name, SELLER_PAYEE.key_class.value, [purpose.id for purpose in SELLER_PAYEE.purposes]
('seller.payee/1', 'finance', ['pay_seller'])
"""

from __future__ import annotations

from dataclasses import dataclass, field

from suyuan.privacy.classes import Privacy


@dataclass(frozen=True, slots=True)
class Citation:
    """A rule of law as it is quoted everywhere: law, version, article."""

    law: str
    version: str
    article: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why personal data is handled, in words that a notice can print, and the rule that allows it."""

    id: str
    basis: Citation
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Field:
    """A sealed column in its version: under which key class it is closed, and which purposes may open it.

    `name` is what history names in a recorded read, `bound` what every seal of this field is bound to.
    """

    table: str
    column: str
    version: int
    key_class: Privacy
    purposes: tuple[Purpose, ...]
    name: str = field(init=False)
    bound: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Made once, because every seal needs them."""
        name = f"{self.table}.{self.column}/{self.version}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "bound", name.encode())


_TO_PERFORM_A_CONTRACT = Citation(law="个人信息保护法", version="2021", article="13(1)(2)")
_REAL_NAME = Citation(law="反电信网络诈骗法", version="2022", article="21")

CONSUME_CARD = Purpose(
    "consume_card", _TO_PERFORM_A_CONTRACT,
    "To show the operator the card, or the number, that its holder asked us to redeem.",
    "向运营商提交持有人要求回收的卡或号码。",
)  # fmt: skip
PAY_SELLER = Purpose(
    "pay_seller", _TO_PERFORM_A_CONTRACT,
    "To pay the seller on the account that was verified as theirs.",
    "向卖卡人本人已核验的账户付款。",
)  # fmt: skip
REGISTER_SELLER = Purpose(
    "register_seller", _REAL_NAME,
    "To trade with real-named sellers only, and to answer for it to an authority that asks lawfully.",
    "仅与实名卖卡人交易，并在主管机关依法要求时提供。",
)  # fmt: skip

PURPOSES = (CONSUME_CARD, PAY_SELLER, REGISTER_SELLER)

SELLER_NAME = Field("seller", "name", 1, Privacy.IDENTITY, (REGISTER_SELLER,))
SELLER_IDENTITY = Field("seller", "identity_number", 1, Privacy.IDENTITY, (REGISTER_SELLER,))
SELLER_NUMBER = Field("seller", "number", 1, Privacy.CONTACT, (REGISTER_SELLER,))
SELLER_PAYEE = Field("seller", "payee", 1, Privacy.FINANCE, (PAY_SELLER,))
CARD_SERIAL = Field("card", "serial", 1, Privacy.CARD_SECRET, (CONSUME_CARD,))
CARD_PIN = Field("card", "pin", 1, Privacy.CARD_SECRET, (CONSUME_CARD,))
BALANCE_NUMBER = Field("card", "number", 1, Privacy.CONTACT, (CONSUME_CARD,))

FIELDS = (SELLER_NAME, SELLER_IDENTITY, SELLER_NUMBER, SELLER_PAYEE, CARD_SERIAL, CARD_PIN, BALANCE_NUMBER)
