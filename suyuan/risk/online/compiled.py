"""The code of a catalogue, compiled.

The text is written from the catalogue alone, which was checked, so nothing that anybody sends is ever executed. It is
written once for each catalogue, in some milliseconds.

>>> from suyuan.risk.catalogue import load_catalogue
>>> "def measure(row):" in code_of(load_catalogue())
True
"""

from __future__ import annotations

import math
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Protocol

from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online import kept
from suyuan.risk.online.pack_code import pack_code
from suyuan.risk.online.plan import Kind, plan_of
from suyuan.risk.online.slots import Packed, head_of
from suyuan.risk.online.state_code import state_code
from suyuan.risk.online.step_code import KINDS_OF_ROWS, append_code, measure_code, touch_code
from suyuan.risk.row import ATTEMPT, Row

LEFT_MIN = 64
"""So few rows that have left every window are not worth cutting off."""
NONE_LOST = -1
"""Of a state that misses no rows."""

Key = int | tuple[int, ...]


class State(Protocol):
    """What is kept of one key; `state_code` says what else is in it."""

    number: int  # Of its kind.
    key: Key
    lost: int
    is_long: bool


States = tuple[State | None, ...]
Placed = tuple[dict[int, int], int, int]
"""A dictionary of when values came last, a value, and when that had come before; -1 for never."""
Fetch = Callable[[int, Key, int], State]


@dataclass(frozen=True)
class Compiled:
    """The functions that a catalogue is computed with."""

    kinds: tuple[Kind, ...]
    measure: Callable[[Row], tuple[list[int | None], States, int]]  # A bit for each kind that may be saturated.
    touch: Callable[[Row], States]
    append_attempt: Callable[[Row, States], None]
    append: dict[int, Callable[[Row], None]]  # By the kind of row, of those that are no attempts.
    make: tuple[Callable[[Key], State], ...]
    open: tuple[Callable[[Key, Packed, int], State], ...]
    pack: tuple[Callable[[State, int], bytes | None], ...]
    heads: tuple[struct.Struct, ...]


def compile_catalogue(
    catalogue: Catalogue,
    open_states: list[dict[Key, State]],
    *,
    fetch: Fetch,
    call_long: Callable[[State], None],
    note: Callable[[Placed], None],
) -> Compiled:
    """The functions. For each kind `open_states` has those that are ready; it stays the same list for ever.

    `fetch` finds or makes one that is not among them; `call_long` is told of one that has grown too long; `note` is
    told what stood in a dictionary before something was placed there.
    """
    kinds, code = _prepared(catalogue)
    heads = tuple(head_of(kind) for kind in kinds)
    names: dict[str, Any] = {
        **{name: getattr(kept, name) for name in _CALLED},
        "array": array, "bisect_left": bisect_left, "bisect_right": bisect_right, "deque": deque, "isqrt": math.isqrt,
        "LEFT_MIN": LEFT_MIN, "NONE_LOST": NONE_LOST, "H": open_states,
        "fetch": fetch, "call_long": call_long, "note": note,
        **{f"HEAD{number}": head for number, head in enumerate(heads)},
    }  # fmt: skip
    exec(code, names)  # noqa: S102 - written from a checked catalogue by `code_of`
    numbers = range(len(kinds))
    for number in numbers:
        names[f"State{number}"].number = number
    return Compiled(
        kinds=kinds, measure=names["measure"], touch=names["touch"],
        append_attempt=names[f"append{ATTEMPT}"],
        append={kind: names[f"append{kind}"] for kind in KINDS_OF_ROWS if kind != ATTEMPT},
        make=tuple(names[f"new{number}"] for number in numbers),
        open=tuple(names[f"open{number}"] for number in numbers),
        pack=tuple(names[f"pack{number}"] for number in numbers),
        heads=heads,
    )  # fmt: skip


def code_of(catalogue: Catalogue) -> str:
    """The text that is compiled, for whoever wants to read it."""
    kinds = plan_of(catalogue)
    lines = [line for kind in kinds for line in (*state_code(kind), *pack_code(kind))]
    lines += measure_code(catalogue, kinds) + touch_code(kinds)
    lines += [line for kind in KINDS_OF_ROWS for line in append_code(kinds, kind)]
    return "\n".join(lines) + "\n"


_CALLED = (
    "NEVER", "NOT_KNOWN", "ZERO", "known", "last_known", "different", "tally", "take_away", "rising", "falling",
    "placed_since", "sums_between", "words_of",
)  # fmt: skip


@lru_cache(maxsize=8)
def _prepared(catalogue: Catalogue) -> tuple[tuple[Kind, ...], CodeType]:
    """Remembered, because a test makes many windows of one catalogue."""
    return plan_of(catalogue), compile(code_of(catalogue), "<catalogue>", "exec")
