"""Witnesses as processes of their own, and the policy by which a platform asks them: for the demo and for tests.

    platform one ──its witness cosigns two's log──▶ platform two
                 ◀──its witness cosigns one's log──
    a neutral third cosigns both

An organisation is a group of the policy, however many witnesses it runs, and nobody vouches for their own log.

>>> from suyuan.evidence.check import read_policy
>>> log = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
>>> read_policy(policy_text([log], {}).encode()).quorum is None
True
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from suyuan.faces.simulate.stage import SceneFailed

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
        self.url = ""
        self.name = name
        self.vkey = self._run("key", "--name", name)
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
        options = ["--logs", str(self._logs), "--port", str(self._port)]
        with (self._folder / "witness.log").open("ab") as log_file:
            self._process = subprocess.Popen(
                [*self._command("serve"), *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file
            )
        assert self._process.stdout is not None, "its output was asked for"
        self.url = self._process.stdout.readline().decode().strip()
        if not self.url:
            self._process.communicate()
            raise SceneFailed(f"the witness {self.name} did not start; its log is in {self._folder}")
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.communicate()

    def stop(self) -> int:
        """Asks it to stop, insists after some seconds, and gives its exit status."""
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

    def _command(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "suyuan", "witness", verb, "--data", str(self._folder)]

    def _run(self, verb: str, *options: str) -> str:
        done = subprocess.run([*self._command(verb), *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SceneFailed(done.stderr.strip())
        return done.stdout.strip()
