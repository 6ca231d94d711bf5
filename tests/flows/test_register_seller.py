"""Registering sellers: sealed at the door, once, with the payee fixed and new devices in the lowest tier."""

from __future__ import annotations

from typing import Any

import pytest

from suyuan.base import crypto, wire
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.privacy.purposes import SELLER_PAYEE
from tests.flows.house import SIGNERS, House, card, written

PATH = "/v1/sellers"
PERSON = {
    "seller": "slr_new", "name": "王小明", "identity_number": "11010119900307391X", "number": "13800000000",
    "payee": "6222020000000000001",
}  # fmt: skip


def device_key(name: str = "key_device") -> dict[str, str]:
    signer = SIGNERS[name]
    return {"algorithm": signer.algorithm, "public_key": wire.b64(signer.public)}


def register(house: House, body: dict[str, Any], **changes: Any) -> Registered | Refusal:
    return house.run(register_seller(house.desk, house.knock("POST", PATH, written(body), **changes)))


def test_a_seller_is_registered_and_nothing_personal_is_kept_in_the_clear(house: House) -> None:
    """The payee account opens to an authority for this seller; every table and event holds only what is sealed."""
    assert register(house, PERSON) == Registered("slr_new", "")
    ((sealed_payee,),) = house.rows("SELECT sealed_payee FROM seller WHERE id = 'slr_new'")
    assert house.opened(sealed_payee, SELLER_PAYEE, "slr_new") == PERSON["payee"]
    kept = "".join(str(house.rows(f"SELECT {table}::text FROM {table}")) for table in ("seller", "idempotency"))
    kept += str(house.events())
    assert [value for name, value in PERSON.items() if name != "seller" and value in kept] == []


def test_two_sellers_of_one_person_share_what_limits_count(house: House) -> None:
    register(house, PERSON)
    register(house, PERSON | {"seller": "slr_again"})
    rows = house.rows("SELECT DISTINCT identity, payee FROM seller WHERE id IN ('slr_new', 'slr_again')")
    assert len(rows) == 1


def test_a_seller_without_an_id_gets_one(house: House) -> None:
    answer = register(house, {name: value for name, value in PERSON.items() if name != "seller"})
    assert isinstance(answer, Registered)
    assert answer.seller.startswith("slr_")


def test_a_seller_is_registered_once(house: House) -> None:
    """A retry gets the first answer; a second registration, whoever's, is refused."""
    assert register(house, PERSON, idempotency_key="order-A") == Registered("slr_new", "")
    assert register(house, PERSON, idempotency_key="order-A") == Registered("slr_new", "")
    for key in ("key_1", "key_2"):
        assert register(house, PERSON, key=key) == Refusal(Reason.seller_is_registered_already, "seller")


@pytest.mark.parametrize("name", ["slr_13800000001", "slr_86-138-0000-0001", "slr_110101199001011237"])
def test_no_seller_is_named_by_their_number(house: House, name: str) -> None:
    """The name goes into history, which forgets nothing."""
    assert register(house, PERSON | {"seller": name}) == Refusal(Reason.field_is_malformed, "seller")
    assert house.events() == []


def test_only_a_partners_key_registers(house: House) -> None:
    assert register(house, PERSON, key="key_seller") == Refusal(Reason.key_may_not_do_this)


def test_a_device_starts_in_the_lowest_tier_for_a_day(house: House) -> None:
    """The seller's own key sells from the first minute, up to 500.00; a day later up to the seller's tier."""
    answer = register(house, PERSON | {"key": device_key()})
    assert isinstance(answer, Registered)
    signer = SIGNERS["key_device"]

    def sell(number: int) -> Taken | Refusal:
        body = written(card(number, 500_00, seller="slr_new"))
        knock = house.knock("POST", "/v1/redemptions", body, key=answer.device_key, signer=signer)
        return house.run(redeem_card(house.desk, knock))

    assert isinstance(sell(1), Taken)
    assert sell(2) == Refusal(Reason.daily_limit_is_reached, "seller")
    house.clock.advance(DAY_S + 1)
    assert isinstance(sell(3), Taken)
    assert isinstance(sell(4), Taken)


def test_one_key_pair_never_speaks_for_two(house: House) -> None:
    """Neither for two sellers, in one batch or later, nor for a seller and a partner."""
    assert isinstance(register(house, PERSON | {"key": device_key()}), Registered)
    second = register(house, PERSON | {"seller": "slr_other", "key": device_key()})
    assert second == Refusal(Reason.device_is_not_the_sellers, "key.public_key")
    third = register(house, PERSON | {"seller": "slr_third", "key": device_key("key_2")})
    assert third == Refusal(Reason.device_is_not_the_sellers, "key.public_key")


@pytest.mark.parametrize("raw", [b"\x00" * 32, b"\x01" * 31, b"\x01" + b"\x00" * 31])
def test_a_key_that_is_none_is_refused(house: House, raw: bytes) -> None:
    body = PERSON | {"key": {"algorithm": "ed25519", "public_key": wire.b64(raw)}}
    assert register(house, body) == Refusal(Reason.field_is_malformed, "key.public_key")
    assert house.counts()["event"] == 0


def test_a_bad_signature_registers_nobody(house: House) -> None:
    with pytest.raises(crypto.BadSignature):
        register(house, PERSON, signer=SIGNERS["key_2"])
    assert house.counts()["event"] == 0
