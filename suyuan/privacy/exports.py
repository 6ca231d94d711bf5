"""Exports: the only way in which personal data leaves as a file, and the ledger of every one that did.

`COLUMNS` is the closed list of what an export may hold; there is no other, and no table is ever written out as it is.
A seller stands in it under a pseudonym that is made for one recipient, so two recipients who lay their files together
cannot join them. Sealed fields are masked unless the purpose rests on a duty to an authority of the state and shows
them whole. Each column says which kind of item it is (`disclosure`), and with a column of redemptions each line is
one redemption, else one seller.

Owns the table `export`: one row a job, from the approval on and for ever, which is the ledger that
网络数据安全管理条例 2024 (art. 12) wants kept for three years: to whom, on what basis, which columns, how many items,
when and by whom.
It moves `waiting` (for a third person) → `approved` → `made`, never back; a job that is not made within
`MAKE_WITHIN_S` of its approval is over.

>>> [column.name for column in columns_of(["seller", "payee"]) or ()], columns_of(["seller", "identity_number"])
(['seller', 'payee'], None)
>>> COLUMNS["payee"].item_class.value, COLUMNS["payee"].is_sensitive, COLUMNS["face_fen"].is_of_redemption
('property', True, True)
>>> is_for(SUPPLY_REGULATOR, Role.PARTNER), is_for(RECONCILE_PARTNER, Role.PARTNER)
(False, True)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S
from suyuan.base.db import Fetch
from suyuan.privacy.abroad import SENSITIVE
from suyuan.privacy.disclosure import ItemClass, item_class_of
from suyuan.privacy.purposes import (
    AUDIT_COMPLIANCE,
    EXPORT_PURPOSES,
    RECONCILE_PARTNER,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    SUPPLY_REGULATOR,
    Field,
    Purpose,
)
from suyuan.privacy.recipients import OF_THE_STATE, Role
from suyuan.privacy.vault import Vault

TABLE = "export"
MAKE_WITHIN_S = DAY_S
SUBJECTS_MAX = 5_000
ROWS_MAX = 50_000

WAITING, APPROVED, MADE = "waiting", "approved", "made"


class Risk(StrEnum):
    """How many have to agree: two, or three."""

    ORDINARY = "ordinary"
    ELEVATED = "elevated"


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of an export tells, and of which kind that is."""

    name: str
    en: str
    zh: str
    item_class: ItemClass
    purposes: tuple[Purpose, ...] = EXPORT_PURPOSES
    field: Field | None = None  # The sealed field that has to be opened for it.
    is_of_redemption: bool = False

    @property
    def is_sensitive(self) -> bool:
        """Whether the law asks for more before it goes abroad."""
        return self.field is not None and self.field.key_class in SENSITIVE


def _opened(name: str, en: str, zh: str, field: Field) -> Column:
    purposes = tuple(purpose for purpose in EXPORT_PURPOSES if purpose in field.purposes)
    return Column(name, en, zh, item_class_of(field.key_class), purposes, field)


def _traded(name: str, en: str, zh: str, purposes: tuple[Purpose, ...] = EXPORT_PURPOSES) -> Column:
    return Column(name, en, zh, ItemClass.TRADE, purposes, is_of_redemption=True)


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("seller", "seller", "卖卡人", ItemClass.OTHER),
        Column("registered_at", "registered at", "登记时间", ItemClass.OTHER),
        _opened("name", "name", "姓名", SELLER_NAME),
        _opened("number", "number", "手机号码", SELLER_NUMBER),
        _opened("payee", "payee account", "收款账户", SELLER_PAYEE),
        Column("redemptions", "redemptions", "兑换笔数", ItemClass.TRADE),
        Column("paid_fen_total", "paid in all (fen)", "付款合计（分）", ItemClass.TRADE),
        # Its own id tells a partner which of its orders this was; to anybody else it would join two files.
        _traded("redemption", "redemption", "兑换编号", (RECONCILE_PARTNER,)),
        _traded("face_fen", "face value (fen)", "面值（分）"),
        _traded("paid", "paid", "付款"),
        _traded("value_kind", "kind of value", "价值种类"),
        _traded("state", "state", "状态"),
        _traded("taken_at", "taken at", "受理时间"),
    )
}

_FOR: Mapping[str, frozenset[Role]] = {
    SUPPLY_REGULATOR.id: OF_THE_STATE,
    RECONCILE_PARTNER.id: frozenset({Role.PARTNER, Role.PROCESSOR}),
    AUDIT_COMPLIANCE.id: frozenset({Role.AUDITOR}),
}


class Export(msgspec.Struct, gc=False):
    """One job and what became of it. Columns and ids are joined by spaces; instants are micros."""

    id: str
    proposal: str
    purpose: str
    basis: str
    recipient: str
    region: str
    columns: str
    rows_max: int
    use_until: int
    requested_by: str
    approved_by: str
    risk: str
    state: str
    agreed_by: str | None
    subjects: int
    left_out: str
    property_items: int
    trade_items: int
    other_items: int
    read_seq: int
    decided_at: int
    expires_at: int
    begun: int
    made_at: int | None
    rows: int
    sha256: str


CHANGING = Export.__struct_fields__[Export.__struct_fields__.index("state") :]


def columns_of(names: Iterable[str]) -> tuple[Column, ...] | None:
    """The columns with these names; None where one of them does not exist."""
    found = [COLUMNS.get(name) for name in names]
    return None if None in found else tuple(column for column in found if column is not None)


def pseudonym(vault: Vault, recipient: str, seller: str) -> str:
    """What a seller is called in the exports of one recipient; nobody without the platform's key finds the seller."""
    return "psn_" + vault.index(seller, purpose=f"export/{recipient}")


def is_for(purpose: Purpose, role: str) -> bool:
    """Whether a recipient of this role may be given anything for this purpose."""
    return role in _FOR.get(purpose.id, frozenset())


async def recipients_of(fetch: Fetch, exports: Iterable[str]) -> dict[str, str]:
    """To whom each of these jobs goes. `fetch` is `base.db.ReadPool.fetch`."""
    return {str(row[0]): str(row[1]) for row in await fetch(_RECIPIENTS, [list(exports)])}


def newest(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[Export]:
    """The ledger, the newest first."""
    return [Export(*row) for row in connection.execute(_NEWEST, (rows_max,)).fetchall()]


def find(connection: psycopg.Connection[TupleRow], export: str) -> Export | None:
    """One job."""
    row = connection.execute(_ONE, (export,)).fetchone()
    return None if row is None else Export(*row)


def of_proposal(connection: psycopg.Connection[TupleRow], proposal: str) -> Export | None:
    """The job that a proposal became, if it is one."""
    row = connection.execute(_PROPOSED, (proposal,)).fetchone()
    return None if row is None else Export(*row)


_COLUMNS = ", ".join(Export.__struct_fields__)
_RECIPIENTS = "SELECT id, recipient FROM export WHERE id = ANY(%s)"
_NEWEST = f"SELECT {_COLUMNS} FROM export ORDER BY decided_at DESC, id LIMIT %s"
_PROPOSED = f"SELECT {_COLUMNS} FROM export WHERE proposal = %s"
_ONE = f"SELECT {_COLUMNS} FROM export WHERE id = %s"
