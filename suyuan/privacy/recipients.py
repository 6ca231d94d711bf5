"""Who may be given personal data: named, reachable, under a contract that ends, with a key of their own.

Owns the table `recipient`. A recipient is entered by one officer and approved by another, and says what the law wants
to be known (个人信息保护法 2021, art. 23; 网络数据安全管理条例 2024, art. 12): who it is, how it is reached, on what it
rests, until when. At `ends_at` the contract is over, and nothing is given any more without anybody's doing.

`region` is the ISO 3166 code of where the data comes to lie. Everything but mainland China is abroad, Hong Kong, Macao
and Taiwan too, and then `transfer_basis` says which of the law's ways the transfer takes (arts. 38 and 40). A court
or an authority abroad is no recipient at all (art. 41).

>>> is_abroad("CN"), is_abroad("HK"), is_abroad("DE")
(False, True, True)
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import psycopg
from psycopg.rows import TupleRow

TABLE = "recipient"
HOME = "CN"


class Role(StrEnum):
    """What a recipient is to the platform; an export's purpose fits some roles only."""

    PARTNER = "partner"
    REGULATOR = "regulator"
    AUTHORITY = "authority"  # A court, the police, a procuratorate.
    AUDITOR = "auditor"
    PROCESSOR = "processor"


OF_THE_STATE = frozenset({Role.REGULATOR, Role.AUTHORITY})


class TransferBasis(StrEnum):
    """By which of the law's ways data goes abroad, each with the number of its document."""

    NONE = "none"
    STANDARD_CONTRACT = "standard_contract"
    CERTIFICATION = "certification"
    ASSESSMENT = "assessment"


class Recipient(msgspec.Struct, gc=False):
    """Somebody who may be given exports. `partner` is whose sellers' data it is, where the recipient is a partner."""

    id: str
    name: str
    contact: str
    region: str
    role: str
    partner: str
    age_key: str
    transfer_basis: str
    transfer_document: str
    requested_by: str
    approved_by: str
    begins_at: int
    ends_at: int


def is_abroad(region: str) -> bool:
    """Whether what lies there has left mainland China."""
    return region != HOME


def newest(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[Recipient]:
    """The recipients, those whose contract ends last first."""
    return [Recipient(*row) for row in connection.execute(_NEWEST, (rows_max,)).fetchall()]


def find(connection: psycopg.Connection[TupleRow], recipient: str) -> Recipient | None:
    """One recipient."""
    row = connection.execute(_ONE, (recipient,)).fetchone()
    return None if row is None else Recipient(*row)


_COLUMNS = ", ".join(Recipient.__struct_fields__)
_NEWEST = f"SELECT {_COLUMNS} FROM recipient ORDER BY ends_at DESC, id LIMIT %s"
_ONE = f"SELECT {_COLUMNS} FROM recipient WHERE id = %s"
