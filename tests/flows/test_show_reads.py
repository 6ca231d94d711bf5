"""A person sees who read what of them, and nobody is tipped off about an order that is still being carried out."""

from __future__ import annotations

import itertools

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.change_terms import encode_change
from suyuan.flows.hold_warrants import AddWarrant, EndWarrant
from suyuan.flows.read_fields import ReadRecorded, RecordRead
from suyuan.flows.show_reads import Reads
from suyuan.flows.tell_partner_number import tell_partner_number
from suyuan.privacy.bundles import ReadShown, RuleShown
from suyuan.privacy.purposes import SELLER_NAME, SELLER_PAYEE, TELL_PARTNER_NUMBER
from tests.flows.consents import decide, wish
from tests.flows.office import Office
from tests.flows.rights_house import OFFICERS, WANG, Rights, text_of

_proposals = itertools.count(1)
_PIPL = "个人信息保护法"


def changed(rights: Rights, change: AddWarrant | EndWarrant) -> None:
    proposal = f"prp_r{next(_proposals)}"
    rights.submit(officers.propose(OFFICERS[0], proposal, change))
    rights.submit(officers.approve(OFFICERS[1], proposal, encode_change(change)))


def order(rights: Rights) -> None:
    """An authority's order about Wang, brought into force by two officers."""
    now = rights.house.clock.now()
    changed(
        rights,
        AddWarrant(
            "wrt_1", "某市公安局", "2026-17", "0" * 64, ("slr_wang",), (SELLER_PAYEE.name,), now, plus(now, DAY_S)
        ),
    )


def read_by_officer(rights: Rights, purpose: str, reference: str, *subjects: str) -> None:
    rights.house.clock.advance(1)
    field = SELLER_PAYEE if purpose == "answer_authority" else SELLER_NAME
    command = officers.read(
        OFFICERS[0], purpose, reference, subjects=subjects, fields=(field.name,), now=rights.house.clock.now()
    )
    assert isinstance(rights.submit(command), ReadRecorded)


def read_by_platform(rights: Rights, *subjects: str) -> None:
    read = RecordRead("pay_seller", "completer", "", subjects, (SELLER_PAYEE.name,))
    assert isinstance(rights.submit(read), ReadRecorded)


def listed(rights: Rights, query: str = "") -> Reads:
    answer = rights.reads("slr_wang", query=query)
    assert isinstance(answer, Reads), answer
    return answer


def test_a_person_sees_when_why_and_how_much_was_read(rights: Rights) -> None:
    """By the platform and by an officer, who has a role and no name; whom else it was about is not told."""
    read_by_platform(rights, "slr_wang", "slr_li")
    read_by_officer(rights, "help_seller", "Wang has called about her payout", "slr_wang", "slr_li")
    newest, oldest = listed(rights).reads
    assert newest == ReadShown(
        at=newest.at, purpose="help_seller", rule=RuleShown(_PIPL, "2021", "13(1)(2)"), reader="officer",
        fields=("seller.name/1",), is_whole=False,
    )  # fmt: skip
    assert (oldest.purpose, oldest.reader, oldest.is_whole) == ("pay_seller", "platform", True)
    assert not any(word in str(listed(rights)) for word in ("ofc_1", "slr_li", "Wang has called"))


def test_a_read_of_what_somebody_sold_is_a_read_of_them(rights: Rights) -> None:
    redemption = str(rights.sell(1))
    rights.submit(RecordRead("consume_card", "completer", "", (redemption,), ("card.pin/1", "card.serial/1")))
    (read,) = listed(rights).reads
    assert (read.purpose, read.fields) == ("consume_card", ("card.pin/1", "card.serial/1"))


def test_a_read_under_an_order_stays_out_until_the_order_has_ended(rights: Rights) -> None:
    order(rights)
    read_by_officer(rights, "answer_authority", "wrt_1", "slr_wang")
    assert listed(rights).reads == []
    bundle = rights.bundle(kind="know")
    assert "answer_authority" not in [read.purpose for read in bundle.reads]
    assert "wrt_1" not in text_of(bundle)
    changed(rights, EndWarrant("wrt_1"))
    rights.house.clock.advance(1)
    (read,) = listed(rights).reads
    assert (read.purpose, read.reader, read.is_whole) == ("answer_authority", "officer_by_order", True)


def test_a_person_sees_to_whom_an_export_went(rights: Rights) -> None:
    """The recipient by its id; whom else the file was about is not told."""
    office = Office.__new__(Office)
    office.house = rights.house
    recipient = office.recipient()
    export = office.export(recipient, ["slr_wang", "slr_li"])
    assert not isinstance(office.decide(export), Refusal)
    rights.submit(officers.begin_export(OFFICERS[0], export.id, now=rights.house.clock.now()))
    (read,) = listed(rights).reads
    assert (read.purpose, read.recipient, read.is_whole) == ("audit_compliance", recipient, False)
    assert "slr_li" not in str(listed(rights))


def test_a_partner_that_was_told_a_number_is_shown_with_the_consent_it_rests_on(rights: Rights) -> None:
    own = {"key": rights.keys["slr_wang"], "signer": rights.signers["slr_wang"]}
    agreed = decide(rights.house, wish("give", TELL_PARTNER_NUMBER.id, "slr_wang"), **own)
    assert not isinstance(agreed, Refusal)
    knock = rights.house.knock("GET", "/v1/masked-numbers?seller=slr_wang")
    rights.house.run(tell_partner_number(rights.house.desk, knock))
    (read,) = listed(rights).reads
    assert (read.purpose, read.reader, read.recipient) == ("tell_partner_number", "partner", "ptn_1")
    (consent,) = rights.bundle(kind="know").consents
    assert (consent.purpose, consent.recipient, consent.state) == ("tell_partner_number", "ptn_1", "given")


def test_a_read_under_an_order_that_nobody_knows_stays_out(rights: Rights) -> None:
    """Whatever has become of the order's row: what is not known to have ended is not told."""
    order(rights)
    read_by_officer(rights, "answer_authority", "wrt_1", "slr_wang")
    rights.house.rows("DELETE FROM warrant RETURNING 1")
    assert listed(rights).reads == []


def test_no_page_and_no_cursor_tells_of_a_read_that_is_left_out(rights: Rights) -> None:
    """With a secret read between, before and behind the others, the list is the same as without, page by page."""
    for _ in range(3):
        read_by_platform(rights, "slr_wang")
    before = listed(rights)
    pages_before = paged(rights, 1)
    order(rights)
    for _ in range(3):
        read_by_officer(rights, "answer_authority", "wrt_1", "slr_wang")
    assert listed(rights) == before
    assert paged(rights, 1) == pages_before
    read_by_platform(rights, "slr_wang")
    assert [len(page.reads) for page in paged(rights, 2)] == [2, 2]
    assert paged(rights, 4)[0].next is None


def paged(rights: Rights, limit: int) -> list[Reads]:
    pages = [listed(rights, f"?limit={limit}")]
    while pages[-1].next is not None:
        pages.append(listed(rights, f"?limit={limit}&cursor={pages[-1].next}"))
    return pages


def test_who_read_is_told_to_the_person_alone(rights: Rights) -> None:
    read_by_platform(rights, "slr_wang")
    assert rights.reads("slr_li") == Reads([], None)
    unknown = Refusal(Reason.seller_is_unknown, "seller")
    for who in ("slr_li", "key_1", "key_2"):
        assert rights.reads("slr_wang", signed_by=who) == unknown
    cursor = listed(rights, "?limit=1").next
    assert cursor is None
    read_by_platform(rights, "slr_wang")
    cursor = listed(rights, "?limit=1").next
    assert rights.reads("slr_li", query=f"?cursor={cursor}") == Refusal(Reason.cursor_is_malformed, "cursor")
    assert rights.reads("slr_wang", query="?cursor=AAAA") == Refusal(Reason.cursor_is_malformed, "cursor")
    assert WANG["name"] not in str(listed(rights))
