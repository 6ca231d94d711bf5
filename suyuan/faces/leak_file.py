"""Reading a leaked list: CSV in whatever state it was found, its columns named in Chinese, English or both.

Columns that nobody here knows are passed over, since a list may have gone through many hands; one known column is
enough. What cannot be read is named by file, line and column, and never repeats what stands there. A row with more or
fewer cells than the first line is left out and told, because nobody can say which cell is which.

>>> leak = read_leak("手机号,姓名,注册时间,备注\\n138****0001,王**,2026-11-22 12:00:00.25,x\\n1,2\\n".encode())
>>> leak.cells[0].number, leak.cells[0].registered_at, leak.left_out
('138****0001', '2026-11-22 12:00:00.25', (Broken(code='row_has_other_columns', line=3, column=0),))
>>> text_of(read_leak(b"a,b\\n1,2\\n"), "leak.csv", "en")
'leak.csv, line 1: No column is known; the first line has to name them, such as seller, name, number, registered_at.'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from suyuan.base.refusals import Language
from suyuan.faces.csv_rows import Broken, Row, decode, rows
from suyuan.flows.attribute_leak import LeakedCells
from suyuan.privacy.leaked import plain

FILE_BYTES_MAX = 256 * 1024 * 1024

_NAMES = {
    "seller": "seller pseudonym sellerid subject 卖卡人 假名 卖卡人编号 编号 用户编号",
    "redemption": "redemption redemptionid 兑换编号 兑换 订单编号",
    "name": "name fullname 姓名 名字 真实姓名",
    "number": "number phone mobile phonenumber 手机号 手机号码 手机 电话 电话号码 号码",
    "identity_number": "identitynumber idnumber 身份证 身份证号 身份证号码 证件号 证件号码",
    "payee": "payee payeeaccount account 收款账户 收款账号 账户 账号",
    "registered_at": "registeredat registered registrationtime 登记时间 注册时间",
    "instants": "takenat paidat boundat at time 受理时间 付款时间 时间 交易时间 绑定时间",
}
COLUMNS = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()}
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_NO_LETTERS = re.compile(r"[\W_]+")

# fmt: off
SENTENCES: dict[str, tuple[str, str]] = {
    "file_is_too_large": ("The file is larger than 256 MiB; split it, and take the parts one by one.",
        "文件超过 256 MiB，请拆分后逐个分析。"),
    "file_is_empty": ("The file holds no rows; its first line names the columns, each further line is one row.",
        "文件中没有数据行，首行应为列名，其后每行一条。"),
    "text_is_not_readable": ("This byte is not text in the file's encoding; name the encoding with --encoding.",
        "此处字节不符合文件编码，请用 --encoding 指明编码。"),
    "row_is_not_csv": ("This line cannot be read as CSV; a quotation mark is open or in the wrong place.",
        "此行不是有效的 CSV，引号未闭合或位置不对。"),
    "no_column_is_known": (
        "No column is known; the first line has to name them, such as seller, name, number, registered_at.",
        "没有可识别的列，首行应写明列名：卖卡人、姓名、手机号、登记时间、兑换编号等。"),
    "column_is_doubled": ("Two columns say the same thing; rename the one that is not meant.",
        "两列含义相同，请将不需要的一列改名。"),
    "row_has_other_columns": ("This row has more or fewer cells than the first line, so it is left out.",
        "此行的单元格数与首行不符，未计入分析。"),
}
# fmt: on


class Leak(NamedTuple):
    """What a file holds: its rows, and those that were left out."""

    cells: tuple[LeakedCells, ...]
    left_out: tuple[Broken, ...]


def read_leak(content: bytes, encoding: str = "") -> Leak | Broken:
    """The rows of a leaked list. Never raises for anything that a file may hold."""
    text = decode(content, encoding, bytes_max=FILE_BYTES_MAX)
    if isinstance(text, Broken):
        return text
    found = rows(text)
    header = next(found, Broken("file_is_empty", line=1))
    if isinstance(header, Broken):
        return header
    columns = _columns(header)
    return columns if isinstance(columns, Broken) else _read(found, columns, header)


def text_of(broken: Leak | Broken, file: str, language: Language) -> str:
    """What is wrong with a file, and where, for people; nothing for a file that was read."""
    if isinstance(broken, Leak):
        return "\n".join(text_of(it, file, language) for it in broken.left_out)
    english, chinese = SENTENCES[broken.code]
    if language == "en":
        place = f", column {broken.column}" if broken.column else ""
        return f"{file}, line {broken.line}{place}: {english}"
    place = f"第 {broken.column} 列" if broken.column else ""
    return f"{file}，第 {broken.line} 行{place}：{chinese}"


def _columns(header: Row) -> Mapping[int, str] | Broken:
    columns: dict[int, str] = {}
    for place, spelling in enumerate(header.cells):
        name = _column(spelling)
        if name and name != "instants" and name in columns.values():
            return Broken("column_is_doubled", header.line, place + 1)
        if name:
            columns[place] = name
    return columns or Broken("no_column_is_known", header.line)


def _column(spelling: str) -> str:
    """What a heading names: one word, or the same thing in both languages, as our own exports head their columns."""
    text = plain(spelling).lower()
    words = {_NO_LETTERS.sub("", part) for part in (text, _CHINESE.sub("", text), "".join(_CHINESE.findall(text)))}
    names = {COLUMNS[word] for word in words if word in COLUMNS}
    return names.pop() if len(names) == 1 else ""


def _read(found: Iterator[Row | Broken], columns: Mapping[int, str], header: Row) -> Leak | Broken:
    cells, left_out = [], []
    for row in found:
        if isinstance(row, Broken):
            return row
        if len(row.cells) == len(header.cells):
            cells.append(_cells(row, columns))
        else:
            left_out.append(Broken("row_has_other_columns", row.line))
    return Leak(tuple(cells), tuple(left_out)) if cells else Broken("file_is_empty", header.line)


def _cells(row: Row, columns: Mapping[int, str]) -> LeakedCells:
    named = {name: row.cells[place] for place, name in columns.items() if name != "instants"}
    instants = tuple(row.cells[place] for place, name in columns.items() if name == "instants")
    return LeakedCells(row.line, **named, instants=instants)
