"""Evidence: the digest that each event has in the public log, what opens it, and where each shard of the log begins."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LEAVES = """
CREATE TABLE leaf (
    seq bigint PRIMARY KEY,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    open_key bytea NOT NULL CHECK (length(open_key) = 32),
    sealed_keys text NOT NULL,
    closed bytea NOT NULL CHECK (length(closed) % 32 = 0),
    thing text NOT NULL
);
CREATE INDEX leaf_of_thing ON leaf (thing, seq) WHERE thing <> '';
CREATE TABLE shard (
    name text PRIMARY KEY CHECK (name ~ '^[0-9]{4}(-[0-9]{1,4})?$'),
    first_seq bigint NOT NULL CHECK (first_seq >= 0),
    origin text NOT NULL UNIQUE CHECK (origin <> ''),
    is_published boolean NOT NULL,
    is_left boolean NOT NULL
);
"""


def upgrade() -> None:
    """From rights to evidence."""
    op.execute(LEAVES)
