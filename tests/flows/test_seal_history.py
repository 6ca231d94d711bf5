"""History on its way into the public log: all of it, once, provable, and never forked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.evidence import check
from suyuan.flows.prove_event import Proven, Publication, prove_event
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.seal_history import Sealer
from tests.flows.house import House, card, open_house, written
from tests.flows.sealing import seal, sealer_of


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with open_house(database, log_folder=tmp_path / "log") as house:
        sell(house)
        yield house


@pytest.fixture
def sealer(house: House) -> Iterator[Sealer]:
    sealer = sealer_of(house, house.log_folder)
    yield sealer
    sealer.close()
    sealer.connection.close()


def sell(house: House, number: int = 1) -> str:
    answer = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(number)))))
    assert isinstance(answer, Taken), answer
    return answer.redemption


def proven(house: House, seq: int) -> Proven:
    answer = house.run(prove_event(Publication(house.desk.fetch, house.log_folder), seq))
    assert isinstance(answer, Proven), answer
    return answer


def test_every_event_can_be_checked_by_whoever_has_the_policy(house: House, sealer: Sealer) -> None:
    seal(house, sealer)
    publish_log(sealer)
    policy = check.read_policy((house.log_folder / POLICY).read_bytes())
    for seq in range(len(house.events())):
        one = proven(house, seq)
        entry = check.record_entry(one.opened.record, one.opened.openings)
        assert check.check_proof(one.proof, entry, policy).index == seq
