"""Where and when: networks by their prefixes, and hours of the day.

A carrier's gateway stands before very many people, a home network before a few, an office before a company. Residential
proxies are homes of honest people, so whoever rents one stands in good company; a data centre's prefix is shared by
those who hide, honest or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from suyuan.base.clock import SECOND, shanghai_midnight
from suyuan.risk.row import id64

BEGIN = shanghai_midnight("2026-03-02")
HOUR_S = 3_600
CARRIER_GATEWAYS, HOMES, OFFICES, HOTELS, DATA_CENTRES = 160, 4_500, 220, 300, 140

RHYTHM = (2, 1, 1, 1, 1, 2, 6, 14, 24, 32, 36, 38, 44, 40, 34, 34, 36, 40, 46, 54, 58, 50, 30, 10)
"""How many honest sales fall into each hour of the day."""
NIGHT = (30, 40, 40, 40, 30, 14, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 6, 16)
SHOP_HOURS = (0, 0, 0, 0, 0, 0, 0, 4, 20, 40, 50, 50, 36, 36, 44, 48, 48, 46, 40, 36, 24, 8, 0, 0)
ALL_DAY = (3,) * 7 + (4,) * 17


@dataclass(frozen=True, slots=True)
class Networks:
    """All prefixes from which anybody knocks."""

    gateways: tuple[int, ...]
    homes: tuple[int, ...]
    offices: tuple[int, ...]
    hotels: tuple[int, ...]
    data_centres: tuple[int, ...]


def chance_of(seed: int, *whose: str) -> Random:
    """A source of chance of one's own, so that nobody's draws depend on who else takes part."""
    return Random("/".join((str(seed), *whose)))  # noqa: S311 - a market must be repeatable; nothing in it is a secret


def lay_networks() -> Networks:
    """The networks of the market; their names are the same in each world."""

    def prefixes(kind: str, count: int) -> tuple[int, ...]:
        return tuple(id64(f"market/prefix/{kind}/{n}") or 0 for n in range(count))

    return Networks(
        prefixes("gateway", CARRIER_GATEWAYS),
        prefixes("home", HOMES),
        prefixes("office", OFFICES),
        prefixes("hotel", HOTELS),
        prefixes("data_centre", DATA_CENTRES),
    )


def instant_of(day: int, second: float) -> int:
    """The instant `second` seconds into day `day` of the market."""
    return BEGIN + round((day * 86_400 + second) * SECOND)


def draw_second(rng: Random, hours: tuple[int, ...]) -> float:
    """A second of the day, by how busy its hours are."""
    return rng.choices(range(24), hours)[0] * HOUR_S + rng.random() * HOUR_S


def hour_of(at: int) -> int:
    """The hour of the day in Shanghai."""
    return (at // SECOND + 8 * HOUR_S) // HOUR_S % 24
