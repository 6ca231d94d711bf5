"""What always holds of a log, whatever happens to it: a machine of accidents against the plainest model there is.

The model is a list of entries and a list of signed checkpoints. In any order, the log is appended to and sealed, its
process dies at any step, a byte flips, a file is lost, an old copy of the folder is put back. Then:

- opening it either goes on from the newest checkpoint, or stops with a sentence;
- where it stops, rebuilding it from the entries is what helps;
- every checkpoint that was ever signed is the beginning of every later one.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from suyuan.evidence import check
from suyuan.evidence.log.fsck import Fault, fsck
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.shard_log import ShardLog, Tiles
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.log.tiles import CHECKPOINT, COSIGNED
from tests.evidence import naive_tree
from tests.evidence.shards import ENTRIES, LOG, NATIONAL, WITNESSES, checkpoint_of, files_of, flip, put_back, shard_in

KEYS = [LOG.vkey, NATIONAL.vkey, *(witness.vkey for witness in WITNESSES)]
BATCHES = st.one_of(st.integers(0, 5), st.integers(0, 300), st.sampled_from([255, 256, 257]))
ENDLESS = len(ENTRIES) - 600


class Killed(BaseException):
    """The process dies: no code of the log's sees this coming, as none sees a SIGKILL."""


class LogLaws(RuleBasedStateMachine):
    """`self.log` is None while no process has the log open."""

    copies = Bundle("copies")

    @initialize()
    def begin(self) -> None:
        memory = Path("/dev/shm")
        self.parent = Path(tempfile.mkdtemp(prefix="suyuan-log-", dir=memory if memory.is_dir() else None))
        self.numbers = count()
        self.shard = shard_in(self.parent)
        self.log: ShardLog | None = ShardLog.create(self.shard)
        self.signed: list[check.Checkpoint] = [self.log.signed]
        self.is_damaged = False

    def teardown(self) -> None:
        if hasattr(self, "parent"):
            self.let_go()
            shutil.rmtree(self.parent)

    # --- What is done to it ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.log is not None and self.log.size < ENDLESS)
    @rule(width=BATCHES)
    def append(self, width: int) -> None:
        assert self.log is not None
        self.log.append(ENTRIES[self.log.size : self.log.size + width])

    @precondition(lambda self: self.log is not None and not self.is_damaged)
    @rule()
    def seal(self) -> None:
        assert self.log is not None
        self.note_signed(self.log.seal())
        assert self.log.signed.size == self.log.size

    @precondition(lambda self: self.log is not None and not self.is_damaged)
    @rule(at_s=st.integers(0, 2**40), how_many=st.integers(1, 3))
    def cosign(self, at_s: int, how_many: int) -> None:
        assert self.log is not None
        text = check.read_note(self.log.note).text
        self.log.add_cosignatures(b"".join(witness.line(text, at_s) for witness in WITNESSES[:how_many]))

    @rule(nth=st.integers(0, 60), width=BATCHES)
    def die_while_sealing(self, nth: int, width: int) -> None:
        """At any step of opening, appending and sealing."""
        self.let_go()
        steps = count()

        def before(_what: str, _file: str) -> None:
            if next(steps) == nth:
                raise Killed

        try:
            with ShardLog.open(replace(self.shard, before=before)) as log:
                log.append(ENTRIES[log.size : min(log.size + width, len(ENTRIES))])
                log.seal()
        except (Killed, LogStopped):
            """Both leave the folder as it is."""
        # Whatever a reader may have fetched meanwhile counts.
        for file in (self.shard.folder / CHECKPOINT, self.parent / "second"):
            if file.exists():
                self.note_signed(file.read_bytes())

    @precondition(lambda self: self.log is not None)
    @rule()
    def die(self) -> None:
        self.let_go()

    @rule(choice=st.integers(0, 10**6), at=st.integers(0, 10**6))
    def flip_a_bit(self, choice: int, at: int) -> None:
        self.let_go()
        files = [path for path, content in files_of(self.shard.folder).items() if content]
        if files:
            file = self.shard.folder / files[choice % len(files)]
            flip(file, at % file.stat().st_size)
            self.is_damaged = True

    @rule(choice=st.integers(0, 10**6))
    def lose_a_file(self, choice: int) -> None:
        self.let_go()
        files = list(files_of(self.shard.folder))
        if files:
            (self.shard.folder / files[choice % len(files)]).unlink()
            self.is_damaged = True

    @precondition(lambda self: not self.is_damaged)
    @rule(target=copies)
    def copy_the_folder(self) -> Path:
        copy = self.parent / f"copy-{next(self.numbers)}"
        shutil.copytree(self.shard.folder, copy)
        return copy

    @rule(copy=copies)
    def put_an_old_copy_back(self, copy: Path) -> None:
        self.let_go()
        put_back(self.shard, copy)
        self.is_damaged = True

    # --- What holds --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.log is None)
    @rule()
    def open_again(self) -> None:
        """It goes on from the newest checkpoint, or it stops and a rebuild helps."""
        try:
            self.log = ShardLog.open(self.shard)
        except LogStopped:
            if not self.is_damaged:
                raise
            self.rebuild()
            self.log = ShardLog.open(self.shard)
        assert self.log.signed == self.signed[-1]

    @precondition(lambda self: self.log is None and self.is_damaged)
    @rule()
    def repair(self) -> None:
        self.rebuild()

    def rebuild(self) -> None:
        self.let_go()
        assert rebuild(self.shard, ENTRIES).size == self.signed[-1].size
        findings = [one for one in fsck(self.shard.folder, KEYS) if one.code is not Fault.FILE_IS_BEYOND]
        # A line of a stranger's key may stand in the note, made of a witness's by a flipped bit.
        assert [one for one in findings if one.file != COSIGNED] == []
        self.is_damaged = False

    @invariant()
    def every_checkpoint_ever_signed_is_the_beginning_of_the_newest(self) -> None:
        if self.is_damaged or self.log is None:
            return
        newest, tiles = self.signed[-1], Tiles(self.shard.folder)
        assert self.log.signed == newest
        for old in self.signed[-4:]:
            proof = tiles.consistency(old.size, newest.size)
            check.check_consistency(old.size, old.root, newest.size, newest.root, proof)
        if newest.size:
            assert tiles.entry(newest.size - 1) == ENTRIES[newest.size - 1]

    def note_signed(self, note: bytes) -> None:
        """Remembers what was signed; a note that a flipped bit has touched is no signature of ours."""
        try:
            checkpoint = self.shard.believed(note).checkpoint
        except LogStopped:
            assert self.is_damaged
            return
        assert checkpoint.root == naive_tree.root(ENTRIES[: checkpoint.size]), "the log has forked"
        if checkpoint.size > self.signed[-1].size:
            self.signed.append(checkpoint)
        assert checkpoint in self.signed or checkpoint_of(note).size < self.signed[-1].size

    def let_go(self) -> None:
        if self.log is not None:
            self.log.close()
            self.log = None


LogLaws.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestLogLaws = LogLaws.TestCase
