"""What stands in an export's file: CSV in UTF-8, a line a seller or a line a redemption, and nothing that says more.

The file opens with a byte order mark, so that spreadsheets read the Chinese, and with one line of headings in both
languages. Sellers stand under the recipient's own pseudonyms. Sealed fields are opened under the authority of the
export's read, a page of sellers at a time, so the plain content of a page is all that is ever in memory. A cell that
opens like a formula is made harmless. Lines and instants carry the export's marks (`privacy.marks`), and lists of
sellers its canaries (`privacy.canary`): none where the file tells of trade, since an invented amount would falsify
the account, and none for an authority of the state, to whom nothing invented may be told.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.wire import harmless_cell
from suyuan.flows.open_fields import keys_of, shown, texts_of
from suyuan.privacy.authority import Authority
from suyuan.privacy.canary import Canaries, Canary
from suyuan.privacy.disclosure import ItemClass
from suyuan.privacy.exports import Column, pseudonym
from suyuan.privacy.marks import Marker, mark_key
from suyuan.privacy.purposes import SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE, Field
from suyuan.privacy.vault import Vault
from suyuan.settle.exported import Traded, TradedOnce, sellers_of, traded, trades
from suyuan.settle.redemption import PUBLIC_STATES

PAGE_SELLERS = 500

Connection = psycopg.AsyncConnection[TupleRow]


class TooManyRows(Exception):
    """Raised when there is more to write than was approved; what was written is worth nothing."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was approved: the columns of these sellers, for this recipient, and at most so many lines."""

    export: str
    recipient: str
    columns: tuple[Column, ...]
    subjects: tuple[str, ...]
    closed: frozenset[str]  # Those of the sellers who were to be forgotten since; they are left out.
    rows_max: int
    takes_canaries: bool

    @property
    def is_of_redemptions(self) -> bool:
        """Whether each line is one redemption."""
        return any(column.is_of_redemption for column in self.columns)

    @property
    def tells_of_trade(self) -> bool:
        """Whether anything in it is an amount or a number of redemptions."""
        return any(column.item_class is ItemClass.TRADE for column in self.columns)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The sealed fields that have to be opened for it."""
        return tuple(column.field for column in self.columns if column.field is not None)


class _Line(NamedTuple):
    """Everything that one line may tell. `subject` is whom its marks belong to, a seller or a canary."""

    subject: str
    registered_at: int
    opened: Mapping[str, str | None]
    sums: Traded
    trade: TradedOnce | None


@dataclass(slots=True)
class ExportWriter:
    """Writes the lines of one export, page by page. `rows` and `not_opened` count what was written so far."""

    sheet: Sheet
    vault: Vault
    connection: Connection
    authority: Authority
    now: Callable[[], int]
    rows: int = 0
    not_opened: int = 0  # Cells that are empty because their key is gone or broken.
    _marker: Marker = field(init=False)
    _canaries: dict[str, Canary] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """The marks, and who is invented, follow from the export alone, so a file made again is the same file."""
        key = mark_key(self.vault)
        self._marker = Marker(key, self.sheet.export)
        if self.sheet.takes_canaries and not self.sheet.tells_of_trade:
            invented = Canaries(key, self.sheet.export).among(self.sheet.subjects)
            self._canaries = {canary.subject: canary for canary in invented}

    async def pages(self) -> AsyncIterator[bytes]:
        """The file's plain content. Raises `TooManyRows`, `NoAuthority`."""
        sums, lines = await self._traded()
        yield "\ufeff".encode() + _csv([[f"{column.en} {column.zh}" for column in self.sheet.columns]])
        named = [subject for subject in self.sheet.subjects if subject not in self.sheet.closed]
        ordered = self._marker.order([*named, *self._canaries])
        for start in range(0, len(ordered), PAGE_SELLERS):
            page = [line async for line in self._lines(ordered[start : start + PAGE_SELLERS], sums, lines)]
            self.rows += len(page)
            yield _csv([[self._cell(column, line) for column in self.sheet.columns] for line in page])

    async def _traded(self) -> tuple[Mapping[str, Traded], Mapping[str, list[TradedOnce]]]:
        """The sums of all sellers, and their redemptions where each is a line; both hold nothing that is sealed."""
        sheet = self.sheet
        if not sheet.is_of_redemptions:
            return await traded(self.connection, sheet.subjects), {}
        found = await trades(self.connection, sheet.subjects, rows_max=sheet.rows_max + 1)
        if len(found) > sheet.rows_max:
            raise TooManyRows
        by_seller: dict[str, list[TradedOnce]] = {}
        for trade in found:
            by_seller.setdefault(trade.seller, []).append(trade)
        return await traded(self.connection, list(by_seller)), by_seller

    async def _lines(
        self, subjects: Sequence[str], sums: Mapping[str, Traded], by_seller: Mapping[str, list[TradedOnce]]
    ) -> AsyncIterator[_Line]:
        invented = [self._canaries[subject] for subject in subjects if subject in self._canaries]
        wanted = {*subjects, *(canary.like for canary in invented)}
        sellers = await sellers_of(self.connection, sorted(wanted))
        keys = await keys_of(self.vault, self.connection, subjects, self.sheet.fields)
        for subject in subjects:
            canary = self._canaries.get(subject)
            seller = sellers[subject if canary is None else canary.like]
            told = sums.get(subject, Traded(subject, redemptions=0, paid_fen_total=0))
            if canary is not None:
                yield _Line(subject, canary.at(seller.registered_at), self._shown_of(canary), told, None)
                continue
            texts = texts_of(seller, self.sheet.fields)
            opened = shown(self.vault, subject, texts, keys, authority=self.authority, now=self.now())
            self.not_opened += list(opened.values()).count(None)
            if not self.sheet.is_of_redemptions:
                yield _Line(subject, seller.registered_at, opened, told, None)
            for trade in by_seller.get(subject, ()):
                yield _Line(subject, seller.registered_at, opened, told, trade)

    def _shown_of(self, canary: Canary) -> dict[str, str | None]:
        """A canary's fields, as those of a person would be shown."""
        plain = {SELLER_NAME: canary.name, SELLER_NUMBER: canary.number, SELLER_PAYEE: canary.payee}
        is_whole = self.authority.purpose.shows_whole
        return {one.name: text if is_whole else one.mask(text) for one, text in plain.items()}

    def _cell(self, column: Column, line: _Line) -> str | int:
        if column.field is not None:
            return harmless_cell(line.opened[column.field.name] or "")
        trade, instant = line.trade, self._marker.instant
        match column.name:
            case "seller":
                return pseudonym(self.vault, self.sheet.recipient, line.subject)
            case "registered_at":
                return instant(line.subject, line.registered_at)
            case "redemptions":
                return line.sums.redemptions
            case "paid_fen_total":
                return line.sums.paid_fen_total
        assert trade is not None, "a column of redemptions stands in lines of redemptions"
        match column.name:
            case "taken_at":
                return instant(line.subject, trade.taken_at)
            case "state":
                return PUBLIC_STATES.get(trade.state, trade.state)
            case name:
                told: str | int = getattr(trade, name)
                return told


def _csv(rows: Iterable[Sequence[str | int]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
