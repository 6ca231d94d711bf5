"""The roll: once a day a new epoch begins, what is still needed is wrapped again, and a day later the old key dies.

A data key that was forgotten still lies, wrapped, in the database's log, dead rows and backups. Once the epoch that had
wrapped it is destroyed nothing opens it: not even whoever holds all of those and the platform's present keys.

Each round takes the roll as far as it can go; every step may be repeated, so a keeper that dies goes on where it was:

1. When the newest epoch is a day old, the next one begins. Workers see it within a second.
2. When it is `GRACE_S` old, the epochs before it are closed: the line takes no key of theirs any more. What hangs on
   them is wrapped again, and the marks that lead to pseudonyms are made again, a stretch of the table at a time.
3. The epochs before the last but one are destroyed, first in the ring's file, then in history's words. There is a day
   between wrapping again and destroying, so a standby that takes over, or a recovery to some hours ago, finds its keys.

A key that somebody has altered cannot be wrapped again; it opens nothing anyway, and the log tells of it. Where more
than a few are like that, or where the ring is behind the database, the ring is not this platform's, or an old copy:
`RingIsBehind`, and nothing is begun or destroyed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Refusal
from suyuan.flows.keep_keys import CloseEpoch, RecordDestroyed
from suyuan.history.frames import Commands
from suyuan.privacy import pseudonyms, subject_keys
from suyuan.privacy.keyring import NONCE_BYTES, FileRing, NoEpochKey
from suyuan.privacy.pseudonyms import Pseudonym
from suyuan.privacy.subject_keys import SubjectKey, VaultEpoch
from suyuan.privacy.vault import BrokenSeal, Vault

EPOCH_S = DAY_S
# Longer than a worker may take to see the new epoch and to hand in what it had sealed under the old one.
GRACE_S = 60
# A key forgotten just after a roll waits for the next one, and then a day for the old epoch to die.
FINAL_WITHIN_S = 2 * EPOCH_S + 2 * GRACE_S
KEYS_AT_ONCE = 2_000

# So many may have been altered one by one; more of them mean that the ring is wrong.
BROKEN_KEYS_MAX = 10
BROKEN_SHARE = 100

log = structlog.get_logger()


class RingIsBehind(Exception):
    """Raised when the ring is an old copy, or another platform's: going on would lose what the right one opens."""


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
    epochs = await subject_keys.vault_epoch(connection)
    # (1) The next epoch begins. One that began in the future was begun by a clock that was wrong.
    if not ring.newest_begun_at <= now < plus(ring.newest_begun_at, EPOCH_S):
        await _demand_present(ring, connection, epochs)
        # Beside the loop, because a KMS may take its time.
        await asyncio.to_thread(ring.begin, now)
        return
    if now < plus(ring.newest_begun_at, GRACE_S):
        return
    # (2) The epochs before it are closed, and what is needed is wrapped again.
    old, oldest = ring.newest - 1, ring.newest - 2
    if epochs.closed < old:
        await _demand_present(ring, connection, epochs)
        if isinstance(await line.submit(CloseEpoch(old)), Refusal):
            return
        await _wrap_again(vault, connection, old, chance)
        await _mark_again(vault, connection, old, now)
    # (3) A day later nothing needs the oldest keys; where the keeper died meanwhile, the rest is wrapped now.
    if ring.oldest <= oldest:
        await _demand_present(ring, connection, epochs)
        passed = await _wrap_again(vault, connection, oldest, chance)
        unread = await _mark_again(vault, connection, oldest, now)
        if await subject_keys.count_of_epochs(connection, until=oldest) != passed.broken:
            return
        if await pseudonyms.count_of_epochs(connection, until=oldest) != unread:
            return
        ring.destroy(oldest)
    if epochs.destroyed < oldest:
        await line.submit(RecordDestroyed(oldest))


async def _demand_present(ring: FileRing, connection: psycopg.AsyncConnection[TupleRow], epochs: VaultEpoch) -> None:
    newest = await subject_keys.newest_epoch(connection)
    if ring.newest < max(epochs.closed + 1, newest):
        raise RingIsBehind("epochs.key is older than the database; restore the newest copy of it, or nothing opens")


async def _mark_again(vault: Vault, connection: psycopg.AsyncConnection[TupleRow], until: int, now: int) -> int:
    """Makes the marks of old epochs again. Returns how many nobody can read."""

    def remark(row: Pseudonym) -> Pseudonym | None:
        try:
            return vault.mark_again(row, now=now)
        except (BrokenSeal, NoEpochKey):
            return None

    after, broken, is_done = b"", 0, False
    while not is_done:
        stretch = await pseudonyms.mark_again(connection, remark, until=until, after=after, rows_max=KEYS_AT_ONCE)
        after, is_done, broken = stretch.last, stretch.is_done, broken + stretch.broken
    if broken:
        log.error("pseudonyms_are_broken", marks=broken)
    return broken


class _Passed(NamedTuple):
    """What a pass over the whole table came to."""

    tried: int
    broken: int


async def _wrap_again(
    vault: Vault, connection: psycopg.AsyncConnection[TupleRow], until: int, chance: Callable[[int], bytes]
) -> _Passed:
    def wrap(key: SubjectKey) -> SubjectKey | None:
        try:
            return vault.wrap_again(key, chance=chance(NONCE_BYTES))
        except (BrokenSeal, NoEpochKey):
            return None

    after_id, tried, broken, is_done = "", 0, 0, False
    while not is_done:
        stretch = await subject_keys.wrap_again(connection, wrap, until=until, after_id=after_id, rows_max=KEYS_AT_ONCE)
        after_id, is_done = stretch.last_id, stretch.is_done
        tried, broken = tried + stretch.tried, broken + stretch.broken
    if broken:
        log.error("subject_keys_are_broken", keys=broken, of=tried)
    if broken > BROKEN_KEYS_MAX and broken * BROKEN_SHARE > tried:
        raise RingIsBehind(f"{broken} of {tried} data keys do not open; this ring is not the one that wrapped them")
    return _Passed(tried, broken)
