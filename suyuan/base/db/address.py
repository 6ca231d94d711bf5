"""Database URLs: one that libpq understands, and the same address in the form that asyncpg understands.

The embedded server has a URL too, with the socket's folder as its host, so nobody downstream asks which kind it is.
A URL may hold a password; `without_password` is the only form of it that may be shown.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from suyuan.base.db.trouble import BadDatabaseUrl, DatabaseUnreachable

CONNECT_TIMEOUT_S = 10

# Asyncpg takes every word it does not know for a setting of the server, which then refuses the connection.
_ASYNCPG_WORDS = {
    "user", "password", "dbname", "host", "port", "passfile", "service", "sslmode", "sslcert", "sslkey", "sslrootcert",
    "sslcrl", "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version",
    "target_session_attrs", "krbsrvname", "gsslib", "application_name", "options",
}  # fmt: skip
# These tell the client how long to wait and no more, so leaving them out weakens nothing.
_PATIENCE_WORDS = {
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "fallback_application_name",
}  # fmt: skip


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection[TupleRow]:
    """A connection by psycopg. Raises `BadDatabaseUrl` or `DatabaseUnreachable`."""
    timeout_s = _words(url).get("connect_timeout", CONNECT_TIMEOUT_S)
    try:
        return psycopg.connect(url, autocommit=autocommit, connect_timeout=timeout_s)
    except psycopg.ProgrammingError:
        raise BadDatabaseUrl(f"A word in the database URL {without_password(url)} has no possible value.") from None
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnreachable(f"The database at {without_password(url)} cannot be reached: {reason}") from None


def for_asyncpg(url: str) -> str:
    """The same address for `asyncpg.connect`. Raises `BadDatabaseUrl` for a word that asyncpg could only ignore."""
    words = {word: value for word, value in _words(url).items() if word not in _PATIENCE_WORDS}
    if unknown := sorted(words.keys() - _ASYNCPG_WORDS):
        # Dropping it could weaken the connection without a word, channel_binding for one.
        raise BadDatabaseUrl(f"The line's driver does not know {', '.join(unknown)}: leave it out of the database URL.")
    # Without a path: asyncpg takes even an empty one for the name of a database, and then connects to its user's.
    return "postgresql://?" + urlencode(words, quote_via=quote)


def without_password(url: str) -> str:
    """The URL as it may be shown. Raises `BadDatabaseUrl` rather than guess where a password might be."""
    _words(url)
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    query = "&".join(
        word for word in parts.query.split("&") if not word.lower().startswith(("password=", "sslpassword="))
    )
    return urlunsplit(parts._replace(netloc=login.partition(":")[0] + at + host, query=query))


def _words(url: str) -> dict[str, str]:
    """The URL taken apart by libpq itself, so that both drivers read it the same way."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise BadDatabaseUrl("A database URL begins with postgresql:// ; for an embedded one, name its folder instead.")
    try:
        words = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's own sentence quotes the URL, and with it the password.
        raise BadDatabaseUrl(
            "The database URL cannot be read; the form is postgresql://user@host:5432/name ."
        ) from None
    return {word: str(value) for word, value in words.items() if value is not None}
