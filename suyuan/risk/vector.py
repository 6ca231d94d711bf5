"""The inputs of a decision as history keeps them: whole numbers with commas between, nothing for what is missing.

Both ways are one to one: a text that `write_inputs` would not have written is refused, so equal inputs are equal bytes.

>>> write_inputs([5, None, -1, 0])
'5,,-1,0'
>>> read_inputs("5,,-1,0")
[5, None, -1, 0]
>>> read_inputs("5,+1")
Traceback (most recent call last):
    ...
suyuan.risk.vector.BadInputs: the input at place 1 is not written as a decision writes it
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_INT64 = range(-(1 << 63), 1 << 63)


class BadInputs(ValueError):
    """Raised for a text that no decision can have written."""


def write_inputs(inputs: Sequence[int | None]) -> str:
    """Inputs as text; there are at least two, so that no text is both one missing input and none."""
    return ",".join(["" if value is None else str(value) for value in inputs])


def read_inputs(text: str) -> list[int | None]:
    """The inputs of a text. Raises `BadInputs`."""
    return [_number(part, place) if part else None for place, part in enumerate(text.split(","))]


def _number(part: str, place: int) -> int:
    number = int(part) if _NUMBER.fullmatch(part) else None
    if number is None or number not in _INT64:
        raise BadInputs(f"the input at place {place} is not written as a decision writes it")
    return number
