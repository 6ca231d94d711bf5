"""No table is kept of which nobody has said what it holds of persons and what ends it."""

from __future__ import annotations

from suyuan.base import db
from tests.test_docs import rows_of

ENDS_WITHOUT_A_RULE = {"–"}


def test_every_table_is_accounted_for(database: str) -> None:
    """A table that is added without a word here is an error, and so is a word about a table that is gone."""
    with db.connect(database) as connection:
        kept = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    rows = rows_of("retention.md")
    assert {name for name in rows if "." not in name} == kept


def test_what_holds_something_of_a_person_says_what_ends_it() -> None:
    for name, row in rows_of("retention.md").items():
        if "." not in name and row[1] != "nothing of a person":
            assert row[3] not in ENDS_WITHOUT_A_RULE, name
            assert row[4] not in ENDS_WITHOUT_A_RULE, name
