"""What is kept of one key, and how it lies in bytes.

Of stream `j` a state has, in arrays with the oldest row first:

| slot | holds |
|---|---|
| `a{j}` | the instants |
| `c…`, `q{j}_{column}` | running sums of the values and of their squares; one longer than `a` |
| `k{j}_{column}` | running counts of the values that are known, or `None` while all are |
| `v{j}_{column}` | the values as they came, `NOT_KNOWN` for none; only where single values are asked for |
| `o{j}_{column}` | how many of the oldest rows have no value in `v`, because nobody asks so far back |
| `w{j}_{n}` | for the n-th window, the first row in it |
| `h{j}_{n}` | for the n-th lag, the first row still too young |
| `p{j}_{column}` | when each value came last, which serves `new` and `distinct` of all windows |
| `d{j}_{column}_{n}` | how many different values stand in the n-th window |
| `e{j}_{column}_{n}` | how often each value stands in it |
| `x…`, `y{j}_{column}_{n}` | rows in it that may become the smallest or largest, a monotone queue |
| `z{j}_{column}` | the newest row that has a value |

A sum over any stretch is one subtraction, and to forget rows is to cut arrays; only `p` cannot be cut, so what it said
before is noted until it is settled (`undo`). For all streams there is `due`: up to this instant nothing leaves a window
and nothing comes of age by itself.

Packed, a state is `until`, `lost` (64 bits each) and the lengths that `lengths_of` names (32 bits each), then of each
stream that has rows `a`, then of each column `c`, `q`, `k` without their first, `v`, and the values and instants of
`p`, 64 bits each, all little-endian. `until` is the instant after which the key matters no more; rows up to `lost` may
be missing. What has left its window is not packed.
"""

from __future__ import annotations

import struct

from suyuan.risk.features import Aggregate
from suyuan.risk.online.plan import Kind, Stream

Packed = bytes | memoryview

_UNTIL = struct.Struct("<q")

# Slot of what is kept for a column and a window, and what is there at the beginning.
WINDOWED: tuple[tuple[Aggregate, str, str], ...] = (
    ("distinct", "d", "0"),
    ("same", "e", "{}"),
    ("min", "x", "deque()"),
    ("max", "y", "deque()"),
)


def slots_of(stream: Stream) -> dict[str, str]:
    """The slots of a stream, and what they hold when it is empty."""
    j = stream.number
    return {
        f"a{j}": "array('q')",
        **{f"c{j}_{column}": "array('q', ZERO)" for column in stream.summed},
        **{f"q{j}_{column}": "array('q', ZERO)" for column in stream.squared},
        **{f"k{j}_{column}": "None" for column in stream.counted},
        **{f"v{j}_{column}": "array('q')" for column in stream.plain},
        **{f"o{j}_{column}": "0" for column in stream.plain},
        **{f"w{j}_{n}": "0" for n in range(len(stream.windows))},
        **{f"h{j}_{n}": "0" for n in range(len(stream.lags))},
        **{f"p{j}_{column}": "{}" for column in stream.placed},
        **{
            f"{slot}{j}_{column}_{stream.window_number(window)}": beginning
            for aggregate, slot, beginning in WINDOWED
            for column, window in stream.at_windows(aggregate)
        },
        **{f"z{j}_{column}": "-1" for column in stream.latest},
    }


def lengths_of(stream: Stream) -> list[str]:
    """The lengths that say how a stream lies in bytes, by the names that code gives them."""
    j = stream.number
    return [
        f"n{j}",
        *(f"nk{j}_{column}" for column in stream.counted),
        *(f"nv{j}_{column}" for column in stream.plain),
        *(f"np{j}_{column}" for column in stream.placed),
    ]


def head_of(kind: Kind) -> struct.Struct:
    """What a packed state begins with."""
    return struct.Struct(f"<qq{sum(len(lengths_of(stream)) for stream in kind.streams)}I")


def until_of(packed: Packed) -> int:
    """The instant after which the key matters no more."""
    until: int = _UNTIL.unpack_from(packed)[0]
    return until
