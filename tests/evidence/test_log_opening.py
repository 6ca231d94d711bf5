"""Opening a log: it goes on from what its own checkpoint vouches for, never from what is old, foreign or damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log.note import checkpoint_text, ed25519_signer, sign_note, sm2_signer
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT
from tests.evidence import naive_tree
from tests.evidence.shards import (
    ENTRIES,
    LOG,
    NATIONAL,
    NATIONAL_KEY,
    ORIGIN,
    checkpoint_of,
    copied,
    files_of,
    flip,
    put_back,
    sealed,
    shard_in,
    stop_of,
)

OTHER_KEY = suite("ed25519").signer(b"\7" * 32)


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    shard = shard_in(tmp_path)
    with ShardLog.create(shard) as log:
        assert stop_of(lambda: ShardLog.open(shard)) is Stop.LOG_IS_OPEN_ELSEWHERE
        assert stop_of(lambda: ShardLog.create(shard)) is Stop.LOG_IS_OPEN_ELSEWHERE
        log.append(ENTRIES[:3])
        log.seal()
    with ShardLog.open(shard) as again:
        assert again.size == 3


def test_a_log_is_begun_once(tmp_path: Path) -> None:
    """Whatever is left of it, a checkpoint, its second copy or a tile, keeps it from being begun anew."""
    shard = shard_in(tmp_path)
    assert not shard.has_begun()
    sealed(shard, 3)
    assert shard.has_begun()
    assert stop_of(lambda: ShardLog.create(shard)) is Stop.LOG_EXISTS_ALREADY
    (shard.folder / CHECKPOINT).unlink()
    assert shard.has_begun()
    assert stop_of(lambda: ShardLog.create(shard)) is Stop.LOG_EXISTS_ALREADY
    (tmp_path / "second").unlink()
    assert not shard.has_begun()
    assert stop_of(lambda: ShardLog.create(shard)) is Stop.LOG_EXISTS_ALREADY
    assert stop_of(lambda: ShardLog.open(shard_in(tmp_path, second_copy=None))) is Stop.CHECKPOINT_IS_MISSING


def test_a_folder_that_is_not_there_is_not_opened(tmp_path: Path) -> None:
    assert stop_of(lambda: ShardLog.open(shard_in(tmp_path))) is Stop.DISK_REFUSED


def test_work_that_was_not_sealed_is_done_again(tmp_path: Path) -> None:
    """Nobody knows what a power cut left of it. Even other files in its place do no harm."""
    shard = sealed(shard_in(tmp_path), 200)
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[200:1_200])
    for file in ("tile/0/001", "tile/entries/002", "tile/0/004.p/176", "tile/1/000.p/4"):
        flip(shard.folder / file)
    with ShardLog.open(shard) as log:
        assert (log.size, log.signed.size) == (200, 200)
        log.append(ENTRIES[200:1_300])
        note = log.seal()
    assert checkpoint_of(note).root == naive_tree.root(ENTRIES[:1_300])
    clean = sealed(shard_in(tmp_path / "clean"), 1_300)
    assert files_of(shard.folder / "tile") == files_of(clean.folder / "tile")


def test_partial_files_of_work_that_was_not_sealed_go_when_the_log_is_opened(tmp_path: Path) -> None:
    """Nothing vouches for them, and a reader could take them for those of a checkpoint."""
    shard = sealed(shard_in(tmp_path), 200)
    before = files_of(shard.folder)
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[200:230])
    assert files_of(shard.folder) != before
    with ShardLog.open(shard):
        assert files_of(shard.folder) == before


def test_an_old_copy_of_the_folder_is_not_continued(tmp_path: Path) -> None:
    """A restored backup that went on signing has killed public logs."""
    shard = sealed(shard_in(tmp_path), 300)
    backup = copied(shard, tmp_path / "backup")
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[300:400])
        log.seal()
    put_back(shard, backup)
    with pytest.raises(LogStopped, match="300 of 400 signed entries") as stopped:
        ShardLog.open(shard)
    assert stopped.value.code is Stop.FOLDER_IS_OLDER
    assert "旧副本" in stopped.value.zh


def test_the_last_step_of_a_seal_is_finished_when_it_was_cut_off(tmp_path: Path) -> None:
    """The second copy is written first; with all tiles there, it is the checkpoint that comes late."""
    shard = sealed(shard_in(tmp_path), 300)
    old = (shard.folder / CHECKPOINT).read_bytes()
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[300:400])
        new = log.seal()
    (shard.folder / CHECKPOINT).write_bytes(old)
    with ShardLog.open(shard) as log:
        assert log.signed.size == 400
    assert (shard.folder / CHECKPOINT).read_bytes() == new
    (shard.folder / CHECKPOINT).unlink()
    with ShardLog.open(shard) as log:
        assert log.note == new


def test_a_second_copy_that_is_behind_catches_up(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 300)
    old = (tmp_path / "second").read_bytes()
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[300:400])
        log.seal()
    (tmp_path / "second").write_bytes(old)
    with ShardLog.open(shard) as log:
        assert (tmp_path / "second").read_bytes() == log.note
        log.append(ENTRIES[400:500])
        log.seal()


def test_a_second_copy_that_is_away_stops_the_log(tmp_path: Path) -> None:
    """Its device may not be attached; without it nobody could tell an old folder."""
    shard = sealed(shard_in(tmp_path), 3)
    (tmp_path / "second").unlink()
    assert stop_of(lambda: ShardLog.open(shard)) is Stop.SECOND_COPY_IS_MISSING


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_signed_checkpoint_of_another_history_stops_the_log(tmp_path: Path, size: int) -> None:
    """Smaller, as large, and larger than the log's own."""
    shard = sealed(shard_in(tmp_path), 3)
    forked = sign_note(checkpoint_text(ORIGIN, size, b"\1" * 32), (LOG, NATIONAL))
    (tmp_path / "second").write_bytes(forked)
    assert stop_of(lambda: ShardLog.open(shard)) is (Stop.FOLDER_IS_OLDER if size > 3 else Stop.LOG_HAS_FORKED)


def test_a_checkpoint_that_the_second_copy_does_not_continue_stops_the_log(tmp_path: Path) -> None:
    """The tiles are the second copy's, and the smaller checkpoint beside them is signed and of another history."""
    shard = sealed(shard_in(tmp_path), 300)
    (shard.folder / CHECKPOINT).write_bytes(sign_note(checkpoint_text(ORIGIN, 200, b"\1" * 32), (LOG, NATIONAL)))
    assert stop_of(lambda: ShardLog.open(shard)) is Stop.LOG_HAS_FORKED


def test_a_checkpoint_of_another_history_with_tiles_to_fit_stops_the_log(tmp_path: Path) -> None:
    """The folder was exchanged for that of a log with the same keys that went another way."""
    shard = sealed(shard_in(tmp_path / "a"), 300)
    with ShardLog.create(shard_in(tmp_path / "b")) as other:
        other.append(ENTRIES[1:500])
        other.seal()
    put_back(shard, tmp_path / "b/log")
    assert stop_of(lambda: ShardLog.open(shard)) is Stop.LOG_HAS_FORKED


FOREIGN = {
    "another key": (ed25519_signer(ORIGIN, OTHER_KEY), NATIONAL),
    "another name": (ed25519_signer("other.example/log", suite("ed25519").signer(bytes(range(32)))),),
}


@pytest.mark.parametrize("signers", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_checkpoint_of_another_key_is_not_ours(tmp_path: Path, signers: tuple[object, ...]) -> None:
    shard = sealed(shard_in(tmp_path), 3)
    stranger = Shard(shard.folder, ORIGIN, signers)  # type: ignore[arg-type]  # It is a tuple of signers, of two kinds.
    with pytest.raises(LogStopped, match="checkpoint is not signed by this log") as stopped:
        ShardLog.open(stranger)
    assert stopped.value.code is Stop.CHECKPOINT_IS_NOT_OURS


def test_a_checkpoint_under_another_name_is_not_ours(tmp_path: Path) -> None:
    """The key is the log's, and it signed for another one of the platform."""
    shard = sealed(shard_in(tmp_path, second_copy=None), 0)
    (shard.folder / CHECKPOINT).write_bytes(sign_note(checkpoint_text("b.example", 0, check.EMPTY_ROOT), [LOG]))
    assert stop_of(lambda: ShardLog.open(shard)) is Stop.CHECKPOINT_IS_NOT_OURS


def test_each_byte_of_a_checkpoint_counts(tmp_path: Path) -> None:
    """Also those of the SM2 signature, which a stranger does not check and the log itself does."""
    shard = sealed(shard_in(tmp_path, second_copy=None), 3)
    file = shard.folder / CHECKPOINT
    note = file.read_bytes()
    # A line whose name or key id is another is anybody's, and says nothing.
    anybodys = range(note.rindex("—".encode()) + 1, note.rindex(b" ") + 7)
    for at in (at for at in range(0, len(note), 3) if at not in anybodys):
        flip(file, at)
        with pytest.raises(LogStopped):
            ShardLog.open(shard)
        file.write_bytes(note)
    ShardLog.open(shard).close()


@pytest.mark.parametrize("path", ["tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"])
def test_an_edge_that_does_not_give_the_signed_root_is_not_continued(tmp_path: Path, path: str) -> None:
    shard = sealed(shard_in(tmp_path, second_copy=None), 600)
    flip(shard.folder / path, at=5)
    expected = Stop.ENTRIES_ARE_NOT_IN_TILES if "entries" in path else Stop.TILES_GIVE_ANOTHER_ROOT
    assert stop_of(lambda: ShardLog.open(shard)) is expected
    (shard.folder / path).unlink()
    with pytest.raises(LogStopped, match=f"{path} is missing"):
        ShardLog.open(shard)


def test_a_key_is_changed_by_signing_with_both_for_a_while(tmp_path: Path) -> None:
    new = ed25519_signer(ORIGIN, OTHER_KEY)
    shard = sealed(shard_in(tmp_path), 3)
    for signers, size in (((LOG, NATIONAL, new), 4), ((new, sm2_signer(ORIGIN, NATIONAL_KEY)), 5)):
        with ShardLog.open(Shard(shard.folder, ORIGIN, signers, tmp_path / "second")) as log:
            log.append(ENTRIES[log.size : size])
            log.seal()
    assert stop_of(lambda: ShardLog.open(shard)) is Stop.CHECKPOINT_IS_NOT_OURS


def test_a_shard_needs_an_ed25519_key(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Ed25519"):
        Shard(tmp_path, ORIGIN, (NATIONAL,))


def test_a_new_log_is_on_disk_with_its_folder_and_its_second_copy_first(tmp_path: Path) -> None:
    steps: list[str] = []
    shard = replace(shard_in(tmp_path), before=lambda what, file: steps.append(f"{what} {file}"))
    ShardLog.create(shard).close()
    parent = tmp_path.name
    assert steps == [
        "write log", f"sync {parent}",
        "write second", "sync second", "rename second", f"sync {parent}",
        "write checkpoint", "sync checkpoint", "rename checkpoint", "sync log",
    ]  # fmt: skip
