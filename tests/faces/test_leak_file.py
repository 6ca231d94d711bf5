"""Leaked lists as they are found: in any encoding, with any columns, torn, doubled, hostile or empty."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.faces.csv_rows import Broken
from suyuan.faces.leak_file import COLUMNS, FILE_BYTES_MAX, SENTENCES, Leak, read_leak, text_of
from suyuan.flows.attribute_leak import LeakedCells

HEADINGS = [
    ["姓名", "手机号", "注册时间"],
    ["Name", "PHONE", "Registered_At"],
    ["name 姓名", "number 手机号码", "registered at 登记时间"],
]
ROW = LeakedCells(2, name="王**", number="138****0001", registered_at="2026-11-22 12:00:00.25")


def read(text: str, encoding: str = "") -> Leak | Broken:
    return read_leak(text.encode(), encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("heading", HEADINGS)
def test_what_circulates_is_read(encoding: str, separator: str, heading: list[str]) -> None:
    """Headings in Chinese, in English, or in both as our own exports have them."""
    lines = [heading, ["王**", "138****0001", "2026-11-22 12:00:00.25"]]
    text = "\r\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    assert read_leak(text.encode(encoding)) == Leak((ROW,), ())


def test_columns_that_nobody_knows_are_passed_over() -> None:
    text = "备注,手机号,姓名,price,注册时间\n好,138****0001,王**,3,2026-11-22 12:00:00.25\n"
    assert read(text) == Leak((ROW,), ())


def test_several_columns_may_hold_instants() -> None:
    found = read("seller,taken_at,paid_at\nslr_1,1,2\n")
    assert found == Leak((LeakedCells(2, seller="slr_1", instants=("1", "2")),), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Broken("file_is_empty", 1)),
        ("\n \n", Broken("file_is_empty", 1)),
        ("姓名,手机号\n", Broken("file_is_empty", 1)),
        ("13800000001,王芳\n13800000002,李雷\n", Broken("no_column_is_known", 1)),
        ("姓名,手机号,name\n王,1,王\n", Broken("column_is_doubled", 1, 3)),
        ('姓名,手机号\n王,1\n"李,2\n', Broken("row_is_not_csv", 3)),
        ('姓名,手机号\n王,"1"2\n', Broken("row_is_not_csv", 2)),
    ],
)
def test_a_file_that_cannot_be_read_says_where(text: str, expected: Broken) -> None:
    assert read(text) == expected


def test_a_torn_byte_is_named_by_line_and_column() -> None:
    assert read_leak("姓名,手机号\n王,1\n李,".encode() + b"\xe5\xff,3") == Broken("text_is_not_readable", 3, 2)
    assert read_leak(b"name,number\na,\xff\xff\xff", "ascii") == Broken("text_is_not_readable", 2, 2)


def test_a_file_that_is_too_large_is_not_read() -> None:
    assert read_leak(b"\0" * (FILE_BYTES_MAX + 1)) == Broken("file_is_too_large", 1)


def test_ragged_rows_are_left_out_and_told() -> None:
    found = read("姓名,手机号\n王,1\n李,2,3\n\n赵\n钱,4\n")
    assert isinstance(found, Leak)
    assert [(row.line, row.name) for row in found.cells] == [(2, "王"), (6, "钱")]
    assert [broken.line for broken in found.left_out] == [3, 5]
    assert text_of(found, "a.csv", "zh").splitlines()[0].startswith("a.csv，第 3 行：")


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_it(content: bytes) -> None:
    """And what is said of a broken file shows nothing of what stands in it."""
    found = read_leak(content)
    if isinstance(found, Broken):
        told = text_of(found, "f", "en")
        assert told.partition(": ")[2] == SENTENCES[found.code][0]


def test_every_sentence_says_what_to_do_in_both_languages() -> None:
    for english, chinese in SENTENCES.values():
        assert english.endswith(".")
        assert re.search(r"[,;]", english)
        assert re.search(r"[\u4e00-\u9fff].*，.*。$", chinese)


def test_every_column_goes_somewhere() -> None:
    assert {*COLUMNS.values()} == {*LeakedCells._fields} - {"line"}
