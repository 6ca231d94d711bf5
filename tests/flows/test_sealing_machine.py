"""Whatever happens to a platform, in whatever order, its log forks never, and there is always a way on.

Hypothesis sells, registers, forgets, seals, kills the sealer in the middle of a round, puts the database or the log's
folder back to an older day, damages and loses files, silences witnesses, lets years pass, begins shards anew and
rebuilds them. The second copies of the last checkpoints lie on another device, which nobody puts back.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from suyuan.base import db
from suyuan.base.clock import SECOND, SetClock
from suyuan.evidence import check
from suyuan.evidence.log import links
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_list import signed_size
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.records.commitment import record_of
from suyuan.evidence.records.leaves import Leaf, ShardStart, entries, next_leaf, shards
from suyuan.evidence.records.opening import open_record
from suyuan.evidence.witness.cosigning import Conflict, Cosigned, Refused, Silent, Witness
from suyuan.evidence.witness.watched_logs import WatchedLogs
from suyuan.flows import seal_history as sealing
from suyuan.flows.begin_shard import NothingIsLost, begin_again
from suyuan.flows.publish_log import publish_log
from suyuan.flows.seal_history import Sealer, seal_history, shard_of
from suyuan.history.events import Event, PayoutPaid, SellerRegistered, encode, kind_of
from suyuan.history.store import read
from suyuan.privacy.classes import Privacy, Sealed
from suyuan.privacy.keyring import Ring
from suyuan.privacy.vault import KEY_CHANCE_BYTES, Vault
from tests.evidence.witnesses import NearWitness, own_cosigner, remembered, watch
from tests.flows.house import NOON
from tests.flows.sealing import LOG_NAME, signers
from tests.flows.test_seal_crashes import Watched, WatchedSigner

YEAR_S = 366 * 86_400
LATEST = NOON + 4 * YEAR_S * SECOND
TABLES = ("event", "leaf", "shard", "subject_key")
YEARS = range(2026, 2032)
NAMES = [f"{year}{number}" for year in YEARS for number in ("", *(f"-{n}" for n in range(2, 30)))]
# A way on has at most so many steps, each of which a sentence names.
STEPS_MAX = 12
DAMAGED = frozenset({
    Stop.FILE_IS_MISSING, Stop.FILE_IS_MALFORMED, Stop.CHECKPOINT_IS_MISSING, Stop.CHECKPOINT_IS_NOT_OURS,
    Stop.TILES_GIVE_ANOTHER_ROOT, Stop.ENTRIES_ARE_NOT_IN_TILES, Stop.FOLDER_IS_OLDER, Stop.DISK_READS_DIFFERENTLY,
    Stop.CHECKPOINT_WAS_EXCHANGED, Stop.LOG_EXISTS_ALREADY, Stop.LOG_HAS_FORKED,
})  # fmt: skip


class Killed(BaseException):
    """No code of the sealer's may catch it, as none sees a SIGKILL."""


class MoodyWitness(NearWitness):
    """A real witness that is at times not to be reached."""

    is_silent = False

    async def latest(self, origin: str) -> int | None:
        return None if self.is_silent else await super().latest(origin)

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        return Silent("timed_out") if self.is_silent else await super().add_checkpoint(old, proof, note)


class SealingMachine(RuleBasedStateMachine):
    """A platform's history as rows, its log as files, and what the world was ever shown."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._room = TemporaryDirectory(prefix="suyuan-seal-", dir=_memory())
        self.folder = Path(self._room.name)
        self.log = self.folder / "log"
        for name in ("copies", "witness", "backups"):
            (self.folder / name).mkdir()
        self.connection = db.connect(url, autocommit=True)
        self.connection.execute("TRUNCATE event, leaf, shard, subject_key")
        self.url = url
        self.vault = Vault(bytes(32), Ring({1: bytes(32)}))
        self.clock = SetClock(NOON)
        known = WatchedLogs(watch(self.folder / "witness", _vkeys()))
        self.real_witness = Witness(self.folder / "witness" / "memory", own_cosigner(), known)
        self.witness = MoodyWitness(self.real_witness, self.clock)
        self.policy = f"witness w {vkey_text(own_cosigner().vkey)}\nquorum w\n".encode()
        self.sealer: Sealer | None = None
        self.kill_at = -1
        self.backups: list[dict[str, list[tuple[Any, ...]]]] = []
        self.folders: list[Path] = []
        self.published: dict[str, dict[int, bytes]] = {}
        self.hurt: set[str] = set()
        self.numbers = count(1)

    def teardown(self) -> None:
        """At the end a person follows the sentences, and everything that the database has is sealed."""
        try:
            self.witness.is_silent = False
            self.find_a_way_on()
        finally:
            self.drop_sealer()
            self.connection.close()
            self._room.cleanup()

    # --- what happens on the platform ---

    def _happen(self, event: Event) -> None:
        self.clock.advance(1)
        row = (next_event := self._events(), self.clock.now(), kind_of(event), encode(event))
        assert next_event >= 0
        self.connection.execute("INSERT INTO event (seq, at, kind, body) VALUES (%s, %s, %s, %s)", row)

    def _events(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM event").fetchall()[0][0])

    @rule(times=st.integers(1, 3))
    def sell(self, times: int) -> None:
        for number in (next(self.numbers) for _ in range(times)):
            self._happen(PayoutPaid(f"rdm_{number}", f"B-{number}", 8_000, "money"))

    @rule()
    def register(self) -> None:
        seller = f"slr_{next(self.numbers)}"
        key = self.vault.new_key(seller, Privacy.IDENTITY, now=0, chance=os.urandom(KEY_CHANCE_BYTES)).row
        row = (key.id, key.epoch, key.wrapped, key.fingerprint)
        self.connection.execute(
            "INSERT INTO subject_key (id, epoch, wrapped, fingerprint) VALUES (%s, %s, %s, %s)", row
        )
        sealed = Sealed(f"2a.{seller}")
        self._happen(SellerRegistered(seller, "ptn_1", "idn_1", "pye_1", "num_1", sealed, sealed, sealed, sealed, 1))

    @rule()
    def forget_somebody(self) -> None:
        self.connection.execute(
            "UPDATE subject_key SET wrapped = '', fingerprint = %s"
            " WHERE id = (SELECT id FROM subject_key WHERE wrapped <> '' LIMIT 1)",
            (bytes(16),),
        )

    @precondition(lambda self: self.clock.now() < LATEST)
    @rule()
    def a_year_passes(self) -> None:
        self.clock.advance(YEAR_S)

    # --- sealing ---

    def _step(self, _what: str = "", _file: str = "") -> None:
        self.look_at_what_is_published()
        if self.kill_at == 0:
            self.kill_at = -1
            raise Killed
        self.kill_at -= 1

    def _opened(self) -> Sealer:
        if self.sealer is None:
            connection = Watched.connect(self.url, autocommit=True)
            connection.step = self._step
            self.sealer = Sealer(
                connection=connection, vault=self.vault, clock=self.clock, chance=os.urandom, log_name=LOG_NAME,
                folder=self.log, second_copies=self.folder / "copies", witnesses=lambda _: [self.witness],
                signers=lambda start: [WatchedSigner(one, self.is_about_to_sign) for one in signers(start)],
                policy=check.read_policy(self.policy), policy_text=self.policy,
            )  # fmt: skip
        return self.sealer

    @rule()
    def drop_sealer(self) -> None:
        """Its process ends; the next one begins with what lies there."""
        if self.sealer is not None:
            self.sealer.close()
            self.sealer.connection.close()
            self.sealer = None

    def _seal(self) -> LogStopped | None:
        """One round, to its end or to a stop."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealing, "Shard", functools.partial(Shard, before=self._step))
            sealer = self._opened()
            try:
                asyncio.run(seal_history(sealer))
                publish_log(sealer)
            except LogStopped as stopped:
                return stopped
        self.everything_is_provable()
        return None

    @rule()
    def seal(self) -> None:
        self._seal()

    @rule(nth=st.integers(0, 70))
    def seal_and_die(self, nth: int) -> None:
        self.kill_at = nth
        try:
            self._seal()
        except Killed:
            self.drop_sealer()
        self.kill_at = -1

    @rule()
    def the_witness_changes_its_mood(self) -> None:
        self.witness.is_silent = not self.witness.is_silent
        self.clock.advance(20)

    # --- what goes wrong ---

    @rule()
    def take_a_backup(self) -> None:
        self.backups.append({name: self._rows(name) for name in TABLES})
        self.folders.append(self.folder / "backups" / str(len(self.folders)))
        self.log.mkdir(exist_ok=True)
        shutil.copytree(self.log, self.folders[-1])

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(f"SELECT * FROM {table}".encode()).fetchall()

    @precondition(lambda self: self.backups)
    @rule(which=st.integers(0, 9))
    def put_the_database_back(self, which: int) -> None:
        self.drop_sealer()
        for name, rows in self.backups[which % len(self.backups)].items():
            self.connection.execute(f"TRUNCATE {name}".encode())
            for row in rows:
                places = ", ".join(["%s"] * len(row))
                self.connection.execute(f"INSERT INTO {name} VALUES ({places})".encode(), row)

    @precondition(lambda self: self.folders)
    @rule(which=st.integers(0, 9))
    def put_the_folder_back(self, which: int) -> None:
        self.drop_sealer()
        shutil.rmtree(self.log)
        shutil.copytree(self.folders[which % len(self.folders)], self.log)
        self.hurt.update(NAMES)

    def _some_file(self, which: int) -> Path | None:
        """Of a shard; the list of shards is lost with the whole folder only."""
        files = sorted(file for file in self.log.glob("2*/**/*") if file.is_file() and ".staging" not in file.parts)
        return files[which % len(files)] if files else None

    @rule(which=st.integers(0, 99))
    def lose_a_file(self, which: int) -> None:
        if (file := self._some_file(which)) is not None:
            self.hurt.add(file.relative_to(self.log).parts[0])
            file.unlink()

    @rule(which=st.integers(0, 99), at=st.integers(0, 999))
    def flip_a_byte(self, which: int, at: int) -> None:
        if (file := self._some_file(which)) is not None and (content := bytearray(file.read_bytes())):
            self.hurt.add(file.relative_to(self.log).parts[0])
            content[at % len(content)] ^= 1
            file.write_bytes(content)

    # --- what a person does about it ---

    @rule(which=st.integers(0, 9))
    def rebuild_a_shard(self, which: int) -> None:
        self.drop_sealer()
        known = shards(self.connection)
        if known:
            self._rebuild(known[which % len(known)])

    def _rebuild(self, start: ShardStart) -> bool:
        later = [one.first_seq for one in shards(self.connection) if one.first_seq > start.first_seq]
        behind = min([*later, next_leaf(self.connection)])
        leaves = entries(self.connection, start.first_seq, max(behind, start.first_seq))
        try:
            rebuild(shard_of(self._opened(), start), leaves)
        except LogStopped:
            return False
        self.hurt.discard(start.name)
        return True

    @rule(witness_is_ahead=st.booleans())
    def begin_again(self, witness_is_ahead: bool) -> None:
        """An anxious person does so without need as well."""
        self._begin_again(witness_is_ahead=witness_is_ahead)

    def _begin_again(self, *, witness_is_ahead: bool) -> bool:
        self.drop_sealer()
        try:
            copies = self.folder / "copies"
            begin_again(
                self.connection, self.log, log_name=LOG_NAME, second_copies=copies, witness_is_ahead=witness_is_ahead
            )
        except (NothingIsLost, LogStopped):
            return False
        return True

    def find_a_way_on(self) -> None:
        said: list[str] = []
        for _ in range(STEPS_MAX):
            stopped = self._seal()
            if stopped is None:
                return
            said.append(str(stopped))
            self.drop_sealer()
            mended = [self._rebuild(start) for start in shards(self.connection)]
            if stopped.code in DAMAGED and all(mended):
                continue
            assert self._begin_again(witness_is_ahead=False) or self._begin_again(witness_is_ahead=True), said
        raise AssertionError(f"there is no way on: {said}")

    # --- what must hold ---

    def is_about_to_sign(self, text: bytes) -> None:
        """While a witness that answers is ahead, nothing is."""
        if text.startswith(links.FORMAT.encode()):
            return
        origin, _, _ = check.read_checkpoint(text)
        published = signed_size(self.log, origin.rpartition("/")[2])
        if not self.witness.is_silent:
            assert remembered(self.real_witness, origin) <= published, "a witness is ahead"

    @invariant()
    def look_at_what_is_published(self) -> None:
        """One size has one root for ever, and what was not published before goes on from all that was."""
        for file in self.log.glob("*/checkpoint"):
            if file.parent.name in self.hurt:
                continue
            origin, size, root = check.read_checkpoint(check.read_note(file.read_bytes()).text)
            known = self.published.setdefault(origin, {})
            assert known.get(size, root) == root, "one size was published with two roots"
            if size in known:
                continue
            assert size > max(known, default=-1), "a smaller tree was published after a larger one"
            for old, old_root in known.items():
                proof = Tiles(file.parent).consistency(old, size)
                check.check_consistency(old, old_root, size, root, proof)
            known[size] = root

    def everything_is_provable(self) -> None:
        """Sealed without a stop: all that the database has stands in the log, in its place."""
        history = list(read(self.connection))
        leaves = [Leaf(*row) for row in self.connection.execute(_LEAVES)]
        known = shards(self.connection)
        assert [leaf.seq for leaf in leaves] == [kept.seq for kept in history]
        for kept, leaf in zip(history, leaves, strict=True):
            start = [one for one in known if one.first_seq <= kept.seq][-1]
            if start.name in self.hurt:
                continue
            opened = open_record(record_of(kept), leaf, {})
            own = check.Log(signers(start)[0].vkey, None)
            proof = Tiles(self.log / start.name).proof(kept.seq - start.first_seq)
            assert proof is not None
            policy = check.read_policy(f"log {vkey_text(own.vkey)}\nquorum none\n".encode())
            checked = check.check_proof(proof, check.record_entry(opened.record, opened.openings), policy)
            assert checked.index == kept.seq - start.first_seq


_LEAVES = "SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf ORDER BY seq"


@functools.cache
def _vkeys() -> list[check.Vkey]:
    """Of all shards that there might be."""
    return [signers(ShardStart(name, 0, f"{LOG_NAME}/{name}", is_published=True))[0].vkey for name in NAMES]


def _memory() -> Path | None:
    return Path("/dev/shm") if Path("/dev/shm").is_dir() else None


def run(url: str, **how: Any) -> None:
    class Here(SealingMachine):
        def __init__(self) -> None:
            super().__init__(url)

    run_state_machine_as_test(Here, settings=settings(**how))


def test_no_log_forks_whatever_happens(database: str) -> None:
    run(database, max_examples=40, stateful_step_count=25)


@pytest.mark.nightly
def test_no_log_forks_however_much_happens(database: str) -> None:
    run(database, max_examples=600, stateful_step_count=50)
