"""Typed identifiers: what a thing is shows in its first letters, when it was made in the next ten.

Format: `<prefix>_<26 characters>`, the characters being Crockford base 32 of 48 bits of milliseconds followed by 80
bits of chance, so ids made later sort later and nobody can guess one. Time and chance are arguments.

>>> redemption = new_id("rdm", at=1_700_000_000_000_000, chance=bytes(10))
>>> redemption
'rdm_01HF7YAT000000000000000000'
>>> is_id("rdm", redemption), is_id("crd", redemption), is_id("rdm", "rdm_1")
(True, False, False)
>>> made_at(redemption), made_at("rdm_1")
(1700000000000000, None)
"""

from __future__ import annotations

import re
from typing import NewType

PartnerId = NewType("PartnerId", str)
SellerId = NewType("SellerId", str)
AgentId = NewType("AgentId", str)
ContractId = NewType("ContractId", str)
KeyId = NewType("KeyId", str)
DeviceId = NewType("DeviceId", str)
OfficerId = NewType("OfficerId", str)
ProposalId = NewType("ProposalId", str)
RedemptionId = NewType("RedemptionId", str)
CardId = NewType("CardId", str)

PREFIXES = {
    "ptn": "partner",
    "slr": "seller",
    "agt": "agent",
    "ctr": "contract",
    "key": "signing key",
    "dev": "device",
    "ofc": "officer",
    "prp": "proposal",
    "rdm": "redemption",
    "crd": "card",
    "stp": "step-up",
    "whk": "webhook",
    "idn": "identity, by a pseudonym",
    "pye": "payee account, by a pseudonym",
    "wrt": "warrant",
    "rcp": "recipient",
    "exp": "export",
    "pap": "paper",
    "num": "phone number, by a pseudonym",
    "req": "subject request",
    "npf": "number proof",
}
CHANCE_BYTES = 10

_TIME_CHARACTERS = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TWO_DIGITS = [a + b for a in _ALPHABET for b in _ALPHABET]
_FORM = re.compile(rf"({'|'.join(PREFIXES)})_[0-7][{_ALPHABET}]{{25}}")


def new_id(prefix: str, *, at: int, chance: bytes) -> str:
    """Makes an id from an instant in microseconds and ten random bytes."""
    assert prefix in PREFIXES, prefix
    assert len(chance) == CHANCE_BYTES
    number = (at // 1000) << 80 | int.from_bytes(chance)
    # Ten bits at a time: ids are made on the hot path, and a table of pairs halves the work.
    return f"{prefix}_" + "".join([_TWO_DIGITS[number >> shift & 1023] for shift in range(120, -1, -10)])


def is_id(prefix: str, candidate: str) -> bool:
    """Whether the text has the form of an id of this kind. `fullmatch`, because `$` lets a newline through."""
    match = _FORM.fullmatch(candidate)
    return match is not None and match[1] == prefix


def made_at(candidate: str) -> int | None:
    """When an id was made, to the millisecond, in microseconds; None for a text that was not made here."""
    if _FORM.fullmatch(candidate) is None:
        return None
    milliseconds = 0
    for character in candidate.partition("_")[2][:_TIME_CHARACTERS]:
        milliseconds = milliseconds << 5 | _ALPHABET.index(character)
    return milliseconds * 1000
