"""Everything that the line decides over, in one place: the working set of the platform.

Appliers get this and nothing else. Each member is owned by one part; the order here is the order of writing.
"""

from __future__ import annotations

from typing import Protocol

from suyuan.history.fact import Fact
from suyuan.history.working_set import Connection, Shelf
from suyuan.privacy import (
    abroad,
    consent,
    disclosure,
    exports,
    notices,
    number_proofs,
    papers,
    pseudonyms,
    recipients,
    requests,
    shredding,
    standing,
    subject_keys,
    warrants,
)
from suyuan.privacy.abroad import AbroadCount, AbroadSubject
from suyuan.privacy.consent import Consent
from suyuan.privacy.disclosure import DisclosureCaps, DisclosureCount
from suyuan.privacy.exports import Export
from suyuan.privacy.notices import PublishedNotice
from suyuan.privacy.number_proofs import CodeCount, NumberProof
from suyuan.privacy.papers import Paper
from suyuan.privacy.pseudonyms import Pseudonym
from suyuan.privacy.recipients import Recipient
from suyuan.privacy.requests import OpenRequest, SubjectRequest
from suyuan.privacy.retention import RetentionRules, load_rules
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.standing import LegalHold, Restriction
from suyuan.privacy.subject_keys import SubjectKey, VaultEpoch
from suyuan.privacy.warrants import Warrant
from suyuan.risk.memory import Risk
from suyuan.settle.account import Register
from suyuan.settle.card import Cards
from suyuan.settle.ledger import Books
from suyuan.settle.limits import LimitRules, Limits
from suyuan.settle.once import Once
from suyuan.settle.redemption import Redemptions

REQUESTS_IN_MEMORY_MAX = 10_000


class _Written(Protocol):
    async def load(self, connection: Connection) -> bool: ...
    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None: ...
    @property
    def is_clean(self) -> bool: ...
    def settle(self) -> None: ...
    def forget(self) -> None: ...


class Shelves:
    """The line's working set."""

    def __init__(
        self,
        rules: LimitRules,
        caps: DisclosureCaps | None = None,
        terms: RetentionRules | None = None,
        *,
        risk: Risk | None = None,
    ) -> None:
        """Without `risk` history is taken to begin now, as it does in a new database."""
        self.register = Register()
        self.once = Once()
        self.cards = Cards()
        self.books = Books()
        self.redemptions = Redemptions()
        # None is kept in memory: the keeper of the house wraps them again beside the line.
        self.subject_keys = Shelf(subject_keys.TABLE, SubjectKey, rows_max=0)
        # None of these either: marks are made again beside the line.
        self.pseudonyms = Shelf(pseudonyms.TABLE, Pseudonym, rows_max=0)
        self.vault_epoch = Shelf(subject_keys.EPOCH_TABLE, VaultEpoch, changing=("closed", "destroyed"))
        self.shreddings = Shelf(shredding.TABLE, Shredding, changing=("shredded_at", "epoch", "due_at"))
        self.warrants = Shelf(warrants.TABLE, Warrant, changing=("ends_at",))
        self.restrictions = Shelf(standing.RESTRICTION_TABLE, Restriction, changing=("reason", "since"))
        self.holds = Shelf(standing.HOLD_TABLE, LegalHold, changing=("cases",))
        self.consents = Shelf(consent.TABLE, Consent, changing=consent.CHANGING)
        self.notices = Shelf(notices.TABLE, PublishedNotice)
        self.papers = Shelf(papers.TABLE, Paper, changing=("state", "reason", "deleted_at"))
        self.recipients = Shelf(recipients.TABLE, Recipient, changing=("ends_at",))
        self.exports = Shelf(exports.TABLE, Export, changing=exports.CHANGING)
        self.disclosures = Shelf(disclosure.TABLE, DisclosureCount, changing=("year", "items", "by_order"))
        self.abroad_subjects = Shelf(abroad.TABLE, AbroadSubject, changing=("year", "sensitive_year"), rows_max=0)
        self.abroad_count = Shelf(abroad.COUNT_TABLE, AbroadCount, changing=("year", "people", "sensitive"))
        self.caps = caps or DisclosureCaps()
        self.terms = terms or load_rules()
        self.requests = Shelf(
            requests.TABLE, SubjectRequest, changing=requests.CHANGING, rows_max=REQUESTS_IN_MEMORY_MAX
        )
        self.open_requests = Shelf(
            requests.OPEN_TABLE, OpenRequest, changing=("request",), rows_max=REQUESTS_IN_MEMORY_MAX
        )
        # A proof lives for minutes and is asked for by few, so none is kept.
        self.number_proofs = Shelf(number_proofs.TABLE, NumberProof, changing=number_proofs.CHANGING, rows_max=0)
        self.code_counts = Shelf(number_proofs.COUNT_TABLE, CodeCount, changing=("codes",), rows_max=0)
        self.limits = Limits(self.books, rules)
        self.risk = risk or Risk()
        self._written: tuple[_Written, ...] = (
            *self.register.shelves,
            self.register.public_keys,
            self.once.nonces,
            self.once.requests,
            self.cards.shelf,
            self.books,
            self.redemptions.shelf,
            self.redemptions.outbox,
            *self.risk.written,
            # Every shelf of the list above; one that was forgotten here would never be written.
            *(member for member in vars(self).values() if isinstance(member, Shelf)),
        )

    async def load(self, connection: Connection) -> bool:
        """Loads what was wanted. Returns whether there was anything."""
        loaded = await self.limits.load(connection)
        for written in self._written:
            loaded |= await written.load(connection)
        return loaded

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> bool:
        """Writes what changed. Returns whether there was anything."""
        dirty = [written for written in self._written if not written.is_clean]
        for written in dirty:
            await written.flush(connection, rows_min=rows_min)
        return bool(dirty)

    def settle(self) -> None:
        """After the commit."""
        for written in self._written:
            written.settle()
        self.limits.settle()
        self.risk.settle()

    def forget(self) -> None:
        """After a failed commit: nothing of it stays in memory."""
        for written in self._written:
            written.forget()
        self.limits.forget()
        self.risk.forget()

    def hear(self, seq: int, at: int, event: Fact) -> None:
        """What history tells from here on; decisions rest on all of it."""
        self.risk.hear(seq, at, event)
