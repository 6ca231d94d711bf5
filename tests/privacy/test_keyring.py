"""The ring of epochs: numbers only grow, the file is whole at every moment, and what was destroyed is nowhere left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from suyuan.base.clock import SECOND
from suyuan.privacy.keyring import KEY_BYTES, NONCE_BYTES, FileKms, FileRing, NoEpochKey, UnsafeKeyFile, make_ring

KMS = FileKms(bytes(range(KEY_BYTES)))
WORDS = {"bound": b"slr_1/finance"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_ring(tmp_path / "epochs.key", KMS, now=5)
    return tmp_path / "epochs.key"


def wrap(ring: FileRing, epoch: int) -> bytes:
    return ring.wrap(epoch, bytes(KEY_BYTES), chance=bytes(NONCE_BYTES), **WORDS)


def test_a_new_epoch_is_found_by_every_process_within_a_second(file: Path) -> None:
    """The keeper begins it; a worker that looked a moment ago goes on with the old one until it looks again."""
    keeper, worker = FileRing(file, KMS), FileRing(file, KMS)
    worker.look_again(10 * SECOND)
    assert keeper.begin(10 * SECOND) == 2
    worker.look_again(10 * SECOND + 1)
    assert worker.newest == 1
    worker.look_again(11 * SECOND)
    assert (worker.newest, worker.oldest, worker.newest_begun_at) == (2, 1, 10 * SECOND)


def test_a_worker_that_meets_an_epoch_it_does_not_know_looks_at_once(file: Path) -> None:
    keeper, worker = FileRing(file, KMS), FileRing(file, KMS)
    keeper.begin(10)
    assert worker.unwrap(2, wrap(keeper, 2), **WORDS) == bytes(KEY_BYTES)


def test_a_destroyed_epoch_opens_nothing_and_its_number_never_comes_back(file: Path) -> None:
    ring = FileRing(file, KMS)
    wrapped = wrap(ring, 1)
    ring.begin(10)
    assert ring.destroy(1) == [1]
    for reader in (ring, FileRing(file, KMS)):
        with pytest.raises(NoEpochKey, match="epoch 1"):
            reader.unwrap(1, wrapped, **WORDS)
    assert ring.begin(20) == 3


def test_the_epoch_that_seals_is_never_destroyed(file: Path) -> None:
    with pytest.raises(AssertionError, match="never destroyed"):
        FileRing(file, KMS).destroy(1)


def test_the_replaced_file_is_overwritten_on_the_disk(file: Path) -> None:
    """A hard link stands for the block that a thief finds on the disk later."""
    block = file.with_name("found-on-the-disk")
    os.link(file, block)
    ring = FileRing(file, KMS)
    ring.begin(10)
    assert set(block.read_bytes()) == {0}
    assert {path.name for path in file.parent.iterdir()} == {file.name, block.name}


def test_a_ring_left_half_replaced_by_a_crash_is_the_old_one(file: Path) -> None:
    """The new one was written beside it and never took its name."""
    file.with_suffix(".new").write_bytes(b'{"epo')
    ring = FileRing(file, KMS)
    assert ring.newest == 1
    assert ring.begin(10) == 2


@pytest.mark.parametrize("content", [b"", b'{"epochs": []}', b"\x00" * 80, b'{"epochs": [{"number": 1}]}'])
def test_a_torn_ring_stops_with_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UnsafeKeyFile, match="torn"):
        FileRing(file, KMS)


def test_a_ring_under_another_key_stops_with_a_sentence(file: Path) -> None:
    """Somebody restored one of the two files only."""
    with pytest.raises(UnsafeKeyFile, match="another vault key"):
        FileRing(file, FileKms(bytes(KEY_BYTES)))


def test_a_ring_that_others_may_read_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        FileRing(file, KMS)


def test_the_file_shows_no_key(file: Path) -> None:
    """A thief with the ring's file and without the platform's KEK has nothing."""
    drawn = bytes(range(100, 100 + KEY_BYTES))
    ring = FileRing(file, KMS, lambda count: drawn[:count])
    ring.begin(10)
    assert drawn not in file.read_bytes()
    assert drawn.hex().encode() not in file.read_bytes()
