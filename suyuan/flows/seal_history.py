"""Sealing: every event of history goes into the public log, in order, and nothing is signed that could fork it.

1. Each new event gets its leaf, a salted digest, in the database (`evidence.records.leaves`): from there on whatever is
   lost of the log's files can be made again.
2. The leaves are put into the log of their shard, one shard a year. A shard that ends is sealed to its last event, and
   linked with the one that follows it.
3. Before it signs, the log reads what it wrote again, and every witness is asked how far it has seen this log. Where
   anybody is ahead, nothing is signed: the database, or the files, are of an older day.
4. The checkpoint is signed and published; then the witnesses cosign it. One that is silent holds up nobody: it is asked
   again for the next checkpoint, and until the quorum is there proofs say that they are not yet cosigned.

A sealer that is killed at any moment begins again with (1); what it had not published it makes once more, the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.base.clock import SECOND, Clock, plus
from suyuan.evidence import check
from suyuan.evidence.log import links
from suyuan.evidence.log.note import LogSigner, vkey_text
from suyuan.evidence.log.shard import Shard, stopping
from suyuan.evidence.log.shard_list import ShardShown, ShardsShown, read_list, signed_size, write_list
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.records.commitment import UnknownKind
from suyuan.evidence.records.leaves import ShardStart, entries, keep_leaves, next_leaf, note_published, shards
from suyuan.evidence.witness.cosigning import INCONSISTENT, Conflict, Cosigned, Refused, Silent, WitnessCaller, label
from suyuan.history.store import HistoryIsBroken
from suyuan.privacy.vault import Vault

EVENTS_AT_ONCE = 4_096
# A sealer that was away for long catches up in strides, so that checkpoints come out on the way.
STRIDES_PER_ROUND_MAX = 16
# A witness that did not answer in time is left alone for a while, since waiting for it holds up everybody's proofs.
SILENCE_S = 10
# One that is slow says something, but holds them up as well: it is left alone for so many times as long as it took.
SLOW_S = 1
SLOW_REST, SLOW_REST_S_MAX = 3, 60

Connection = psycopg.Connection[TupleRow]

log = structlog.get_logger()


@dataclass(slots=True)
class Sealer:
    """What sealing needs."""

    connection: Connection
    vault: Vault
    clock: Clock
    chance: Callable[[int], bytes]
    log_name: str
    folder: Path
    second_copies: Path | None
    """Where the last signed checkpoint of each shard is kept once more, on another device; None where nowhere."""
    signers: Callable[[ShardStart], Sequence[LogSigner]]
    """The keys of a shard; made where it has none and was never published."""
    witnesses: Callable[[ShardStart], Sequence[WitnessCaller]]
    policy: check.Policy | None
    """Which witnesses count and how many are enough; None where there are none."""
    policy_text: bytes
    """The same as its file has it; nothing where there is none."""
    logs: dict[str, ShardLog] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    """Shards that need nothing more."""
    stands: dict[tuple[str, str], int] = field(default_factory=dict)
    """How far each witness is known to have seen each log."""
    answers: dict[str, str] = field(default_factory=dict)
    """What each witness that does not cosign said last; only what is new is worth a line in the log."""
    silent_until: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Lets go of the logs, so that another may write them."""
        for shard_log in self.logs.values():
            shard_log.close()


class Round(NamedTuple):
    """What one round came to: leaves made, events under a signed checkpoint, and under one that enough cosigned."""

    leaves: int
    sealed: int
    cosigned: int


async def seal_history(sealer: Sealer) -> Round:
    """One round, from the newest events to their cosignatures.

    Raises `LogStopped`, with what to do, before anything is signed that could fork the log; `KeyTrouble`.
    """
    try:
        return await _round(sealer)
    except (HistoryIsBroken, UnknownKind) as broken:
        raise LogStopped(Stop.HISTORY_IS_BROKEN, reason=broken) from broken


async def _round(sealer: Sealer) -> Round:
    # A key that was destroyed meanwhile is not kept here either.
    sealer.vault.ring.look_again(sealer.clock.now())
    made = _make_leaves(sealer)
    behind = next_leaf(sealer.connection)
    known = shards(sealer.connection)
    _refuse_forgotten_shards(sealer, known)
    sealed = cosigned = 0
    for place, start in enumerate(known):
        later = known[place + 1 :]
        if start.name in sealer.finished:
            continue
        if start.is_left:
            _leave(sealer, start, later[0])
            continue
        shard_log = _log_of(sealer, start)
        await _seal_shard(sealer, start, shard_log, later[0].first_seq if later else behind)
        sealed, cosigned = start.first_seq + shard_log.signed.size, start.first_seq + shard_log.cosigned_size
        if later:
            _finish(sealer, start, shard_log, later[0])
    return Round(made, sealed, cosigned)


async def _seal_shard(sealer: Sealer, start: ShardStart, shard_log: ShardLog, ends: int) -> None:
    """Brings one shard as far as event `ends`, not included."""
    # In every round, because a database can be put back under a sealer that goes on.
    _refuse_other_history(sealer, start, shard_log)
    callers = [one for one in sealer.witnesses(start) if sealer.silent_until.get(one.name, 0) <= sealer.clock.now()]
    for begins in range(start.first_seq + shard_log.size, ends, EVENTS_AT_ONCE):
        shard_log.append(entries(sealer.connection, begins, min(begins + EVENTS_AT_ONCE, ends)))
    if shard_log.signed.size < shard_log.size:
        shard_log.seal(seen=await _seen(sealer, shard_log, callers))
    # All of them end before the round does, so that none works on a log that was closed meanwhile.
    asked = (_timed(sealer, caller, _cosign(sealer, shard_log, caller)) for caller in callers)
    ended = await asyncio.gather(*asked, return_exceptions=True)
    for trouble in filter(None, ended):
        raise trouble


def _make_leaves(sealer: Sealer) -> int:
    made = 0
    for _ in range(STRIDES_PER_ROUND_MAX):
        stride = keep_leaves(
            sealer.connection,
            sealer.vault,
            log_name=sealer.log_name,
            chance=sealer.chance,
            events_max=EVENTS_AT_ONCE,
        )
        made += stride
        if stride < EVENTS_AT_ONCE:
            break
    return made


# --- the logs of the shards ----------------------------------------------------------------------


def shard_of(sealer: Sealer, start: ShardStart) -> Shard:
    """What the log of a shard is, with the keys that sign it."""
    copy = None if sealer.second_copies is None else sealer.second_copies / f"{start.name}.checkpoint"
    signers = sealer.signers(start)
    own = tuple(check.Log(signer.vkey, None) for signer in signers if signer.vkey.kind == check.ED25519)
    policy = None if sealer.policy is None else sealer.policy._replace(logs=own)
    return Shard(sealer.folder / start.name, start.origin, signers, copy, policy)


def _log_of(sealer: Sealer, start: ShardStart) -> ShardLog:
    """The open log of a shard. One that was ever published is never begun anew, whatever became of its folder."""
    present = sealer.logs.get(start.name)
    if present is not None and not present.has_stopped:
        return present
    if present is not None:
        present.close()
    # A folder that is gone is an empty one, so that the log itself says what it lacks.
    with stopping():
        (sealer.folder / start.name).mkdir(parents=True, exist_ok=True)
    shard_log = ShardLog.open(shard_of(sealer, start)) if start.is_published else _begin(sealer, start)
    sealer.logs[start.name] = shard_log
    if not start.is_published:
        note_published(sealer.connection, start.name)
    return shard_log


def _begin(sealer: Sealer, start: ShardStart) -> ShardLog:
    try:
        return ShardLog.create(shard_of(sealer, start))
    except LogStopped as stopped:
        if stopped.code is not Stop.LOG_EXISTS_ALREADY:
            raise
        # A sealer that died before this was noted, or a database of an older day, which is found out at once; whatever
        # comes of it, the world knows this log.
        note_published(sealer.connection, start.name)
        return ShardLog.open(shard_of(sealer, start))


def _refuse_other_history(sealer: Sealer, start: ShardStart, shard_log: ShardLog) -> None:
    """The log must hold what the database says: one of an older backup has fewer leaves, or others."""
    signed = shard_log.signed.size
    if not signed:
        return
    known = next_leaf(sealer.connection) - start.first_seq
    if known < signed:
        raise LogStopped(Stop.HISTORY_IS_OLDER, shard=start.name, known=max(known, 0), signed=signed)
    last = start.first_seq + signed - 1
    if shard_log.tiles.entry(signed - 1, signed) != entries(sealer.connection, last, last + 1)[0]:
        raise LogStopped(Stop.HISTORY_IS_ANOTHER, shard=start.name, seq=last)


def _refuse_forgotten_shards(sealer: Sealer, known: Sequence[ShardStart]) -> None:
    """A shard that was told of to the world, and of which the database knows nothing, is newer than the database."""
    names = {start.name for start in known}
    for listed in read_list(sealer.folder):
        if listed.name not in names:
            raise LogStopped(
                Stop.HISTORY_IS_OLDER, shard=listed.name, known=0, signed=signed_size(sealer.folder, listed.name)
            )


def _finish(sealer: Sealer, start: ShardStart, shard_log: ShardLog, following: ShardStart) -> None:
    """Links a shard that is sealed to its end with the next one, once enough witnesses have seen its end."""
    if sealer.policy is not None and shard_log.cosigned_size < shard_log.signed.size:
        return
    _link(sealer, shard_log.shard, shard_log.signed, following)
    shard_log.close()
    del sealer.logs[start.name]
    sealer.finished.add(start.name)


def _leave(sealer: Sealer, start: ShardStart, following: ShardStart) -> None:
    """Links a shard that cannot go on with the next one. Whatever is left of its files, its last checkpoint counts."""
    present = sealer.logs.pop(start.name, None)
    if present is not None:
        present.close()
    left = shard_of(sealer, start)
    if left.has_begun():
        _link(sealer, left, left.newest_published().checkpoint, following)
    sealer.finished.add(start.name)


def _link(sealer: Sealer, old: Shard, signed: check.Checkpoint, following: ShardStart) -> None:
    if not following.is_published:
        _log_of(sealer, following)
    # What is linked was told of before, so that a database of an older day can be told of it again (`begin_shard`).
    write_list(sealer.folder, shards_shown(sealer))
    links.link(old, signed, shard_of(sealer, following), first_seq=following.first_seq)


def shards_shown(sealer: Sealer) -> ShardsShown:
    """Every shard that was begun, as the world is told of it."""
    begun = [start for start in shards(sealer.connection) if start.is_published]
    return ShardsShown(tuple(_shown(sealer, start) for start in begun))


def _shown(sealer: Sealer, start: ShardStart) -> ShardShown:
    vkeys = tuple(vkey_text(signer.vkey) for signer in sealer.signers(start))
    return ShardShown(start.name, start.origin, start.first_seq, vkeys)


# --- witnesses -----------------------------------------------------------------------------------


async def _seen(sealer: Sealer, shard_log: ShardLog, callers: Sequence[WitnessCaller]) -> dict[str, int]:
    """How much of this log each witness has seen, as far as it ever said: one that was ahead stays so when silent.

    Raises `LogStopped`.
    """
    asked = (_timed(sealer, caller, _ask_where_it_stands(sealer, shard_log, caller)) for caller in callers)
    await asyncio.gather(*asked)
    origin = shard_log.signed.origin
    return {name: size for (log_origin, name), size in sealer.stands.items() if log_origin == origin}


async def _timed(sealer: Sealer, caller: WitnessCaller, asking: Coroutine[Any, Any, None]) -> None:
    """Asks a witness, and leaves it alone from the next round on if it took long: at most a quarter of them waits."""
    began = sealer.clock.now()
    try:
        await asking
    finally:
        took_s = (sealer.clock.now() - began) / SECOND
        if took_s > SLOW_S:
            # A clock that was put forward meanwhile makes it no longer than it can have been.
            _leave_alone(sealer, caller, min(math.ceil(took_s * SLOW_REST), SLOW_REST_S_MAX))


def _leave_alone(sealer: Sealer, caller: WitnessCaller, rest_s: int) -> None:
    until = plus(sealer.clock.now(), rest_s)
    sealer.silent_until[caller.name] = max(until, sealer.silent_until.get(caller.name, until))


async def _ask_where_it_stands(sealer: Sealer, shard_log: ShardLog, caller: WitnessCaller) -> None:
    place = (shard_log.signed.origin, caller.name)
    size = await caller.latest(shard_log.signed.origin)
    if size is None and place not in sealer.stands:
        # Not every witness tells; but each says where it stands to whoever shows it a checkpoint, and this one is out.
        answer = await caller.add_checkpoint(shard_log.signed.size, [], shard_log.note)
        _demand_same_tree(shard_log, caller, answer)
        if isinstance(answer, bytes):
            size = shard_log.signed.size
        elif isinstance(answer, Conflict):
            size = answer.size
    if size is not None:
        sealer.stands[place] = size


async def _cosign(sealer: Sealer, shard_log: ShardLog, caller: WitnessCaller) -> None:
    """Has one witness cosign the published checkpoint, from wherever it stands. Raises `LogStopped`."""
    signed = shard_log.signed
    if any(label(line.name, line.key_id) == caller.name for line in check.read_note(shard_log.note).signatures):
        return
    answer = await _ask(sealer, shard_log, caller)
    if isinstance(answer, Conflict):
        # It stands elsewhere than we thought, which happens after a restart; the second question is the right one.
        sealer.stands[signed.origin, caller.name] = answer.size
        if answer.size > signed.size:
            raise LogStopped(Stop.WITNESS_IS_AHEAD, witness=caller.name, seen=answer.size, signed=signed.size)
        answer = await _ask(sealer, shard_log, caller)
    _demand_same_tree(shard_log, caller, answer)
    if isinstance(answer, bytes):
        sealer.stands[signed.origin, caller.name] = signed.size
        sealer.answers.pop(caller.name, None)
        shard_log.add_cosignatures(answer)
        return
    if isinstance(answer, Silent):
        _leave_alone(sealer, caller, SILENCE_S)
    if sealer.answers.get(caller.name) != str(answer):
        sealer.answers[caller.name] = str(answer)
        log.warning("witness_does_not_cosign", witness=caller.name, answer=str(answer), size=signed.size)


def _demand_same_tree(
    shard_log: ShardLog, caller: WitnessCaller, answer: Cosigned | Conflict | Silent | Refused
) -> None:
    """A witness to which our tree does not go on from what it has seen may hold another one that this log signed."""
    if answer == Refused(INCONSISTENT):
        raise LogStopped(Stop.WITNESS_DISAGREES, witness=caller.name, signed=shard_log.signed.size)


async def _ask(sealer: Sealer, shard_log: ShardLog, caller: WitnessCaller) -> Cosigned | Conflict | Silent | Refused:
    signed = shard_log.signed
    old = min(sealer.stands.get((signed.origin, caller.name), 0), signed.size)
    return await caller.add_checkpoint(old, shard_log.tiles.consistency(old, signed.size), shard_log.note)
