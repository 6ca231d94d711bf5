"""What a feature is: data that every executor reads the same way.

A feature says over which rows it looks: those whose `key` columns equal those of the present attempt, that pass its
`where`, and whose instant lies in `[t - window, t - lag]`, both ends included, where `t` is the instant of the attempt
and the lag is at least one micro. So the attempt itself never counts, nor does anything that came later.

Executors compute whole numbers alone, and `finalise` makes a feature of them: a whole number too, or `None`.

| aggregate | over the rows in the window | nothing there |
|---|---|---|
| count | how many | 0 |
| sum, sum_squares | of `value`; amounts are cut at `VALUE_MAX`; rows without a value count nothing | 0 |
| min, max, last | of `value`, by size or by instant; rows without a value are passed over | `empty` |
| mean | sum // n, n being how many have a value | `empty` |
| spread | of their variance: isqrt(n * sum_squares - sum * sum) // n | `empty` |
| distinct | how many different values | 0 |
| gap | seconds since the newest row | `empty` |
| age | seconds since the oldest row in the window | `empty` |
| new | 1 where the attempt's own `value` stands in none of the rows, else 0 | 1 |
| same | how many rows have the attempt's own `value` | 0 |
| ratio | the attempt's own `value` in percent of their mean: 100 * value * n // sum | `empty`, also where sum is 0 |
| share | 1000 * one feature // another (`of`), both of this attempt | `empty`, also where the second is 0 |

Where a part of the key is not known the feature is `None`, whatever it counts; so are `new`, `same` and `ratio` where
the attempt has no such value. A feature is *saturated* where more than `cap` rows with its key pass its `where` in
`[t - window, t - 1]`: a count then says `cap`, anything else is `None`, and the decision names the feature. So memory
is bounded, and the rule is the same in every executor.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Aggregate = Literal[
    "count", "sum", "sum_squares", "min", "max", "last", "mean", "spread", "distinct", "gap", "age", "new", "same",
    "ratio", "share",
]  # fmt: skip
Operator = Literal["eq", "ne", "ge", "le"]

VALUE_MAX = 1 << 20
"""Amounts above 10,485.76 yuan count as that much in sums, so that no sum of squares leaves 64 bits."""
CAP = 2_048
WINDOW_S_MAX = 90 * 86_400


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A column compared with a whole number; what is not known never passes."""

    column: str
    operator: Operator
    operand: int


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One feature."""

    name: str
    zh: str
    en: str
    aggregate: Aggregate
    key: tuple[str, ...] = ()
    value: str = ""
    window_s: int = 0
    lag_s: int = 0  # 0 is one micro.
    where: tuple[Condition, ...] = ()
    of: tuple[str, ...] = ()
    empty: int | None = None
    cap: int = CAP
