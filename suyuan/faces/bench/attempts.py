"""A stream of rows to measure features over, the same for the same seed: days of trade, and everything that goes wrong.

Sellers differ in diligence as words differ in frequency (Zipf), so some keys have hundreds of rows a day and most have
one; a few batches, agents and merchants are behind most of the trade, so that windows fill over their caps. Nights are
slow, attackers come within microseconds, the platform stands still for days. What turned out bad is told hours to weeks
later. Every kind of key is missing somewhere. And now and then a row comes back exactly one window later, a micro too
early or a micro too late, because that is where executors differ.

>>> from itertools import pairwise
>>> rows = list(attempts(2_000, seed=7))
>>> rows == list(attempts(2_000, seed=7)), all(one.at < other.at for one, other in pairwise(rows))
(True, True)
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import NamedTuple

from suyuan.base.clock import DAY_S, SECOND
from suyuan.risk.reading import hour_of, ratio_bp
from suyuan.risk.row import ATTEMPT, BAD, BOUND, FORGED, REGISTERED, STEPPED_UP, Row, id64

BEGIN = 1_700_000_000 * SECOND
WINDOWS_S = (600, 3_600, DAY_S, 7 * DAY_S, 30 * DAY_S)
"""The windows of the catalogue's features, at whose edges rows come back."""

FACES_FEN = (10_00, 30_00, 50_00, 100_00, 100_00, 500_00, 20_000_00)
KINDS = (ATTEMPT, REGISTERED, BOUND, STEPPED_UP, FORGED)
SHARES = (94, 2, 2, 1, 1)
FARM_DEVICES = 40


class Trade(NamedTuple):
    """How large a platform is. `gap_s` is how long it waits for the next row by day, on average."""

    sellers: int
    gap_s: float
    prefixes: int
    batches: int
    merchants: int = 60
    contracts: int = 25
    agents: int = 80
    partners: int = 12
    keys: int = 30


SMALL = Trade(sellers=20_000, gap_s=20, prefixes=2_000, batches=400)
"""Four thousand attempts a day: a hundred thousand rows are a month of it."""

LARGE = Trade(sellers=100_000, gap_s=0.2, prefixes=20_000, batches=4_000, merchants=200, contracts=60, agents=400)
"""Three hundred thousand a day: ten million rows are a month of it."""


def attempts(count: int, *, seed: int, trade: Trade = SMALL) -> Iterator[Row]:
    """So many rows of history."""
    stream = _Stream(random.Random(seed), trade)  # noqa: S311 - traffic for a measurement, and the same each time
    for seq in range(count):
        yield stream.row(seq)


class _Stream:
    """What comes next, and what earlier rows have set going."""

    def __init__(self, chance: random.Random, trade: Trade) -> None:
        self._chance = chance
        self._trade = trade
        self._at = BEGIN
        self._burst = 0
        self._due: list[tuple[int, int, Row]] = []  # When, after which row, and what comes then.

    def row(self, seq: int) -> Row:
        ordinary = self._at + self._gap()
        if self._due and self._due[0][0] <= ordinary:
            due, _, told = heapq.heappop(self._due)
            self._at = max(due, self._at + 1)
            return self._placed(told, seq)
        self._at = ordinary
        row = self._placed(self._fresh(), seq)
        self._set_going(row)
        return row

    def _placed(self, row: Row, seq: int) -> Row:
        return row._replace(seq=seq, at=self._at, hour=hour_of(self._at))

    def _gap(self) -> int:
        chance = self._chance
        if self._burst:
            self._burst -= 1
            return chance.choice((1, 1, 2, 50_000))
        if chance.random() < 0.004:
            self._burst = chance.randrange(5, 60)
        if chance.random() * self._trade.sellers < 0.4:
            return 3 * DAY_S * SECOND
        pace = 5 if hour_of(self._at) < 7 else 1
        return 1 + int(chance.expovariate(1) * self._trade.gap_s * pace * SECOND)

    def _fresh(self) -> Row:
        chance, trade = self._chance, self._trade
        kind = chance.choices(KINDS, SHARES)[0]
        seller = self._rank(trade.sellers)
        device = chance.randrange(FARM_DEVICES) if chance.random() < 0.05 else FARM_DEVICES + seller
        person = {
            "seller": self._name("seller", seller),
            "identity": self._name("identity", seller - seller % 2, missing=0.02),
            "device": self._name("device", device, missing=0.3),
            "number": self._name("number", seller, missing=0.02),
            "payee": self._name("payee", seller - seller % 3, missing=0.02),
            "partner": self._name("partner", seller % trade.partners),
            "key": self._name("key", seller % trade.keys),
        }
        if kind == FORGED:
            return Row(0, 0, kind, key=person["key"], prefix=self._prefix(seller), times=chance.randrange(1, 200))
        return Row(0, 0, kind, **person) if kind != ATTEMPT else self._attempt(person, seller)

    def _attempt(self, person: dict[str, int | None], seller: int) -> Row:
        chance, trade = self._chance, self._trade
        face_fen = chance.choice(FACES_FEN)
        paid = face_fen * (7_000 + 50 * chance.randrange(40)) // 10_000
        refused = chance.random() < 0.08
        return Row(
            0, 0, ATTEMPT, **person,
            prefix=self._prefix(seller),
            batch=self._name("batch", self._rank(trade.batches), missing=0.2),
            merchant=self._name("merchant", self._rank(trade.merchants)),
            contract=self._name("contract", seller % trade.contracts),
            agent=self._name("agent", self._rank(trade.agents), missing=0.4),
            operator=self._name("operator", chance.randrange(3)),
            card=chance.getrandbits(63),
            face_fen=face_fen, paid=paid, ratio_bp=None if chance.random() < 0.02 else ratio_bp(paid, face_fen),
            taken=int(not refused), reason=id64("card_secret_is_wrong") if refused else None,
        )  # fmt: skip

    def _set_going(self, row: Row) -> None:
        chance = self._chance
        if row.kind == ATTEMPT and chance.random() < 0.03:
            late = row.at + int(chance.expovariate(1) * 4 * DAY_S * SECOND)
            heapq.heappush(self._due, (late, row.seq, row._replace(kind=BAD)))
        if chance.random() < 0.02:
            edge = row.at + chance.choice(WINDOWS_S) * SECOND + chance.choice((-1, 0, 1))
            heapq.heappush(self._due, (edge, row.seq, row))

    def _rank(self, count: int) -> int:
        """A place in a list of so many: the first is as frequent as all from the n-th to the 2 n-th together."""
        return int((count + 1) ** self._chance.random()) - 1

    def _prefix(self, seller: int) -> int | None:
        at_home = self._chance.random() < 0.8
        prefixes = self._trade.prefixes
        return self._name("prefix", seller % prefixes if at_home else self._rank(prefixes), missing=0.03)

    def _name(self, sort: str, number: int, *, missing: float = 0.0) -> int | None:
        return None if missing and self._chance.random() < missing else id64(f"{sort} {number}")
