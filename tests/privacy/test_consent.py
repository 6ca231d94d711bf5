"""What moves a consent: a model that knows the rules in one line each, walked at random beside the real rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.clock import SECOND
from suyuan.base.refusals import Refusal
from suyuan.privacy.consent import (
    ASK_AGAIN_S,
    BY_PARTNER,
    BY_SELLER,
    GIVE,
    GIVEN,
    REFUSE,
    REFUSED,
    WITHDRAW,
    WITHDRAWN,
    Consent,
    Said,
    Subject,
    decide,
    is_in_force,
    may_ask_at,
    recipient_of,
)
from suyuan.privacy.purposes import COMPARE_FACE, ON_CONSENT, PARTNER, Purpose

steps = st.lists(
    st.tuples(
        st.sampled_from([GIVE, REFUSE, WITHDRAW]),
        st.sampled_from([BY_PARTNER, BY_SELLER]),
        st.sampled_from([1, SECOND, ASK_AGAIN_S * SECOND, 2 * ASK_AGAIN_S * SECOND]),
    ),
    max_size=12,
)


def expected(state: str, refused_at: int, said: Said, purpose: Purpose) -> str | None:
    """The state after what was said; None for a refusal."""
    by_partner = said.by == BY_PARTNER
    is_too_soon = state == REFUSED and by_partner and said.at < refused_at + ASK_AGAIN_S * SECOND
    serves_itself = by_partner and purpose.recipient is PARTNER
    if said.choice == REFUSE:
        return REFUSED
    if said.choice == WITHDRAW:
        return WITHDRAWN if state in (GIVEN, WITHDRAWN) else None
    return None if is_too_soon or serves_itself else GIVEN


@given(st.sampled_from(ON_CONSENT), steps)
def test_every_way_through_the_states_keeps_the_rules(purpose: Purpose, walk: list[tuple[str, str, int]]) -> None:
    row: Consent | None = None
    at, state, refused_at = 0, "", 0
    subject = Subject("slr_1", purpose, recipient_of(purpose, "ptn_1"))
    for choice, by, later in walk:
        at += later
        said = Said(choice, "0" * 64, "zh", "{}", by, at)
        after, decided = expected(state, refused_at, said, purpose), decide(row, subject, said)
        assert isinstance(decided, Refusal) == (after is None)
        if isinstance(decided, Refusal) or after is None:
            continue
        row, state = decided, after
        refused_at = at if after == REFUSED else refused_at
        assert row.state == after
        assert is_in_force(row, purpose) == (after == GIVEN)
        assert (row.given_at == 0) == (after == REFUSED)
        assert may_ask_at(row) == (refused_at + ASK_AGAIN_S * SECOND if after == REFUSED else 0)


def test_a_consent_of_another_purpose_is_never_in_force_here() -> None:
    """Terms digest the whole purpose, so a row that was moved to another purpose counts for nothing."""
    first, second, *_ = ON_CONSENT
    row = decide(None, Subject("slr_1", first, "r"), Said(GIVE, "", "zh", "", BY_SELLER, 1))
    assert isinstance(row, Consent)
    assert is_in_force(row, first)
    assert not is_in_force(row, second)
    assert first is COMPARE_FACE
