"""Figures of a backtest, against a count that goes through the attempts one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.backtest.tally import BAD, GOOD, LETS_THROUGH, ORDER, UNKNOWN, Judged, Tally


class Attempt(NamedTuple):
    day: int
    face_fen: int
    truth: int
    old: int
    new: int
    fired: bool
    decisive: bool


ACTIONS = st.integers(0, len(ORDER) - 1)
ATTEMPTS = st.lists(
    st.builds(
        Attempt, st.integers(0, 3), st.integers(0, 10**6), st.sampled_from((UNKNOWN, GOOD, BAD)), ACTIONS, ACTIONS,
        st.booleans(), st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


def stops(action: int) -> bool:
    return ORDER[action] not in LETS_THROUGH


def counted(attempts: list[Attempt], blocks: int) -> Tally:
    tally = Tally(("rule",))
    for block in range(blocks):
        some = attempts[block::blocks]
        days, face_fen, truth, old, new, fired, decisive = (
            np.array([one[place] for one in some], np.int64) for place in range(7)
        )
        ones = fired[None, :].astype(np.bool_), decisive[None, :].astype(np.bool_)
        tally.add(Judged(days, face_fen, truth, old, new, *ones))
    return tally


@given(ATTEMPTS, st.integers(1, 3))
def test_figures_are_those_of_a_plain_count_however_the_attempts_come_in_blocks(
    attempts: list[Attempt], blocks: int
) -> None:
    figures = counted(attempts, blocks).figures()
    bad = [one for one in attempts if one.truth == BAD]
    known_stopped = [one for one in attempts if one.truth != UNKNOWN and stops(one.new)]
    stopped_bad = [one for one in bad if stops(one.new)]
    assert figures["attempts"] == len(attempts)
    assert figures["bad"] == len(bad)
    assert figures["changed"] == sum(one.old != one.new for one in attempts)
    assert figures["prevented_fen"] == sum(one.face_fen for one in bad if stops(one.new) and not stops(one.old))
    assert figures["lost_fen"] == sum(one.face_fen for one in bad if stops(one.old) and not stops(one.new))
    assert figures["new"]["stopped_bad_fen"] == sum(one.face_fen for one in stopped_bad)
    precision = round(len(stopped_bad) / len(known_stopped), 6) if known_stopped else None
    assert figures["new"]["precision"] == precision
    assert figures["new"]["recall"] == (round(len(stopped_bad) / len(bad), 6) if bad else None)


@given(ATTEMPTS)
def test_days_and_rules_add_up_to_the_whole(attempts: list[Attempt]) -> None:
    tally = counted(attempts, 1)
    days = tally.days.values()
    assert sum(day.attempts for day in days) == len(attempts)
    assert sum(day.new_stopped for day in days) == sum(stops(one.new) for one in attempts)
    missed_fen = sum(one.face_fen for one in attempts if one.truth == BAD and not stops(one.old))
    assert sum(day.old_missed_fen for day in days) == missed_fen
    (rule,) = tally.rules
    assert rule.fired == sum(one.fired for one in attempts)
    assert rule.fired_good == sum(one.fired and one.truth == GOOD for one in attempts)
    assert rule.decisive_bad_fen == sum(one.face_fen for one in attempts if one.decisive and one.truth == BAD)


def test_nothing_at_all_has_no_precision_and_no_recall() -> None:
    figures = Tally(("rule",)).figures()
    assert (figures["attempts"], figures["new"]["precision"], figures["new"]["recall"]) == (0, None, None)
