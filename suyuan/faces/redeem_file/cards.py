"""Reads a file of cards: CSV as people's programs write it, every flaw named by line and column, nothing guessed.

Format: the first line names the columns – `operator,serial,pin,face_yuan` (or `face_fen`), optionally `reference`, in
any order, in English or Chinese (`运营商,卡号,卡密,面值`) – and each further line is one card. Separated by commas,
semicolons or tabs; UTF-8 with or without a byte order mark, UTF-16 with one, or GB18030. Operators are `cmcc`,
`unicom`, `telecom`, or their Chinese names.

Invariants: a row is either a card in the form that its operator prints, or has at least one flaw; the same bytes give
the same rows; a card (operator and PIN) is a card once, and what repeats it is a flaw that names the first line.

>>> from suyuan.settle.card import load_formats
>>> content = "运营商,卡号,卡密,面值\\n移动,{},{},100\\n".format("1" * 17, "2" * 18).encode("gb18030")
>>> sheet = read_cards(content, load_formats("2026-11-22"))
>>> [(card.line, card.operator, card.masked_serial, card.face_fen) for card in sheet.cards], sheet.flaws
([(2, 'cmcc', '*************1111', 10000)], ())
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from suyuan.base.money import is_amount
from suyuan.base.refusals import Reason
from suyuan.faces.csv_rows import Broken, Row, decode, rows
from suyuan.faces.redeem_file.flaws import Flaw
from suyuan.settle.card import CardFormat, Formats

FILE_BYTES_MAX = 64 * 1024 * 1024
REFERENCE_LENGTH_MAX = 64
SHOWN_DIGITS = 4

_NAMES = {
    "operator": "operator 运营商 运营商代码",
    "serial": "serial 卡号 序列号 卡序列号",
    "pin": "pin 卡密 密码 充值密码",
    "face_yuan": "face_yuan 面值 面额 面值(元) 面值（元）",
    "face_fen": "face_fen 面值(分) 面值（分）",
    "reference": "reference 备注 参考 参考号 订单号",
}
COLUMNS = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()}
_NOT_TO_BE_ASKED_FOR = frozenset(
    {
        "payee", "payee_account", "account", "ratio", "value_kind", "kind", "channel", "merchant_id",
        "收款账户", "收款账号", "收款人", "比例", "兑换比例", "通道", "支付通道", "商户号",
    }
)  # fmt: skip
OPERATORS = {"移动": "cmcc", "中国移动": "cmcc", "联通": "unicom", "中国联通": "unicom"}
OPERATORS |= {"电信": "telecom", "中国电信": "telecom"}

_YUAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?")
_FEN = re.compile(r"[0-9]{1,12}")
_ROUNDED = re.compile(r"[0-9]+(\.[0-9]+)?[eE]\+?[0-9]+|[0-9]+\.0+")
_FORMULA_OPENS = ("=", "@", "+", "-")


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card to sell, and the line where it stands."""

    line: int
    operator: str
    serial: str
    pin: str = field(repr=False)
    face_fen: int
    reference: str = ""

    @property
    def masked_serial(self) -> str:
        """As much of the serial as recognises the card."""
        return mask(self.serial)


class Sheet(NamedTuple):
    """What a file holds: its cards in order, and everything that is wrong with it."""

    cards: tuple[CardRow, ...]
    flaws: tuple[Flaw, ...]


class _Layout(NamedTuple):
    """Which column is where (counted from 0), and between what they stand."""

    columns: Mapping[str, int]
    width: int


def mask(serial: str) -> str:
    """All but the last digits hidden."""
    return "*" * max(0, len(serial) - SHOWN_DIGITS) + serial[-SHOWN_DIGITS:]


def read_cards(content: bytes, formats: Formats, encoding: str = "") -> Sheet:
    """The cards of a file, and all its flaws. Never raises for anything that a file may hold."""
    text = decode(content, encoding, bytes_max=FILE_BYTES_MAX)
    if isinstance(text, Broken):
        return Sheet((), (Flaw(*text),))
    read_rows = rows(text)
    header = next(read_rows, Broken("file_is_empty", line=1))
    if isinstance(header, Broken):
        return Sheet((), (Flaw(*header),))
    layout = _layout(header)
    if not isinstance(layout, _Layout):
        return Sheet((), layout)
    cards, flaws = [], []
    for row in read_rows:
        read = [Flaw(*row)] if isinstance(row, Broken) else _read_row(row, layout, formats)
        if isinstance(read, CardRow):
            cards.append(read)
        else:
            flaws += read
    cards, doubled = _without_doubles(cards, layout)
    if not (cards or flaws or doubled):
        flaws = [Flaw("file_is_empty", line=header.line)]
    return Sheet(tuple(cards), tuple(sorted(flaws + doubled, key=lambda flaw: (flaw.line, flaw.column))))


# --- From rows to columns ---------------------------------------------------------------------------------------------


def _layout(header: Row) -> _Layout | tuple[Flaw, ...]:
    columns: dict[str, int] = {}
    flaws = []
    for place, spelling in enumerate(header.cells):
        name = COLUMNS.get(spelling.lower(), "")
        known_as = "face" if name.startswith("face") else name
        # The name of an unknown column is not repeated: without a header line it would be somebody's card.
        if spelling.lower() in _NOT_TO_BE_ASKED_FOR:
            flaws.append(Flaw("column_cannot_be_asked_for", header.line, place + 1, spelling.lower()))
        elif not name:
            flaws.append(Flaw("column_is_unknown", header.line, place + 1, "?"))
        elif known_as in {"face" if known.startswith("face") else known for known in columns}:
            flaws.append(Flaw("column_is_doubled", header.line, place + 1, name))
        else:
            columns[name] = place
    face = "face_fen" if "face_fen" in columns else "face_yuan"
    missing = [name for name in ("operator", "serial", "pin", face) if name not in columns]
    flaws += [Flaw("column_is_missing", header.line, 0, name) for name in missing]
    return tuple(flaws) or _Layout(columns, len(header.cells))


# --- From rows to cards -----------------------------------------------------------------------------------------------


def _read_row(row: Row, layout: _Layout, formats: Formats) -> CardRow | list[Flaw]:
    if len(row.cells) != layout.width:
        return [Flaw("row_has_other_columns", row.line)]
    cells = {name: row.cells[place] for name, place in layout.columns.items()}
    codes = {name: _refuse_cell(name, cell) for name, cell in cells.items()}
    operator = OPERATORS.get(cells["operator"], cells["operator"].lower())
    face = "face_fen" if "face_fen" in cells else "face_yuan"
    face_fen = _fen(cells[face], face)
    if not any(codes.values()):
        codes = _refuse_card(cells, formats.operators.get(operator), face, face_fen)
    flaws = [Flaw(code, row.line, layout.columns[name] + 1, name) for name, code in codes.items() if code]
    if flaws:
        return flaws
    assert face_fen is not None, "a face value that is no amount is a flaw"
    return CardRow(row.line, operator, cells["serial"], cells["pin"], face_fen, cells.get("reference", ""))


def _refuse_cell(name: str, cell: str) -> str:
    """What is wrong with a cell by itself, as a code; nothing when it may be what its column says."""
    if not cell:
        return "" if name == "reference" else "cell_is_empty"
    if not cell.isprintable():
        return "cell_has_hidden_characters"
    if cell.startswith(_FORMULA_OPENS):
        return "cell_is_a_formula"
    if name == "reference" and len(cell) > REFERENCE_LENGTH_MAX:
        return "cell_is_too_long"
    if name in ("serial", "pin") and _ROUNDED.fullmatch(cell):
        return "number_was_rounded"
    if name.startswith("face") and _fen(cell, name) is None:
        return "amount_is_malformed"
    return ""


def _refuse_card(cells: Mapping[str, str], form: CardFormat | None, face: str, face_fen: int | None) -> dict[str, str]:
    """What the operator's format says against a card, each cell by itself, so that all is told at once."""
    if form is None:
        return {"operator": Reason.card_kind_is_unknown.value}
    return {
        "serial": "" if _is_digits(cells["serial"], form.serial_digits) else Reason.card_serial_is_malformed.value,
        "pin": "" if _is_digits(cells["pin"], form.pin_digits) else Reason.card_pin_is_malformed.value,
        face: "" if face_fen in form.faces_fen else Reason.card_face_is_not_offered.value,
    }


def _is_digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()


def _fen(cell: str, name: str) -> int | None:
    """An amount, exactly; a float never sees it."""
    if name == "face_fen":
        fen = int(cell) if _FEN.fullmatch(cell) else 0
    else:
        found = _YUAN.fullmatch(cell)
        fen = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    return fen if is_amount(fen) else None


def _without_doubles(cards: list[CardRow], layout: _Layout) -> tuple[list[CardRow], list[Flaw]]:
    first_lines: dict[tuple[str, str], int] = {}
    doubled = []
    for card in cards:
        first = first_lines.setdefault((card.operator, card.pin), card.line)
        if first != card.line:
            doubled.append(Flaw("card_is_doubled", card.line, layout.columns["pin"] + 1, "pin", other_line=first))
    lines = {flaw.line for flaw in doubled}
    return [card for card in cards if card.line not in lines], doubled
