"""A person is truly forgotten: closed at once, gone for good after the roll, and the books still add up."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from suyuan.base import crypto, db
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows import forget_subject as forget_module
from suyuan.flows.change_terms import encode_change
from suyuan.flows.follow_history import follow_history
from suyuan.flows.forget_subject import ForgetSeller, Forgotten, Shred, Shredder, finish_shreddings
from suyuan.flows.keep_keys import CloseEpoch
from suyuan.flows.read_fields import ReadRecorded, RecordRead
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.flows.roll_epoch import GRACE_S, RingIsBehind, roll_epoch
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import FileKms, FileRing, NoEpochKey, make_ring
from suyuan.privacy.purposes import SELLER_PAYEE
from suyuan.privacy.retention import RetentionRules
from suyuan.privacy.subject_keys import SubjectKey, fetch_keys, key_id
from suyuan.privacy.vault import BrokenSeal, Vault
from tests.flows.house import NOON, House, card, open_house, without_terms, written
from tests.privacy.authorities import whole

PERSON = {
    "name": "王芳", "identity_number": "110101199001011237", "number": "13800000001", "payee": "622202-0001",
    "seller": "slr_new",
}  # fmt: skip
KMS = FileKms(bytes(range(32)))
OFFICERS = [Officer(f"ofc_{name}", crypto.suite("ed25519").signer(bytes([name]) * 32)) for name in (1, 2)]
WITHOUT_TERMS = without_terms()
_proposals = itertools.count(1)


def ring_in(folder: Path) -> FileRing:
    return FileRing(folder / "epochs.key", KMS)


@pytest.fixture
def rolling(database: str, tmp_path: Path) -> Iterator[House]:
    """A house whose epochs lie in a file, as a platform's do."""
    make_ring(tmp_path / "epochs.key", KMS, now=NOON)
    with open_house(database, Vault(bytes(32), ring_in(tmp_path))) as house:
        register(house)
        yield house


def register(house: House, **changes: Any) -> Registered | Refusal:
    body = written(PERSON | changes)
    return house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", body)))


def sell(house: House, number: int) -> str:
    body = written(card(number) | {"seller": "slr_new"})
    answer = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
    assert isinstance(answer, Taken), answer
    return answer.redemption


def hear(house: House, redemption: str, *kinds: str) -> None:
    for kind in kinds:
        order_no = redemption + ("-p" if kind == "paid" else "-c")
        submit(house, RecordOutcome(redemption, order_no, kind, "X-1"))


def submit(house: House, command: Any) -> Any:
    async def ask() -> Any:
        return await house.line.submit(command)

    return house.run(ask())


def intend(house: House, seller: str = "slr_new") -> Any:
    """Two officers decide it; the answer to the second."""
    if not house.rows("SELECT 1 FROM officer"):
        for officer in OFFICERS:
            submit(house, officers.register(officer))
    proposal, change = f"prp_{next(_proposals)}", ForgetSeller(seller, "subject asked")
    first, second = OFFICERS
    submit(house, officers.propose(first, proposal, change))
    return submit(house, officers.approve(second, proposal, encode_change(change)))


def finish(house: House, rules: RetentionRules = WITHOUT_TERMS) -> list[Forgotten]:
    """The keeper of the house passes by; no law makes it keep anything unless a test says so."""

    async def go() -> list[Forgotten]:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            assert await follow_history(connection, rules)
            keys = functools.partial(fetch_keys, connection)
            shredder = Shredder(house.line, house.vault, keys, connection, rules)
            return await finish_shreddings(shredder, now=house.clock.now())

    return house.run(go())


def forget(house: House, seller: str = "slr_new") -> Forgotten | Refusal:
    intended = intend(house, seller)
    if isinstance(intended, Refusal):
        return intended
    (forgotten,) = finish(house)
    return forgotten


def roll(house: House, *, after_s: float) -> None:
    """One round of the keeper, so much later."""

    async def go() -> None:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            await roll_epoch(
                house.line, house.vault, connection, now=house.clock.now(), chance=house.desk.chance
            )  # fmt: skip

    house.clock.advance(after_s)
    house.run(go())


def roll_whole(house: House) -> None:
    """Two days: one until what is needed is wrapped again, and one more until the old key dies."""
    for _ in range(2):
        roll(house, after_s=DAY_S)
        roll(house, after_s=GRACE_S)


def keys(house: House) -> dict[str, SubjectKey]:
    rows = house.rows("SELECT id, epoch, wrapped, fingerprint FROM subject_key")
    return {row[0]: SubjectKey(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in rows}


def sealed_in_history(house: House, kind: str, field: str) -> Sealed:
    (event,) = [event for event in house.events() if event["kind"] == kind]
    return Sealed(event[field])


def test_a_forgotten_seller_leaves_nothing_that_opens(rolling: House) -> None:
    """The sealed texts stay in history, and mean nothing; the row says nobody any more."""
    redemption = sell(rolling, 1)
    hear(rolling, redemption, "consumed", "paid")
    assert forget(rolling) == Forgotten("slr_new", 1)
    kept = keys(rolling)
    assert set(kept) == {f"slr_new/{name}" for name in ("identity", "contact", "finance")} | {
        f"{redemption}/card_secret"
    }
    assert all(key.is_forgotten and len(key.fingerprint) == 16 for key in kept.values())
    assert rolling.rows("SELECT DISTINCT sealed_name || sealed_payee || identity FROM seller "
                        "WHERE id = 'slr_new'") == [("",)]  # fmt: skip
    sealed = sealed_in_history(rolling, "seller_registered/2", "sealed_payee")
    assert sealed
    for key in kept.values():
        with pytest.raises(BrokenSeal):
            rolling.vault.unlock(key)


def test_from_the_intent_on_nothing_is_opened_even_where_the_rest_fails(rolling: House) -> None:
    """The keeper dies right after it. Reads leave the person out, new sales are refused, and asking again finishes."""
    assert not isinstance(intend(rolling), Refusal)
    read = submit(rolling, RecordRead("pay_seller", "completer", "", ("slr_1", "slr_new"), (SELLER_PAYEE.name,)))
    assert isinstance(read, ReadRecorded)
    assert read.subjects == ("slr_1",)
    body = written(card(1) | {"seller": "slr_new"})
    answer = rolling.run(redeem_card(rolling.desk, rolling.knock("POST", "/v1/redemptions", body)))
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.seller_is_suspended
    assert finish(rolling) == [Forgotten("slr_new", 1)]


def test_a_seller_of_very_many_cards_is_forgotten_in_several_commands(
    rolling: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command would not fit into a frame; until the last one the seller is not said to be forgotten."""
    monkeypatch.setattr(forget_module, "KEYS_AT_ONCE", 2)
    for number in (1, 2):
        hear(rolling, sell(rolling, number), "consumed", "paid")
    assert forget(rolling) == Forgotten("slr_new", 1)
    kept = keys(rolling)
    assert len(kept) == 5
    assert all(key.is_forgotten for key in kept.values())
    told = [event for event in rolling.events() if event["kind"] == "subjects_shredded/1"]
    assert [len(event["fingerprints"]) for event in told] == [2, 2, 1]


def test_nobody_is_forgotten_while_their_money_is_on_its_way(rolling: House) -> None:
    """The payee is still needed; nothing is half done, and it works once the payout is through."""
    redemption = sell(rolling, 1)
    refusal = forget(rolling)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.subject_has_unfinished_business
    assert not any(key.is_forgotten for key in keys(rolling).values())
    hear(rolling, redemption, "consumed")
    assert isinstance(forget(rolling), Refusal)
    hear(rolling, redemption, "paid")
    assert isinstance(forget(rolling), Forgotten)


def test_one_officer_forgets_nobody_and_nobody_is_forgotten_without_an_intent(rolling: House) -> None:
    """It cannot be undone, so it takes two; and whoever holds the line's socket cannot skip them."""
    submit(rolling, officers.register(OFFICERS[0]))
    submit(rolling, officers.register(OFFICERS[1]))
    change = ForgetSeller("slr_new", "spite")
    submit(rolling, officers.propose(OFFICERS[0], "prp_spite", change))
    alone = submit(rolling, officers.approve(OFFICERS[0], "prp_spite", encode_change(change)))
    assert alone.reason is Reason.proposal_needs_a_second_person
    skipped = submit(rolling, Shred("slr_new", {place: bytes(16) for place in keys(rolling)}, is_last=True))
    assert skipped.reason is Reason.seller_is_unknown
    assert finish(rolling) == []
    assert not any(key.is_forgotten for key in keys(rolling).values())


def test_a_stranger_cannot_be_forgotten_and_a_forgotten_one_stays_so(rolling: House) -> None:
    """Asking twice says the same; the id is never given to anybody again."""
    unknown = forget(rolling, "slr_nobody")
    assert isinstance(unknown, Refusal)
    assert unknown.reason is Reason.seller_is_unknown
    forget(rolling)
    told = [event["kind"] for event in rolling.events()]
    assert not isinstance(intend(rolling), Refusal)
    assert finish(rolling) == []
    assert [event["kind"] for event in rolling.events()] == [*told, "change_proposed/1", "change_approved/1"]
    again = register(rolling)
    assert isinstance(again, Refusal)
    assert again.reason is Reason.seller_is_registered_already


def test_a_backup_taken_before_opens_nothing_after_the_roll(rolling: House, tmp_path: Path) -> None:
    """The thief has a dump from before, and the platform's present KEK and ring. Others' data lives on."""
    register(rolling, seller="slr_stays", identity_number="110101199001012010", payee="622202-0002")
    sealed = sealed_of(rolling, "slr_new")
    backup = keys(rolling)
    assert opened(rolling.vault, sealed, backup, "slr_new") == PERSON["payee"]
    forget(rolling)
    # Before the roll the thief still wins, which is why the epoch has to go.
    assert opened(rolling.vault, sealed, backup, "slr_new") == PERSON["payee"]
    roll_whole(rolling)
    thief = Vault(bytes(32), ring_in(tmp_path))
    for key in backup.values():
        with pytest.raises(NoEpochKey):
            thief.unlock(key)
    assert opened(thief, sealed_of(rolling, "slr_stays"), keys(rolling), "slr_stays") == "622202-0002"
    kinds = [event["kind"] for event in rolling.events()]
    assert kinds[-3:] == ["epoch_closed/1", "epoch_closed/1", "epoch_destroyed/1"]


def test_a_day_lies_between_wrapping_again_and_destroying(rolling: House, tmp_path: Path) -> None:
    """A standby that takes over, or a recovery to some hours ago, brings back keys of the old epoch: they open."""
    before = keys(rolling)
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    assert {key.epoch for key in keys(rolling).values()} == {2}
    for key in before.values():
        rolling.vault.unlock(key)
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    assert ring_in(tmp_path).oldest == 2


def test_a_keeper_that_dies_in_the_middle_of_a_roll_goes_on_where_it_was(rolling: House, tmp_path: Path) -> None:
    """It has closed the epoch and wrapped nothing; a day later the rest is wrapped before the old key dies."""
    roll(rolling, after_s=DAY_S)
    rolling.clock.advance(GRACE_S)
    submit(rolling, CloseEpoch(1))
    roll(rolling, after_s=0)
    assert {key.epoch for key in keys(rolling).values()} == {1}
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    assert {key.epoch for key in keys(rolling).values()} == {3}
    assert ring_in(tmp_path).oldest == 2
    assert rolling.rows("SELECT closed, destroyed FROM vault_epoch") == [(2, 1)]


def test_an_old_copy_of_the_ring_begins_and_destroys_nothing(rolling: House, tmp_path: Path) -> None:
    """Somebody restores yesterday's `epochs.key`. Going on would lose what the right one opens; so nothing goes on."""
    copy = (tmp_path / "epochs.key").read_bytes()
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    (tmp_path / "epochs.key").write_bytes(copy)
    for _ in range(2):
        with pytest.raises(RingIsBehind, match="older than the database"):
            roll(rolling, after_s=DAY_S)
    assert ring_in(tmp_path).newest == 1
    late = register(rolling, seller="slr_late")
    assert isinstance(late, Refusal)
    assert late.reason is Reason.platform_is_busy


def test_another_platforms_ring_destroys_nothing(rolling: House, tmp_path: Path) -> None:
    """Its epochs have the right numbers and open no key."""
    for number in range(12):
        register(rolling, seller=f"slr_{number}", payee=f"622202-1{number:03d}")
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    ring = FileRing(tmp_path / "epochs.key", KMS)
    (tmp_path / "epochs.key").unlink()
    make_ring(tmp_path / "epochs.key", KMS, now=ring.newest_begun_at)
    FileRing(tmp_path / "epochs.key", KMS).begin(ring.newest_begun_at)
    roll(rolling, after_s=DAY_S)
    with pytest.raises(RingIsBehind, match="do not open"):
        roll(rolling, after_s=GRACE_S)
    assert ring_in(tmp_path).oldest == 1


def test_an_epoch_that_a_wrong_clock_began_holds_up_no_roll(rolling: House) -> None:
    """For a moment the keeper's clock stood a month ahead; when it is right again, the next epoch begins at once."""
    roll(rolling, after_s=30 * DAY_S)
    rolling.clock.advance(-30 * DAY_S)
    roll(rolling, after_s=1)
    ring = rolling.vault.ring
    assert isinstance(ring, FileRing)
    assert (ring.newest, ring.newest_begun_at) == (3, rolling.clock.now())


def test_a_key_that_somebody_altered_stops_neither_the_roll_nor_the_forgetting(rolling: House) -> None:
    """It opens nothing any more; it must not keep the old epoch alive, or the day of everybody else."""
    register(rolling, seller="slr_other", identity_number="110101199001012010", payee="622202-0002")
    with db.connect(rolling.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))"
            " WHERE id = 'slr_new/finance'"
        )
    roll_whole(rolling)
    assert rolling.rows("SELECT destroyed FROM vault_epoch") == [(1,)]
    assert {key.epoch for place, key in keys(rolling).items() if place != "slr_new/finance"} == {3}
    assert isinstance(forget(rolling), Forgotten)
    assert all(key.is_forgotten for place, key in keys(rolling).items() if place.startswith("slr_new/"))


def test_destroyed_before_it_was_told_is_told_at_the_next_round(rolling: House) -> None:
    """The keeper dies between the ring's file and history."""
    roll(rolling, after_s=DAY_S)
    roll(rolling, after_s=GRACE_S)
    roll(rolling, after_s=DAY_S)
    rolling.clock.advance(GRACE_S)
    ring = rolling.vault.ring
    assert isinstance(ring, FileRing)
    ring.destroy(1)
    roll(rolling, after_s=0)
    assert rolling.rows("SELECT closed, destroyed FROM vault_epoch") == [(2, 1)]


def test_a_worker_that_slept_through_the_roll_is_told_to_try_again(rolling: House, tmp_path: Path) -> None:
    """What it sealed under the old epoch is not kept, since nobody could open it; its next try is sealed anew."""
    stale = rolling.vault.ring
    roll_whole(rolling)
    (tmp_path / "old").mkdir()
    make_ring(tmp_path / "old" / "epochs.key", KMS, now=NOON)
    object.__setattr__(rolling.desk, "vault", Vault(bytes(32), ring_in(tmp_path / "old")))
    late = register(rolling, seller="slr_late")
    assert isinstance(late, Refusal)
    assert late.reason is Reason.platform_is_busy
    object.__setattr__(rolling.desk, "vault", Vault(bytes(32), stale))
    assert register(rolling, seller="slr_late") == Registered("slr_late", "")


def test_a_dump_of_the_whole_database_holds_no_value_and_no_key(rolling: House, tmp_path: Path) -> None:
    """Every table, as a thief with the database would read it."""
    sell(rolling, 7)
    dump = "".join(
        str(rolling.rows(f"SELECT t::text FROM {table} t"))
        for (table,) in rolling.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    )
    assert len(dump) > 1_000
    planted = [PERSON[name] for name in ("name", "identity_number", "number", "payee")] + [f"{7:017d}", f"{7:018d}"]
    assert [value for value in planted if value in dump] == []


def sealed_of(house: House, seller: str) -> Sealed:
    ((sealed,),) = house.rows("SELECT sealed_payee FROM seller WHERE id = %s", seller)
    return Sealed(sealed)


def opened(vault: Vault, sealed: Sealed, known: dict[str, SubjectKey], seller: str) -> str:
    key = vault.unlock(known[key_id(seller, SELLER_PAYEE.key_class)])
    return vault.open(sealed, key, SELLER_PAYEE, whole(SELLER_PAYEE, [seller]), now=1)
