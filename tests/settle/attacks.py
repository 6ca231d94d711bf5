"""The attacks on the books, each as one function that tries it and says how much got through, in fen or in number.

They drive the real line; what got through is read from the database, never from an answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from suyuan.base import crypto, db
from suyuan.base.clock import SECOND
from suyuan.base.refusals import Refusal
from suyuan.base.wire import b64
from suyuan.flows import change_terms, redeem_card
from suyuan.flows.change_terms import ApproveChange, ProposeChange, RegisterOfficer
from suyuan.flows.keep_house import ReleaseHolds
from suyuan.flows.officer_signature import statement
from suyuan.flows.record_outcome import TakeBack
from suyuan.flows.trade_terms import AddPartner
from suyuan.settle.limits import LimitRules
from tests.settle.books_line import NOON, BooksLine, Knock, RaiseToday, Turned, a_contract, a_key, a_seller, outcome

Attack = Callable[[BooksLine], int]

SMALL = LimitRules(
    rules=tuple(
        replace(rule, cap_fen=(500_00, 15_000_00, 15_000_00)) if rule.subject in ("ip_prefix", "partner") else rule
        for rule in LimitRules().rules
    )
)


# --- what got through ----------------------------------------------------------------------------


def ask(line: BooksLine, query: str) -> int:
    with db.connect(line.url) as connection:
        (row,) = connection.execute(query.encode()).fetchall()
    return int(row[0] or 0)


def redemptions(line: BooksLine) -> int:
    return ask(line, "SELECT count(*) FROM redemption")


def one_after_the_other(line: BooksLine, *knocks: Knock) -> None:
    for knock in knocks:
        line.submit(knock.command())


def take_to(line: BooksLine, redemption: str, *verdicts: str) -> None:
    for verdict in verdicts:
        line.submit(outcome(redemption, verdict))


# --- the attacks ---------------------------------------------------------------------------------


def reuse_a_nonce(line: BooksLine) -> int:
    """One signature's nonce serves a second request."""
    one_after_the_other(line, Knock(1, nonce="n"), Knock(2, nonce="n"))
    return redemptions(line) - 1


def double_a_key(line: BooksLine) -> int:
    """One idempotency key is used for two cards."""
    one_after_the_other(line, Knock(1, idempotency="i"), Knock(2, idempotency="i", digest="another"))
    return redemptions(line) - 1


def flip_a_refusal(line: BooksLine) -> int:
    """Refused for its card; the same request again, when the operator has thought better of it."""
    one_after_the_other(line, Knock(1, secret_is_valid=False), Knock(2, idempotency="1", secret_is_valid=True))
    return redemptions(line)


def sell_twice(line: BooksLine) -> int:
    """Two sellers, one PIN."""
    one_after_the_other(line, Knock(1, card="crd"), Knock(2, card="crd", seller="slr_2"))
    return redemptions(line) - 1


def pass_the_limit_of(subject: str) -> Attack:
    """Thirty requests of 1,000.00 by sellers that share the subject and nothing else; what is over its cap."""
    rule = next(rule for rule in SMALL.rules if (rule.subject, rule.window) == (subject, "day"))

    def attack(line: BooksLine) -> int:
        names = ["slr_1"] if subject == "seller" else [f"slr_{n}" for n in range(20, 26)]
        shared = {"identity": {"identity": "x"}, "payee": {"payee": "x"}}.get(subject, {})
        device = "dev" if subject == "device" else None
        line.register(*[a_seller(name, **shared) for name in names if name != "slr_1"])
        line.register(*[a_key(f"k_{name}", owner_kind="seller", owner=name, device=device) for name in names])
        knocks = [
            Knock(
                n, seller=name, key=f"k_{name}", face_fen=1_000_00, ip_prefix="same" if subject == "ip_prefix" else name
            )
            for n, name in zip(range(30), itertools.cycle(names), strict=False)
        ]
        line.submit(*[knock.command() for knock in knocks])
        return max(0, ask(line, "SELECT sum(face_fen) FROM redemption") - rule.cap_fen[1])

    return attack


def pass_the_rolling_limit(line: BooksLine) -> int:
    """5,000.00 today, 5,000.00 after midnight, and a step-up for 5,000.00 more."""
    line.clock.advance(12 * 3600 - 60)
    line.submit(*[Knock(n, face_fen=1_000_00).command() for n in range(5)])
    line.clock.advance(120)
    line.one(RaiseToday("slr_1"))
    line.submit(*[Knock(n, face_fen=1_000_00).command() for n in range(5, 15)])
    return max(0, ask(line, "SELECT sum(face_fen) FROM redemption") - 10_000_00)


def one_large_card(line: BooksLine) -> int:
    one_after_the_other(line, Knock(1, face_fen=4_000_00))
    return redemptions(line)


def step_up_twice(line: BooksLine) -> int:
    line.submit(RaiseToday("slr_1"))
    line.submit(RaiseToday("slr_1"))
    return ask(line, "SELECT count(*) FROM event WHERE kind = 'tier_raised/1'") - 1


def release_early(line: BooksLine) -> int:
    """The sweeper is sent at once, not after a day."""
    one_after_the_other(line, Knock(1))
    line.submit(ReleaseHolds(("limit/seller/slr_1/24h",)))
    return ask(line, "SELECT count(*) FROM transfer WHERE state = 'expire'")


def use_a_new_device(line: BooksLine) -> int:
    """Whoever has bound a device a minute ago sells at the seller's own tier."""
    line.register(a_seller("slr_9", bound_at=NOON - 60 * SECOND))
    line.register(a_key("key_9", owner_kind="seller", owner="slr_9", device="dev_9"))
    one_after_the_other(line, Knock(1, seller="slr_9", key="key_9", face_fen=1_000_00))
    return redemptions(line)


def with_anothers_key(line: BooksLine) -> int:
    """One seller's key sells in the name of another."""
    line.register(a_key("key_2", owner_kind="seller", owner="slr_2"))
    one_after_the_other(line, Knock(1, seller="slr_1", key="key_2"))
    return redemptions(line)


def with_a_revoked_key(line: BooksLine) -> int:
    line.register(a_key("key_old", state="revoked"))
    one_after_the_other(line, Knock(1, key="key_old"))
    return redemptions(line)


def for_anothers_seller(line: BooksLine) -> int:
    """A partner redeems for a seller that is registered with another one."""
    line.register(a_seller("slr_9", partner="ptn_2"))
    one_after_the_other(line, Knock(1, seller="slr_9"))
    return redemptions(line)


def under_anothers_contract(line: BooksLine) -> int:
    line.register(a_contract("theirs", partner="ptn_2", ratio_value=10))
    one_after_the_other(line, Knock(1, contract="theirs"))
    return redemptions(line)


def expect_a_better_ratio(line: BooksLine) -> int:
    """The caller signs for 9,000 where the contract pays 8,000."""
    one_after_the_other(line, Knock(1, expected_payout=90_00))
    return redemptions(line)


def pay_another_sum(line: BooksLine) -> int:
    """100.00 at 10 : 8 are to pay more than 80.00."""
    one_after_the_other(line, Knock(1))
    return ask(line, "SELECT sum(paid) FROM redemption") - 80_00


def pay_somebody_else(line: BooksLine) -> int:
    one_after_the_other(line, Knock(1))
    return ask(line, "SELECT count(*) FROM account WHERE key = 'money/payee/the thief'")


def pay_another_kind(line: BooksLine) -> int:
    """A contract of coupons is to pay money."""
    line.register(a_contract("coupons", value_kind="coupon"))
    one_after_the_other(line, Knock(1, contract="coupons"))
    return ask(line, "SELECT count(*) FROM transfer WHERE kind = 'payout' AND ledger = 'money'")


def turn_coupons_into_money(line: BooksLine) -> int:
    """A transfer from a seller's coupons to a payee's money."""

    def act(shelves: Any, turn: Any) -> None:
        mint = shelves.books.account("coupon/exchange", ledger="coupon", bound="none")
        payee = shelves.books.account("money/payee/p", ledger="money")
        shelves.books.post(turn, mint, payee, 100_00, kind="value")

    _try(line, act, "coupon/exchange", "money/payee/p")
    return ask(line, "SELECT count(*) FROM transfer")


def spend_what_is_not_there(line: BooksLine) -> int:
    def act(shelves: Any, turn: Any) -> None:
        seller = shelves.books.account("money/seller/slr_1", ledger="money")
        payee = shelves.books.account("money/payee/p", ledger="money")
        shelves.books.post(turn, seller, payee, 100_00, kind="value")

    _try(line, act, "money/seller/slr_1", "money/payee/p")
    return ask(line, "SELECT count(*) FROM transfer")


def resolve_twice(line: BooksLine) -> int:
    """The same promise is posted, and posted again by a leader that does not know."""
    keys = "money/operator/cmcc", "money/seller/slr_1"

    def pend(shelves: Any, turn: Any) -> None:
        world = shelves.books.account(keys[0], ledger="money", bound="none")
        for _ in range(2):
            shelves.books.pend(turn, world, shelves.books.account(keys[1], ledger="money"), 100_00, kind="value")

    _try(line, pend, *keys)
    for _ in range(2):
        line.restart()
        _try(line, lambda shelves, turn: shelves.books.resolve(turn, shelves.books.group(0, 1)[0], "post"), *keys)
    return ask(line, "SELECT count(*) FROM transfer WHERE state = 'post'") - 1


def _try(line: BooksLine, act: Any, *keys: str) -> None:
    def wants(shelves: Any) -> None:
        for key in keys:
            shelves.books.want(key)
        shelves.books.want_group(0, 1)

    try:
        line.decide(act, wants=wants)
    except Exception:
        # Whatever stopped it; what counts is what the books say afterwards.
        line.shelves.forget()


def pay_before_consuming(line: BooksLine) -> int:
    """The channel's yes for a card that its operator has not spent."""
    one_after_the_other(line, Knock(1))
    line.submit(outcome("rdm_000001", "paid"))
    return ask(line, "SELECT count(*) FROM event WHERE kind = 'payout_paid/1'")


def invent_a_debt(line: BooksLine) -> int:
    """A late record says that an unpaid seller owes."""
    one_after_the_other(line, Knock(1))
    line.submit(outcome("rdm_000001", "debt"))
    return ask(line, "SELECT count(*) FROM transfer WHERE kind = 'debt'")


def reverse_during_a_payout(line: BooksLine) -> int:
    """The operator takes a card back while its payout is under way and may still come through."""
    one_after_the_other(line, Knock(1))
    take_to(line, "rdm_000001", "consumed")
    line.submit(TakeBack("rdm_000001", "ref", "cmcc"))
    return ask(line, "SELECT count(*) FROM redemption WHERE state = 'reversed'")


def run_from_a_debt(line: BooksLine) -> int:
    """A seller who owes 80.00 sells another card and wants all of it."""
    one_after_the_other(line, Knock(1))
    take_to(line, "rdm_000001", "consumed", "paid")
    line.submit(TakeBack("rdm_000001", "ref", "cmcc"))
    one_after_the_other(line, Knock(2))
    take_to(line, "rdm_000002", "consumed", "paid")
    return ask(line, "SELECT credits_posted FROM account WHERE key LIKE 'money/payee/%'") - 80_00


def go_on_when_stopped(target: str) -> Attack:
    def attack(line: BooksLine) -> int:
        line.submit(Turned(target, stopped=True))
        one_after_the_other(line, Knock(1))
        return redemptions(line)

    return attack


def approve_alone(line: BooksLine) -> int:
    """An officer proposes a partner, and approves it."""
    signer = crypto.suite("ed25519").signer(b"one officer".ljust(32, b"."))
    public = b64(signer.public)

    def sign(verb: str, subject: object) -> bytes:
        return signer.sign(statement(verb, subject))

    added = change_terms.encode_change(change_terms.AddOfficer("ofc_1", "ed25519", public))
    line.submit(RegisterOfficer("ofc_1", "ed25519", public, sign("register", added)))
    change = change_terms.encode_change(AddPartner("ptn_9", "mine"))
    subject = change_terms.proposal_subject("prp_1", change)
    line.submit(ProposeChange("prp_1", change, "ofc_1", sign("propose", subject)))
    line.submit(ApproveChange("prp_1", "ofc_1", sign("approve", subject)))
    return ask(line, "SELECT count(*) FROM partner WHERE id = 'ptn_9'")


def ask_for_terms(line: BooksLine) -> int:
    """Bodies that name a payee, merchant, channel, ratio or kind of value, at any level."""
    source = '"source":{"type":"card","operator":"cmcc","serial":"1","pin":"2","face_fen":10000%s}'
    whole = '{"contract":"ctr_1","seller":"slr_1",%s%s}'
    wishes = ["payee", "merchant_id", "mchid", "channel", "ratio", "value_kind", "cash"]
    bodies = [whole % (source % f',"{wish}":"mine"', "") for wish in wishes]
    bodies += [whole % (source % "", f',"{wish}":"mine"') for wish in wishes]
    return sum(not isinstance(redeem_card.WISHES.read(text.encode()), Refusal) for text in bodies)
