"""What the public log costs by itself: the tree, its files, and what a stranger spends on a proof.

Appending is measured beside its floor, which no implementation in Python gets below: the two SHA-256 of 65 bytes that
each entry needs, one for a leaf and one for a node on the average.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from suyuan.base import crypto
from suyuan.base.clock import cpu_s, monotonic_s
from suyuan.evidence import check
from suyuan.evidence.log.note import ed25519_fits, ed25519_signer, sm2_signer, vkey_text
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.tree import Edge
from suyuan.faces.bench.turns import best_in_turns

ORIGIN = "bench.example/log/2026"
ENTRY_BYTES = 32
HASHED_BYTES = 65
BATCH = 1_024
# Fewer entries a seal share its syncs among fewer; the first is the figure that is promised.
SEALED_AT_ONCE = (BATCH, 256, 16)
SEALS = 12


class Appending(NamedTuple):
    """CPU microseconds an entry, in the best of batches that took turns."""

    append_us: float
    floor_us: float

    @property
    def over_floor(self) -> float:
        return self.append_us / self.floor_us


class Durable(NamedTuple):
    """Entries that were appended, read back, signed twice and synced, so many at once."""

    at_once: int
    per_s: float
    cpu_us: float


class Proving(NamedTuple):
    """CPU microseconds a proof: to make, to check, and to check with nothing but the standard library."""

    prove_us: float
    verify_us: float
    verify_alone_us: float


def appending() -> Appending:
    """The tree in memory, beside bare hashing."""
    edge = Edge()
    entries = [os.urandom(ENTRY_BYTES) for _ in range(BATCH)]
    hashed = os.urandom(HASHED_BYTES)

    def hash_barely() -> None:
        for _ in entries:
            sha256(hashed).digest()
            sha256(hashed).digest()

    append_us, floor_us = best_in_turns(lambda: edge.append(entries), hash_barely, batch_calls=16)
    return Appending(append_us / BATCH, floor_us / BATCH)


def durable(folder: Path) -> list[Durable]:
    """A log of its own for each size of batch, on the disk of this folder."""
    return [_durable(folder / f"log-{at_once}", at_once) for at_once in SEALED_AT_ONCE]


def _durable(folder: Path, at_once: int) -> Durable:
    batches = [[os.urandom(ENTRY_BYTES) for _ in range(at_once)] for _ in range(SEALS)]
    with ShardLog.create(_shard(folder)) as log:
        began_s, began_cpu_s = monotonic_s(), cpu_s()
        for batch in batches:
            log.append(batch)
            log.seal()
        seconds, used_s = monotonic_s() - began_s, cpu_s() - began_cpu_s
    entries = SEALS * at_once
    return Durable(at_once, entries / seconds, used_s / entries * 1e6)


def proving(folder: Path) -> Proving:
    """Proofs of a log's entries, made from its files and checked against a policy that names its key."""
    shard = _shard(folder)
    entries = [os.urandom(ENTRY_BYTES) for _ in range(64 * BATCH)]
    with ShardLog.create(shard) as log:
        log.append(entries)
        log.seal()
        tiles, index = log.tiles, len(entries) // 3
        proof = tiles.proof(index)
        assert proof is not None, "what is sealed has a proof"
        policy = check.read_policy(b"log %s\nquorum none\n" % vkey_text(shard.signers[0].vkey).encode())
        entry = entries[index]
        prove_us, verify_us = best_in_turns(
            lambda: tiles.proof(index),
            lambda: check.check_proof(proof, entry, policy, verify=ed25519_fits),
            batch_calls=200,
        )
        (alone_us,) = best_in_turns(lambda: check.check_proof(proof, entry, policy), batch_calls=10)
    return Proving(prove_us, verify_us, alone_us)


def _shard(folder: Path) -> Shard:
    suites: Sequence[crypto.Suite] = [crypto.suite("ed25519"), crypto.suite("sm2-sm3")]
    ed25519, sm2 = (suite.signer(suite.new_secret()) for suite in suites)
    return Shard(folder, ORIGIN, [ed25519_signer(ORIGIN, ed25519), sm2_signer(ORIGIN, sm2)])
