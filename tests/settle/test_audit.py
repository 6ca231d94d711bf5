"""The audit finds what is wrong, and calls it by its name; on books that are right it finds nothing."""

from __future__ import annotations

import inspect

import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S
from suyuan.flows.keep_house import ReleaseHolds
from suyuan.flows.record_outcome import TakeBack
from suyuan.flows.sell_on import SellOn
from suyuan.settle.audit import CHECKS, audit_books
from suyuan.settle.limits import LimitRules, Rule
from suyuan.settle.payout import Disposition
from tests.settle.books_line import BooksLine, Knock, RaiseToday, a_contract, lay, outcome

HELD = Disposition.HOLD_THEN_SELL

# Each redemption's contract and the verdicts it hears, so that every state of either disposition is there.
STORIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("money", ()),
    ("money", ("consumed",)),
    ("money", ("consumed", "paid")),
    ("money", ("rejected",)),
    ("money", ("consumed", "pay_refused")),
    ("money", ("consumed", "paid", "take back")),
    ("odd", ("consumed", "pay_refused", "take back")),
    ("coupon", ("consumed", "paid")),
    ("coupon", ("consumed", "pay_refused", "take back")),
    ("held", ("proven",)),
    ("held", ("rejected",)),
    ("held", ("proven", "paid")),
    ("held", ("proven", "pay_refused")),
    ("held", ("proven", "paid", "sell on")),
    ("held", ("proven", "paid", "sell on", "consumed")),
    ("held", ("proven", "paid", "sell on", "debt")),
    ("held points", ("proven", "paid", "sell on", "consumed", "take back")),
    ("money", ("consumed",)),  # What is owed by now is repaid before anything else.
    ("held", ("proven",)),
)


def trade(url: str) -> None:
    """A day with every story, a step-up, and a second day on which holds of the first one end."""
    with lay(BooksLine(url)) as line:
        line.register(
            a_contract("odd", ratio_face=1000, ratio_value=805),
            a_contract("coupon", value_kind="coupon", ratio_value=9),
            a_contract("held", disposition=HELD),
            a_contract("held points", disposition=HELD, value_kind="points"),
        )
        line.one(RaiseToday("slr_1"))
        for number, (contract, verdicts) in enumerate(STORIES):
            redemption = line.one(Knock(number, contract=contract, face_fen=99_99).command()).redemption
            for verdict in verdicts:
                command = {"take back": TakeBack(redemption, "ref", "cmcc"), "sell on": SellOn(redemption, "agt_1")}
                line.submit(command.get(verdict) or outcome(redemption, verdict))
        line.clock.advance(DAY_S + 1)
        line.submit(ReleaseHolds(("limit/seller/slr_1/24h",)), Knock(90).command(), Knock(91, card="crd_0").command())


def test_right_books_are_found_right(database: str) -> None:
    trade(database)
    with db.connect(database) as connection:
        audit = audit_books(connection, LimitRules())
    assert audit.findings == []
    assert audit.balanced
    assert set(audit.invariants.values()) == {True}
    assert audit.postings > 50
    assert audit.history_events > len(STORIES)


def test_empty_books_are_right(database: str) -> None:
    with db.connect(database) as connection:
        audit = audit_books(connection, LimitRules())
    assert (audit.balanced, audit.postings, audit.history_events) == (True, 0, 0)


def test_an_audit_writes_nothing_and_sees_one_instant(database: str) -> None:
    with db.connect(database) as connection:
        audit_books(connection)
        assert connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)


def test_every_check_says_its_rule_and_is_put_to_the_test() -> None:
    assert set(WRONGS) == {check.__name__ for check in CHECKS}
    for check in CHECKS:
        assert inspect.getdoc(check), f"{check.__name__} has no rule"


# One wrong each, as a mistake or a thief would leave it, by the check that is there to find it.
WRONGS: dict[str, tuple[str, ...]] = {
    "debits_equal_credits": (
        "UPDATE account SET debits_posted = debits_posted + 1 WHERE key = 'money/operator/cmcc'",
        "UPDATE account SET credits_pending = credits_pending + 1 WHERE key = 'limit/spent'",
    ),
    "counters_are_the_fold_of_transfers": (
        "UPDATE account SET credits_posted = credits_posted + 1 WHERE key IN ('money/fee')",
        "UPDATE transfer SET payee = 9999 WHERE id = 5",
        "UPDATE account SET ledger = 'points' WHERE key = 'coupon/exchange'",
        "DELETE FROM account WHERE key = 'money/fee'",
    ),
    "bounds_hold_at_every_prefix": (
        (
            "UPDATE transfer SET id = -1, resolves = NULL, state = 'posted' WHERE id = (SELECT min(id)"
            " FROM transfer WHERE kind = 'payout' AND state = 'post')"
        ),
    ),
    "positions_are_contiguous": (
        "UPDATE transfer SET out_pos = out_pos + 1 WHERE kind = 'fee' AND out_pos = 0",
        "UPDATE transfer SET in_pos = in_pos + 1 WHERE kind = 'payout' AND in_pos > 0",
        "UPDATE account SET credits_posted = 0 WHERE key = 'money/fee'",
    ),
    "a_pending_transfer_resolves_once": (
        (
            "INSERT INTO transfer SELECT id + 9000, seq, at, ledger, state, kind, payer, payee, fen,"
            " resolves, expires_at FROM transfer WHERE state = 'void'"
        ),
        "UPDATE transfer SET fen = fen - 1 WHERE state = 'post' AND kind = 'fee'",
        "UPDATE transfer SET resolves = resolves + 1 WHERE state = 'expire'",
    ),
    "no_limit_was_passed": (
        "UPDATE account SET allowance_fen = 1 WHERE key LIKE 'limit/identity/%'",
        "UPDATE account SET allowance_fen = allowance_fen * 9 WHERE key LIKE 'limit/payee/%'",
        "UPDATE account SET key = 'limit/seller/slr_1/week' WHERE key LIKE 'limit/seller/%24h'",
        "UPDATE transfer SET expires_at = expires_at + 9000000 WHERE expires_at IS NOT NULL",
        (
            "INSERT INTO transfer SELECT id + 9000, seq, at, ledger, state, kind, payer, payee, fen"
            " FROM transfer WHERE kind = 'raise'"
        ),
    ),
    "face_is_paid_fee_and_rounding": (
        "UPDATE redemption SET fee_fen = fee_fen - 1 WHERE id = 'rdm_000003'",
        ("UPDATE redemption SET paid = paid - 1, rounding_fen = rounding_fen + 1 WHERE rounding_fen = 1"),
    ),
    "a_redemption_follows_its_contract": (
        "UPDATE redemption SET paid = paid + 1, fee_fen = fee_fen - 1 WHERE id = 'rdm_000003'",
        "UPDATE redemption SET value_kind = 'money' WHERE contract = 'coupon'",
        "UPDATE redemption SET merchant_id = 'm-2' WHERE id = 'rdm_000000'",
        "UPDATE redemption SET payee = 'thief' WHERE id = 'rdm_000000'",
        "UPDATE account SET key = 'money/payee/thief' WHERE key LIKE 'money/payee/%'",
    ),
    "a_redemption_is_booked_all_or_none": (
        ("DELETE FROM transfer WHERE id = (SELECT first_transfer + 3 FROM redemption WHERE id = 'rdm_000002')"),
        "DELETE FROM transfer WHERE state = 'post' AND kind = 'fee'",
        ("UPDATE transfer SET state = 'void', out_pos = NULL, in_pos = NULL WHERE state = 'post' AND kind = 'payout'"),
        "UPDATE redemption SET state = 'paid' WHERE id = 'rdm_000000'",
        "DELETE FROM transfer WHERE state = 'posted' AND kind = 'debt'",
    ),
    "promises_wait_for_a_verdict": (
        "DELETE FROM outbox WHERE redemption = 'rdm_000000'",
        "INSERT INTO outbox VALUES ('x', 'settle', 'rdm_000002', 1, 0, '')",
        "INSERT INTO outbox VALUES ('x', 'settle', 'rdm_000000', 1, 0, '')",
        "UPDATE redemption SET state = 'rejected' WHERE id = 'rdm_000000'",
    ),
    "nothing_is_paid_before_its_release": (
        "UPDATE redemption SET release_at = changed_at + 1 WHERE state = 'paid'",
        "UPDATE redemption SET state = 'in_review' WHERE state = 'paid'",
    ),
    "a_card_is_spent_once": (
        "UPDATE redemption SET card = 'crd_1' WHERE id = 'rdm_000000'",
        "UPDATE card SET state = 'released' WHERE redemption = 'rdm_000002'",
        "DELETE FROM card WHERE redemption = 'rdm_000004'",
        (
            "INSERT INTO card SELECT 'crd_x', operator, serial_index, sealed_serial, sealed_secret,"
            " face_fen, 'rdm_x', state, at FROM card WHERE id = 'crd_1'"
        ),
        (
            "INSERT INTO transfer SELECT id + 9000, seq, at, ledger, state, kind, payer, payee, fen,"
            " resolves, NULL, out_pos, in_pos FROM transfer WHERE kind = 'face' AND state = 'post'"
        ),
    ),
    "the_same_request_has_the_same_answer": (
        "UPDATE redemption SET face_fen = face_fen + 1 WHERE id = 'rdm_000001'",
        (
            "INSERT INTO idempotency SELECT '0123456789abcdef'::bytea, request_digest, answer, at FROM"
            " idempotency WHERE at = (SELECT taken_at FROM redemption WHERE seq = 1)"
        ),
        "DELETE FROM idempotency",
    ),
    "history_is_in_order": (
        "DELETE FROM event WHERE seq = 7",
        "DELETE FROM event WHERE seq = 0",
        "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
        "UPDATE event SET at = at - 2 WHERE seq = 7",
        "UPDATE event SET kind = 'payout_paid/9' WHERE seq = 7",
        "UPDATE event SET kind = 'switch_turned/1' WHERE seq = 7",
        "UPDATE line_head SET last_at = 1",
    ),
    "nothing_happened_outside_history": (
        "UPDATE transfer SET seq = 9000 WHERE id = 3",
        "UPDATE transfer SET at = at + 1 WHERE id = 3",
    ),
    "history_tells_the_same_states": (
        "UPDATE redemption SET state = 'paid' WHERE state = 'consumed'",
        "UPDATE redemption SET seller = 'slr_2' WHERE id = 'rdm_000000'",
        "UPDATE redemption SET changed_at = changed_at + 1 WHERE id = 'rdm_000002'",
        "DELETE FROM redemption WHERE id = 'rdm_000002'",
        ("INSERT INTO event SELECT seq + 9000, at, kind, body FROM event WHERE kind = 'payout_paid/1'"),
    ),
}


@pytest.fixture(scope="module")
def unguarded(cluster: db.Server, template: str) -> str:
    """The name of books that are right, in a database whose constraints are gone; to be copied."""
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE unguarded TEMPLATE {template} STRATEGY file_copy".encode())
    trade(cluster.url("unguarded"))
    with db.connect(cluster.url("unguarded"), autocommit=True) as connection:
        for (drop,) in connection.execute(_DROPS).fetchall():
            connection.execute(str(drop).encode())
    return "unguarded"


@pytest.mark.parametrize(("invariant", "wrong"), [(name, wrong) for name, wrongs in WRONGS.items() for wrong in wrongs])
def test_a_wrong_is_found(cluster: db.Server, unguarded: str, invariant: str, wrong: str) -> None:
    """One wrong, put into the database past every constraint, is found by the check that is there for it."""
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS wrong WITH (FORCE)")
        connection.execute(f"CREATE DATABASE wrong TEMPLATE {unguarded} STRATEGY file_copy".encode())
    with db.connect(cluster.url("wrong"), autocommit=True) as connection:
        assert connection.execute(wrong.encode()).rowcount > 0, "this wrong touches nothing"
        audit = audit_books(connection, LimitRules())
    assert not audit.balanced
    assert audit.invariants[invariant] is False, audit.findings
    assert any(finding.startswith(invariant) for finding in audit.findings)


def test_findings_are_few_and_name_no_person(database: str) -> None:
    """A thousand wrongs are told by twenty, and no finding holds a pseudonym's index."""
    trade(database)
    with db.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE transfer SET at = at + 1")
        audit = audit_books(connection, LimitRules())
    assert 0 < sum(finding.startswith("nothing_happened") for finding in audit.findings) <= 20
    assert not [finding for finding in audit.findings if "payee of" in finding or "identity of" in finding]


def test_caps_are_held_against_the_rules(database: str) -> None:
    """Under stricter rules than those it ran by, the same books show caps that no rule gives."""
    trade(database)
    strict = LimitRules(rules=(Rule("seller", "24h", (1, 1, 1)),))
    with db.connect(database) as connection:
        audit = audit_books(connection, strict)
    assert not audit.invariants["no_limit_was_passed"]


_DROPS = """
SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
WHERE contype IN ('c', 'u') AND connamespace = 'public'::regnamespace
UNION ALL SELECT format('DROP INDEX %I', indexname) FROM pg_indexes
WHERE schemaname = 'public' AND indexname LIKE 'transfer_%' AND indexname <> 'transfer_pkey'
"""
