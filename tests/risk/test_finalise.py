"""Whole numbers become the same feature one by one and in columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.features import CAP, VALUE_MAX, Aggregate, FeatureSpec
from suyuan.risk.finalise import (
    COMPARES_OWN,
    FORMS,
    Column,
    cut,
    finalise,
    finalise_columns,
    isqrt_columns,
    share,
    share_columns,
)

AGGREGATES = sorted(set(FORMS) - {"share"})
AT = 1_800_000_000_000_000


def spec_of(aggregate: Aggregate, *, empty: int | None = None, cap: int = CAP) -> FeatureSpec:
    return FeatureSpec(
        name="f", zh="特征", en="feature", aggregate=aggregate, key=("seller",), value="face_fen", window_s=1,
        empty=empty, cap=cap,
    )  # fmt: skip


@st.composite
def counted(draw: st.DrawFn) -> dict[str, int]:
    """What an executor may have counted: sums of values that exist."""
    values = draw(st.lists(st.integers(0, 2 * VALUE_MAX) | st.sampled_from([0, VALUE_MAX]), max_size=6))
    rows = len(values) + draw(st.integers(0, 2))
    kept = [cut(value) for value in values]
    ago = sorted(draw(st.lists(st.integers(1, 10**13), min_size=2, max_size=2)))
    return {
        "rows": rows, "n": len(values), "total": sum(kept), "squares": sum(value * value for value in kept),
        "least": min(values, default=0), "greatest": max(values, default=0), "latest": values[-1] if values else 0,
        "different": len(set(values)), "equal": draw(st.integers(0, 3)), "newest": AT - ago[0], "oldest": AT - ago[1],
        "held": rows + draw(st.integers(0, 3)),
    }  # fmt: skip


@given(
    aggregate=st.sampled_from(AGGREGATES),
    attempts=st.lists(st.tuples(counted(), st.booleans(), st.none() | st.integers(0, 2**62)), min_size=1, max_size=8),
    empty=st.none() | st.integers(-1, 5),
    cap=st.integers(1, 8),
)
def test_columns_say_what_one_by_one_says(
    aggregate: Aggregate, attempts: list[tuple[dict[str, int], bool, int | None]], empty: int | None, cap: int
) -> None:
    """With unknown keys, unknown values, empty windows and saturation among them."""
    spec = spec_of(aggregate, empty=empty, cap=cap)
    expected = [finalise(spec, parts, at=AT, own=own) if known else None for parts, known, own in attempts]
    parts = {name: np.array([found[name] for found, _, _ in attempts], np.int64) for name in attempts[0][0]}
    owns = np.array([own or 0 for _, _, own in attempts], np.int64)
    own = Column(owns, np.array([own is not None for _, _, own in attempts]))
    known = np.array([known for _, known, _ in attempts])
    at = np.full(len(attempts), AT, np.int64)
    assert finalise_columns(spec, parts, known=known, at=at, own=own).listed() == expected


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5), st.booleans()), min_size=1, max_size=9
    )
)
def test_shares_in_columns_say_what_one_by_one_says(pairs: list[tuple[int | None, int | None, bool]]) -> None:
    spec = FeatureSpec(name="f", zh="比例", en="share", aggregate="share", of=("a", "b"), empty=7)

    def column(values: list[int | None]) -> Column:
        # What stands where nothing is known is garbage on purpose.
        return Column(
            np.array([2**62 if value is None else value for value in values]),
            np.array([value is not None for value in values]),
        )

    ones, others = column([one for one, _, _ in pairs]), column([other for _, other, _ in pairs])
    found = share_columns(spec, ones, others, saturated=np.array([is_saturated for _, _, is_saturated in pairs]))
    assert found.listed() == [share(spec, one, other, is_saturated=saturated) for one, other, saturated in pairs]


@given(st.integers(0, 2**62))
def test_roots_of_columns_are_exact(value: int) -> None:
    assert isqrt_columns(np.array([value], np.int64)).tolist() == [math.isqrt(value)]


@pytest.mark.parametrize("root", [1, 2, 3, 2**26, 94_906_266, 2**31 - 1, 2**31])
def test_roots_are_exact_around_squares(root: int) -> None:
    """Where a float's root is off by one, if anywhere."""
    near = [root * root - 1, root * root, min(root * root + 1, 2**62)]
    assert isqrt_columns(np.array(near, np.int64)).tolist() == [math.isqrt(value) for value in near]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_largest_that_can_be_counted_stays_in_63_bits(aggregate: Aggregate) -> None:
    """A full window of the largest amounts; an overflow in numpy would be silent."""
    value = 2**62
    parts = {
        "rows": CAP, "n": CAP, "total": CAP * VALUE_MAX, "squares": CAP * VALUE_MAX**2, "least": value,
        "greatest": value, "latest": value, "different": CAP, "equal": CAP, "newest": 0, "oldest": 0, "held": CAP,
    }  # fmt: skip
    expected = finalise(spec_of(aggregate), parts, at=AT, own=value)
    columns = {name: np.array([count], np.int64) for name, count in parts.items()}
    own = Column(np.array([value], np.int64), np.array([True]))
    known = np.array([True])
    found = finalise_columns(spec_of(aggregate), columns, known=known, at=np.array([AT], np.int64), own=own)
    assert found.listed() == [expected]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_one_row_over_the_cap_says_so(aggregate: Aggregate) -> None:
    parts = dict.fromkeys(["rows", "n", "total", "squares", "least", "greatest", "latest", "different", "equal"], 3)
    parts |= {"newest": AT - 1, "oldest": AT - 1}
    own = 1 if aggregate in COMPARES_OWN else None
    assert finalise(spec_of(aggregate, cap=3), {**parts, "held": 3}, at=AT, own=own) is not None
    over = finalise(spec_of(aggregate, cap=3), {**parts, "held": 4}, at=AT, own=own)
    assert over == (3 if aggregate == "count" else None)
