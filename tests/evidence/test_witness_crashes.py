"""Races and kill -9: whatever happens, a witness never signs a smaller tree after a larger one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from suyuan.evidence.witness.cosigning import SIZE, Answer, Witness
from suyuan.evidence.witness.memory import Memory, origin_hash
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import NOW, cosigned, open_witness, remembered

LOG = SmallLog()
ROUNDS, AT_ONCE = 12, 6
REPOSITORY = Path(__file__).parent.parent.parent

CHILD = """
import sys
from pathlib import Path
import structlog
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import NOW, open_witness

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
folder, old, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = SmallLog()
"""
ASKS = (
    CHILD
    + """
witness = open_witness(folder, log)
print("ready", flush=True)
sys.stdin.readline()
print(witness.add_checkpoint(log.request(old, size), NOW).status, flush=True)
"""
)
# Counts everything that touches the disk, and dies at the n-th.
DIES = (
    CHILD
    + """
import os, signal
from suyuan.evidence.witness import memory as witness_memory

left = int(sys.argv[4])

def dying(work):
    def once(*arguments, **words):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments, **words)
    return once

witness = open_witness(folder, log)
os.fsync = dying(os.fsync)
Path.open, Path.replace, Path.unlink = dying(Path.open), dying(Path.replace), dying(Path.unlink)
print(witness.add_checkpoint(log.request(old, size), NOW).status, flush=True)
print(left)
"""
)


def child(program: str, folder: Path, *arguments: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(folder), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_of_many_at_once_one_is_cosigned(tmp_path: Path) -> None:
    """All go on from the same tree to trees of other sizes; the others hear how far the one went."""
    witness = open_witness(tmp_path, LOG)
    size = 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(ROUNDS):
            together = threading.Barrier(AT_ONCE)

            def ask(more: int, old: int = size, together: threading.Barrier = together) -> tuple[int, Answer]:
                request = LOG.request(old, old + more)
                together.wait()
                return old + more, witness.add_checkpoint(request, NOW)

            answers = list(threads.map(ask, range(1, AT_ONCE + 1)))
            cosigned_sizes = [size for size, answer in answers if answer.status == 200]
            assert len(cosigned_sizes) == 1
            (size,) = cosigned_sizes
            # Who came after it heard this size; nobody was told anything else.
            assert {answer for _, answer in answers if answer.status != 200} == {Answer(409, SIZE, b"%d\n" % size)}
            assert remembered(witness, LOG.origin) == size


def test_of_many_processes_at_once_one_is_cosigned(tmp_path: Path) -> None:
    open_witness(tmp_path, LOG).add_checkpoint(LOG.request(0, 3), NOW)
    children = [child(ASKS, tmp_path, 3, size) for size in (4, 5, 6, 7)]
    try:
        for one in children:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        statuses = {}
        for one in children:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one, size in zip(children, (4, 5, 6, 7), strict=True):
            assert one.stdout is not None
            statuses[size] = int(one.stdout.readline())
    finally:
        for one in children:
            one.communicate()
    assert sorted(statuses.values()) == [200, 409, 409, 409]
    newest = next(size for size, status in statuses.items() if status == 200)
    assert remembered(open_witness(tmp_path, LOG), LOG.origin) == newest


@pytest.mark.parametrize("old", [0, 3])
def test_killed_at_any_step_it_remembers_all_that_it_answered(tmp_path: Path, old: int) -> None:
    """Killed at each touch of the disk in turn: the old tree or the new one, never neither, and the log goes on."""
    for step in range(1, 40):
        folder = tmp_path / str(step)
        folder.mkdir()
        if old:
            open_witness(folder, LOG).add_checkpoint(LOG.request(0, old), NOW)
        died = child(DIES, folder, old, 5, step)
        said, _ = died.communicate()
        again = open_witness(folder, LOG)
        newest = remembered(again, LOG.origin)
        if died.returncode == 0:
            assert said.startswith("200\n")
            assert newest == 5
            assert step > 4, "it touched the disk several times"
            return
        assert died.returncode == -signal.SIGKILL
        assert said == ""
        assert newest in (old, 5)
        cosigned(LOG.note(8), again.add_checkpoint(LOG.request(newest, 8), NOW))
    pytest.fail("it never came to its end")


def test_it_is_on_the_disk_before_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then its name in place of the old one, then the folder; of a new log the folder's name too."""
    witness = open_witness(tmp_path, LOG)
    folder = tmp_path / "witness" / "logs" / origin_hash(LOG.origin)
    told: list[str] = []
    replace, fsync = Path.replace, os.fsync

    def told_fsync(descriptor: int) -> None:
        told.append(f"on disk {Path(f'/proc/self/fd/{descriptor}').resolve().name}")
        fsync(descriptor)

    def told_replace(self: Path, target: Path) -> Path:
        told.append(f"{self.name} becomes {target.name}")
        return replace(self, target)

    monkeypatch.setattr("os.fsync", told_fsync)
    monkeypatch.setattr(Path, "replace", told_replace)
    witness.add_checkpoint(LOG.request(0, 3), NOW)
    assert told == [
        "on disk checkpoint.new", "checkpoint.new becomes checkpoint", f"on disk {folder.name}", "on disk logs",
    ]  # fmt: skip


def test_readers_never_see_it_go_back(tmp_path: Path) -> None:
    """While two processes' worth of threads push it on, what anybody may fetch only grows and is always whole."""
    witnesses = [open_witness(tmp_path, LOG) for _ in range(2)]
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            seen.append(remembered(witnesses[0], LOG.origin))

    def push(witness: Witness) -> None:
        for _ in range(20):
            newest = remembered(witness, LOG.origin)
            witness.add_checkpoint(LOG.request(newest, newest + 1), NOW)

    with ThreadPoolExecutor(5) as threads:
        reading = threads.submit(read)
        for pushing in [threads.submit(push, witness) for witness in witnesses * 2]:
            pushing.result()
        done.set()
        reading.result()
    assert seen == sorted(seen)
    assert Memory(tmp_path / "witness").forks(origin_hash(LOG.origin)) == []
