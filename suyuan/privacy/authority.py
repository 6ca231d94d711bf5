"""What entitles someone to read a sealed field. There are four kinds, and each cites its rule.

An authority is minted only in `privacy.grant`, which only flows may import, so a search for it finds every reader.

>>> rule = Citation(law="个人信息保护法", version="2021", article="13(1)(2)")
>>> Contract(purpose="consume_card", basis=rule, scope="rdm_1", expires_at=0).covers("rdm_1", now=1)
False
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Citation:
    """A rule of law as it is quoted everywhere: law, version, article."""

    law: str
    version: str
    article: str


@dataclass(frozen=True, slots=True)
class _Entitlement:
    purpose: str
    basis: Citation
    scope: str  # The subject whose fields it opens.
    expires_at: int  # Micros.

    def covers(self, subject: str, *, now: int) -> bool:
        """Whether it opens this subject's fields at this instant."""
        return self.scope == subject and now < self.expires_at


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
