"""kill -9, and a disk that refuses, at every single step of beginning, writing, sealing and cosigning a log.

A process of its own works on the folder and kills itself before its nth durable step, for every n there is. Whatever it
left, the log is opened, gets the same entries again and is sealed, and everything that was ever published still holds.
"""

from __future__ import annotations

import os
import shutil
import signal
import traceback
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from suyuan.evidence import check
from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog, Tiles
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.log.tiles import CHECKPOINT, Before
from tests.evidence import naive_tree
from tests.evidence.shards import (
    ENTRIES,
    LOG,
    NATIONAL,
    NOBODY,
    WITNESSES,
    checkpoint_of,
    flip,
    sealed,
    shard_in,
)

ROOTS = {size: naive_tree.root(ENTRIES[:size]) for size in (0, 250, 300, 520, 560)}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is some: these tests ask what we do, not how fast the disk is."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(prefix="suyuan-log-", dir=memory) as made:
        yield Path(made)


def work(shard: Shard) -> None:
    """From nothing to 520 entries: partial tiles, full tiles, two levels, three checkpoints, cosignatures."""
    with ShardLog.create(shard) if not shard.has_begun() else ShardLog.open(shard) as log:
        for size in (200, 250, 300, 520):
            log.append(ENTRIES[log.size : size])
            if size != 200:
                log.seal()
            if size == 300:
                text = check.read_note(log.note).text
                log.add_cosignatures(b"".join(witness.line(text, 1_800_000_000) for witness in WITNESSES))


def run_and_kill(shard: Shard, nth: int) -> tuple[bool, list[bytes]]:
    """Runs `work` in a process that kills itself before its nth step; whether it did, and what it had published."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work_until(shard, nth, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        published = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"step {nth}"
    return status != 0, list(filter(None, published.split(b"\0")))


def _work_until(shard: Shard, nth: int, pipe: int) -> None:
    """Tells of every checkpoint as soon as a reader could have fetched it."""
    steps = count()

    def tell() -> None:
        note = Tiles(shard.folder).checkpoint()
        os.write(pipe, (note or b"") + b"\0")

    def before(_what: str, _file: str) -> None:
        tell()
        if next(steps) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        work(replace(shard, before=before))
        tell()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def check_nothing_is_lost_or_forked(shard: Shard, published: list[bytes]) -> None:
    """All that was ever published is the beginning of what comes after, and can be proved from the files."""
    with ShardLog.open(shard) as log:
        largest = max((checkpoint_of(note).size for note in published), default=0)
        assert log.signed.size >= largest, "a published checkpoint was lost"
        log.append(ENTRIES[log.size : 560])
        note = log.seal()
    assert checkpoint_of(note).root == ROOTS[560]
    tiles = Tiles(shard.folder)
    for old in {checkpoint_of(one): one for one in published}.values():
        _, size, root = checkpoint_of(old)
        assert root == ROOTS[size]
        check.check_consistency(size, root, 560, ROOTS[560], tiles.consistency(size, 560))
        for index in (0, size - 1) if size else ():
            check.check_proof(tiles.proof_against(index, old), ENTRIES[index], NOBODY, verify=ed25519_fits)
    assert fsck(shard.folder, [LOG.vkey, NATIONAL.vkey]) == []
    assert (shard.folder / CHECKPOINT).read_bytes() == (shard.folder.parent / "second").read_bytes()
    assert not list(shard.folder.glob("*.new"))


def test_kill_9_at_every_step_loses_and_forks_nothing(folder: Path) -> None:
    for nth in range(10_000):
        shard = shard_in(made(folder / str(nth)))
        was_killed, published = run_and_kill(shard, nth)
        check_nothing_is_lost_or_forked(begun(shard), published)
        if not was_killed:
            break
    assert nth > 60, "the work has fewer steps than it was written for"


def test_kill_9_loses_and_forks_nothing_without_a_second_copy(folder: Path) -> None:
    """Some steps stand for all; the second copy made afterwards only lets the same be checked."""
    for nth in range(0, 90, 4):
        shard = shard_in(made(folder / str(nth)), second_copy=None)
        _, published = run_and_kill(shard, nth)
        shutil.copy(begun(shard).folder / CHECKPOINT, folder / str(nth) / "second")
        check_nothing_is_lost_or_forked(shard_in(folder / str(nth)), published)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def begun(shard: Shard) -> Shard:
    """One that never came to its first checkpoint is begun as if nothing had been."""
    return shard if shard.has_begun() else sealed(shard)


def test_kill_9_twice_in_a_row_loses_and_forks_nothing(folder: Path) -> None:
    """The second one meets what the first one left; some steps stand for all."""
    for first in range(0, 91, 13):
        for second in range(0, 60, 17):
            shard = shard_in(made(folder / f"{first}-{second}"))
            published = [note for nth in (first, second) for note in run_and_kill(shard, nth)[1]]
            check_nothing_is_lost_or_forked(begun(shard), published)


def refusing(nth: int) -> tuple[Before, list[str]]:
    """A disk that is full at its nth step and stays full, and the files that it was asked for."""
    files: list[str] = []

    def before(_what: str, file: str) -> None:
        files.append(file)
        if len(files) > nth:
            raise OSError(28, "No space left on device")

    return before, files


def test_a_disk_that_refuses_at_any_step_stops_the_log_and_loses_nothing(folder: Path) -> None:
    for nth in range(10_000):
        shard = shard_in(made(folder / str(nth)))
        before, files = refusing(nth)
        try:
            work(replace(shard, before=before))
        except LogStopped as stopped:
            said = str(stopped)
        else:
            break
        assert said.startswith(f"The disk refused {files[nth]} (No space left on device); make room")
        published = [file.read_bytes() for file in (shard.folder / CHECKPOINT,) if file.exists()]
        check_nothing_is_lost_or_forked(begun(shard), published)
    assert nth > 60


BREAKABLE = ["tile/entries/000", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]


class Killed(BaseException):
    """No code of the log's may catch it, as none sees a SIGKILL."""


@pytest.mark.parametrize("path", BREAKABLE)
def test_a_rebuild_that_is_killed_at_any_step_is_simply_started_again(folder: Path, path: str) -> None:
    for nth in range(10_000):
        shard = sealed(shard_in(made(folder / str(nth))), 250, 300)
        for broken in (path, CHECKPOINT):
            flip(shard.folder / broken, at=20)
        steps = count()

        def before(_what: str, _file: str, steps: Iterator[int] = steps, nth: int = nth) -> None:
            if next(steps) == nth:
                raise Killed

        try:
            rebuild(replace(shard, before=before), ENTRIES)
            break
        except Killed:
            rebuild(shard, ENTRIES)
            assert fsck(shard.folder, [LOG.vkey]) == []
    assert nth > 6
