"""Consents: a yes counts while it is not taken back and its terms are today's; a no always wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from suyuan.base import crypto
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.decide_consent import Consents, ConsentStands, DecideConsent, decide_consent, list_consents
from suyuan.flows.desk import ask_line
from suyuan.flows.publish_notice import NoticeStands, publish_notice
from suyuan.privacy.consent import ASK_AGAIN_S, BY_PARTNER, BY_SELLER, GIVEN, REFUSED, WITHDRAWN, is_in_force
from suyuan.privacy.notice import Controller
from suyuan.privacy.purposes import COMPARE_FACE
from suyuan.privacy.receipt import check_receipt, sign_receipt
from tests.flows.consents import decide, give, wish
from tests.flows.house import NOTICE, PLATFORM, PLATFORM_KEYS, SIGNERS, House, written


def states(house: House) -> list[tuple[Any, ...]]:
    return house.rows("SELECT seller, purpose, recipient, state FROM consent ORDER BY id")


def kinds(house: House) -> list[str]:
    return [event["kind"] for event in house.events()]


def listed(house: House, seller: str = "slr_1", **signed: Any) -> Consents | Refusal:
    return house.run(list_consents(house.desk, house.knock("GET", f"/v1/consents?seller={seller}", **signed)))


def test_a_consent_is_given_for_a_purpose_and_a_recipient(house: House) -> None:
    answer = give(house)
    assert is_in_force(answer.consent, COMPARE_FACE)
    assert states(house) == [("slr_1", "compare_face", "face_check", GIVEN)]
    assert kinds(house) == ["notice_published/1", "consent_given/1"]
    event = house.events()[-1]
    assert (event["notice"], event["language"], event["by"], event["key"]) == (
        NOTICE.version,
        "zh",
        BY_PARTNER,
        "key_1",
    )


def test_withdrawing_is_one_call_and_works_while_everything_is_stopped(house: House) -> None:
    """The seller is suspended, the partner suspended and stopped, the platform stopped: a no is still kept."""
    give(house)
    house.rows("UPDATE seller SET state = 'suspended' WHERE id = 'slr_1' RETURNING id")
    house.rows("UPDATE partner SET state = 'suspended' WHERE id = 'ptn_1' RETURNING id")
    for target in ("platform", "partner:ptn_1"):
        house.rows("INSERT INTO kill_switch VALUES (%s, true, 1) RETURNING target", target)
    house.look_again()
    answer = decide(house, wish("withdraw"), key="key_seller")
    assert isinstance(answer, ConsentStands)
    assert (answer.consent.state, answer.consent.decided_by) == (WITHDRAWN, BY_SELLER)
    assert not isinstance(decide(house, wish("refuse"), key="key_seller"), Refusal)
    assert decide(house, wish(), key="key_seller") == Refusal(Reason.platform_is_stopped)


def test_a_suspended_seller_agrees_to_nothing_new(house: House) -> None:
    house.rows("UPDATE seller SET state = 'suspended' WHERE id = 'slr_1' RETURNING id")
    assert decide(house, wish(), key="key_seller") == Refusal(Reason.seller_is_suspended, "seller")


def test_after_a_no_a_partner_may_not_ask_again_for_a_while(house: House) -> None:
    """The very second in which the cool-down ends it may; the person themselves may agree at any time."""
    decide(house, wish("refuse"))
    assert decide(house, wish()) == Refusal(Reason.consent_was_refused, "purpose")
    house.clock.advance(ASK_AGAIN_S - 1)
    assert decide(house, wish()) == Refusal(Reason.consent_was_refused, "purpose")
    house.clock.advance(2)
    assert isinstance(decide(house, wish()), ConsentStands)


def test_the_persons_own_key_may_agree_at_any_time(house: House) -> None:
    decide(house, wish("refuse"))
    answer = decide(house, wish(), key="key_seller")
    assert isinstance(answer, ConsentStands)
    assert (answer.consent.state, answer.consent.given_by) == (GIVEN, BY_SELLER)


def test_who_withdrew_may_give_again_through_the_partner(house: House) -> None:
    """Withdrawing after each check must cost nobody anything."""
    give(house)
    decide(house, wish("withdraw"))
    assert give(house).consent.state == GIVEN


def test_refusing_closes_what_was_given(house: House) -> None:
    give(house)
    decide(house, wish("refuse"))
    assert states(house)[0][3] == REFUSED


def test_a_partner_does_not_agree_for_a_seller_to_what_it_would_be_given(house: House) -> None:
    body = wish(purpose="tell_partner_number")
    assert decide(house, body) == Refusal(Reason.key_may_not_do_this, "purpose")
    answer = decide(house, body, key="key_seller")
    assert isinstance(answer, ConsentStands)
    assert states(house) == [("slr_1", "tell_partner_number", "ptn_1", GIVEN)]
    assert not isinstance(decide(house, wish("withdraw", "tell_partner_number")), Refusal)


def test_nothing_is_withdrawn_that_was_not_given(house: House) -> None:
    assert decide(house, wish("withdraw")) == Refusal(Reason.consent_is_not_given, "purpose")
    decide(house, wish("refuse"))
    assert decide(house, wish("withdraw")) == Refusal(Reason.consent_is_not_given, "purpose")


def test_saying_the_same_again_changes_nothing(house: House) -> None:
    """No second event, no later date: the first word counts."""
    first = give(house)
    house.clock.advance(60)
    assert give(house) == first
    once = decide(house, wish("withdraw"))
    assert decide(house, wish("withdraw")) == once
    assert kinds(house) == ["notice_published/1", "consent_given/1", "consent_withdrawn/1"]


def test_a_retry_gets_the_first_answer_and_acts_once(house: House) -> None:
    first = decide(house, wish(), idempotency_key="order-A")
    decide(house, wish("withdraw"))
    assert decide(house, wish(), idempotency_key="order-A") == first
    assert states(house)[0][3] == WITHDRAWN


@pytest.mark.parametrize("missing", ["notice", "language"])
def test_a_yes_names_what_the_person_was_shown(house: House, missing: str) -> None:
    body = {name: value for name, value in wish().items() if name != missing}
    assert decide(house, body) == Refusal(Reason.field_is_missing, missing)


def test_a_yes_to_another_notice_is_none(house: House) -> None:
    assert decide(house, wish(notice="0" * 64)) == Refusal(Reason.notice_is_not_current, "notice")


def test_nobody_agrees_with_a_nameless_controller(house: House) -> None:
    told = msgspec.structs.replace(NOTICE.told, controller=Controller("", "x"))
    object.__setattr__(house.desk, "notice", NOTICE._replace(told=told))
    assert decide(house, wish()) == Refusal(Reason.notice_is_incomplete)
    assert isinstance(decide(house, wish("refuse")), ConsentStands)


def test_a_yes_to_a_notice_that_is_not_in_history_yet_puts_it_there_first(house: House) -> None:
    """A platform that has just started with a new notice serves it at once, and takes a yes to it at once."""
    assert kinds(house) == []
    knock = house.knock("POST", "/v1/consents", written(wish()))
    assert isinstance(house.run(decide_consent(house.desk, knock)), ConsentStands)
    assert kinds(house) == ["notice_published/1", "consent_given/1"]


def test_a_yes_counts_only_once_history_has_the_notice(house: House) -> None:
    """The line itself looks whether the text that was shown is kept, whatever a worker says."""
    asked = DecideConsent(
        "key_1", b"n" * 16, b"r" * 16, b"d" * 32, "slr_1", "compare_face", "give", NOTICE.version, "zh", "{}"
    )  # fmt: skip
    assert house.run(ask_line(house.desk, asked)) == Refusal(Reason.notice_is_not_current, "notice")


@pytest.mark.parametrize(
    ("body", "signed", "refusal"),
    [
        (wish(seller="slr_2"), {}, Refusal(Reason.seller_is_unknown, "seller")),
        (wish(seller="slr_none"), {}, Refusal(Reason.seller_is_unknown, "seller")),
        (wish(seller="slr_3"), {"key": "key_seller"}, Refusal(Reason.key_may_not_do_this, "seller")),
        (wish("withdraw", seller="slr_3"), {"key": "key_seller"}, Refusal(Reason.key_may_not_do_this, "seller")),
        (wish("withdraw"), {"key": "key_2"}, Refusal(Reason.seller_is_unknown, "seller")),
        (wish("ask"), {}, Refusal(Reason.field_is_malformed, "decision")),
        (wish(purpose="pay_seller"), {}, Refusal(Reason.field_is_malformed, "purpose")),
        (wish(language="fr"), {}, Refusal(Reason.field_is_malformed, "language")),
        (wish(notice="A" * 64), {}, Refusal(Reason.field_is_malformed, "notice")),
        (wish(reason="none of yours"), {}, Refusal(Reason.field_is_unknown, "reason")),
    ],
)
def test_who_and_what_else_is_refused(
    house: House, body: dict[str, Any], signed: dict[str, Any], refusal: Refusal
) -> None:
    assert decide(house, body, **signed) == refusal
    assert states(house) == []


def test_a_bad_signature_decides_nothing(house: House) -> None:
    with pytest.raises(crypto.BadSignature):
        decide(house, wish(), signer=SIGNERS["key_2"])
    assert states(house) == []


def test_a_stopped_key_says_neither_yes_nor_no(house: House) -> None:
    """Whoever may have stolen a key must not be able to close a person's consents either."""
    give(house)
    house.rows("INSERT INTO kill_switch VALUES ('key:key_1', true, 1) RETURNING target")
    house.look_again()
    assert decide(house, wish("withdraw")) == Refusal(Reason.key_is_stopped)


def test_the_list_shows_how_a_seller_stands_to_everything(house: House) -> None:
    """Also what nobody has asked yet; to a suspended seller too, who may want to take something back."""
    give(house)
    house.rows("UPDATE seller SET state = 'suspended' WHERE id = 'slr_1' RETURNING id")
    for key in ("key_1", "key_seller"):
        found = listed(house, key=key)
        assert isinstance(found, Consents)
        said = {one.subject.purpose.id: one.row and one.row.state for one in found.standings}
        assert said == {"compare_face": GIVEN, "tell_partner_number": None, "provide_abroad": None}
    assert listed(house, key="key_2") == Refusal(Reason.seller_is_unknown, "seller")
    assert listed(house, "slr_3", key="key_seller") == Refusal(Reason.seller_is_unknown, "seller")


def receipt_of(answer: ConsentStands) -> Any:
    return check_receipt(sign_receipt(answer.consent, [PLATFORM]).content, PLATFORM_KEYS)


def test_the_receipt_tells_what_was_shown_and_checks_offline(house: House) -> None:
    receipt = receipt_of(give(house))
    purpose = receipt.purposes[0]
    assert receipt.is_given
    assert (receipt.privacy_notice, receipt.language) == (NOTICE.version, "zh")
    assert purpose.separate_consent
    assert COMPARE_FACE.sensitivity is not None
    assert purpose.necessity == COMPARE_FACE.sensitivity.necessity.zh
    assert purpose.purpose_text == COMPARE_FACE.zh
    assert (purpose.lawful_basis.law, purpose.lawful_basis.article) == ("个人信息保护法", "29")
    assert [party.party_name for party in receipt.parties] == ["示例回收有限公司", "人脸核验服务方"]
    withdrawn = decide(house, wish("withdraw"), key="key_seller")
    assert isinstance(withdrawn, ConsentStands)
    after = receipt_of(withdrawn)
    assert after.record_id == receipt.record_id
    assert not after.is_given
    assert [(event.event_type, event.entity_id) for event in after.events] == [
        ("consent_given", BY_PARTNER),
        ("consent_withdrawn", BY_SELLER),
    ]


def test_a_receipt_of_a_number_names_the_partner(house: House) -> None:
    answer = decide(house, wish(purpose="tell_partner_number"), key="key_seller")
    assert isinstance(answer, ConsentStands)
    recipient = receipt_of(answer).parties[1]
    assert (recipient.party_id, recipient.party_name) == ("ptn_1", "ptn_1")


def test_receipts_cannot_be_joined_by_their_pseudonyms(house: House) -> None:
    """One person, two recipients: two names, and neither is the seller's."""
    face = receipt_of(give(house))
    number = decide(house, wish(purpose="tell_partner_number"), key="key_seller")
    assert isinstance(number, ConsentStands)
    names = {face.pii_principal_id, receipt_of(number).pii_principal_id}
    assert len(names) == 2
    assert "slr_1" not in sign_receipt(number.consent, [PLATFORM]).content.decode()


def break_by(name: str, value: Any) -> Callable[[House], list[tuple[Any, ...]]]:
    def broken(house: House) -> list[tuple[Any, ...]]:
        return house.rows(f"UPDATE consent SET {name} = %s RETURNING id", value)

    return broken


@pytest.mark.parametrize(
    "broken",
    [break_by("state", "maybe"), break_by("state", "refused"), break_by("given_at", 0), break_by("seller", "slr_9")],
)
def test_the_database_repeats_the_rules(house: House, broken: Callable[[House], object]) -> None:
    give(house)
    with pytest.raises(Exception, match="violates check constraint"):
        broken(house)


def test_a_notice_is_published_once_and_kept_whole(house: House) -> None:
    for _ in range(3):
        assert house.run(publish_notice(house.desk)) == NoticeStands(NOTICE.version)
    assert kinds(house) == ["notice_published/1"]
    assert house.rows("SELECT version, content FROM privacy_notice") == [(NOTICE.version, NOTICE.content)]
    with pytest.raises(Exception, match="violates check constraint"):
        house.rows("UPDATE privacy_notice SET content = 'x' RETURNING version")
