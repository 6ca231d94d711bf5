"""Consent: what people have agreed to and refused, and every privacy notice that was ever published."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CONSENT = """
CREATE TABLE consent (
    id text PRIMARY KEY,
    seller text NOT NULL,
    purpose text NOT NULL,
    recipient text NOT NULL,
    state text NOT NULL CHECK (state IN ('given', 'refused', 'withdrawn')),
    notice text NOT NULL CHECK (length(notice) = 64),
    terms text NOT NULL CHECK (length(terms) = 64),
    language text NOT NULL CHECK (language IN ('zh', 'en')),
    draft text NOT NULL,
    given_by text NOT NULL CHECK (given_by IN ('', 'seller_key', 'partner_key')),
    given_at bigint NOT NULL CHECK (given_at >= 0),
    decided_by text NOT NULL CHECK (decided_by IN ('seller_key', 'partner_key')),
    decided_at bigint NOT NULL CHECK (decided_at >= given_at),
    CONSTRAINT consent_is_one_of_its_kind UNIQUE (seller, purpose, recipient),
    CONSTRAINT consent_is_kept_under_what_it_is_about CHECK (id = seller || '/' || purpose || '/' || recipient),
    CONSTRAINT consent_was_given_where_it_says_so CHECK ((state = 'refused') = (given_at = 0)),
    CONSTRAINT consent_was_given_by_somebody CHECK ((given_at = 0) = (given_by = ''))
);
CREATE TABLE privacy_notice (
    version text PRIMARY KEY CHECK (length(version) = 64),
    content bytea NOT NULL,
    published_at bigint NOT NULL,
    CONSTRAINT privacy_notice_is_its_digest CHECK (version = encode(sha256(content), 'hex'))
);
CREATE INDEX privacy_notice_in_order ON privacy_notice (published_at);
"""


def upgrade() -> None:
    """From pseudonyms to consent."""
    op.execute(CONSENT)
