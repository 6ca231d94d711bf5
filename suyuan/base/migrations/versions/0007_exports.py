"""Exports: who may be given personal data, what each was given, and how much of it a year."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RECIPIENT = """
CREATE TABLE recipient (
    id text PRIMARY KEY,
    name text NOT NULL,
    contact text NOT NULL,
    region text NOT NULL CHECK (region ~ '^[A-Z]{2}$'),
    role text NOT NULL CHECK (role IN ('partner', 'regulator', 'authority', 'auditor', 'processor')),
    partner text NOT NULL,
    age_key text NOT NULL CHECK (age_key ~ '^age1[0-9a-z]{58}$'),
    transfer_basis text NOT NULL
        CHECK (transfer_basis IN ('none', 'standard_contract', 'certification', 'assessment')),
    transfer_document text NOT NULL,
    requested_by text NOT NULL,
    approved_by text NOT NULL CHECK (approved_by <> requested_by),
    begins_at bigint NOT NULL,
    ends_at bigint NOT NULL CHECK (ends_at >= begins_at),
    CONSTRAINT recipient_is_bound_to_its_partner CHECK ((role = 'partner') = (partner <> '')),
    CONSTRAINT recipient_names_its_transfer CHECK ((transfer_basis = 'none') = (transfer_document = '')),
    CONSTRAINT recipient_is_no_foreign_authority CHECK (region = 'CN' OR role NOT IN ('regulator', 'authority'))
);
"""

COUNTERS = """
CREATE TABLE disclosure_count (
    id text PRIMARY KEY CHECK (id ~ '^(officer|recipient)/[^/]+/(property|trade|other)$'),
    year integer NOT NULL,
    items bigint NOT NULL CHECK (items >= 0),
    by_order bigint NOT NULL CHECK (by_order >= 0),
    CONSTRAINT disclosure_count_keeps_its_cap CHECK (
        items <= CASE split_part(id, '/', 3) WHEN 'property' THEN 50 WHEN 'trade' THEN 500 ELSE 5000 END)
);
CREATE TABLE abroad_subject (
    id text PRIMARY KEY CHECK (id <> ''),
    year integer NOT NULL CHECK (year > 0),
    sensitive_year integer NOT NULL CHECK (sensitive_year BETWEEN 0 AND year)
);
CREATE TABLE abroad_count (
    id text PRIMARY KEY CHECK (id = 'abroad'),
    year integer NOT NULL,
    people bigint NOT NULL CHECK (people >= 0),
    sensitive bigint NOT NULL CHECK (sensitive BETWEEN 0 AND people)
);
"""

EXPORT = """
CREATE TABLE export (
    id text PRIMARY KEY,
    proposal text NOT NULL UNIQUE,
    purpose text NOT NULL,
    basis text NOT NULL,
    recipient text NOT NULL,
    region text NOT NULL,
    columns text NOT NULL,
    rows_max bigint NOT NULL CHECK (rows_max > 0),
    use_until bigint NOT NULL,
    requested_by text NOT NULL,
    approved_by text NOT NULL CHECK (approved_by <> requested_by),
    risk text NOT NULL CHECK (risk IN ('ordinary', 'elevated')),
    state text NOT NULL CHECK (state IN ('waiting', 'approved', 'made')),
    agreed_by text CHECK (agreed_by NOT IN (requested_by, approved_by)),
    subjects bigint NOT NULL CHECK (subjects >= 0),
    left_out text NOT NULL,
    property_items bigint NOT NULL CHECK (property_items >= 0),
    trade_items bigint NOT NULL CHECK (trade_items >= 0),
    other_items bigint NOT NULL CHECK (other_items >= 0),
    read_seq bigint NOT NULL,
    decided_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    begun integer NOT NULL CHECK (begun >= 0),
    made_at bigint,
    rows bigint NOT NULL CHECK (rows >= 0),
    sha256 text NOT NULL,
    CONSTRAINT export_is_made_once CHECK (
        (state = 'made') = (made_at IS NOT NULL) AND (state = 'made') = (sha256 <> '')),
    CONSTRAINT export_has_its_third_person CHECK (risk = 'ordinary' OR state = 'waiting' OR agreed_by IS NOT NULL)
);
CREATE INDEX export_newest ON export (decided_at);
"""


def upgrade() -> None:
    """From consents to exports."""
    for part in (RECIPIENT, COUNTERS, EXPORT):
        op.execute(part)
