"""What entitles someone to read sealed fields. There are four kinds, and each cites its rule.

An authority is minted only in `privacy.grant`, which only flows may import, and only after the read that it serves
stands in history. So a search for that module finds every reader, and a search of history every read. It covers the
subjects and fields that its read named, as far as its purpose needs them, and shows masked values unless its purpose
needs whole ones. `vault.Vault.open`, the only way in, holds every opening against it.

>>> from suyuan.privacy.purposes import PAY_SELLER, SELLER_PAYEE
>>> fields = frozenset({SELLER_PAYEE.name})
>>> authority = Contract(PAY_SELLER, subjects=frozenset({"slr_1"}), fields=fields, expires_at=60, read_seq=7)
>>> type(authority).__name__, authority.basis.article
('Contract', '13(1)(2)')
>>> Warrant(PAY_SELLER, authority.subjects, fields, expires_at=60, read_seq=7)
Traceback (most recent call last):
    ...
suyuan.privacy.authority.NoAuthority: pay_seller does not rest on a warrant
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from suyuan.privacy.purposes import Citation, Ground, Purpose


@dataclass(frozen=True, slots=True)
class _Entitlement:
    purpose: Purpose
    subjects: frozenset[str]  # Whose fields it opens.
    fields: frozenset[str]  # The names of the fields that it opens.
    expires_at: int  # Micros.
    read_seq: int  # The event in history that tells of this read.

    ground: ClassVar[Ground]

    def __post_init__(self) -> None:
        """A purpose that rests on a contract is no warrant, whoever mints it."""
        if self.purpose.ground is not self.ground:
            raise NoAuthority(f"{self.purpose.id} does not rest on a {self.ground.value}")

    @property
    def basis(self) -> Citation:
        """The rule that it rests on."""
        return self.purpose.basis


class Warrant(_Entitlement):
    """A lawful authority's order, examined by two officers."""

    ground = Ground.WARRANT


class Consent(_Entitlement):
    """The person's own agreement."""

    ground = Ground.CONSENT


class Contract(_Entitlement):
    """What must be read to do what the person asked for."""

    ground = Ground.CONTRACT


class LegalDuty(_Entitlement):
    """What a law makes the platform do."""

    ground = Ground.LEGAL_DUTY


Authority = Warrant | Consent | Contract | LegalDuty


class NoAuthority(Exception):
    """Raised when a sealed field is to be opened without an authority that covers it."""
