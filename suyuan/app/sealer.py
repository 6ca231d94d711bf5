"""The process that seals history into the public log.

There is one at a time, by an advisory lock and by the lock on each shard's folder. It is no part of any payment: while
it stands still everything else goes on, and it catches up. What stops it is said in its log and, in both languages, in
the file `stopped` beside the shards, until it goes on.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psycopg
import structlog

from suyuan.app.alone import be_the_only_one
from suyuan.app.keys import load_keys, log_signers
from suyuan.base import db
from suyuan.base.clock import SystemClock, monotonic_s
from suyuan.config import Settings
from suyuan.evidence import check
from suyuan.evidence.log.note import LogSigner
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import replace_file
from suyuan.evidence.records.leaves import ShardStart
from suyuan.flows.publish_log import publish_log
from suyuan.flows.seal_history import Sealer, seal_history
from suyuan.outside.witnesses import HttpWitness
from suyuan.privacy.keyring import KeyTrouble

SEALER_LOCK = 0x73757975_00000003
STOPPED = "stopped"
# What stops sealing is put right by a person, who likes to see that it goes on.
STOPPED_PAUSE_S = 1.0
# CPU that is short belongs to whoever pays: a proof may come a second later, a seller should not wait.
NICE = 10

log = structlog.get_logger()


async def run_sealer(settings: Settings, database_url: str) -> None:
    """Seals until its database is gone."""
    os.nice(NICE)
    keys, clock = load_keys(settings), SystemClock()
    async with AsyncExitStack() as stack:
        holding = await stack.enter_async_context(await psycopg.AsyncConnection.connect(database_url, autocommit=True))
        await be_the_only_one(holding, SEALER_LOCK)
        word = _Word(settings.log_folder / STOPPED)
        policy, policy_text = await _policy(settings, word)
        sealer = Sealer(
            connection=stack.enter_context(db.connect(database_url, autocommit=True)),
            vault=keys.vault,
            clock=clock,
            chance=os.urandom,
            log_name=settings.log_prefix,
            folder=settings.log_folder,
            second_copies=settings.log_copies,
            signers=functools.cache(functools.partial(_signers, settings)),
            witnesses=functools.cache(functools.partial(_witnesses, settings, policy, stack)),
            policy=policy,
            policy_text=policy_text,
        )
        stack.callback(sealer.close)
        while True:
            began_s = monotonic_s()
            pause_s = settings.seal_s if await _round(sealer, word) else STOPPED_PAUSE_S
            await asyncio.sleep(max(0.0, began_s + pause_s - monotonic_s()))


async def _policy(settings: Settings, word: _Word) -> tuple[check.Policy | None, bytes]:
    """The policy, once it can be read."""
    while True:
        try:
            return read_log_policy(settings)
        except LogStopped as stop:
            word.say(stop)
        await asyncio.sleep(STOPPED_PAUSE_S)


async def _round(sealer: Sealer, word: _Word) -> bool:
    """One round; whether it came to its end.

    What a person has to put right ends no process, since the next one would only come upon the same.
    """
    try:
        await seal_history(sealer)
        publish_log(sealer)
    except LogStopped as stop:
        word.say(stop)
        return False
    except KeyTrouble as trouble:
        word.say(LogStopped(Stop.KEY_CANNOT_BE_READ, reason=trouble))
        return False
    word.take_back()
    return True


class _Word:
    """What stops sealing, said once: in the log of the process, and in a file for as long as it lasts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._said = b""

    def say(self, stop: LogStopped) -> None:
        text = f"{stop.code}\n{stop}\n{stop.zh}\n".encode()
        if text == self._said:
            return
        log.error("sealing_stopped", code=stop.code, why=str(stop))
        # The log has it now; a full disk, which may be the very thing that is to be said, is tried again.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, text)
            self._said = text

    def take_back(self) -> None:
        self._file.unlink(missing_ok=True)
        self._said = b""


def read_log_policy(settings: Settings) -> tuple[check.Policy | None, bytes]:
    """The policy that the settings name, and its text. Raises `LogStopped`."""
    if not settings.log_policy:
        return None, b""
    file = settings.data / settings.log_policy
    try:
        text = file.read_bytes()
        return check.read_policy(text), text
    except check.BadEvidence as bad:
        raise LogStopped(Stop.POLICY_CANNOT_BE_READ, file=file, reason=bad) from bad
    except OSError as refused:
        raise LogStopped(Stop.POLICY_CANNOT_BE_READ, file=file, reason=refused.strerror) from refused


def _signers(settings: Settings, start: ShardStart) -> Sequence[LogSigner]:
    return log_signers(settings, start.name, start.origin, is_new=not start.is_published)


def _witnesses(
    settings: Settings, policy: check.Policy | None, stack: AsyncExitStack, start: ShardStart
) -> list[HttpWitness]:
    """Those of the policy that have an address."""
    if policy is None:
        return []
    logs = [signer.vkey for signer in _signers(settings, start)]
    callers = [
        HttpWitness(one.vkey, one.url, logs, SystemClock(), deadline_s=settings.witness_deadline_s)
        for one in policy.witnesses.values()
        if one.url
    ]
    for caller in callers:
        stack.push_async_callback(caller.close)
    return callers
