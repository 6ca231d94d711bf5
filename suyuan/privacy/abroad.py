"""How many people's data has gone abroad since 1 January, and what the law asks for the next.

Owns two tables. `abroad_subject` holds one row a person, under the pseudonym of their identity (`privacy.pseudonyms`),
with the years in which their data last went abroad, so that a person who is sent twice, or registered twice, counts
once and nothing is gained by splitting. `abroad_count` holds how many they are this year.

促进和规范数据跨境流动规定 2024 (arts. 5, 7, 8), by the calendar year: below 100,000 people and no sensitive data,
nothing more is asked; below a million people and 10,000 with sensitive data, a standard contract or a certification;
beyond, the security assessment of the state. Finance, biometrics, identity and card secrets are sensitive
(个人信息保护法 2021, art. 28). Whoever has sensitive data abroad counts among all people too, which errs on the side
of asking for more.

>>> needed(people=99_999, sensitive=0), needed(people=100_000, sensitive=0), needed(people=1, sensitive=1)
(<Needed.NOTHING: 0>, <Needed.CONTRACT: 1>, <Needed.CONTRACT: 1>)
>>> needed(people=999_999, sensitive=9_999), needed(people=10**6, sensitive=0), needed(people=10**4, sensitive=10**4)
(<Needed.CONTRACT: 1>, <Needed.ASSESSMENT: 2>, <Needed.ASSESSMENT: 2>)
>>> is_enough(TransferBasis.CERTIFICATION, Needed.CONTRACT), is_enough(TransferBasis.CERTIFICATION, Needed.ASSESSMENT)
(True, False)
"""

from __future__ import annotations

from enum import IntEnum

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.privacy.classes import Privacy
from suyuan.privacy.recipients import TransferBasis

TABLE = "abroad_subject"
COUNT_TABLE = "abroad_count"
ABROAD = "abroad"
NEVER = 0

CONTRACT_FROM_PEOPLE = 100_000
ASSESSMENT_FROM_PEOPLE = 1_000_000
ASSESSMENT_FROM_SENSITIVE = 10_000
SENSITIVE = frozenset({Privacy.FINANCE, Privacy.BIOMETRIC, Privacy.IDENTITY, Privacy.CARD_SECRET})


class Needed(IntEnum):
    """What a transfer needs, from nothing to the most."""

    NOTHING = 0
    CONTRACT = 1
    ASSESSMENT = 2


_GIVES = {
    TransferBasis.NONE: Needed.NOTHING,
    TransferBasis.STANDARD_CONTRACT: Needed.CONTRACT,
    TransferBasis.CERTIFICATION: Needed.CONTRACT,
    TransferBasis.ASSESSMENT: Needed.ASSESSMENT,
}


class AbroadSubject(msgspec.Struct, gc=False):
    """In which year a person's data last went abroad, and last with sensitive data; `NEVER` for not yet."""

    id: str
    year: int
    sensitive_year: int


class AbroadCount(msgspec.Struct, gc=False):
    """How many different people that were in a year."""

    id: str
    year: int
    people: int
    sensitive: int


def needed(*, people: int, sensitive: int) -> Needed:
    """What it needs to have so many people's data abroad by the end of this transfer."""
    if people >= ASSESSMENT_FROM_PEOPLE or sensitive >= ASSESSMENT_FROM_SENSITIVE:
        return Needed.ASSESSMENT
    return Needed.CONTRACT if people >= CONTRACT_FROM_PEOPLE or sensitive else Needed.NOTHING


def is_enough(basis: TransferBasis, need: Needed) -> bool:
    """Whether a recipient's transfer basis gives what is needed."""
    return _GIVES[basis] >= need


def count_of(connection: psycopg.Connection[TupleRow]) -> AbroadCount:
    """How many people's data went abroad in the last year in which any did."""
    row = connection.execute("SELECT id, year, people, sensitive FROM abroad_count WHERE id = 'abroad'").fetchone()
    return AbroadCount(ABROAD, NEVER, 0, 0) if row is None else AbroadCount(*row)
