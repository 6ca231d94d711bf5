"""Rings: sellers that hang together by shared devices, payees, persons or numbers; three facts for each member.

A value of `SHARED` that two sellers have both had links them, and whoever is linked, over however many steps, is in one
ring. A network prefix links nobody: an office or a carrier's gateway is no conspiracy. A value that more than `HUB_MAX`
sellers have had links nobody either: a shop's tablet would make one ring of everybody, and features such as
`device_sellers_24h` say plainly what such a value is. A seller who shares nothing is in no ring.

| fact | what |
|---|---|
| ring_size | how many sellers are in the ring, 2 or more |
| ring_bad | outcomes that turned out bad, of all of them together |
| ring_density | pairs of members that share a value themselves, per thousand pairs |

A graph is made from the rows of the `WINDOW_S` up to `as_of`, and from nothing that came later, so a decision can name
the graph that it saw by its digest, and everybody can make the same graph again. It is bounded: where there are more
than `MEMBERS_MAX` members, rings with the most bad outcomes stay, then the largest.

>>> rows = [Row(1, 10, REGISTERED, seller=1, payee=70), Row(2, 20, REGISTERED, seller=2, payee=70)]
>>> rows += [Row(3, 30, ATTEMPT, seller=2, device=8), Row(4, 40, ATTEMPT, seller=3, device=8)]
>>> rows += [Row(5, 50, BAD, seller=3)]
>>> find_rings(rows, as_of=50).members[1]
Ring(size=3, bad=1, density=666)
>>> find_rings(rows, as_of=30).members[1], find_rings(rows, as_of=9).members
(Ring(size=2, bad=0, density=1000), {})
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from suyuan.base.clock import DAY_S, SECOND
from suyuan.base.wire import canonical, digest
from suyuan.risk.row import ATTEMPT, BAD, BOUND, REGISTERED, Row

SHARED = ("device", "payee", "identity", "number")
WINDOW_S = 90 * DAY_S
HUB_MAX = 20
MEMBERS_MAX = 20_000
_LINKING = frozenset({ATTEMPT, REGISTERED, BOUND})


class Ring(NamedTuple):
    """What is known of a seller's ring."""

    size: int
    bad: int
    density: int


@dataclass(frozen=True)
class Graph:
    """The rings of one instant: for each member, by the number of its name, its ring."""

    as_of: int
    members: Mapping[int, Ring]

    @cached_property
    def digest(self) -> str:
        """What the graph is known by, in hexadecimal."""
        # Names have 63 bits, more than canonical JSON holds as a number.
        told = [[str(seller), *ring] for seller, ring in sorted(self.members.items())]
        return digest(canonical({"as_of": self.as_of, "members": told})).hex()

    def facts_of(self, seller: int | None) -> tuple[int | None, int | None, int | None]:
        """Size, bad outcomes and density of a seller's ring; nothing outside any."""
        ring = None if seller is None else self.members.get(seller)
        return (None, None, None) if ring is None else (ring.size, ring.bad, ring.density)


def find_rings(rows: Iterable[Row], *, as_of: int, members_max: int = MEMBERS_MAX) -> Graph:
    """The rings among rows, which may come in any order; those outside the window count nothing."""
    sellers_of: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    bad: Counter[int] = Counter()
    for row in rows:
        if row.seller is None or not as_of - WINDOW_S * SECOND <= row.at <= as_of:
            continue
        if row.kind == BAD:
            bad[row.seller] += 1
        elif row.kind in _LINKING:
            _share(sellers_of, row, row.seller)
    linked = list(_links(sellers_of))
    rings = [_Found(members, sum(bad[seller] for seller in members)) for members in _joined(linked)]
    return Graph(as_of, dict(_kept(rings, _pairs_by_seller(linked), members_max)))


class _Found(NamedTuple):
    members: list[int]
    bad: int


def _share(sellers_of: defaultdict[tuple[str, int], set[int]], row: Row, seller: int) -> None:
    for name in SHARED:
        value: int | None = getattr(row, name)
        if value is None:
            continue
        sellers = sellers_of[name, value]
        # One more than a hub's bound says all that is asked, so a value of everybody's takes no more room.
        if len(sellers) <= HUB_MAX:
            sellers.add(seller)


def _links(sellers_of: Mapping[tuple[str, int], set[int]]) -> Iterator[list[int]]:
    """The sellers of each value that links some."""
    for sellers in sellers_of.values():
        if 2 <= len(sellers) <= HUB_MAX:
            yield sorted(sellers)


def _joined(linked: Iterable[list[int]]) -> Iterator[list[int]]:
    """The rings, each in order: union by size, with every path halved on the way."""
    parent: dict[int, int] = {}
    size: dict[int, int] = {}

    def root_of(seller: int) -> int:
        while parent[seller] != seller:
            parent[seller] = seller = parent[parent[seller]]
        return seller

    for sellers in linked:
        for seller in sellers:
            parent.setdefault(seller, seller)
            size.setdefault(seller, 1)
            one, other = sorted((root_of(sellers[0]), root_of(seller)), key=lambda root: size[root])
            if one != other:
                parent[one] = other
                size[other] += size[one]
    rings: defaultdict[int, list[int]] = defaultdict(list)
    for seller in sorted(parent):
        rings[root_of(seller)].append(seller)
    yield from rings.values()


def _pairs_by_seller(linked: Iterable[list[int]]) -> Counter[int]:
    """For each seller, with how many later ones (by number) it shares a value itself."""
    pairs = {pair for sellers in linked for pair in combinations(sellers, 2)}
    return Counter(first for first, _ in pairs)


def _kept(rings: list[_Found], pairs: Counter[int], members_max: int) -> Iterator[tuple[int, Ring]]:
    """Members and their rings, the worst rings first, as many as there may be."""
    left = members_max
    for found in sorted(rings, key=lambda ring: (-ring.bad, -len(ring.members), ring.members[0])):
        size = len(found.members)
        shared = sum(pairs[seller] for seller in found.members)
        ring = Ring(size, found.bad, 1_000 * shared // (size * (size - 1) // 2))
        # A ring that is larger than what is left is told of in part, with its whole size.
        yield from ((seller, ring) for seller in found.members[:left])
        left -= min(left, size)
