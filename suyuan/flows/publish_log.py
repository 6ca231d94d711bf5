"""What readers of the log need beside its shards: which there are, and whose word counts.

`shards.json` (`evidence.log.shard_list`) lists every shard that was begun. The file
`policy.tlog-policy` (c2sp.org/tlog-policy) names all of them and the platform's witnesses; whoever checks a proof by it
believes the platform's choice of witnesses, and may write a policy of their own instead.
"""

from __future__ import annotations

from suyuan.evidence import check
from suyuan.evidence.log.shard_list import ShardsShown, replace_if_other, write_list
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.flows.seal_history import Sealer, shards_shown

POLICY = "policy.tlog-policy"


def publish_log(sealer: Sealer) -> None:
    """Writes both files anew where they say something else. Raises `LogStopped` and `KeyTrouble`."""
    shown = shards_shown(sealer)
    write_list(sealer.folder, shown)
    replace_if_other(sealer.folder / POLICY, policy_text(shown, sealer.policy_text))


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
