"""The SDK for partners and sellers: signs, retries safely, checks every answer and every voucher.

It opens no database and knows nothing of the writer, so it can be shipped alone. Money is in fen. A "no" that a
customer may meet is returned as `Refused`; an answer that cannot be believed, or none at all, is raised.

    from suyuan.faces.sdk import Platform, Refused, read_key_file

    key = read_key_file(Path("partner.key"))
    with Platform("https://api.example.com", key_id=key.id, signer=key.signer) as stranger:
        pinned = stranger.pin().by_id()  # Once; compare them with what the platform gave you on paper, and keep them.
    with Platform("https://api.example.com", key_id=key.id, signer=key.signer, keys=pinned) as platform:
        answer = platform.redeem_card(
            contract="ctr_…", seller="slr_…", operator="cmcc", serial="…", pin="…", face_fen=100_00,
            idempotency_key="order-7",  # Keep it before you send: after a crash, ask again with the same one.
        )
        if isinstance(answer, Refused):
            print(answer.sentence_zh)
        else:
            print(platform.wait_until_settled(answer.redemption, timeout_s=60))

A face check needs the seller's consent first: show `privacy_notice()`, and tell the platform what they said with
`decide_consent(seller=…, purpose="compare_face", decision="give", notice=shown.version, language="zh")`.

Once it is paid, keep `voucher(…)` and `proofs(…)`: the first is the platform's word, the second what everybody sees of
it in the public log. `check_voucher_by_log` compares the two offline, by a policy of witnesses that you have pinned.

A seller comes into being by `register_seller(name=…, identity_number=…, number=…, payee=…)` with the partner's key, and
asks about their own data by `ask_about_self(kind=…)` with the key of their device.
The reader's way: `records` → `exchange` (the rules of trying again and believing) → `calls` → `platform`; `proofs`.
"""

from suyuan.base.crypto import BadPaper
from suyuan.evidence.check import BadEvidence, CheckedRecord, Policy, read_policy
from suyuan.faces.sdk.exchange import Patience
from suyuan.faces.sdk.key_file import SigningKey, UnsafeKeyFile, read_key_file, write_key_file
from suyuan.faces.sdk.platform import AsyncPlatform, Platform
from suyuan.faces.sdk.proofs import ProofsDisagree, check_proofs, check_voucher_by_log
from suyuan.faces.sdk.records import (
    BadAnswer,
    Consent,
    Consents,
    Contracts,
    ContractTerms,
    Decision,
    EventProof,
    HowToAsk,
    Limit,
    Limits,
    MaskedNumber,
    NoticeText,
    Page,
    Pending,
    PlatformFacts,
    PlatformKey,
    Read,
    Reads,
    RedemptionProofs,
    RedemptionState,
    Refused,
    Registered,
    RequestRefusal,
    Review,
    SteppedUp,
    SubjectRequest,
    Trouble,
    Unreachable,
)
from suyuan.privacy.receipt import Receipt, check_receipt
from suyuan.settle.voucher import BadVoucher, Voucher, check_voucher

__all__ = [
    "AsyncPlatform",
    "BadAnswer",
    "BadEvidence",
    "BadPaper",
    "BadVoucher",
    "CheckedRecord",
    "Consent",
    "Consents",
    "ContractTerms",
    "Contracts",
    "Decision",
    "EventProof",
    "HowToAsk",
    "Limit",
    "Limits",
    "MaskedNumber",
    "NoticeText",
    "Page",
    "Patience",
    "Pending",
    "Platform",
    "PlatformFacts",
    "PlatformKey",
    "Policy",
    "ProofsDisagree",
    "Read",
    "Reads",
    "Receipt",
    "RedemptionProofs",
    "RedemptionState",
    "Refused",
    "Registered",
    "RequestRefusal",
    "Review",
    "SigningKey",
    "SteppedUp",
    "SubjectRequest",
    "Trouble",
    "Unreachable",
    "UnsafeKeyFile",
    "Voucher",
    "check_proofs",
    "check_receipt",
    "check_voucher",
    "check_voucher_by_log",
    "read_key_file",
    "read_policy",
    "write_key_file",
]
