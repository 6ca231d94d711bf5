"""What windows hold is bounded, and what they had to give up is missed honestly."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from suyuan.base.clock import SECOND
from suyuan.risk.catalogue import Catalogue, read_catalogue
from suyuan.risk.online.snapshot import open_snapshot, write_snapshot
from suyuan.risk.online.states import Bounds
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, BAD, Row
from tests.risk.naive import measure
from tests.risk.rows import AT, WINDOWS_S, crowd, every_aggregate

CATALOGUE = every_aggregate(features=100)
WINDOW = WINDOWS_S[-1] * SECOND
ATTEMPTED = Row(0, AT, ATTEMPT, seller=1, device=1, key=1, face_fen=5, paid=4, payee=1, prefix=1, hour=1, taken=0)

ONE_FEATURE = read_catalogue(
    """
    [[features]]
    name = "seller_count"
    zh = "次数"
    en = "how often"
    aggregate = "count"
    key = ["seller"]
    window = "1h"
    where = "attempt"
    """
)
HOUR = 3_600 * SECOND


def open_states(windows: Windows) -> int:
    return sum(map(len, windows.states.open)) + sum(map(len, windows.states.aside))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_feature_is_right_or_says_that_it_is_saturated(seed: int) -> None:
    """Far more keys than may be held, so that some are given up all the time."""
    chance = Random(seed)
    windows, rows = Windows(CATALOGUE, Bounds(keys_max=12, open_max=4)), list[Row]()
    at, missed, right = AT, 0, 0
    for number, (aim, drawn) in enumerate(crowd(seed, 300)):
        at = aim.at(rows, at)
        seller, device = (int(chance.random() ** 3 * 12) for _ in range(2))
        row = drawn._replace(at=at, seq=number, seller=seller, device=device, kind=ATTEMPT)
        expected = measure(CATALOGUE, [before for before in rows if before.at >= at - WINDOW], row)
        values = windows.measure(row)
        for place, (value, wanted) in enumerate(zip(values, expected.values, strict=True)):
            if place in windows.saturated:
                spec = CATALOGUE.features[place]
                assert value == (spec.cap if spec.aggregate == "count" else None)
            else:
                assert value == wanted
                assert place not in expected.saturated
        missed += len(set(windows.saturated) - set(expected.saturated))
        right += len(values) - len(windows.saturated)
        windows.append(row)
        rows.append(row)
        windows.settle()
        assert windows.states.keys <= 12
    assert missed > 100
    assert right > 1_000


def flood(windows: Windows, sellers: range, *, at: int) -> None:
    for number, seller in enumerate(sellers):
        windows.append(ATTEMPTED._replace(seq=seller, at=at + number, seller=seller))
        windows.settle()


def test_a_flood_of_keys_is_held_to_its_bound() -> None:
    windows = Windows(ONE_FEATURE, Bounds(keys_max=500, open_max=100))
    flood(windows, range(5_000), at=AT)
    assert windows.states.keys <= 500
    assert sum(map(len, windows.states.packed)) + open_states(windows) == windows.states.keys
    assert open_states(windows) <= 110


def test_who_was_given_up_is_saturated_until_the_window_has_passed_and_then_counts_again() -> None:
    windows = Windows(ONE_FEATURE, Bounds(keys_max=50, open_max=10))
    flood(windows, range(100), at=AT)
    newest_lost = windows.states.lost[0]
    assert AT <= newest_lost < AT + 60
    stranger = ATTEMPTED._replace(seq=100, seller=10_000)
    assert windows.measure(stranger._replace(at=AT + 200)) == [2_048]
    assert windows.saturated == (0,)
    windows.forget()
    assert windows.measure(stranger._replace(at=newest_lost + HOUR)) == [2_048]
    windows.forget()
    assert windows.measure(stranger._replace(at=newest_lost + HOUR + 1)) == [0]
    assert not windows.saturated


def test_who_is_still_in_memory_is_counted_as_ever() -> None:
    """Somebody who sells all the while is not pushed out by those who come once."""
    windows = Windows(ONE_FEATURE, Bounds(keys_max=50, open_max=10))
    for number in range(1, 200):
        flood(windows, range(1), at=AT + 10 * number)
        flood(windows, range(number, number + 1), at=AT + 10 * number + 5)
    assert windows.states.lost[0] > AT
    assert windows.measure(ATTEMPTED._replace(seq=200, at=AT + 10_000, seller=0)) == [199]
    assert not windows.saturated


def test_what_was_given_up_is_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "windows"
    windows = Windows(ONE_FEATURE, Bounds(keys_max=50, open_max=10))
    flood(windows, range(100), at=AT)
    write_snapshot(windows, file)
    windows = open_snapshot(file, ONE_FEATURE, Bounds(keys_max=50, open_max=10))
    assert windows.measure(ATTEMPTED._replace(seq=100, at=AT + 200, seller=10_000)) == [2_048]
    assert windows.saturated == (0,)


def test_keys_that_matter_no_more_make_room_before_any_that_does() -> None:
    """An hour later the first crowd has left its window, so the second pushes out nobody who counts."""
    windows = Windows(ONE_FEATURE, Bounds(keys_max=60, open_max=10))
    flood(windows, range(50), at=AT)
    flood(windows, range(100, 150), at=AT + 2 * HOUR)
    assert windows.states.lost == [-1]
    assert windows.measure(ATTEMPTED._replace(seq=200, at=AT + 2 * HOUR + 100, seller=10_000)) == [0]


def test_a_quiet_platform_forgets_keys_without_being_short() -> None:
    windows = Windows(ONE_FEATURE, Bounds(keys_max=10_000, open_max=10))
    for hour in range(10):
        flood(windows, range(100 * hour, 100 * hour + 100), at=AT + 2 * hour * HOUR)
    assert windows.states.keys < 300


def test_a_steady_key_keeps_the_rows_of_its_window_alone() -> None:
    windows = Windows(ONE_FEATURE)
    for number in range(2_000):
        windows.append(ATTEMPTED._replace(seq=number, at=AT + number * HOUR // 20))
        if number % 5 == 0:
            windows.measure(ATTEMPTED._replace(at=AT + number * HOUR // 20 + 1))
            windows.settle()
    (state,) = windows.states.open[0].values()
    instants = "a0"
    assert len(getattr(state, instants)) < 200


def test_rows_that_come_out_of_order_are_a_mistake() -> None:
    """Windows that went on would be wrong for ever, in silence."""
    windows = Windows(ONE_FEATURE)
    windows.append(ATTEMPTED._replace(at=AT))
    for early in (AT, AT - 1):
        with pytest.raises(AssertionError, match="order"):
            windows.append(ATTEMPTED._replace(seq=1, at=early))
        with pytest.raises(AssertionError, match="instant"):
            windows.measure(ATTEMPTED._replace(seq=1, at=early))
    windows.measure(ATTEMPTED._replace(seq=1, at=AT + 10))
    with pytest.raises(AssertionError, match="order"):
        windows.append(ATTEMPTED._replace(seq=1, at=AT + 9))


def test_an_attempt_that_was_measured_a_micro_earlier_is_a_mistake() -> None:
    """Whoever computes the decision again takes the instant of its event."""
    windows = Windows(ONE_FEATURE)
    windows.measure(ATTEMPTED._replace(at=AT))
    with pytest.raises(AssertionError, match="measured at the instant"):
        windows.append(ATTEMPTED._replace(at=AT + 1))


def test_two_measures_before_an_append_do_not_mix_their_keys() -> None:
    windows = Windows(ONE_FEATURE)
    first, second = ATTEMPTED._replace(seq=0, at=AT, seller=1), ATTEMPTED._replace(seq=1, at=AT + 1, seller=2)
    windows.measure(first)
    windows.measure(second._replace(at=AT))
    windows.append(first)
    windows.measure(second)
    windows.append(second)
    assert windows.measure(first._replace(seq=2, at=AT + 2)) == [1]
    assert windows.measure(second._replace(seq=2, at=AT + 2)) == [1]


def test_what_was_measured_before_a_commit_is_looked_up_again_after_it() -> None:
    """The state that was measured may have been packed meanwhile; a row put into it would be lost."""
    windows = Windows(ONE_FEATURE, Bounds(open_max=1))
    windows.measure(ATTEMPTED._replace(at=AT + 1))
    windows.settle()
    windows.append(ATTEMPTED._replace(seller=2))
    windows.settle()
    windows.append(ATTEMPTED._replace(seq=1, at=AT + 1))
    windows.settle()
    assert windows.measure(ATTEMPTED._replace(seq=2, at=AT + 2)) == [1]


def test_its_place_in_history_moves_with_rows_and_past_events_that_are_none() -> None:
    windows = Windows(ONE_FEATURE)
    windows.append(ATTEMPTED._replace(seq=5, at=AT))
    assert (windows.next_seq, windows.is_settled) == (6, False)
    windows.pass_by(9)
    windows.settle()
    assert (windows.next_seq, windows.is_settled) == (9, True)
    windows.append(ATTEMPTED._replace(seq=9, at=AT + 1))
    windows.forget()
    assert (windows.next_seq, windows.is_settled) == (9, True)
    with pytest.raises(AssertionError, match="backwards"):
        windows.pass_by(8)


def test_every_kind_of_row_is_taken_by_a_catalogue_that_asks_for_none_of_it() -> None:
    windows = Windows(ONE_FEATURE)
    for kind in range(BAD, 7):
        windows.append(ATTEMPTED._replace(seq=kind, at=AT + kind, kind=kind))
    assert windows.measure(ATTEMPTED._replace(at=AT + 10)) == [0]


def test_whoever_is_nobody_has_no_features() -> None:
    catalogue = Catalogue(CATALOGUE.features)
    values = Windows(catalogue).measure(Row(0, AT, ATTEMPT, face_fen=5))
    assert set(values) == {None}
