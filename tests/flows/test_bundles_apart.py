"""Two people do anything, in any order; no bundle of one ever holds a word of the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suyuan.base.clock import DAY_S
from suyuan.flows.answer_subject import Shown
from suyuan.flows.read_fields import RecordRead
from suyuan.privacy.bundles import Bundle
from tests.flows.rights_house import LI, WANG, Rights, text_of

PEOPLE: dict[str, dict[str, str]] = {"slr_wang": WANG, "slr_li": LI}
PHONES = {"slr_wang": "13800000001", "slr_li": "13800000002"}
KINDS = ("know", "access", "copy", "port", "explain")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(PEOPLE)),
        st.sampled_from(("sell", "sell too much", "debit own", "debit other", "ask", "ask by number", "be read")),
        st.sampled_from(KINDS),
    ),
    min_size=3, max_size=8,
)  # fmt: skip


class Lives:
    """What both have done, and which redemptions are whose."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.sold: dict[str, set[str]] = {who: set() for who in PEOPLE}
        self.bundles: list[tuple[str, Bundle]] = []
        self.cards = 0

    def act(self, who: str, act: str, kind: str) -> None:
        (other,) = set(PEOPLE) - {who}
        match act:
            case "sell" | "sell too much":
                self.cards += 1
                serial = self.cards + (500_000 if who == "slr_li" else 0)
                made = self.rights.sell(serial, who, face_fen=100_00 if act == "sell" else 77_00)
                self.sold[who] |= {made} if isinstance(made, str) else set()
            case "debit own" | "debit other":
                number = PHONES[who if act == "debit own" else other]
                self.sold[who].add(self.rights.debit(number, who))
            case "ask":
                self.bundles.append((who, self.rights.bundle(who, kind=kind)))
            case "ask by number":
                self._by_number(who, kind)
            case _:
                self.rights.submit(RecordRead("pay_seller", "x", "", ("slr_li", "slr_wang"), ("seller.payee/1",)))

    def _by_number(self, who: str, kind: str) -> None:
        # Three codes a day and number are soon used up in a long life.
        self.rights.house.rows("DELETE FROM code_count RETURNING 1")
        token = self.rights.token(PHONES[who], identity_number=PEOPLE[who]["identity_number"])
        asked = self.rights.ask_by_number(token, kind=kind)
        assert isinstance(asked, Shown), asked
        bundle = self.rights.fetch_by_number(token, asked.standing.request)
        assert isinstance(bundle, Bundle), bundle
        self.bundles.append((who, bundle))

    def check(self) -> None:
        for who, bundle in self.bundles:
            (other,) = set(PEOPLE) - {who}
            text = text_of(bundle)
            foreign: set[Any] = {*PEOPLE[other].values(), *self.sold[other]}
            assert not [value for value in foreign if value in text], (who, bundle.kind)
            assert {kept.redemption for kept in bundle.redemptions} <= self.sold[who]
        self.bundles.clear()


@pytest.fixture
def lives(rights: Rights) -> Lives:
    return Lives(rights)


def live(lives: Lives, acts: list[tuple[str, str, str]]) -> None:
    """A day of theirs; the next example is the next day, so that no limit stops a long life."""
    lives.rights.house.clock.advance(DAY_S)
    for act in acts:
        lives.act(*act)
    lives.check()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_no_bundle_holds_a_word_of_anybody_else(lives: Lives, acts: list[tuple[str, str, str]]) -> None:
    live(lives, acts)


@pytest.mark.nightly
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_no_bundle_of_a_long_life_does_either(lives: Lives, acts: list[tuple[str, str, str]]) -> None:
    live(lives, acts)
