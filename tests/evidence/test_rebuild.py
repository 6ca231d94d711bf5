"""Lost and damaged files come back from the entries, and only from those that were signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT, COSIGNED
from tests.evidence.shards import ENTRIES, LOG, copied, files_of, flip, put_back, sealed, shard_in

SIZE = 1_337


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return sealed(shard_in(tmp_path), 700, 1_290, SIZE)


def refused(shard: Shard, entries: list[bytes]) -> Stop:
    with pytest.raises(LogStopped) as stopped:
        rebuild(shard, entries)
    return stopped.value.code


def test_a_whole_log_is_left_alone(shard: Shard) -> None:
    before = files_of(shard.folder)
    assert rebuild(shard, ENTRIES) == (SIZE, [])
    assert files_of(shard.folder) == before


def test_every_file_comes_back_as_it_was(shard: Shard) -> None:
    for path, content in files_of(shard.folder).items():
        for damage in ("flip", "cut", "lose"):
            if damage == "flip":
                flip(shard.folder / path, at=len(content) // 2)
            elif damage == "cut":
                (shard.folder / path).write_bytes(content[:-1])
            else:
                (shard.folder / path).unlink()
            rebuilt = rebuild(shard, ENTRIES)
            # A partial file that is lost is cut from its tile, so there is nothing to put right.
            assert rebuilt.files == [path] or ".p/" in path
            assert fsck(shard.folder, [LOG.vkey]) == []
            (shard.folder / path).parent.mkdir(exist_ok=True)
            (shard.folder / path).write_bytes(content)


def test_a_lost_folder_comes_back_from_the_second_copy_and_the_entries(shard: Shard) -> None:
    before = files_of(shard.folder)
    shutil.rmtree(shard.folder)
    assert rebuild(shard, iter(ENTRIES)).size == SIZE
    after = files_of(shard.folder)
    assert set(before) - set(after) == {"tile/0/005.p/10", "tile/1/000.p/2", "tile/entries/005.p/10"}
    assert {path: before[path] for path in after} == after
    with ShardLog.open(shard) as log:
        assert log.signed.size == SIZE


def test_an_old_copy_of_the_folder_is_brought_up_to_what_was_signed(shard: Shard, tmp_path: Path) -> None:
    """What an operator does whose backup was refused."""
    old = copied(shard, tmp_path / "old")
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[SIZE:1_400])
        log.seal()
    now = files_of(shard.folder / "tile")
    put_back(shard, old)
    assert rebuild(shard, ENTRIES).size == 1_400
    assert files_of(shard.folder / "tile") == now
    ShardLog.open(shard).close()


def test_other_entries_change_nothing(shard: Shard) -> None:
    flip(shard.folder / "tile/0/001")
    before = files_of(shard.folder)
    assert refused(shard, [*ENTRIES[:1_336], b"another"]) is Stop.ENTRIES_GIVE_ANOTHER_ROOT
    assert refused(shard, [*ENTRIES[1:1_337], ENTRIES[0]]) is Stop.ENTRIES_GIVE_ANOTHER_ROOT
    assert refused(shard, ENTRIES[:1_336]) is Stop.ENTRIES_ARE_TOO_FEW
    assert refused(shard, []) is Stop.ENTRIES_ARE_TOO_FEW
    assert {path: one for path, one in files_of(shard.folder).items() if ".staging" not in path} == before


def test_no_more_entries_are_taken_than_were_signed(shard: Shard) -> None:
    """History goes on while a log is rebuilt."""

    def endless() -> Iterator[bytes]:
        yield from ENTRIES[:SIZE]
        while True:
            yield b"later"

    assert rebuild(shard, endless()).size == SIZE


def test_work_beyond_the_checkpoint_is_cleared_from_the_edge(shard: Shard) -> None:
    before = files_of(shard.folder)
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[SIZE:1_400])
    assert rebuild(shard, ENTRIES).files == ["tile/entries/005.p/120", "tile/0/005.p/120"]
    assert files_of(shard.folder) == before


def test_a_damaged_checkpoint_comes_back_from_its_second_copy(shard: Shard, tmp_path: Path) -> None:
    note = (shard.folder / CHECKPOINT).read_bytes()
    (shard.folder / CHECKPOINT).write_bytes(b"torn")
    (shard.folder / COSIGNED).write_bytes(b"torn")
    assert rebuild(shard, ENTRIES).files == [CHECKPOINT, COSIGNED]
    assert (shard.folder / CHECKPOINT).read_bytes() == note
    assert not (shard.folder / COSIGNED).exists()
    (tmp_path / "second").write_bytes(b"torn")
    assert rebuild(shard, ENTRIES).files == []


def test_without_a_signed_checkpoint_nothing_is_rebuilt(shard: Shard, tmp_path: Path) -> None:
    for file in (shard.folder / CHECKPOINT, tmp_path / "second"):
        file.write_bytes(b"torn")
    assert refused(shard, ENTRIES) is Stop.CHECKPOINT_IS_NOT_OURS
    for file in (shard.folder / CHECKPOINT, tmp_path / "second"):
        file.unlink()
    assert refused(shard, ENTRIES) is Stop.CHECKPOINT_IS_MISSING


def test_an_open_log_is_not_rebuilt(shard: Shard) -> None:
    with ShardLog.open(shard):
        assert refused(shard, ENTRIES) is Stop.LOG_IS_OPEN_ELSEWHERE
    assert rebuild(shard, ENTRIES).files == []
    ShardLog.open(shard).close()


def test_a_checkpoint_from_elsewhere_counts_if_the_log_signed_it_and_none_is_newer(shard: Shard) -> None:
    """A witness's copy takes the place of what is lost, and neither junk nor an old one does."""
    before = files_of(shard.folder)
    newest = before[CHECKPOINT]
    with pytest.raises(LogStopped) as stopped:
        rebuild(shard, ENTRIES, copy=b"junk")
    assert stopped.value.code is Stop.CHECKPOINT_IS_NOT_OURS
    old = sealed(shard_in(shard.folder.parent / "old"), 700)
    assert rebuild(shard, ENTRIES, copy=(old.folder / CHECKPOINT).read_bytes()) == (SIZE, [])
    assert files_of(shard.folder) == before
    shutil.rmtree(shard.folder)
    assert shard.second_copy is not None
    shard.second_copy.unlink()
    assert rebuild(shard, ENTRIES, copy=newest).size == SIZE
    assert (shard.folder / CHECKPOINT).read_bytes() == newest
