"""The real line against a model of two hundred lines, over days of trade that Hypothesis invents.

Sellers share identities, payees, a device and an IP prefix; cards are offered twice; requests are replayed and doubled;
operators and channels answer in any order, also wrongly; the clock jumps over midnight and over 24 hours; leaders
change, commits fail. After every day the books are audited and compared with the model, fen by fen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from suyuan.base import db
from suyuan.base.clock import DAY_S, SECOND, shanghai_day
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.keep_house import ReleaseHolds
from suyuan.flows.record_outcome import Recorded, TakeBack
from suyuan.flows.sell_on import SellOn
from suyuan.flows.take_redemption import Taken
from suyuan.settle.account import Contract, Seller
from suyuan.settle.audit import audit_books
from suyuan.settle.limits import LimitRules, Rule
from suyuan.settle.payout import Disposition
from tests.settle.books_line import (
    NOON,
    PARTNER_KEY,
    BooksLine,
    Done,
    Knock,
    RaiseToday,
    Turned,
    a_contract,
    a_key,
    a_partner,
    a_seller,
    outcome,
)
from tests.settle.books_model import BooksModel, Numbers

HELD = Disposition.HOLD_THEN_SELL

# Small enough that every limit is met within a dozen cards.
RULES = LimitRules(
    transaction_fen_max=(60_00, 120_00, 200_00),
    step_up_raise_fen=150_00,
    rules=(
        Rule("seller", "day", (80_00, 200_00, 400_00)),
        Rule("seller", "24h", (80_00, 350_00, 550_00)),
        Rule("identity", "day", (250_00, 250_00, 500_00)),
        Rule("device", "day", (220_00, 220_00, 500_00)),
        Rule("payee", "day", (260_00, 260_00, 600_00)),
        Rule("ip_prefix", "day", (700_00, 700_00, 700_00)),
        Rule("partner", "day", (5_000_00, 5_000_00, 5_000_00)),
    ),
)
SELLERS = (
    a_seller("slr_1"),
    a_seller("slr_2", identity="identity of slr_1"),
    a_seller("slr_3", payee="payee of slr_1"),
    a_seller("slr_4", tier=2),
    a_seller("slr_5", bound_at=NOON),
)
CONTRACTS = (
    a_contract("money"),
    a_contract("odd", ratio_face=1000, ratio_value=805),
    a_contract("coupon", value_kind="coupon", ratio_value=9),
    a_contract("held", disposition=HELD),
    a_contract("held points", disposition=HELD, value_kind="points", ratio_value=10),
)
KEYS = (
    a_key(),
    a_key("key_1", owner_kind="seller", owner="slr_1", device="dev"),
    a_key("key_5", owner_kind="seller", owner="slr_5", device="dev"),
)
SWITCHES = ("platform", f"key:{PARTNER_KEY}", "partner:ptn_1", "channel:bank_transfer", "card_kind:cmcc")
VERDICTS = ("consumed", "rejected", "proven", "paid", "pay_refused", "debt", "unknown", "pay_unknown")
TABLES = (
    "subject_key",
    "event", "nonce", "idempotency", "account", "transfer", "card", "redemption", "outbox", "kill_switch", "partner",
    "seller", "contract", "signing_key", "decision",
)  # fmt: skip

index = st.integers(0, 999)


class BooksMachine(RuleBasedStateMachine):
    """One platform, from its opening to its audit."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        with db.connect(self.url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
            connection.execute("UPDATE line_head SET next_seq = 0, last_at = 0")
        self.line = BooksLine(self.url, RULES)
        self.line.register(a_partner(webhook_url="https://partner.example/told"), *SELLERS, *CONTRACTS, *KEYS)
        self.model = BooksModel(
            RULES,
            {seller.id: msgspec.structs.replace(seller) for seller in SELLERS},
            {contract.id: contract for contract in CONTRACTS},
            {key.id: key for key in KEYS},
        )
        self.knocks: list[Knock] = []
        self.number = 0

    # --- requests ---

    def fresh(self, **facts: Any) -> Knock:
        self.number += 1
        knock = Knock(self.number, **facts)
        self.knocks.append(knock)
        return knock

    def some_knock(self, at: int) -> Knock:
        return self.knocks[-1 - at % len(self.knocks)]

    def ask(self, *knocks: Knock) -> None:
        """All in one batch; the line and the model must say the same."""
        at = self.line.next_at
        expected = []
        for knock in knocks:
            answer, micros = self.model.knock(knock, at)
            expected.append(answer)
            at += micros
        answers = self.line.submit(*[knock.command() for knock in knocks])
        assert [_said(answer) for answer in answers] == expected

    @initialize()
    def first_card(self) -> None:
        self.ask(self.fresh(face_fen=50_00))

    @rule(
        seller=st.sampled_from(SELLERS),
        contract=st.sampled_from(CONTRACTS),
        face_fen=st.sampled_from((1, 99, 30_00, 50_00, 100_00, 150_00)),
        key=st.sampled_from((PARTNER_KEY, PARTNER_KEY, "key_1", "key_5")),
        card=st.sampled_from(("", "", "", "crd_a", "crd_b")),
    )
    def offer(self, seller: Seller, contract: Contract, face_fen: int, key: str, card: str) -> None:
        self.ask(self.fresh(seller=seller.id, contract=contract.id, face_fen=face_fen, key=key, card=card))

    @rule(seller=st.sampled_from(SELLERS), count=st.integers(2, 8), face_fen=st.sampled_from((30_00, 50_00)))
    def split_one_sum_over_requests(self, seller: Seller, count: int, face_fen: int) -> None:
        self.ask(*[self.fresh(seller=seller.id, face_fen=face_fen) for _ in range(count)])

    @rule(count=st.integers(2, 5))
    def split_one_sum_over_who_shares_it(self, count: int) -> None:
        names = ("slr_1", "slr_2", "slr_3")
        self.ask(*[self.fresh(seller=names[n % 3], face_fen=100_00) for n in range(count)])

    @rule(twice=st.booleans())
    def offer_one_card_to_two(self, twice: bool) -> None:
        card = f"crd_of_{self.number}" if twice else ""
        self.ask(self.fresh(face_fen=30_00, card=card), self.fresh(seller="slr_4", face_fen=30_00, card=card))

    @rule(wish=st.sampled_from(({"expected_payout": 1}, {"secret_is_valid": False}, {"source": "balance"})))
    def ask_for_what_is_not_so(self, wish: dict[str, Any]) -> None:
        self.ask(self.fresh(face_fen=30_00, **wish))

    @rule(at=index)
    def replay(self, at: int) -> None:
        """The same bytes again, nonce and all."""
        self.ask(self.some_knock(at))

    @rule(at=index, other_body=st.booleans())
    def double_an_idempotency_key(self, at: int, other_body: bool) -> None:
        first = self.some_knock(at)
        request = first.idempotency or str(first.number)
        digest = "another body" if other_body else first.digest or request
        self.number += 1
        self.ask(replace(first, nonce=f"again {self.number}", idempotency=request, digest=digest))

    # --- the world ---

    @rule(at=st.integers(0, 7), kind=st.sampled_from(VERDICTS))
    def any_verdict(self, at: int, kind: str) -> None:
        self.hear(self.some_knock(at).id, kind)

    @rule(at=index, goods=st.lists(st.sampled_from((True, True, True, False)), min_size=1, max_size=6))
    def go_on(self, at: int, goods: list[bool]) -> None:
        """The verdicts that fit the stages, so that redemptions come to their ends."""
        for good in goods:
            open_ones = [kept for kept in self.model.kept.values() if kept.state in _FITTING]
            if open_ones:
                kept = open_ones[at % len(open_ones)]
                kind = _FITTING[kept.state][not good]
                if kept.contract.disposition == HELD and (kept.state, kind) == ("pending", "consumed"):
                    kind = "proven"
                self.hear(kept.numbers.redemption, kind)

    def hear(self, redemption: str, kind: str) -> None:
        (answer,) = self.line.submit(outcome(redemption, kind))
        assert _said(answer) == self.model.record(redemption, kind)

    @rule(at=index)
    def sell_on(self, at: int) -> None:
        held = [kept for kept in self.model.kept.values() if kept.state == "held"]
        redemption = held[at % len(held)].numbers.redemption if held else self.some_knock(at).id
        assert _said(self.line.one(SellOn(redemption, "buyer"))) == self.model.sell_on(redemption)

    @rule(at=index)
    def take_back(self, at: int) -> None:
        ended = [kept for kept in self.model.kept.values() if kept.state in ("paid", "payout_refused")]
        redemption = ended[at % len(ended)].numbers.redemption if ended else self.some_knock(at).id
        assert _said(self.line.one(TakeBack(redemption, "ref", "cmcc"))) == self.model.take_back(redemption)

    @rule(seconds=st.sampled_from((0, 1, 3600, 6 * 3600, DAY_S - 1, DAY_S, -30)))
    def time_goes_by(self, seconds: int) -> None:
        """Also backwards, as a machine's clock does when it is set."""
        self.line.clock.advance(seconds)

    @rule(before=st.integers(1, 3))
    def just_before_midnight(self, before: int) -> None:
        now = self.line.clock.now()
        to_midnight = -(now // SECOND + 8 * 3600) % DAY_S
        self.line.clock.advance(to_midnight - before / SECOND - now % SECOND / SECOND)

    @rule(at=index)
    def just_when_a_hold_ends(self, at: int) -> None:
        """To the microsecond at which what was taken a day ago stops to count."""
        kept = list(self.model.kept.values())
        if kept:
            ends_at = kept[at % len(kept)].at + DAY_S * SECOND
            self.line.clock.advance((ends_at - 1 - self.line.clock.now()) / SECOND)

    # --- the platform ---

    @rule(seller=st.sampled_from(SELLERS))
    def step_up(self, seller: Seller) -> None:
        expected = self.model.raise_today(seller.id, self.line.next_at)
        assert _said(self.line.one(RaiseToday(seller.id))) == expected

    @rule(switch=st.sampled_from(SWITCHES))
    def stop_and_open(self, switch: str) -> None:
        self.line.submit(Turned(switch, stopped=True))
        self.model.stopped.add(switch)
        self.ask(self.fresh(face_fen=30_00))
        self.line.submit(Turned(switch, stopped=False))
        self.model.stopped.discard(switch)

    @rule()
    def sweep(self) -> None:
        self.line.submit(ReleaseHolds(tuple(f"limit/seller/{seller.id}/24h" for seller in SELLERS)))

    @rule()
    def another_leader(self) -> None:
        self.line.restart()

    @rule(how=st.sampled_from(("refused", "lost before", "lost after")), again=st.booleans())
    def a_commit_fails(self, how: str, again: bool) -> None:
        """Refused or lost before, nothing has happened; lost after, everything has, and a retry learns it."""
        knock = self.fresh(face_fen=30_00, seller="slr_4")
        at = self.line.next_at
        self.line.break_next_commit(how)
        (answer,) = self.line.submit(knock.command())
        expected = Reason.platform_has_a_fault if how == "refused" else Reason.answer_is_not_known_yet
        assert _said(answer) == expected
        if how == "lost after":
            self.model.knock(knock, at)
        if how != "refused":
            self.line.restart()
        if again:
            self.ask(replace(knock, nonce=f"again {knock.number}"))

    @rule(count=st.integers(2, 4))
    def one_commit_of_many_fails(self, count: int) -> None:
        """The database refuses the batch, so each is decided by itself and none is lost."""
        if shanghai_day(self.line.next_at) != shanghai_day(self.line.next_at + count):
            # Midnight falls into this batch, which therefore never comes to its commit.
            return
        knocks = [self.fresh(face_fen=30_00, seller="slr_4") for _ in range(count)]
        self.line.break_next_commit("refused")
        self.ask(*knocks)

    # --- the end of the day ---

    def teardown(self) -> None:
        try:
            with db.connect(self.line.url) as connection:
                audit = audit_books(connection, RULES)
                assert audit.balanced, audit.findings
                assert _books(connection, self.line.next_at) == _expected(self.model, self.line.next_at)
        finally:
            self.line.close()


_FITTING = {
    "pending": ("consumed", "rejected"),
    "consumed": ("paid", "pay_refused"),
    "proven": ("paid", "pay_refused"),
    "selling": ("consumed", "debt"),
}


def _said(answer: Any) -> Any:
    """An answer in the model's words."""
    match answer:
        case Refusal():
            return answer.reason
        case Taken():
            return Numbers(
                answer.redemption, answer.face_fen, answer.paid, answer.fee_fen, answer.rounding_fen, answer.debt_fen,
                answer.value_kind,
            )  # fmt: skip
        case Recorded():
            return answer.state
        case Done():
            return answer.fen
    raise TypeError(f"{type(answer).__name__} is no answer that the model gives")


def _books(connection: Any, now: int) -> dict[str, Any]:
    """States, debts, payouts and what every limit has left, from the database."""

    def ask(query: str, *values: object) -> dict[Any, Any]:
        return {row[0]: row[1] for row in connection.execute(query.encode(), values or None).fetchall()}

    return {
        "states": ask("SELECT id, state FROM redemption"),
        "owed": ask(
            "SELECT substr(key, 12), debits_posted - credits_posted - credits_pending FROM account"
            " WHERE key LIKE 'money/debt/%' AND debits_posted > credits_posted + credits_pending"
        ),
        "paid out": ask(
            "SELECT key, credits_posted FROM account WHERE key ~ '^(money|coupon|points)/payee/' AND credits_posted > 0"
        ),
        "used": ask(
            "SELECT a.key, sum(t.fen)::bigint FROM transfer t JOIN account a ON a.id = t.payer"
            " WHERE t.ledger = 'limit' AND t.state = 'pending' AND (t.expires_at IS NULL OR t.expires_at > %s)"
            " AND NOT EXISTS (SELECT FROM transfer r WHERE r.resolves = t.id) GROUP BY a.key",
            now,
        ),
    }


def _expected(model: BooksModel, now: int) -> dict[str, Any]:
    used: dict[str, int] = {}
    paid_out: dict[str, int] = {}
    for kept in model.kept.values():
        for limit in RULES.rules:
            if not kept.counts or limit.subject not in kept.subjects:
                continue
            if limit.window == "24h" and kept.at + DAY_S * SECOND <= now:
                continue
            window = limit.window if limit.window == "24h" else f"day/{shanghai_day(kept.at)}"
            key = f"limit/{limit.subject}/{kept.subjects[limit.subject]}/{window}"
            used[key] = used.get(key, 0) + kept.numbers.face_fen
        if kept.paid_out:
            key = f"{kept.numbers.value_kind}/payee/{kept.seller.payee}"
            paid_out[key] = paid_out.get(key, 0) + kept.paid_out
    return {
        "states": {name: kept.state for name, kept in model.kept.items()},
        "owed": {seller: fen for seller, fen in model.owed.items() if fen},
        "paid out": paid_out,
        "used": used,
    }


def run(url: str, *, days: int, steps: int, derandomize: bool) -> None:
    class Machine(BooksMachine):
        """Of this database."""

    Machine.url = url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=days, stateful_step_count=steps, derandomize=derandomize, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), print_blob=True,
        ),
    )  # fmt: skip


def test_the_line_keeps_the_books_that_the_model_keeps(database: str) -> None:
    run(database, days=25, steps=40, derandomize=True)


@pytest.mark.nightly
def test_a_hundred_thousand_steps(database: str) -> None:
    """Every night other days."""
    run(database, days=1_000, steps=120, derandomize=False)
