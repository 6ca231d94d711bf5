"""What one log is, which checkpoints are its own, and the lock that keeps it to one writer.

A shard is a log of one year, with a name (its *origin*), keys and a folder of its own. A checkpoint is its own when it
bears its name and is signed by at least one of its keys, and by none of them badly; so a key is changed by signing with
the old and the new one for a while.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from suyuan.evidence import check
from suyuan.evidence.log.note import LogSigner, ed25519_fits, signature_fits
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import CHECKPOINT, Before, read_note_file, unwatched

_TIME_BYTES = 8


@dataclass(frozen=True)
class Shard:
    """What a log is: its folder, its name, its keys, and whom it asks.

    `second_copy` is a file on another device that holds the last signed checkpoint too; with it, a folder that was put
    back from a backup is noticed. `policy` names the witnesses whose cosignatures are taken, and how many are enough.
    """

    folder: Path
    origin: str
    signers: Sequence[LogSigner]
    second_copy: Path | None = None
    policy: check.Policy | None = None
    before: Before = field(default=unwatched, repr=False)

    def __post_init__(self) -> None:
        kinds = [signer.vkey.kind for signer in self.signers]
        assert check.ED25519 in kinds, "a checkpoint of a public log is signed by Ed25519 (c2sp.org/tlog-tiles)"

    def has_begun(self) -> bool:
        """Whether `create` was here: there is a checkpoint to open, in the folder or as the second copy."""
        return any(file.exists() for file in self.checkpoint_files())

    def check_has_not_begun(self) -> None:
        """Raises `LogStopped`; files without a checkpoint are what is left of a log too."""
        for file in (*self.checkpoint_files(), self.folder / "tile"):
            if file.exists():
                raise LogStopped(Stop.LOG_EXISTS_ALREADY, file=file.name)

    def checkpoint_files(self) -> list[Path]:
        """Where the last signed checkpoint is kept."""
        return [self.folder / CHECKPOINT, *([self.second_copy] if self.second_copy else [])]

    def published(self, file: Path) -> Published | None:
        """A checkpoint that this log signed, `None` if the file is not there. Raises `LogStopped` for any other."""
        note = read_note_file(file)
        return self.believed(note, file.name) if note is not None else None

    def newest_published(self, copy: bytes | None = None) -> Published:
        """Of the two checkpoints one may be damaged, missing or old, and the other one counts then.

        So does `copy`, one from elsewhere, such as a witness. Raises `LogStopped` where none is good.
        """
        found, stopped = [None if copy is None else self.believed(copy)], LogStopped(Stop.CHECKPOINT_IS_MISSING)
        for file in self.checkpoint_files():
            try:
                found.append(self.published(file))
            except LogStopped as bad:
                stopped = bad
        newest = max((one for one in found if one is not None), key=lambda one: one.checkpoint.size, default=None)
        if newest is None:
            raise stopped
        return newest

    def believed(self, note: bytes, name: str = CHECKPOINT) -> Published:
        """The note as one that this log signed. Raises `LogStopped`."""
        try:
            checkpoint = own_checkpoint(note, [signer.vkey for signer in self.signers])
            if checkpoint.origin != self.origin:
                raise check.BadEvidence(check.Wrong.LOG_IS_UNKNOWN, log=checkpoint.origin)
        except check.BadEvidence as bad:
            raise LogStopped(Stop.CHECKPOINT_IS_NOT_OURS, file=name, reason=bad) from bad
        return Published(note, checkpoint)


def own_checkpoint(note: bytes, vkeys: Sequence[check.Vkey]) -> check.Checkpoint:
    """The checkpoint of a note that one Ed25519 key of these signed, and none of these badly. Raises `BadEvidence`."""
    opened = check.read_note(note)
    checkpoint = check.read_checkpoint(opened.text)
    check.check_signatures(opened, [vkey for vkey in vkeys if vkey.kind == check.ED25519], verify=ed25519_fits)
    # SM2 lines are those that `evidence.check` leaves alone; cosignatures are no log's.
    others = {(vkey.name, vkey.key_id): vkey for vkey in vkeys if vkey.kind != check.ED25519}
    for line in opened.signatures:
        vkey = others.get((line.name, line.key_id))
        if vkey is not None and not signature_fits(vkey, opened.text, line.blob):
            raise check.BadEvidence(check.Wrong.SIGNATURE_IS_BAD, key=vkey.name)
    return checkpoint


class Published(NamedTuple):
    """A note that this log signed, and the checkpoint that it is."""

    note: bytes
    checkpoint: check.Checkpoint


class Cosigned(NamedTuple):
    """The note with what was taken, whose lines these were, and for each of the others why it was not."""

    note: bytes
    names: tuple[str, ...]
    refused: tuple[str, ...]


def with_cosignatures(note: bytes, lines: bytes, policy: check.Policy | None) -> Cosigned:
    """The note with those of these lines that are good ones of the policy's witnesses, one for each key, the newest."""
    opened = check.read_note(note)
    witnesses = [witness.vkey for witness in policy.witnesses.values()] if policy is not None else []
    kept = {(line.name, line.key_id): line for line in opened.signatures}
    names, refused = [], []
    for line in filter(None, lines.split(b"\n")):
        try:
            single = check.read_note(opened.text + b"\n" + line + b"\n")
            check.check_signatures(single, witnesses, verify=ed25519_fits)
        except check.BadEvidence as bad:
            refused.append(str(bad))
            continue
        new = single.signatures[0]
        old = kept.get((new.name, new.key_id))
        if old is None or old.blob[:_TIME_BYTES] < new.blob[:_TIME_BYTES]:
            kept[new.name, new.key_id] = new
            names.append(new.name)
    return Cosigned(opened.text + b"\n" + b"".join(map(_line, kept.values())), tuple(names), tuple(refused))


def _line(signature: check.NoteSignature) -> bytes:
    return f"— {signature.name} {check.to_base64(signature.key_id + signature.blob)}\n".encode()


class Lock:
    """Keeps a folder to one process, until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    @contextmanager
    def taken(cls, folder: Path) -> Iterator[Lock]:
        """The lock, which is held on afterwards unless something goes wrong inside. Raises `LogStopped`."""
        lock = cls(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        try:
            lock._lock()
            yield lock
        except BaseException:
            lock.release()
            raise

    def _lock(self) -> None:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogStopped(Stop.LOG_IS_OPEN_ELSEWHERE) from None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def check_is_on(self, folder: Path) -> None:
        """A folder that was moved away takes the lock along, and whatever lies there now has none."""
        assert self._descriptor is not None
        if not os.path.samestat(os.fstat(self._descriptor), folder.stat()):
            raise LogStopped(Stop.CHECKPOINT_WAS_EXCHANGED, file=folder.name)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def stopping() -> Iterator[None]:
    """Says what the disk refused as a stop."""
    try:
        yield
    except OSError as refused:
        raise LogStopped(
            Stop.DISK_REFUSED, file=refused.filename or "a file", reason=refused.strerror or type(refused).__name__
        ) from refused
