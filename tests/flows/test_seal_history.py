"""History on its way into the public log: all of it, once, provable, and never forked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suyuan.base import db
from suyuan.evidence import check
from suyuan.evidence.log import links
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.records.leaves import ShardStart, entries, next_leaf, shards
from suyuan.evidence.witness.cosigning import Witness
from suyuan.evidence.witness.watched_logs import WatchedLogs
from suyuan.flows.begin_shard import NothingIsLost, begin_again
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.seal_history import Sealer, shard_of
from tests.evidence.witnesses import NearWitness, own_cosigner, watch
from tests.flows.house import House, open_house
from tests.flows.sealing import LOG_NAME, ONE_EVENT_A_SALE, proven, put_back, seal, sell, signers


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with open_house(database, log_folder=tmp_path / "log", appliers=ONE_EVENT_A_SALE) as house:
        sell(house)
        yield house


@pytest.fixture
def sealer(next_sealer: Callable[..., Sealer]) -> Sealer:
    return next_sealer()


def test_every_event_can_be_checked_by_whoever_has_the_policy(house: House, sealer: Sealer) -> None:
    seal(house, sealer)
    publish_log(sealer)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    for seq in range(len(house.events())):
        one = proven(house, seq)
        entry = check.record_entry(one.opened.record, one.opened.openings)
        assert check.check_proof(one.proof, entry, policy).index == seq


def checkpoint_of(folder: Path) -> check.Checkpoint:
    return check.read_checkpoint(check.read_note((folder / "checkpoint").read_bytes()).text)


WITNESSED = f"witness w {vkey_text(own_cosigner().vkey)}\nquorum w\n".encode()


def near_witness(folder: Path, house: House) -> NearWitness:
    """One that watches the log of this year."""
    log = signers(ShardStart("2026", 0, f"{LOG_NAME}/2026", is_published=False))[0].vkey
    return NearWitness(Witness(folder / "witness", own_cosigner(), WatchedLogs(watch(folder, [log]))), house.clock)


def link_of(folder: Path, sealer: Sealer) -> links.Link:
    """The link of a shard with the one before it, as a stranger with the keys of both reads it."""
    old_keys, new_keys = ([signers(start)[0].vkey] for start in shards(sealer.connection)[-2:])
    link = links.check_link((folder / "link").read_bytes(), old_keys, new_keys)
    assert link is not None
    return link


# --- years ---------------------------------------------------------------------------------------


def test_a_year_ends_with_its_last_event_and_is_linked_with_the_next(house: House, sealer: Sealer) -> None:
    """The old shard is closed for good; both shards hold the same link, signed by the keys of both."""
    seal(house, sealer)
    last_of_2026 = len(house.events()) + 1
    sell(house, 2)
    house.clock.advance(60 * 86_400)
    sell(house, 3)
    done = seal(house, sealer)
    assert done.sealed == len(house.events())
    old, new = (house.log_folder / name for name in ("2026", "2027"))
    assert checkpoint_of(old).size == last_of_2026
    assert checkpoint_of(new).size == len(house.events()) - last_of_2026
    assert (old / "next").read_bytes() == (new / "link").read_bytes()
    link = link_of(new, sealer)
    assert (link.old_size, link.first_seq) == (last_of_2026, last_of_2026)
    sell(house, 4)
    assert seal(house, sealer).sealed == len(house.events())
    publish_log(sealer)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    for seq in range(len(house.events())):
        one = proven(house, seq)
        check.check_proof(one.proof, one.opened.entry, policy)


def test_cosignatures_that_a_crash_left_in_the_checkpoint_alone_count(
    house: House, next_sealer: Callable[..., Sealer], tmp_path: Path
) -> None:
    """The sealer died between its last two steps. Nobody asks the witness again, since its line is there already."""
    witnessed = {"witnesses": [near_witness(tmp_path, house)], "policy_text": WITNESSED}
    assert seal(house, next_sealer(**witnessed)).cosigned == 1
    (house.log_folder / "2026" / "checkpoint.cosigned").unlink()
    assert seal(house, next_sealer(**witnessed)).cosigned == 1
    assert proven(house, 0).is_cosigned


# --- what was put back from a backup -------------------------------------------------------------


def test_a_database_of_an_older_day_signs_nothing(
    house: House, sealer: Sealer, next_sealer: Callable[..., Sealer]
) -> None:
    sell(house, 2)
    seal(house, sealer)
    before = (house.log_folder / "2026" / "checkpoint").read_bytes()
    put_back(house, 1)
    later = next_sealer()
    with pytest.raises(LogStopped, match="2026 has sealed 2 entries and the database knows 1") as stopped:
        seal(house, later)
    assert "suyuan evidence begin" in stopped.value.zh
    # The next round says so again; else it would put the events of another history on top of the lost ones.
    with pytest.raises(LogStopped, match="2026 has sealed 2 entries and the database knows 1"):
        seal(house, later)
    assert (house.log_folder / "2026" / "checkpoint").read_bytes() == before


def test_a_history_that_grew_anew_after_a_loss_is_known_for_another(
    house: House, sealer: Sealer, next_sealer: Callable[..., Sealer]
) -> None:
    """As many events as were signed, but others: each leaf's salts were drawn anew, so its entry tells."""
    seal(house, sealer)
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute("DELETE FROM leaf")
    later = next_sealer()
    with pytest.raises(LogStopped, match="Event 0 in the database is not the one that 2026 has sealed"):
        seal(house, later)


def test_after_a_loss_a_new_shard_begins_where_both_agree_and_the_link_says_so(
    house: House, sealer: Sealer, next_sealer: Callable[..., Sealer]
) -> None:
    sell(house, 2)
    sell(house, 3)
    assert seal(house, sealer).sealed == 3
    put_back(house, 1)
    later = next_sealer()
    with pytest.raises(LogStopped):
        seal(house, later)
    fresh = begin_again(later.connection, house.log_folder, log_name=LOG_NAME)
    assert fresh == ShardStart("2026-2", 1, f"{LOG_NAME}/2026-2", False)
    done = seal(house, later)
    assert done.sealed == 1
    link = link_of(house.log_folder / "2026-2", later)
    assert (link.old_size, link.first_seq) == (3, 1)
    publish_log(later)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    check.check_proof(proven(house, 0).proof, proven(house, 0).opened.entry, policy)


def test_nobody_begins_a_new_shard_without_a_loss(house: House, sealer: Sealer) -> None:
    seal(house, sealer)
    with pytest.raises(NothingIsLost, match="shard 2026 has signed 1 events and the database has every one of them"):
        begin_again(sealer.connection, house.log_folder, log_name=LOG_NAME)


def test_files_and_database_that_are_both_lost_end_a_shard_for_good(
    house: House, sealer: Sealer, next_sealer: Callable[..., Sealer]
) -> None:
    """The folder is gone and the database too old to make it again; the old shard holds nothing that can be proven."""
    sell(house, 2)
    seal(house, sealer)
    note = (house.log_folder / "2026" / "checkpoint").read_bytes()
    shutil.rmtree(house.log_folder / "2026")
    put_back(house, 1)
    later = next_sealer()
    with pytest.raises(LogStopped, match="no checkpoint"):
        seal(house, later)
    (start,) = shards(later.connection)
    with pytest.raises(LogStopped, match="There are 1 entries, and 2 were signed"):
        rebuild(shard_of(later, start), entries(later.connection, 0, 1), copy=note)
    with pytest.raises(LogStopped, match="begin --witness-is-ahead"):
        begin_again(later.connection, house.log_folder, log_name=LOG_NAME)
    fresh = begin_again(later.connection, house.log_folder, log_name=LOG_NAME, witness_is_ahead=True)
    assert fresh == ShardStart("2026-2", 0, f"{LOG_NAME}/2026-2", False)
    assert shards(later.connection) == [start._replace(is_left=True), fresh]
    assert seal(house, later).sealed == 1
    publish_log(later)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    checked = check.check_proof(proven(house, 0).proof, proven(house, 0).opened.entry, policy)
    assert checked.checkpoint.origin == fresh.origin


def test_a_lost_folder_is_no_new_log_and_is_made_again_from_the_leaves(
    house: House, next_sealer: Callable[..., Sealer]
) -> None:
    """The files are gone, and the last checkpoint is on another device too: every tile comes back the same."""
    copies = house.log_folder.parent / "copies"
    copies.mkdir()
    with_copies = next_sealer(second_copies=copies)
    sell(house, 2)
    seal(house, with_copies)
    shard = house.log_folder / "2026"
    before = {file.relative_to(shard): file.read_bytes() for file in shard.rglob("*") if file.is_file()}
    shutil.rmtree(shard)
    later = next_sealer(second_copies=copies)
    with pytest.raises(LogStopped, match=r"rebuild"):
        seal(house, later)
    (start,) = shards(later.connection)
    rebuild(shard_of(later, start), entries(later.connection, 0, next_leaf(later.connection)))
    assert seal(house, later).sealed == 2
    after = {file.relative_to(shard): file.read_bytes() for file in shard.rglob("*") if file.is_file()}
    assert after == before
