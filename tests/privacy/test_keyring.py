"""The ring of epochs: numbers only grow, the file is whole at every moment, and what was destroyed is nowhere left."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from suyuan.base.clock import SECOND
from suyuan.privacy.keyring import (
    KEY_BYTES,
    MARKING_AFTER_S,
    NONCE_BYTES,
    FileKms,
    FileRing,
    KmsFailed,
    NoEpochKey,
    UnsafeKeyFile,
    make_ring,
    move_ring,
)

KMS = FileKms(bytes(range(KEY_BYTES)))
BAD_BASE64 = b'{"epochs": [{"number": 1, "begun_at": 5, "check": "AA", "wrapped": "AA=="}]}'
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


@pytest.mark.parametrize("content", [b"", b'{"epochs": []}', b"\x00" * 80, b'{"epochs": [{"number": 1}]}', BAD_BASE64])
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


# --- a KEK that may be away ---


class Service:
    """A KEK with a switch, in the place of a KMS; it counts what it is asked."""

    def __init__(self, *, kek: int = 9) -> None:
        self._kms = FileKms(bytes([kek]) * KEY_BYTES)
        self.is_away = False
        self.unwrapped = 0

    def owns(self, wrapped: bytes) -> bool:
        return wrapped.startswith(b"service:")

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        self._answer()
        return b"service:" + self._kms.wrap(key, bound=bound)

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        self._answer()
        self.unwrapped += 1
        return self._kms.unwrap(wrapped.removeprefix(b"service:"), bound=bound)

    def _answer(self) -> None:
        if self.is_away:
            raise KmsFailed("the KMS is away; bring it back", "KMS 不可用；请恢复。")


class Careless(Service):
    """As a Vault before 1.13: what a key is bound to is ignored."""

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        return super().wrap(key, bound=b"")

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        return super().unwrap(wrapped, bound=b"")


class Forgetful(Service):
    """It wraps nothing but zeros."""

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        return super().wrap(bytes(KEY_BYTES), bound=bound)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    service = Service()
    make_ring(tmp_path / "served.key", service, now=5)
    service.unwrapped = 0
    return service


@pytest.fixture
def served(tmp_path: Path, service: Service) -> Path:
    return tmp_path / "served.key"


def test_a_ring_is_not_loaded_while_its_kms_is_away(served: Path, service: Service) -> None:
    before = served.read_bytes()
    service.is_away = True
    with pytest.raises(KmsFailed, match="bring it back"):
        FileRing(served, service)
    assert served.read_bytes() == before


def test_the_kms_is_asked_for_what_is_new_and_never_while_sealing(served: Path, service: Service) -> None:
    """Each process asks once for each epoch that it meets; destroying one asks nothing at all."""
    keeper, worker = FileRing(served, service), FileRing(served, service)
    assert service.unwrapped == 2
    keeper.begin(SECOND)
    keeper.begin(2 * SECOND)
    asked = service.unwrapped
    worker.look_again(3 * SECOND)
    assert service.unwrapped == asked + 2
    keeper.destroy(1)
    worker.look_again(4 * SECOND)
    for ring in (keeper, worker):
        assert ring.unwrap(3, wrap(ring, 3), **WORDS) == bytes(KEY_BYTES)
        assert (ring.oldest, ring.newest) == (2, 3)
    assert service.unwrapped == asked + 2


def test_a_worker_seals_on_while_the_kms_is_away_and_catches_up_after(served: Path, service: Service) -> None:
    """The keeper began an epoch, then the KMS went down, then came back: the worker never stood still."""
    keeper, worker = FileRing(served, service), FileRing(served, service)
    keeper.begin(SECOND)
    service.is_away = True
    worker.look_again(2 * SECOND)
    assert worker.newest == 1
    assert worker.unwrap(1, wrap(worker, 1), **WORDS) == bytes(KEY_BYTES)
    # What it does not have it cannot open; that is the KMS's failure, and never looks like a shredded key.
    with pytest.raises(KmsFailed):
        worker.unwrap(2, wrap(keeper, 2), **WORDS)
    service.is_away = False
    worker.look_again(3 * SECOND)
    assert worker.newest == 2


def test_a_worker_that_misses_an_epoch_stops_before_others_keep_marks_under_it(served: Path, service: Service) -> None:
    """For half a minute nobody does; then a person whom others know would look like a new one to this worker."""
    keeper, worker = FileRing(served, service), FileRing(served, service)
    keeper.begin(100 * SECOND)
    service.is_away = True
    worker.look_again((100 + MARKING_AFTER_S - 1) * SECOND)
    assert worker.marking((100 + MARKING_AFTER_S - 1) * SECOND) == keeper.marking((100 + MARKING_AFTER_S - 1) * SECOND)
    with pytest.raises(KmsFailed):
        worker.look_again((100 + MARKING_AFTER_S) * SECOND)
    service.is_away = False
    worker.look_again((102 + MARKING_AFTER_S) * SECOND)
    assert worker.newest == 2


def test_a_strange_ring_under_a_kms_that_is_away_is_not_sealed_beside(served: Path, service: Service) -> None:
    """Somebody put another ring of the same numbers in its place: what was sealed on would open to nobody."""
    worker = FileRing(served, service)
    served.unlink()
    make_ring(served, service, now=5)
    service.is_away = True
    with pytest.raises(KmsFailed):
        worker.look_again(2 * SECOND)
    service.is_away = False
    before = wrap(worker, 1)
    worker.look_again(4 * SECOND)
    with pytest.raises(ValueError, match="another subject"):
        worker.unwrap(1, before, **WORDS)


def test_no_epoch_begins_while_the_kms_is_away(served: Path, service: Service) -> None:
    ring, before = FileRing(served, service), served.read_bytes()
    service.is_away = True
    with pytest.raises(KmsFailed):
        ring.begin(SECOND)
    assert (served.read_bytes(), ring.newest) == (before, 1)
    service.is_away = False
    assert ring.begin(SECOND) == 2


@pytest.mark.parametrize(("kind", "why"), [(Careless, "bound"), (Forgetful, "another key")])
def test_a_kms_that_does_not_keep_its_promise_wraps_nothing(tmp_path: Path, kind: type[Service], why: str) -> None:
    """Too old to bind, or broken: found before the ring's file knows of it."""
    with pytest.raises(KmsFailed, match=why):
        make_ring(tmp_path / "new.key", kind(), now=5)
    assert not (tmp_path / "new.key").exists()


def test_moving_a_ring_leaves_a_running_platform_its_keys(file: Path) -> None:
    """It seals on and destroys what is due; an epoch it does not begin, for nobody could open it with the rest."""
    running, service = FileRing(file, KMS), Service()
    running.begin(SECOND)
    wrapped = wrap(running, 2)
    assert move_ring(file, KMS, after=service) == [1, 2]
    running.look_again(10 * SECOND)
    assert running.unwrap(2, wrapped, **WORDS) == bytes(KEY_BYTES)
    assert running.destroy(1) == [1]
    with pytest.raises(UnsafeKeyFile, match="another KEK"):
        running.begin(20 * SECOND)
    with pytest.raises(UnsafeKeyFile, match="kek move"):
        FileRing(file, KMS)
    fresh = FileRing(file, service)
    assert (fresh.oldest, fresh.newest) == (2, 2)
    assert fresh.unwrap(2, wrapped, **WORDS) == bytes(KEY_BYTES)


@pytest.mark.parametrize("broken", ["the old KEK", "the new KEK", "a KMS that lies"])
def test_a_move_that_fails_leaves_the_ring_as_it_was(file: Path, broken: str) -> None:
    before, service = file.read_bytes(), Forgetful() if broken == "a KMS that lies" else Service()
    service.is_away = broken == "the new KEK"
    kms = FileKms(bytes(KEY_BYTES)) if broken == "the old KEK" else KMS
    with pytest.raises((KmsFailed, UnsafeKeyFile)):
        move_ring(file, kms, after=service)
    assert file.read_bytes() == before
    assert FileRing(file, KMS).newest == 1


def test_an_epoch_that_begins_while_the_ring_is_moved_is_not_lost(file: Path) -> None:
    """The mover keeps all others out from its reading to its writing; whoever begins waits, and then sees the move."""
    keeper, began = FileRing(file, KMS), threading.Event()

    class Slow(Service):
        def wrap(self, key: bytes, *, bound: bytes) -> bytes:
            beginning.start()
            began.wait(0.2)
            return super().wrap(key, bound=bound)

    refused: list[UnsafeKeyFile] = []

    def begin() -> None:
        try:
            keeper.begin(SECOND)
        except UnsafeKeyFile as error:
            refused.append(error)
        began.set()

    beginning = threading.Thread(target=begin)
    service = Slow()
    assert move_ring(file, KMS, after=service) == [1]
    beginning.join()
    assert "changed by somebody else" in str(refused[0])
    assert FileRing(file, service).newest == 1
