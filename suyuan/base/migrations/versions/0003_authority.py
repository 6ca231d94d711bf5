"""Authority: the orders of lawful authorities that officers have entered and approved."""

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


def upgrade() -> None:
    """From the vault to authority."""
    op.execute(WARRANT)
