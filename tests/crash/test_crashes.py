"""Whatever dies, and whenever: what was acknowledged is there, the rest is all or nothing, and promises are kept once.

Real processes under load die at moments that a seed chooses, by kill -9 or, for PostgreSQL, by an immediate stop.
Because kill -9 leaves the page cache alive and so proves nothing about the disk, that every commit is flushed before
its answer leaves is shown apart, in `tests/app/test_line.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from suyuan.base import db
from suyuan.base.clock import monotonic_s
from suyuan.evidence.check import check_proof, read_policy, record_entry
from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.shard_list import signed_size
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.records.commitment import record_of
from suyuan.evidence.records.leaves import Leaf, shards
from suyuan.evidence.records.opening import open_record
from suyuan.flows.publish_log import POLICY
from suyuan.flows.record_outcome import CONSUME_SUFFIX, PAY_SUFFIX
from suyuan.history.store import count_events, read, replay
from suyuan.settle.audit import audit_books
from suyuan.settle.limits import LimitRules
from tests.conftest import clear, room_for_a_server
from tests.crash.house import READY_S, VICTIMS, House, card
from tests.crash.load import Load

PAID_OUT_S = 120.0
SEALED_S = 60.0
PROOFS_MIN = 200
LEAVES = "SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf ORDER BY seq"


@contextmanager
def a_house(folder: Path, *, standby: bool = False) -> Iterator[House]:
    data = room_for_a_server()
    data.chmod(0o711)
    house = House(data, folder, standby=standby)
    try:
        yield house
    finally:
        house.close()
        clear(data)


def check_books(house: House, load: Load, *, is_settled: bool = False) -> None:
    """Everything that was acknowledged stands in the books as it was acknowledged, and the books are right."""
    acknowledged = dict(load.acknowledged)
    with db.connect(house.database_url, autocommit=True) as connection:
        rows = connection.execute("SELECT id, seq, taken_at, face_fen, paid, state FROM redemption").fetchall()
        kept = {row[0]: row[1:] for row in rows}
        for number, pending in acknowledged.items():
            assert pending.redemption in kept, f"the acknowledged sale of card {number} is lost"
            assert kept[pending.redemption][:4] == (pending.seq, pending.at, pending.face_fen, pending.paid)
        audit = audit_books(connection, LimitRules())
        assert audit.balanced, audit.findings
        so_far = count_events(connection)
        assert sum(1 for _ in replay(connection, to_seq=so_far)) == so_far
    if is_settled:
        check_world(house, {name: state for name, (*_, state) in kept.items()}, sold=len(acknowledged))


def check_world(house: House, states: dict[str, str], *, sold: int) -> None:
    """By the world's own count, each card was consumed once and each promise paid once, and nothing else was."""
    assert set(states.values()) == {"paid"}
    assert len(states) == sold, "every sale was brought to its end, so each has one redemption"
    tally = house.control.tally()
    assert set(tally.payouts) == {f"bank_transfer/{name}{PAY_SUFFIX}" for name in states}
    assert {truth.times for truth in tally.payouts.values()} == {1}
    consumed = [truth for truth in tally.cards.values() if truth.consumed]
    assert {order for truth in consumed for order in truth.by} == {f"{name}{CONSUME_SUFFIX}" for name in states}
    assert all(truth.consumed == 1 for truth in consumed)
    assert tally.strange == {}, "no order number was ever used for another order"


def check_doors(house: House) -> None:
    """Nobody else reaches the line, the keys or the logs; others only pass through to the database's own folder."""
    modes = {name: (house.data / name).stat().st_mode & 0o777 for name in ("", "run", "keys", "log", "run/line.sock")}
    assert modes == {"": 0o711, "run": 0o700, "keys": 0o700, "log": 0o700, "run/line.sock": 0o600}
    assert {file.stat().st_mode & 0o777 for file in (house.data / "keys").iterdir()} == {0o600}


async def everything_is_settled(house: House) -> None:
    """Waits until nothing is owed to anybody any more."""
    until_s = monotonic_s() + PAID_OUT_S
    while left := _open_promises(house):
        assert monotonic_s() < until_s, f"{left} promises were still open after {PAID_OUT_S} s\n{house.logs()}"
        await asyncio.sleep(0.2)


def _open_promises(house: House) -> int:
    with db.connect(house.database_url) as connection:
        (left,) = connection.execute("SELECT count(*) FROM outbox").fetchone() or (-1,)
    return int(left)


async def strike(house: House, victim: str) -> None:
    """Kills. One that died shortly before may still be waiting to be started again."""
    until_s = monotonic_s() + READY_S
    while not await asyncio.to_thread(house.kill, victim):
        assert monotonic_s() < until_s, f"there was no {victim} to kill\n{house.logs()}"
        await asyncio.sleep(0.1)


async def live(house: House, rng: Random, deaths: list[str], *, cards: int, clients: int) -> None:
    """One life after the other, each ended by a death at a random moment under load."""
    await house.open(cards=cards)
    async with Load(house, rng, clients=clients, cards=cards) as load:
        for victim in deaths:
            await load.grows(rng.randrange(1, 40), within_s=READY_S)
            await asyncio.sleep(rng.random() * 0.05)
            await strike(house, victim)
            await asyncio.sleep(rng.random() * 0.2)
            await asyncio.to_thread(house.bring_back, victim)
            await load.grows(1, within_s=READY_S)
            await asyncio.to_thread(check_books, house, load)
            check_doors(house)
        await load.rest()
        await everything_is_settled(house)
        await asyncio.to_thread(check_books, house, load, is_settled=True)
        await asyncio.to_thread(check_log, house)


def check_log(house: House) -> None:
    """All of history stands in the public log, once and in order, and a stranger with its folder can check it."""
    log, until_s = house.data / "public-log", monotonic_s() + SEALED_S
    with db.connect(house.database_url, autocommit=True) as connection:
        events = count_events(connection)
        while sum(signed_size(log, start.name) for start in shards(connection)) < events:
            assert monotonic_s() < until_s, f"history was not sealed to its end\n{house.logs()}"
            time.sleep(0.1)
        assert not (log / "stopped").exists()
        history = list(read(connection))
        leaves = [Leaf(*row) for row in connection.execute(LEAVES)]
        starts = shards(connection)
    assert [leaf.seq for leaf in leaves] == list(range(events))
    policy = read_policy((log / POLICY).read_bytes())
    for start, behind in zip(starts, [*(one.first_seq for one in starts[1:]), events], strict=True):
        tiles = Tiles(log / start.name)
        assert fsck(log / start.name, [one.vkey for one in policy.logs]) == []
        for seq in range(start.first_seq, behind, max(1, (behind - start.first_seq) // PROOFS_MIN)):
            opened = open_record(record_of(history[seq]), leaves[seq], {})
            proof = tiles.proof(seq - start.first_seq)
            assert proof is not None
            check_proof(proof, record_entry(opened.record, opened.openings), policy)
        assert [tiles.entry(seq - start.first_seq) for seq in range(start.first_seq, behind)] == [
            leaf.digest for leaf in leaves[start.first_seq : behind]
        ]


def test_each_process_dies_once_under_load(tmp_path: Path) -> None:
    """API worker, line, completer, sandbox, supervisor, PostgreSQL, sealer: at random moments, in random order."""
    rng = Random(20261122)
    deaths = rng.sample(VICTIMS[:7], k=7)
    with a_house(tmp_path) as house:
        asyncio.run(live(house, rng, deaths, cards=4_000, clients=8))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2])
def test_a_hundred_deaths(tmp_path: Path, seed: int) -> None:
    """The same for a night: sixty deaths a seed, with and without a standby, the backend of the line among them."""
    rng = Random(seed)
    deaths = [*VICTIMS, *rng.choices(VICTIMS, k=60 - len(VICTIMS))]
    rng.shuffle(deaths)
    with a_house(tmp_path, standby=seed % 2 == 0) as house:
        asyncio.run(live(house, rng, deaths, cards=23_500, clients=8))


def test_a_paused_leader_that_wakes_up_late_commits_nothing(tmp_path: Path) -> None:
    """The leader is stopped (SIGSTOP) under load; the standby takes over and sells; later the old one goes on.

    When it wakes, commands wait in its socket, and perhaps it has a batch in hand. History must not grow by one event.
    """

    async def story(house: House) -> None:
        await house.open(cards=2_000)
        async with Load(house, Random(7), clients=8, cards=2_000) as load:
            await load.grows(30, within_s=READY_S)
            paused, epoch = house.leader()
            os.kill(paused, signal.SIGSTOP)
            try:
                await load.grows(30, within_s=READY_S)
                leader, next_epoch = house.leader()
                assert (leader != paused, next_epoch) == (True, epoch + 1)
                await load.rest()
                await everything_is_settled(house)
                before = _history(house)
            finally:
                os.kill(paused, signal.SIGCONT)
            await _is_gone(paused)
            assert _history(house) == before
            await asyncio.to_thread(check_books, house, load, is_settled=True)

    with a_house(tmp_path, standby=True) as house:
        asyncio.run(story(house))


def _history(house: House) -> tuple[int, int]:
    with db.connect(house.database_url) as connection:
        (epoch,) = connection.execute("SELECT epoch FROM line_head").fetchone() or (-1,)
        return count_events(connection), epoch


async def _is_gone(pid: int) -> None:
    until_s = monotonic_s() + 20
    while _lives(pid):
        assert monotonic_s() < until_s, "a leader that was replaced stops by itself"
        await asyncio.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def test_a_card_has_its_number(tmp_path: Path) -> None:
    """The load sells each card once, so two numbers must never give one card."""
    assert len({(card(number).serial, card(number).pin) for number in range(1_000)}) == 1_000
