"""Somebody else's table becomes rows by a mapping; whatever does not fit is said with its column and its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.base.clock import SECOND
from suyuan.risk.backtest.foreign import BadTable, ForeignRow, read_mapping, read_table
from suyuan.risk.row import ATTEMPT, BAD, id64

MAPPING = """
at = { column = "Time", unit = "s", origin = "2026-01-01" }

[columns]
seller = "Source"
payee = "Target"
face_fen = { column = "Amount", times = 100 }

[label]
column = "Labels"
bad = [1]
good = [0]
delay_s = 10
"""
BEGIN = 1_767_225_600 * SECOND


def read(folder: Path, table: str, mapping: str = MAPPING) -> list[ForeignRow]:
    file = folder / "trades.csv"
    file.write_text(table, "utf-8")
    return list(read_table(file, read_mapping(mapping)))


def test_columns_become_keys_and_amounts(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "Time,Source,Target,Amount,Labels\n5,S1,T1,13.74,0\n")
    assert one.row.at == BEGIN + 5 * SECOND
    assert (one.row.seller, one.row.payee, one.row.face_fen) == (id64("S1"), id64("T1"), 1374)
    assert (one.row.kind, one.row.taken, one.row.device, one.is_bad) == (ATTEMPT, 1, None, False)


def test_rows_come_in_the_order_of_time_and_equal_times_in_that_of_the_table(tmp_path: Path) -> None:
    rows = read(tmp_path, "Time,Source,Target,Amount,Labels\n9,S1,T,1,2\n5,S2,T,1,2\n5,S3,T,1,2\n")
    assert [one.row.seller for one in rows] == [id64("S2"), id64("S3"), id64("S1")]
    assert [one.row.at - BEGIN for one in rows] == [5 * SECOND, 5 * SECOND + 1, 9 * SECOND]
    assert [one.row.seq for one in rows] == [0, 1, 2]
    assert [one.is_bad for one in rows] == [None, None, None], "2 is neither good nor bad"


def test_what_was_bad_is_learnt_only_after_the_delay(tmp_path: Path) -> None:
    """An outcome stands between the attempts, where it was known; the last one, which nobody outlived, is not told."""
    table = "Time,Source,Target,Amount,Labels\n0,S1,T,1,1\n9,S2,T,1,0\n10,S3,T,1,0\n30,S4,T,1,1\n"
    rows = [one.row for one in read(tmp_path, table)]
    assert [row.kind for row in rows] == [ATTEMPT, ATTEMPT, BAD, ATTEMPT, ATTEMPT]
    learnt = rows[2]
    assert (learnt.seller, learnt.at, learnt.seq) == (id64("S1"), BEGIN + 10 * SECOND, 2)
    assert rows[3].at == BEGIN + 10 * SECOND + 1, "every row has an instant of its own"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("Time,Source,Target,Amount\n1,S,T,1\n", "has no column Labels"),
        ("Time,Source,Target,Amount,Labels\n1,S,T,-1,0\n", "row 1, column Amount: an amount is not negative"),
        ("Time,Source,Target,Amount,Labels\n1,S,T,1e30,0\n", "row 1, column Amount"),
        ("Time,Source,Target,Amount,Labels\n1,S,T,much,0\n", "row 1, column Amount: an amount is a number"),
        ("Time,Source,Target,Amount,Labels\n-1e12,S,T,1,0\n", "row 1, column Time: the time is before 1970"),
        ("Time,Source,Target,Amount,Labels\nsoon,S,T,1,0\n", "row 1, column Time: a time in s is a number"),
    ],
    ids=["no label", "negative", "huge", "text", "past", "no time"],
)
def test_a_table_that_does_not_fit_is_refused_by_column_and_row(tmp_path: Path, table: str, says: str) -> None:
    with pytest.raises(BadTable) as refused:
        read(tmp_path, table)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("", "at"),
        ("at = 5\n", "at"),
        ("at = {column = 't'}\n[columns]\nwhom = 'x'\n", "whom is no column of a row"),
        ("at = {column = 't'}\n[columns]\nhour = 'x'\n", "hour is no column of a row"),
        ("at = {column = 't', unit = 'weeks'}\n", "weeks"),
        ("[columns", "the mapping"),
    ],
    ids=["empty", "no time", "unknown", "follows", "unit", "torn"],
)
def test_a_mapping_that_makes_no_sense_is_refused(mapping: str, says: str) -> None:
    with pytest.raises(BadTable) as refused:
        read_mapping(mapping)
    assert says in str(refused.value)


def test_times_may_be_written_out(tmp_path: Path) -> None:
    mapping = "at = { column = 'when' }\n[columns]\nseller = 'who'\n"
    (one,) = read(tmp_path, "when,who\n2026-01-01T08:00:00+08:00,S1\n", mapping)
    assert (one.row.at, one.is_bad) == (BEGIN, None)


def test_a_file_that_is_no_table_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "trades.parquet"
    file.write_bytes(b"\x00\xff" * 100)
    with pytest.raises(BadTable, match=r"trades\.parquet cannot be read"):
        list(read_table(file, read_mapping(MAPPING)))
    with pytest.raises(BadTable, match=r"nowhere\.csv cannot be read"):
        list(read_table(tmp_path / "nowhere.csv", read_mapping(MAPPING)))
