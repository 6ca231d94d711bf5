"""Pseudonyms: random names for identities, accounts and numbers, and the marks that lead to them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PSEUDONYM = """
CREATE TABLE pseudonym (
    mark bytea PRIMARY KEY CHECK (length(mark) = 32),
    pseudonym text NOT NULL UNIQUE,
    epoch bigint NOT NULL CHECK (epoch > 0)
);
ALTER TABLE seller RENAME COLUMN identity_index TO identity;
ALTER TABLE seller RENAME COLUMN payee_index TO payee;
ALTER TABLE redemption RENAME COLUMN payee_index TO payee;
CREATE INDEX seller_of_identity ON seller (identity);
CREATE INDEX seller_of_payee ON seller (payee);
"""


def upgrade() -> None:
    """From authority to pseudonyms."""
    op.execute(PSEUDONYM)
