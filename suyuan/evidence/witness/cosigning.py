"""A witness: it remembers the newest checkpoint of each log that it watches, and signs only what goes on from there.

This is C2SP tlog-witness in the version that docs/decisions/0013 names, without what carries the bytes. The answer to a
request (`request`) is 200 with the cosignature, or

    400  the request is malformed, or its old size is above its checkpoint's
    404  the log is not watched
    403  no known key signed the checkpoint, or one did with a signature that is wrong
    422  the empty tree has another root than the empty tree's
    409  the old size is not that of the newest checkpoint, which the body tells
    422  nothing shows that the tree goes on from the newest one, or it is another tree of the same size

in this order. What lies on the disk says `memory`.

Invariants: comparing and replacing is one act under the log's lock, among any number of threads and processes; an
answer goes out only once what it says is on the disk. So neither kill -9 nor a race makes a witness sign a smaller tree
after a larger one, or two roots of one size. The times that it signs never decrease, whatever its clock does. It signs
the three lines that it understood, written anew, and keeps no signature that it did not check. What a log's key signed
and does not fit is kept as evidence. A witness sees sizes and roots, never an entry.

A log calls its witnesses by a `WitnessCaller`, which returns what went wrong and raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import structlog

from suyuan.base.clock import SECOND, Micros
from suyuan.evidence.check import (
    EMPTY_ROOT,
    BadEvidence,
    Checkpoint,
    Note,
    Vkey,
    check_consistency,
    check_signatures,
    read_checkpoint,
    read_note,
    to_base64,
)
from suyuan.evidence.log.note import Cosigner, checkpoint_text, ed25519_fits
from suyuan.evidence.witness.memory import Fork, Memory, Place
from suyuan.evidence.witness.request import BadRequest, Request, read_request, signature_line
from suyuan.evidence.witness.watched_logs import WatchedLogs

TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"

log = structlog.get_logger()


class MemoryIsDamaged(Exception):
    """Raised when a remembered checkpoint is not what this witness wrote. Nothing is signed for its log any more."""


class Answer(NamedTuple):
    """What is answered, in HTTP's words."""

    status: int
    content_type: str
    body: bytes


class _Submitted(NamedTuple):
    """A checkpoint that a watched log's key did sign."""

    request: Request
    checkpoint: Checkpoint
    lines: bytes


class _Newest(NamedTuple):
    """What this witness signed last for a log: its note, and the time that stands in the cosignature."""

    note: bytes
    checkpoint: Checkpoint
    at_s: int


class Witness:
    """The protocol over a folder. May be shared between threads, and the folder between processes."""

    def __init__(self, folder: Path, cosigner: Cosigner, logs: WatchedLogs) -> None:
        self._memory = Memory(folder)
        self._cosigner = cosigner
        self._logs = logs
        # What this process has put on the disk last, by the log. Only it knows that it waited for the disk.
        self._on_disk: dict[str, bytes] = {}

    @property
    def vkey(self) -> Vkey:
        """What others check the cosignatures with."""
        return self._cosigner.vkey

    def origins(self) -> list[str]:
        """The logs that are watched."""
        return self._logs.origins()

    def latest(self, log_hash: str) -> bytes | None:
        """The newest checkpoint that was cosigned for the log with this hash, with its signatures."""
        return self._memory.newest(log_hash)

    def add_checkpoint(self, body: bytes, now: Micros) -> Answer:
        """Looks at a checkpoint, remembers it and cosigns it, or says why not. Raises `MemoryIsDamaged`."""
        submitted = self._read(body)
        if isinstance(submitted, Answer):
            log.info("request_was_refused", status=submitted.status)
            return submitted
        origin, size, _ = submitted.checkpoint
        with self._memory.held(origin) as place:
            answer = self._compare(place, submitted, now)
        log.info("checkpoint_was_answered", origin=origin, size=size, status=answer.status)
        return answer

    def _read(self, body: bytes) -> _Submitted | Answer:
        """The request, once a known key of its log signed it."""
        try:
            request = read_request(body)
            origin = request.note.partition(b"\n")[0].decode()
        except (BadRequest, UnicodeDecodeError) as bad:
            return _said(400, str(bad))
        vkeys = self._logs.vkeys(origin)
        if not vkeys:
            return _said(404, "this witness does not watch this log")
        try:
            note = read_note(request.note)
        except BadEvidence as bad:
            return _said(400, str(bad))
        try:
            signed = check_signatures(note, vkeys, verify=ed25519_fits)
        except BadEvidence as bad:
            return _said(403, str(bad))
        try:
            checkpoint = read_checkpoint(note.text)
        except BadEvidence as bad:
            return _said(400, str(bad))
        if note.text != checkpoint_text(*checkpoint):
            return _said(400, "a checkpoint has three lines here: extension lines are not cosigned")
        if request.old > checkpoint.size:
            return _said(400, "the old size is above the checkpoint's")
        return _Submitted(request, checkpoint, _lines(note, {(one.vkey.name, one.vkey.key_id) for one in signed}))

    def _compare(self, place: Place, submitted: _Submitted, now: Micros) -> Answer:
        """Compares with what is remembered, and replaces it. The place is held."""
        request, checkpoint, lines = submitted
        newest = self._newest(place, checkpoint.origin)
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            self._keep(place, submitted, newest, now, is_proof=True)
            return _said(422, "the empty tree has another root")
        is_another_tree = checkpoint.size == newest.checkpoint.size and checkpoint.root != newest.checkpoint.root
        if is_another_tree:
            self._keep(place, submitted, newest, now, is_proof=True)
        if request.old != newest.checkpoint.size:
            return Answer(409, SIZE, b"%d\n" % newest.checkpoint.size)
        try:
            check_consistency(
                newest.checkpoint.size, newest.checkpoint.root, checkpoint.size, checkpoint.root, request.proof
            )
        except BadEvidence as bad:
            if 0 < newest.checkpoint.size < checkpoint.size:
                self._keep(place, submitted, newest, now, is_proof=False)
            return _said(422, str(bad))
        at_s = max(now // SECOND, newest.at_s)
        if at_s > now // SECOND:
            log.warning("clock_ran_backwards", seconds=at_s - now // SECOND)
        text = checkpoint_text(*checkpoint)
        cosignature = self._cosigner.line(text, at_s)
        note = text + b"\n" + lines + cosignature
        # Anybody may send a public checkpoint a thousand times a second, and each wait for the disk holds up its log.
        if note != newest.note or note != self._on_disk.get(checkpoint.origin):
            place.replace(note)
            self._on_disk[checkpoint.origin] = note
        place.clear(checkpoint)
        return Answer(200, TEXT, cosignature)

    def _newest(self, place: Place, origin: str) -> _Newest:
        """What was signed last. Before anything was, that is the empty tree at no time."""
        note = place.newest()
        if note is None:
            return _Newest(b"", Checkpoint(origin, 0, EMPTY_ROOT), 0)
        try:
            read = read_note(note)
            (signed,) = check_signatures(read, [self.vkey], verify=ed25519_fits)
            checkpoint = read_checkpoint(read.text)
        except BadEvidence as bad:
            raise MemoryIsDamaged(f"what is remembered of {origin} is not what this witness cosigned: {bad}") from None
        if checkpoint.origin != origin or signed.at is None:
            raise MemoryIsDamaged(f"what is remembered of {origin} is about another log")
        return _Newest(note, checkpoint, signed.at)

    def _keep(self, place: Place, submitted: _Submitted, newest: _Newest, now: Micros, *, is_proof: bool) -> None:
        """Keeps what speaks against a log; the log says so too, since somebody has to look at it."""
        request, checkpoint, lines = submitted
        refused = (checkpoint_text(*checkpoint) + b"\n" + lines).decode()
        proof = [to_base64(hashed) for hashed in request.proof]
        fork = Fork(now, is_proof, newest.note.decode(), refused, request.old, proof)
        is_kept = place.keep(fork, checkpoint)
        word = "log_contradicts_itself" if is_proof else "consistency_was_not_shown"
        log.error(word, origin=checkpoint.origin, size=checkpoint.size, is_kept=is_kept)


class Conflict(NamedTuple):
    """A witness's newest checkpoint has this size, which is not the old size that it was told."""

    size: int


class Silent(NamedTuple):
    """A witness said nothing that can be used now: ask again later. `why` is a word of whoever called it."""

    why: str


class Refused(NamedTuple):
    """A witness said no, or something that cannot be believed. `why` is a word of whoever called it."""

    why: str


INCONSISTENT = "tree_is_inconsistent"
"""The word of `Refused` for a tree that does not go on from the one that the witness has seen."""

Cosigned: TypeAlias = bytes
"""A signature line of the witness, checked, to be put under the checkpoint."""


def label(name: str, key_id: bytes) -> str:
    """What one key of a witness is called, as the text of its vkey begins.

    >>> label("witness.example/w1", bytes.fromhex("1dde4531"))
    'witness.example/w1+1dde4531'
    """
    return f"{name}+{key_id.hex()}"


class WitnessCaller(Protocol):
    """One witness, as a log calls it. Returns in bounded time and raises nothing."""

    @property
    def name(self) -> str:
        """The name in its cosignatures and the id of its key: a witness that changes its key has two for a while."""

    async def latest(self, origin: str) -> int | None:
        """The size of the newest checkpoint of a log that the witness cosigned and that the log's own key signed.

        None also where the witness said nothing, or nothing that can be believed.
        """

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        """Asks for a cosignature on a checkpoint that goes on from one of the size `old`."""


def _said(status: int, sentence: str) -> Answer:
    return Answer(status, TEXT, sentence.encode() + b"\n")


def _lines(note: Note, known: set[tuple[str, bytes]]) -> bytes:
    """The signature lines of these keys, each once. All others may be anything, and are left behind."""
    good = dict.fromkeys(one for one in note.signatures if (one.name, one.key_id) in known)
    return b"".join(map(signature_line, good))
