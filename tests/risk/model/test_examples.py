"""What history teaches: inputs as they were decided on, and labels no earlier than they were known."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from suyuan.base.clock import DAY_S, SECOND
from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import Event, RedemptionRefused, SourceReversed
from suyuan.history.store import Recorded
from suyuan.privacy.classes import BlindIndex
from suyuan.risk.inputs import FACTS
from suyuan.risk.model.examples import NEVER, read_examples
from suyuan.risk.online.windows import Windows
from suyuan.risk.reading import rows_of
from suyuan.risk.row import ATTEMPT
from tests.risk.model.history import FIRST_AT, catalogue, decision, examples, recorded

REFUSED = RedemptionRefused(
    redemption="rdm_x", partner="ptn_1", key="key_1", contract="ctr_1", seller="slr_1", device="dev_1",
    ip_prefix="203.0.113.0/24", source="card", operator="cmcc", source_index=BlindIndex("crd"), face_fen=100_00,
    reason="daily_limit_is_reached", where="seller",
)  # fmt: skip


def column(name: str) -> np.ndarray:
    found = examples()
    return found.rows[:, found.names.index(name)]


def test_features_are_those_that_the_line_measured() -> None:
    """Compared cell by cell with the windows of the line, over the same history."""
    found = examples()
    windows, measured = Windows(catalogue()), []
    for row in rows_of(recorded()):
        if row.kind == ATTEMPT:
            measured.append(windows.measure(row))
        windows.append(row)
        windows.settle()
    as_array = np.array(measured, np.float64)
    assert np.array_equal(found.rows[:, : len(catalogue().features)], as_array, equal_nan=True)


def test_facts_are_those_that_the_decision_stored() -> None:
    assert set(column("account_age_s")) == {7.0}
    assert np.isnan(column("tier")).all()
    assert examples().names[-len(FACTS) :] == tuple(fact.name for fact in FACTS)


@pytest.mark.parametrize("broken", ["another catalogue", "no inputs"])
def test_of_another_catalogue_only_the_facts_of_the_row_are_known(broken: str) -> None:
    event = decision(1, seller=1, is_bad=False, features="f" * 64 if broken == "another catalogue" else None)
    if broken == "no inputs":
        event = msgspec.structs.replace(event, inputs="")
    found = read_examples([Recorded(0, FIRST_AT, event)], catalogue())
    facts = dict(zip(found.names[-len(FACTS) :], found.rows[0, -len(FACTS) :], strict=True))
    assert (facts["face_fen"], facts["paid"], facts["ratio_bp"]) == (50_00, 40_00, 8_000)
    assert np.isnan(facts["account_age_s"])
    assert found.partly_known == 1


def told(*events: tuple[int, Event]) -> list[Recorded]:
    return [Recorded(seq, FIRST_AT + at, event) for seq, (at, event) in enumerate(events)]


def test_an_attempt_is_bad_from_the_instant_of_its_outcome_and_good_when_it_is_old_enough() -> None:
    day = DAY_S * SECOND
    history = told(
        (0, decision(0, seller=1, is_bad=False)),
        (1, decision(1, seller=2, is_bad=False)),
        (2, decision(2, seller=3, is_bad=False, outcome="daily_limit_is_reached")),
        (3 * day, SourceReversed(redemption="rdm_1", reference="r", debt_fen=0)),
        (4 * day, SourceReversed(redemption="rdm_1", reference="again", debt_fen=0)),
        (5 * day, SourceReversed(redemption="rdm_unknown", reference="r", debt_fen=0)),
        (6 * day, ReviewDecided("rdm_2", "slr_3", "upheld", is_bad=True, reason="", by="ofc_1")),
        (7 * day, ReviewDecided("rdm_0", "slr_1", "pay", is_bad=False, reason="", by="ofc_1")),
    )
    found = read_examples(history, catalogue())
    assert found.bad_at.tolist() == [NEVER, FIRST_AT + 3 * day, FIRST_AT + 6 * day]

    def known(at: int, delay_s: int) -> list[tuple[int, int]]:
        return list(zip(*(side.tolist() for side in found.labelled(as_of=FIRST_AT + at, delay_s=delay_s)), strict=True))

    assert known(2 * day, 2 * DAY_S) == [(0, 0)]
    assert known(2 * day + 1, 2 * DAY_S) == [(0, 0), (1, 0)]  # It turns out bad only later.
    assert known(3 * day, 2 * DAY_S) == [(0, 0), (1, 1)]
    assert known(8 * day, 2 * DAY_S) == [(0, 0), (1, 1), (2, 1)]  # What was refused teaches if a person says so.
    assert known(8 * day, 30 * DAY_S) == [(1, 1), (2, 1)]
    assert known(-1, 0) == []


def test_what_is_not_decided_is_no_example_and_counts_all_the_same() -> None:
    found = read_examples(told((0, REFUSED), (1, REFUSED), (2, decision(0, seller=1, is_bad=False))), catalogue())
    assert len(found) == 1
    assert found.rows[0, found.names.index("prefix_refused_1h")] >= 2


def test_an_empty_history_has_no_examples() -> None:
    found = read_examples([], catalogue())
    assert len(found) == 0
    assert found.rows.shape == (0, len(found.names))


def test_the_newest_examples_are_kept_as_they_are_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for 300, history is read in many blocks, and nothing changes for those that stay."""
    monkeypatch.setattr("suyuan.risk.model.examples.BLOCK_ROWS", 64)
    few, whole = read_examples(recorded(), catalogue(), most=300), examples()
    assert len(few) == 300
    for name, value in dataclasses.asdict(few).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, getattr(whole, name)[-300:], equal_nan=value.dtype == np.float64), name


def test_decisions_are_what_is_counted() -> None:
    decided = [it for it in recorded() if isinstance(it.event, DecisionMade)]
    assert len(examples()) == len(decided)
    assert examples().read_to == max(it.at for it in recorded())
