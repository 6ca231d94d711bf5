"""The code of the two steps of the line, written from the plan: measuring an attempt, and appending a row.

Everything is set out for this catalogue: a state is looked up once for each key, a cursor moved only when something is
due, and each part of a feature read once for all features that share it. The last step of each feature is the
expression of `risk.finalise`, set in as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from suyuan.risk.catalogue import Catalogue
from suyuan.risk.features import VALUE_MAX, Aggregate, Condition, FeatureSpec
from suyuan.risk.finalise import COMPARES_OWN, FORMS
from suyuan.risk.online.plan import Kind, Placed, Stream
from suyuan.risk.online.state_code import indented
from suyuan.risk.row import ATTEMPT, COLUMNS

KINDS_OF_ROWS = range(1, 7)
_OPERATORS = {"eq": "==", "ne": "!=", "ge": ">=", "le": "<="}
_QUEUES: tuple[tuple[Aggregate, str, str], ...] = (("min", "x", ">="), ("max", "y", "<="))
_SUMS = {"total": "c", "squares": "q"}
_NEEDS_A_ROW = frozenset({"least", "greatest", "latest", "newest", "oldest"})


def measure_code(catalogue: Catalogue, kinds: Sequence[Kind]) -> list[str]:
    """`measure(row)`: the features, the states that they were read from, and which kinds may be saturated."""
    lines = [f"{', '.join(COLUMNS)} = row", *_cut_lines(kinds), "over = 0"]
    for kind in kinds:
        lines += _measured_lines(kind)
    for place, spec in enumerate(catalogue.features):
        if spec.aggregate == "share":
            lines.append(f"f{place} = {_share(spec, catalogue)}")
    values = ", ".join(f"f{place}" for place in range(len(catalogue.features)))
    lines.append(f"return [{values}], {_states(kinds)}, over")
    return ["def measure(row):", *indented(lines)]


def touch_code(kinds: Sequence[Kind]) -> list[str]:
    """`touch(row)`: the states of an attempt, for appending one that was not measured."""
    lines = [f"{', '.join(COLUMNS)} = row"]
    for kind in kinds:
        lines += [f"s{kind.number} = None", f"if {_is_known(kind)}:", *indented(_lookup_lines(kind))]
    return ["def touch(row):", *indented([*lines, f"return {_states(kinds)}"])]


def append_code(kinds: Sequence[Kind], row_kind: int) -> list[str]:
    """`append{kind}`: puts a row of this kind wherever it passes. Those of an attempt are given its states."""
    is_attempt = row_kind == ATTEMPT
    lines = [f"{', '.join(COLUMNS)} = row", *_cut_lines(kinds), *_plain_lines(kinds)]
    lines += [f"{_states(kinds)} = states"] if is_attempt else []
    for kind in kinds:
        put = [line for stream in kind.streams for line in _put_lines(kind, stream, row_kind)]
        if put and is_attempt:
            lines += [f"s = s{kind.number}", "if s is not None:", *indented(put)]
        elif put:
            lines += [f"if {_is_known(kind)}:", *indented([*_lookup_lines(kind), f"s = s{kind.number}", *put])]
    return [f"def append{row_kind}(row{', states' if is_attempt else ''}):", *indented(lines)]


def _states(kinds: Sequence[Kind]) -> str:
    return "(" + "".join(f"s{kind.number}, " for kind in kinds) + ")"


def _key(kind: Kind) -> str:
    return kind.columns[0] if len(kind.columns) == 1 else f"({', '.join(kind.columns)})"


def _is_known(kind: Kind) -> str:
    return " and ".join(f"{column} is not None" for column in kind.columns)


def _lookup_lines(kind: Kind) -> list[str]:
    state = f"s{kind.number}"
    return [
        f"{state} = H[{kind.number}].get({_key(kind)})",
        f"if {state} is None:",
        f"    {state} = fetch({kind.number}, {_key(kind)}, at)",
    ]


def _cut_lines(kinds: Iterable[Kind]) -> list[str]:
    """The row's own amounts as they count in sums."""
    streams = [stream for kind in kinds for stream in kind.streams]
    summed = dict.fromkeys(column for stream in streams for column in (*stream.summed, *stream.squared))
    return [
        f"cut_{column} = 0 if {column} is None else {column} if {column} < {VALUE_MAX} else {VALUE_MAX}"
        for column in summed
    ]


def _plain_lines(kinds: Iterable[Kind]) -> list[str]:
    """The row's own values as they stand in arrays."""
    plain = dict.fromkeys(column for kind in kinds for stream in kind.streams for column in stream.plain)
    return [f"plain_{column} = NOT_KNOWN if {column} is None else {column}" for column in plain]


# --- Measuring -------------------------------------------------------------------------------------------------------


def _measured_lines(kind: Kind) -> list[str]:
    unknown = " = ".join(f"f{each.place}" for each in kind.features)
    often = [stream for stream in kind.streams if stream.is_every_attempt]
    seldom = [stream for stream in kind.streams if not stream.is_every_attempt]
    lines = [
        *_lookup_lines(kind),
        f"s = s{kind.number}",
        "if at > s.due:",
        f"    advance{kind.number}(s, at)",
        *(line for stream in often for line in _stream_lines(kind, stream)),
    ]
    if seldom:
        lines += ["if s.has_more:"]
        for stream in seldom:
            lines += [
                f"    if s.a{stream.number}:", *indented(_stream_lines(kind, stream), 2),
                "    else:", *indented(_nothing_lines(stream), 2),
            ]  # fmt: skip
        lines += ["else:", *indented(line for stream in seldom for line in _nothing_lines(stream))]
    return [f"if {_is_known(kind)}:", *indented(lines), "else:", f"    s{kind.number} = {unknown} = None"]


def _stream_lines(kind: Kind, stream: Stream) -> list[str]:
    """The features of a stream that has rows, or may have."""
    lines = [f"size = len(s.a{stream.number})", f"if size > {stream.cap_min}:", f"    over |= {1 << kind.number}"]
    read: dict[str, str] = {}
    for each in stream.features:
        names = {}
        for part in FORMS[each.spec.aggregate].parts:
            text = _part(stream, each, part)
            # What exists only where there is a row is read only there; the rest once for all that share it.
            if part not in _NEEDS_A_ROW and text not in read:
                read[text] = f"r{len(read)}"
                lines.append(f"{read[text]} = {text}")
            names[part] = read.get(text, text)
        lines.append(f"f{each.place} = {_finalised(each.spec, names)}")
    return lines


def _nothing_lines(stream: Stream) -> list[str]:
    """The same where the key has no row in the stream."""
    lines = []
    for each in stream.features:
        names = dict.fromkeys(FORMS[each.spec.aggregate].parts, "0")
        lines.append(f"f{each.place} = {_finalised(each.spec, names)}")
    return lines


def _finalised(spec: FeatureSpec, names: dict[str, str]) -> str:
    form = FORMS[spec.aggregate]
    own = f"cut_{spec.value}" if spec.aggregate == "ratio" else spec.value
    text = re.sub(r"[a-z]+", lambda word: {**names, "own": own}.get(word[0], word[0]), form.expression)
    if form.needs:
        text = repr(spec.empty) if names[form.needs] == "0" else f"({text}) if {names[form.needs]} else {spec.empty!r}"
    if spec.aggregate in COMPARES_OWN:
        text = f"None if {spec.value} is None else {text}"
    return text


def _part(stream: Stream, each: Placed, part: str) -> str:
    """Where a part of a feature is read in the state `s`."""
    return _part_with_lag(stream, each, part) if each.lag else _part_up_to_now(stream, each, part)


def _part_up_to_now(stream: Stream, each: Placed, part: str) -> str:
    j, column, n = stream.number, each.spec.value, stream.window_number(each.window)
    low = f"s.w{j}_{n}"
    if part in ("total", "squares"):
        sums = f"s.{_SUMS[part]}{j}_{column}"
        return f"{sums}[-1] - {sums}[{low}]"
    if part == "n":
        return _known_up_to_now(stream, each)
    if part == "equal":
        stands = f"s.p{j}_{column}.get({column}, -1) >= at - {each.window}"
        return stands if each.spec.aggregate == "new" else f"s.e{j}_{column}_{n}.get({column}, 0)"
    return {
        "rows": f"size - {low}",
        "least": f"s.v{j}_{column}[s.x{j}_{column}_{n}[0] - s.o{j}_{column}]",
        "greatest": f"s.v{j}_{column}[s.y{j}_{column}_{n}[0] - s.o{j}_{column}]",
        "latest": f"s.v{j}_{column}[s.z{j}_{column} - s.o{j}_{column}]",
        "different": f"s.d{j}_{column}_{n}",
        "newest": f"s.a{j}[-1]",
        "oldest": f"s.a{j}[{low}]",
    }[part]


def _known_up_to_now(stream: Stream, each: Placed) -> str:
    """How many rows have a value, or, where that is all that is asked, whether any has."""
    j, column, n = stream.number, each.spec.value, stream.window_number(each.window)
    match each.spec.aggregate:
        case "min":
            return f"s.x{j}_{column}_{n}"
        case "max":
            return f"s.y{j}_{column}_{n}"
        case "last":
            return f"s.z{j}_{column} >= s.w{j}_{n}"
        case _:
            return _count_of_known(f"s.k{j}_{column}", "size", f"s.w{j}_{n}")


def _count_of_known(counts: str, high: str, low: str) -> str:
    return f"{high} - {low} if {counts} is None else {counts}[{high}] - {counts}[{low}]"


def _part_with_lag(stream: Stream, each: Placed, part: str) -> str:
    """Sums are as quick as without a lag; what asks for single values looks through them."""
    j, column = stream.number, each.spec.value
    low = f"s.w{j}_{stream.window_number(each.window)}"
    high = f"s.h{j}_{stream.lags.index(each.lag)}"
    known = f"known(s.v{j}_{column}[{low} - s.o{j}_{column}:{high} - s.o{j}_{column}])"
    if part in ("total", "squares"):
        sums = f"s.{_SUMS[part]}{j}_{column}"
        return f"{sums}[{high}] - {sums}[{low}]"
    if part == "n" and column in stream.counted:
        return _count_of_known(f"s.k{j}_{column}", high, low)
    return {
        "rows": f"{high} - {low}",
        "n": known,
        "least": f"min({known})",
        "greatest": f"max({known})",
        "latest": f"{known}[-1]",
        "different": f"len(set({known}))",
        "equal": f"{known}.count({column})",
        "newest": f"s.a{j}[{high} - 1]",
        "oldest": f"s.a{j}[{low}]",
    }[part]


def _share(spec: FeatureSpec, catalogue: Catalogue) -> str:
    one, other = (f"f{catalogue.place(name)}" for name in spec.of)
    return f"None if {one} is None or {other} is None else {_finalised(spec, {'one': one, 'other': other})}"


# --- Appending -------------------------------------------------------------------------------------------------------


def _put_lines(kind: Kind, stream: Stream, row_kind: int) -> list[str]:
    """Appends the row to a stream, if it passes the filter; nothing where no row of this kind does."""
    if not all(_holds(condition, row_kind) for condition in stream.where if condition.column == "kind"):
        return []
    j = stream.number
    tests = [_test(condition) for condition in stream.where if condition.column != "kind"]
    lines = [] if stream.is_every_attempt else [f"if not s.a{j}:", f"    make{kind.number}_{j}(s)"]
    lines += [
        f"a = s.a{j}",
        "i = len(a)",
        "a.append(at)",
        f"if i > {stream.too_long}:",
        "    s.is_long or call_long(s)",
        f"if s.due > at + {stream.span}:",
        f"    s.due = at + {stream.span}",
        *_put_sums_lines(stream),
        *(line for column in stream.plain for line in _put_plain_lines(stream, column)),
        *(line for column in stream.placed for line in _put_placed_lines(stream, column)),
    ]
    return lines if not tests else [f"if {' and '.join(tests)}:", *indented(lines)]


def _put_sums_lines(stream: Stream) -> list[str]:
    j = stream.number
    lines = []
    for column in stream.summed:
        lines += [f"c = s.c{j}_{column}", f"c.append(c[-1] + cut_{column})"]
    for column in stream.squared:
        lines += [f"c = s.q{j}_{column}", f"c.append(c[-1] + cut_{column} * cut_{column})"]
    for column in stream.counted:
        lines += [
            f"k = s.k{j}_{column}",
            "if k is not None:",
            f"    k.append(k[-1] + ({column} is not None))",
            f"elif {column} is None:",
            f"    s.k{j}_{column} = k = array('q', range(i + 1))",
            "    k.append(i)",
        ]
    return lines


def _put_plain_lines(stream: Stream, column: str) -> list[str]:
    j = stream.number
    lines = [f"v = s.v{j}_{column}", f"v.append(plain_{column})"]
    for name, window in stream.at_windows("same"):
        if name == column:
            lines += [
                f"e = s.e{j}_{column}_{stream.window_number(window)}",
                f"e[plain_{column}] = e.get(plain_{column}, 0) + 1",
            ]
    known = [f"s.z{j}_{column} = i"] if column in stream.latest else []
    for aggregate, slot, beats in _QUEUES:
        for name, window in stream.at_windows(aggregate):
            if name == column:
                known += [
                    f"q = s.{slot}{j}_{column}_{stream.window_number(window)}",
                    f"while q and v[q[-1] - s.o{j}_{column}] {beats} {column}:", "    q.pop()",
                    "q.append(i)",
                ]  # fmt: skip
    return lines + ([f"if {column} is not None:", *indented(known)] if known else [])


def _put_placed_lines(stream: Stream, column: str) -> list[str]:
    """A value that did not stand in a window yet is one more; a row that is its window's first begins with itself."""
    j = stream.number
    lines = [f"p = s.p{j}_{column}", f"stood = p.get({column}, -1)", f"note((p, {column}, stood))"]
    for name, window in stream.at_windows("distinct"):
        if name == column:
            n = stream.window_number(window)
            lines += [f"if stood < a[s.w{j}_{n}]:", f"    s.d{j}_{column}_{n} += 1"]
    return [f"if {column} is not None:", *indented([*lines, f"p[{column}] = at"])]


def _test(condition: Condition) -> str:
    text = f"{condition.column} {_OPERATORS[condition.operator]} {condition.operand}"
    # Equality alone is false for what is not known.
    return text if condition.operator == "eq" else f"{condition.column} is not None and {text}"


def _holds(condition: Condition, kind: int) -> bool:
    match condition.operator:
        case "eq":
            return kind == condition.operand
        case "ne":
            return kind != condition.operand
        case "ge":
            return kind >= condition.operand
        case "le":
            return kind <= condition.operand
