"""History as risk sees it: one flat row of whole numbers for each attempt to redeem and for whatever teaches about it.

A row tells what happened (`kind`), when (`at`, the instant of its event, strictly increasing), to whom (a column for
each key) and how much. Names become numbers by `id64`, so that every executor compares the same integers; what is not
known is `None`. All features are computed over rows, online as in a backtest, so both read history by `row_of` alone.

| kind | told by | says |
|---|---|---|
| ATTEMPT | `decision_made`; `redemption_refused` where nothing was decided | somebody asked; `taken` is 1 if it was |
| BAD | `source_rejected`, `source_reversed`, `review_decided` | an attempt, whose keys it has, was not what it seemed |
| REGISTERED | `seller_registered` | a person began to sell |
| BOUND | `device_bound` | a device was enrolled |
| STEPPED_UP | `tier_raised` | a face check was passed |
| FORGED | `strangers_counted` | so many requests in the name of a key proved nothing; `times` counts them |

>>> id64("10.0.0.0/24") == id64("10.0.0.0/24"), 0 <= id64("slr_1") < 2**63
(True, True)
>>> id64("") is None
True
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

ATTEMPT, BAD, REGISTERED, BOUND, STEPPED_UP, FORGED = range(1, 7)

KEYS = (
    "seller", "identity", "device", "prefix", "number", "batch", "payee", "merchant", "contract", "agent", "partner",
    "key", "operator", "card",
)  # fmt: skip
"""The columns that name somebody or something; a feature may be about any of them, or about a pair."""

AMOUNTS = ("face_fen", "paid", "ratio_bp", "hour", "taken", "reason", "times")
"""The columns that say how much or how; a feature may sum, compare or filter by any of these and by the keys."""

COLUMNS = ("seq", "at", "kind", *KEYS, *AMOUNTS)
REMEMBERED_NAMES = 65_536


class Row(NamedTuple):
    """One row; `None` is what is not known. `at` is in micros, `ratio_bp` is paid / face in hundredths of a percent."""

    seq: int
    at: int
    kind: int
    seller: int | None = None
    identity: int | None = None
    device: int | None = None
    prefix: int | None = None
    number: int | None = None
    batch: int | None = None
    payee: int | None = None
    merchant: int | None = None
    contract: int | None = None
    agent: int | None = None
    partner: int | None = None
    key: int | None = None
    operator: int | None = None
    card: int | None = None
    face_fen: int | None = None
    paid: int | None = None
    ratio_bp: int | None = None
    hour: int | None = None
    taken: int | None = None
    reason: int | None = None
    times: int | None = None


@lru_cache(REMEMBERED_NAMES)
def id64(name: str | None) -> int | None:
    """A name as a whole number of 63 bits, the same on every machine; no name is `None`."""
    if not name:
        return None
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1
