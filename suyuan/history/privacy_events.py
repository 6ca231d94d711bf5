"""What happens to personal data: who read it, what people agreed to, and how it was forgotten. A part of `events`."""

from __future__ import annotations

from suyuan.history.fact import Fact
from suyuan.privacy.classes import Open, Pseudonym


class FieldsRead1(Fact, frozen=True, tag="fields_read/1"):
    """As the next version, before officers could read: the platform itself, whole values."""

    purpose: Open[str]
    authority: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    reader: Open[str]
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]


class FieldsRead(Fact, frozen=True, tag="fields_read/2"):
    """Sealed fields were opened, or were about to be: by whom, whose, which and why. Never what they said."""

    purpose: Open[str]
    authority: Open[str]  # The kind: contract, consent, legal_duty or warrant.
    law: Open[str]
    version: Open[str]
    article: Open[str]
    reader: Open[str]  # An officer, or the process of the platform that needed it.
    reference: Open[str]  # The warrant, request or export that it serves, or the officer's own words.
    shows_whole: Open[bool]  # Else only what the masks leave.
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]


class WarrantRegistered(Fact, frozen=True, tag="warrant_registered/1"):
    """An authority's order was entered by one officer and approved by another; from here it may be carried out."""

    warrant: Open[str]
    authority: Open[str]
    document_no: Open[str]
    document_sha256: Open[str]
    subjects: Pseudonym[tuple[str, ...]]
    fields: Open[tuple[str, ...]]
    begins_at: Open[int]
    ends_at: Open[int]
    requested_by: Open[str]
    approved_by: Open[str]


class WarrantEnded(Fact, frozen=True, tag="warrant_ended/1"):
    """The order was withdrawn or carried out; it opens nothing any more."""

    warrant: Open[str]
    by: Open[str]


class NoticePublished(Fact, frozen=True, tag="notice_published/1"):
    """A privacy notice was served for the first time; its version is the SHA-256 of its content, which is kept."""

    version: Open[str]


class ConsentGiven(Fact, frozen=True, tag="consent_given/1"):
    """A seller agreed that this is done for this recipient, as this notice says; `terms` digests what it says of it."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]  # Whether the seller's own key brought it, or the partner's.
    key: Open[str]


class ConsentRefused(Fact, frozen=True, tag="consent_refused/1"):
    """A seller said no. From here it is closed, and a partner does not ask again for a while."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]
    key: Open[str]


class ConsentWithdrawn(Fact, frozen=True, tag="consent_withdrawn/1"):
    """A seller took a consent back, which was given as this notice says. What was done before stays lawful."""

    seller: Pseudonym[str]
    partner: Open[str]
    purpose: Open[str]
    recipient: Open[str]
    notice: Open[str]
    terms: Open[str]
    language: Open[str]
    by: Open[str]
    key: Open[str]


class ShreddingIntended(Fact, frozen=True, tag="shredding_intended/1"):
    """This seller will be forgotten. From here nothing of theirs is opened any more, whatever happens next."""

    seller: Pseudonym[str]
    reason: Open[str]
    by: Open[str]


class ShreddingPutOff(Fact, frozen=True, tag="shredding_put_off/1"):
    """What is kept of this seller stays closed and is not shredded before `due_at`; the rule says why."""

    seller: Pseudonym[str]
    reason: Open[str]  # statutory_term or legal_hold.
    due_at: Open[int]
    law: Open[str]
    version: Open[str]
    article: Open[str]


class ProcessingRestricted(Fact, frozen=True, tag="processing_restricted/1"):
    """From here this person's data is stored and secured, and nothing else is done with it."""

    subject: Pseudonym[str]
    reason: Open[str]


class ProcessingResumed(Fact, frozen=True, tag="processing_resumed/1"):
    """The restriction that stood for this reason is over."""

    subject: Pseudonym[str]
    reason: Open[str]


class HoldPlaced(Fact, frozen=True, tag="hold_placed/1"):
    """Nothing of this seller is shredded while the case is open."""

    seller: Pseudonym[str]
    case: Open[str]
    by: Open[str]


class HoldLifted(Fact, frozen=True, tag="hold_lifted/1"):
    seller: Pseudonym[str]
    case: Open[str]
    by: Open[str]


class TermEnded(Fact, frozen=True, tag="term_ended/1"):
    """The retention term of these redemptions' sealed sources is over; their data keys are gone."""

    redemptions: Open[tuple[str, ...]]
    category: Open[str]
    channel: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    fingerprints: Open[tuple[str, ...]]
    epoch: Open[int]


class SubjectsShredded(Fact, frozen=True, tag="subjects_shredded/1"):
    """Their data keys are gone. Copies in backups and logs die with the epoch that is named."""

    subjects: Pseudonym[tuple[str, ...]]
    fingerprints: Open[tuple[str, ...]]
    epoch: Open[int]


class EpochClosed(Fact, frozen=True, tag="epoch_closed/1"):
    """No data key of this epoch, or of one before it, is taken from here on."""

    epoch: Open[int]


class EpochDestroyed(Fact, frozen=True, tag="epoch_destroyed/1"):
    """The keys of this epoch, and of all before it, are gone; so is whatever they alone had wrapped."""

    epoch: Open[int]
