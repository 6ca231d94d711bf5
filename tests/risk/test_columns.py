"""Rows as columns: nothing is lost on the way, and what is no history of rows is refused with its place."""

from __future__ import annotations

import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from pyarrow import parquet

from suyuan.base.clock import SECOND
from suyuan.risk.batch import blocks
from suyuan.risk.batch.columns import (
    BrokenRows,
    Columns,
    from_arrow,
    from_rows,
    in_order,
    join,
    read_parquet,
    row_blocks,
    to_arrow,
    to_rows,
    write_parquet,
)
from suyuan.risk.features import Condition, FeatureSpec
from suyuan.risk.row import ATTEMPT, BAD, Row
from tests.risk.executors import HISTORIES
from tests.risk.rows import AT


@given(rows=HISTORIES)
def test_rows_come_back_as_they_were(rows: list[Row]) -> None:
    columns = from_rows(rows)
    assert list(to_rows(columns)) == rows
    assert from_arrow(to_arrow(columns)) == columns
    assert join(list(row_blocks(rows, 3))) == columns


def test_a_file_gives_back_its_rows_block_by_block(tmp_path: Path) -> None:
    rows = [Row(place, AT + place, ATTEMPT, seller=place % 3 or None) for place in range(1_000)]
    file = tmp_path / "rows.parquet"
    assert write_parquet(row_blocks(rows, 300), file) == 1_000
    assert [len(block) for block in read_parquet(file, block_rows=400)] == [400, 400, 200]
    assert join(list(read_parquet(file))) == from_rows(rows)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_only_the_columns_that_are_wanted_are_read(tmp_path: Path) -> None:
    """And those that every row has; what was not read is unknown, and takes no room."""
    file = tmp_path / "rows.parquet"
    write_parquet([from_rows([Row(0, AT, ATTEMPT, seller=7, payee=8)])], file)
    (block,) = read_parquet(file, ["payee"])
    assert sorted(block.columns) == ["at", "kind", "payee", "seq"]
    assert not block["seller"].present.any()
    assert not block["seller"].values.flags.owndata


def test_a_foreign_file_brings_only_what_it_knows(tmp_path: Path) -> None:
    """Narrower types are as good as wide ones, and columns of other names are nobody's business."""
    file = tmp_path / "foreign.parquet"
    told = {
        "seq": [0, 1],
        "at": [5, 9],
        "kind": pa.array([1, 1], pa.int8()),
        "face_fen": [None, 300],
        "memo": ["a", "b"],
    }
    parquet.write_table(pa.table(told), file)
    (block,) = read_parquet(file)
    assert list(to_rows(block)) == [Row(0, 5, ATTEMPT), Row(1, 9, ATTEMPT, face_fen=300)]


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    """Or none; a part of one is never taken for a file."""
    file = tmp_path / "rows.parquet"
    write_parquet([from_rows([Row(0, AT, ATTEMPT)])], file)

    def torn() -> Iterator[Columns]:
        yield from_rows([Row(0, AT, BAD)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(torn(), file)
    assert next(read_parquet(file))["kind"].values.tolist() == [ATTEMPT]
    write_parquet([from_rows([Row(0, AT, BAD)])], file)
    assert [left.name for left in tmp_path.iterdir()] == ["rows.parquet"]


GOOD = {"seq": [0, 1, 2], "at": [5, 6, 7], "kind": [1, 1, 1]}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (GOOD | {"at": [5, 7, 7]}, "column at does not rise after row 1"),
        (GOOD | {"at": [5, 4, 9]}, "column at does not rise after row 0"),
        (GOOD | {"seq": [0, 0, 2]}, "column seq does not rise"),
        (GOOD | {"kind": [1, 7, 1]}, "row 1 is of kind 7"),
        (GOOD | {"kind": [1, None, 1]}, "column kind is null in row 1"),
        (GOOD | {"seller": ["a", "b", "c"]}, "column seller holds string"),
        (GOOD | {"face_fen": [1.5, 2.0, 3.0]}, "column face_fen holds double"),
        (GOOD | {"face_fen": pa.array([1, 2, 2**63], pa.uint64())}, "column face_fen"),
        ({"seq": [0], "kind": [1]}, "no column at"),
    ],
)
def test_what_is_no_history_is_refused_with_its_place(
    told: dict[str, list[object]], words: str, tmp_path: Path
) -> None:
    """A table out of order would not be a slow answer but a wrong one."""
    with pytest.raises(BrokenRows, match=words):
        from_arrow(pa.table(told))
    parquet.write_table(pa.table(told), tmp_path / "rows.parquet")
    with pytest.raises(BrokenRows, match=words):
        list(read_parquet(tmp_path / "rows.parquet"))


def test_two_blocks_in_order_that_overlap_are_refused(tmp_path: Path) -> None:
    first = from_rows([Row(0, 10, ATTEMPT), Row(1, 20, ATTEMPT)])
    with pytest.raises(BrokenRows, match="seq 1 at 30 follows seq 1 at 20"):
        list(in_order([first, from_rows([Row(1, 30, ATTEMPT)])]))
    with pytest.raises(BrokenRows, match="seq 2 at 20 follows"):
        list(in_order([first, from_rows([]), from_rows([Row(2, 20, ATTEMPT)])]))
    write_parquet([first, from_rows([Row(2, 15, ATTEMPT)])], tmp_path / "rows.parquet")
    with pytest.raises(BrokenRows, match="at does not rise"):
        list(read_parquet(tmp_path / "rows.parquet"))
    with pytest.raises(BrokenRows, match="follows"):
        list(read_parquet(tmp_path / "rows.parquet", block_rows=2))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"seq,at\n1,2\n" * 40])
def test_what_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    file.write_bytes(content)
    with pytest.raises(BrokenRows, match="cannot be read as Parquet"):
        list(read_parquet(file))
    with pytest.raises(BrokenRows, match="nowhere"):
        list(read_parquet(tmp_path / "nowhere"))


def test_a_number_that_no_column_holds_is_refused() -> None:
    with pytest.raises(BrokenRows, match="column times"):
        from_rows([Row(0, AT, ATTEMPT, times=2**63)])


# --- Blocks ----------------------------------------------------------------------------------------------------------


def spec(window_s: int, kind: int) -> FeatureSpec:
    where = (Condition("kind", "eq", kind),)
    return FeatureSpec(
        name=f"of_{kind}", zh="数", en="a count", aggregate="count", key=("seller",), window_s=window_s, where=where
    )


def test_each_sort_of_row_is_carried_as_long_as_its_own_windows_reach() -> None:
    """Ninety seconds of what turned out bad, and ten of the attempts, which are a hundred times as many."""
    rows = [Row(place, AT + place * SECOND, BAD if place % 10 == 0 else ATTEMPT) for place in range(400)]
    cut = list(blocks.in_blocks(row_blocks(rows, 50), [spec(10, ATTEMPT), spec(90, BAD)], block_rows=100))
    carried = [block.columns.part(0, block.asked_from) for block in cut]
    assert [len(part) for part in carried] == [0, *[9 + 9] * 3]
    assert [int(np.count_nonzero(part["kind"].values == BAD)) for part in carried] == [0, 9, 9, 9]


def test_memory_is_bounded_however_long_the_history_is() -> None:
    """Ten times the rows, and no more memory at its highest."""

    def peak(count: int) -> int:
        rows = (Row(place, AT + place * SECOND, ATTEMPT, seller=place % 9) for place in range(count))
        tracemalloc.start()
        for _ in blocks.in_blocks(row_blocks(rows, 1_000), [spec(60, ATTEMPT)], block_rows=1_000):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(3_000)
    assert peak(30_000) < 1.3 * peak(3_000)
