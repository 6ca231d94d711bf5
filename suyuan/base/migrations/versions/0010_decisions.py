"""Decisions: what was decided about each attempt, what decides, who is frozen, and what waits for a person."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MONEY = """
ALTER TABLE seller DROP CONSTRAINT seller_state_check;
ALTER TABLE seller ADD CONSTRAINT seller_state_check CHECK (state IN ('active', 'suspended', 'frozen'));
ALTER TABLE redemption DROP CONSTRAINT redemption_state_check;
ALTER TABLE redemption ADD CONSTRAINT redemption_state_check CHECK (state IN (
    'in_review', 'pending', 'consumed', 'proven', 'paid', 'held', 'selling', 'rejected', 'payout_refused', 'reversed',
    'declined'));
ALTER TABLE redemption ADD COLUMN release_at bigint NOT NULL DEFAULT 0 CHECK (release_at = 0 OR release_at > taken_at);
ALTER TABLE seller ADD COLUMN frozen_at bigint NOT NULL DEFAULT 0;
ALTER TABLE seller ADD COLUMN frozen_for text NOT NULL DEFAULT '';
ALTER TABLE seller ADD COLUMN frozen_by text NOT NULL DEFAULT '';
ALTER TABLE seller ADD CONSTRAINT seller_is_frozen_by_somebody CHECK (
    state <> 'frozen' OR (frozen_at > 0 AND frozen_by <> ''));
CREATE INDEX seller_frozen ON seller (frozen_at) WHERE state = 'frozen';
"""

KEPT = """
CREATE TABLE decision (
    redemption text PRIMARY KEY,
    seq bigint NOT NULL UNIQUE,
    at bigint NOT NULL,
    partner text NOT NULL,
    seller text NOT NULL,
    action text NOT NULL CHECK (action IN ('approve', 'delay', 'step_up', 'review', 'refuse', 'freeze')),
    reason text NOT NULL,
    limit_percent smallint NOT NULL CHECK (limit_percent BETWEEN 0 AND 100),
    outcome text NOT NULL,
    review text NOT NULL CHECK (review IN ('', 'waits', 'asked', 'pay', 'refuse', 'upheld', 'overturned')),
    asked_at bigint NOT NULL,
    attempt bytea NOT NULL
);
CREATE INDEX decision_in_review ON decision (seq) WHERE review IN ('waits', 'asked');
"""

DEPLOYED = """
CREATE TABLE policy (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    text text NOT NULL
);
CREATE TABLE model (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    packed bytea NOT NULL,
    kept_at bigint NOT NULL
);
CREATE TABLE deployment (
    stage text PRIMARY KEY CHECK (stage IN (
        'active', 'rollout', 'shadow', 'champion', 'challenger', 'graph', 'lists')),
    digest text NOT NULL,
    percent smallint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    seq bigint NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE list_entry (
    id text PRIMARY KEY,
    list text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    reason text NOT NULL,
    added_at bigint NOT NULL,
    expires_at bigint NOT NULL CHECK (expires_at > added_at),
    by_whom text NOT NULL,
    CHECK (id = list || '/' || key || '/' || value)
);
CREATE TABLE ring_member (
    seller bigint PRIMARY KEY,
    ring_size integer NOT NULL CHECK (ring_size > 1),
    ring_bad integer NOT NULL CHECK (ring_bad >= 0),
    ring_density integer NOT NULL CHECK (ring_density >= 0)
);
"""


def upgrade() -> None:
    """From evidence to decisions."""
    for part in (MONEY, KEPT, DEPLOYED):
        op.execute(part)
