"""What each family of attackers does at first, and what it may change when it is refused.

A playbook is data. `LADDERS` says which steps each knob has, from the boldest, which earns most, to the stealthiest,
which costs most; a playbook says where its crews begin (`starts`), and `knobs` is all that they may turn. Of a knob
that a playbook does not start anywhere, its crews take the last step, so a family stands out by nothing but its own
trade. There are three crews of each family: one that never learns, one that does, and one that does and begins a step
stealthier with everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from suyuan.faces.simulate.market.parties import APP, BALANCE, BLUE, CARD, EAST, HELD, NORTH, PROMO, WEST
from suyuan.faces.simulate.market.places import ALL_DAY, NIGHT, RHYTHM

STATIC, ADAPTIVE, PATIENT = "static", "adaptive", "patient"
VARIANTS = (STATIC, ADAPTIVE, PATIENT)
DATA_CENTRE, PROXY, MOBILE = "data_centre", "proxy", "mobile"

LADDERS: Mapping[str, tuple[object, ...]] = MappingProxyType({
    "face_fen_max": (1_000_00, 300_00, 200_00, 100_00),  # The largest card that is offered while there are others.
    "gap_s": (40, 240, 1_500, 9_000, 36_000),  # Between two sales of one account.
    "per_day": (15, 8, 4, 2, 1),  # Sales of one account.
    "crowd": (3, 6, 10, 16),  # Accounts in use at once.
    "per_device": (8, 4, 2, 1),  # Accounts that share one.
    "per_payee": (8, 3, 2, 1),
    "per_identity": (3, 2, 1),
    "per_prefix": (10, 4, 1),
    "network": (DATA_CENTRE, PROXY, MOBILE),
    "ripe_h": (0.2, 27.0, 90.0, 200.0),  # From registration to the first sale.
    "aged_d": (0, 300),  # How old an account is bought; one that slept costs more than one that is made.
    "warmups": (0, 1, 3),  # Good cards that are sold first, to look honest.
    "batches": (1, 3, 8),  # From how many batches one lot is bought.
    "depth": (5, 3, 2, 1),  # Agents above a seller, where there are any.
    "hours": (NIGHT, ALL_DAY, RHYTHM),
    "partner": (0, 1, 2),  # A place among the playbook's partners.
})  # fmt: skip

NEW_ACCOUNTS = 0
"""Accounts are made unless a playbook turns to bought ones; that is the one knob whose plain step is the boldest."""

BOUGHT, SYNTHETIC, MULES, LURED, OWN, TAKEN_OVER = "bought", "synthetic", "mules", "lured", "own", "taken_over"


@dataclass(frozen=True, slots=True)
class Hands:
    """Who sells for a crew: what an account costs, whether its payee must be bought, and the odds of a face check."""

    account_fen: int
    payee_fen: int
    face_odds: float


HANDS: Mapping[str, Hands] = MappingProxyType({
    BOUGHT: Hands(180_00, 80_00, 0.03),  # Papers, number and account of somebody who sold them.
    SYNTHETIC: Hands(60_00, 80_00, 0.02),  # A made-up person who passed registration.
    MULES: Hands(150_00, 0, 0.90),  # Somebody who sells for a fee and shows the own face.
    LURED: Hands(40_00, 0, 0.95),  # Somebody who believes that this is a job.
    OWN: Hands(20_00, 0, 0.95),  # The attackers themselves, and friends.
    TAKEN_OVER: Hands(50_00, 0, 0.02),  # A dormant account whose password was bought.
})  # fmt: skip

DEVICE_FEN, AGE_FEN = 25_00, 220_00
PREFIX_FEN: Mapping[str, int] = MappingProxyType({DATA_CENTRE: 3_00, PROXY: 8_00, MOBILE: 12_00})


@dataclass(frozen=True, slots=True)
class Goods:
    """What a crew sells: how it gets it, what it pays for it, and how it is found out.

    Cards of a lot are blocked at once, `blocked_h` (median) after the lot was got; those sold before are reversed, if
    anybody finds out, `found_h` (median) after the sale.
    """

    cost_percent: int
    lot_cards: int
    lot_every_d: float
    blocked_h: float | None
    found_share: float
    found_h: float
    is_spent: bool = False


STOLEN = Goods(25, 36, 3.2, 30.0, 0.75, 40.0)
LAUNDERED = Goods(12, 36, 3.2, None, 0.60, 60.0)
GUESSED = Goods(3, 40, 3.0, None, 0.85, 24.0)
SPENT = Goods(15, 30, 3.0, None, 0.0, 0.0, is_spent=True)
DISPUTED = Goods(10, 24, 3.0, None, 0.95, 110.0)


@dataclass(frozen=True, slots=True)
class Playbook:
    """One family."""

    name: str
    en: str
    zh: str
    hands: str
    goods: Goods
    starts: Mapping[str, int]
    knobs: tuple[str, ...]
    partners: tuple[int, ...] = (APP,)
    contract: int = CARD
    through_agents: bool = False
    tricks: frozenset[str] = field(default=frozenset())
    sales_max: int | None = None  # After so many an account is thrown away.


ROTATES, TESTS_FIRST, PROBES, BURSTS, INTERLOCKS = "rotates", "tests_first", "probes", "bursts", "interlocks"
"""What some families do beside: a network for each sale; a small card of a lot first; wrong PINs in between; all
accounts within minutes; each account shares its phone with one neighbour and its payee with the other."""

PLAYBOOKS: tuple[Playbook, ...] = (
    Playbook(
        "rapid_cash_out", "a few accounts sell stolen cards as fast as they can",
        "少数账号以最快速度变现盗来的卡", BOUGHT, STOLEN,
        {"face_fen_max": 0, "gap_s": 0, "per_day": 0, "crowd": 0, "ripe_h": 0, "warmups": 0, "batches": 1, "hours": 1},
        ("face_fen_max", "gap_s", "per_day", "crowd", "ripe_h", "warmups", "hours", "aged_d"),
    ),
    Playbook(
        "fund_splitting", "one sum split over many accounts that end in few pockets",
        "一笔资金拆分到多个账号，最终汇入少数账户",
        BOUGHT, LAUNDERED,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 1, "crowd": 2, "per_payee": 0, "per_identity": 0, "ripe_h": 0,
         "warmups": 0, "batches": 1, "hours": 2, "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "per_payee", "per_identity", "ripe_h", "partner", "aged_d"), (APP, BLUE),
    ),
    Playbook(
        "device_farm", "one phone after another sells for many sellers",
        "一部手机轮流为多个卖家出售", SYNTHETIC, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 2, "per_device": 0, "per_prefix": 0, "network": 1,
         "ripe_h": 0, "warmups": 0, "batches": 1, "hours": 1},
        ("face_fen_max", "gap_s", "per_day", "per_device", "per_prefix", "network", "ripe_h", "warmups"),
    ),
    Playbook(
        "network_farm", "each sale comes from another rented network",
        "每笔交易都换一个租来的网络出口", SYNTHETIC, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 1, "network": 0, "ripe_h": 0, "warmups": 0, "batches": 1,
         "hours": 1},
        ("face_fen_max", "gap_s", "per_day", "network", "ripe_h", "warmups", "hours"), tricks=frozenset({ROTATES}),
    ),
    Playbook(
        "stolen_batch", "a stolen batch is sold through a partner before it is blocked",
        "盗来的整批卡在冻结前经合作方快速出售",
        BOUGHT, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 2, "ripe_h": 0, "warmups": 0, "batches": 0, "depth": 3,
         "hours": 2, "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "batches", "ripe_h", "warmups", "partner", "aged_d"), (WEST, BLUE, NORTH),
        through_agents=True,
    ),
    Playbook(
        "mule_payees", "many sellers are all paid into the accounts of few mules", "众多卖家的款项都流入少数“车手”账户",
        MULES, LAUNDERED,
        {"face_fen_max": 0, "gap_s": 2, "per_day": 2, "crowd": 2, "per_payee": 0, "ripe_h": 0, "warmups": 0,
         "batches": 1, "hours": 2, "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "per_payee", "ripe_h", "warmups", "partner", "aged_d"), (NORTH, APP, WEST),
    ),
    Playbook(
        "synthetic_identities", "waves of invented people, each sells a few cards and is never seen again",
        "成批虚构身份，各卖几张卡后消失", SYNTHETIC, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 2, "network": 1, "ripe_h": 0, "warmups": 0, "batches": 1,
         "hours": 2},
        ("face_fen_max", "gap_s", "per_day", "ripe_h", "warmups", "network"), sales_max=4,
    ),
    Playbook(
        "dormant_takeover", "an account that slept is used from another phone and place",
        "盗用长期不活跃账号，换机异地出售",
        TAKEN_OVER, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 1, "network": 1, "ripe_h": 0, "warmups": 0, "batches": 1,
         "hours": 1},
        ("face_fen_max", "gap_s", "per_day", "network", "ripe_h", "warmups", "hours"),
    ),
    Playbook(
        "agent_chain", "dirty money becomes cards, and cards money, under a deep chain of agents",
        "经多层代理将赃款变卡、再变现", BOUGHT, LAUNDERED,
        {"face_fen_max": 0, "gap_s": 2, "per_day": 2, "crowd": 2, "ripe_h": 0, "warmups": 0, "batches": 1, "depth": 0,
         "hours": 2, "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "depth", "ripe_h", "warmups", "partner", "aged_d"), (BLUE, WEST, EAST),
        through_agents=True,
    ),
    Playbook(
        "partner_abuse", "a partner's stolen key: PINs are guessed, and what hits is sold at the promotion's ratio",
        "合作方密钥被盗：试猜卡密，命中后按促销比例变现", SYNTHETIC, GUESSED,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 1, "crowd": 1, "ripe_h": 0, "warmups": 0, "batches": 1, "hours": 1,
         "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "crowd", "ripe_h", "hours", "partner"), (EAST, NORTH, WEST), PROMO,
        tricks=frozenset({PROBES}),
    ),
    Playbook(
        "card_testing", "a small card of a lot is tried, then the large ones follow",
        "先用小额卡试探，再出售大额卡", SYNTHETIC, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 1, "ripe_h": 0, "warmups": 0, "batches": 0, "hours": 1},
        ("face_fen_max", "gap_s", "per_day", "batches", "ripe_h", "crowd", "aged_d"), tricks=frozenset({TESTS_FIRST}),
    ),
    Playbook(
        "spent_after_sale", "a held card is paid, and spent by its seller before it is sold on",
        "先收款的持有卡在转卖前被卖家自己用掉",
        OWN, SPENT,
        {"face_fen_max": 0, "gap_s": 2, "per_day": 2, "crowd": 1, "ripe_h": 1, "warmups": 1, "batches": 2, "hours": 2,
         "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "ripe_h", "warmups", "partner"), (APP, BLUE), HELD,
    ),
    Playbook(
        "mutual_ring", "accounts that share phones and payees crosswise",
        "账号之间交叉共用手机与收款账户", BOUGHT, STOLEN,
        {"face_fen_max": 0, "gap_s": 2, "per_day": 2, "crowd": 2, "per_device": 2, "per_payee": 2, "ripe_h": 1,
         "warmups": 0, "batches": 1, "hours": 2},
        ("face_fen_max", "gap_s", "per_day", "per_device", "per_payee", "ripe_h"), tricks=frozenset({INTERLOCKS}),
    ),
    Playbook(
        "yield_bait", "new people, lured by a high yield, sell a ringleader's cards within the hour",
        "以高收益诱骗新用户注册并立即代卖", LURED, STOLEN,
        {"face_fen_max": 0, "gap_s": 1, "per_day": 2, "crowd": 3, "ripe_h": 0, "warmups": 0, "batches": 0, "depth": 3,
         "hours": 2, "partner": 0},
        ("face_fen_max", "gap_s", "per_day", "batches", "ripe_h", "partner"), (WEST, NORTH, EAST), PROMO,
        through_agents=True, sales_max=4,
    ),
    Playbook(
        "night_burst", "all accounts sell within minutes while nobody watches",
        "深夜无人值守时集中突击变现", BOUGHT, STOLEN,
        {"face_fen_max": 0, "gap_s": 0, "per_day": 2, "crowd": 2, "per_prefix": 1, "network": 1, "ripe_h": 1,
         "warmups": 0, "batches": 1, "hours": 0},
        ("face_fen_max", "gap_s", "per_day", "hours", "per_prefix", "ripe_h", "aged_d"), tricks=frozenset({BURSTS}),
    ),
    Playbook(
        "slow_drip", "many accounts sell a little each day, below every limit",
        "大量账号每日少量出售，始终低于限额", BOUGHT, LAUNDERED,
        {"face_fen_max": 1, "gap_s": 3, "per_day": 3, "crowd": 2, "ripe_h": 1, "warmups": 0, "batches": 2, "hours": 2},
        ("face_fen_max", "gap_s", "per_day", "crowd", "ripe_h", "warmups", "aged_d"),
    ),
    Playbook(
        "reversal_abuse", "a balance is sold and the debit disputed at the operator afterwards",
        "出售话费余额后向运营商申诉冲正",
        OWN, DISPUTED,
        {"face_fen_max": 0, "gap_s": 2, "per_day": 2, "crowd": 1, "ripe_h": 1, "warmups": 1, "batches": 2, "hours": 2},
        ("face_fen_max", "gap_s", "per_day", "crowd", "ripe_h", "warmups"), contract=BALANCE,
    ),
)  # fmt: skip

FAMILIES = tuple(playbook.name for playbook in PLAYBOOKS)
