"""Inputs as text: one way there and one back, so that equal decisions are equal bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.vector import BadInputs, read_inputs, write_inputs

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(st.none() | INT64, min_size=2, max_size=90))
def test_what_is_written_is_read(inputs: list[int | None]) -> None:
    assert read_inputs(write_inputs(inputs)) == inputs


@given(st.text(st.sampled_from("0123456789,-+ ._١\n"), max_size=12) | st.text(max_size=8))
def test_a_text_is_read_only_if_it_would_be_written_so(text: str) -> None:
    try:
        found = read_inputs(text)
    except BadInputs:
        return
    assert write_inputs(found) == text


@pytest.mark.parametrize(
    "text",
    ["01,2", "-0,1", "1,+2", " 1,2", "1, 2", "1_0,2", "١,2", "1,9223372036854775808", "1,2\n", "1,None", "1,2.0"],
)
def test_another_spelling_of_a_number_is_refused(text: str) -> None:
    with pytest.raises(BadInputs, match="is not written as a decision writes it"):
        read_inputs(text)
