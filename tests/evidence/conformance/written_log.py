"""A log as the platform writes it, in uneven batches, with every checkpoint that was ever published kept beside it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from suyuan.base import crypto
from suyuan.evidence import check
from suyuan.evidence.log.note import Cosigner, LogSigner, cosigner, ed25519_signer, sm2_signer, vkey_text
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog, Tiles

ORIGIN = "log.suyuan.example/2026"
WITNESSES = ("one.witness.example", "two.witness.example")
COSIGNED_AT_S = 1_790_000_000
SECRET = bytes(range(1, 33))


class WrittenLog(NamedTuple):
    """What a stranger is given: the folder and the keys. `older` are the checkpoints of before, from no entry on."""

    folder: Path
    tiles: Tiles
    vkey: str
    sm2_vkey: str
    witnesses: tuple[str, ...]
    older: tuple[Path, ...]

    @property
    def newest(self) -> check.Checkpoint:
        """What the newest checkpoint says."""
        return check.read_checkpoint(check.read_note(self.note).text)

    @property
    def note(self) -> bytes:
        """The newest checkpoint with its signatures."""
        note = self.tiles.checkpoint()
        assert note is not None, "a written log is signed"
        return note

    def trees(self) -> list[check.Checkpoint]:
        """All that were signed and hold something, the newest last."""
        notes = [path.read_bytes() for path in self.older]
        older = [check.read_checkpoint(check.read_note(note).text) for note in notes]
        return [tree for tree in (*older, self.newest) if tree.size]


def log_signers() -> list[LogSigner]:
    """The keys of every log here, so that a second one with other entries is a fork of the first."""
    ed25519, sm2 = crypto.suite("ed25519"), crypto.suite("sm2-sm3")
    return [ed25519_signer(ORIGIN, ed25519.signer(SECRET)), sm2_signer(ORIGIN, sm2.signer(SECRET))]


def write_log(folder: Path, *, entries: int, checkpoints: int, seed: int) -> WrittenLog:
    """Writes so many entries of 32 bytes, signed in so many steps and cosigned by two witnesses at the end."""
    chance = random.Random(seed)
    signers, ed25519 = log_signers(), crypto.suite("ed25519")
    witnesses = [cosigner(name, ed25519.signer(crypto.sha256(name.encode()))) for name in WITNESSES]
    shard = Shard(folder / "log", ORIGIN, signers, policy=_policy(signers[0], witnesses))
    sizes = [*sorted(chance.sample(range(1, entries), checkpoints - 1)), entries]
    older: list[Path] = []
    with ShardLog.create(shard) as log:
        for size in sizes:
            older.append(folder / f"checkpoint.{log.size}")
            older[-1].write_bytes(log.note)
            log.append([chance.randbytes(32) for _ in range(size - log.size)])
            log.seal()
        text = check.read_note(log.note).text
        log.add_cosignatures(b"".join(witness.line(text, COSIGNED_AT_S) for witness in witnesses))
    return WrittenLog(
        folder=shard.folder,
        tiles=Tiles(shard.folder),
        vkey=vkey_text(signers[0].vkey),
        sm2_vkey=vkey_text(signers[1].vkey),
        witnesses=tuple(vkey_text(witness.vkey) for witness in witnesses),
        older=tuple(older),
    )


def _policy(log: LogSigner, witnesses: Sequence[Cosigner]) -> check.Policy:
    lines = [f"log {vkey_text(log.vkey)}", *(f"witness {one.vkey.name} {vkey_text(one.vkey)}" for one in witnesses)]
    names = " ".join(one.vkey.name for one in witnesses)
    return check.read_policy("\n".join([*lines, f"group both all {names}", "quorum both", ""]).encode())


def b64(value: bytes) -> str:
    """Standard Base64, as notes and proofs have it."""
    return base64.b64encode(value).decode()


@dataclass(frozen=True)
class InclusionLine:
    """An inclusion proof of ours, as the Go program reads it."""

    index: int
    size: int
    root: bytes
    leaf: bytes
    hashes: list[bytes]

    def line(self) -> bytes:
        """The JSON line."""
        told = {"kind": "inclusion", "index": self.index, "size": self.size, "root": b64(self.root)}
        return json.dumps({**told, "leaf": b64(self.leaf), "hashes": list(map(b64, self.hashes))}).encode() + b"\n"


@dataclass(frozen=True)
class ConsistencyLine:
    """A consistency proof of ours, as the Go program reads it."""

    old_size: int
    old_root: bytes
    size: int
    root: bytes
    hashes: list[bytes]

    def line(self) -> bytes:
        """The JSON line."""
        told = {"kind": "consistency", "old_size": self.old_size, "old_root": b64(self.old_root), "size": self.size}
        return json.dumps({**told, "root": b64(self.root), "hashes": list(map(b64, self.hashes))}).encode() + b"\n"


def inclusion_proofs(log: WrittenLog, count: int, seed: int) -> Iterator[InclusionLine]:
    """So many of any entry in any tree that was signed and holds it."""
    chance, trees = random.Random(seed), log.trees()
    for _ in range(count):
        tree = chance.choice(trees)
        index = chance.randrange(tree.size)
        leaf = check.leaf_hash(log.tiles.entry(index))
        yield InclusionLine(index, tree.size, tree.root, leaf, log.tiles.inclusion(index, tree.size))


def consistency_proofs(log: WrittenLog, count: int, seed: int) -> Iterator[ConsistencyLine]:
    """So many between any two trees that were signed."""
    chance, trees = random.Random(seed), log.trees()
    for _ in range(count):
        old, new = sorted(chance.sample(trees, 2), key=lambda tree: tree.size)
        yield ConsistencyLine(old.size, old.root, new.size, new.root, log.tiles.consistency(old.size, new.size))
