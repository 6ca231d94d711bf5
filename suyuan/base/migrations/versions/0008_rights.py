"""Rights: requests of people about their own data, proofs of a phone number, and what is found by a number."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FOUND_BY_NUMBER = """
ALTER TABLE seller ADD COLUMN number text NOT NULL DEFAULT '';
CREATE INDEX seller_of_number ON seller (number) WHERE number <> '';
CREATE INDEX card_of_number ON card (serial_index) WHERE id LIKE 'balance-%';
CREATE TABLE refused_redemption (
    seq bigint PRIMARY KEY,
    seller text NOT NULL
);
CREATE INDEX refused_redemption_of_seller ON refused_redemption (seller, seq);
"""

REQUESTS = """
CREATE TABLE subject_request (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN (
        'know', 'restrict', 'access', 'copy', 'port', 'correct', 'delete', 'explain', 'heir')),
    seller text NOT NULL,
    number text NOT NULL,
    proof text NOT NULL CHECK (proof IN ('key', 'partner', 'number')),
    state text NOT NULL CHECK (state IN ('in_review', 'answered', 'refused')),
    policy text NOT NULL,
    received_at bigint NOT NULL,
    due_at bigint NOT NULL,
    open_until bigint NOT NULL CHECK (open_until >= 0),
    reads integer NOT NULL CHECK (reads BETWEEN 0 AND 200),
    closed_at bigint CHECK (closed_at >= received_at),
    outcome text NOT NULL,
    refusal text NOT NULL,
    decided_by text NOT NULL,
    sealed_name text NOT NULL,
    sealed_number text NOT NULL,
    paper_sha256 text NOT NULL CHECK (length(paper_sha256) IN (0, 64)),
    code_digest bytea NOT NULL CHECK (length(code_digest) IN (0, 32)),
    CONSTRAINT request_is_of_somebody CHECK (seller <> '' OR number <> ''),
    CONSTRAINT request_is_due_within_thirty_days CHECK (
        due_at > received_at AND due_at <= received_at + 2592000000000),
    CONSTRAINT request_is_closed_or_waits CHECK ((closed_at IS NULL) = (state = 'in_review')),
    CONSTRAINT request_is_refused_with_a_reason CHECK ((refusal <> '') = (state = 'refused')),
    CONSTRAINT request_that_is_closed_keeps_no_value CHECK (
        closed_at IS NULL OR (sealed_name = '' AND sealed_number = '')),
    CONSTRAINT partner_passes_on_only_what_holds_no_value CHECK (proof <> 'partner' OR kind = 'know')
);
CREATE INDEX subject_request_of_number ON subject_request (number) WHERE number <> '';
CREATE INDEX subject_request_waiting ON subject_request (due_at) WHERE closed_at IS NULL;
CREATE INDEX subject_request_closed ON subject_request (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE open_request (
    slot text PRIMARY KEY,
    request text NOT NULL UNIQUE
);
CREATE TABLE number_proof (
    id text PRIMARY KEY,
    mark bytea NOT NULL CHECK (length(mark) = 32),
    begun_at bigint NOT NULL,
    reference text NOT NULL,
    tries integer NOT NULL CHECK (tries BETWEEN 0 AND 5),
    proven_at bigint CHECK (proven_at >= begun_at),
    token_digest bytea NOT NULL CHECK (length(token_digest) IN (0, 32)),
    number text NOT NULL,
    sellers text NOT NULL,
    CONSTRAINT proof_is_given_with_its_token CHECK (
        (proven_at IS NULL) = (length(token_digest) = 0) AND (proven_at IS NULL) = (number = ''))
);
CREATE INDEX number_proof_of_number ON number_proof (number) WHERE number <> '';
CREATE INDEX number_proof_begun ON number_proof (begun_at);
CREATE TABLE code_count (
    id text PRIMARY KEY,
    codes integer NOT NULL CHECK (codes BETWEEN 1 AND 30),
    ends_at bigint NOT NULL
);
CREATE INDEX code_count_ends ON code_count (ends_at);
"""


def upgrade() -> None:
    """From consent to rights."""
    op.execute(FOUND_BY_NUMBER)
    op.execute(REQUESTS)
