"""Consent records and their receipts: what was agreed to or refused, signed, which anybody can check without asking.

Field names are those of ISO/IEC TS 27560:2023. Where the law here asks for more, a field of our own stands beside
them: `separate_consent` (单独同意), `necessity` and `impact` (个人信息保护法 2021, art. 30), `alternative`, `terms`,
and the event `consent_refused`, for which the standard has no name. Instants are micros.

    {"receipt":{…the record and its events…},"signatures":[…]}      as every paper (`base.crypto.paper`)

The person stands in it by a pseudonym that is another one for each partner and recipient, so two holders of receipts
cannot find out by them that they know the same person. A record tells what was shown when it was decided; what came
later are its events, and the last of them says how it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadPaper, PlatformKey, Signature
from suyuan.privacy.consent import GIVEN, Consent

SCHEMA = "suyuan-consent-receipt/1 ISO/IEC-TS-27560:2023"
_CONTEXT = b"suyuan-consent-receipt-v1\n"
_NAME = "receipt"


class LawfulBasis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On what the handling rests."""

    ground: str
    law: str
    version: str
    article: str


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is responsible, or is given data."""

    party_id: str
    party_role: str
    party_name: str
    party_contact: str


class PurposeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was agreed to, in the language in which it was shown."""

    purpose: str
    purpose_text: str
    lawful_basis: LawfulBasis
    pii_information: tuple[str, ...]
    pii_controllers: tuple[str, ...]
    recipients: tuple[str, ...]
    collection_method: str
    processing_method: str
    storage_locations: tuple[str, ...]
    retention_period: tuple[str, ...]
    withdrawal: str
    separate_consent: bool
    necessity: str
    impact: str
    alternative: str


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A consent record without its events: what a person was shown."""

    schema_version: str
    record_id: str
    pii_principal_id: str
    privacy_notice: str
    terms: str
    language: str
    purposes: tuple[PurposeRecord, ...]
    parties: tuple[Party, ...]
    origin: str


class ConsentEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person said, when, and whose key brought it: `seller_key` or `partner_key`."""

    event_type: str
    event_time: int
    entity_id: str


class Receipt(Record, frozen=True, forbid_unknown_fields=True):
    """The record with its events, the oldest first."""

    events: tuple[ConsentEvent, ...]

    @property
    def is_given(self) -> bool:
        """Whether the person agreed and had not taken it back when this was signed."""
        return self.events[-1].event_type == f"consent_{GIVEN}"


class ReceiptPaper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt with its signatures, as it is handed out."""

    receipt: Receipt
    signatures: list[Signature]

    @property
    def content(self) -> bytes:
        """The bytes to keep, which `check_receipt` reads."""
        return wire.canonical_record(self)


def sign_receipt(consent: Consent, keys: Sequence[PlatformKey]) -> ReceiptPaper:
    """The receipt of a consent as it stands, signed by every key of the platform."""
    record = msgspec.json.decode(consent.draft, type=Record)
    receipt = Receipt(**msgspec.structs.asdict(record), events=tuple(_events(consent)))
    return ReceiptPaper(receipt, crypto.sign_facts(_CONTEXT, receipt, keys))


def check_receipt(paper: bytes, keys: Mapping[str, crypto.PublicKey]) -> Receipt:
    """What a receipt attests, for nothing but a good one. Raises `BadPaper` or `BadSignature`."""
    signed = crypto.read_paper(paper, ReceiptPaper, name=_NAME)
    if not (signed.receipt.purposes and signed.receipt.events):
        raise BadPaper("this receipt tells of no purpose, or of nothing that anybody has said")
    crypto.check_facts(_CONTEXT, signed.receipt, signed.signatures, keys, name=_NAME)
    return signed.receipt


def _events(consent: Consent) -> list[ConsentEvent]:
    said = ConsentEvent(f"consent_{consent.state}", consent.decided_at, consent.decided_by)
    if consent.state == GIVEN or not consent.given_at:
        return [said]
    return [ConsentEvent(f"consent_{GIVEN}", consent.given_at, consent.given_by), said]
