"""One URL serves both drivers, and no password leaves it."""

import asyncio
import traceback
from collections.abc import Callable

import asyncpg
import psycopg
import pytest

from suyuan.base import db

SECRET = "correct-horse-battery"


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("postgres://db.example", "host=db.example"),
        ("postgresql://a%40b:c%2Fd@h:6000/books", "user=a%40b&password=c%2Fd&dbname=books&host=h&port=6000"),
        ("postgresql://u@/b?host=%2Frun+x&sslmode=require", "user=u&dbname=b&host=%2Frun%2Bx&sslmode=require"),
        ("postgresql://h/b?connect_timeout=3&keepalives=1&application_name=a", "dbname=b&host=h&application_name=a"),
    ],
)
def test_a_url_keeps_its_meaning_for_the_other_driver(url: str, theirs: str) -> None:
    assert db.for_asyncpg(url).removeprefix("postgresql://?") == theirs


def test_both_drivers_reach_the_same_database(running: db.Server) -> None:
    """Whether it is called like its user or not; asyncpg falls back to the user's name without a word."""

    async def ask(name: str) -> str:
        url = running.url(name) + "&connect_timeout=3&application_name=line"
        connection = await asyncpg.connect(db.for_asyncpg(url))
        try:
            return str(await connection.fetchval("SELECT current_database() || current_setting('application_name')"))
        finally:
            await connection.close()

    with db.connect(running.url()) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("suyuan",)
    assert asyncio.run(ask("suyuan")) == "suyuanline"
    assert asyncio.run(ask("postgres")) == "postgresline"


def test_a_word_the_other_driver_would_ignore_is_refused() -> None:
    """Dropping channel_binding would make the connection weaker than its operator asked for."""
    with pytest.raises(db.BadDatabaseUrl, match="does not know channel_binding: leave it out"):
        db.for_asyncpg("postgresql://h/b?channel_binding=require")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/b",
        f"postgresql://u@127.0.0.1:1/b?password={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:1/b?nonsense=1",
        f"postgresql://u:{SECRET}@127.0.0.1:1:2/b",
        f"postgresql://u:{SECRET}@127.0.0.1:1/b?connect_timeout=soon",
        f"mysql://u:{SECRET}@127.0.0.1/b",
        f"host=127.0.0.1 port=1 password={SECRET}",
    ],
)
@pytest.mark.parametrize(
    "act", [db.connect, lambda url: db.for_asyncpg(url)[:0], db.migrate, db.status, db.without_password]
)
def test_no_sentence_holds_the_password(url: str, act: Callable[[str], object]) -> None:
    try:
        said = repr(act(url))
    except db.DatabaseTrouble:
        # Printed as an operator would see it, with every error behind it that is not suppressed.
        said = traceback.format_exc().rpartition("\n    ")[2]
    assert SECRET not in said


def test_nobody_at_home_is_a_sentence(running: db.Server) -> None:
    with pytest.raises(db.DatabaseUnreachable, match=r'cannot be reached: .*"nowhere" does not exist'):
        db.connect(running.url("nowhere"))


def test_a_connection_is_transactional_unless_asked(running: db.Server) -> None:
    with db.connect(running.url()) as one, db.connect(running.url(), autocommit=True) as other:
        assert (one.autocommit, other.autocommit) == (False, True)
        assert isinstance(one, psycopg.Connection)
