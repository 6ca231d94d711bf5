"""Are the books right? Every invariant of the money, asked of the real database after the fact.

The line and the database's constraints keep these rules while it runs. This module believes neither: it folds the
transfers again, in order, and compares. Each check is a function whose docstring is the rule and which yields what
breaks it; `audit_books` runs them all over one snapshot and writes nothing, so it may run beside a serving platform.

Names in findings are ids and numbers, never a blind index or a secret.

    with db.connect(url) as connection:
        audit = audit_books(connection)
    assert audit.balanced, audit.findings
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from suyuan.history.store import FINDINGS_MAX, count_events
from suyuan.settle.audit import books, redemptions
from suyuan.settle.audit.asking import Check, Connection, ask
from suyuan.settle.limits import LimitRules

# Sorting a million transfers in memory takes a tenth of what it takes on disk. Every check reads whole tables, so a
# nested loop, which the planner likes for tables that have no statistics yet, is never the right way to join them.
_SETTINGS = "SET LOCAL work_mem = '256MB'; SET LOCAL jit = off; SET LOCAL enable_nestloop = off"

CHECKS: tuple[Check, ...] = (
    books.debits_equal_credits,
    books.counters_are_the_fold_of_transfers,
    books.bounds_hold_at_every_prefix,
    books.positions_are_contiguous,
    books.a_pending_transfer_resolves_once,
    books.no_limit_was_passed,
    redemptions.face_is_paid_fee_and_rounding,
    redemptions.a_redemption_follows_its_contract,
    redemptions.a_redemption_is_booked_all_or_none,
    redemptions.promises_wait_for_a_verdict,
    redemptions.nothing_is_paid_before_its_release,
    redemptions.a_card_is_spent_once,
    redemptions.the_same_request_has_the_same_answer,
    redemptions.history_is_in_order,
    redemptions.nothing_happened_outside_history,
    redemptions.history_tells_the_same_states,
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `invariants` says of each rule whether it holds, `findings` what breaks it."""

    balanced: bool
    invariants: dict[str, bool]
    postings: int
    history_events: int
    findings: list[str] = field(default_factory=list)


def audit_books(connection: Connection, rules: LimitRules | None = None) -> Audit:
    """Runs every check over one snapshot. With `rules`, the caps in the books are held against them as well."""
    checks = {check.__name__: check for check in CHECKS}
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(_SETTINGS)
        found = {name: list(islice(check(connection), FINDINGS_MAX)) for name, check in checks.items()}
        if rules is not None:
            found["no_limit_was_passed"] += books.caps_above(connection, rules)
        postings = ask(connection, "SELECT count(*) FROM value_flow")[0][0]
        events = count_events(connection)
    findings = [f"{name}: {finding}" for name, sentences in found.items() for finding in sentences]
    return Audit(not findings, {name: not found[name] for name in checks}, postings, events, findings)
