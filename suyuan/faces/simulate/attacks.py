"""Every known way to turn the redemption interface into a cash machine, each written into the plan by one function.

| scheme | what it tries |
|---|---|
| kind_change | money from a coupon contract, or by another partner's contract |
| channel_hijack | a merchant id, payee, channel or seller of the attacker's choice |
| rule_bypass | a ratio of one's own, a payout of 100 for 100, checks switched off |
| fund_splitting | 500 as 5 × 100 at once: over one seller, one person, one account, one device |
| forged_signature | a request that the key's holder did not sign |
| replay | the very bytes of an earlier request |
| doubled_key | one idempotency key twice, for the same act and for another one |
| double_sale | one card sold twice at once, through two partners, under two serials |
| spent_after_sale | the PIN used by its holder before, right after, and long after the sale |
| wrong_card | wrong PINs, cards that do not exist |
| forged_face | a limit raised by somebody else's face, or twice |

Each has its own people and cards, so what one attack takes never decides whether another is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from suyuan.faces.simulate.cast import (
    BLUE,
    BLUE_CARD,
    BLUE_HELD,
    MALL,
    MALL_COUPON,
    MALL_POINTS,
    WEST,
    WEST_CARD,
    draw_id,
)
from suyuan.faces.simulate.forging import FORGERIES, MERCHANT_OF_ANOTHER
from suyuan.faces.simulate.scribe import Scribe

FIVE_HUNDRED_FEN = 500_00
FARM = "198.19.0.66"
FARM_SALES, FARM_SALES_PER_SELLER = 2_100, 10


def kind_change(scribe: Scribe, at_s: int) -> None:
    """A customer of the mall wants money for what is worth coupons."""
    seller = scribe.seller(MALL)
    for contract, extras in (
        (MALL_COUPON, {"value_kind": "money"}),
        (MALL_COUPON, {"cash": True}),
        (MALL_POINTS, {"source.kind": "money"}),
        (BLUE_CARD, {}),
    ):
        variant = next(iter(extras), "foreign_contract")
        scribe.sell(
            at_s, seller, contract, scribe.card(), scheme="kind_change", variant=variant, extras=extras,
            may_be_taken=False,
        )  # fmt: skip


def channel_hijack(scribe: Scribe, at_s: int) -> None:
    """The payout shall go elsewhere than to the seller's registered account."""
    scheme, seller, accomplice = "channel_hijack", scribe.seller(), scribe.seller()
    for name, value in (
        ("merchant_id", "m-shell"),
        ("payee", scribe.sellers[accomplice].payee),
        ("channel", "coupon_hall"),
        ("source.mchid", "m-shell"),
    ):
        scribe.sell(
            at_s, seller, BLUE_CARD, scribe.card(), scheme=scheme, variant=name, extras={name: value},
            may_be_taken=False,
        )  # fmt: skip
    scribe.sell(
        at_s, seller, MALL_COUPON, scribe.card(), scheme=scheme, variant="seller_of_another", signs=MALL,
        may_be_taken=False,
    )  # fmt: skip
    scribe.sell(
        at_s, scribe.seller(MALL), MALL_COUPON, scribe.card(), scheme=scheme, variant=MERCHANT_OF_ANOTHER,
        forged=MERCHANT_OF_ANOTHER, may_be_taken=False,
    )  # fmt: skip
    scribe.sell(
        at_s, scribe.seller(has_device=True), BLUE_CARD, scribe.card(), scheme=scheme, variant="device_of_another",
        by="device", extras={"seller": scribe.sellers[seller].id}, may_be_taken=False,
    )  # fmt: skip


def rule_bypass(scribe: Scribe, at_s: int) -> None:
    """100 of credit shall become 100 of cash."""
    seller = scribe.seller()
    for name, value in (
        ("ratio", {"face": 1, "value": 1}),
        ("expected_payout", 100_00),
        ("source.ratio_value", 100),
        ("checks", "off"),
        ("skip_limits", True),
    ):
        scribe.sell(
            at_s, seller, BLUE_CARD, scribe.card(100_00), scheme="rule_bypass", variant=name, extras={name: value},
            may_be_taken=False,
        )  # fmt: skip


def splitting_at_the_limit(scribe: Scribe, at_s: int) -> None:
    """A new phone has sold its 500 of the day; then 5 × 100 come at once."""
    seller = scribe.seller(has_device=True)
    first = scribe.sell(at_s, seller, BLUE_CARD, scribe.card(FIVE_HUNDRED_FEN), by="device")
    for _ in range(5):
        scribe.sell(
            at_s, seller, BLUE_CARD, scribe.card(100_00), scheme="fund_splitting", variant="at_the_limit", by="device",
            after=first.n,
        )  # fmt: skip


def splitting_below_the_limit(scribe: Scribe, at_s: int) -> None:
    """The same at once from nothing: five of the eight fit under 500."""
    seller = scribe.seller(WEST, has_device=True)
    for _ in range(8):
        scribe.sell(
            at_s, seller, WEST_CARD, scribe.card(100_00), scheme="fund_splitting", variant="below_the_limit",
            by="device",
        )  # fmt: skip


def splitting_over_sellers(scribe: Scribe, at_s: int) -> None:
    """One person under three registrations, two of them with another partner: 10,500 where 10,000 a day is allowed."""
    first = scribe.seller()
    like = scribe.sellers[first]
    people = (first, scribe.seller(like=like), scribe.seller(WEST, like=like))
    _split_over(scribe, at_s, people, "one_person")


def splitting_over_accounts(scribe: Scribe, at_s: int) -> None:
    """Three people who are all paid into one account."""
    people = (scribe.seller(), scribe.seller(), scribe.seller(WEST))
    for other in people[1:]:
        scribe.paid_like(other, scribe.sellers[people[0]].payee)
    _split_over(scribe, at_s, people, "one_account")


def _split_over(scribe: Scribe, at_s: int, people: tuple[int, ...], variant: str) -> None:
    for _ in range(7):
        for seller in people:
            contract = WEST_CARD if scribe.sellers[seller].partner == WEST else BLUE_CARD
            card = scribe.card(FIVE_HUNDRED_FEN)
            scribe.sell(at_s, seller, contract, card, scheme="fund_splitting", variant=variant)


def splitting_over_a_network(scribe: Scribe, at_s: int) -> None:
    """A farm of sellers behind one network: 1,050,000 where 1,000,000 a day is allowed. Too dear for a small day."""
    for _ in range(FARM_SALES // FARM_SALES_PER_SELLER):
        seller = scribe.seller()
        for _ in range(FARM_SALES_PER_SELLER):
            scribe.sell(
                at_s, seller, BLUE_CARD, scribe.card(FIVE_HUNDRED_FEN), scheme="fund_splitting",
                variant="one_network", address=FARM,
            )  # fmt: skip


def splitting_over_devices(scribe: Scribe, at_s: int) -> None:
    """One phone is enrolled for two people, so that each may sell with it."""
    scribe.same_device(at_s, scribe.seller(has_device=True), scribe.seller(), scheme="fund_splitting")


def forged_signature(scribe: Scribe, at_s: int) -> None:
    """Requests in a partner's name that the partner never signed."""
    seller = scribe.seller()
    for forged in FORGERIES:
        scribe.sell(
            at_s, seller, BLUE_CARD, scribe.card(), scheme="forged_signature", variant=forged, forged=forged,
            may_be_taken=False,
        )  # fmt: skip


def replay(scribe: Scribe, at_s: int) -> None:
    """Somebody recorded a request and sends it again, at once and later."""
    sale = scribe.sell(at_s, scribe.seller(), BLUE_CARD, scribe.card())
    scribe.again(sale, "replayed", scheme="replay")
    scribe.again(scribe.again(sale, "replayed", scheme="replay"), "replayed", scheme="replay")


def doubled_key(scribe: Scribe, at_s: int) -> None:
    """One idempotency key: twice at once, once more later, and then for another card."""
    sale = scribe.sell(at_s, scribe.seller(WEST), WEST_CARD, scribe.card())
    scribe.again(sale, "same", scheme="doubled_key", is_at_once=True)
    scribe.again(sale, "same", scheme="doubled_key")
    scribe.again(sale, "other", scheme="doubled_key")


def double_sale(scribe: Scribe, at_s: int) -> None:
    """One card, two buyers."""
    scheme, seller = "double_sale", scribe.seller()
    card = scribe.card()
    for _ in range(2):
        scribe.sell(at_s, seller, BLUE_CARD, card, scheme=scheme, variant="at_once")
    card = scribe.card()
    scribe.sell(at_s, scribe.seller(), BLUE_CARD, card, scheme=scheme, variant="two_partners")
    scribe.sell(at_s, scribe.seller(WEST), WEST_CARD, card, scheme=scheme, variant="two_partners")
    card = scribe.card()
    first = scribe.sell(at_s, seller, BLUE_CARD, card, scheme=scheme, variant="two_serials")
    disguised = replace(card, serial=scribe.digits(len(card.serial)), true_pin=None)
    scribe.sell(at_s, seller, BLUE_CARD, disguised, scheme=scheme, variant="two_serials", after=first.n)


def spent_after_sale(scribe: Scribe, at_s: int) -> None:
    """The seller sells the PIN and uses it as well."""
    scheme, seller = "spent_after_sale", scribe.seller()
    card = scribe.card()
    spent = scribe.spend(at_s, card, after=None)
    scribe.sell(at_s, seller, BLUE_CARD, card, scheme=scheme, variant="before", after=spent.n)
    sale = scribe.sell(at_s, seller, BLUE_CARD, card := scribe.card(), scheme=scheme, variant="at_once")
    scribe.spend(at_s, card, after=sale.n)
    # Who holds a card is paid before it is spent, so a seller may still cheat; then the loss is the seller's debt.
    sale = scribe.sell(at_s, scribe.seller(), BLUE_HELD, card := scribe.card(), scheme=scheme, variant="while_held")
    scribe.spend(at_s, card, after=sale.n, waits_for_payout=True)


def wrong_card(scribe: Scribe, at_s: int) -> None:
    """PINs are guessed; one of the operators tells at the door, the others only when the card is consumed."""
    seller = scribe.seller()
    for operator in ("cmcc", "telecom"):
        card = scribe.card(operator=operator)
        guessed = replace(card, pin=scribe.digits(len(card.pin)))
        scribe.sell(at_s, seller, BLUE_CARD, guessed, scheme="wrong_card", variant="pin")
        unknown = replace(scribe.card(operator=operator), true_pin=None)
        scribe.sell(at_s, seller, BLUE_CARD, unknown, scheme="wrong_card", variant="unknown")


def forged_face(scribe: Scribe, at_s: int) -> None:
    """A limit is raised by a stranger's face; and by the right one, twice."""
    seller = scribe.seller()
    other = scribe.step_up(at_s, seller, scheme="forged_face", after=None, capture=draw_id(scribe.rng, "stp"))
    own = scribe.step_up(at_s, seller, after=other.n)
    scribe.step_up(at_s, seller, scheme="forged_face", after=own.n)


ROUND: tuple[tuple[int, Callable[[Scribe, int], None]], ...] = (
    (4, kind_change),
    (7, channel_hijack),
    (5, rule_bypass),
    (6, splitting_at_the_limit),
    (len(FORGERIES), forged_signature),
    (4, replay),
    (4, doubled_key),
    (6, double_sale),
    (3, spent_after_sale),
    (4, wrong_card),
    (0, forged_face),
    (0, splitting_over_devices),
    (8, splitting_below_the_limit),
    (21, splitting_over_sellers),
    (21, splitting_over_accounts),
)
"""All attacks once, each with the number of redemptions that it asks for; the dear ones last."""

PARTNERS_UNDER_ATTACK = (BLUE, MALL, WEST)
