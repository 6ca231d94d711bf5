"""Makes the plan of a day: a pure function of a seed and the number of redemptions.

About a third of the redemptions belong to attacks, every attack at least once if there is room for it; the others are
honest sellers with their mistakes – a PIN typed wrongly, a limit reached, a balance that is short.

>>> plan = make_plan(seed=1, redemptions=400)
>>> len(plan.sales), plan == make_plan(seed=1, redemptions=400), plan == make_plan(seed=2, redemptions=400)
(400, True, False)
"""

from __future__ import annotations

from dataclasses import replace

from suyuan.faces.simulate import attacks
from suyuan.faces.simulate.cast import (
    BLUE,
    BLUE_BALANCE,
    BLUE_CARD,
    BLUE_HELD,
    MALL,
    MALL_COUPON,
    MALL_POINTS,
    WEST,
    WEST_CARD,
)
from suyuan.faces.simulate.deeds import Plan, SimBalance, Source
from suyuan.faces.simulate.scribe import Scribe
from suyuan.settle.card import load_formats

ATTACK_SHARE_PERCENT = 35
SALES_PER_SELLER_MAX = 12
# No honest seller comes near a limit, but for those who are meant to; so a card that the operator rejects late, and
# gives the limit back when it will, decides nothing about the next sale.
SELLER_FEN_MAX = 1_500_00
DEVICE_FEN_MAX = 400_00
BIG_SELLER_SALES = 22
BIG_SELLER_PER = 600
FARM_BUDGET = 10 * attacks.FARM_SALES

_CONTRACTS = {
    BLUE: ((BLUE_CARD, 6), (BLUE_HELD, 2), (BLUE_BALANCE, 2)),
    MALL: ((MALL_COUPON, 3), (MALL_POINTS, 2)),
    WEST: ((WEST_CARD, 1),),
}
_PARTNERS, _WEIGHTS = (BLUE, MALL, WEST), (6, 3, 1)


def make_plan(seed: int, redemptions: int, *, day: str = "2026-11-22") -> Plan:
    """The plan of one day. The same seed, number and card formats give the same plan, to the byte."""
    scribe = Scribe(seed, redemptions, load_formats(day))
    _write_attacks(scribe, redemptions * ATTACK_SHARE_PERCENT // 100)
    for _ in range(redemptions // BIG_SELLER_PER):
        _write_big_seller(scribe)
    while scribe.sales < redemptions:
        _write_day_of_a_seller(scribe, redemptions - scribe.sales)
    return scribe.plan()


def _write_attacks(scribe: Scribe, budget: int) -> None:
    """Whole rounds of all attacks, and of the last round what fits."""
    if budget >= FARM_BUDGET:
        attacks.splitting_over_a_network(scribe, scribe.time_of_day())
    wrote = True
    while wrote:
        wrote = False
        for cost, write in attacks.ROUND:
            if cost and scribe.sales + cost > budget:
                continue
            if cost or wrote:
                write(scribe, scribe.time_of_day())
            wrote = wrote or cost > 0


def _write_big_seller(scribe: Scribe) -> None:
    """Sells until a face check is asked for, passes it, and sells on until the day's limit is really reached."""
    seller, at_s = scribe.seller(), scribe.time_of_day()
    after: int | None = None
    for turn in range(BIG_SELLER_SALES):
        if turn == BIG_SELLER_SALES // 2:
            after = scribe.step_up(at_s, seller, after=after).n
        after = scribe.sell(at_s, seller, BLUE_CARD, scribe.card(500_00), after=after, variant="big_seller").n


def _write_day_of_a_seller(scribe: Scribe, room: int) -> None:
    partner = scribe.rng.choices(_PARTNERS, _WEIGHTS)[0]
    has_device = partner != MALL and scribe.rng.random() < 0.15
    seller = scribe.seller(partner, has_device=has_device)
    sales = min(room, SALES_PER_SELLER_MAX, 1 + int(scribe.rng.expovariate(1 / 7)))
    left_fen = DEVICE_FEN_MAX if has_device else SELLER_FEN_MAX
    for at_s in sorted(scribe.time_of_day() for _ in range(sales)):
        left_fen -= _write_honest_sale(scribe, at_s, seller, left_fen)


def _write_honest_sale(scribe: Scribe, at_s: int, seller: int, left_fen: int) -> int:
    """One sale of an honest seller. Returns its face value."""
    partner, has_device = scribe.sellers[seller].partner, scribe.sellers[seller].device is not None
    if left_fen < 100_00:
        # Enough for today; the last card is one of a face value that nobody prints.
        scribe.sell(at_s, seller, _CONTRACTS[partner][0][0], scribe.card(15_00), variant="not_offered")
        return 0
    contracts, weights = zip(*_CONTRACTS[partner], strict=True)
    contract = scribe.rng.choices(contracts, weights)[0]
    source: Source = _balance(scribe) if contract == BLUE_BALANCE else scribe.card()
    variant = ""
    if not isinstance(source, SimBalance) and scribe.rng.random() < 0.03:
        variant, source = "mistyped", replace(source, pin=source.pin[:-1] + str(9 - int(source.pin[-1])))
    agent = scribe.rng.choice(scribe.agents) if partner == BLUE and scribe.rng.random() < 0.3 else None
    scribe.sell(
        at_s, seller, contract, source, variant=variant, by="device" if has_device else "partner", agent=agent,
        expects=scribe.rng.random() < 0.3,
    )  # fmt: skip
    return source.face_fen


def _balance(scribe: Scribe) -> SimBalance:
    """A number's balance: mostly its holder confirms, sometimes declines, has too little, or says nothing at all."""
    amount_fen = scribe.rng.randrange(10_00, 99_00)
    kind = scribe.rng.choices(("good", "declines", "short", "silent"), (88, 6, 5, 1))[0]
    return SimBalance(
        operator=scribe.rng.choice(("cmcc", "unicom", "telecom")),
        number="1" + scribe.rng.choice("3456789") + scribe.digits(9),
        amount_fen=amount_fen,
        has_fen=amount_fen - 1 if kind == "short" else amount_fen + scribe.rng.randrange(50_00),
        answer="declines" if kind == "declines" else "silent" if kind == "silent" else "confirms",
        after_ms=scribe.rng.randrange(300),
    )
