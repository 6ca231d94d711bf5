"""What entitles someone to read sealed fields. There are four kinds, and each cites its rule.

An authority is minted only in `privacy.grant`, which only flows may import, and only after the read that it serves
stands in history. So a search for that module finds every reader, and a search of history every read.

>>> from suyuan.privacy.purposes import PAY_SELLER, SELLER_NAME, SELLER_PAYEE
>>> authority = Contract(PAY_SELLER, scope=frozenset({"slr_1"}), expires_at=60, read_seq=7)
>>> authority.covers("slr_1", SELLER_PAYEE, now=1), authority.covers("slr_1", SELLER_PAYEE, now=60)
(True, False)
>>> authority.covers("slr_2", SELLER_PAYEE, now=1), authority.covers("slr_1", SELLER_NAME, now=1)
(False, False)
"""

from __future__ import annotations

from dataclasses import dataclass

from suyuan.privacy.purposes import Citation, Field, Purpose


@dataclass(frozen=True, slots=True)
class _Entitlement:
    purpose: Purpose
    scope: frozenset[str]  # The subjects whose fields it opens.
    expires_at: int  # Micros.
    read_seq: int  # The event in history that tells of this read.

    @property
    def basis(self) -> Citation:
        """The rule that it rests on."""
        return self.purpose.basis

    def covers(self, subject: str, field: Field, *, now: int) -> bool:
        """Whether it opens this field of this subject at this instant. Anything else is denied."""
        return subject in self.scope and self.purpose in field.purposes and now < self.expires_at


class Warrant(_Entitlement):
    """A lawful authority's order."""


class Consent(_Entitlement):
    """The person's own agreement."""


class Contract(_Entitlement):
    """What must be read to do what the person asked for."""


class LegalDuty(_Entitlement):
    """What a law makes the platform do."""


Authority = Warrant | Consent | Contract | LegalDuty


class NoAuthority(Exception):
    """Raised when a sealed field is to be opened without an authority that covers it."""
