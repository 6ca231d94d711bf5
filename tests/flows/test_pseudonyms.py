"""One person has one pseudonym as long as anybody has to know it, and none that leads anywhere afterwards."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from suyuan.base.clock import DAY_S
from suyuan.flows.register_seller import Registered
from suyuan.flows.roll_epoch import GRACE_S
from suyuan.privacy.keyring import MARKING_AFTER_S, FileRing, NoEpochKey
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER, PAYEE, Pseudonym
from suyuan.privacy.vault import BrokenSeal, Vault
from tests.flows.house import House
from tests.flows.test_forget_subject import KMS, PERSON, forget, register, ring_in, roll, roll_whole, rolling

__all__ = ["rolling"]  # The fixture of a house whose epochs lie in a file.


def people(house: House) -> dict[str, tuple[str, ...]]:
    """Each new seller's pseudonyms."""
    rows = house.rows("SELECT id, identity, payee, number FROM seller WHERE id LIKE 'slr_new%%'")
    return {name: tuple(pseudonyms) for name, *pseudonyms in rows}


def test_one_person_has_one_pseudonym_before_while_and_after_the_roll(rolling: House) -> None:
    """Registered five times: on the first day, in every phase of two rolls, and after them."""
    register(rolling)
    for number, after_s in enumerate((DAY_S, MARKING_AFTER_S / 2, MARKING_AFTER_S, GRACE_S, DAY_S, GRACE_S)):
        roll(rolling, after_s=after_s)
        assert isinstance(register(rolling, seller=f"slr_new_{number}"), Registered)
    assert len(people(rolling)) == 7
    assert len(set(people(rolling).values())) == 1
    assert len(rolling.rows("SELECT 1 FROM pseudonym")) == 3


def test_a_worker_that_has_not_seen_the_new_epoch_yet_finds_who_is_there(rolling: House, tmp_path: Path) -> None:
    """In the second in which one knows the new epoch and the other does not, both see the same person."""
    sleeper = Vault(bytes(32), FileRing(tmp_path / "epochs.key", KMS))
    roll(rolling, after_s=DAY_S)
    register(rolling)
    kept = {bytes(row[0]) for row in rolling.rows("SELECT mark FROM pseudonym")}
    asleep_at = rolling.clock.now() - 1
    sleeper.ring.look_again = lambda now: None  # type: ignore[method-assign]  # This worker does not look again.
    tried = sleeper.marks(PERSON["identity_number"], purpose=IDENTITY, now=asleep_at, fresh="idn_x")
    assert kept & set(tried.marks)


def test_two_people_have_two_and_a_shared_account_has_one(rolling: House) -> None:
    register(rolling)
    register(rolling, seller="slr_new_2", identity_number="110101199001011245")
    first, second = people(rolling).values()
    assert first[0] != second[0]
    assert first[1] == second[1]


def test_who_comes_back_after_being_forgotten_is_somebody_new(rolling: House) -> None:
    """Nothing joins the new seller to the old one."""
    register(rolling)
    (before,) = people(rolling).values()
    forget(rolling)
    assert rolling.rows("SELECT 1 FROM pseudonym") == []
    register(rolling, seller="slr_new_2")
    after = people(rolling)["slr_new_2"]
    assert not set(before) & set(after)


def test_the_same_person_elsewhere_keeps_the_pseudonym(rolling: House) -> None:
    """Forgotten with one partner, still selling with another: limits go on counting one person."""
    register(rolling)
    register(rolling, seller="slr_new_2", payee="acct-2")
    forget(rolling)
    kept = {row[0] for row in rolling.rows("SELECT pseudonym FROM pseudonym")}
    assert kept == set(people(rolling)["slr_new_2"])
    register(rolling, seller="slr_new_3", payee="acct-2")
    assert people(rolling)["slr_new_3"] == people(rolling)["slr_new_2"]


def test_history_holds_nothing_that_a_guess_could_be_tried_on(rolling: House) -> None:
    """Not even by whoever holds every key of the platform."""
    register(rolling)
    told = str(rolling.events())
    account = PERSON["payee"].replace("-", "")
    for value, kind in ((PERSON["identity_number"], IDENTITY), (account, PAYEE), (PERSON["number"], NUMBER)):
        assert rolling.vault.index(value, purpose=kind) not in told
        marks = rolling.vault.marks(value, purpose=kind, now=rolling.clock.now(), fresh="").marks
        assert not any(mark.hex() in told for mark in marks)


def test_a_mark_of_a_destroyed_epoch_can_be_made_by_nobody(rolling: House, tmp_path: Path) -> None:
    register(rolling)
    (old, *_) = rolling.rows("SELECT mark, pseudonym, epoch FROM pseudonym")
    roll_whole(rolling)
    vault = Vault(bytes(32), ring_in(tmp_path))
    with pytest.raises(NoEpochKey):
        vault.mark_again(Pseudonym(bytes(old[0]), old[1], old[2]), now=rolling.clock.now())


def test_an_altered_mark_is_told_and_holds_up_no_roll(rolling: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It leads to nobody any more; the person gets a new pseudonym at the next registration."""
    register(rolling)
    with psycopg.connect(rolling.url, autocommit=True) as connection:
        connection.execute("UPDATE pseudonym SET mark = decode(repeat('00', 32), 'hex') WHERE pseudonym LIKE 'idn%'")
    ((mark, name, epoch),) = rolling.rows("SELECT * FROM pseudonym WHERE starts_with(pseudonym, 'idn')")
    with pytest.raises(BrokenSeal):
        rolling.vault.mark_again(Pseudonym(bytes(mark), name, epoch), now=rolling.clock.now())
    roll_whole(rolling)
    assert "pseudonyms_are_broken" in capsys.readouterr().out
    assert [event["epoch"] for event in rolling.events() if event["kind"] == "epoch_destroyed/1"] == [1]
