"""The sealer beside the line: what sealing an event costs, how soon there is a proof of it, and what the line feels.

The sealer is the platform's own process, over a database of the laboratory; the witnesses are those that a partner
starts, one process each. Every redemption brings a data key of its own, as in production, because closing what opens
a record under the keys of whom it is about is the dearest part of sealing.

A watcher looks at the published checkpoints all the time. An event's proof is there when the first checkpoint that
covers it has been seen, and the proof of its last event has been made from the files and checked.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
import uvloop

from suyuan.app.keys import load_keys, log_signers, make_keys
from suyuan.app.supervisor import STOP_S, Child
from suyuan.base import db
from suyuan.base.clock import SystemClock, monotonic_s
from suyuan.config import FILE, Settings, load_settings
from suyuan.evidence import check
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.tiles import CHECKPOINT, COSIGNED
from suyuan.evidence.records.leaves import shard_of_year
from suyuan.evidence.witness.key import make_witness_key
from suyuan.faces.bench.laboratory import Laboratory
from suyuan.faces.bench.line_run import Measured, offer_line
from suyuan.faces.bench.machine import cpu_s_of, cpu_s_of_all, rss_mb
from suyuan.faces.bench.traffic import Crowd, steps
from suyuan.flows.shelves import Shelves
from suyuan.flows.take_redemption import TakeRedemption
from suyuan.privacy import subject_keys
from suyuan.privacy.classes import Privacy
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES, Vault
from suyuan.settle.limits import LimitRules

LOG_NAME = "bench.example/log"
POLICY = "witnesses.tlog-policy"
WITNESSES = ("one.example", "two.example", "neutral.example")
QUORUM = 2
# Seldom enough that looking costs the line, which shares the process, next to nothing.
LOOK_EVERY_S = 0.02
# The connections that the sealer holds when it is ready: its lock's and its own.
CONNECTIONS = 2
READY_WITHIN_S = 30.0
SEALED_WITHIN_S = 120.0

T = TypeVar("T")


class Load(NamedTuple):
    """Redemptions with keys of their own, the same for all runs that are compared, and the rate they come at."""

    crowd: Crowd
    commands: Sequence[TakeRedemption]
    seller_keys: Sequence[SubjectKey]
    per_s: float


class Seen(NamedTuple):
    """From when on there was a proof of each of the first `size` events."""

    at_s: float
    size: int


class Sealed(NamedTuple):
    """One run of the line with the sealer beside it."""

    line: Measured
    sealer_us: float  # CPU an event, as the following: of the sealer's process, and of PostgreSQL for it.
    database_us: float
    sealer_rss_mb: float
    checkpoints: int
    proof_p99_s: float
    cosigned_p99_s: float


def keep_house(folder: Path) -> Vault:
    """The keys of a platform that all runs share."""
    make_keys(Settings(data=folder))
    return load_keys(Settings(data=folder)).vault


def load_of(count: int, crowd: Crowd, vault: Vault, *, per_s: float) -> Load:
    """So many redemptions, made before any of them is measured."""

    def key(subject: str, key_class: Privacy) -> SubjectKey:
        return vault.new_key(subject, key_class, now=SystemClock().now(), chance=os.urandom(KEY_CHANCE_BYTES)).row

    closed = [
        msgspec.structs.replace(step, subject_key=key(step.redemption, Privacy.CARD_SECRET))
        for step in steps(count, crowd, salt="step")
    ]
    sellers = [key(crowd.seller(number), Privacy.IDENTITY) for number in range(crowd.sellers)]
    return Load(crowd, closed, sellers, per_s)


def run_alone(bench: Laboratory, load: Load) -> Measured:
    """The line without a sealer."""
    with bench.fresh() as url:
        return _offer(url, load)


def run_sealed(bench: Laboratory, load: Load, house: Path, folder: Path) -> Sealed:
    """The line with a sealer and its witnesses beside it, who have nothing left to do when this returns."""
    with bench.fresh() as url, ExitStack() as stack:
        settings = _settle_in(house, folder, url)
        stack.enter_context(_witnesses(settings))
        sealer = stack.enter_context(_sealer(settings, url))
        watch = stack.enter_context(_Watch(settings))
        before = sealer.used_us()
        line = _offer(url, load)
        watch.wait_for(line.steps)
        sealer_us, database_us = (after - us for us, after in zip(before, sealer.used_us(), strict=True))
        return Sealed(
            line=line,
            sealer_us=sealer_us / line.steps,
            database_us=database_us / line.steps,
            sealer_rss_mb=rss_mb(sealer.pid),
            checkpoints=len(watch.seen[CHECKPOINT]),
            proof_p99_s=_p99_s(line.answered_at_s, watch.seen[CHECKPOINT]),
            cosigned_p99_s=_p99_s(line.answered_at_s, watch.seen[COSIGNED]),
        )


def _offer(url: str, load: Load) -> Measured:
    columns = ", ".join(SubjectKey.__struct_fields__)
    copying = f"COPY {subject_keys.TABLE} ({columns}) FROM STDIN".encode()
    with db.connect(url, autocommit=True) as connection, connection.cursor().copy(copying) as copy:
        for key in load.seller_keys:
            copy.write_row(msgspec.structs.astuple(key))
    shelves = Shelves(LimitRules())
    return run(offer_line(url, load.commands, len(load.commands), per_s=load.per_s, shelves=shelves))


def _p99_s(answered_at_s: Sequence[float], seen: Sequence[Seen]) -> float:
    """How long all but one in a hundred events waited for their proof; the events lie in the order of their answers."""
    waited_s, covered = [], 0
    for at_s, size in seen:
        waited_s += [at_s - answered_s for answered_s in answered_at_s[covered:size]]
        covered = max(covered, size)
    return sorted(waited_s)[len(waited_s) * 99 // 100] if waited_s else 0.0


# --- Processes -------------------------------------------------------------------------------------------------------


class _Sealer(NamedTuple):
    """The sealer's process, and the backends that work for it."""

    pid: int
    backends: Sequence[int]

    def used_us(self) -> tuple[float, float]:
        """The CPU time that it, and PostgreSQL for it, have used."""
        return cpu_s_of(self.pid) * 1e6, cpu_s_of_all(self.backends) * 1e6


def _settle_in(house: Path, folder: Path, url: str) -> Settings:
    folder.mkdir()
    (folder / "log").mkdir()
    shutil.copytree(house / "keys", folder / "keys")
    settings = {"database_url": url, "log_name": LOG_NAME, "log_policy": POLICY}
    (folder / FILE).write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()), "utf-8")
    return load_settings(folder)


@contextmanager
def _sealer(settings: Settings, url: str) -> Iterator[_Sealer]:
    """Runs it, from when it is ready."""
    lifeline, holding = os.pipe()
    command = [sys.executable, "-m", "suyuan.app", "sealer", str(settings.data), str(lifeline)]
    child = Child("sealer", command, settings.data / "log" / "sealer.log", (lifeline,))
    child.keep_running()
    try:
        backends = _wait_for_backends(url)
        assert child.pid is not None, "a child that has connected runs"
        yield _Sealer(child.pid, backends)
    finally:
        child.stop(signal.SIGTERM)
        child.wait(monotonic_s() + STOP_S)
        for end in (lifeline, holding):
            os.close(end)


def _wait_for_backends(url: str) -> list[int]:
    until_s = monotonic_s() + READY_WITHIN_S
    with db.connect(url, autocommit=True) as connection:
        while monotonic_s() < until_s:
            found = [pid for (pid,) in connection.execute(_BACKENDS)]
            if len(found) >= CONNECTIONS:
                return found
            threading.Event().wait(LOOK_EVERY_S)
    raise TimeoutError(f"the sealer has not connected within {READY_WITHIN_S:.0f} s; read its log folder")


@contextmanager
def _witnesses(settings: Settings) -> Iterator[None]:
    """Starts them, and has the platform's policy name them and their quorum."""
    shard = shard_of_year(SystemClock().now())
    signers = log_signers(settings, shard, f"{settings.log_prefix}/{shard}", is_new=True)
    logs = settings.data / "logs"
    logs.write_text("".join(f"{vkey_text(signer.vkey)}\n" for signer in signers[:1]), "utf-8")
    vkeys = {name: make_witness_key(settings.data / name, name, chance=os.urandom(32)).vkey for name in WITNESSES}
    running = {name: _start_witness(settings, name, logs) for name in WITNESSES}
    try:
        with (settings.data / POLICY).open("w", encoding="utf-8") as policy:
            for name, witness in running.items():
                assert witness.stdout is not None, "its output is a pipe"
                policy.write(f"witness {name} {vkey_text(vkeys[name])} {witness.stdout.readline().strip()}\n")
            policy.write(f"group enough {QUORUM} {' '.join(WITNESSES)}\nquorum enough\n")
        yield
    finally:
        for witness in running.values():
            witness.terminate()
        for witness in running.values():
            witness.communicate()


def _start_witness(settings: Settings, name: str, logs: Path) -> subprocess.Popen[str]:
    serving = ["witness", "serve", "--data", str(settings.data / name), "--logs", str(logs), "--port", "0"]
    with (settings.data / "log" / f"{name}.log").open("w") as log_file:
        command = [sys.executable, "-m", "suyuan", *serving]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log_file, text=True)


class _Watch:
    """Looks at the log's checkpoints all the time, and makes and checks a proof whenever there is a new one."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.log_folder / shard_of_year(SystemClock().now())
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.seen: dict[str, list[Seen]] = {CHECKPOINT: [], COSIGNED: []}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def wait_for(self, size: int) -> None:
        """Waits until each kind of checkpoint covers so many events."""
        until_s = monotonic_s() + SEALED_WITHIN_S
        while not all(seen and seen[-1].size >= size for seen in self.seen.values()):
            if monotonic_s() > until_s or not self._thread.is_alive():
                raise TimeoutError(f"not all was sealed within {SEALED_WITHIN_S:.0f} s; read the log of the sealer")
            self._leaving.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        tiles = Tiles(self._folder)
        while not self._leaving.wait(LOOK_EVERY_S):
            for name, seen in self.seen.items():
                note = tiles.folder.note(name)
                size = 0 if note is None else check.read_checkpoint(check.read_note(note).text).size
                if note is not None and size > (seen[-1].size if seen else 0):
                    # It is checked against the entry before it is given out.
                    tiles.proof_against(size - 1, note)
                    seen.append(Seen(monotonic_s(), size))


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
