"""Where authorities are minted. Only flows import this module; import-linter enforces it.

Each takes the place in history of the event that tells of the read, which therefore comes first.

>>> authority = to_perform_contract(PAY_SELLER, ["slr_1"], read_seq=7, now=0)
>>> authority.scope == {"slr_1"}, authority.read_seq
(True, 7)
"""

from __future__ import annotations

from collections.abc import Iterable

from suyuan.base.clock import plus
from suyuan.privacy.authority import Contract
from suyuan.privacy.purposes import CONSUME_CARD, PAY_SELLER, Purpose

READ_TTL_S = 60
_PERFORMING = (CONSUME_CARD, PAY_SELLER)


def to_perform_contract(purpose: Purpose, subjects: Iterable[str], *, read_seq: int, now: int) -> Contract:
    """Lets the platform do what these persons asked for. Only two purposes are that."""
    assert purpose in _PERFORMING, "no other purpose performs what a seller asked for"
    return Contract(purpose, frozenset(subjects), plus(now, READ_TTL_S), read_seq)
