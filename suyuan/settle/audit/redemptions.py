"""Redemptions, their cards, answers and events, each held against the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from suyuan.history.store import PLACES, TOLD, check_history
from suyuan.settle.audit.asking import Connection, ask

ANSWERS_AT_ONCE = 5_000
FACTS_TOLD = 9


def face_is_paid_fee_and_rounding(connection: Connection) -> Iterator[str]:
    """Every face value is divided into what is paid, the fee and at most one fen of rounding, and nothing else."""
    for (redemption,) in ask(connection, _WHOLE):
        yield f"redemption {redemption} does not divide its face value"


_WHOLE = """
SELECT id FROM redemption
WHERE face_fen <> paid + fee_fen + rounding_fen OR least(paid, fee_fen, rounding_fen, debt_fen) < 0
   OR rounding_fen > 1 OR debt_fen > paid
"""


def a_redemption_follows_its_contract(connection: Connection) -> Iterator[str]:
    """Ratio, value kind, channel, merchant and payee are the contract's and the registered seller's, and the value
    was promised to exactly these."""
    for (redemption,) in ask(connection, _CONTRACT):
        yield f"redemption {redemption} is not what its contract and its seller's registration say"
    for (redemption,) in ask(connection, _PAYEE):
        yield f"redemption {redemption} promises value to another account, or of another kind"


_CONTRACT = """
SELECT r.id FROM redemption r
LEFT JOIN contract c ON (c.id, c.partner, c.source, c.value_kind, c.channel, c.merchant_id, c.disposition)
                      = (r.contract, r.partner, r.source, r.value_kind, r.channel, r.merchant_id, r.disposition)
LEFT JOIN seller s ON (s.id, s.partner, s.payee) = (r.seller, r.partner, r.payee)
WHERE c.id IS NULL OR s.id IS NULL
   OR r.paid <> r.face_fen::numeric * c.ratio_value / c.ratio_face - mod(
        r.face_fen::numeric * c.ratio_value, c.ratio_face) / c.ratio_face
   OR r.taken_at < c.begins_at
"""
_PAYEE = """
SELECT r.id FROM redemption r JOIN transfer t ON t.seq = r.seq AND t.kind = 'payout'
JOIN account payer ON payer.id = t.payer JOIN account payee ON payee.id = t.payee
WHERE payer.key <> r.value_kind || '/seller/' || r.seller OR payee.key <> r.value_kind || '/payee/' || r.payee
   OR t.ledger <> r.value_kind
"""


def a_redemption_is_booked_all_or_none(connection: Connection) -> Iterator[str]:
    """All legs of a redemption are there, for its amounts, and those that belong together end together, as its state
    says."""
    for (redemption,) in ask(connection, _GROUPS):
        yield f"redemption {redemption} lacks a leg, or has one of another amount"
    for redemption, part in ask(connection, _OUTCOMES):
        yield f"the {part} legs of redemption {redemption} do not stand as its state says"
    for (redemption,) in ask(connection, _REVERSALS):
        yield f"redemption {redemption} is reversed, but not in the books"


_GROUPS = """
SELECT r.id FROM redemption r LEFT JOIN transfer t ON t.seq = r.seq GROUP BY r.id
HAVING count(t.id) <> r.transfers OR min(t.id) <> r.first_transfer
    OR sum(t.fen) FILTER (WHERE t.kind = 'face') IS DISTINCT FROM r.face_fen
    OR sum(t.fen) FILTER (WHERE t.kind = 'value') IS DISTINCT FROM r.paid
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'fee'), 0) <> r.fee_fen
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'rounding'), 0) <> r.rounding_fen
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'debt'), 0) <> r.debt_fen
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'payout'), 0) <> r.paid - r.debt_fen
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'stock'), r.paid) <> r.paid
    OR coalesce(sum(t.fen) FILTER (WHERE t.kind = 'exchange'), r.paid) <> r.paid
    OR bool_or(t.kind = 'limit' AND t.state = 'pending' AND t.fen <> r.face_fen)
    OR count(*) FILTER (WHERE t.kind = 'limit' AND t.state = 'pending') = 0
"""
# Which outcome the parts of a redemption may have: the way from the operator, the way to the seller, the payout, and
# the limits. A dash stands for a leg that is still pending.
_ALLOWED = """
VALUES ('consume_then_pay', 'in_review', '-', '-', '-', '- expire'),
       ('consume_then_pay', 'declined', 'void', 'void', 'void', 'void expire'),
       ('consume_then_pay', 'pending', '-', '-', '-', '- expire'),
       ('consume_then_pay', 'consumed', 'post', 'post', '-', '- expire'),
       ('consume_then_pay', 'paid', 'post', 'post', 'post', '- expire'),
       ('consume_then_pay', 'rejected', 'void', 'void', 'void', 'void expire'),
       ('consume_then_pay', 'payout_refused', 'post', 'post', 'void', 'void expire'),
       ('consume_then_pay', 'reversed', 'post', 'post', 'post void', '- expire void'),
       ('hold_then_sell', 'in_review', '-', '-', '-', '- expire'),
       ('hold_then_sell', 'declined', 'void', 'void', 'void', 'void expire'),
       ('hold_then_sell', 'pending', '-', '-', '-', '- expire'),
       ('hold_then_sell', 'proven', '-', '-', '-', '- expire'),
       ('hold_then_sell', 'held', '-', 'post', 'post', '- expire'),
       ('hold_then_sell', 'selling', '-', 'post', 'post', '- expire'),
       ('hold_then_sell', 'paid', 'post', 'post', 'post', '- expire'),
       ('hold_then_sell', 'rejected', 'void', 'void', 'void', 'void expire'),
       ('hold_then_sell', 'payout_refused', 'void', 'void', 'void', 'void expire'),
       ('hold_then_sell', 'reversed', 'post void', 'post', 'post', '- expire')
"""
_OUTCOMES = f"""
WITH allowed (disposition, state, source, value, payout, limits) AS ({_ALLOWED}), leg AS (
    SELECT r.id, r.disposition, r.state, coalesce(done.state, '-') AS outcome,
           CASE WHEN t.kind IN ('face', 'fee', 'rounding', 'stock') THEN 'source'
                WHEN t.kind IN ('payout', 'limit') THEN t.kind
                -- A held card's value leaves the stock, a consumed one's comes straight from the card.
                ELSE 'value' END AS part
    FROM redemption r JOIN transfer t ON t.seq = r.seq AND t.state = 'pending'
    LEFT JOIN transfer done ON done.resolves = t.id)
SELECT leg.id, leg.part FROM leg LEFT JOIN allowed a ON (a.disposition, a.state) = (leg.disposition, leg.state)
GROUP BY leg.id, leg.part
HAVING bool_or(a.state IS NULL OR leg.outcome <> ALL (string_to_array(
           CASE leg.part WHEN 'source' THEN a.source WHEN 'value' THEN a.value
                         WHEN 'payout' THEN a.payout ELSE a.limits END, ' ')))
    OR (leg.part <> 'limit' AND min(leg.outcome) <> max(leg.outcome))
"""
_REVERSALS = """
SELECT r.id FROM redemption r LEFT JOIN transfer t ON t.at = r.changed_at AND t.state = 'posted' AND t.ledger = 'money'
WHERE r.state = 'reversed' GROUP BY r.id
HAVING coalesce(sum(t.fen), 0) NOT IN (r.face_fen, r.paid)
"""


def promises_wait_for_a_verdict(connection: Connection) -> Iterator[str]:
    """Whatever is promised belongs to a redemption that waits for the world, with one outbox row, or for a person, with
    none; and vice versa."""
    for (transfer,) in ask(connection, _PROMISES):
        yield f"transfer {transfer} is promised, but nobody will ask for its verdict"
    for (redemption,) in ask(connection, _OUTBOX):
        yield f"redemption {redemption} waits without an outbox row, or has one and waits for nothing"


_PROMISES = """
SELECT t.id FROM transfer t LEFT JOIN transfer done ON done.resolves = t.id
LEFT JOIN redemption r ON r.seq = t.seq
  AND r.state IN ('in_review', 'pending', 'consumed', 'proven', 'held', 'selling')
WHERE t.state = 'pending' AND t.ledger <> 'limit' AND done.id IS NULL AND r.id IS NULL
"""
_OUTBOX = """
SELECT coalesce(r.id, due.redemption)
FROM (SELECT id FROM redemption WHERE state IN ('pending', 'consumed', 'proven', 'selling')) AS r
FULL JOIN (SELECT redemption, count(*) FROM outbox WHERE kind = 'settle' GROUP BY redemption) AS due
    ON due.redemption = r.id
WHERE r.id IS NULL OR due.count IS DISTINCT FROM 1
"""


def nothing_is_paid_before_its_release(connection: Connection) -> Iterator[str]:
    """A payout that was delayed, or that a person had to decide about, is paid at its time and not before."""
    for (redemption,) in ask(connection, _RELEASED):
        yield f"redemption {redemption} was paid before its release"


_RELEASED = """
SELECT r.id FROM redemption r JOIN transfer t ON t.seq = r.seq AND t.kind = 'payout' AND t.state = 'pending'
JOIN transfer done ON done.resolves = t.id AND done.state = 'post'
WHERE done.at < r.release_at OR r.state = 'in_review'
"""


def a_card_is_spent_once(connection: Connection) -> Iterator[str]:
    """A card is held or spent by one redemption, stands as that one says, and brought its face value at most once."""
    for (redemption,) in ask(connection, _CARDS_TWICE):
        yield f"redemption {redemption} has a card that another one holds or has spent"
    for (redemption,) in ask(connection, _CARDS):
        yield f"the card of redemption {redemption} does not stand as the redemption says"
    for (account,) in ask(connection, _FACES):
        yield f"card account {account} received more than one face value"


# A redemption that let its card go: a person or the operator refused it, or the channel did before it was sold on.
_LET_GO = """(r.state IN ('rejected', 'declined')
    OR (r.state = 'payout_refused' AND r.disposition = 'hold_then_sell'))"""
_CARDS_TWICE = f"""
SELECT max(r.id) FROM redemption r WHERE NOT {_LET_GO} GROUP BY r.card HAVING count(*) > 1
"""
_CARDS = f"""
SELECT r.id FROM redemption r LEFT JOIN card c ON c.id = r.card
WHERE c.id IS NULL
   OR (c.redemption = r.id AND (c.face_fen, c.operator, c.state) IS DISTINCT FROM (r.face_fen, r.operator, CASE
        WHEN {_LET_GO} THEN 'released' WHEN r.state = 'reversed' THEN 'reversed'
        WHEN r.state = 'paid' OR (r.disposition = 'consume_then_pay' AND r.state NOT IN ('pending', 'in_review'))
        THEN 'consumed'
        ELSE 'claimed' END))
   OR (c.redemption <> r.id AND NOT {_LET_GO})
UNION ALL
SELECT c.redemption FROM card c LEFT JOIN redemption r ON r.id = c.redemption AND r.card = c.id WHERE r.id IS NULL
"""
_FACES = """
SELECT t.payee FROM transfer t WHERE t.kind = 'face' AND t.state IN ('posted', 'post')
GROUP BY t.payee HAVING count(*) > 1
"""


def the_same_request_has_the_same_answer(connection: Connection) -> Iterator[str]:
    """What was answered to a request is what its redemption says to this day, and no redemption answers two."""
    answered: set[int] = set()
    count = purged = 0
    for batch in _answers(connection):
        taken = [told for told in batch if told is not None]
        purged += len(batch) - len(taken)
        rows = {row[0]: list(row) for row in ask(connection, _TAKEN, [told[0] for told in taken if told])}
        for told in taken:
            count += bool(told)
            if told and rows.get(told[0]) != told:
                yield f"a request was answered with redemption {told[0]}, which does not say the same"
            if told and told[1] in answered:
                yield f"redemption {told[0]} was the answer to two requests"
            answered.update(told[1:2])
    (redemptions,) = ask(connection, "SELECT count(*) FROM redemption")[0]
    if count + purged < redemptions:
        yield f"{redemptions - count - purged} redemptions are the answer to no request"


def _answers(connection: Connection) -> Iterator[list[list[Any] | None]]:
    """Answers in batches: the facts of one that took a card, nothing of another, None where retention has ended."""
    with connection.cursor("audit_answers") as cursor:
        cursor.execute("SELECT answer FROM idempotency")
        while rows := cursor.fetchmany(ANSWERS_AT_ONCE):
            yield [None if answer is None else _facts(answer) for (answer,) in rows]


def _facts(answer: bytes) -> list[Any]:
    """The fields of an answer that says a redemption was taken; its name comes first, as in every message."""
    name, *told = msgspec.msgpack.decode(answer)
    # What follows says how the redemption stood then, which may have changed since.
    return told[:FACTS_TOLD] if name == "Taken" else []


_TAKEN = """
SELECT id, seq, taken_at, face_fen, paid, fee_fen, rounding_fen, debt_fen, value_kind FROM redemption
WHERE id = ANY(%s)
"""


# --- history -------------------------------------------------------------------------------------


def history_is_in_order(connection: Connection) -> Iterator[str]:
    """History starts at 0, has no gaps, and its time strictly increases."""
    yield from check_history(connection)


def nothing_happened_outside_history(connection: Connection) -> Iterator[str]:
    """Each transfer and each redemption belongs to an event and its instant: a commit is there as a whole or not."""
    for transfer, seq in ask(connection, _OUTSIDE):
        yield f"transfer {transfer} belongs to event {seq}, which is not there or was at another time"


_OUTSIDE = f"""
SELECT t.id, t.seq FROM transfer t LEFT JOIN ({PLACES}) AS place ON (place.seq, place.at) = (t.seq, t.at)
WHERE place.seq IS NULL
"""


def history_tells_the_same_states(connection: Connection) -> Iterator[str]:
    """Told again from its events, every redemption comes to the state, the facts and the instant it has."""
    for (redemption,) in ask(connection, _RETOLD):
        yield f"redemption {redemption} is not what history tells of it"
    for redemption, kind in ask(connection, _TOLD_TWICE):
        yield f"history tells {kind} of redemption {redemption} more than once"


_STORY = f"""
SELECT seq, at, kind, told, told ->> 'redemption' AS redemption FROM ({TOLD}) AS event WHERE kind IN (
    'redemption_taken/1', 'source_proven/1', 'source_consumed/1', 'payout_paid/1', 'held_card_sold/1',
    'source_rejected/1', 'payout_refused/1', 'source_reversed/1')
    OR (kind = 'review_decided/1' AND told ->> 'verdict' IN ('pay', 'refuse'))
"""
_RETOLD = f"""
WITH story AS MATERIALIZED ({_STORY}), taken AS (SELECT * FROM story WHERE kind = 'redemption_taken/1'),
last AS (SELECT DISTINCT ON (redemption) redemption, kind, at, told ->> 'verdict' AS verdict
         FROM story ORDER BY redemption, seq DESC),
reviewed AS (SELECT told ->> 'redemption' AS redemption FROM ({TOLD}) AS event
             WHERE kind = 'decision_made/1' AND told ->> 'action' = 'review' AND told ->> 'outcome' = '')
SELECT coalesce(r.id, taken.redemption)
FROM redemption r FULL JOIN taken ON taken.redemption = r.id LEFT JOIN last ON last.redemption = r.id
WHERE (r.seq, r.taken_at, r.changed_at) IS DISTINCT FROM (taken.seq, taken.at, last.at)
   OR (r.partner, r.contract, r.seller, r.card, r.operator, r.value_kind, r.channel, r.disposition) IS DISTINCT FROM
      (told ->> 'partner', told ->> 'contract', told ->> 'seller', told ->> 'source_index', told ->> 'operator',
       told ->> 'value_kind', told ->> 'channel', told ->> 'disposition')
   OR (r.face_fen, r.paid, r.fee_fen, r.rounding_fen, r.debt_fen) IS DISTINCT FROM
      ((told ->> 'face_fen')::bigint, (told ->> 'paid')::bigint, (told ->> 'fee_fen')::bigint,
       (told ->> 'rounding_fen')::bigint, (told ->> 'debt_fen')::bigint)
   OR r.state IS DISTINCT FROM CASE last.kind
        WHEN 'redemption_taken/1' THEN
            CASE WHEN r.id IN (SELECT redemption FROM reviewed) THEN 'in_review' ELSE 'pending' END
        WHEN 'review_decided/1' THEN CASE last.verdict WHEN 'pay' THEN 'pending' ELSE 'declined' END
        WHEN 'source_rejected/1' THEN 'rejected'
        WHEN 'payout_refused/1' THEN 'payout_refused'
        WHEN 'source_reversed/1' THEN 'reversed'
        WHEN 'held_card_sold/1' THEN 'selling'
        -- Where all of it repays a debt there is nobody to pay, so the next state is reached at once.
        WHEN 'source_proven/1' THEN CASE WHEN r.debt_fen = r.paid THEN 'held' ELSE 'proven' END
        WHEN 'source_consumed/1' THEN CASE
            WHEN r.disposition = 'hold_then_sell' OR r.debt_fen = r.paid THEN 'paid' ELSE 'consumed' END
        WHEN 'payout_paid/1' THEN CASE WHEN r.disposition = 'hold_then_sell' THEN 'held' ELSE 'paid' END
      END
"""
_TOLD_TWICE = f"""
SELECT redemption, kind FROM ({_STORY}) AS story GROUP BY redemption, kind HAVING count(*) > 1
"""
