"""The spine: history and its line, the register, requests that act once, cards, books, outbox.

Every rule that the line checks stands here again as a CHECK or a UNIQUE index, so that a mistake in the line halts
the platform and never pays. What each table promises is told in the docstring of its owner, the one module whose SQL
names it.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HISTORY = """
CREATE TABLE line_head (
    sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
    epoch bigint NOT NULL CHECK (epoch >= 0),
    next_seq bigint NOT NULL CHECK (next_seq >= 0),
    last_at bigint NOT NULL,
    leader_pid integer NOT NULL
);
INSERT INTO line_head (epoch, next_seq, last_at, leader_pid) VALUES (0, 0, 0, 0);

CREATE TABLE event (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    at bigint NOT NULL CHECK (at > 0),
    kind text NOT NULL,
    body bytea NOT NULL
);
"""

REGISTER = """
CREATE TABLE officer (
    id text PRIMARY KEY,
    algorithm text NOT NULL,
    public_key text NOT NULL UNIQUE
);
CREATE TABLE proposal (
    id text PRIMARY KEY,
    change text NOT NULL,
    proposer text NOT NULL,
    approver text,
    CHECK (approver <> proposer)
);
CREATE TABLE partner (
    id text PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'suspended')),
    webhook_url text NOT NULL
);
CREATE TABLE agent (
    id text PRIMARY KEY,
    partner text NOT NULL,
    parent text
);
CREATE TABLE seller (
    id text PRIMARY KEY,
    partner text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'suspended')),
    tier smallint NOT NULL CHECK (tier BETWEEN 0 AND 2),
    identity_index text NOT NULL,
    payee_index text NOT NULL,
    sealed_name text NOT NULL,
    sealed_identity text NOT NULL,
    sealed_number text NOT NULL,
    sealed_payee text NOT NULL,
    registered_at bigint NOT NULL,
    bound_at bigint NOT NULL
);
CREATE TABLE contract (
    id text PRIMARY KEY,
    partner text NOT NULL,
    source text NOT NULL CHECK (source IN ('card', 'balance')),
    value_kind text NOT NULL CHECK (value_kind IN ('money', 'coupon', 'points')),
    ratio_face integer NOT NULL,
    ratio_value integer NOT NULL CHECK (ratio_value > 0 AND ratio_value <= ratio_face),
    channel text NOT NULL,
    merchant_id text NOT NULL,
    disposition text NOT NULL CHECK (disposition IN ('consume_then_pay', 'hold_then_sell')),
    hold_s integer NOT NULL CHECK (hold_s >= 0),
    begins_at bigint NOT NULL,
    ends_at bigint NOT NULL CHECK (ends_at > begins_at)
);
CREATE TABLE signing_key (
    id text PRIMARY KEY,
    owner_kind text NOT NULL CHECK (owner_kind IN ('partner', 'seller')),
    owner text NOT NULL,
    algorithm text NOT NULL CHECK (algorithm IN ('ed25519', 'sm2-sm3')),
    public_key text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'revoked')),
    device text,
    networks text NOT NULL,
    ends_at bigint NOT NULL
);
CREATE TABLE kill_switch (
    target text PRIMARY KEY,
    stopped boolean NOT NULL,
    turned_at bigint NOT NULL
);
"""

ONCE = """
CREATE TABLE nonce (
    mark bytea PRIMARY KEY CHECK (length(mark) = 16),
    seen_at bigint NOT NULL
);
-- Purging asks for a range of time over rows that arrive in time's order: a few pages instead of an index a row.
CREATE INDEX nonce_seen_at ON nonce USING brin (seen_at);
CREATE TABLE idempotency (
    mark bytea PRIMARY KEY CHECK (length(mark) = 16),
    request_digest bytea NOT NULL CHECK (length(request_digest) = 32),
    answer bytea,
    at bigint NOT NULL
);
"""

BOOKS = """
CREATE TABLE account (
    id bigint PRIMARY KEY CHECK (id >= 0),
    key text NOT NULL UNIQUE,
    ledger text NOT NULL CHECK (ledger IN ('money', 'coupon', 'points', 'limit')),
    bound text NOT NULL CHECK (bound IN ('credit', 'debit', 'none')),
    allowance_fen bigint NOT NULL CHECK (allowance_fen >= 0),
    debits_pending bigint NOT NULL CHECK (debits_pending >= 0),
    debits_posted bigint NOT NULL CHECK (debits_posted >= 0),
    credits_pending bigint NOT NULL CHECK (credits_pending >= 0),
    credits_posted bigint NOT NULL CHECK (credits_posted >= 0),
    released_at bigint NOT NULL,
    CONSTRAINT account_spends_what_it_has CHECK (
        bound <> 'credit' OR debits_posted <= credits_posted + allowance_fen),
    CONSTRAINT account_promises_what_it_was_promised CHECK (
        bound <> 'credit'
        OR debits_pending + debits_posted <= credits_pending + credits_posted + allowance_fen),
    CONSTRAINT account_repays_what_it_owes CHECK (
        bound <> 'debit' OR credits_pending + credits_posted <= debits_posted)
) WITH (fillfactor = 60);
CREATE TABLE transfer (
    id bigint PRIMARY KEY CHECK (id >= 0),
    seq bigint NOT NULL,
    at bigint NOT NULL,
    ledger text NOT NULL,
    state text NOT NULL CHECK (state IN ('posted', 'pending', 'post', 'void', 'expire')),
    kind text NOT NULL,
    payer bigint NOT NULL,
    payee bigint NOT NULL CHECK (payee <> payer),
    fen bigint NOT NULL CHECK (fen > 0),
    resolves bigint,
    expires_at bigint,
    out_pos bigint CHECK (out_pos >= 0),
    in_pos bigint CHECK (in_pos >= 0),
    CHECK ((resolves IS NOT NULL) = (state IN ('post', 'void', 'expire'))),
    CHECK (expires_at IS NULL OR state = 'pending'),
    CHECK ((out_pos IS NOT NULL) = (state IN ('posted', 'post') AND ledger <> 'limit')),
    CHECK ((in_pos IS NULL) = (out_pos IS NULL))
);
CREATE UNIQUE INDEX transfer_resolves_once ON transfer (resolves) WHERE resolves IS NOT NULL;
CREATE UNIQUE INDEX transfer_out ON transfer (payer, out_pos) WHERE out_pos IS NOT NULL;
CREATE UNIQUE INDEX transfer_in ON transfer (payee, in_pos) WHERE in_pos IS NOT NULL;
CREATE INDEX transfer_hold ON transfer (payer, expires_at) WHERE expires_at IS NOT NULL;
CREATE VIEW value_flow (posting, seq, at, payer, payee, fen, in_pos, out_pos, kind) AS
    SELECT id, seq, at, payer, payee, fen, in_pos, out_pos, kind FROM transfer WHERE out_pos IS NOT NULL;
"""

REDEMPTIONS = """
CREATE TABLE card (
    id text PRIMARY KEY,
    operator text NOT NULL,
    serial_index text NOT NULL,
    sealed_serial text NOT NULL,
    sealed_secret text NOT NULL,
    face_fen bigint NOT NULL CHECK (face_fen > 0),
    redemption text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('claimed', 'consumed', 'released', 'reversed')),
    at bigint NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE redemption (
    id text PRIMARY KEY,
    seq bigint NOT NULL UNIQUE,
    partner text NOT NULL,
    agent text,
    contract text NOT NULL,
    seller text NOT NULL,
    source text NOT NULL CHECK (source IN ('card', 'balance')),
    card text NOT NULL,
    operator text NOT NULL,
    face_fen bigint NOT NULL CHECK (face_fen > 0),
    paid bigint NOT NULL CHECK (paid > 0),
    fee_fen bigint NOT NULL CHECK (fee_fen >= 0),
    rounding_fen bigint NOT NULL CHECK (rounding_fen BETWEEN 0 AND 1),
    debt_fen bigint NOT NULL CHECK (debt_fen BETWEEN 0 AND paid),
    value_kind text NOT NULL,
    channel text NOT NULL,
    merchant_id text NOT NULL,
    payee_index text NOT NULL,
    sealed_payee text NOT NULL,
    disposition text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'pending', 'consumed', 'proven', 'paid', 'held', 'selling', 'rejected', 'payout_refused', 'reversed')),
    first_transfer bigint NOT NULL,
    transfers smallint NOT NULL CHECK (transfers > 0),
    taken_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    reference text NOT NULL,
    CONSTRAINT redemption_is_whole CHECK (face_fen = paid + fee_fen + rounding_fen)
) WITH (fillfactor = 70);
CREATE INDEX redemption_of_partner ON redemption (partner, seq);
CREATE TABLE outbox (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('settle', 'reverse', 'webhook')),
    redemption text NOT NULL,
    due_at bigint NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    body bytea NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at);
"""


def upgrade() -> None:
    """From empty to the spine."""
    for part in (HISTORY, REGISTER, ONCE, BOOKS, REDEMPTIONS):
        op.execute(part)
