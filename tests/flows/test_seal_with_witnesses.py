"""Witnesses and the sealer: nobody who is silent holds it up, and nobody who is ahead is overruled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from suyuan.base import crypto, db
from suyuan.base.clock import SetClock
from suyuan.evidence import check
from suyuan.evidence.log.note import cosigner, vkey_text
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.records.leaves import ShardStart
from suyuan.evidence.witness.cosigning import Conflict, Cosigned, Refused, Silent, Witness
from suyuan.evidence.witness.watched_logs import WatchedLogs
from suyuan.flows.prove_event import Proven, Publication, prove_event
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.seal_history import SILENCE_S, Sealer
from tests.evidence.witnesses import NearWitness, watch
from tests.flows.house import House, card, open_house, written
from tests.flows.sealing import LOG_NAME, ONE_EVENT_A_SALE, seal, sealer_of, signers

NAMES = ("partner.example/w", "court.example/w", "bureau.example/w")
COSIGNERS = {name: cosigner(name, crypto.suite("ed25519").signer(crypto.sha256(name.encode()))) for name in NAMES}
ORIGIN = f"{LOG_NAME}/2026"
LOG_KEY = signers(ShardStart("2026", 0, ORIGIN, False))[0].vkey


class Moody:
    """A witness that answers as it stands, is silent, or says what it is told to."""

    def __init__(self, near: NearWitness, clock: SetClock) -> None:
        self.name = near.name
        self.near = near
        self.clock = clock
        self.says: Silent | Refused | Conflict | None = None
        self.tells = True
        self.takes_s = 0
        self.asked = 0

    async def latest(self, origin: str) -> int | None:
        self.asked += 1
        self.clock.advance(self.takes_s)
        return await self.near.latest(origin) if self.tells and self.says is None else None

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        self.asked += 1
        self.clock.advance(self.takes_s)
        return self.says or await self.near.add_checkpoint(old, proof, note)


class Bench:
    """A house, three witnesses of which two are enough, and the sealer."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.folder = folder
        self.witnesses = [Moody(self.near(name), house.clock) for name in NAMES]
        lines = [f"witness {name.partition('.')[0]} {vkey_text(one.vkey)}" for name, one in COSIGNERS.items()]
        self.policy = "\n".join([*lines, "group two 2 partner court bureau", "quorum two", ""]).encode()
        self.made: list[Sealer] = []
        self.next_sealer()

    def near(self, name: str) -> NearWitness:
        folder = self.folder / name.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        return NearWitness(
            Witness(folder / "w", COSIGNERS[name], WatchedLogs(watch(folder, [LOG_KEY]))), self.house.clock
        )

    def next_sealer(self, **changes: Any) -> Sealer:
        for before in self.made:
            before.close()
        words = {"witnesses": self.witnesses, "policy_text": self.policy} | changes
        self.made.append(sealer_of(self.house, self.house.log_folder, **words))
        return self.made[-1]

    def sell(self, number: int) -> None:
        body = written(card(number))
        answer = self.house.run(redeem_card(self.house.desk, self.house.knock("POST", "/v1/redemptions", body)))
        assert isinstance(answer, Taken), answer

    def seal(self) -> Any:
        return seal(self.house, self.made[-1])

    def proven(self, seq: int) -> Proven:
        publish_log(self.made[-1])
        answer = self.house.run(prove_event(Publication(self.house.desk.fetch, self.house.log_folder), seq))
        assert isinstance(answer, Proven), answer
        return answer

    def check(self, one: Proven) -> check.CheckedProof:
        policy = check.read_policy((self.house.log_folder / POLICY).read_bytes())
        return check.check_proof(one.proof, one.opened.entry, policy)

    def close(self) -> None:
        for sealer in self.made:
            sealer.close()
            sealer.connection.close()


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    with open_house(database, log_folder=tmp_path / "log", appliers=ONE_EVENT_A_SALE) as house:
        bench = Bench(house, tmp_path / "witnesses")
        bench.sell(1)
        yield bench
        bench.close()


def test_a_proof_bears_the_word_of_as_many_as_the_policy_asks_for(bench: Bench) -> None:
    assert bench.seal() == (1, 1, 1)
    one = bench.proven(0)
    assert one.is_cosigned
    assert {signed.vkey.name for signed in bench.check(one).cosigned} == set(NAMES)


def test_a_silent_witness_holds_up_nothing_and_is_left_alone_for_a_while(bench: Bench) -> None:
    silent = bench.witnesses[0]
    silent.says = Silent("timed_out")
    assert bench.seal() == (1, 1, 1)
    assert {signed.vkey.name for signed in bench.check(bench.proven(0)).cosigned} == set(NAMES[1:])
    before = silent.asked
    bench.sell(2)
    assert bench.seal() == (1, 2, 2)
    assert silent.asked == before
    silent.says = None
    bench.house.clock.advance(SILENCE_S)
    bench.sell(3)
    bench.seal()
    assert {signed.vkey.name for signed in bench.check(bench.proven(2)).cosigned} == set(NAMES)


@pytest.mark.parametrize("says", [None, Refused("http_418")])
def test_a_slow_witness_is_left_alone_for_longer_than_it_held_up_the_others(bench: Bench, says: Refused | None) -> None:
    """One that answers just before its deadline, be it with a cosignature or a no, would slow down every round."""
    slow = bench.witnesses[0]
    slow.says, slow.takes_s = says, 2
    assert bench.seal() == (1, 1, 1)
    before, left_at = slow.asked, bench.house.clock.now()
    assert before >= 2
    for number in range(2, 5):
        bench.sell(number)
        assert bench.seal() == (1, number, number)
    assert slow.asked == before
    assert bench.house.clock.now() == left_at, "nobody waited"
    bench.house.clock.advance(12)
    bench.sell(5)
    bench.seal()
    assert slow.asked > before


def test_below_the_quorum_sealing_goes_on_and_the_proof_says_that_it_is_not_yet_cosigned(bench: Bench) -> None:
    """A checker refuses it, rather than warn; and once another witness is back the same event has a good proof."""
    for silent in bench.witnesses[:2]:
        silent.says = Silent("timed_out")
    assert bench.seal() == (1, 1, 0)
    one = bench.proven(0)
    assert not one.is_cosigned
    with pytest.raises(check.BadEvidence, match=r"quorum|witness"):
        bench.check(one)
    bench.witnesses[1].says = None
    bench.house.clock.advance(SILENCE_S)
    bench.seal()
    assert bench.proven(0).is_cosigned
    bench.check(bench.proven(0))


def test_what_was_cosigned_stays_the_proof_while_the_newest_checkpoint_waits(bench: Bench) -> None:
    bench.seal()
    for silent in bench.witnesses:
        silent.says = Silent("timed_out")
    bench.sell(2)
    assert bench.seal() == (1, 2, 1)
    assert bench.proven(0).is_cosigned
    assert not bench.proven(1).is_cosigned


def put_back_all(bench: Bench) -> None:
    """Files as they were with one event, a database with one more: only the witnesses remember the third."""
    shard = bench.house.log_folder / "2026"
    kept = {file: file.read_bytes() for file in shard.rglob("*") if file.is_file()}
    bench.sell(2)
    bench.sell(3)
    bench.seal()
    for file in [file for file in shard.rglob("*") if file.is_file()]:
        file.unlink()
    for file, content in kept.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with db.connect(bench.house.url, autocommit=True) as connection:
        connection.execute("DELETE FROM event WHERE seq >= 2")
        connection.execute("DELETE FROM leaf WHERE seq >= 1")


@pytest.mark.parametrize("tells", [True, False], ids=["tells its newest checkpoint", "only answers submissions"])
def test_where_all_was_put_back_from_a_backup_a_witness_stops_it_before_anything_is_signed(
    bench: Bench, tells: bool
) -> None:
    bench.seal()
    for witness in bench.witnesses:
        witness.tells = tells
    put_back_all(bench)
    before = (bench.house.log_folder / "2026" / "checkpoint").read_bytes()
    later = bench.next_sealer()
    with pytest.raises(LogStopped, match="saw 3 entries, and 1 are known here") as stopped:
        seal(bench.house, later)
    assert "suyuan evidence begin" in str(stopped.value)
    assert (bench.house.log_folder / "2026" / "checkpoint").read_bytes() == before


def test_a_witness_that_holds_another_tree_stops_it(bench: Bench) -> None:
    bench.seal()
    bench.sell(2)
    bench.witnesses[0].says = Refused("tree_is_inconsistent")
    says = r"partner\.example/w\+[0-9a-f]{8} says the tree of 2 does not continue what it saw"
    with pytest.raises(LogStopped, match=says):
        bench.seal()


def test_a_witness_that_refuses_us_is_said_once_and_holds_up_nothing(bench: Bench) -> None:
    bench.witnesses[0].says = Refused("log_is_unknown")
    assert bench.seal() == (1, 1, 1)
    bench.sell(2)
    assert bench.seal() == (1, 2, 2)
    assert bench.made[-1].answers == {bench.witnesses[0].name: str(Refused("log_is_unknown"))}


def test_two_keys_of_one_witness_both_cosign(bench: Bench) -> None:
    """A witness changes its key: its name stays, and for a while both keys stand in the policy."""
    old = cosigner(NAMES[0], crypto.suite("ed25519").signer(bytes(32)))
    folder = bench.folder / "old"
    folder.mkdir()
    near = NearWitness(Witness(folder / "w", old, WatchedLogs(watch(folder, [LOG_KEY]))), bench.house.clock)
    policy = bench.policy.replace(b"group two", f"witness before {vkey_text(old.vkey)}\ngroup two".encode())
    sealer = bench.next_sealer(witnesses=[*bench.witnesses, near], policy_text=policy)
    assert seal(bench.house, sealer) == (1, 1, 1)
    note = check.read_note((bench.house.log_folder / "2026" / "checkpoint").read_bytes())
    keys = {line.key_id for line in note.signatures if line.name == NAMES[0]}
    assert keys == {old.vkey.key_id, COSIGNERS[NAMES[0]].vkey.key_id}
