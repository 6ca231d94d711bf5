"""The platform of a demo among others: a second platform and three witnesses, and who has cosigned how much.

The second platform is a real one with a database of its own, only that nobody redeems there. Its log begins with what
it says of itself, and its witness watches the first one's log. What is believed of cosignatures is what any stranger
would believe: the published policy, checked by `evidence.check`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

from suyuan.app.supervisor import Supervisor
from suyuan.base.clock import monotonic_s
from suyuan.config import Settings
from suyuan.evidence import check
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.log.shard_list import SHARDS
from suyuan.evidence.log.tiles import COSIGNED
from suyuan.faces.simulate.stage import SceneFailed
from suyuan.faces.simulate.witnesses import Circle
from suyuan.flows.publish_log import POLICY

PUBLISHED_S = 30.0
COSIGNED_S = 30.0
LOOK_S = 0.05


class CosignedLog(NamedTuple):
    """How many events are under a checkpoint that enough organisations have cosigned, and whose witnesses did."""

    events: int
    by: tuple[str, ...]


NOTHING_YET = CosignedLog(0, ())


class Neighbourhood(NamedTuple):
    """Two running platforms that witness each other, and a neutral third."""

    platform: Supervisor
    neighbour: Supervisor
    circle: Circle

    def keep_running(self) -> None:
        """Starts again whatever of the platforms has ended."""
        self.platform.keep_running()
        self.neighbour.keep_running()

    async def introduce(self) -> None:
        """Tells each witness whose logs it watches, once the platforms have published them. Raises `SceneFailed`."""
        both = (self.platform.settings, self.neighbour.settings)
        until_s = monotonic_s() + PUBLISHED_S
        while not all(_shards(settings) for settings in both):
            if monotonic_s() > until_s:
                raise SceneFailed(f"no log was published; the sealer's log is in {both[0].data / 'log'}")
            await asyncio.sleep(LOOK_S)
        self.circle.watch(*(_log_vkeys(settings) for settings in both))

    def wait_until_cosigned(self, events: int) -> tuple[CosignedLog, CosignedLog]:
        """What of both logs is cosigned as soon as that is so many events of the first, and anything of the other."""
        until_s = monotonic_s() + COSIGNED_S
        while True:
            own, neighbours = cosigned(self.platform.settings), cosigned(self.neighbour.settings)
            if (own.events >= events and neighbours.events) or monotonic_s() > until_s:
                return own, neighbours
            self.keep_running()
            sleep(LOOK_S)


def cosigned(settings: Settings) -> CosignedLog:
    """How far a platform's log is cosigned, by the policy that it publishes. Raises `BadEvidence`."""
    shards = _shards(settings)
    note = settings.log_folder / shards[-1]["name"] / COSIGNED if shards else None
    if note is None or not note.exists():
        return NOTHING_YET
    policy = check.read_policy((settings.log_folder / POLICY).read_bytes())
    checked = check.check_checkpoint(note.read_bytes(), policy, verify=ed25519_fits)
    events = shards[-1]["first_seq"] + checked.checkpoint.size
    return CosignedLog(events, tuple(sorted(one.vkey.name for one in checked.cosigned)))


def _shards(settings: Settings) -> list[dict[str, Any]]:
    file: Path = settings.log_folder / SHARDS
    shards: list[dict[str, Any]] = json.loads(file.read_bytes())["shards"] if file.exists() else []
    return shards


def _log_vkeys(settings: Settings) -> list[str]:
    """The Ed25519 keys of all shards, which are what a witness takes."""
    keys = [vkey for shard in _shards(settings) for vkey in shard["vkeys"]]
    return [vkey for vkey in keys if check.read_vkey(vkey).kind == check.ED25519]
