"""A log's folder: byte for byte another implementation's, one writer, and a stop wherever going on could fork it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog, Tiles
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT
from tests.evidence import naive_tree
from tests.evidence.shards import (
    ENTRIES,
    LOG,
    NATIONAL,
    NOBODY,
    ORIGIN,
    POLICY,
    checkpoint_of,
    copied,
    files_of,
    flip,
    sealed,
    shard_in,
    stop_of,
)

OTHER_KEY = suite("ed25519").signer(b"\7" * 32)


# --- The same bytes as others write -----------------------------------------------------------------------------------


def test_the_public_log_comes_out_byte_for_byte(vectors: Path, tmp_path: Path) -> None:
    """Its fifteen entries, sealed one by one: the same tiles, bundles and roots, and every partial file kept."""
    theirs = vectors / "tlog-tiles-log"
    shard = shard_in(tmp_path)
    bundle = [Tiles(theirs).entry(index) for index in range(15)]
    with ShardLog.create(shard) as log:
        assert log.signed.root == checkpoint_of((theirs / "checkpoint.0").read_bytes()).root
        for size, entry in enumerate(bundle, 1):
            log.append([entry])
            note = log.seal()
            assert checkpoint_of(note)[1:] == checkpoint_of((theirs / f"checkpoint.{size}").read_bytes())[1:]
    assert files_of(shard.folder / "tile") == files_of(theirs / "tile")


def test_a_log_is_the_same_however_its_entries_came(tmp_path: Path) -> None:
    """All that depends on the batches are the partial files of older checkpoints."""
    at_once = sealed(shard_in(tmp_path / "a", second_copy=None), 1_337)
    in_parts = sealed(shard_in(tmp_path / "b", second_copy=None), 1, 255, 256, 257, 700, 768, 1_024, 1_337)
    once, parts = files_of(at_once.folder / "tile"), files_of(in_parts.folder / "tile")
    assert {path: parts[path] for path in once} == once
    assert sorted(set(parts) - set(once)) == ["1/000.p/1", "1/000.p/2", "1/000.p/3", "1/000.p/4"]


def test_partial_files_stay_until_their_tile_is_full_and_no_longer(tmp_path: Path) -> None:
    """The specification asks for those of every checkpoint that was signed, and of no other tree."""
    shard = shard_in(tmp_path, second_copy=None)

    def partials() -> list[str]:
        return sorted(path for path in files_of(shard.folder / "tile") if ".p/" in path)

    with ShardLog.create(shard) as log:
        for size in (10, 20, 30):
            log.append(ENTRIES[log.size : size])
        log.seal()
        assert partials() == ["0/000.p/30", "entries/000.p/30"]
        log.append(ENTRIES[30:200])
        log.append(ENTRIES[200:250])
        log.seal()
        assert partials() == ["0/000.p/250", "0/000.p/30", "entries/000.p/250", "entries/000.p/30"]
        log.append(ENTRIES[250:256])
        assert "0/000.p/250" in partials(), "the published checkpoint needs them still"
        log.seal()
        assert partials() == ["1/000.p/1"]


def test_an_entry_may_be_empty_and_as_long_as_its_length_can_say(tmp_path: Path) -> None:
    shard = shard_in(tmp_path)
    with ShardLog.create(shard) as log:
        with pytest.raises(ValueError, match="at most 65535"):
            log.append([b"x" * 65_536])
        log.append([b"", b"x" * 65_535])
        log.append([])
        log.seal()
    assert [Tiles(shard.folder).entry(index) for index in (0, 1)] == [b"", b"x" * 65_535]


# --- Proofs -----------------------------------------------------------------------------------------------------------


def test_every_proof_between_any_two_sizes_is_believed(tmp_path: Path) -> None:
    tiles = Tiles(sealed(shard_in(tmp_path), 700).folder)
    roots = {
        size: naive_tree.root(ENTRIES[:size]) for size in (0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 640, 699, 700)
    }
    for size, root in roots.items():
        assert tiles.root(size) == root
        for old in (one for one in roots if one <= size):
            check.check_consistency(old, roots[old], size, root, tiles.consistency(old, size))
        for index in (one for one in (0, 1, 254, 255, 256, 300, 511, 512, 639, 699) if one < size):
            check.check_inclusion(check.leaf_hash(ENTRIES[index]), index, size, tiles.inclusion(index, size), root)


def test_a_proof_is_a_file_that_a_stranger_believes(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 300)
    tiles = Tiles(shard.folder)
    for index in (0, 255, 256, 299):
        proof = tiles.proof(index)
        assert proof is not None
        assert check.check_proof(proof, ENTRIES[index], NOBODY).index == index
        with pytest.raises(check.BadEvidence):
            check.check_proof(proof, ENTRIES[index + 1], NOBODY)
        with pytest.raises(check.BadEvidence, match="quorum"):
            check.check_proof(proof, ENTRIES[index], POLICY)


def test_there_is_no_proof_before_a_checkpoint_covers_the_entry(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 3)
    tiles = Tiles(shard.folder)
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[3:9])
        assert tiles.proof(2) is not None
        assert tiles.proof(3) is None
        with pytest.raises(IndexError, match="entry 3 is not among the first 3"):
            tiles.entry(3)
        log.seal()
    assert tiles.proof(8) is not None
    assert Tiles(tmp_path / "nowhere").proof(0) is None


def test_a_damaged_tile_gives_no_proof_and_a_repaired_one_does_again(tmp_path: Path) -> None:
    """Also by a reader that had the damaged one in its memory."""
    shard = sealed(shard_in(tmp_path), 600)
    tile = shard.folder / "tile/0/000"
    tiles = Tiles(shard.folder)
    flip(tile, at=32 * 8)
    assert stop_of(lambda: tiles.proof(0)) is Stop.TILES_GIVE_ANOTHER_ROOT
    flip(tile, at=32 * 8)
    assert tiles.proof(0) is not None


def test_an_exchanged_entry_gets_no_proof(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 300)
    flip(shard.folder / "tile/entries/000", at=2 + 34 * 7)
    assert Tiles(shard.folder).proof(6) is not None
    assert stop_of(lambda: Tiles(shard.folder).proof(7)) is Stop.TILES_GIVE_ANOTHER_ROOT


def test_a_proof_of_an_old_checkpoint_can_be_made_when_its_partial_files_are_gone(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 200)
    old = (shard.folder / CHECKPOINT).read_bytes()
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[200:600])
        log.seal()
        assert not (shard.folder / "tile/0/000.p").exists()
        proof = log.tiles.proof_against(150, old)
    assert check.check_proof(proof, ENTRIES[150], NOBODY).checkpoint.size == 200


# --- Sealing ----------------------------------------------------------------------------------------------------------


def test_sealing_nothing_new_signs_nothing_new(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path)) as log:
        first = log.note
        assert log.seal() == first
        log.append(ENTRIES[:5])
        assert log.seal() == log.seal() != first


def test_a_checkpoint_bears_both_lines_and_the_second_copy_is_the_same(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 5)
    note = check.read_note((shard.folder / CHECKPOINT).read_bytes())
    assert [(line.name, line.key_id) for line in note.signatures] == [
        (ORIGIN, LOG.vkey.key_id),
        (ORIGIN, NATIONAL.vkey.key_id),
    ]
    assert (tmp_path / "second").read_bytes() == (shard.folder / CHECKPOINT).read_bytes()


NEW_FILES = ["tile/entries/000", "tile/entries/001.p/94", "tile/0/000", "tile/0/001.p/94", "tile/1/000.p/1"]


@pytest.mark.parametrize("path", NEW_FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_what_reads_otherwise_than_it_was_written_is_not_signed(tmp_path: Path, path: str, damage: str) -> None:
    """One flipped bit under a signature has ended public logs; here nothing is signed, and the entries come again."""
    shard = sealed(shard_in(tmp_path), 100)
    signed = (shard.folder / CHECKPOINT).read_bytes()
    log = ShardLog.open(shard)
    log.append(ENTRIES[100:350])
    file = shard.folder / path
    if damage == "flipped":
        flip(file, at=30)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    # Of an entry and its hash that do not fit, either may be the one that changed.
    named = path.replace("tile/entries/001", "tile/(entries|0)/001")
    with pytest.raises(LogStopped, match=f"{named} reads otherwise") as stopped:
        log.seal()
    assert stopped.value.code is Stop.DISK_READS_DIFFERENTLY
    assert (shard.folder / CHECKPOINT).read_bytes() == (tmp_path / "second").read_bytes() == signed
    log.close()
    with ShardLog.open(shard) as again:
        assert again.size == 100
        again.append(ENTRIES[100:350])
        assert checkpoint_of(again.seal()).root == naive_tree.root(ENTRIES[:350])


@pytest.mark.parametrize("is_written", [True, False])
def test_a_bit_that_flips_in_memory_is_not_signed(tmp_path: Path, is_written: bool) -> None:
    """The disk may have the wrong hash as well; only hashing the entries once more can tell."""
    log = ShardLog.create(shard_in(tmp_path))
    log.append(ENTRIES[:30])
    log._edge.levels[0][3] = bytes(32)
    if is_written:
        log.append(ENTRIES[30:40])
    assert stop_of(log.seal) is Stop.DISK_READS_DIFFERENTLY
    assert log.signed.size == 0


def test_a_mistake_in_the_tree_itself_is_not_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in memory as on reading back; the verifier's code, which shares nothing with it, does not agree."""
    shard = sealed(shard_in(tmp_path), 300)
    log = ShardLog.open(shard)
    log.append(ENTRIES[300:310])
    monkeypatch.setattr("suyuan.evidence.log.tree.fold", lambda hashes: hashes[0])
    assert stop_of(log.seal) is Stop.LOG_HAS_FORKED
    assert checkpoint_of((shard.folder / CHECKPOINT).read_bytes()).size == 300


@pytest.mark.parametrize("act", ["append", "seal", "add_cosignatures"])
def test_a_log_that_stopped_takes_nothing_until_it_is_opened_again(tmp_path: Path, act: str) -> None:
    log = ShardLog.create(shard_in(tmp_path))
    assert stop_of(lambda: log.seal(seen={"w": 1})) is Stop.WITNESS_IS_AHEAD
    assert log.has_stopped
    acts: dict[str, Callable[[], object]] = {
        "append": lambda: log.append(ENTRIES[:1]),
        "seal": log.seal,
        "add_cosignatures": lambda: log.add_cosignatures(b""),
    }
    assert stop_of(acts[act]) is Stop.LOG_HAS_STOPPED
    log.close()
    with ShardLog.open(log.shard) as again:
        again.append(ENTRIES[:1])


def test_a_witness_that_has_seen_more_stops_the_log(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 10)
    with ShardLog.open(shard) as log:
        log.append(ENTRIES[10:30])
        log.seal(seen={"a": 0, "b": 10})
        log.append(ENTRIES[30:50])
        with pytest.raises(LogStopped, match=r"witness\.example saw 31 entries, and 30 are known here"):
            log.seal(seen={"a": 30, "witness.example": 31})
    assert checkpoint_of((shard.folder / CHECKPOINT).read_bytes()).size == 30


def test_a_checkpoint_that_somebody_exchanged_meanwhile_stops_the_log(tmp_path: Path) -> None:
    """As when a backup is put back under a running platform."""
    for name in (CHECKPOINT, "second"):
        shard = sealed(shard_in(tmp_path / name), 10)
        file = shard.folder / CHECKPOINT if name == CHECKPOINT else tmp_path / name / "second"
        old = file.read_bytes()
        with ShardLog.open(shard) as log:
            log.append(ENTRIES[10:20])
            log.seal()
            log.append(ENTRIES[20:30])
            file.write_bytes(old)
            assert stop_of(log.seal) is Stop.CHECKPOINT_WAS_EXCHANGED


def test_a_folder_that_was_moved_away_is_not_written_to(tmp_path: Path) -> None:
    """The lock goes with the folder, so that another writer may hold the one that lies there now."""
    shard = sealed(shard_in(tmp_path), 10)
    with ShardLog.open(shard) as log:
        shard.folder.rename(tmp_path / "away")
        put = copied(Shard(tmp_path / "away", ORIGIN, (LOG,)), shard.folder)
        before = files_of(put)
        assert stop_of(lambda: log.append(ENTRIES[10:20])) is Stop.CHECKPOINT_WAS_EXCHANGED
        with ShardLog.open(shard):
            assert files_of(put) == before


# --- A disk that refuses ----------------------------------------------------------------------------------------------


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path)) as log:
        (log.shard.folder / "tile").write_bytes(b"")
        with pytest.raises(LogStopped, match=r"disk refused tile \(File exists\); make room") as stopped:
            log.append(ENTRIES[:3])
        assert stopped.value.code is Stop.DISK_REFUSED


def test_a_full_disk_stops_the_log_and_loses_nothing(tmp_path: Path) -> None:
    """In a process of its own, whose files may not pass 4 KiB: a write is cut short, and the next one refused."""
    shard = sealed(shard_in(tmp_path), 50)
    child = os.fork()
    if not child:
        os._exit(_fill_the_disk(shard))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with ShardLog.open(shard) as log:
        assert log.signed.size == 50
        log.append(ENTRIES[50:350])
        assert checkpoint_of(log.seal()).root == naive_tree.root(ENTRIES[:350])


def _fill_the_disk(shard: Shard) -> int:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, 4_096))
    try:
        ShardLog.open(shard).append(ENTRIES[50:350])
    except LogStopped as stopped:
        return 0 if stopped.code is Stop.DISK_REFUSED and "tile/entries/000 (File too large)" in str(stopped) else 1
    return 2
