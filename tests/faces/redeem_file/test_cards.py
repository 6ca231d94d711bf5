"""Files of cards as people's programs write them: good ones are read, every flaw is named by line and column."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from suyuan.base.refusals import Reason
from suyuan.faces.redeem_file import flaws as flaw_texts
from suyuan.faces.redeem_file.cards import CardRow, Sheet, read_cards
from suyuan.settle.card import load_formats

FORMATS = load_formats("2026-11-22")
SERIAL, PIN = "1" * 17, "2" * 18
HEAD = "operator,serial,pin,face_yuan\n"
ROW = f"cmcc,{SERIAL},{PIN},100\n"
CARD = CardRow(2, "cmcc", SERIAL, PIN, 100_00)


def read(text: str | bytes, encoding: str = "") -> Sheet:
    return read_cards(text.encode() if isinstance(text, str) else text, FORMATS, encoding)


def named(text: str | bytes, encoding: str = "") -> list[tuple[str, int, int]]:
    sheet = read(text, encoding)
    return [(flaw.code, flaw.line, flaw.column) for flaw in sheet.flaws]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_programs_write_is_read(encoding: str, separator: str, end: str) -> None:
    lines = [["运营商", "卡号", "卡密", "面值", "备注"], ["中国移动", SERIAL, PIN, "100.00", "张三的卡"]]
    text = end.join(separator.join(line) for line in lines) + end
    assert read(text.encode(encoding)) == Sheet((CardRow(2, "cmcc", SERIAL, PIN, 100_00, "张三的卡"),), ())


@pytest.mark.parametrize(
    ("text", "card"),
    [
        (HEAD + ROW, CARD),
        ("\n\n" + HEAD + "\n" + ROW, CardRow(5, "cmcc", SERIAL, PIN, 100_00)),
        (f"PIN,Serial,face_fen,OPERATOR\n{PIN},{SERIAL},10000,CMCC", CARD),
        (HEAD + f" cmcc , {SERIAL} ,{PIN}\t,100", CARD),
        (HEAD + f'cmcc,"{SERIAL}","{PIN}","100"\r\n', CARD),
        (f"卡密,卡号,面值（元）,运营商\n{PIN},{SERIAL},100.0,移动", CARD),
    ],
)
def test_order_case_blanks_and_quotes_do_not_matter(text: str, card: CardRow) -> None:
    assert read(text) == Sheet((card,), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("file_is_empty", 1, 0)]),
        ("\n \n", [("file_is_empty", 1, 0)]),
        (HEAD, [("file_is_empty", 1, 0)]),
        ("operator,serial,pin\n" + ROW, [("column_is_missing", 1, 0)]),
        ("operator,serial,pin,face_yuan,face_fen\n", [("column_is_doubled", 1, 5)]),
        ("operator,卡号,serial,pin,face_yuan\n", [("column_is_doubled", 1, 3)]),
        ("operator,serial,pin,face_yuan,colour\n", [("column_is_unknown", 1, 5)]),
        ("operator,serial,pin,face_yuan,payee\n", [("column_cannot_be_asked_for", 1, 5)]),
        (HEAD + ROW + "cmcc,1\n", [("row_has_other_columns", 3, 0)]),
        (HEAD + f"cmcc,,{PIN},100\n", [("cell_is_empty", 2, 2)]),
        (HEAD + f"cmcc,{SERIAL},{PIN}\0,100\n", [("cell_has_hidden_characters", 2, 3)]),
        (HEAD + f"cmcc,{SERIAL}\u200b,{PIN},100\n", [("cell_has_hidden_characters", 2, 2)]),
        (HEAD + f"cmcc,=1+1,{PIN},100\n", [("cell_is_a_formula", 2, 2)]),
        (HEAD + f"cmcc,1.23457E+16,{PIN},100\n", [("number_was_rounded", 2, 2)]),
        (HEAD + f"cmcc,{SERIAL},{PIN},1e2\n", [("amount_is_malformed", 2, 4)]),
        (HEAD + f"cmcc,{SERIAL},{PIN},0\n", [("amount_is_malformed", 2, 4)]),
        (HEAD + f"cmcc,{SERIAL},{PIN},100.001\n", [("amount_is_malformed", 2, 4)]),
        (HEAD + f"cmcc,{SERIAL},{PIN},１００\n", [("amount_is_malformed", 2, 4)]),
        (HEAD + f"cmcc,{SERIAL},{PIN},40\n", [(Reason.card_face_is_not_offered, 2, 4)]),
        (HEAD + f"telia,{SERIAL},{PIN},100\n", [(Reason.card_kind_is_unknown, 2, 1)]),
        (
            HEAD + f"cmcc,{SERIAL}1,{PIN}x,7\n",
            [
                (Reason.card_serial_is_malformed, 2, 2),
                (Reason.card_pin_is_malformed, 2, 3),
                (Reason.card_face_is_not_offered, 2, 4),
            ],
        ),
        (HEAD + ROW + ROW, [("card_is_doubled", 3, 3)]),
        (HEAD + ROW + f'cmcc,"{SERIAL},{PIN},100\n' + ROW, [("row_is_not_csv", 3, 0)]),
        (HEAD + f'cmcc,"{SERIAL}"1,{PIN},100\n', [("row_is_not_csv", 2, 0)]),
        (HEAD + "x" * 200_000 + "\n", [("row_is_not_csv", 2, 0)]),
    ],
)
def test_each_flaw_is_named_where_it_is(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert named(text) == expected


def test_all_flaws_are_told_at_once() -> None:
    """A thousand cards, three of them bad: the user hears of three lines, and 997 cards are ready."""
    rows = [f"cmcc,{SERIAL},{number:018},100\n" for number in range(1000)]
    rows[10], rows[20], rows[30] = rows[0], "?,?,?,?\n", ",,,\n" + rows[30]
    sheet = read(HEAD + "".join(rows))
    assert [(flaw.code, flaw.line) for flaw in sheet.flaws] == [("card_is_doubled", 12), ("amount_is_malformed", 22)]
    assert sheet.flaws[0].other_line == 2
    assert "line 2" in sheet.flaws[0].sentence()
    assert len(sheet.cards) == 998


def test_a_torn_byte_is_named_and_not_read_as_chinese() -> None:
    """One byte lost in a UTF-8 file: GB18030 would read on, and read nonsense."""
    good = f"运营商,卡号,卡密,面值\n移动,{SERIAL},{PIN},100\n".encode()
    place = good.index("移".encode())
    assert named(good[:place] + good[place + 1 :]) == [("text_is_not_readable", 2, 1)]
    assert named(b"\xff" + good) == [("text_is_not_readable", 1, 1)]


def test_the_encoding_that_is_named_is_taken() -> None:
    assert named((HEAD + ROW).encode("utf-16-le"), "utf-16-le") == []
    assert named("运营商".encode("gb18030"), "utf-8") == [("text_is_not_readable", 1, 1)]


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    assert named(bytes(64 * 1024 * 1024 + 1)) == [("file_is_too_large", 1, 0)]


def test_no_sentence_repeats_what_stands_in_the_file() -> None:
    """The columns are shifted by one, so the PIN stands where the serial should: no message shows it."""
    secret = "987654321987654321"
    texts = [
        HEAD + f"{secret},cmcc,{SERIAL},100\n", f"cmcc,{SERIAL},{secret},100\n", HEAD + f"cmcc,{secret},{secret}5,1\n",
    ]  # fmt: skip
    for text in texts:
        told = " ".join(flaw.text("f", language) for flaw in read(text).flaws for language in ("en", "zh"))
        assert told
        assert secret not in told
    assert secret not in repr(read(HEAD + f"cmcc,{SERIAL},{secret},100\n"))


def test_every_flaw_speaks_both_languages() -> None:
    for english, chinese in flaw_texts.SENTENCES.values():
        assert english.endswith(".")
        assert english.isascii()
        assert chinese.endswith("。")


CELLS = st.one_of(
    st.sampled_from(["cmcc", "移动", SERIAL, PIN, "100", "=1+1", '"', "\0", "1E+16", "", "\ufeff", "💳", "\ud7ff"]),
    st.text(max_size=6),
)
LINES = st.lists(CELLS, max_size=6).map(",".join)


@given(st.lists(LINES, max_size=6).map(lambda lines: HEAD + "\n".join(lines)))
def test_any_text_gives_cards_or_flaws_and_never_an_error(text: str) -> None:
    check_sheet(read(text.encode("utf-8", "surrogatepass")))


@given(st.binary(max_size=60), st.integers(0, 200))
@example(b"\xff\xfe", 0)
@example(b"\xef\xbb\xbf", 0)
def test_any_bytes_give_cards_or_flaws_and_never_an_error(noise: bytes, place: int) -> None:
    """Noise in the middle of a good file, torn there."""
    good = (HEAD + ROW).encode()
    for content in (noise, good[:place] + noise + good[place:], good[:place], good[:place] + noise):
        check_sheet(read(content))


def check_sheet(sheet: Sheet) -> None:
    """What is promised of every file."""
    assert sheet.cards or sheet.flaws
    for card in sheet.cards:
        assert FORMATS.check(card.operator, serial=card.serial, pin=card.pin, face_fen=card.face_fen) is None
    assert not {card.line for card in sheet.cards} & {flaw.line for flaw in sheet.flaws}
    assert len({(card.operator, card.pin) for card in sheet.cards}) == len(sheet.cards)
    for flaw in sheet.flaws:
        assert flaw.line >= 1
        assert flaw.text("cards.csv", "zh") != flaw.text("cards.csv", "en")


DIGITS = st.text("0123456789", min_size=17, max_size=17)


@given(st.lists(st.tuples(DIGITS, st.sampled_from([10, 50, 100, 500]), st.text(max_size=20)), max_size=8))
def test_what_is_written_is_read_back(cards: list[tuple[str, int, str]]) -> None:
    """Any reference, quoted by the standard library's writer; hidden characters alone are refused."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["operator", "serial", "pin", "face_yuan", "reference"])
    for place, (serial, face, reference) in enumerate(cards):
        writer.writerow(["cmcc", serial, f"{place}{serial}", face, reference])
    sheet = read(written.getvalue().encode("utf-8", "replace"))
    for card in sheet.cards:
        assert (card.serial, card.face_fen // 100) in {(serial, face) for serial, face, _ in cards}
    refused = {flaw.code for flaw in sheet.flaws}
    assert refused <= {"cell_has_hidden_characters", "cell_is_a_formula", "file_is_empty"}
    assert len(sheet.cards) + len({flaw.line for flaw in sheet.flaws}) == max(1, len(cards))
