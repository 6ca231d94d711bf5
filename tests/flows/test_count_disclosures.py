"""What an officer sees is counted: one by one, page by page, all at once, it ends at the same number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.officers import Officer
from suyuan.flows import read_fields
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.hold_warrants import AddWarrant
from suyuan.flows.read_fields import SUBJECTS_MAX, ReadRecorded
from suyuan.privacy.classes import SEALED_CLASSES, Privacy
from suyuan.privacy.disclosure import CAPS, DisclosureCaps, ItemClass, item_class_of
from suyuan.privacy.purposes import CARD_SERIAL, FIELDS, SELLER_IDENTITY, SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE
from tests.flows.house import NOON, House
from tests.flows.office import FIRST, SECOND, Office

EVERYBODY = [f"slr_{number:05}" for number in range(10_000)]


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def pages(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def scrape(office: Office, page: int, by: Officer = FIRST) -> tuple[int, Any]:
    """How many people an officer gets to see who leafs through everybody, and what stops it."""
    seen, stopped = 0, None
    for names in pages(EVERYBODY, page):
        office.house.clock.advance(1)
        answer = office.read(*names, fields=[SELLER_NAME.name, SELLER_NUMBER.name], by=by)
        if isinstance(answer, Refusal):
            stopped = answer
            break
        assert isinstance(answer, ReadRecorded)
        seen += len(answer.subjects)
    return seen, stopped


@pytest.mark.parametrize("page", [100, 999, SUBJECTS_MAX])
def test_who_leafs_through_all_sellers_is_stopped_at_half_a_cap(office: Office, page: int) -> None:
    """10,000 people, page by page: what one may see alone ends with 2,500, and the sentence says which counter."""
    seen, stopped = scrape(office, page)
    left = 2_500 - seen
    assert 0 <= left < page
    assert stopped == Refusal(Reason.reads_alone_are_used_up, f"officer/ofc_1/other={left}")
    assert "propose an export" in stopped.sentence("en")
    assert office.counts() == {"officer/ofc_1/other": (seen, 0)}
    told = [name for event in office.house.events() if event["kind"] == "fields_read/2" for name in event["subjects"]]
    assert len(told) == seen


def test_another_officer_has_a_counter_of_their_own(office: Office) -> None:
    scrape(office, SUBJECTS_MAX)
    assert scrape(office, SUBJECTS_MAX, by=SECOND)[0] == 2_000


def test_without_the_counting_a_scraper_reads_everybody(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would notice: this is what it guards against."""
    monkeypatch.setattr(read_fields, "count_disclosures", lambda *_, **__: None)
    assert scrape(office, SUBJECTS_MAX) == (10_000, None)


def test_fields_of_one_kind_are_one_item_and_each_kind_has_its_own_counter(office: Office) -> None:
    """Name and number together are one item; the account is an item of property, of which there are 25."""
    fields = [SELLER_NAME.name, SELLER_NUMBER.name, SELLER_PAYEE.name]
    for name in EVERYBODY[:25]:
        office.house.clock.advance(1)
        assert isinstance(office.read(name, fields=fields), ReadRecorded)
    assert office.counts() == {"officer/ofc_1/other": (25, 0), "officer/ofc_1/property": (25, 0)}
    office.house.clock.advance(1)
    assert office.read("slr_1", fields=fields) == Refusal(Reason.reads_alone_are_used_up, "officer/ofc_1/property=0")
    assert isinstance(office.read("slr_1", fields=[SELLER_NAME.name]), ReadRecorded)


def test_reads_and_exports_meet_the_same_counter(office: Office) -> None:
    names = EVERYBODY[:20]
    assert isinstance(office.read(*names, fields=[SELLER_PAYEE.name]), ReadRecorded)
    export = office.export(office.recipient(), ["slr_1", "slr_3"], "payee")
    office.decide(export)
    assert office.counts()["officer/ofc_1/property"] == (22, 0)
    export = office.export(office.recipient(), ["slr_1", "slr_2", "slr_3"], "payee")
    office.decide(export)
    office.house.clock.advance(1)
    assert office.read("slr_1", fields=[SELLER_PAYEE.name]) == Refusal(
        Reason.reads_alone_are_used_up, "officer/ofc_1/property=0"
    )


def test_an_order_is_counted_and_never_refused(office: Office) -> None:
    """And it uses up nothing of what the officer may see alone."""
    names = tuple(EVERYBODY[:300])
    change = AddWarrant(
        "wrt_1", "某市公安局", "2026-17", "0" * 64, names, (SELLER_PAYEE.name,), NOON, office.house.clock.now() + 10**12
    )
    office.decide(change)
    answer = office.read(*names, fields=[SELLER_PAYEE.name], reference="wrt_1")
    assert isinstance(answer, ReadRecorded)
    assert office.counts() == {"officer/ofc_1/property": (0, 300)}
    assert isinstance(office.read("slr_1", fields=[SELLER_PAYEE.name]), ReadRecorded)


def test_a_new_year_begins_at_nothing_for_reads_as_well(office: Office) -> None:
    scrape(office, SUBJECTS_MAX)
    office.house.clock.advance(60 * DAY_S)
    assert scrape(office, SUBJECTS_MAX)[0] == 2_000
    assert office.counts() == {"officer/ofc_1/other": (2_000, 0)}


def test_nobody_is_counted_who_was_not_shown(office: Office) -> None:
    office.decide(ForgetSeller("slr_1", "subject asked"))
    assert office.read("slr_1", fields=[SELLER_NAME.name]).subjects == ()
    assert office.counts().get("officer/ofc_1/other", (0, 0)) == (0, 0)


@pytest.mark.parametrize("fields", [(), ("seller.secret/1",), (SELLER_IDENTITY.name,), (CARD_SERIAL.name,)])
def test_fields_that_the_purpose_does_not_open_are_not_even_recorded(office: Office, fields: tuple[str, ...]) -> None:
    assert office.read("slr_1", fields=fields) == Refusal(Reason.read_is_not_allowed, "fields")
    assert office.counts() == {}


def test_a_platform_may_only_tighten_the_caps(office: Office) -> None:
    office.house.line._working_set.caps = DisclosureCaps(other_items_max=7)
    for name in EVERYBODY[:3]:
        office.house.clock.advance(1)
        assert isinstance(office.read(name, fields=[SELLER_NAME.name]), ReadRecorded)
    office.house.clock.advance(1)
    refused = office.read(EVERYBODY[3], fields=[SELLER_NAME.name])
    assert refused == Refusal(Reason.reads_alone_are_used_up, "officer/ofc_1/other=0")
    with pytest.raises(AssertionError, match="caps only tighten"):
        DisclosureCaps(trade_items_max=CAPS[ItemClass.TRADE] + 1)


def test_every_field_is_an_item_of_some_kind() -> None:
    """Whoever adds a field has said what it counts as."""
    assert {item_class_of(field.key_class) for field in FIELDS} <= set(ItemClass)
    assert {item_class_of(privacy) for privacy in (*SEALED_CLASSES, Privacy.DEVICE)} <= set(ItemClass)
