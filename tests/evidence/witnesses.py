"""A witness in a folder, for tests: its logs, its key, and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from suyuan.base.clock import SECOND, Clock, Micros
from suyuan.base.crypto import suite
from suyuan.evidence.check import Signed, Vkey, check_signatures, read_checkpoint, read_note
from suyuan.evidence.log.note import Cosigner, cosigner, vkey_text
from suyuan.evidence.witness.cosigning import Answer, Conflict, Cosigned, Refused, Silent, Witness, label
from suyuan.evidence.witness.memory import origin_hash
from suyuan.evidence.witness.request import write_request
from suyuan.evidence.witness.watched_logs import WatchedLogs
from tests.evidence.small_log import SmallLog

NAME = "witness.example/w1"
NOW = Micros(1_795_320_000 * SECOND)
SECRET = b"w" * 32


def own_cosigner() -> Cosigner:
    return cosigner(NAME, suite("ed25519").signer(SECRET))


def watch(folder: Path, vkeys: Sequence[Vkey]) -> Path:
    """Writes the file of logs."""
    file = folder / "logs.txt"
    file.write_text("".join(f"{vkey_text(vkey)}\n" for vkey in vkeys), "utf-8")
    return file


def open_witness(folder: Path, *logs: SmallLog) -> Witness:
    """A witness of these logs, with what it remembers from before."""
    return Witness(folder / "witness", own_cosigner(), WatchedLogs(watch(folder, [log.vkey for log in logs])))


def cosigned(note: bytes, answer: Answer) -> Signed:
    """The cosignature of an answer, checked as the log does it."""
    assert answer.status == 200, answer
    text = read_note(note).text
    read = read_note(text + b"\n" + answer.body)
    assert len(read.signatures) == 1, "nothing but the witness's own line"
    (signed,) = check_signatures(read, [own_cosigner().vkey])
    return signed


def remembered(witness: Witness, origin: str) -> int:
    """The size of the newest checkpoint, whose signatures are good."""
    note = witness.latest(origin_hash(origin))
    if note is None:
        return 0
    check_signatures(read_note(note), [witness.vkey])
    return read_checkpoint(read_note(note).text).size


class NearWitness:
    """A witness that a log calls without any network. Implements `WitnessCaller`."""

    def __init__(self, witness: Witness, clock: Clock) -> None:
        self._witness = witness
        self._clock = clock
        self.name = label(witness.vkey.name, witness.vkey.key_id)

    async def latest(self, origin: str) -> int | None:
        return remembered(self._witness, origin) if self._witness.latest(origin_hash(origin)) else None

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        answer = self._witness.add_checkpoint(write_request(old, proof, note), self._clock.now())
        if answer.status == 200:
            return answer.body
        return Conflict(int(answer.body)) if answer.status == 409 else Refused(f"http_{answer.status}")
