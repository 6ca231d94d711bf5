"""Windows on disk: what is written comes back, and what is not whole, or not ours, is refused with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from suyuan.base.clock import SECOND
from suyuan.base.wire import digest
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online.snapshot import MAGIC, SnapshotIsUnusable, open_snapshot, write_snapshot
from suyuan.risk.online.states import Bounds
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, Row
from tests.risk.rows import AT, WINDOWS_S, crowd, every_aggregate

CATALOGUE = every_aggregate(features=60)
ATTEMPTED = Row(0, AT, ATTEMPT, seller=1, device=1, key=1, face_fen=5, paid=4, payee=1, prefix=1, hour=1, taken=0)


def busy(rows: int = 60) -> Windows:
    """Windows after some trade."""
    windows = Windows(CATALOGUE)
    for number, (_, row) in enumerate(crowd(1, rows)):
        windows.append(row._replace(seq=number, at=AT + number * 1_000))
    windows.settle()
    return windows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A snapshot of them."""
    write_snapshot(busy(), tmp_path / "windows")
    return tmp_path / "windows"


def test_what_was_written_comes_back_with_its_place_in_history(file: Path) -> None:
    before, after = busy(), open_snapshot(file, CATALOGUE)
    assert (after.settled, after.next_seq) == (before.settled, 60)
    later = ATTEMPTED._replace(at=AT + SECOND)
    assert after.measure(later) == before.measure(later)
    assert after.saturated == before.saturated


def test_only_its_owner_reads_it(file: Path) -> None:
    """Pseudonyms are personal information."""
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_at_all_is_a_snapshot_too(tmp_path: Path) -> None:
    write_snapshot(Windows(CATALOGUE), tmp_path / "windows")
    windows = open_snapshot(tmp_path / "windows", CATALOGUE)
    assert windows.next_seq == 0
    assert windows.measure(ATTEMPTED)[0] == 0


def test_a_snapshot_of_a_snapshot_holds_what_was_never_touched(file: Path) -> None:
    """And what was touched as it is now, once."""
    windows = open_snapshot(file, CATALOGUE)
    windows.append(ATTEMPTED._replace(seq=60, at=AT + 90_000))
    windows.settle()
    written = write_snapshot(windows, file)
    again, expected = open_snapshot(file, CATALOGUE), busy()
    expected.append(ATTEMPTED._replace(seq=60, at=AT + 90_000))
    expected.settle()
    assert written.keys == write_snapshot(expected, file).keys
    for seller in (0, 1, 2):
        for device in (0, 1, 2):
            later = ATTEMPTED._replace(at=AT + 100_000, seller=seller, device=device)
            assert again.measure(later) == expected.measure(later)


def test_keys_whose_rows_have_left_every_window_are_not_written(file: Path) -> None:
    windows = open_snapshot(file, CATALOGUE)
    other = ATTEMPTED._replace(seq=60, at=AT + WINDOWS_S[-1] * SECOND + 60_000, seller=7, device=7, key=7)
    windows.append(other)
    windows.settle()
    assert write_snapshot(windows, file).keys == 4


def test_a_snapshot_that_is_replaced_stays_readable_for_whoever_has_it_open(file: Path) -> None:
    windows = open_snapshot(file, CATALOGUE)
    write_snapshot(Windows(CATALOGUE), file)
    later = ATTEMPTED._replace(at=AT + SECOND)
    assert windows.measure(later) == busy().measure(later)


def test_a_full_disk_leaves_the_older_snapshot_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="no space"):
            write_snapshot(busy(30), file)
    assert file.read_bytes() == before
    write_snapshot(busy(30), file)
    assert open_snapshot(file, CATALOGUE).next_seq == 30
    assert [each.name for each in file.parent.iterdir()] == ["windows"]


def fails(_: int) -> None:
    raise OSError("no space")


def test_what_is_not_committed_is_never_written(tmp_path: Path) -> None:
    windows = busy()
    windows.append(ATTEMPTED._replace(seq=60, at=AT + SECOND))
    with pytest.raises(AssertionError, match="committed"):
        write_snapshot(windows, tmp_path / "windows")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_snapshot(tmp_path / "windows", CATALOGUE)


def refused(file: Path, catalogue: Catalogue = CATALOGUE) -> str:
    with pytest.raises(SnapshotIsUnusable) as found:
        open_snapshot(file, catalogue)
    assert str(found.value).startswith("windows ")
    assert str(found.value).endswith("move it away, and windows are made from history again")
    return str(found.value)


@pytest.mark.parametrize("left", [0, 1, len(MAGIC), 55, 200, -1, -40, -41, -2_000])
def test_a_torn_file_is_refused(file: Path, left: int) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert "beginning" in refused(file) or "torn" in refused(file)


def test_one_changed_bit_anywhere_is_found(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(0, len(whole), 97):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "torn or was changed" in refused(file) or "another version" in refused(file)


def test_what_is_appended_to_a_file_is_found(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")
    assert "torn or was changed" in refused(file)


@pytest.mark.parametrize("content", [b"PK\x03\x04" * 100, b"suyuan windows 2" + bytes(100), "回收".encode() * 50])
def test_a_foreign_file_and_one_of_another_version_are_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert "is no snapshot of windows, or of another version" in refused(file)


def test_a_snapshot_of_another_catalogue_is_refused(file: Path) -> None:
    """Be it only another window, under the same name."""
    first, *rest = CATALOGUE.features
    other = Catalogue((msgspec.structs.replace(first, window_s=2), *rest))
    assert "is of another catalogue of features" in refused(file, other)


def test_a_directory_that_says_nothing_is_refused_though_its_digest_is_right(file: Path) -> None:
    content = MAGIC + bytes(64) + b'{"catalogue":1}'
    file.write_bytes(content + (15).to_bytes(8, "little") + digest(content))
    assert "has a directory that cannot be read" in refused(file)


def test_a_length_that_points_before_the_file_is_refused(file: Path) -> None:
    content = MAGIC + bytes(64)
    for length in (-1, 0, 10_000):
        file.write_bytes(content + length.to_bytes(8, "little", signed=True) + digest(content))
        assert "torn or was changed" in refused(file)


def test_a_folder_in_its_place_is_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "windows").mkdir()
    with pytest.raises(IsADirectoryError):
        open_snapshot(tmp_path / "windows", CATALOGUE)


def test_bounds_hold_for_what_comes_out_of_a_snapshot(file: Path) -> None:
    windows = open_snapshot(file, CATALOGUE, Bounds(open_max=2))
    for number, (_, row) in enumerate(crowd(3, 50), 60):
        windows.append(row._replace(seq=number, at=AT + SECOND + number * 1_000))
        windows.settle()
    assert sum(map(len, windows.states.open)) < 40
