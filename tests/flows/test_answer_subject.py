"""People ask about their own data, and get what is theirs: at once where nobody has to judge, and nothing of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suyuan.base import wire
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows import read_fields
from suyuan.flows.answer_subject import ReceiveRequest, RequestStands, Shown, ask_about_self
from suyuan.flows.read_fields import ReadRecorded, RecordRead
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.privacy.bundles import Bundle
from suyuan.privacy.purposes import SELLER_FIELDS, SELLER_PAYEE
from suyuan.privacy.requests import KINDS, READS_MAX
from tests.flows.paper_office import Office as PaperOffice
from tests.flows.rights_house import LI, REQUESTS, WANG, Rights, text_of, values_of
from tests.risk.policies import QUIET

FIELD_NAMES = [field.name for field in SELLER_FIELDS]


def pay(rights: Rights, redemption: str) -> None:
    for suffix, kind in (("-c", "consumed"), ("-p", "paid")):
        rights.submit(RecordOutcome(redemption, redemption + suffix, kind, "X-1"))


# --- what is answered at once ---


def test_a_copy_holds_every_value_that_is_kept_and_says_why(rights: Rights) -> None:
    """Name, ID number, number and account in the clear, the card's serial masked, its PIN never."""
    redemption = rights.sell(1)
    bundle = rights.bundle(kind="copy")
    assert values_of(bundle) == {
        "seller.name/1": "王芳",
        "seller.identity_number/1": "110101199001011237",
        "seller.number/1": "13800000001",
        "seller.payee/1": "622202-0001",
        "card.serial/1": None,
        "card.pin/1": None,
        "device.key": None,
        "request.ip_prefix": None,
    }
    (kept,) = bundle.redemptions
    assert (kept.redemption, kept.source_shown, kept.paid, kept.state) == (redemption, "**0001", 80_00, "pending")
    assert bundle.fields[0].purposes[0] == "help_seller"
    assert {purpose.purpose: purpose.rule.article for purpose in bundle.purposes}["answer_subject"] == "45"
    assert [(one.kind, one.name) for one in bundle.recipients] == [
        ("operator", "cmcc"), ("partner", "ptn_1"), ("payout_channel", "bank_transfer"),
    ]  # fmt: skip
    assert "000000000000000001" not in text_of(bundle)


def test_the_read_for_a_copy_stands_in_history_under_the_request(rights: Rights) -> None:
    redemption = rights.sell(1)
    request = rights.stands(kind="access").standing.request
    rights.fetch(request)
    (read,) = rights.told("fields_read/2")
    assert (read["purpose"], read["reference"], read["reader"]) == ("answer_subject", request, "rights")
    assert read["subjects"] == [redemption, "slr_wang"]
    assert rights.told("request_received/1")[0]["proof"] == "key"
    assert rights.told("request_answered/1")[0]["outcome"] == "bundle"


def test_to_know_is_to_be_told_without_a_value(rights: Rights) -> None:
    """What is kept, why, by which rule, and who received it. Nothing is opened for it."""
    rights.sell(1)
    bundle = rights.bundle(kind="know")
    assert set(values_of(bundle).values()) == {None}
    assert list(values_of(bundle))[:4] == FIELD_NAMES
    assert bundle.purposes
    assert bundle.recipients
    assert not bundle.redemptions
    assert rights.told("fields_read/2") == []
    assert not any(value in text_of(bundle) for name, value in WANG.items() if name != "seller")


def test_what_is_carried_elsewhere_is_values_alone(rights: Rights) -> None:
    rights.sell(1)
    bundle = rights.bundle(kind="port")
    assert values_of(bundle)["seller.name/1"] == "王芳"
    assert bundle.redemptions
    assert (bundle.purposes, bundle.recipients, bundle.reads) == ((), (), ())


def test_a_refused_redemption_is_explained_with_its_facts_and_its_limit(rights: Rights) -> None:
    """Ten times 500 reach the day's limit; the eleventh is refused, and the seller is told by which limit."""
    rights.house.decide_by(QUIET)
    for number in range(1, 11):
        assert isinstance(rights.sell(number, face_fen=500_00), str)
    refused = rights.sell(11, face_fen=500_00)
    assert isinstance(refused, Refusal)
    bundle = rights.bundle(kind="explain")
    assert len(bundle.redemptions) == 10
    (decision,) = bundle.decisions
    assert (decision.code, decision.where, decision.en, decision.zh) == (
        "step_up_is_needed", "seller", refused.sentence("en"), refused.sentence("zh"),
    )  # fmt: skip
    assert (decision.face_fen, decision.operator, decision.contract) == (500_00, "cmcc", "ctr_1")
    assert [(limit.subject, limit.window, limit.caps_fen[1]) for limit in decision.limits] == [
        ("seller", "day", 5_000_00)
    ]
    assert len(bundle.limits_version) == 16
    assert "人工复核" in bundle.review_zh
    assert rights.told("fields_read/2") == []


def test_to_restrict_takes_effect_at_once_and_is_lifted_by_the_same_person(rights: Rights) -> None:
    """From the answer on only what was promised still opens; the person's own copy does, too."""
    shown = rights.stands(kind="restrict")
    assert (shown.standing.state, shown.standing.outcome) == ("answered", "restricted")
    read = rights.submit(RecordRead("register_seller", "x", "", ("slr_wang",), (SELLER_PAYEE.name,)))
    assert read.subjects == ()
    assert values_of(rights.bundle(kind="copy"))["seller.name/1"] == "王芳"
    told = len(rights.house.events())
    assert rights.stands(kind="restrict").standing.request == shown.standing.request
    assert len(rights.house.events()) == told
    assert rights.stands(kind="restrict", lift=True).standing.outcome == "resumed"
    read = rights.submit(RecordRead("register_seller", "x", "", ("slr_wang",), (SELLER_PAYEE.name,)))
    assert read.subjects == ("slr_wang",)
    assert [event["kind"] for event in rights.house.events() if event["kind"].startswith("processing")] == [
        "processing_restricted/1", "processing_resumed/1",
    ]  # fmt: skip


# --- one person, one request ---


def test_asking_again_gives_the_open_request_and_after_its_week_a_new_one(rights: Rights) -> None:
    first = rights.stands(kind="copy").standing
    assert rights.stands(kind="copy").standing == first
    assert rights.stands(kind="access").standing.request != first.request
    rights.house.clock.advance(7 * DAY_S - 60)
    assert rights.stands(kind="copy").standing.request == first.request
    assert isinstance(rights.fetch(first.request), Bundle)
    rights.house.clock.advance(61)
    assert rights.fetch(first.request) == Refusal(Reason.subject_request_has_no_bundle)
    assert rights.stands(kind="copy").standing.request != first.request


def test_somebody_elses_request_is_unknown_whoever_has_its_id(rights: Rights) -> None:
    """Another seller, the partner of both, another partner: none learns that there is one."""
    request = rights.stands(kind="copy").standing.request
    unknown = Refusal(Reason.subject_request_is_unknown)
    for who in ("slr_li", "key_1", "key_2"):
        assert rights.show(request, who) == unknown
        assert rights.fetch(request, who) == unknown
    token = rights.token(LI["number"], identity_number=LI["identity_number"])
    assert rights.fetch_by_number(token, request) == unknown
    assert rights.told("fields_read/2") == []


def test_a_duplicate_proves_anew_who_asks(rights: Rights) -> None:
    """The other seller asks for the same kind: they get a request of their own, and nothing of the open one."""
    mine = rights.stands(kind="copy").standing.request
    theirs = rights.stands("slr_li", kind="copy").standing.request
    assert mine != theirs
    named = rights.ask("slr_li", kind="copy", seller="slr_wang")
    assert named == Refusal(Reason.key_may_not_do_this, "seller")


def test_the_version_of_the_notice_is_fixed_with_the_request(rights: Rights) -> None:
    """The notice changes while the request is open; the bundle says by which it was asked, and which is now."""
    request = rights.stands(kind="know").standing
    notice = rights.house.desk.notice
    assert request.policy == notice.version
    object.__setattr__(rights.house.desk, "notice", notice._replace(version="later"))
    bundle = rights.fetch(request.request)
    assert isinstance(bundle, Bundle)
    assert (bundle.policy, bundle.policy_now) == (request.policy, "later")
    assert rights.told("request_received/1")[0]["policy"] == request.policy


def test_a_retry_with_its_idempotency_key_is_one_request(rights: Rights) -> None:
    body = wire.canonical({"kind": "know"})
    answers = []
    for _ in range(2):
        knock = rights.house.knock(
            "POST", REQUESTS, body, key=rights.keys["slr_wang"], signer=rights.signers["slr_wang"],
            idempotency_key="mine-1",
        )  # fmt: skip
        answers.append(rights.house.run(ask_about_self(rights.house.desk, knock)))
    assert answers[0] == answers[1]
    assert len(rights.told("request_received/1")) == 1


# --- what a partner may pass on ---


def test_a_partner_passes_on_only_what_holds_no_value(rights: Rights) -> None:
    answer = rights.ask("key_1", kind="know", seller="slr_wang")
    assert isinstance(answer, Shown)
    rights.bundle(kind="copy")
    bundle = rights.fetch(answer.standing.request, "key_1")
    assert isinstance(bundle, Bundle)
    assert set(values_of(bundle).values()) == {None}
    # That the person has asked for a copy is between them and us.
    assert bundle.reads == ()
    unknown = Refusal(Reason.subject_request_is_unknown)
    assert rights.fetch(answer.standing.request, "key_2") == unknown
    assert rights.fetch(answer.standing.request, "slr_wang") == unknown
    for kind in set(KINDS) - {"know", "heir"}:
        wish = {"name": "王方"} if kind == "correct" else {}
        refused = rights.ask("key_1", kind=kind, seller="slr_wang", **wish)
        assert refused == Refusal(Reason.identity_is_not_proven), kind
    assert rights.ask("key_2", kind="know", seller="slr_wang") == Refusal(Reason.seller_is_unknown, "seller")


def test_what_a_partner_passed_on_is_not_the_persons_own_request(rights: Rights) -> None:
    theirs = rights.ask("key_1", kind="know", seller="slr_wang")
    assert isinstance(theirs, Shown)
    own = rights.stands(kind="know").standing.request
    assert own != theirs.standing.request
    assert rights.show(own, "key_1") == Refusal(Reason.subject_request_is_unknown)


def test_a_stopped_partner_or_platform_stops_nobodys_rights(rights: Rights) -> None:
    rights.house.rows("INSERT INTO kill_switch VALUES ('partner:ptn_1', true, 1), ('platform', true, 1) RETURNING 1")
    assert values_of(rights.bundle(kind="copy"))["seller.name/1"] == "王芳"
    assert rights.ask("key_1", kind="know", seller="slr_wang") == Refusal(Reason.partner_is_stopped)


def test_a_stopped_key_proves_nothing(rights: Rights) -> None:
    key = rights.keys["slr_wang"]
    rights.house.rows("INSERT INTO kill_switch VALUES (%s, true, 1) RETURNING 1", f"key:{key}")
    assert rights.ask(kind="copy") == Refusal(Reason.key_is_stopped)
    rights.house.rows("UPDATE signing_key SET state = 'revoked' WHERE id = %s RETURNING 1", key)
    assert isinstance(rights.ask(kind="access"), Refusal)


# --- what is not asked for like this ---


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"kind": "correct", "payee": "666"}, Refusal(Reason.payee_cannot_be_corrected, "payee")),
        ({"kind": "correct", "name": "王方", "payee": "666"}, Refusal(Reason.payee_cannot_be_corrected, "payee")),
        ({"kind": "correct"}, Refusal(Reason.field_is_missing, "name")),
        ({"kind": "copy", "name": "王方"}, Refusal(Reason.field_is_unknown, "name")),
        ({"kind": "copy", "lift": True}, Refusal(Reason.field_is_unknown, "lift")),
        ({"kind": "know", "review": True}, Refusal(Reason.field_is_unknown, "review")),
        ({"kind": "heir"}, Refusal(Reason.field_is_missing, "deceased")),
        ({"kind": "everything"}, Refusal(Reason.field_is_malformed, "kind")),
        ({"kind": "copy\n"}, Refusal(Reason.field_is_malformed, "kind")),
        ({"kind": 7}, Refusal(Reason.field_has_the_wrong_type, "kind")),
        ({}, Refusal(Reason.field_is_missing, "kind")),
        ({"kind": "copy", "channel": "x"}, Refusal(Reason.channel_cannot_be_asked_for, "channel")),
        ({"kind": "correct", "number": "1380000000x"}, Refusal(Reason.field_is_malformed, "number")),
        ({"kind": "correct", "name": "a\x00b"}, Refusal(Reason.field_is_malformed, "name")),
        ({"kind": "correct", "name": "王" * 65}, Refusal(Reason.field_is_out_of_range, "name")),
    ],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused_and_leaves_nothing(
    rights: Rights, wish: dict[str, Any], refusal: Refusal
) -> None:
    before = rights.house.events()
    assert rights.ask(**wish) == refusal
    assert rights.house.events() == before
    assert rights.house.rows("SELECT count(*) FROM subject_request") == [(0,)]


# --- the line believes no worker ---


def received(rights: Rights, **changes: Any) -> ReceiveRequest:
    """What a worker would send for Wang; whoever holds the socket may write anything into it."""
    words: dict[str, Any] = {
        "request": "req_x", "kind": "copy", "proof": "key", "key": rights.keys["slr_wang"], "nonce_mark": bytes(16),
        "request_mark": bytes(16), "request_digest": bytes(32), "number_proof": "", "seller": "slr_wang",
        "policy": "p", "asks_review": False, "lifts": False, "sealed_name": "", "sealed_number": "",
        "paper_sha256": "",
    }  # fmt: skip
    return ReceiveRequest(**(words | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seller": "slr_li"}, Reason.key_may_not_do_this),
        ({"proof": "partner"}, Reason.key_may_not_do_this),
        ({"kind": "heir"}, Reason.key_may_not_do_this),
        ({"key": "key_1", "proof": "partner"}, Reason.identity_is_not_proven),
        ({"key": "key_1", "proof": "key", "kind": "know"}, Reason.identity_is_not_proven),
        ({"key": "key_2", "proof": "partner", "kind": "know"}, Reason.seller_is_unknown),
        ({"key": "key_nobody"}, Reason.key_is_unknown),
        ({"key": "key_revoked", "proof": "partner", "kind": "know"}, Reason.key_is_not_active),
        ({"key": "", "proof": "number", "number_proof": "npf_x"}, Reason.number_proof_is_unknown),
        ({"key": "", "proof": "key"}, Reason.number_proof_is_unknown),
        ({"seller": "slr_nobody"}, Reason.seller_is_unknown),
    ],
)  # fmt: skip
def test_the_socket_alone_asks_for_nobody(rights: Rights, changes: dict[str, Any], reason: Reason) -> None:
    answer = rights.submit(received(rights, **changes))
    assert isinstance(answer, Refusal), answer
    assert answer.reason is reason
    assert isinstance(rights.submit(received(rights, nonce_mark=b"n" * 16, request_mark=b"r" * 16)), RequestStands)


def test_a_proven_number_makes_nobody_a_seller_in_the_line(rights: Rights) -> None:
    """A worker that lies about whom a token knows, or asks for what a number alone does not open."""
    proof = rights.token(WANG["number"]).partition(".")[0]
    by_number = {"key": "", "proof": "number", "number_proof": proof}
    for changes in ({"seller": "slr_wang"}, {"seller": "slr_li"}, {"seller": "", "kind": "restrict"}):
        answer = rights.submit(received(rights, **by_number, **changes))
        assert answer == Refusal(Reason.identity_is_not_proven), changes
    assert isinstance(rights.submit(received(rights, **by_number, seller="")), RequestStands)


def read(rights: Rights, request: str, *subjects: str) -> Any:
    return rights.submit(RecordRead("answer_subject", "rights", request, subjects, (SELLER_PAYEE.name,)))


def test_values_are_opened_for_an_open_request_of_exactly_this_person(rights: Rights) -> None:
    """Not without one, not for a kind without values, not of another seller or their sale, not after its week."""
    sold, others = rights.sell(1), rights.sell(2, "slr_li")
    assert isinstance(sold, str)
    assert isinstance(others, str)
    request = rights.stands(kind="copy").standing.request
    know = rights.stands(kind="know").standing.request
    waiting = rights.stands(kind="delete").standing.request
    for reference in ("", "req_nobody", know, waiting):
        assert read(rights, reference, "slr_wang") == Refusal(Reason.read_is_not_allowed, "reference")
    for subjects in (("slr_li",), ("slr_wang", "slr_li"), (others,), (sold, others), ("slr_nobody",), ("",)):
        assert read(rights, request, *subjects) == Refusal(Reason.read_is_not_allowed, "subjects"), subjects
    assert isinstance(read(rights, request, "slr_wang", sold), ReadRecorded)
    rights.house.clock.advance(7 * DAY_S + 1)
    assert read(rights, request, "slr_wang") == Refusal(Reason.read_is_not_allowed, "reference")


def test_without_that_check_anybodys_fields_would_open(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    """The story above with the defence removed: it is this check, and no other, that refuses."""
    request = rights.stands(kind="copy").standing.request
    monkeypatch.setattr(read_fields, "_check_request", lambda *_: None)
    assert isinstance(read(rights, request, "slr_li"), ReadRecorded)


def test_a_bundle_is_not_fetched_without_end(rights: Rights) -> None:
    request = rights.stands(kind="copy").standing.request
    for _ in range(READS_MAX - 1):
        assert isinstance(read(rights, request, "slr_wang"), ReadRecorded)
    assert isinstance(rights.fetch(request), Bundle)
    assert rights.fetch(request) == Refusal(Reason.bundle_was_given_too_often)
    assert read(rights, request, "slr_wang") == Refusal(Reason.read_is_not_allowed, "reference")


# --- pages ---


def test_a_bundle_comes_in_pages_and_each_redemption_once(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suyuan.flows.subject_bundle.ROWS_PER_PAGE", 2)
    sold = [rights.sell(number) for number in range(1, 6)]
    request = rights.stands(kind="copy").standing.request
    found: list[str] = []
    query, pages = "", []
    while True:
        page = rights.fetch(request, query=query)
        assert isinstance(page, Bundle), page
        pages.append(page)
        found += [kept.redemption for kept in page.redemptions]
        assert all(kept.source_shown for kept in page.redemptions)
        if page.next is None:
            break
        query = f"?cursor={page.next}"
    assert found == sorted(map(str, sold))
    assert [len(page.fields) for page in pages] == [8, 0, 0]
    other = rights.stands("slr_li", kind="copy").standing.request
    stolen = rights.fetch(other, "slr_li", f"?cursor={pages[0].next}")
    assert stolen == Refusal(Reason.cursor_is_malformed, "cursor")
    assert rights.fetch(request, query="?cursor=AAAA") == Refusal(Reason.cursor_is_malformed, "cursor")


def test_what_can_no_longer_be_opened_is_null_and_the_rest_is_there(rights: Rights) -> None:
    """The PIN's term was over, and its data key is a fingerprint; the sale itself is still told."""
    redemption = rights.sell(1)
    assert isinstance(redemption, str)
    pay(rights, redemption)
    rights.house.rows(
        "UPDATE subject_key SET wrapped = '', fingerprint = decode(repeat('00', 16), 'hex') WHERE id = %s RETURNING 1",
        f"{redemption}/card_secret",
    )
    (kept,) = rights.bundle(kind="copy").redemptions
    assert (kept.source_shown, kept.paid, kept.state) == (None, 80_00, "paid")


def test_a_persons_papers_are_listed_and_what_they_show_stays_with_an_officer(rights: Rights, tmp_path: Path) -> None:
    office = PaperOffice(rights.house, tmp_path)
    paper = office.keep(seller="slr_wang")
    office.keep(seller="slr_li")
    (kept,) = rights.bundle(kind="copy").papers
    assert (kept.paper, kept.kind, kept.state) == (paper, "identity_photo", "kept")
    assert rights.bundle(kind="port").papers == ()


def test_a_number_that_a_seller_redeemed_from_is_shown_to_them_masked(rights: Rights) -> None:
    """It may be somebody else's phone."""
    rights.debit("13900000009")
    (kept,) = rights.bundle("slr_li", kind="copy").redemptions
    assert (kept.source, kept.source_shown) == ("balance", "139****0009")
