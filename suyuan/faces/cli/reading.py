"""The way to a platform's database for commands that only look: what they find there they cannot change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from suyuan.base import db
from suyuan.base.refusals import Language
from suyuan.config import Settings
from suyuan.faces.cli.terminal import fail, no_platform


@contextmanager
def reading(settings: Settings, language: Language | None = None) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection that can write nothing; an embedded database that does not run is started for it.

    Ends the command with a sentence where there is no platform, or no way to its database.
    """
    place = settings.database_place
    if isinstance(place, Path) and not place.exists():
        fail(no_platform(settings.data, language))
    try:
        with db.serving(place) as url, db.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on")
            yield connection
    except db.DatabaseTrouble as trouble:
        fail(str(trouble))
