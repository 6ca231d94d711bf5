"""Step-ups: a face check raises today's limit once, silence of the check decides nothing, and consent comes first."""

from __future__ import annotations

from typing import Any

import pytest

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.keep_retention import MoveSeller, TermsEnded
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.step_up import Raised, step_up
from suyuan.privacy import standing
from suyuan.privacy.consent import Consent
from suyuan.privacy.retention import RESTRICTED
from suyuan.settle.providers import FaceDiffers, FaceMatched, Unknown
from tests.flows.consents import decide, give, wish
from tests.flows.house import House, card, written
from tests.risk.policies import QUIET

WISH = {"seller": "slr_1", "capture": "capture-1"}


@pytest.fixture
def house(house: House) -> House:
    """A house in which the seller has agreed to be compared."""
    give(house)
    return house


def ask(house: House, body: dict[str, Any] | None = None, **changes: Any) -> Raised | Refusal:
    return house.run(step_up(house.desk, house.knock("POST", "/v1/step-ups", written(body or WISH), **changes)))


def sell(house: House, number: int) -> Taken | Refusal:
    knock = house.knock("POST", "/v1/redemptions", written(card(number, 500_00)))
    return house.run(redeem_card(house.desk, knock))


def test_a_passed_check_raises_todays_limit(house: House) -> None:
    """10 × 500.00 reach the limit; after the check another ten pass, and then it is really over."""
    house.decide_by(QUIET)
    assert all(isinstance(sell(house, number), Taken) for number in range(10))
    assert sell(house, 10) == Refusal(Reason.step_up_is_needed, "seller")
    answer = ask(house)
    assert isinstance(answer, Raised)
    assert (answer.raised_fen, answer.day) == (5_000_00, "2026-11-22")
    assert all(isinstance(sell(house, number), Taken) for number in range(11, 21))
    assert isinstance(sell(house, 21), Refusal)


def test_the_limit_is_raised_once_a_day(house: House) -> None:
    assert isinstance(ask(house), Raised)
    assert ask(house) == Refusal(Reason.step_up_was_granted_before, "seller")


def test_a_retry_asks_the_same_order_and_gets_the_same_answer(house: House) -> None:
    first = ask(house, idempotency_key="order-A")
    assert ask(house, idempotency_key="order-A") == first
    assert len({order.order_no for order in house.face_check.asked}) == 1
    assert {order.person for order in house.face_check.asked} == {"index-of-slr_1"}


def test_silence_decides_nothing(house: House) -> None:
    """The same idempotency key may be used again: nothing was kept."""
    house.face_check.verdict = Unknown("timed_out")
    assert ask(house, idempotency_key="order-A") == Refusal(Reason.face_check_is_not_available)
    house.face_check.verdict = FaceMatched("F-2")
    assert isinstance(ask(house, idempotency_key="order-A"), Raised)


def test_another_face_is_refused_for_good(house: House) -> None:
    house.face_check.verdict = FaceDiffers()
    assert ask(house, idempotency_key="order-A") == Refusal(Reason.face_check_was_not_passed)
    house.face_check.verdict = FaceMatched("F-2")
    assert ask(house, idempotency_key="order-A") == Refusal(Reason.face_check_was_not_passed)


def restrict(house: House) -> None:
    async def ask_line() -> Any:
        return await house.line.submit(MoveSeller("slr_1", RESTRICTED))

    assert isinstance(house.run(ask_line()), TermsEnded)


def test_no_face_of_a_restricted_person_is_shown_to_anybody(house: House) -> None:
    """Their data is stored and nothing else, whatever they, or their partner in their name, had agreed to before."""
    restrict(house)
    assert ask(house) == Refusal(Reason.subject_is_closed, "seller")
    assert house.face_check.asked == []


def test_a_restriction_that_comes_during_the_check_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line looks once more, in the commit that would raise the limit."""
    restrict(house)

    async def not_yet(*_: Any) -> bool:
        return False

    monkeypatch.setattr(standing, "is_restricted", not_yet)
    assert ask(house) == Refusal(Reason.subject_is_closed, "seller")


NEEDED = Refusal(Reason.consent_is_needed, "compare_face")


@pytest.mark.parametrize("decision", ["withdraw", "refuse"])
def test_no_face_is_shown_to_anybody_without_consent(house: House, decision: str) -> None:
    """A no closes at once; whoever agrees again may go on with the very same request."""
    decide(house, wish(decision))
    assert ask(house, idempotency_key="order-A") == NEEDED
    assert house.face_check.asked == []
    decide(house, wish(), key="key_seller")
    assert isinstance(ask(house, idempotency_key="order-A"), Raised)


def test_a_consent_that_was_never_asked_for_is_none(house: House) -> None:
    assert ask(house, WISH | {"seller": "slr_3"}) == NEEDED


def test_a_consent_to_other_terms_counts_no_longer(house: House) -> None:
    """The purpose has come to say something else since: the seller is asked again, though nobody has refused."""
    house.rows("UPDATE consent SET terms = repeat('0', 64) RETURNING id")
    house.look_again()
    assert ask(house) == NEEDED
    give(house)
    assert isinstance(ask(house), Raised)


def test_the_line_looks_at_the_consent_once_more(house: House) -> None:
    """The worker saw a consent that was taken back while the check was under way."""

    async def look() -> list[Consent]:
        return await house.desk.consents("slr_1")

    seen = house.run(look())

    async def stale(_: str) -> list[Consent]:
        return seen

    decide(house, wish("withdraw"))
    object.__setattr__(house.desk, "consents", stale)
    assert ask(house) == NEEDED
    assert len(house.face_check.asked) == 1


def test_nobody_is_shown_to_a_provider_for_a_stranger(house: House) -> None:
    assert ask(house, WISH | {"seller": "slr_2"}) == Refusal(Reason.seller_is_unknown, "seller")
    assert ask(house, WISH | {"seller": "slr_3"}, key="key_seller") == Refusal(Reason.key_may_not_do_this, "seller")
    assert house.face_check.asked == []
