"""Forgotten people stay forgotten in every copy: a physical backup, its archived log, a dump and the Parquet export.

A thief has all of them, taken before anybody was forgotten and archived until after, and the platform's present keys.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from suyuan.base import db
from suyuan.base.db.programs import find_programs
from suyuan.base.refusals import Refusal
from suyuan.flows.forget_subject import SELLERS_PER_ROUND_MAX
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.history.events import Event, SellerRegistered, decode
from suyuan.history.segments import export, read_segments
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import FileRing, NoEpochKey, make_ring
from suyuan.privacy.pseudonyms import IDENTITY
from suyuan.privacy.purposes import SELLER_PAYEE
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.privacy.vault import BrokenSeal, Vault
from tests.conftest import clear, room_for_a_server
from tests.flows.house import NOON, House, open_house, written
from tests.flows.test_forget_subject import KMS, finish, intend, roll_whole
from tests.privacy.authorities import whole

STAYING = 5
GUESSES_MAX = 200
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@dataclass
class Loot:
    """What the thief has: a physical backup with its archived log, and a dump of each day."""

    backup: Path
    archive: Path
    dumps: list[str]
    old_ring: Path


@pytest.fixture
def folder() -> Iterator[Path]:
    """A server of its own, which archives its log."""
    place = room_for_a_server()
    archive = place.with_name(place.name + "-archive")
    archive.mkdir()
    archive.chmod(0o777)
    with db.Server(place):
        """Makes the folder, so that there is a file for our settings."""
    (place / "operator.conf").write_text(
        f"wal_level = replica\narchive_mode = on\narchive_command = 'cp %p {archive}/%f'\nmax_wal_senders = 4\n"
    )
    try:
        yield place
    finally:
        for each in (place, *place.parent.glob(place.name + "-restored*")):
            clear(each)
        shutil.rmtree(archive)
        shutil.rmtree(place.with_name(place.name + "-backup"), ignore_errors=True)


def payee_of(number: int) -> str:
    return f"622202{number:010d}"


def identity_of(number: int) -> str:
    """An adult's number, of a district that does not exist."""
    return f"{number:06d}19900101000X"


def register_many(house: House, count: int) -> None:
    async def one(number: int) -> None:
        person = {
            "name": f"人{number}", "identity_number": identity_of(number), "number": f"138{number:08d}",
            "payee": payee_of(number), "seller": f"slr_{number:06d}",
        }  # fmt: skip
        answer = await register_seller(house.desk, house.knock("POST", "/v1/sellers", written(person)))
        assert isinstance(answer, Registered)

    async def all_of_them() -> None:
        for start in range(0, count, 200):
            await asyncio.gather(*(one(number) for number in range(start, min(start + 200, count))))

    house.run(all_of_them())


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def take_backup(house: House, place: Path) -> Path:
    """A physical backup of the running server, as its manual says."""
    backup = place.with_name(place.name + "-backup")
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute("SELECT pg_backup_start('thief', true)")
        copy(place / "data", backup)
        row = connection.execute("SELECT labelfile FROM pg_backup_stop(true)").fetchone()
        assert row is not None
    (backup / "backup_label").write_text(row[0])
    shutil.copystat(backup / "PG_VERSION", backup / "backup_label")
    own(backup / "backup_label", backup)
    (backup / "postmaster.pid").unlink()
    return backup


def own(file: Path, like: Path) -> None:
    stat = like.stat()
    os.chown(file, stat.st_uid, stat.st_gid)


def dump(house: House) -> str:
    program = find_programs().folder / "pg_dump"
    return subprocess.run([str(program), house.url], capture_output=True, text=True, check=True).stdout


def restored(loot: Loot, place: Path, until: str) -> db.Server:
    """A second server that starts from the backup and replays the archived log."""
    thief = place.with_name(f"{place.name}-restored-{until}")
    with db.Server(thief):
        """Makes the folder with its own settings; its data is replaced by what was stolen."""
    shutil.rmtree(thief / "data")
    copy(loot.backup, thief / "data")
    (thief / "data" / "recovery.signal").touch()
    own(thief / "data" / "recovery.signal", thief / "data")
    target = "recovery_target = 'immediate'\n" if until == "backup" else ""
    (thief / "operator.conf").write_text(
        f"restore_command = 'cp {loot.archive}/%f %p'\nrecovery_target_action = promote\n{target}"
    )
    return db.Server(thief)


def exported(parquet: Path) -> list[Event]:
    """What the Parquet export tells."""
    return [decode(kept.body) for kept in read_segments(parquet)]


def opened(server: db.Server, vault: Vault, parquet: Path | None = None) -> dict[str, str]:
    """Every payee account that this vault can open, with this server's keys, in its events or in an export."""
    with db.connect(server.url(), autocommit=True) as connection:
        # A server that replays its log answers before it has come to the end of it.
        while connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
            time.sleep(0.05)
        rows = connection.execute("SELECT id, epoch, wrapped, fingerprint FROM subject_key").fetchall()
        events = connection.execute("SELECT body FROM event WHERE kind = 'seller_registered/2'").fetchall()
    registered = [decode(bytes(body)) for (body,) in events] if parquet is None else exported(parquet)
    bodies = [(event.seller, event.sealed_payee) for event in registered if isinstance(event, SellerRegistered)]
    keys = {row[0]: SubjectKey(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in rows}
    found = {}
    for seller, sealed in bodies:
        try:
            key = vault.unlock(keys[key_id(seller, SELLER_PAYEE.key_class)])
            found[seller] = vault.open(Sealed(sealed), key, SELLER_PAYEE, whole(SELLER_PAYEE, [seller]), now=1)
        except (NoEpochKey, BrokenSeal):
            continue
    return found


def guessed(server: db.Server, vault: Vault, count: int) -> set[str]:
    """The sellers whom a dictionary of all ID numbers finds, by whoever holds this vault's keys, in any table."""
    with db.connect(server.url(), autocommit=True) as connection:
        marks = {bytes(row[0]): str(row[1]) for row in connection.execute("SELECT mark, pseudonym FROM pseudonym")}
        tables = [row[0] for row in connection.execute(TABLES)]
        texts = [f"SELECT t::text FROM {table} t".encode() for table in tables]
        kept = "".join(str(connection.execute(text).fetchall()) for text in texts)
        bodies = connection.execute("SELECT string_agg(convert_from(body, 'UTF8'), '') FROM event").fetchone()
    kept += str(bodies)
    found = set()
    for number in range(count):
        value = identity_of(number)
        tried = vault.marks(value, purpose=IDENTITY, now=NOON, fresh="").marks
        if any(mark in marks for mark in tried) or vault.index(value, purpose=IDENTITY) in kept:
            found.add(f"slr_{number:06d}")
    return found


def forget_in_every_copy(place: Path, keys: Path, forgotten: int) -> None:
    """The story: register, back up, forget most, roll, and let the thief try."""
    make_ring(keys / "epochs.key", KMS, now=NOON)
    count = forgotten + STAYING
    with db.Server(place) as server:
        db.migrate(server.url())
        with open_house(server.url(), Vault(bytes(32), FileRing(keys / "epochs.key", KMS))) as house:
            register_many(house, count)
            shutil.copy(keys / "epochs.key", keys / "old.key")
            with db.connect(house.url, autocommit=True) as connection:
                export(connection, keys / "parquet")
            loot = Loot(
                take_backup(house, place), place.with_name(place.name + "-archive"), [dump(house)], keys / "old.key"
            )
            for number in range(forgotten):
                assert not isinstance(intend(house, f"slr_{number:06d}"), Refusal)
            assert sum(len(finish(house)) for _ in range(0, forgotten, SELLERS_PER_ROUND_MAX)) == forgotten
            roll_whole(house)
            loot.dumps.append(dump(house))
            with db.connect(house.url, autocommit=True) as connection:
                connection.execute("SELECT pg_switch_wal()")
                connection.execute("CHECKPOINT")
        server.stop()
    present = Vault(bytes(32), FileRing(keys / "epochs.key", KMS))
    past = Vault(bytes(32), FileRing(loot.old_ring, KMS))
    with restored(loot, place, "backup") as server:
        # The backup itself is whole: whoever still had yesterday's ring would read everybody.
        assert len(opened(server, past)) == count
        assert len(opened(server, past, keys / "parquet")) == count
        assert opened(server, present, keys / "parquet") == {}
        # With the present one nobody is read, not even those who stay: their keys lie in the log behind it.
        assert opened(server, present) == {}
        assert guessed(server, past, min(count, GUESSES_MAX))
        assert guessed(server, present, min(count, GUESSES_MAX)) == set()
    with restored(loot, place, "end") as server:
        stay = {f"slr_{number:06d}": payee_of(number) for number in range(forgotten, count)}
        assert opened(server, present) == opened(server, present, keys / "parquet") == stay
        assert opened(server, past) == {}
        # Only who stays is found by guessing, and by nobody who has yesterday's keys.
        assert guessed(server, present, count) == set(stay)
        assert guessed(server, past, min(count, GUESSES_MAX)) == set()
    for number in (0, forgotten - 1):
        assert not any(payee_of(number) in text or f"138{number:08d}" in text for text in loot.dumps)


def test_nothing_of_forgotten_people_opens_in_any_copy(folder: Path, tmp_path: Path) -> None:
    forget_in_every_copy(folder, tmp_path, 20)


@pytest.mark.nightly
def test_ten_thousand_forgotten_people_open_in_no_copy(folder: Path, tmp_path: Path) -> None:
    forget_in_every_copy(folder, tmp_path, 10_000)
