"""Shards to test with: real keys, real files, entries that anybody can make again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log.note import cosigner, ed25519_signer, sm2_signer, vkey_text
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.stops import LogStopped, Stop

ORIGIN = "suyuan.example/log/2026"
KEY, NATIONAL_KEY = suite("ed25519").signer(bytes(range(32))), suite("sm2-sm3").signer(bytes(range(1, 33)))
LOG, NATIONAL = ed25519_signer(ORIGIN, KEY), sm2_signer(ORIGIN, NATIONAL_KEY)
WITNESSES = [cosigner(f"witness.example/{n}", suite("ed25519").signer(bytes([n]) * 32)) for n in (1, 2, 3)]

ENTRIES = [check.leaf_hash(b"entry %d" % index) for index in range(1_500)]

POLICY = check.read_policy(
    f"log {vkey_text(LOG.vkey)}\n".encode()
    + b"".join(f"witness w{n} {vkey_text(one.vkey)}\n".encode() for n, one in enumerate(WITNESSES))
    + b"group two 2 w0 w1 w2\nquorum two\n"
)
NOBODY = check.read_policy(f"log {vkey_text(LOG.vkey)}\nquorum none\n".encode())


def shard_in(folder: Path, **changes: Any) -> Shard:
    """A shard with a second copy beside it, as if on another device."""
    wanted = {"second_copy": folder / "second", "policy": POLICY, **changes}
    return Shard(folder / "log", ORIGIN, (LOG, NATIONAL), **wanted)


def sealed(shard: Shard, *sizes: int) -> Shard:
    """The same shard with a new log that was sealed at each of these sizes."""
    with ShardLog.create(shard) as log:
        for size in sizes:
            log.append(ENTRIES[log.size : size])
            log.seal()
    return shard


def copied(shard: Shard, to: Path) -> Path:
    """A copy of the log's folder, as a backup has it."""
    shutil.copytree(shard.folder, to)
    return to


def put_back(shard: Shard, copy: Path) -> None:
    """The folder as it was when the copy was made; the second copy lies elsewhere, and stays as it is."""
    shutil.rmtree(shard.folder)
    shutil.copytree(copy, shard.folder)


def flip(file: Path, at: int = 0) -> None:
    """Changes one bit."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def checkpoint_of(note: bytes) -> check.Checkpoint:
    return check.read_checkpoint(check.read_note(note).text)


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, by its path."""
    found = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def stop_of(act: Callable[[], object]) -> Stop:
    """What this stops with."""
    with pytest.raises(LogStopped) as stopped:
        act()
    return stopped.value.code
