"""kill -9 at every step of sealing: in the database, in the log's files, at the witnesses, in the list of shards.

A process of its own seals a history that grows day by day, over the end of a year, and kills itself before its nth
step, for every n there is. Whatever it left, the next sealer goes on; and then every event has one leaf and a proof,
whatever was ever published is the beginning of what stands now, and no size of a log was ever signed with two roots.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow

from suyuan.base import crypto, db
from suyuan.base.clock import SetClock
from suyuan.evidence import check
from suyuan.evidence.log import links, shard_list
from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.note import Cosigner, LogSigner, cosigner, vkey_text
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.tiles import replace_file
from suyuan.evidence.records.commitment import record_of
from suyuan.evidence.records.leaves import Leaf, ShardStart, shards
from suyuan.evidence.records.opening import open_record
from suyuan.evidence.witness.cosigning import Conflict, Cosigned, Refused, Silent, Witness
from suyuan.evidence.witness.watched_logs import WatchedLogs
from suyuan.flows import seal_history as sealing
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.flows.seal_history import Sealer, seal_history
from suyuan.history.store import read
from suyuan.privacy.keyring import Ring
from suyuan.privacy.vault import Vault
from tests.evidence.witnesses import NearWitness, watch
from tests.flows.house import NOON, House, open_house
from tests.flows.sealing import LOG_NAME, sell, signers

DAYS = 4
YEAR_S = 60 * 86_400
YEARS = [ShardStart(name, 0, f"{LOG_NAME}/{name}", is_published=True) for name in ("2026", "2027")]
WITNESSES = [cosigner(f"witness.example/{n}", crypto.suite("ed25519").signer(bytes([n]) * 32)) for n in (1, 2)]
# Each stretch of leaves has a commit of its own, so that the process dies between two of them too.
STRETCH = 3

Step = Callable[[str], None]


class Told(NamedTuple):
    """What a process told before it ended: whether it was killed, what it published, and what it ever signed."""

    was_killed: bool
    published: set[bytes]
    signed: set[bytes]


# --- a history, and what seals it ----------------------------------------------------------------


@pytest.fixture
def story(database: str) -> str:
    """Four days of a platform, of which the third begins a new year; nothing has happened yet when a test begins."""
    with open_house(database) as house:
        ends = []
        for day in range(DAYS):
            sell(house, 10 * day)
            redemption = sell(house, 10 * day + 1)
            for kind, order_no in (("consumed", "-c"), ("paid", "-p")):
                hear(house, RecordOutcome(redemption, redemption + order_no, kind, "X-1"))
            ends.append(len(house.events()))
            house.clock.advance(YEAR_S if day == 1 else 60)
    with db.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE story AS SELECT *, width_bucket(seq, %s::bigint[]) AS day FROM event", (ends,))
    return database


def hear(house: House, outcome: RecordOutcome) -> None:
    async def ask() -> object:
        return await house.line.submit(outcome)

    house.run(ask())


def happen(connection: psycopg.Connection[TupleRow], day: int) -> None:
    """The line has committed this day's events."""
    connection.execute(
        "INSERT INTO event (seq, at, kind, body) SELECT seq, at, kind, body FROM story WHERE day <= %s"
        " ON CONFLICT DO NOTHING",
        (day,),
    )


class Watched(psycopg.Connection[TupleRow]):
    """A connection that says when it is about to do something, and when it has done it."""

    step: Step

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self.step("execute")
        return super().execute(query, *args, **kwargs)

    @contextmanager
    def transaction(self, *args: Any, **kwargs: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*args, **kwargs) as transaction:
            yield transaction
            self.step("before the commit")
        self.step("after the commit")


class WatchedWitness(NearWitness):
    """The same of a witness."""

    step: Step

    async def latest(self, origin: str) -> int | None:
        self.step("before a witness is asked")
        return await super().latest(origin)

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        self.step("before a witness cosigns")
        answer = await super().add_checkpoint(old, proof, note)
        self.step("after a witness has cosigned")
        return answer


class WatchedSigner(LogSigner):
    """A key that tells what it signed."""

    def __init__(self, signer: LogSigner, tell: Callable[[bytes], None]) -> None:
        self.vkey, self._inner, self._tell = signer.vkey, signer, tell

    def line(self, text: bytes) -> bytes:
        self._tell(text)
        return self._inner.line(text)


def policy_text() -> bytes:
    lines = [f"log {vkey_text(signers(year)[0].vkey)}" for year in YEARS]
    lines += [f"witness w{n} {vkey_text(one.vkey)}" for n, one in enumerate(WITNESSES)]
    return "\n".join([*lines, "group both all w0 w1", "quorum both", ""]).encode()


def witness_in(folder: Path, key: Cosigner) -> Witness:
    folder.mkdir(exist_ok=True)
    return Witness(folder / "memory", key, WatchedLogs(watch(folder, [signers(year)[0].vkey for year in YEARS])))


def open_sealer(url: str, folder: Path, step: Step, tell_signed: Callable[[bytes], None]) -> Sealer:
    connection = Watched.connect(url, autocommit=True)
    connection.step = step
    witnesses = []
    for number, key in enumerate(WITNESSES):
        witnesses.append(WatchedWitness(witness_in(folder / f"witness-{number}", key), SetClock(NOON)))
        witnesses[-1].step = step
    (folder / "copies").mkdir(exist_ok=True)
    return Sealer(
        connection=connection, vault=Vault(bytes(32), Ring({1: bytes(32)})), clock=SetClock(NOON), chance=os.urandom,
        log_name=LOG_NAME, folder=folder / "log", second_copies=folder / "copies",
        signers=lambda start: [WatchedSigner(one, tell_signed) for one in signers(start)],
        witnesses=lambda _: witnesses, policy=check.read_policy(policy_text()), policy_text=policy_text(),
    )  # fmt: skip


def live(sealer: Sealer, day: int) -> None:
    """One day, and the round that seals it; done again, it changes nothing."""
    happen(sealer.connection, day)
    asyncio.run(seal_history(sealer))
    publish_log(sealer)


# --- dying ---------------------------------------------------------------------------------------


def run_and_kill(url: str, folder: Path, nth: int) -> Told:
    """Lives through all days in a process that kills itself before its nth step."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _live_until(url, folder, nth, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().split(b"\0")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"step {nth}"
    kinds = {kind: {one[1:] for one in told if one[:1] == kind} for kind in (b"P", b"S")}
    return Told(status != 0, kinds[b"P"], kinds[b"S"])


def _live_until(url: str, folder: Path, nth: int, pipe: int) -> None:
    """Tells of every checkpoint as soon as a reader could have fetched it, and of every text before it is signed."""
    steps = count()

    def tell(kind: bytes, what: bytes) -> None:
        os.write(pipe, kind + what + b"\0")

    def step(_what: str, _file: str = "") -> None:
        for checkpoint in (folder / "log").glob("*/checkpoint"):
            tell(b"P", checkpoint.read_bytes())
        if next(steps) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        # In the child's own copies of these modules, which nobody else sees.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealing, "EVENTS_AT_ONCE", STRETCH)
            patch.setattr(sealing, "Shard", functools.partial(Shard, before=step))
            patch.setattr(shard_list, "replace_file", functools.partial(replace_file, before=step))
            _live(url, folder, step, functools.partial(tell, b"S"))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _live(url: str, folder: Path, step: Step, tell_signed: Callable[[bytes], None]) -> None:
    sealer = open_sealer(url, folder, step, tell_signed)
    for day in range(DAYS):
        live(sealer, day)
    step("the end")


def begin_anew(url: str, folder: Path) -> Path:
    folder.mkdir()
    with db.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE event, leaf, shard")
    return folder


def go_on(url: str, folder: Path) -> set[bytes]:
    """The next sealer lives through what is left, and one day more; what it signed."""
    signed: set[bytes] = set()
    sealer = open_sealer(url, folder, lambda _: None, signed.add)
    try:
        live(sealer, DAYS)
        live(sealer, DAYS)
    finally:
        sealer.close()
        sealer.connection.close()
    return signed


# --- what must hold ------------------------------------------------------------------------------


def check_nothing_is_lost_or_forked(url: str, folder: Path, lives: Sequence[Told]) -> None:
    signed = go_on(url, folder).union(*(life.signed for life in lives))
    checkpoints = {check.read_checkpoint(text) for text in signed if not text.startswith(links.FORMAT.encode())}
    sizes = [(one.origin, one.size) for one in checkpoints]
    assert len(sizes) == len(set(sizes)), "one size of one log was signed with two roots"
    assert len([text for text in signed if text.startswith(links.FORMAT.encode())]) == 1
    for start in YEARS:
        vkeys = [signer.vkey for signer in signers(start)]
        assert fsck(folder / "log" / start.name, vkeys) == []
        everything_published_still_holds(
            folder / "log" / start.name, [note for life in lives for note in life.published]
        )
    every_event_has_one_leaf_and_a_proof(url, folder / "log")


def everything_published_still_holds(folder: Path, notes: Collection[bytes]) -> None:
    tiles = Tiles(folder)
    note = tiles.checkpoint()
    assert note is not None
    newest = check.read_checkpoint(check.read_note(note).text)
    assert tiles.cosigned() == note, "at the end both witnesses have cosigned"
    for published in {check.read_checkpoint(check.read_note(note).text) for note in notes}:
        if published.origin == newest.origin:
            assert published.size <= newest.size, "a published checkpoint was lost"
            proof = tiles.consistency(published.size, newest.size)
            check.check_consistency(published.size, published.root, newest.size, newest.root, proof)


def every_event_has_one_leaf_and_a_proof(url: str, log: Path) -> None:
    policy = check.read_policy((log / POLICY).read_bytes())
    with db.connect(url, autocommit=True) as connection:
        history = list(read(connection))
        leaves = [Leaf(*row) for row in connection.execute(_LEAVES)]
        old, new = shards(connection)
    assert [leaf.seq for leaf in leaves] == [kept.seq for kept in history]
    sizes = [check.read_checkpoint(check.read_note((log / one.name / "checkpoint").read_bytes()).text).size
             for one in (old, new)]  # fmt: skip
    assert sum(sizes) == len(history), "every event stands in one place of one log"
    for kept, leaf in zip(history, leaves, strict=True):
        start = new if kept.seq >= new.first_seq else old
        opened = open_record(record_of(kept), leaf, {})
        proof = Tiles(log / start.name).proof(kept.seq - start.first_seq)
        assert proof is not None
        checked = check.check_proof(proof, check.record_entry(opened.record, opened.openings), policy)
        assert checked.index == kept.seq - start.first_seq
    assert (log / old.name / "next").read_bytes() == (log / new.name / "link").read_bytes()


_LEAVES = "SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf ORDER BY seq"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is some: these tests ask what we do, not how fast the disk is."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="suyuan-seal-", dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def killed_at(url: str, folder: Path, *steps: int) -> bool:
    """One platform that dies at each of these steps in turn; whether the first of them was one."""
    place = begin_anew(url, folder / "-".join(map(str, steps)))
    lives = [run_and_kill(url, place, nth) for nth in steps]
    check_nothing_is_lost_or_forked(url, place, lives)
    return lives[0].was_killed


def test_kill_9_at_some_steps_of_sealing_loses_and_forks_nothing(story: str, folder: Path) -> None:
    """Some steps stand for all."""
    for nth in range(1, 320, 25):
        killed_at(story, folder, nth)


@pytest.mark.nightly
def test_kill_9_at_every_step_of_sealing_loses_and_forks_nothing(story: str, folder: Path) -> None:
    for nth in range(100_000):
        if not killed_at(story, folder, nth):
            break
    assert nth > 250, "sealing has fewer steps than this was written for"


@pytest.mark.nightly
def test_kill_9_again_and_again_loses_and_forks_nothing(story: str, folder: Path) -> None:
    """Each sealer meets what the ones before it left."""
    rng = Random(4)
    for _ in range(300):
        killed_at(story, folder, *(rng.randrange(150) for _ in range(rng.randrange(2, 6))))
