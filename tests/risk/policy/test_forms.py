"""One tree, three readings: the Python form, the column form and a naive interpreter agree on every value there is.

Expressions are made as text, so the parser stands in the law too. Those that the static checks refuse are left out:
what may leave 64 bits is never computed, and the test beside it shows that it is refused.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from suyuan.risk.finalise import Column
from suyuan.risk.policy.columns import BLOCK_ROWS, BeyondSpan, column_form
from suyuan.risk.policy.names import INT64_MAX, INT64_MIN, Span
from suyuan.risk.policy.parse import BadExpression, Scope, read_expression
from suyuan.risk.policy.python_form import python_form
from suyuan.risk.policy.spans import ALWAYS, Unsound, check_parts, exact_box, narrowed, span_of
from suyuan.risk.policy.texts import Text
from suyuan.risk.policy.tree import Arithmetic, Comparison, Negative, Truth, inputs_in, walk
from tests.risk.policy.interpreting import number_of, truth_of

SPANS = {
    "flag": Span(0, 1),
    "hour": Span(0, 23),
    "signed": Span(-9, 9),
    "count": Span(0, 2_048),
    "amount": Span(0, 1 << 40),
    "wide": Span(-(1 << 31), 1 << 31),
    "huge": Span(INT64_MIN, INT64_MAX),
    "edge": Span(INT64_MAX - 3, INT64_MAX),
}
SCOPE = Scope(SPANS, {"hot": ("card", "seller")})
HITS = ("hot:card", "hot:seller")
INPUTS = (*SPANS, *HITS)

constants = st.sampled_from([0, 1, 2, 3, 7, 23, 1_000, (1 << 31) - 1, INT64_MAX]) | st.integers(0, 30)
signed_constants = st.builds(lambda value, is_negative: -value if is_negative else value, constants, st.booleans())
names = st.sampled_from(list(SPANS))
signs = st.sampled_from(["+", "-", "*", "//", "%"])
atoms = names | signed_constants.map(str)
numbers = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, signs, inner),
        st.builds("(-{})".format, inner),
    ),
    max_leaves=4,
)
# Each comparison names an input, since one of constants alone is refused when a policy is read.
asking = (
    names
    | st.builds("({} {} {})".format, names, signs, numbers)
    | st.builds("({} {} {})".format, numbers, signs, names)
)
relations = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
comparisons = st.one_of(
    st.builds("{} {} {}".format, asking, relations, numbers),
    st.builds("{} {} {}".format, numbers, relations, asking),
    st.builds("{} {} {} {} {}".format, numbers, relations, asking, relations, numbers),
    st.builds(
        lambda part, word, members: f"{part} {word} ({', '.join(map(str, members))},)",
        asking,
        st.sampled_from(["in", "not in"]),
        st.lists(signed_constants, min_size=1, max_size=10),
    ),
    st.sampled_from(list(SPANS)).map("missing({})".format),
    st.sampled_from(['listed("hot", card)', "listed('hot', seller)"]),
)
conditions = st.recursive(
    comparisons.map("({})".format),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' and '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' or '.join(parts)})"),
        inner.map("(not {})".format),
    ),
    max_leaves=5,
)


@st.composite
def checked_conditions(draw: st.DrawFn) -> Truth:
    """An expression that reads as one and whose arithmetic was found to stay within 64 bits."""
    try:
        found = read_expression(draw(conditions), SCOPE)
        for part in walk(found):
            if isinstance(part, Comparison):
                span_of(part.left, SPANS), span_of(part.right, SPANS)
            elif isinstance(part, Arithmetic | Negative):
                span_of(part, SPANS)
    except (Unsound, BadExpression):
        # Arithmetic of constants may leave 64 bits or divide by zero, and deep ones are refused.
        reject()
    return found


def value_in(span: Span) -> st.SearchStrategy[int | None]:
    least, most = span
    near = [value for value in (least, least + 1, -1, 0, 1, 2, 7, most - 1, most) if least <= value <= most]
    return st.none() | st.sampled_from(near) | st.integers(least, most)


rows_of_values = st.fixed_dictionaries(
    {name: value_in(span) for name, span in SPANS.items()} | {name: st.integers(0, 1) for name in HITS}
)
Values = dict[str, int | None]


def columns_of(rows: Sequence[Values], seed: int = 0) -> dict[str, Column]:
    """Columns of values, with anything at all where one is missing."""
    chance = random.Random(seed)
    trash = [0, 1, -1, INT64_MIN, INT64_MAX]
    columns = {}
    for name in INPUTS:
        values = [row[name] for row in rows]
        filled = [chance.choice(trash) if value is None else value for value in values]
        present = np.array([value is not None for value in values], np.bool_)
        columns[name] = Column(np.array(filled, np.int64), present)
    return columns


@given(st.lists(checked_conditions(), min_size=1, max_size=3), st.lists(rows_of_values, min_size=1, max_size=12))
def test_function_columns_and_interpreter_agree(found: list[Truth], rows: list[Values]) -> None:
    """Missing values, zero divisors, negative floor division, numbers up to the edges of 64 bits; and what was seen."""
    judge = python_form(found, INPUTS)
    fired = column_form(found, INPUTS, SPANS)(columns_of(rows))
    for place, values in enumerate(rows):
        expected = [number for number, condition in enumerate(found) if truth_of(condition, values)]
        judged = sorted(judge([values[name] for name in INPUTS]), key=lambda one: one[0])
        assert [number for number, *_ in judged] == expected
        assert fired[:, place].nonzero()[0].tolist() == expected
        for number, *saw in judged:
            assert saw == [values[name] for name in inputs_in(found[number])]


@given(checked_conditions(), rows_of_values)
def test_a_number_never_leaves_what_was_said_of_it(found: Truth, values: Values) -> None:
    """The static span holds for every part, so int64 never overflows."""
    for part in walk(found):
        if isinstance(part, Arithmetic | Negative):
            value = number_of(part, values)
            assert value is None or span_of(part, SPANS).least <= value <= span_of(part, SPANS).most


@given(checked_conditions(), rows_of_values)
def test_what_is_left_of_the_values_holds_every_case(found: Truth, values: Values) -> None:
    """Whoever says that a rule never fires, or always does, must be right about every attempt."""
    spans = SPANS | dict.fromkeys(HITS, Span(0, 1))
    holds = truth_of(found, values)
    box = narrowed({}, found, SPANS, holds=holds)
    assert box is not None
    for name, (least, most, may_miss) in box.items():
        value = values[name]
        assert may_miss if value is None else least <= value <= most
    exact = exact_box(found, SPANS)
    if exact is not None and not holds:
        cells = [(values[name], exact.get(name)) for name in spans]
        assert any(
            cell is not None and (not cell.may_miss if value is None else not cell.least <= value <= cell.most)
            for value, cell in cells
        )


@given(checked_conditions(), rows_of_values)
def test_a_comparison_that_is_called_constant_is(found: Truth, values: Values) -> None:
    """A rule is refused for it, so it had better be true."""
    for part in (part for part in walk(found) if isinstance(part, Comparison)):
        always = _always(part)
        if always and None not in (number_of(part.left, values), number_of(part.right, values)):
            assert truth_of(part, values) == (always == ALWAYS)


def _always(part: Comparison) -> Text | None:
    try:
        check_parts(part, SPANS)
    except Unsound as unsound:
        always = unsound.parts["always"]
        return always if isinstance(always, Text) else None
    return None


@pytest.mark.parametrize(
    "text",
    [
        "huge + 1 > 5",
        "-huge > 5",
        "edge * 2 > 5",
        "huge // -1 > 0",
        "amount * amount * 2 > 5",
        "0 - huge > 1",
        "huge - edge > 0",
    ],
)
def test_arithmetic_that_may_leave_64_bits_is_refused(text: str) -> None:
    with pytest.raises(Unsound, match="result_may_leave_64_bits"):
        check_parts(read_expression(text, SCOPE), SPANS)


@pytest.mark.parametrize(
    "text",
    ["huge // 2 > 5", "huge % 7 > 5", "edge - 1 > 9_223_372_036_854_775_805", "amount * 4_000_000 > 5", "huge > 5"],
)
def test_arithmetic_that_stays_is_taken(text: str) -> None:
    check_parts(read_expression(text, SCOPE), SPANS)


def test_a_column_beyond_its_span_is_refused_where_it_is_calculated_with() -> None:
    """Comparing is exact whatever comes; only a sum rests on the span."""
    amount = Column(np.array([5, (1 << 40) + 1]), np.array([True, True]))
    summed = column_form([read_expression("amount + 1 > 5", SCOPE)], INPUTS, SPANS)
    compared = column_form([read_expression("amount > 5", SCOPE)], INPUTS, SPANS)
    assert compared({"amount": amount}).tolist() == [[False, True]]
    with pytest.raises(BeyondSpan, match="amount is 1099511627777"):
        summed({"amount": amount})
    is_masked = Column(amount.values, np.array([True, False]))
    assert summed({"amount": is_masked}).tolist() == [[True, False]]


def test_blocks_meet_without_a_seam() -> None:
    """More rows than a block, and not a multiple of it."""
    rows = 2 * BLOCK_ROWS + 17
    values = np.arange(rows, dtype=np.int64) % 24
    form = column_form([read_expression("hour % 5 == 2 and not missing(hour)", SCOPE)], INPUTS, SPANS)
    present = np.arange(rows) % 7 != 0
    assert (form({"hour": Column(values, present)})[0] == ((values % 5 == 2) & present)).all()


def test_a_missing_value_fails_every_comparison_on_either_side() -> None:
    texts = [f"hour {relation} count" for relation in ("<", "<=", ">", ">=", "==", "!=")]
    judge = python_form([read_expression(text, SCOPE) for text in texts], INPUTS)
    for hour, count in ((None, 5), (5, None), (None, None)):
        assert judge([{"hour": hour, "count": count}.get(name) for name in INPUTS]) == []


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("hour // flag >= 0", {"hour": 5, "flag": 0}, False),
        ("hour % flag >= 0", {"hour": 5, "flag": 0}, False),
        ("hour // flag != 7", {"hour": 5, "flag": 0}, False),
        ("hour // flag not in (7,)", {"hour": 5, "flag": 0}, False),
        ("not hour // flag >= 0", {"hour": 5, "flag": 0}, True),
        ("hour // (flag - flag + signed) >= 0", {"hour": 5, "flag": 1, "signed": 0}, False),
        ("hour // (flag - flag + signed) == -2", {"hour": 5, "flag": 1, "signed": -3}, True),
        ("signed // 2 == -4", {"signed": -7}, True),
        ("signed % 4 == 1", {"signed": -7}, True),
        ("hour % signed == -1", {"hour": 5, "signed": -3}, True),
        ("signed not in (1, 2)", {"signed": None}, False),
        ("signed in (1, 2, 3, 4, 5, 6, 7, 8, 9)", {"signed": None}, False),
        ("-signed != 3", {"signed": None}, False),
        ("edge - 9_223_372_036_854_775_800 == 7", {"edge": INT64_MAX}, True),
        ("huge == -9_223_372_036_854_775_808", {"huge": INT64_MIN}, True),
        ("huge < 9_223_372_036_854_775_807", {"huge": INT64_MAX}, False),
        ('listed("hot", card)', {"hot:card": None}, False),
    ],
)
def test_the_edges_of_the_language(text: str, values: Values, holds: bool) -> None:
    """Zero divisors, rounding below zero, what is missing, and the ends of 64 bits; in all three readings."""
    condition = read_expression(text, SCOPE)
    row: Values = {**dict.fromkeys(INPUTS), **values}
    assert truth_of(condition, row) is holds
    assert bool(python_form([condition], INPUTS)([row[name] for name in INPUTS])) is holds
    assert column_form([condition], INPUTS, SPANS)(columns_of([row])).tolist() == [[holds]]


def test_rules_behind_one_gate_are_each_asked_for_themselves() -> None:
    """Of five rules on one input each fires for its own bound, and one that asks for something else beside it too."""
    texts = ["count >= 5", "count > 7", "7 < count", "count >= 9 and hour < 3", "count <= 6", "count < 2 or flag == 1"]
    judge = python_form([read_expression(text, SCOPE) for text in texts], INPUTS)
    for count, expected in ((4, [4]), (5, [0, 4]), (7, [0]), (8, [0, 1, 2]), (9, [0, 1, 2, 3]), (None, [])):
        found = judge([{"count": count, "hour": 2}.get(name) for name in INPUTS])
        assert sorted(one[0] for one in found) == expected


def test_the_function_wants_exactly_its_inputs() -> None:
    """A vector of another catalogue decides nothing by accident."""
    judge = python_form([read_expression("hour < 6", SCOPE)], INPUTS)
    with pytest.raises(ValueError, match="unpack"):
        judge([0] * (len(INPUTS) - 1))
    with pytest.raises(ValueError, match="unpack"):
        judge([0] * (len(INPUTS) + 1))
