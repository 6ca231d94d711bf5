"""Authority and its end: orders of lawful authorities, restrictions and holds, and the agenda of retention."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WARRANT = """
CREATE TABLE warrant (
    id text PRIMARY KEY,
    authority text NOT NULL,
    document_no text NOT NULL,
    document_sha256 text NOT NULL CHECK (length(document_sha256) = 64),
    subjects text NOT NULL,
    fields text NOT NULL,
    requested_by text NOT NULL,
    approved_by text NOT NULL CHECK (approved_by <> requested_by),
    begins_at bigint NOT NULL,
    ends_at bigint NOT NULL CHECK (ends_at >= begins_at)
);
"""

STANDING = """
CREATE TABLE restriction (
    subject text PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN ('subject_asked', 'no_longer_needed')),
    since bigint NOT NULL
);
CREATE TABLE legal_hold (
    subject text PRIMARY KEY,
    cases text NOT NULL
);
ALTER TABLE shredding ADD COLUMN due_at bigint NOT NULL DEFAULT 0;
DROP INDEX shredding_unfinished;
CREATE INDEX shredding_unfinished ON shredding (due_at) WHERE shredded_at IS NULL;
"""

RETENTION = """
ALTER TABLE partner ADD COLUMN trade_channel text NOT NULL DEFAULT 'online' CHECK (trade_channel IN ('online', 'shop'));
CREATE TABLE follower (
    name text PRIMARY KEY,
    next_seq bigint NOT NULL CHECK (next_seq >= 0)
);
CREATE TABLE retention (
    id text PRIMARY KEY,
    owner text NOT NULL,
    category text NOT NULL,
    channel text NOT NULL,
    began_at bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'restricted', 'shredded')),
    due_at bigint NOT NULL
);
CREATE INDEX retention_due ON retention (due_at) WHERE state <> 'shredded';
CREATE INDEX retention_of_owner ON retention (owner);
CREATE TABLE field_read (
    subject text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (subject, seq)
);
"""


def upgrade() -> None:
    """From the vault to authority."""
    for part in (WARRANT, STANDING, RETENTION):
        op.execute(part)
