"""Papers: which photos and scanned papers of a seller are kept in sealed files."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PAPER = """
CREATE TABLE paper (
    id text PRIMARY KEY CHECK (id ~ '^pap_[0-9A-Z]{26}$'),
    subject text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('identity_photo', 'card_photo', 'shop_paper')),
    size_bytes bigint NOT NULL CHECK (size_bytes BETWEEN 1 AND 20971520),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    sealed_by text NOT NULL,
    sealed_at bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('kept', 'deleted')),
    reason text NOT NULL,
    deleted_at bigint,
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL AND reason <> ''))
);
CREATE INDEX paper_of_subject ON paper (subject);
CREATE INDEX paper_deleted ON paper (deleted_at) WHERE deleted_at IS NOT NULL;
"""


def upgrade() -> None:
    """From consent to papers."""
    op.execute(PAPER)
