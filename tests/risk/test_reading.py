"""What history teaches risk, event by event."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from suyuan.base.clock import SECOND
from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import (
    DeviceBound,
    Event,
    PayoutPaid,
    RedemptionRefused,
    SellerRegistered,
    SellerRegistered1,
    SourceRejected,
    SourceReversed,
    StrangersCounted,
    TierRaised,
    decode,
)
from suyuan.history.store import Recorded
from suyuan.privacy.classes import BlindIndex, Sealed
from suyuan.risk.reading import OUTCOME_S_MAX, hour_of, row_of, rows_of
from suyuan.risk.row import ATTEMPT, BAD, BOUND, FORGED, REGISTERED, STEPPED_UP, Row, id64

EVENTS = Path(__file__).parents[1] / "history" / "events_v1.jsonl"
INDEX = BlindIndex("0123456789abcdef")
AT = 1_800_000_000_000_000

DECIDED = DecisionMade(
    redemption="rdm_1", partner="ptn_1", agent="agt_1", key="key_1", contract="ctr_1", merchant="mch_1",
    operator="cmcc", source="card", seller="slr_1", identity="idn_1", payee="pye_1", number="num_1", device="dev_1",
    ip_prefix="203.0.113.0/24", batch=BlindIndex("bat"), card=BlindIndex("crd"),
    face_fen=100_00, paid=80_00, outcome="", action="approve",
    delay_s=0, limit_percent=100, score=0, reason="", inputs="", saturated="", fired="[]", features="00", policy="00",
    model="", lists=0, graph="", shadow="",
)  # fmt: skip

REFUSED = RedemptionRefused(
    redemption="rdm_2", partner="ptn_1", key="key_1", contract="ctr_1", seller="slr_1", device="dev_1",
    ip_prefix="203.0.113.0/24", source="card", operator="cmcc", source_index=BlindIndex("crd"), face_fen=100_00,
    reason="daily_limit_is_reached", where="seller",
)  # fmt: skip


def told(event: Event, *, at: int = AT) -> Row | None:
    return row_of(7, at, event, {"rdm_1": row_of(3, AT - 5, DECIDED, no_row)}.get)


def no_row(_: str) -> Row | None:
    return None


def test_a_decision_is_an_attempt_with_everybody_behind_it() -> None:
    row = row_of(7, AT, DECIDED, no_row)
    assert row == Row(
        7, AT, ATTEMPT, seller=id64("slr_1"), identity=id64("idn_1"), device=id64("dev_1"),
        prefix=id64("203.0.113.0/24"), number=id64("num_1"), batch=id64("bat"), payee=id64("pye_1"),
        merchant=id64("mch_1"), contract=id64("ctr_1"), agent=id64("agt_1"), partner=id64("ptn_1"), key=id64("key_1"),
        operator=id64("cmcc"), card=id64("crd"), face_fen=100_00, paid=80_00, ratio_bp=8_000, hour=hour_of(AT), taken=1,
    )  # fmt: skip


def test_a_decision_that_ended_in_a_refusal_was_not_taken() -> None:
    row = told(msgspec.structs.replace(DECIDED, outcome="card_was_sold_before"))
    assert row is not None
    assert (row.taken, row.reason) == (0, id64("card_was_sold_before"))


def test_what_an_attempt_does_not_have_is_not_known() -> None:
    row = told(msgspec.structs.replace(DECIDED, agent=None, device=None, batch="", face_fen=0))
    assert row is not None
    assert (row.agent, row.device, row.batch, row.ratio_bp) == (None, None, None, None)


def test_an_attempt_refused_before_it_was_decided_counts_once() -> None:
    row = told(REFUSED)
    assert row is not None
    assert (row.kind, row.taken, row.reason) == (ATTEMPT, 0, id64("daily_limit_is_reached"))
    assert (row.seller, row.payee, row.identity, row.paid) == (id64("slr_1"), None, None, None)
    assert told(msgspec.structs.replace(REFUSED, redemption="rdm_1")) is None


@pytest.mark.parametrize(
    "stranger",
    [
        msgspec.structs.replace(REFUSED, reason="seller_is_unknown"),
        msgspec.structs.replace(REFUSED, reason="key_may_not_do_this"),
        msgspec.structs.replace(REFUSED, partner="", reason="key_is_unknown"),
    ],
)
def test_a_stranger_cannot_spoil_a_sellers_record(stranger: RedemptionRefused) -> None:
    """Whoever has a key may write another's name into a request; what the key itself says still counts."""
    row = told(stranger)
    assert row is not None
    assert (row.seller, row.contract, row.partner) == (None, None, None)
    assert (row.key, row.prefix) == (id64("key_1"), id64("203.0.113.0/24"))


@pytest.mark.parametrize(
    "outcome",
    [
        SourceRejected("rdm_1", "pin_was_used"),
        SourceReversed("rdm_1", "ref", 80_00),
        ReviewDecided("rdm_1", "slr_1", "refuse", is_bad=True, reason="stolen", by="ofc_1"),
    ],
)
def test_an_outcome_has_the_keys_of_its_attempt_and_an_instant_of_its_own(outcome: Event) -> None:
    attempt = row_of(3, AT - 5, DECIDED, no_row)
    assert attempt is not None
    assert told(outcome) == attempt._replace(seq=7, at=AT, kind=BAD)


@pytest.mark.parametrize(
    "event",
    [
        SourceRejected("rdm_9", "pin_was_used"),
        ReviewDecided("rdm_1", "slr_1", "pay", is_bad=False, reason="fine", by="ofc_1"),
        PayoutPaid("rdm_1", "ref", 80_00, "money"),
    ],
)
def test_an_outcome_of_nothing_and_a_good_one_teach_nothing(event: Event) -> None:
    assert told(event) is None


def test_an_outcome_counts_to_the_last_micro_of_its_time() -> None:
    outcome = SourceRejected("rdm_1", "pin_was_used")
    last = AT - 5 + OUTCOME_S_MAX * SECOND
    assert told(outcome, at=last) is not None
    assert told(outcome, at=last + 1) is None


def test_registrations_devices_faces_and_forgeries_are_told() -> None:
    sealed = dict.fromkeys(["sealed_name", "sealed_identity", "sealed_number", "sealed_payee"], Sealed("1.c2VhbGVk"))
    registered = SellerRegistered(
        seller="slr_1", partner="ptn_1", identity="idn_1", payee="pye_1", number="num_1", tier=1, **sealed
    )
    first = SellerRegistered1(
        seller="slr_1", partner="ptn_1", identity_index=INDEX, payee_index=INDEX, tier=1, **sealed
    )
    ptn, slr = id64("ptn_1"), id64("slr_1")
    assert told(registered) == Row(
        7, AT, REGISTERED, slr, id64("idn_1"), number=id64("num_1"), payee=id64("pye_1"), partner=ptn
    )
    assert told(first) == Row(7, AT, REGISTERED, slr, partner=ptn)
    bound = DeviceBound("key_1", "slr_1", "dev_1", "ed25519", "A")
    assert told(bound) == Row(7, AT, BOUND, slr, device=id64("dev_1"), key=id64("key_1"))
    assert told(TierRaised("stp_1", "slr_1", "2026-11-22", 2_000_00, "face-1")) == Row(7, AT, STEPPED_UP, slr)
    forged = StrangersCounted("key_1", "203.0.113.0/24", AT, "signature_is_wrong", 7)
    assert told(forged) == Row(7, AT, FORGED, prefix=id64("203.0.113.0/24"), key=id64("key_1"), times=7)


def test_every_kind_of_event_ever_kept_can_be_read() -> None:
    """A kind that `row_of` does not know teaches nothing, and breaks nothing."""
    lines = EVENTS.read_bytes().splitlines()
    rows = [row_of(seq, AT + seq, decode(line), no_row) for seq, line in enumerate(lines)]
    assert {row.kind for row in rows if row} == {ATTEMPT, REGISTERED, BOUND, STEPPED_UP, FORGED}


def test_reading_from_the_beginning_says_what_the_line_says() -> None:
    """The line finds attempts in its books, a reader among what it has read: same rows, in the same order."""
    late = AT + OUTCOME_S_MAX * SECOND
    events: list[tuple[int, Event]] = [
        (AT, DECIDED),
        (AT + 1, msgspec.structs.replace(REFUSED, redemption="rdm_1")),
        (AT + 2, REFUSED),
        (AT + 3, SourceRejected("rdm_1", "pin_was_used")),
        (late, SourceReversed("rdm_1", "ref", 1)),
        (late + 1, msgspec.structs.replace(DECIDED, redemption="rdm_3")),
        (late + 2, SourceReversed("rdm_1", "ref", 1)),
        (late + 3, SourceReversed("rdm_3", "ref", 1)),
    ]
    recorded = [Recorded(seq, at, event) for seq, (at, event) in enumerate(events)]
    books: dict[str, Row] = {}
    by_line = []
    for seq, at, event in recorded:
        row = row_of(seq, at, event, books.get)
        if isinstance(event, DecisionMade) and row:
            books[event.redemption] = row
        by_line += [row] if row else []
    rows = list(rows_of(recorded))
    assert rows == by_line
    assert [row.kind for row in rows] == [ATTEMPT, ATTEMPT, BAD, BAD, ATTEMPT, BAD]


@pytest.mark.parametrize(("hour", "at_s"), [(0, 57_600), (23, 57_599), (8, 0)])
def test_hours_are_those_of_shanghai(hour: int, at_s: int) -> None:
    assert hour_of(at_s * SECOND) == hour
