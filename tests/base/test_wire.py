"""The same value is the same bytes, and what has two readings has none."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.wire import WHOLE_NUMBER_MAX, b64, canonical, canonical_record, harmless_cell, unb64

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.none() | st.booleans() | st.integers(-WHOLE_NUMBER_MAX, WHOLE_NUMBER_MAX) | texts
values = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner)
)


@given(values)
def test_canonical_bytes_are_json_that_reads_back(value: Any) -> None:
    """Any JSON reader gets the value; encoding it again gives the same bytes."""
    encoded = canonical(value)
    assert json.loads(encoded) == value
    assert canonical(json.loads(encoded)) == encoded


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), plain))
def test_the_order_in_which_keys_were_written_does_not_matter(value: dict[str, Any]) -> None:
    """Two callers who build the same object differently sign the same bytes."""
    assert canonical(dict(reversed(list(value.items())))) == canonical(value)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), float("inf"), 2**53, -(2**53), {"话费": 1}, {"a": {"b": [0.5]}}, "\ud800", object()]
)
def test_what_has_two_readings_is_refused(value: Any) -> None:
    """Fractions, numbers other languages round, keys that sort differently elsewhere, half characters."""
    with pytest.raises((ValueError, TypeError)):
        canonical(value)


def test_bytes_are_written_as_base64url() -> None:
    """Without padding, the form that `b64` gives."""
    assert canonical({"digest": b"\xff\xfe"}) == b'{"digest":"__4"}'


@given(st.binary())
def test_base64url_has_one_form(content: bytes) -> None:
    """What reads back to the same bytes is the same text, so a signature has no second spelling."""
    assert unb64(b64(content)) == content


@pytest.mark.parametrize("text", ["_", "__5", "__4=", "//4", "__ 4", "__4\n", "é"])
def test_other_spellings_of_base64url_are_refused(text: str) -> None:
    """Padding, the other alphabet, stray bits and white space."""
    with pytest.raises(ValueError, match=r".+"):
        unb64(text)


class _Record(msgspec.Struct):
    b: int
    a: str


def test_a_record_has_the_bytes_of_its_fields() -> None:
    """The fast way for the hot path and the careful way agree."""
    record = _Record(b=1, a="话")
    assert canonical_record(record) == canonical(record) == canonical({"a": "话", "b": 1})


@given(st.text(max_size=3), st.sampled_from("=+-@\t\r\n＝＋－＠"), texts)
def test_no_cell_opens_like_a_formula(before: str, formula: str, after: str) -> None:
    """Whatever blanks stand before it; and a cell that needs no change keeps every character."""
    for cell in (before + formula + after, before.strip() + after):
        harmless = harmless_cell(cell)
        assert isinstance(harmless, str)
        assert harmless.lstrip(" \u3000\xa0")[:1] not in set("=+-@\t\r\n＝＋－＠")
        assert harmless in (cell, "'" + cell)
