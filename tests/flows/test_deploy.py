"""What decides is changed by two officers, for the commands behind it in the line; lists by one or two."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.change_terms import Changed, encode_change
from suyuan.flows.deploy_policy import DeployPolicy, EndPolicy
from suyuan.flows.keep_lists import AddToList, Listing, ListStands, RemoveFromList
from suyuan.flows.redeem_card import redeem_card
from suyuan.flows.take_redemption import Taken
from suyuan.risk.deployed import digest_of
from suyuan.risk.lists import ENTRIES_MAX, LISTED_S_MAX, Lists
from tests.flows.decisions import PATH, decided, kinds, refused, sell, taken
from tests.flows.house import House, card, written
from tests.flows.office import FIRST, SECOND, Office, sellers
from tests.risk.policies import QUIET, rule

REFUSE = rule("face_fen >= 1", action="refuse", reason="cannot_be_taken")
BLOCKED = """
name = "lists"
[[lists]]
name = "blocked"
keys = ["seller", "payee", "prefix", "card", "device"]
zh = "禁止"
en = "blocked"
[[lists]]
name = "allowed"
keys = ["seller"]
zh = "放行"
en = "allowed"
[[rules]]
id = "blocked"
when = 'listed("blocked", seller) or listed("blocked", payee) or listed("blocked", prefix) or listed("blocked", card)'
action = "refuse"
reason = "cannot_be_taken"
zh = "禁止"
en = "blocked"
[[rules]]
id = "allowed"
when = 'listed("allowed", seller)'
lane = "override"
zh = "放行"
en = "allowed"
"""


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def deploy(office: Office, text: str, stage: Any = "active", percent: int = 100) -> Any:
    return office.decide(DeployPolicy(text, stage, percent))


def enter(office: Office, *listing: str, days: int = 30, reason: str = "report 7") -> Any:
    now = office.house.clock.now()
    command = officers.enter_on_list(FIRST, Listing(*listing), reason, expires_at=plus(now, days * DAY_S), now=now)
    office.house.clock.advance(1)
    return office.submit(command)


# --- policies ------------------------------------------------------------------------------------


def test_a_policy_decides_from_the_approval_on_and_after_a_restart(house: House, office: Office) -> None:
    assert isinstance(deploy(office, REFUSE), Changed)
    assert kinds(house)[-1] == "policy_deployed"
    assert refused(house).reason is Reason.redemption_was_declined
    house.start_again()
    assert refused(house).reason is Reason.redemption_was_declined
    assert {event.policy for event in decided(house)} == {digest_of(REFUSE)}
    assert isinstance(deploy(office, QUIET), Changed)
    assert taken(house).redemption


def test_a_policy_decides_for_the_commands_behind_it_in_the_same_batch(house: House, office: Office) -> None:
    """Taken, deployed, refused: one batch, in order."""
    change = DeployPolicy(REFUSE, "active", 100)
    text = encode_change(change)
    office.submit(officers.propose(FIRST, "prp_p", change))
    first, second = (house.knock("POST", PATH, written(card(number))) for number in (1, 2))

    async def in_order() -> list[Any]:
        one = asyncio.create_task(redeem_card(house.desk, first))
        await asyncio.sleep(0.001)
        approved = house.line.submit(officers.approve(SECOND, "prp_p", text))
        two = asyncio.create_task(redeem_card(house.desk, second))
        return [await one, await approved, await two]

    answers = house.run(in_order())
    assert isinstance(answers[1], Changed)
    places = {event["kind"].partition("/")[0]: seq for seq, event in enumerate(house.events())}
    by_then = [isinstance(answers[0], Taken), isinstance(answers[2], Taken)]
    assert by_then[1] is (places.get("policy_deployed", 0) > places["decision_made"])


@pytest.mark.parametrize(
    "text",
    ["", "name = 3", rule("no_such_name >= 1", action="refuse", reason="cannot_be_taken"),
     rule("face_fen >= 1", action="refuse", reason="no_such_reason"), REFUSE + REFUSE],
)  # fmt: skip
def test_a_policy_that_fails_its_checks_cannot_be_proposed(house: House, office: Office, text: str) -> None:
    assert deploy(office, text) == Refusal(Reason.proposal_is_impossible, "change")
    assert kinds(house).count("change_proposed") == 2


@pytest.mark.parametrize(
    ("stage", "percent"), [("rollout", 100), ("rollout", 0), ("active", 50), ("shadow", 1), ("off", 100)]
)
def test_a_stage_and_its_percent_have_to_fit(office: Office, stage: Any, percent: int) -> None:
    assert deploy(office, REFUSE, stage, percent) == Refusal(Reason.proposal_is_impossible, "change")


def test_a_rollout_decides_about_the_same_sellers_each_time_and_ends(house: House, office: Office) -> None:
    """About a third of sixty sellers; those who were refused once are refused again, the others never."""
    deploy(office, QUIET)
    assert isinstance(deploy(office, REFUSE, "rollout", 33), Changed)
    names = sellers(house, 60)
    first = {name for number, name in enumerate(names) if not _is_taken(house, number, name)}
    assert 8 <= len(first) <= 32
    second = {name for number, name in enumerate(names, 100) if not _is_taken(house, number, name)}
    assert second == first
    assert isinstance(office.decide(EndPolicy("rollout", digest_of(REFUSE))), Changed)
    assert all(_is_taken(house, number, name) for number, name in enumerate(names, 200))


def _is_taken(house: House, number: int, seller: str) -> bool:
    return isinstance(sell(house, number, seller=seller, face_fen=10_00), Taken)


def test_a_shadow_only_watches_and_what_it_would_have_said_is_kept(house: House, office: Office) -> None:
    deploy(office, QUIET)
    assert isinstance(deploy(office, REFUSE, "shadow"), Changed)
    assert taken(house).redemption
    assert '"action":"refuse"' in decided(house)[-1].shadow
    assert isinstance(deploy(office, REFUSE), Changed)
    assert refused(house, 2).reason is Reason.redemption_was_declined
    assert decided(house)[-1].shadow == ""


def test_only_what_stands_there_is_ended(office: Office) -> None:
    assert office.decide(EndPolicy("shadow", digest_of(QUIET))) == Refusal(Reason.proposal_is_impossible, "change")


# --- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"), [("seller", "slr_1"), ("payee", "index-of-slr_1"), ("prefix", "203.0.113.0/24")]
)
def test_whoever_is_blocked_by_any_of_their_names_is_refused(
    house: House, office: Office, key: str, value: str
) -> None:
    deploy(office, BLOCKED)
    assert taken(house).redemption
    assert enter(office, "blocked", key, value) == ListStands(f"blocked/{key}/{value}")
    assert refused(house, 2).reason is Reason.redemption_was_declined
    event = decided(house)[-1]
    places = {name: seq for seq, name in enumerate(kinds(house))}
    assert event.lists == places["list_entry_added"]
    house.start_again()
    assert refused(house, 3).reason is Reason.redemption_was_declined
    assert decided(house)[-1].lists == event.lists


def test_an_entry_ends_by_itself(house: House, office: Office) -> None:
    deploy(office, BLOCKED)
    enter(office, "blocked", "seller", "slr_1", days=2)
    assert refused(house).reason is Reason.redemption_was_declined
    house.clock.advance(2 * DAY_S)
    assert taken(house).redemption
    enter(office, "watched", "seller", "slr_3")
    assert house.rows("SELECT list FROM list_entry") == [("watched",)]


def test_nobody_loosens_anything_alone(house: House, office: Office) -> None:
    """Leaving a block list and standing on an allow list take two officers; the other way round takes one."""
    deploy(office, BLOCKED)
    enter(office, "blocked", "seller", "slr_1")
    now = house.clock.now()
    alone = officers.take_off_list(FIRST, Listing("blocked", "seller", "slr_1"), now=now)
    assert office.submit(alone) == Refusal(Reason.list_needs_two_officers, "list")
    assert enter(office, "allowed", "seller", "slr_1") == Refusal(Reason.list_needs_two_officers, "list")
    until = plus(now, DAY_S)
    assert isinstance(office.decide(AddToList("allowed", "seller", "slr_1", "known", until)), Changed)
    assert taken(house).redemption
    off = officers.take_off_list(FIRST, Listing("allowed", "seller", "slr_1"), now=now)
    assert isinstance(office.submit(off), ListStands)
    assert refused(house, 2).reason is Reason.redemption_was_declined
    assert isinstance(office.decide(RemoveFromList("blocked", "seller", "slr_1", "mistaken")), Changed)
    assert taken(house, 2).redemption


@pytest.mark.parametrize(
    "listing",
    [("guests", "seller", "slr_1"), ("passed", "card", "0" * 32), ("blocked", "name", "x"), ("blocked", "seller", ""),
     ("blocked", "seller", "two words"), ("blocked", "number", "13800000001"), ("blocked", "seller", "x" * 129)],
)  # fmt: skip
def test_what_can_stand_on_no_list_is_refused(office: Office, listing: tuple[str, str, str]) -> None:
    assert enter(office, *listing).reason is Reason.field_is_malformed
    change = AddToList(*listing, "why", plus(office.house.clock.now(), DAY_S))
    assert office.decide(change) == Refusal(Reason.proposal_is_impossible, "change")


def test_an_entry_needs_a_reason_and_an_end_within_a_year(house: House, office: Office) -> None:
    assert enter(office, "blocked", "seller", "slr_1", reason="").reason is Reason.field_is_malformed
    assert enter(office, "blocked", "seller", "slr_1", reason="13800000001").reason is Reason.field_is_malformed
    days = LISTED_S_MAX // DAY_S + 1
    assert enter(office, "blocked", "seller", "slr_1", days=days).reason is Reason.field_is_out_of_range
    assert enter(office, "blocked", "seller", "slr_1", days=0).reason is Reason.field_is_out_of_range


def test_full_lists_take_nothing_more(house: House, office: Office) -> None:
    until = plus(house.clock.now(), DAY_S)
    full = Lists({f"watched/seller/slr_{number}": until for number in range(ENTRIES_MAX)})
    house.risk._now = house.risk._now._replace(lists=full)
    assert enter(office, "blocked", "seller", "slr_1") == Refusal(Reason.list_is_full, "list")


def test_taking_off_what_stands_nowhere_is_said(house: House, office: Office) -> None:
    off = officers.take_off_list(FIRST, Listing("watched", "seller", "slr_9"), now=house.clock.now())
    assert office.submit(off) == Refusal(Reason.list_entry_is_unknown, "value")


def test_an_officers_signature_is_for_one_entry_and_once(house: House, office: Office) -> None:
    now = house.clock.now()
    command = officers.enter_on_list(
        FIRST, Listing("blocked", "seller", "slr_1"), "report 7", expires_at=plus(now, DAY_S), now=now
    )
    other = msgspec.structs.replace(command, value="slr_3")
    assert office.submit(other).reason is Reason.officer_signature_is_wrong
    assert isinstance(office.submit(command), ListStands)
    assert office.submit(command).reason is Reason.request_was_replayed
