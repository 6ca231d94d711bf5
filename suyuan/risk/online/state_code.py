"""The code of one kind's states, written from its plan: made, and moved on. `slots` says what is in them."""

from __future__ import annotations

from collections.abc import Iterable

from suyuan.risk.features import Aggregate
from suyuan.risk.online.plan import Kind, Stream
from suyuan.risk.online.slots import slots_of

_QUEUES: tuple[tuple[Aggregate, str], ...] = (("min", "x"), ("max", "y"))


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """The lines, further in."""
    return ["    " * levels + line for line in lines]


def state_code(kind: Kind) -> list[str]:
    """`State…`, `new…`, `make…` and `advance…` of one kind."""
    return [
        *_class_lines(kind),
        *_new_lines(kind),
        *(line for stream in kind.streams for line in _make_lines(kind, stream)),
        *_advance_lines(kind),
    ]


def empty_lines(stream: Stream) -> list[str]:
    """Streams of events that are rare are made when one comes; until then a key that has none pays nothing."""
    if not stream.is_every_attempt:
        return [f"s.a{stream.number} = ()"]
    return [f"s.{slot} = {empty}" for slot, empty in slots_of(stream).items()]


def _class_lines(kind: Kind) -> list[str]:
    slots = ["key", "due", "lost", "has_more", "is_long", *(name for each in kind.streams for name in slots_of(each))]
    return [f"class State{kind.number}:", f"    __slots__ = {tuple(slots)!r}"]


def _new_lines(kind: Kind) -> list[str]:
    lines = [
        f"s = State{kind.number}()", "s.key = key", "s.due = NEVER", "s.lost = NONE_LOST",
        "s.has_more = s.is_long = False",
        *(line for stream in kind.streams for line in empty_lines(stream)),
    ]  # fmt: skip
    return [f"def new{kind.number}(key):", *indented([*lines, "return s"])]


def _make_lines(kind: Kind, stream: Stream) -> list[str]:
    lines = [f"s.{slot} = {empty}" for slot, empty in slots_of(stream).items()]
    return [f"def make{kind.number}_{stream.number}(s):", *indented(["s.has_more = True", *lines])]


def _advance_lines(kind: Kind) -> list[str]:
    """Moves every cursor to `t`, and says when the next has to move."""
    lines = ["due = NEVER"]
    seldom = []
    for stream in kind.streams:
        moved = ["n = len(a)", *_cursor_lines(stream), *_lag_lines(stream), *_long_lines()]
        if stream.is_every_attempt:
            lines += [f"a = s.a{stream.number}", *moved]
        else:
            seldom += [f"a = s.a{stream.number}", "if a:", *indented(moved)]
    if seldom:
        lines += ["if s.has_more:", *indented(seldom)]
    return [f"def advance{kind.number}(s, t):", *indented([*lines, "s.due = due"])]


def _cursor_lines(stream: Stream) -> list[str]:
    lines = []
    for n, window in enumerate(stream.windows):
        slot = f"s.w{stream.number}_{n}"
        lines += [
            f"lo = {slot}",
            "if lo < n:",
            f"    if a[lo] < t - {window}:",
            f"        upto = bisect_left(a, t - {window}, lo + 1)",
            *indented(_leave_lines(stream, n, window), 2),
            f"        {slot} = lo = upto",
            f"    if lo < n and a[lo] + {window} < due:",
            f"        due = a[lo] + {window}",
        ]
    return lines


def _leave_lines(stream: Stream, n: int, window: int) -> list[str]:
    """What the rows from `lo` to `upto` take with them when they leave a window."""
    j = stream.number
    lines = []
    for column, of in stream.at_windows("distinct"):
        if of == window:
            lines += [
                f"v, o, p = s.v{j}_{column}, s.o{j}_{column}, s.p{j}_{column}",
                "for i in range(lo, upto):",
                "    if p.get(v[i - o]) == a[i]:",
                f"        s.d{j}_{column}_{n} -= 1",
            ]
    for column, of in stream.at_windows("same"):
        if of == window:
            lines += [f"o = s.o{j}_{column}", f"take_away(s.e{j}_{column}_{n}, s.v{j}_{column}[lo - o:upto - o])"]
    for aggregate, slot in _QUEUES:
        for column, of in stream.at_windows(aggregate):
            if of == window:
                lines += [f"q = s.{slot}{j}_{column}_{n}", "while q and q[0] < upto:", "    q.popleft()"]
    return lines


def _lag_lines(stream: Stream) -> list[str]:
    lines = []
    for n, lag in enumerate(stream.lags):
        slot = f"s.h{stream.number}_{n}"
        lines += [
            f"hi = {slot}",
            "if hi < n:",
            f"    if a[hi] <= t - {lag}:",
            f"        {slot} = hi = bisect_right(a, t - {lag}, hi + 1)",
            f"    if hi < n and a[hi] + {lag - 1} < due:",
            f"        due = a[hi] + {lag - 1}",
        ]
    return lines


def _long_lines() -> list[str]:
    """Where most rows of the longest window have left it, somebody should cut them off."""
    return ["if lo > LEFT_MIN and lo + lo > n:", "    s.is_long or call_long(s)"]
