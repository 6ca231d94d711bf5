"""Leaves of a real platform's history: complete, in order, made once, and closed with the people they are about."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S, SECOND
from suyuan.evidence.records.commitment import GROUP_KEY_BYTES, Record, record_of
from suyuan.evidence.records.leaves import (
    NEVER_KEPT,
    Leaf,
    ShardStart,
    entries,
    keep_leaves,
    next_leaf,
    shard_of_year,
    shards,
    year_after,
)
from suyuan.evidence.records.opening import BrokenLeaf, NotOpen, open_record
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.history.store import HistoryIsBroken, Kept, read
from suyuan.privacy.classes import Sealed
from suyuan.privacy.purposes import RECORD_KEY
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import BrokenSeal
from tests.flows.house import NOON, House, card, open_house, written
from tests.privacy.authorities import whole

PERSON = {
    "name": "王芳", "identity_number": "110101199001011237", "number": "13800000001", "payee": "622202-0001",
    "seller": "slr_new",
}  # fmt: skip
seal = functools.partial(keep_leaves, log_name="api.example.com/log", chance=os.urandom, events_max=100)


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as house:
        answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", written(PERSON))))
        assert isinstance(answer, Registered), answer
        yield house


def sell(house: House, number: int = 1) -> str:
    body = written(card(number) | {"seller": "slr_new"})
    answer = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
    assert isinstance(answer, Taken), answer
    return answer.redemption


def leaves(house: House) -> dict[int, Leaf]:
    rows = house.rows("SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf ORDER BY seq")
    return {row[0]: Leaf(*row) for row in rows}


def history(house: House) -> dict[int, Kept]:
    with db.connect(house.url) as connection:
        return {kept.seq: kept for kept in read(connection)}


def of_kind(house: House, kind: str) -> tuple[Record, Leaf]:
    (kept,) = [kept for kept in history(house).values() if kept.kind == kind]
    return record_of(kept), leaves(house)[kept.seq]


def opened_key(house: House, record: Record, leaf: Leaf, subject: str) -> bytes:
    """What an authority for this subject gets."""
    sealed = leaf.sealed[record.subjects.index(subject)]
    query = "SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE wrapped <> '' AND id LIKE %s"
    for (*row,) in house.rows(query, f"{subject}/%"):
        key = house.vault.unlock(SubjectKey(*row))
        try:
            authority = whole(RECORD_KEY, [subject], at=house.clock.now())
            return bytes.fromhex(house.vault.open(Sealed(sealed), key, RECORD_KEY, authority, now=house.clock.now()))
        except BrokenSeal:
            continue
    raise AssertionError("no key of the subject opens it")


def test_each_event_gets_one_leaf_in_its_order_however_often_the_sealer_begins(house: House) -> None:
    sell(house)
    with db.connect(house.url) as connection:
        made = seal(connection, house.vault)
        assert made == len(history(house)) > 0
        before = leaves(house)
        assert seal(connection, house.vault) == 0
        sell(house, 2)
        assert seal(connection, house.vault) == len(history(house)) - made
        assert list(leaves(house)) == list(history(house))
        assert {seq: leaf for seq, leaf in leaves(house).items() if seq in before} == before
        assert entries(connection, 0, next_leaf(connection)) == [leaf.digest for leaf in leaves(house).values()]


def test_what_is_open_is_shown_to_anybody_and_what_is_somebodys_to_nobody(house: House) -> None:
    redemption = sell(house)
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
    record, leaf = of_kind(house, "redemption_taken/1")
    opened = open_record(record, leaf, {})
    assert b'"redemption":"%s"' % redemption.encode() in opened.record
    assert b"slr_new" not in opened.record
    assert b"sealed_serial" not in opened.record
    assert leaf.thing == redemption
    with pytest.raises(NotOpen, match="has no member seller that could be shown here"):
        open_record(record, leaf, {}, ["paid", "seller"])


def test_the_seller_and_the_card_are_opened_each_by_their_own_key(house: House) -> None:
    redemption = sell(house)
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
    record, leaf = of_kind(house, "redemption_taken/1")
    seller, card_group = (1 + record.subjects.index(name) for name in ("slr_new", redemption))
    by_seller = open_record(record, leaf, {seller: opened_key(house, record, leaf, "slr_new")})
    assert b'"seller":"slr_new"' in by_seller.record
    assert b"source_index" not in by_seller.record
    by_card = open_record(record, leaf, {card_group: opened_key(house, record, leaf, redemption)})
    assert b"source_index" in by_card.record
    assert b"slr_new" not in by_card.record


def test_no_key_lies_in_the_clear_but_that_of_what_is_open(house: House) -> None:
    """A thief of the table holds sealed texts; no window of it is a key that opens a closed commitment."""
    sell(house)
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
    record, leaf = of_kind(house, "redemption_taken/1")
    lying = leaf.digest + leaf.open_key + leaf.sealed_keys.encode() + leaf.closed
    windows = [lying[at : at + GROUP_KEY_BYTES] for at in range(len(lying) - GROUP_KEY_BYTES + 1)]
    for group in range(1, 1 + len(record.subjects)):
        for window in windows:
            with pytest.raises(BrokenLeaf):
                open_record(record, leaf, {group: window})


def test_whoever_was_forgotten_before_sealing_was_never_openable(house: House) -> None:
    """The sealer comes a second later than the shredding: it draws a key and keeps none."""
    sell(house)
    forget_keys(house, "slr_new/%")
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
    record, leaf = of_kind(house, "seller_registered/2")
    assert leaf.sealed == [NEVER_KEPT]
    assert b'"partner"' in open_record(record, leaf, {}).record


def test_once_a_seller_is_forgotten_the_rest_of_the_record_still_opens(house: House) -> None:
    redemption = sell(house)
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
    record, leaf = of_kind(house, "redemption_taken/1")
    forget_keys(house, "slr_new/%")
    opened = open_record(
        record, leaf, {1 + record.subjects.index(redemption): opened_key(house, record, leaf, redemption)}
    )
    assert b"source_index" in opened.record
    with pytest.raises(AssertionError, match="no key"):
        opened_key(house, record, leaf, "slr_new")


def forget_keys(house: House, places: str) -> None:
    """What a shredding does to the keys."""
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = '', fingerprint = %s WHERE id LIKE %s", (bytes(16), places)
        )


def test_an_event_that_was_changed_after_it_was_sealed_is_not_shown(house: House) -> None:
    sell(house)
    with db.connect(house.url, autocommit=True) as connection:
        seal(connection, house.vault)
        connection.execute(
            "UPDATE event SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"paid\":', '\"paid\":1'), 'UTF8')"
        )
    record, leaf = of_kind(house, "redemption_taken/1")
    with pytest.raises(BrokenLeaf, match="is not the one that was sealed"):
        open_record(record, leaf, {})


def test_a_gap_in_the_leaves_is_said_and_not_sealed_over(house: House) -> None:
    sell(house)
    with db.connect(house.url, autocommit=True) as connection:
        seal(connection, house.vault)
        sell(house, 2)
        seal(connection, house.vault)
        connection.execute("DELETE FROM leaf WHERE seq = 1")
        with pytest.raises(HistoryIsBroken, match="from event 0 on have a gap"):
            entries(connection, 0, next_leaf(connection))


def test_two_sealers_at_once_make_each_leaf_once(house: House) -> None:
    sell(house)
    with db.connect(house.url) as one, db.connect(house.url) as two:
        with one.transaction():
            seal(one, house.vault)
            two.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                seal(two, house.vault)
        assert seal(two, house.vault) == 0


# --- shards --------------------------------------------------------------------------------------


def test_a_shard_begins_with_the_first_event_of_its_year(house: House) -> None:
    """Noon of 22 November, then the first second of a new year in UTC, which is eight in the morning in Shanghai."""
    sell(house)
    with db.connect(house.url) as connection:
        seal(connection, house.vault)
        (first,) = shards(connection)
        assert first == ShardStart("2026", 0, "api.example.com/log/2026", False)
        house.clock.advance((year_after(NOON) - house.clock.now()) / SECOND)
        begins = len(history(house))
        sell(house, 2)
        house.clock.advance(3 * 366 * DAY_S)
        later = len(history(house))
        sell(house, 3)
        seal(connection, house.vault)
        assert shards(connection) == [
            first,
            ShardStart("2027", begins, "api.example.com/log/2027", False),
            ShardStart("2030", later, "api.example.com/log/2030", False),
        ]


@pytest.mark.parametrize(
    ("at", "year"),
    [(0, "1970"), (1_767_225_599_999_999, "2025"), (1_767_225_600_000_000, "2026"), (NOON, "2026")],
)
def test_years_begin_in_utc(at: int, year: str) -> None:
    assert shard_of_year(at) == year
    assert shard_of_year(year_after(at)) == str(int(year) + 1)
    assert shard_of_year(year_after(at) - 1) == year
