"""The roll: once a day a new epoch begins, what is still needed is wrapped again, and the old epoch's key is destroyed.

A data key that was forgotten still lies, wrapped, in the database's log, dead rows and backups. After the roll that
followed, nothing opens it: not even whoever holds all of those and the platform's present keys.

Each round takes the roll as far as it can go; every step may be repeated, so a keeper that dies goes on where it was:

1. When the newest epoch is a day old, the next one begins. Workers see it within a second.
2. When it is `GRACE_S` old, the epochs before it are closed: the line takes no key of theirs any more.
3. What hangs on the closed epochs is wrapped again, a stretch of the table at a time. A key that somebody has altered
   cannot be: it opens nothing any more, which the log tells.
4. When nothing else does, their keys are destroyed, first in the ring's file, then in history's words. A ring restored
   from a copy brings no key back to life for long: what is destroyed in history is destroyed again.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Refusal
from suyuan.flows.keep_keys import CloseEpoch, EpochsAre, RecordDestroyed
from suyuan.history.frames import Commands
from suyuan.privacy import subject_keys
from suyuan.privacy.keyring import NONCE_BYTES, FileRing
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import BrokenSeal, Vault

EPOCH_S = DAY_S
# Longer than a worker may take to see the new epoch and to hand in what it had sealed under the old one.
GRACE_S = 60
KEYS_AT_ONCE = 2_000

log = structlog.get_logger()


async def roll_epoch(
    line: Commands,
    vault: Vault,
    connection: psycopg.AsyncConnection[TupleRow],
    *,
    now: int,
    chance: Callable[[int], bytes],
) -> None:
    """One round. Rings that lie in no file, as in a test or a bench, are not rolled."""
    ring = vault.ring
    if not isinstance(ring, FileRing):
        return
    ring.look_again(now)
    # (1) The next epoch begins.
    if now >= plus(ring.newest_begun_at, EPOCH_S):
        ring.begin(now)
        return
    until = ring.newest - 1
    if until < 1 or now < plus(ring.newest_begun_at, GRACE_S):
        return
    # (2) The epochs before it are closed.
    epochs = await line.submit(CloseEpoch(until))
    if isinstance(epochs, Refusal):
        return
    assert isinstance(epochs, EpochsAre), "the line answers a closing with nothing else"
    if epochs.destroyed >= until and ring.oldest > until:
        return
    # (3) What is needed is wrapped again. (4) Then nothing needs the old keys.
    broken = await _wrap_again(vault, connection, until, chance)
    if await subject_keys.count_of_epochs(connection, until=until) == broken:
        ring.destroy(until)
        await line.submit(RecordDestroyed(until))


async def _wrap_again(
    vault: Vault, connection: psycopg.AsyncConnection[TupleRow], until: int, chance: Callable[[int], bytes]
) -> int:
    """Goes through the whole table once. Returns how many keys could not be unwrapped."""

    def wrap(key: SubjectKey) -> SubjectKey | None:
        try:
            return vault.wrap_again(key, chance=chance(NONCE_BYTES))
        except BrokenSeal:
            log.error("subject_key_is_broken", epoch=key.epoch)
            return None

    after_id, broken, is_done = "", 0, False
    while not is_done:
        stretch = await subject_keys.wrap_again(connection, wrap, until=until, after_id=after_id, rows_max=KEYS_AT_ONCE)
        after_id, is_done = stretch.last_id, stretch.is_done
        broken += stretch.broken
    return broken
