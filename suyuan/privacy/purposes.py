"""The purposes for which the platform handles personal data, and every kind of it with the purposes that need it.

Both registries are closed: a purpose that does not stand here opens nothing, and what no purpose needs is not
collected, since a form that asks for it is not served (`privacy.minimal`). The privacy notice is written from them
(`privacy.notice`), so the platform cannot do one thing and tell another. A citation is (law, version, article), as
`LAW.md` asks; it says on what the platform relies, and a lawyer signs before anybody calls that compliant.

>>> CARD_SERIAL.name, CARD_SERIAL.key_class.value, [purpose.id for purpose in CARD_SERIAL.purposes]
('card.serial/1', 'card_secret', ['consume_card', 'answer_subject', 'answer_authority'])
>>> COMPARE_FACE.is_sensitive, COMPARE_FACE.is_separate, PAY_SELLER.is_sensitive, PAY_SELLER.is_separate
(True, True, True, False)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

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


class Words(msgspec.Struct, frozen=True):
    """The same in both languages, as a notice prints it."""

    en: str
    zh: str


class Sensitivity(msgspec.Struct, frozen=True):
    """What the law has a person told before sensitive data of theirs is handled (个人信息保护法 2021, art. 30)."""

    necessity: Words
    impact: Words


@dataclass(frozen=True, slots=True)
class Recipient:
    """A kind of party to whom a purpose provides data; the settings name those that there are."""

    id: str
    words: Words


@dataclass(frozen=True, slots=True, eq=False)
class Purpose:
    """Why personal data is handled, in words that a notice can print, and the rule that allows it.

    Fields are shown masked unless the purpose cannot be reached without whole values. While a person's data is
    restricted, only purposes that are marked so go on: what was promised, the person's own request, an order. A
    purpose that rests on consent says what else is open to a person who refuses (`alternative`), and to whom it
    provides data. Only itself equals a purpose: a copy is none of the registry's, and opening asks this often.
    """

    id: str
    ground: Ground
    basis: Citation
    en: str
    zh: str
    shows_whole: bool = False
    while_restricted: bool = False
    recipient: Recipient | None = None
    sensitivity: Sensitivity | None = None
    alternative: Words | None = None

    @property
    def is_sensitive(self) -> bool:
        """Whether it handles what the law calls sensitive."""
        return self.sensitivity is not None

    @property
    def is_separate(self) -> bool:
        """Whether its consent is asked for by itself (单独同意): sensitive data, or data that others are given."""
        return self.ground is Ground.CONSENT and (self.is_sensitive or self.recipient is not None)


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
    words: Words
    purposes: tuple[Purpose, ...]
    name: str = field(init=False)
    bound: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Made once, because every seal needs them."""
        name = f"{self.table}.{self.column}/{self.version}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "bound", name.encode())


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Personal data that no table keeps sealed: what is only passed on, and what must be readable to work at all."""

    name: str
    key_class: Privacy
    is_kept: bool
    words: Words
    purposes: tuple[Purpose, ...]


OPERATOR = Recipient(
    "operator", Words("the operator that issued the card or serves the number", "发卡或提供号码服务的运营商")
)
CHANNEL = Recipient("channel", Words("the payout channel of the contract", "合同约定的支付通道"))
FACE_CHECK = Recipient("face_check", Words("the provider of the face check", "人脸核验服务方"))
NUMBER_PROOF = Recipient("number_proof", Words("the provider that sends one-time codes", "短信验证码服务方"))
PARTNER = Recipient("partner", Words("the partner through which the seller was registered", "为卖卡人办理登记的合作方"))
AUTHORITY = Recipient("authority", Words("the authority that gave the order", "作出调取决定的主管机关"))
REGULATOR = Recipient("regulator", Words("the competent authority that asks for it by law", "依法要求提供的主管部门"))
AUDITOR = Recipient("auditor", Words("the auditor of how personal data is handled", "个人信息保护合规审计机构"))

RECIPIENTS = (OPERATOR, CHANNEL, FACE_CHECK, NUMBER_PROOF, PARTNER, AUTHORITY, REGULATOR, AUDITOR)

# What the law names as sensitive, of the classes that are handled here (个人信息保护法 2021, art. 28).
SENSITIVE_CLASSES = frozenset({Privacy.FINANCE, Privacy.BIOMETRIC})

_PIPL = "个人信息保护法"
_TO_PERFORM_A_CONTRACT = Citation(_PIPL, "2021", "13(1)(2)")
_SENSITIVE_CONSENT = Citation(_PIPL, "2021", "29")
_PROVIDING_CONSENT = Citation(_PIPL, "2021", "23")
_REAL_NAME = Citation("反电信网络诈骗法", "2022", "21")
_NETWORK_LOG = Citation("网络安全法", "2025", "23")
_COPY = Citation(_PIPL, "2021", "45")
_WHO_ASKS = Citation("网络数据安全管理条例", "2024", "25")
_CORRECTION = Citation(_PIPL, "2021", "46")
_EVIDENCE = Citation("数据安全法", "2021", "35")
_SUPPLY = Citation("电子商务法", "2018", "25")
_COMPLIANCE_AUDIT = Citation(_PIPL, "2021", "54")
_ABROAD_CONSENT = Citation(_PIPL, "2021", "39")

CONSUME_CARD = Purpose(
    "consume_card", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To show the operator the card, or the number, that its holder asked us to redeem.",
    "向运营商提交持有人要求回收的卡或号码。",
    shows_whole=True,
    while_restricted=True,
    recipient=OPERATOR,
)  # fmt: skip
PAY_SELLER = Purpose(
    "pay_seller", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To pay the seller on the account that was verified as theirs.",
    "向卖卡人本人已核验的账户付款。",
    shows_whole=True,
    while_restricted=True,
    recipient=CHANNEL,
    sensitivity=Sensitivity(
        Words("Nobody can be paid without an account to pay to.", "没有收款账户便无法付款。"),
        Words(
            "Whoever learns the account may try to defraud its holder; it is sealed and opened for each payment only.",
            "账户泄露可能被用于诈骗；平台加密封存，仅在每次付款时打开。",
        ),
    ),
)  # fmt: skip
HELP_SELLER = Purpose(
    "help_seller", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To help a seller who asks about a redemption of theirs; our staff see masked values only.",
    "在卖卡人咨询其兑换时提供帮助；工作人员只能看到脱敏后的信息。",
    sensitivity=Sensitivity(
        Words("Which account was paid is what sellers ask about.", "卖卡人咨询的正是款项付至哪个账户。"),
        Words("Staff see the last four characters, too few to use.", "工作人员只见末四位，不足以使用。"),
    ),
)  # fmt: skip
KNOW_DEVICE = Purpose(
    "know_device", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To tell the seller's own device from anybody else's, by the public key that was made on it.",
    "通过卖卡人设备上生成的公钥，识别请求来自其本人设备。",
)  # fmt: skip
REGISTER_SELLER = Purpose(
    "register_seller", Ground.LEGAL_DUTY, _REAL_NAME,
    "To trade with real-named sellers only, and to answer for it to an authority that asks lawfully.",
    "仅与实名卖卡人交易，并在主管机关依法要求时提供。",
)  # fmt: skip
KEEP_NETWORK_LOG = Purpose(
    "keep_network_log", Ground.LEGAL_DUTY, _NETWORK_LOG,
    "To keep the network log that the law asks for, and to notice attacks: the network part of an address only.",
    "依法留存网络日志并识别攻击；仅记录网络地址段。",
)  # fmt: skip
ANSWER_SUBJECT = Purpose(
    "answer_subject", Ground.LEGAL_DUTY, _COPY,
    "To give persons who ask for it a copy of what is kept of them.",
    "应本人请求，提供其个人信息的查阅与复制。",
    shows_whole=True,
    while_restricted=True,
    sensitivity=Sensitivity(
        Words("A copy that left the account out would not be one.", "不含账户的副本是不完整的。"),
        Words(
            "A copy in wrong hands does harm, so who asks is verified first.",
            "副本落入他人之手会造成损害，因此先核验请求人身份。",
        ),
    ),
)  # fmt: skip
PROVE_NUMBER = Purpose(
    "prove_number", Ground.LEGAL_DUTY, _WHO_ASKS,
    "To verify who asks about their own data, by a code that is sent to their phone.",
    "核验就其个人信息提出请求者的身份：向其号码发送验证码。",
    while_restricted=True,
    recipient=NUMBER_PROOF,
)  # fmt: skip
CORRECT_SELLER = Purpose(
    "correct_seller", Ground.LEGAL_DUTY, _CORRECTION,
    "To check what a person says is wrong in what we keep of them, and to put it right.",
    "应本人请求，核实并更正其个人信息。",
    shows_whole=True,
    while_restricted=True,
)  # fmt: skip
ANSWER_AUTHORITY = Purpose(
    "answer_authority", Ground.WARRANT, _EVIDENCE,
    "To hand an authority what its order names, after two officers have examined the order.",
    "主管机关依法调取数据时，经两名管理员审核后，仅提供文书列明的内容。",
    shows_whole=True,
    while_restricted=True,
    recipient=AUTHORITY,
    sensitivity=Sensitivity(
        Words("The order names what is needed; nothing else is opened.", "以文书列明的内容为限，不打开其他信息。"),
        Words("The authority may act on what it learns.", "主管机关可能据此采取措施。"),
    ),
)  # fmt: skip
COMPARE_FACE = Purpose(
    "compare_face", Ground.CONSENT, _SENSITIVE_CONSENT,
    "To compare the seller's face with their identity, before today's limit is raised.",
    "在提高当日限额之前，将卖卡人的人脸与其身份进行比对。",
    shows_whole=True,
    recipient=FACE_CHECK,
    sensitivity=Sensitivity(
        Words(
            "A higher limit is worth stealing, so it takes proof that this very person asks; a password or a phone can"
            " be handed on, a face cannot.",
            "较高限额易被冒用，须证明确为本人申请；密码与手机可以转交，人脸不能。",
        ),
        Words(
            "The capture is shown to the provider of the check and not kept here; a face cannot be changed, so a leak"
            " at the provider would last for life.",
            "人脸采集仅提供给核验服务方，平台不保存；人脸无法更换，一旦在服务方泄露，影响终身。",
        ),
    ),
    alternative=Words(
        "Stay within the present limit, or ask for a manual check; nothing else changes.",
        "维持当前限额，或申请人工核验；其他服务不受影响。",
    ),
)  # fmt: skip
TELL_PARTNER_NUMBER = Purpose(
    "tell_partner_number", Ground.CONSENT, _PROVIDING_CONSENT,
    "To show the partner the seller's masked number, so that it recognises a caller without keeping numbers itself.",
    "向合作方显示卖卡人的脱敏号码，便于其识别来电者而无须自行留存号码。",
    recipient=PARTNER,
    alternative=Words(
        "The partner recognises the seller by the number of a redemption; nothing else changes.",
        "合作方改以兑换编号识别卖卡人；其他服务不受影响。",
    ),
)  # fmt: skip
SUPPLY_REGULATOR = Purpose(
    "supply_regulator", Ground.LEGAL_DUTY, _SUPPLY,
    "To give a competent authority the trade data that it asks for by law.",
    "依法向有关主管部门提供其要求的交易数据信息。",
    shows_whole=True,
    recipient=REGULATOR,
    sensitivity=Sensitivity(
        Words("The law lets the authority say what it needs; the account is given only where it does.",
              "由主管部门依法确定所需信息；仅在其要求时提供账户。"),
        Words("The authority may act on what it learns.", "主管部门可能据此采取措施。"),
    ),
)  # fmt: skip
RECONCILE_PARTNER = Purpose(
    "reconcile_partner", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To settle accounts with the partner through whom a seller redeemed; it gets masked values only.",
    "与卖卡人所属的合作方对账；仅提供脱敏后的信息。",
    recipient=PARTNER,
    sensitivity=Sensitivity(
        Words("Which account was paid is what the two compare.", "对账须核对款项付至哪个账户。"),
        Words("The partner sees the last four characters, too few to use.", "合作方只见末四位，不足以使用。"),
    ),
)  # fmt: skip
AUDIT_COMPLIANCE = Purpose(
    "audit_compliance", Ground.LEGAL_DUTY, _COMPLIANCE_AUDIT,
    "To let an auditor check how personal data is handled here; masked values only.",
    "供审计机构开展个人信息保护合规审计；仅提供脱敏后的信息。",
    recipient=AUDITOR,
    sensitivity=Sensitivity(
        Words("An audit that may not look at anything proves nothing.", "不能查验的审计没有意义。"),
        Words("The auditor sees the last four characters, too few to use.", "审计人员只见末四位，不足以使用。"),
    ),
)  # fmt: skip
# Opens nothing by itself: it is what has to be added where an export for a contract leaves the country.
PROVIDE_ABROAD = Purpose(
    "provide_abroad", Ground.CONSENT, _ABROAD_CONSENT,
    "To let the partner have what it settles accounts by in a country other than China; masked values only.",
    "合作方在境外的，向其提供对账所需的信息；仅提供脱敏后的信息。",
    recipient=PARTNER,
    sensitivity=Sensitivity(
        Words("Which account was paid is what the two compare.", "对账须核对款项付至哪个账户。"),
        Words(
            "Abroad other laws protect it; it is masked, so the little that is there is too little to use.",
            "境外适用不同的法律；所提供的均为脱敏信息，不足以使用。",
        ),
    ),
    alternative=Words(
        "The partner settles by redemptions without anything of the seller; nothing else changes.",
        "合作方仅按兑换笔数对账，不含卖卡人信息；其他服务不受影响。",
    ),
)  # fmt: skip

# Those for which data may leave the platform as a file; what each may hold stands in `privacy.exports`.
EXPORT_PURPOSES = (SUPPLY_REGULATOR, RECONCILE_PARTNER, AUDIT_COMPLIANCE)
OF_EXPORTS = (*EXPORT_PURPOSES, PROVIDE_ABROAD)

VERIFY_SELLER = Purpose(
    "verify_seller", Ground.LEGAL_DUTY, _REAL_NAME,
    "To compare the photo of an identity card with what the seller registered; it is deleted once that is done.",
    "核对身份证件照片与卖卡人登记信息是否一致；核对完成后即删除照片。",
    shows_whole=True,
    sensitivity=Sensitivity(
        Words(
            "A number can be made up; the card with the face on it shows whose it is.",
            "号码可以编造，带有照片的证件方能证明其归属。",
        ),
        Words(
            "The photo shows face and identity, which a thief could use for life; it is sealed, shown with marks, and"
            " deleted once it is compared.",
            "照片含人脸与身份，泄露影响终身；平台加密封存，查看时加注标记，核对后即删除。",
        ),
    ),
)  # fmt: skip
EXAMINE_CARD = Purpose(
    "examine_card", Ground.CONTRACT, _TO_PERFORM_A_CONTRACT,
    "To read a card on the photo that its holder sent, where the holder and the operator disagree about it.",
    "持有人与运营商对卡信息有争议时，查看持有人提交的卡片照片。",
    shows_whole=True,
)  # fmt: skip

PURPOSES = (
    CONSUME_CARD, PAY_SELLER, HELP_SELLER, KNOW_DEVICE, REGISTER_SELLER, KEEP_NETWORK_LOG, ANSWER_SUBJECT,
    PROVE_NUMBER, CORRECT_SELLER, ANSWER_AUTHORITY, COMPARE_FACE, TELL_PARTNER_NUMBER, VERIFY_SELLER, EXAMINE_CARD,
    *OF_EXPORTS,
)  # fmt: skip
ON_CONSENT = tuple(purpose for purpose in PURPOSES if purpose.ground is Ground.CONSENT)

_OF_SELLERS = (REGISTER_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY)

SELLER_NAME = Field(
    "seller", "name", 1, Privacy.IDENTITY, masked_name, Words("name", "姓名"),
    (HELP_SELLER, CORRECT_SELLER, *_OF_SELLERS, *OF_EXPORTS),
)  # fmt: skip
SELLER_IDENTITY = Field(
    "seller", "identity_number", 1, Privacy.IDENTITY, masked_identity, Words("ID number", "身份证号码"), _OF_SELLERS
)
SELLER_NUMBER = Field(
    "seller", "number", 1, Privacy.CONTACT, masked_number, Words("phone number", "手机号码"),
    (HELP_SELLER, CORRECT_SELLER, TELL_PARTNER_NUMBER, *_OF_SELLERS, *OF_EXPORTS),
)  # fmt: skip
SELLER_PAYEE = Field(
    "seller", "payee", 1, Privacy.FINANCE, masked_account, Words("account to be paid on", "收款账户"),
    (PAY_SELLER, HELP_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY, *OF_EXPORTS),
)  # fmt: skip
CARD_SERIAL = Field(
    "card", "serial", 1, Privacy.CARD_SECRET, masked_account, Words("serial of a card", "卡号"),
    (CONSUME_CARD, ANSWER_SUBJECT, ANSWER_AUTHORITY),
)  # fmt: skip
CARD_PIN = Field("card", "pin", 1, Privacy.CARD_SECRET, hidden, Words("PIN of a card", "卡密"), (CONSUME_CARD,))
BALANCE_NUMBER = Field(
    "card", "number", 1, Privacy.CONTACT, masked_number,
    Words("phone number whose balance is redeemed", "兑换话费余额的手机号码"),
    (CONSUME_CARD, ANSWER_SUBJECT, ANSWER_AUTHORITY),
)  # fmt: skip

# Files. A photo of a card shows its PIN, so it is opened for as little as the PIN is.
IDENTITY_PHOTO = Field(
    "paper", "identity_photo", 1, Privacy.BIOMETRIC, hidden, Words("photo of the identity card", "身份证件照片"),
    (VERIFY_SELLER, ANSWER_SUBJECT, ANSWER_AUTHORITY),
)  # fmt: skip
CARD_PHOTO = Field(
    "paper", "card_photo", 1, Privacy.CARD_SECRET, hidden, Words("photo of a top-up card", "充值卡照片"),
    (EXAMINE_CARD,),
)  # fmt: skip
SHOP_PAPER = Field(
    "paper", "shop_paper", 1, Privacy.IDENTITY, hidden, Words("paper that a shop has scanned", "门店扫描的纸质材料"),
    (ANSWER_SUBJECT, ANSWER_AUTHORITY),
)  # fmt: skip
# Opens what a record of the public log says of one person, by an authority's order.
RECORD_KEY = Field(
    "leaf", "sealed_keys", 1, Privacy.IDENTITY, hidden,
    Words("key that opens a record of the public log", "开启公开日志记录的密钥"), (ANSWER_AUTHORITY,),
)  # fmt: skip

SELLER_FIELDS = (SELLER_NAME, SELLER_IDENTITY, SELLER_NUMBER, SELLER_PAYEE)
PAPER_FIELDS = (IDENTITY_PHOTO, CARD_PHOTO, SHOP_PAPER)
FIELDS = (*SELLER_FIELDS, CARD_SERIAL, CARD_PIN, BALANCE_NUMBER, *PAPER_FIELDS, RECORD_KEY)

FACE_CAPTURE = Unsealed(
    "face.capture", Privacy.BIOMETRIC, False, Words("capture of the face", "人脸采集信息"), (COMPARE_FACE,)
)
DEVICE_KEY = Unsealed("device.key", Privacy.DEVICE, True, Words("public key of the device", "设备公钥"), (KNOW_DEVICE,))
ADDRESS_PREFIX = Unsealed(
    "request.ip_prefix", Privacy.DEVICE, True, Words("network part of the address", "网络地址段"), (KEEP_NETWORK_LOG,)
)

CLAIMED_NUMBER = Unsealed(
    "number_proof.number", Privacy.CONTACT, False, Words("phone number that somebody proves", "待验证的手机号码"),
    (PROVE_NUMBER,),
)  # fmt: skip
CLAIMED_IDENTITY = Unsealed(
    "number_proof.identity_number", Privacy.IDENTITY, False,
    Words("ID number that somebody gives to be known", "用于核对身份的证件号码"), (PROVE_NUMBER,),
)  # fmt: skip

UNSEALED = (FACE_CAPTURE, DEVICE_KEY, ADDRESS_PREFIX, CLAIMED_NUMBER, CLAIMED_IDENTITY)


def purpose_of(purpose_id: str) -> Purpose | None:
    """The purpose with this id."""
    return _BY_ID.get(purpose_id)


def fields_of(names: Iterable[str]) -> tuple[Field, ...] | None:
    """The fields with these names; None where one of them is not registered."""
    found = [_BY_NAME.get(name) for name in names]
    return None if None in found else tuple(field for field in found if field is not None)


_BY_ID = {purpose.id: purpose for purpose in PURPOSES}
_BY_NAME = {field.name: field for field in FIELDS}
