"""Where authorities are minted. Only flows import this module; import-linter enforces it.

Each takes the place in history of the event that tells of the read, which therefore comes first, and lives for
`READ_TTL_S`. The kind follows from the purpose, so nobody passes off a contract as a warrant.

>>> from suyuan.privacy.purposes import PAY_SELLER, SELLER_PAYEE
>>> authority = mint(PAY_SELLER, Read(["slr_1"], [SELLER_PAYEE.name], seq=7, at=0))
>>> type(authority).__name__, authority.read_seq, authority.expires_at
('Contract', 7, 60000000)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from suyuan.base.clock import plus
from suyuan.privacy.authority import Authority, Consent, Contract, LegalDuty, Warrant
from suyuan.privacy.purposes import Ground, Purpose

READ_TTL_S = 60
_KINDS: dict[Ground, type[Warrant | Consent | Contract | LegalDuty]] = {
    kind.ground: kind for kind in (Warrant, Consent, Contract, LegalDuty)
}


class Read(NamedTuple):
    """A read that stands in history: whose fields, which of them by name, where, and when in micros."""

    subjects: Iterable[str]
    fields: Iterable[str]
    seq: int
    at: int


def mint(purpose: Purpose, read: Read) -> Authority:
    """The authority that a recorded read gives."""
    return _KINDS[purpose.ground](
        purpose=purpose,
        subjects=frozenset(read.subjects),
        fields=frozenset(read.fields),
        expires_at=plus(read.at, READ_TTL_S),
        read_seq=read.seq,
    )
