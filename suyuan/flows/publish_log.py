"""What readers of the log need beside its shards: which there are, and whose word counts.

`shards.json` (`evidence.shard_list`) lists every shard that was begun. The file
`policy.tlog-policy` (c2sp.org/tlog-policy) names all of them and the platform's witnesses; whoever checks a proof by it
believes the platform's choice of witnesses, and may write a policy of their own instead.
"""

from __future__ import annotations

from pathlib import Path

from suyuan.base import wire
from suyuan.evidence import check
from suyuan.evidence.leaves import ShardStart, shards
from suyuan.evidence.note import vkey_text
from suyuan.evidence.shard import stopping
from suyuan.evidence.shard_list import SHARDS, ShardShown, ShardsShown
from suyuan.evidence.stops import LogStopped, Stop
from suyuan.evidence.tiles import replace_file
from suyuan.flows.seal_history import Sealer

POLICY = "policy.tlog-policy"


def publish_log(sealer: Sealer) -> None:
    """Writes both files anew where they say something else. Raises `LogStopped` and `KeyTrouble`."""
    starts = [start for start in shards(sealer.connection) if start.is_published]
    shown = ShardsShown(tuple(_shown(sealer, start) for start in starts))
    files = {SHARDS: wire.canonical_record(shown), POLICY: policy_text(shown, sealer.policy_text)}
    with stopping():
        sealer.folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _publish(sealer.folder / name, content)


def policy_text(shown: ShardsShown, witnesses: bytes) -> bytes:
    """The operator's policy with every shard's log in it; without one, a policy that asks for no witness.

    Raises `LogStopped`.
    """
    own = [vkey for shard in shown.shards for vkey in shard.vkeys if check.read_vkey(vkey).kind == check.ED25519]
    kept = [line for line in witnesses.splitlines() if line.split()[:1] != [b"log"]] or [b"quorum none"]
    text = b"".join([f"log {vkey}\n".encode() for vkey in own] + [line + b"\n" for line in kept])
    try:
        check.read_policy(text)
    except check.BadEvidence as bad:
        raise LogStopped(Stop.POLICY_CANNOT_BE_READ, file=POLICY, reason=bad) from bad
    return text


def _shown(sealer: Sealer, start: ShardStart) -> ShardShown:
    vkeys = tuple(vkey_text(signer.vkey) for signer in sealer.signers(start))
    return ShardShown(start.name, start.origin, start.first_seq, vkeys)


def _publish(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        replace_file(file, content)
