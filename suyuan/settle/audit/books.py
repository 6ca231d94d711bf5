"""Accounts, transfers, positions and limits, folded again from the first transfer on."""

from __future__ import annotations

from collections.abc import Iterator

from suyuan.settle.audit.asking import Connection, ask
from suyuan.settle.limits import LimitRules


def debits_equal_credits(connection: Connection) -> Iterator[str]:
    """Within each ledger debits equal credits, posted and pending apart."""
    for ledger, pending, posted in ask(connection, _BALANCE):
        yield f"in the ledger of {ledger} debits exceed credits by {pending} pending and {posted} posted"


_BALANCE = """
SELECT ledger, sum(debits_pending - credits_pending), sum(debits_posted - credits_posted) FROM account
GROUP BY ledger
HAVING sum(debits_pending) <> sum(credits_pending) OR sum(debits_posted) <> sum(credits_posted)
"""

# What each transfer does to the four counters of its two accounts; every fold below begins here.
_ENTRIES = """
SELECT id, ledger, payer AS account, pending AS dp, posted AS dpo, 0::bigint AS cp, 0::bigint AS cpo FROM effect
UNION ALL
SELECT id, ledger, payee, 0, 0, pending, posted FROM effect
"""
_EFFECT = """
SELECT id, ledger, payer, payee,
       CASE state WHEN 'pending' THEN fen WHEN 'posted' THEN 0 ELSE -fen END AS pending,
       CASE WHEN state IN ('posted', 'post') THEN fen ELSE 0 END AS posted
FROM transfer
"""


def counters_are_the_fold_of_transfers(connection: Connection) -> Iterator[str]:
    """Each account's four counters are what its transfers add up to, and each transfer is between known accounts."""
    for account, ledger in ask(connection, _FOLD):
        yield f"account {account} of the ledger of {ledger} does not say what its transfers add up to"
    for (transfer,) in ask(connection, _STRAY):
        yield f"transfer {transfer} is not between two accounts of its own ledger"


_FOLD = f"""
WITH effect AS ({_EFFECT}), entry AS ({_ENTRIES}), fold AS (
    SELECT account, sum(dp) AS dp, sum(dpo) AS dpo, sum(cp) AS cp, sum(cpo) AS cpo FROM entry GROUP BY account)
SELECT coalesce(a.id, fold.account), coalesce(a.ledger, 'nobody') FROM account a FULL JOIN fold ON fold.account = a.id
WHERE (a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted) IS DISTINCT FROM
      (coalesce(fold.dp, 0), coalesce(fold.dpo, 0), coalesce(fold.cp, 0), coalesce(fold.cpo, 0))
"""
_STRAY = """
SELECT t.id FROM transfer t
WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = t.payer AND a.ledger = t.ledger)
   OR NOT EXISTS (SELECT FROM account a WHERE a.id = t.payee AND a.ledger = t.ledger)
"""


def bounds_hold_at_every_prefix(connection: Connection) -> Iterator[str]:
    """No value account ever spent or promised more than it had, nor repaid more than it owed, at any transfer."""
    for account, transfer in ask(connection, _prefix_query("<> 'limit'")):
        yield f"account {account} was out of its bounds after transfer {transfer}"


def _prefix_query(ledger: str) -> str:
    """Folds the transfers in order, and shows where an account first left its bounds. Allowances only ever grow."""
    return f"""
WITH effect AS ({_EFFECT}), entry AS ({_ENTRIES}), running AS (
    SELECT e.account, e.id, a.bound, a.allowance_fen AS allowance,
           sum(dp) OVER so_far AS dp, sum(dpo) OVER so_far AS dpo,
           sum(cp) OVER so_far AS cp, sum(cpo) OVER so_far AS cpo
    FROM entry e JOIN account a ON a.id = e.account
    WHERE e.ledger {ledger} AND a.bound <> 'none'
    WINDOW so_far AS (PARTITION BY e.account ORDER BY e.id ROWS UNBOUNDED PRECEDING))
SELECT account, min(id) FROM running
WHERE least(dp, cp) < 0
   OR (bound = 'credit' AND (dpo > cpo + allowance OR dp + dpo > cp + cpo + allowance))
   OR (bound = 'debit' AND cp + cpo > dpo)
GROUP BY account
"""


def positions_are_contiguous(connection: Connection) -> Iterator[str]:
    """Each posted value transfer begins where the one before it ended, at its payer and at its payee, in order of
    history, and the view that tracing reads ends where the counters stand."""
    for side, position, counter in (("payer", "out_pos", "debits_posted"), ("payee", "in_pos", "credits_posted")):
        for account, posting in ask(connection, _positions_query(side, position)):
            yield f"posting {posting} leaves a gap or an overlap at its {side}, account {account}"
        for (account,) in ask(connection, _totals_query(side, counter)):
            yield f"account {account} has another total as {side} in value_flow than its counter says"


def _positions_query(side: str, position: str) -> str:
    return f"""
SELECT account, min(posting) FROM (
    SELECT {side} AS account, posting, {position} AS position,
           sum(fen) OVER (PARTITION BY {side} ORDER BY posting ROWS UNBOUNDED PRECEDING) - fen AS expected
    FROM value_flow) AS placed
WHERE position <> expected GROUP BY account
"""


def _totals_query(side: str, counter: str) -> str:
    return f"""
SELECT a.id FROM account a LEFT JOIN (SELECT {side} AS id, sum(fen) AS fen FROM value_flow GROUP BY {side}) AS flow
ON flow.id = a.id WHERE a.ledger <> 'limit' AND a.{counter} <> coalesce(flow.fen, 0)
"""


def a_pending_transfer_resolves_once(connection: Connection) -> Iterator[str]:
    """A pending transfer is resolved at most once, later, between the same accounts, for exactly its amount."""
    for transfer, times in ask(connection, _RESOLVED_OFTEN):
        yield f"transfer {transfer} was resolved {times} times"
    for (transfer,) in ask(connection, _RESOLVED_OTHERWISE):
        yield f"transfer {transfer} resolves nothing that was pending in the same way"


_RESOLVED_OFTEN = """
SELECT resolves, count(*) FROM transfer WHERE resolves IS NOT NULL GROUP BY resolves HAVING count(*) > 1
"""
_RESOLVED_OTHERWISE = """
SELECT r.id FROM transfer r LEFT JOIN transfer t ON t.id = r.resolves AND t.state = 'pending' AND t.id < r.id
    AND (t.ledger, t.kind, t.payer, t.payee, t.fen) = (r.ledger, r.kind, r.payer, r.payee, r.fen)
WHERE r.resolves IS NOT NULL AND t.id IS NULL
"""


# --- limits --------------------------------------------------------------------------------------


def no_limit_was_passed(connection: Connection) -> Iterator[str]:
    """Nobody took more than a limit allowed, at any transfer; holds ended in their time; limits were raised once."""
    for account, transfer in ask(connection, _prefix_query("= 'limit'")):
        yield f"limit account {account} was passed by transfer {transfer}"
    for account, transfer in ask(connection, _ROLLING):
        yield f"limit account {account} was passed within 24 hours by transfer {transfer}"
    for (transfer,) in ask(connection, _EXPIRED_EARLY):
        yield f"hold {transfer} was released before it expired"
    for account, times in ask(connection, _RAISED_OFTEN):
        yield f"limit account {account} was raised {times} times"


# A second opinion on the rolling window that knows nothing of lazy release: what was taken and kept, by time alone.
_ROLLING = """
SELECT payer, min(id) FROM (
    SELECT t.payer, t.id, a.allowance_fen + a.credits_posted AS cap, sum(t.fen) OVER (
        PARTITION BY t.payer ORDER BY t.at RANGE BETWEEN 86399999999 PRECEDING AND CURRENT ROW) AS taken
    FROM transfer t JOIN account a ON a.id = t.payer
    LEFT JOIN transfer r ON r.resolves = t.id AND r.state = 'void'
    WHERE t.ledger = 'limit' AND t.expires_at IS NOT NULL AND r.id IS NULL) AS kept
WHERE taken > cap GROUP BY payer
"""
_EXPIRED_EARLY = """
SELECT t.id FROM transfer r JOIN transfer t ON t.id = r.resolves
WHERE r.state = 'expire' AND (t.expires_at IS NULL OR r.at < t.expires_at)
"""
_RAISED_OFTEN = """
SELECT payee, count(*) FROM transfer WHERE ledger = 'limit' AND state = 'posted' GROUP BY payee HAVING count(*) > 1
"""


def caps_above(connection: Connection, rules: LimitRules) -> list[str]:
    """Limit accounts whose cap is higher than any tier's in these rules."""
    pairs = [(f"limit/{rule.subject}/", rule.window, max(rule.cap_fen)) for rule in rules.rules]
    begins, windows, caps = zip(*pairs, strict=True)
    rows = ask(connection, _CAPS, list(begins), list(windows), list(caps))
    return [f"limit account {account} has a cap that no rule gives" for (account,) in rows]


_CAPS = """
SELECT a.id FROM account a
LEFT JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS rule (begins, span, cap)
    ON starts_with(a.key, rule.begins) AND CASE rule.span WHEN 'day' THEN a.key ~ '/day/[0-9-]{10}$'
                                                          ELSE right(a.key, 4) = '/24h' END
WHERE a.ledger = 'limit' AND a.bound <> 'none' AND a.allowance_fen > coalesce(rule.cap, -1)
"""
