"""Rows of a CSV file as people's programs write it: in UTF-8, UTF-16 or GB18030, parted by comma, semicolon or tab.

Whatever is wrong is a code with its place, never an exception and never what stands there: any cell may be a PIN or
somebody's number. What follows a place that cannot be read is not guessed at.

>>> list(rows('姓名,号码\\n"王芳",1\\n'))
[Row(line=1, cells=['姓名', '号码']), Row(line=2, cells=['王芳', '1'])]
>>> list(rows('a,b\\n"c,d\\n'))[-1]
Broken(code='row_is_not_csv', line=2, column=0)
>>> decode(b"a,b\\nc,\\xff", bytes_max=99), decode("姓名".encode("gb18030"), bytes_max=99)
(Broken(code='text_is_not_readable', line=2, column=2), '姓名')
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import NamedTuple


class Broken(NamedTuple):
    """Where a file cannot be read further, as a code. `column` counts from 1; 0 means the whole line."""

    code: str
    line: int
    column: int = 0


class Row(NamedTuple):
    """The cells of a row, and the line where it begins."""

    line: int
    cells: list[str]


def decode(content: bytes, encoding: str = "", *, bytes_max: int) -> str | Broken:
    """The text of a file, by its own marks where no encoding is named."""
    if len(content) > bytes_max:
        return Broken("file_is_too_large", line=1)
    if encoding:
        return _decode_as(content, encoding)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode_as(content, "utf-16")
    text = _decode_as(content, "utf-8-sig")
    if isinstance(text, str):
        return text
    first_line = content.partition(b"\n")[0]
    if content.startswith(codecs.BOM_UTF8) or (not first_line.isascii() and text.line > 1):
        # The first line is good UTF-8 and not only ASCII, so the file is UTF-8 and torn; GB18030 would read nonsense.
        return text
    chinese = _decode_as(content, "gb18030")
    return chinese if isinstance(chinese, str) else text


def _decode_as(content: bytes, encoding: str) -> str | Broken:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        return Broken("text_is_not_readable", before.count(b"\n") + 1, before.rpartition(b"\n")[2].count(b",") + 1)


def rows(text: str) -> Iterator[Row | Broken]:
    """Rows that are not blank, each with the line where it begins; what is broken ends them."""
    first_line = text.partition("\n")[0]
    separator = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            yield Broken("row_is_not_csv", line=line)
            return
        if cells is None:
            return
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield Row(line, stripped)
        line = reader.line_num + 1
