"""What was lost is told, by the log itself and for ever; until somebody says that it is lost, nothing is signed.

A database, a folder or both are put back from an older day, in every place where the year ends or a shard was begun
before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from suyuan.base import db
from suyuan.evidence import check
from suyuan.evidence.log import links
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.records.leaves import ShardStart, entries, next_leaf, shards
from suyuan.evidence.witness.cosigning import Conflict, Cosigned, Refused, Silent
from suyuan.flows.begin_shard import begin_again
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.seal_history import Sealer
from tests.flows.house import House, open_house
from tests.flows.sealing import LOG_NAME, ONE_EVENT_A_SALE, proven, put_back, seal, sell

YEAR_S = 60 * 86_400
"""As much as is left of the year in which the house stands, and some more."""


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with open_house(database, log_folder=tmp_path / "log", appliers=ONE_EVENT_A_SALE) as house:
        yield house


def seal_and_publish(house: House, sealer: Sealer) -> None:
    seal(house, sealer)
    publish_log(sealer)


def stops(house: House, sealer: Sealer, code: Stop) -> None:
    """Again and again, and whoever comes after it stops as well."""
    before = {file: file.read_bytes() for file in house.log_folder.rglob("*") if file.is_file()}
    for _ in range(3):
        with pytest.raises(LogStopped) as stopped:
            seal(house, sealer)
        assert stopped.value.code is code, str(stopped.value)
    assert {file: file.read_bytes() for file in house.log_folder.rglob("*") if file.is_file()} == before


def begin(house: House, sealer: Sealer, **how: Any) -> ShardStart:
    return begin_again(sealer.connection, house.log_folder, log_name=LOG_NAME, **how)


def everything_is_proven(house: House, sealer: Sealer) -> None:
    seal_and_publish(house, sealer)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    for seq in range(len(house.events())):
        one = proven(house, seq)
        check.check_proof(one.proof, one.opened.entry, policy)


def chain(house: House) -> list[tuple[str, int, int]]:
    """All links, followed from the first shard on: the new shard, where the old one ended, where the new one begins."""
    found, name = [], "2026"
    while (file := house.log_folder / name / "next").exists():
        link = links.read_link(check.read_note(file.read_bytes()).text)
        assert link is not None
        name = link.new_origin.rpartition("/")[2]
        assert (house.log_folder / name / "link").read_bytes() == file.read_bytes()
        found.append((name, link.old_size, link.first_seq))
    return found


@pytest.mark.parametrize("grown", [1, 4])
def test_a_sealer_that_stopped_once_stays_so_however_much_is_sold_meanwhile(
    house: House, next_sealer: Callable[..., Sealer], grown: int
) -> None:
    """Were only the first look at the log an honest one, the lost events would be sealed over five seconds later."""
    for number in range(3):
        sell(house, number)
    seal(house, next_sealer())
    put_back(house, 1)
    for number in range(grown):
        sell(house, 10 + number)
    stops(house, next_sealer(), Stop.HISTORY_IS_OLDER if grown == 1 else Stop.HISTORY_IS_ANOTHER)


def test_a_database_that_is_put_back_under_a_running_sealer_is_noticed(
    house: House, next_sealer: Callable[..., Sealer]
) -> None:
    sealer = next_sealer()
    for number in range(3):
        sell(house, number)
    seal(house, sealer)
    put_back(house, 2)
    stops(house, sealer, Stop.HISTORY_IS_OLDER)
    sell(house, 10)
    stops(house, sealer, Stop.HISTORY_IS_ANOTHER)


def test_a_shard_that_is_lost_as_a_whole_is_followed_from_its_first_event(
    house: House, next_sealer: Callable[..., Sealer]
) -> None:
    """Both shards begin with event 0, and what is asked for is found in the later one."""
    sell(house)
    seal_and_publish(house, next_sealer())
    put_back(house, 0)
    sell(house, 2)
    sealer = next_sealer()
    stops(house, sealer, Stop.HISTORY_IS_ANOTHER)
    assert begin(house, sealer).first_seq == 0
    everything_is_proven(house, sealer)
    assert chain(house) == [("2026-2", 1, 0)]


def test_a_shard_that_nothing_came_into_before_the_year_ended_is_linked_all_the_same(
    house: House, next_sealer: Callable[..., Sealer]
) -> None:
    sell(house)
    sell(house, 2)
    seal_and_publish(house, next_sealer())
    put_back(house, 1)
    sealer = next_sealer()
    begin(house, sealer)
    house.clock.advance(YEAR_S)
    sell(house, 3)
    everything_is_proven(house, sealer)
    assert chain(house) == [("2026-2", 2, 1), ("2027", 0, 1)]


def year_after_year(house: House, sealer: Sealer) -> None:
    """Two events in each of two years."""
    sell(house, 1)
    sell(house, 2)
    seal_and_publish(house, sealer)
    house.clock.advance(YEAR_S)
    sell(house, 3)
    sell(house, 4)
    seal_and_publish(house, sealer)


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_database_of_the_year_before_does_not_begin_the_year_again(
    house: House, next_sealer: Callable[..., Sealer], kept: int
) -> None:
    """The old year is closed and linked; the database knows nothing of the new one, or has events of neither."""
    year_after_year(house, next_sealer())
    put_back(house, kept)
    sealer = next_sealer()
    stops(house, sealer, Stop.HISTORY_IS_OLDER)
    fresh = begin(house, sealer)
    assert (fresh.name, fresh.first_seq) == ("2027-2", kept)
    everything_is_proven(house, sealer)
    sell(house, 5)
    everything_is_proven(house, sealer)
    assert chain(house) == [("2027", 2, 2), ("2027-2", 2, kept)]
    assert [start.name for start in shards(sealer.connection)] == ["2026", "2027", "2027-2"]


@pytest.mark.parametrize("at", [0, 40, -100, -3])
@pytest.mark.parametrize("name", ["2026/next", "2027/link"])
def test_a_link_that_is_damaged_is_made_again_from_its_other_copy(
    house: House, next_sealer: Callable[..., Sealer], name: str, at: int
) -> None:
    year_after_year(house, next_sealer())
    file = house.log_folder / name
    before = file.read_bytes()
    damaged = bytearray(before)
    damaged[at] ^= 1
    file.write_bytes(damaged)
    seal(house, next_sealer())
    assert file.read_bytes() == before
    assert chain(house) == [("2027", 2, 2)]


def test_a_loss_after_a_loss_is_told_as_well(house: House, next_sealer: Callable[..., Sealer]) -> None:
    """The second backup is older than the first loss, so the database knows nothing of that either."""
    for number in range(4):
        sell(house, number)
    seal_and_publish(house, next_sealer())
    put_back(house, 3)
    sealer = next_sealer()
    begin(house, sealer)
    sell(house, 11)
    seal_and_publish(house, sealer)
    put_back(house, 2)
    sealer = next_sealer()
    stops(house, sealer, Stop.HISTORY_IS_OLDER)
    begin(house, sealer)
    sell(house, 12)
    everything_is_proven(house, sealer)
    assert chain(house) == [("2026-2", 4, 3), ("2026-3", 1, 2)]


def test_an_old_folder_beside_a_newer_second_copy_is_left_with_the_newer_checkpoint(
    house: House, next_sealer: Callable[..., Sealer], tmp_path: Path
) -> None:
    """Database and folder are of one older day, and the other device remembers what was signed since."""
    copies = tmp_path / "copies"
    copies.mkdir()
    sell(house, 1)
    sealer = next_sealer(second_copies=copies)
    seal_and_publish(house, sealer)
    sealer.close()
    shutil.copytree(house.log_folder, tmp_path / "old")
    sell(house, 2)
    seal_and_publish(house, next_sealer(second_copies=copies))
    sealer = next_sealer(second_copies=copies)
    put_back(house, 1)
    shutil.rmtree(house.log_folder)
    shutil.copytree(tmp_path / "old", house.log_folder)
    stops(house, sealer, Stop.FOLDER_IS_OLDER)
    assert begin(house, sealer, witness_is_ahead=True).first_seq == 1
    sell(house, 3)
    everything_is_proven(house, sealer)
    assert chain(house) == [("2026-2", 2, 1)]


class Told:
    """A witness that says what a test tells it to. Implements `WitnessCaller`."""

    name = "witness.example/told"

    def __init__(self) -> None:
        self.has_seen: int | None = 0
        self.answer: Cosigned | Conflict | Silent | Refused = Silent("timed_out")
        self.asked: list[int] = []

    async def latest(self, origin: str) -> int | None:
        return self.has_seen

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        self.asked.append(old)
        return self.answer


def test_a_witness_that_was_ahead_is_so_too_when_it_says_nothing_any_more(
    house: House, next_sealer: Callable[..., Sealer]
) -> None:
    """It tells nothing, and is found out when it is shown what was signed last; what comes next is not signed."""
    witness = Told()
    witness.has_seen, witness.answer = None, Conflict(5)
    sealer = next_sealer(witnesses=[witness])
    sell(house)
    with pytest.raises(LogStopped, match="saw 5 entries, and 0 are known here"):
        seal(house, sealer)
    witness.answer = Silent("timed_out")
    sell(house, 2)
    for _ in range(2):
        with pytest.raises(LogStopped, match="saw 5 entries, and 0 are known here"):
            seal(house, sealer)
    note = (house.log_folder / "2026" / "checkpoint").read_bytes()
    assert check.read_checkpoint(check.read_note(note).text).size == 0


def test_leaves_put_back_with_everything_else_are_no_loss(house: House, next_sealer: Callable[..., Sealer]) -> None:
    """A restore to the newest state: every leaf is the one that was sealed."""
    sell(house)
    seal(house, next_sealer())
    with db.connect(house.url, autocommit=True) as connection:
        kept = entries(connection, 0, next_leaf(connection))
        connection.execute("CREATE TABLE backup AS SELECT * FROM leaf")
        connection.execute("TRUNCATE leaf")
        connection.execute("INSERT INTO leaf SELECT * FROM backup")
        assert entries(connection, 0, next_leaf(connection)) == kept
    sell(house, 2)
    assert seal(house, next_sealer()).sealed == 2
