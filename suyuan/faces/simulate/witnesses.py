"""Witnesses as processes of their own, and the policy by which a platform asks them: for the demo and for tests.

    the platform ──its witness cosigns the neighbour's log──▶ the neighbour
                 ◀──its witness cosigns the platform's log──
    a neutral third cosigns both

An organisation is a group of the policy, however many witnesses it runs, and nobody vouches for their own log.

>>> from suyuan.evidence.check import read_policy
>>> log = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
>>> read_policy(policy_text([log], {}).encode()).quorum is None
True
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.witness.key import make_witness_key
from suyuan.faces.simulate.stage import SceneFailed
from suyuan.privacy.keyring import KEY_BYTES

STOP_S = 5.0
QUORUM = "quorum"


class Asked(NamedTuple):
    """A witness as a policy names it: its key, and where it is asked."""

    vkey: str
    url: str


def policy_text(log_vkeys: Iterable[str], organisations: Mapping[str, Sequence[Asked]]) -> str:
    """A tlog-policy (c2sp.org/tlog-policy): every organisation has to have cosigned, with any of its witnesses."""
    lines = [f"log {vkey}" for vkey in log_vkeys]
    for name, witnesses in organisations.items():
        own = [f"{name}-{number}" for number, _ in enumerate(witnesses, 1)]
        lines += [f"witness {one} {asked.vkey} {asked.url}" for one, asked in zip(own, witnesses, strict=True)]
        lines.append(f"group {name} any {' '.join(own)}")
    if organisations:
        lines.append(f"group {QUORUM} all {' '.join(organisations)}")
    lines.append(f"quorum {QUORUM if organisations else 'none'}")
    return "\n".join(lines) + "\n"


class RunningWitness:
    """`suyuan witness serve` over a folder. Leave the `with` and it is stopped; `kill` and `start` it at will.

    Its key is made before it starts, so that logs and policies can name it; which logs it watches may be said later.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._logs = folder / "logs.txt"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.name = name
        self.vkey = vkey_text(make_witness_key(folder, name, chance=os.urandom(KEY_BYTES)).vkey)
        self._logs.touch()

    @property
    def asked(self) -> Asked:
        """How a policy names it."""
        return Asked(self.vkey, self.url)

    def watch(self, log_vkeys: Iterable[str]) -> None:
        """Says which logs it watches; it sees the change by itself."""
        fresh = self._logs.with_suffix(".new")
        fresh.write_text("".join(f"{vkey}\n" for vkey in log_vkeys), "utf-8")
        fresh.replace(self._logs)

    def start(self) -> None:
        """Starts it, on the port that it had before, and returns once it listens. Raises `SceneFailed`."""
        command = [sys.executable, "-m", "suyuan", "witness", "serve", "--data", str(self._folder)]
        command += ["--logs", str(self._logs), "--port", str(self._port)]
        with (self._folder / "witness.log").open("ab") as log_file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file, start_new_session=True
            )
        assert self._process.stdout is not None, "its output was asked for"
        self.url = self._process.stdout.readline().decode().strip()
        if not self.url:
            self._process.communicate()
            raise SceneFailed(f"the witness {self.name} did not start; its log is in {self._folder}")
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None, "it was started"
        self._process.kill()
        self._process.communicate()

    def stop(self) -> int | None:
        """Asks it to stop, insists after some seconds, and gives its exit status; none where it never started."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        return self._process.returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Circle(NamedTuple):
    """The witnesses of two platforms that watch each other, and one of nobody's."""

    own: RunningWitness
    neighbours: RunningWitness
    neutral: RunningWitness

    def policy(self, *, of_neighbour: bool = False) -> str:
        """Whom a platform asks: the other platform and the neutral one, and both have to have cosigned."""
        other = ("platform", self.own) if of_neighbour else ("neighbour", self.neighbours)
        return policy_text([], {other[0]: [other[1].asked], "neutral": [self.neutral.asked]})

    def watch(self, log_vkeys: Sequence[str], neighbours_log_vkeys: Sequence[str]) -> None:
        """Tells each witness its logs. Before that the platforms hear that nobody watches them, and ask again."""
        self.neighbours.watch(log_vkeys)
        self.own.watch(neighbours_log_vkeys)
        self.neutral.watch([*log_vkeys, *neighbours_log_vkeys])


@contextmanager
def circle(folder: Path) -> Iterator[Circle]:
    """Three running witnesses, which start side by side."""
    names = ("platform", "neighbour", "neutral")
    witnesses = [RunningWitness(folder / name, f"{name}.example/witness") for name in names]
    try:
        with ThreadPoolExecutor(len(witnesses)) as side_by_side:
            list(side_by_side.map(RunningWitness.start, witnesses))
        yield Circle(*witnesses)
    finally:
        for witness in witnesses:
            witness.stop()
