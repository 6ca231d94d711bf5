"""A partner gets the proofs of its own redemptions, and learns nothing from them that is another's business."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from suyuan.base.refusals import Reason, Refusal
from suyuan.evidence import check
from suyuan.flows.prove_event import Proven, prove_redemption
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.sell_on import SellOn
from tests.flows.house import House, card, contract, insert, open_house, written
from tests.flows.sealing import seal, sealer_of
from tests.flows.test_forget_subject import hear, submit


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with open_house(database, log_folder=tmp_path / "log") as house:
        yield house


@pytest.fixture
def sold_on(house: House) -> str:
    """A held card that was paid for, sold on to an agent and consumed, all of it sealed."""
    held = msgspec.structs.replace(contract("ctr_hold", "ptn_1"), disposition="hold_then_sell", hold_s=60)
    with psycopg.connect(house.url, autocommit=True) as connection:
        insert(connection, "contract", held)
    body = written(card(1) | {"contract": "ctr_hold"})
    taken = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
    assert isinstance(taken, Taken)
    hear(house, taken.redemption, "proven", "paid")
    submit(house, SellOn(taken.redemption, "agt_of_a_rival"))
    hear(house, taken.redemption, "consumed")
    sealer = sealer_of(house, house.log_folder)
    seal(house, sealer)
    sealer.close()
    sealer.connection.close()
    return taken.redemption


def asked(house: House, redemption: str, **by: Any) -> list[Proven] | Refusal:
    return house.run(
        prove_redemption(house.desk, house.knock("GET", f"/v1/redemptions/{redemption}/proofs", **by), redemption)
    )


def test_a_partner_gets_every_event_of_its_redemption(house: House, sold_on: str) -> None:
    found = asked(house, sold_on)
    assert isinstance(found, list)
    kinds = []
    for one in found:
        assert check.record_entry(one.opened.record, one.opened.openings) == one.opened.entry
        members = check.read_canonical(one.opened.record)
        assert members is not None
        assert (members["redemption"], members["seq"]) == (sold_on, one.seq)
        kinds.append(members["kind"])
    assert kinds[0] == "redemption_taken/1"
    assert "held_card_sold/1" in kinds


def test_to_whom_its_held_card_was_sold_on_is_not_told_to_a_partner(house: House, sold_on: str) -> None:
    found = asked(house, sold_on)
    assert isinstance(found, list)
    assert all(b"agt_of_a_rival" not in b"".join(one.opened) + one.proof for one in found)
    assert any(b'"buyer"' in one.opened.openings for one in found), "its name is bound, and its value is not shown"


def test_another_partners_redemption_has_no_proofs(house: House, sold_on: str) -> None:
    answer = asked(house, sold_on, key="key_2")
    assert answer == Refusal(Reason.redemption_is_unknown)
