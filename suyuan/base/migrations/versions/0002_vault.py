"""The vault: data keys under epochs, subjects whose data is restricted, and holds of the law.

A sealed field is worth as much as its data key, so a key is either there or forgotten for ever: the row that stays
behind keeps anybody from making another.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VAULT = """
CREATE TABLE subject_key (
    id text PRIMARY KEY,
    epoch bigint NOT NULL CHECK (epoch > 0),
    wrapped bytea NOT NULL CHECK (length(wrapped) IN (0, 60)),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) IN (0, 16)),
    CONSTRAINT subject_key_is_there_or_forgotten CHECK ((length(wrapped) = 0) = (length(fingerprint) > 0))
) WITH (fillfactor = 80);
CREATE TABLE vault_epoch (
    id text PRIMARY KEY CHECK (id = 'vault'),
    closed bigint NOT NULL CHECK (closed >= 0),
    destroyed bigint NOT NULL CHECK (destroyed BETWEEN 0 AND closed)
);
CREATE TABLE shredding (
    subject text PRIMARY KEY,
    reason text NOT NULL,
    intended_at bigint NOT NULL,
    shredded_at bigint CHECK (shredded_at >= intended_at),
    epoch bigint NOT NULL CHECK (epoch >= 0)
);
CREATE INDEX shredding_unfinished ON shredding (intended_at) WHERE shredded_at IS NULL;
"""


def upgrade() -> None:
    """From the spine to the vault."""
    op.execute(VAULT)
