"""The record of a consent as it is decided: what the person was shown, in their language, under a pseudonym.

Written before the line decides, because only an API worker has the vault's keys and the notice that was served; the
line keeps the text with its decision, and a receipt repeats it (`privacy.receipt`).
"""

from __future__ import annotations

from suyuan.base import wire
from suyuan.base.refusals import Language
from suyuan.privacy.consent import Subject
from suyuan.privacy.notice import Notice, PurposeTold, terms_of
from suyuan.privacy.purposes import Words
from suyuan.privacy.receipt import SCHEMA, LawfulBasis, Party, PurposeRecord, Record
from suyuan.privacy.vault import Vault

CONTROLLER = "controller"
_ID_BYTES = 16

_COLLECTED = Words("from the person, or from their partner at their wish", "由本人提供，或应本人要求由合作方提供")
_STORED = Words("the controller's own servers", "处理者自有服务器")
_WITHDRAWAL = Words(
    "POST /v1/consents with the decision `withdraw`, at any time", "随时向 POST /v1/consents 提交 `withdraw`"
)


def principal_of(vault: Vault, subject: Subject, partner: str) -> str:
    """The person's pseudonym in receipts of this partner's for this recipient."""
    return "prn_" + _keyed(vault, "principal", partner, subject.recipient, subject.seller)


def draft_record(
    vault: Vault,
    notice: Notice,
    subject: Subject,
    *,
    partner: str,
    recipient_name: str,
    language: Language,
    origin: str,
) -> str:
    """The record of a decision that is about to be made, as canonical JSON.

    `recipient_name` names a recipient of the person's own; without it, it is whoever the notice lists.
    """
    told = next(purpose for purpose in notice.told.purposes if purpose.id == subject.purpose.id)
    controller = notice.told.controller
    record = Record(
        schema_version=SCHEMA,
        record_id="cns_" + _keyed(vault, "consent", subject.id),
        pii_principal_id=principal_of(vault, subject, partner),
        privacy_notice=notice.version,
        terms=terms_of(subject.purpose),
        language=language,
        purposes=(_purpose(notice, told, subject, language),),
        parties=(
            Party(CONTROLLER, "pii_controller", controller.name, controller.contact),
            Party(subject.recipient, "recipient", recipient_name or _recipients(notice, told, language), ""),
        ),
        origin=origin,
    )
    return wire.canonical_record(record).decode()


def _purpose(notice: Notice, told: PurposeTold, subject: Subject, language: Language) -> PurposeRecord:
    kinds = [kind for kind in notice.told.kinds if kind.name in told.kinds]
    sensitivity = told.sensitivity
    return PurposeRecord(
        purpose=told.id,
        purpose_text=_in(told.words, language),
        lawful_basis=LawfulBasis(told.ground, told.basis.law, told.basis.version, told.basis.article),
        pii_information=tuple(_in(kind.words, language) for kind in kinds),
        pii_controllers=(CONTROLLER,),
        recipients=(subject.recipient,),
        collection_method=_in(_COLLECTED, language),
        processing_method=_in(told.means, language),
        storage_locations=(_in(_STORED, language),),
        retention_period=tuple(_in(kind.kept, language) for kind in kinds),
        withdrawal=_in(_WITHDRAWAL, language),
        separate_consent=told.is_separate,
        necessity="" if sensitivity is None else _in(sensitivity.necessity, language),
        impact="" if sensitivity is None else _in(sensitivity.impact, language),
        alternative="" if told.alternative is None else _in(told.alternative, language),
    )


def _recipients(notice: Notice, told: PurposeTold, language: Language) -> str:
    recipient = next(one for one in notice.told.recipients if one.id == told.recipient)
    return "; ".join(recipient.names) or _in(recipient.words, language)


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en


def _keyed(vault: Vault, purpose: str, *names: str) -> str:
    content = "\0".join(names).encode()
    return vault.keyed_digest(content, purpose=purpose)[:_ID_BYTES].hex()
