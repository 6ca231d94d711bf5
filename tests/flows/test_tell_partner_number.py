"""A partner is told a masked number while the seller agrees, and from the very next moment on no more."""

from __future__ import annotations

from typing import Any

import pytest

from suyuan.base import wire
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.read_fields import read_to_perform
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.flows.tell_partner_number import MaskedNumber, tell_partner_number
from suyuan.privacy.authority import Authority, Consent
from suyuan.privacy.purposes import HELP_SELLER, SELLER_NUMBER, TELL_PARTNER_NUMBER
from tests.flows.consents import decide, wish
from tests.flows.house import SIGNERS, House, written

NUMBER = "13800001234"
NEEDED = Refusal(Reason.consent_is_needed, TELL_PARTNER_NUMBER.id)


@pytest.fixture
def house(house: House) -> House:
    """A house with a seller whose own device signs."""
    body = {"seller": "slr_new", "name": "王芳", "identity_number": "110101199001011237", "number": NUMBER}
    signer = SIGNERS["key_device"]
    key = {"algorithm": signer.algorithm, "public_key": wire.b64(signer.public)}
    knock = house.knock("POST", "/v1/sellers", written(body | {"payee": "6222", "key": key}))
    registered = house.run(register_seller(house.desk, knock))
    assert isinstance(registered, Registered)
    SIGNERS[registered.device_key] = signer
    object.__setattr__(house, "device_key", registered.device_key)
    return house


def say(house: House, decision: str) -> None:
    answer = decide(house, wish(decision, TELL_PARTNER_NUMBER.id, "slr_new"), key=house.device_key)  # type: ignore[attr-defined]  # See the fixture.
    assert not isinstance(answer, Refusal), answer


def ask(house: House, seller: str = "slr_new", **signed: Any) -> MaskedNumber | Refusal:
    knock = house.knock("GET", f"/v1/masked-numbers?seller={seller}", **signed)
    return house.run(tell_partner_number(house.desk, knock))


def test_a_number_is_told_masked_while_the_seller_agrees(house: House) -> None:
    """Each telling is an event that names the partner as its reader, and never the number."""
    assert ask(house) == NEEDED
    say(house, "give")
    assert ask(house) == MaskedNumber("slr_new", "138****1234")
    event = house.events()[-1]
    assert (event["kind"], event["authority"], event["reader"]) == ("fields_read/2", "consent", "ptn_1")
    assert event["shows_whole"] is False
    assert NUMBER not in str(house.events())
    for decision in ("withdraw", "give", "refuse"):
        say(house, decision)
        assert isinstance(ask(house), MaskedNumber) == (decision == "give")


def read(house: House, reader: str, *subjects: str) -> Authority | Refusal:
    story = read_to_perform(house.line, TELL_PARTNER_NUMBER, subjects, [SELLER_NUMBER], reader=reader)
    return house.run(story)


def test_the_line_leaves_out_whoever_has_not_agreed(house: House) -> None:
    """Of three asked for in bulk, the one who agreed; the event names that one alone."""
    say(house, "give")
    authority = read(house, "ptn_1", "slr_1", "slr_3", "slr_new")
    assert isinstance(authority, Consent)
    assert authority.subjects == {"slr_new"}
    assert house.events()[-1]["subjects"] == ["slr_new"]


def test_a_consent_is_for_one_recipient(house: House) -> None:
    """Who agreed that one partner knows has told another one nothing."""
    say(house, "give")
    authority = read(house, "ptn_2", "slr_new")
    assert isinstance(authority, Consent)
    assert authority.subjects == frozenset()


def test_another_purpose_is_not_opened_by_this_consent(house: House) -> None:
    say(house, "give")
    story = read_to_perform(house.line, HELP_SELLER, ["slr_new"], [SELLER_NUMBER], reader="ptn_1")
    assert house.run(story) == Refusal(Reason.read_is_not_allowed, "purpose")


def test_who_is_to_be_forgotten_is_told_of_no_more(house: House) -> None:
    """The intent to forget closes what a consent had opened, though the consent was never taken back."""
    say(house, "give")
    house.rows("INSERT INTO shredding VALUES ('slr_new', 'asked', 1, NULL, 0) RETURNING subject")
    house.look_again()
    assert ask(house) == NEEDED


def test_only_the_sellers_partner_asks(house: House) -> None:
    say(house, "give")
    assert ask(house, key="key_2") == Refusal(Reason.seller_is_unknown, "seller")
    assert ask(house, key="key_seller") == Refusal(Reason.key_may_not_do_this)
    assert ask(house, "slr_none") == Refusal(Reason.seller_is_unknown, "seller")
