"""Events that tell to whom personal data was given, and on what it rested; `events` lists them with all others."""

from __future__ import annotations

from suyuan.history.fact import Fact
from suyuan.privacy.classes import Open


class RecipientRegistered(Fact, frozen=True, tag="recipient_registered/1"):
    """Somebody may be given exports from here on, until their contract ends."""

    recipient: Open[str]
    name: Open[str]
    contact: Open[str]  # The organisation's, as the law wants it named; no person's own.
    region: Open[str]
    role: Open[str]
    partner: Open[str]
    age_key: Open[str]
    transfer_basis: Open[str]
    transfer_document: Open[str]
    ends_at: Open[int]
    requested_by: Open[str]
    approved_by: Open[str]


class RecipientEnded(Fact, frozen=True, tag="recipient_ended/1"):
    """The contract is over; nothing is given any more."""

    recipient: Open[str]
    by: Open[str]


class ExportEscalated(Fact, frozen=True, tag="export_escalated/1"):
    """Two officers want this export, and it goes beyond what two may decide: it waits for a third."""

    export: Open[str]
    recipient: Open[str]
    counter: Open[str]  # The counter that it would take above half of its cap.
    requested_by: Open[str]
    approved_by: Open[str]


class ExportApproved(Fact, frozen=True, tag="export_approved/1"):
    """An export may be made, once. What it tells of whom is counted from here, whether it is made or not."""

    export: Open[str]
    purpose: Open[str]
    authority: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    recipient: Open[str]
    region: Open[str]
    columns: Open[tuple[str, ...]]
    subjects: Open[int]
    rows_max: Open[int]
    property_items: Open[int]
    trade_items: Open[int]
    other_items: Open[int]
    risk: Open[str]
    requested_by: Open[str]
    approved_by: Open[str]
    agreed_by: Open[str | None]
    use_until: Open[int]
    expires_at: Open[int]


class ExportBegun(Fact, frozen=True, tag="export_begun/1"):
    """Its file is about to be written; the fields of those who were named in its read are opened now."""

    export: Open[str]
    by: Open[str]
    attempt: Open[int]
    subjects: Open[int]  # Without those who were to be forgotten meanwhile.


class ExportMade(Fact, frozen=True, tag="export_made/1"):
    """The file is there, encrypted to its recipient, and this is its digest."""

    export: Open[str]
    by: Open[str]
    rows: Open[int]
    sha256: Open[str]


class BundleMade(Fact, frozen=True, tag="bundle_made/1"):
    """An officer made a bundle of evidence of these records, by their places; this is its manifest's digest."""

    manifest_sha256: Open[str]
    records: Open[tuple[str, ...]]
    reference: Open[str]
    by: Open[str]
