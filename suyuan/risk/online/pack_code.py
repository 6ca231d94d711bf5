"""The code that opens and packs the states of one kind, written from its plan; `slots` says how they lie in bytes.

Both copy arrays and hardly look at single values, so that a key with a hundred rows costs little more than one with
three. Packing leaves out what came after an instant, which is how rows are forgotten, and what nobody will ask for.
"""

from __future__ import annotations

from suyuan.risk.online.plan import Kind, Stream
from suyuan.risk.online.slots import WINDOWED, lengths_of
from suyuan.risk.online.state_code import empty_lines, indented

_BUILT = {
    "d": "different(v, w{n} - o)",
    "e": "tally(v, w{n} - o)",
    "x": "rising(v, w{n} - o, o)",
    "y": "falling(v, w{n} - o, o)",
}


def pack_code(kind: Kind) -> list[str]:
    """`open…`, `rebuild…` and `pack…` of one kind."""
    return [
        *_open_lines(kind),
        *(line for stream in kind.streams for line in _rebuild_lines(kind, stream)),
        *_pack_lines(kind),
    ]


def _open_lines(kind: Kind) -> list[str]:
    """A state from its bytes, as it is at `t`."""
    lengths = [length for stream in kind.streams for length in lengths_of(stream)]
    lines = [
        f"s = State{kind.number}()",
        "s.key = key",
        # Whoever measures next looks when something is due; whoever only appends need not know.
        "s.due = -1",
        "s.has_more = s.is_long = False",
        f"_, s.lost, {', '.join(lengths)} = HEAD{kind.number}.unpack_from(packed)",
        f"x = words_of(packed, HEAD{kind.number}.size)",
        "end = 0",
    ]
    for stream in kind.streams:
        lines += [f"if n{stream.number}:", *indented(_taken_lines(kind, stream))]
        lines += ["else:", *indented(empty_lines(stream))]
    return [f"def open{kind.number}(key, packed, t):", *indented([*lines, "return s"])]


def _taken_lines(kind: Kind, stream: Stream) -> list[str]:
    """What a stream has in the bytes, in their order."""
    j = stream.number

    def taken(length: str, expression: str) -> list[str]:
        return [f"begin, end = end, end + {length}", expression]

    lines = [] if stream.is_every_attempt else ["s.has_more = True"]
    lines += taken(f"n{j}", f"s.a{j} = x[begin:end]")
    for slot, columns in (("c", stream.summed), ("q", stream.squared)):
        for column in columns:
            lines += taken(f"n{j}", f"s.{slot}{j}_{column} = ZERO + x[begin:end]")
    for column in stream.counted:
        lines += taken(f"nk{j}_{column}", f"s.k{j}_{column} = ZERO + x[begin:end] if nk{j}_{column} else None")
    for column in stream.plain:
        lines += taken(f"nv{j}_{column}", f"s.v{j}_{column} = x[begin:end]")
        lines.append(f"s.o{j}_{column} = n{j} - nv{j}_{column}")
    for column in stream.placed:
        lines.append(f"begin, middle, end = end, end + np{j}_{column}, end + 2 * np{j}_{column}")
        lines.append(f"s.p{j}_{column} = dict(zip(x[begin:middle], x[middle:end]))")
    return [*lines, f"rebuild{kind.number}_{j}(s, t)"]


def _rebuild_lines(kind: Kind, stream: Stream) -> list[str]:
    """What is not in the bytes, because it follows from the rest and from `t`."""
    j = stream.number
    lines = [f"a = s.a{j}"]
    lines += [f"s.w{j}_{n} = w{n} = bisect_left(a, t - {window})" for n, window in enumerate(stream.windows)]
    lines += [f"s.h{j}_{n} = bisect_right(a, t - {lag})" for n, lag in enumerate(stream.lags)]
    for column in stream.plain:
        lines.append(f"v, o = s.v{j}_{column}, s.o{j}_{column}")
        lines += [f"s.z{j}_{column} = last_known(v, o)"] if column in stream.latest else []
        for aggregate, slot, _ in WINDOWED:
            numbers = [stream.window_number(window) for name, window in stream.at_windows(aggregate) if name == column]
            lines += [f"s.{slot}{j}_{column}_{n} = {_BUILT[slot].format(n=n)}" for n in numbers]
    return [f"def rebuild{kind.number}_{j}(s, t):", *indented(lines)]


def _pack_lines(kind: Kind) -> list[str]:
    """The bytes of a state, without rows that came after `last` or that nothing will ask for after it."""
    lengths = [length for stream in kind.streams for length in lengths_of(stream)]
    lines = [f"until = {' = '.join(lengths)} = 0", "body = []"]
    for stream in kind.streams:
        j, window = stream.number, stream.windows[-1]
        lines += [
            f"a = s.a{j}",
            "if a:",
            "    hi = len(a) if a[-1] <= last else bisect_right(a, last)",
            f"    lo = max(bisect_left(a, last - {window}, 0, hi), hi - {stream.keep})",
            "    if lo < hi:",
            f"        n{j} = hi - lo",
            f"        until = max(until, a[hi - 1] + {window})",
            *indented(_given_lines(stream), 2),
        ]
    lines += [
        "if not body:",
        "    return None",
        f"return b''.join((HEAD{kind.number}.pack(until, s.lost, {', '.join(lengths)}), *body))",
    ]
    return [f"def pack{kind.number}(s, last):", *indented(lines)]


def _given_lines(stream: Stream) -> list[str]:
    """What a stream gives to the bytes, in their order: its rows from `lo` to `hi`."""
    j = stream.number
    lines = ["body.append(a[lo:hi])"]
    for slot, columns in (("c", stream.summed), ("q", stream.squared)):
        lines += [f"body.append(sums_between(s.{slot}{j}_{column}, lo, hi))" for column in columns]
    for column in stream.counted:
        lines += [
            f"if s.k{j}_{column} is not None:",
            f"    nk{j}_{column} = n{j}",
            f"    body.append(sums_between(s.k{j}_{column}, lo, hi))",
        ]
    for column, window in stream.plain.items():
        lines += [
            f"o = s.o{j}_{column}",
            f"low = bisect_left(a, last - {window}, lo, hi)",
            f"nv{j}_{column} = hi - low",
            f"body.append(s.v{j}_{column}[low - o:hi - o])",
        ]
    for column, window in stream.placed.items():
        lines += [
            f"p = placed_since(s.p{j}_{column}, max(a[lo], last - {window}))",
            f"np{j}_{column} = len(p)",
            "body += (array('q', p), array('q', p.values()))",
        ]
    return lines
