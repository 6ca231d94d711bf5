"""PostgreSQL, embedded or by URL: the one place where the books, the history and everything durable live.

A `Place` says where: a `Path` is a folder with a server of our own, a `str` is the URL of yours. `serving` turns
either into a URL that psycopg takes as it stands (`for_asyncpg` makes the other driver's form of it), `migrate` brings
its tables forward, and `refuse_unsafe` must be asked before the first promise, because a database that forgets after a
power cut would make every voucher a lie. Whatever is wrong is one `DatabaseTrouble`, whose sentence says what to do.

    with db.serving(Path("/var/lib/suyuan/postgres")) as url:
        db.migrate(url)
        with db.connect(url) as connection:
            db.refuse_unsafe(connection)

>>> for_asyncpg("postgresql://suyuan@db.example/books?application_name=line&connect_timeout=3")
'postgresql://?user=suyuan&dbname=books&host=db.example&application_name=line'
>>> without_password("postgresql://suyuan:secret@db.example/books")
'postgresql://suyuan@db.example/books'
"""

from suyuan.base.db.address import connect, for_asyncpg, without_password
from suyuan.base.db.place import DatabaseStatus, Place, Stopped, migrate_place, serving, start, status, stop
from suyuan.base.db.reading import Fetch, ReadPool, fetch_of
from suyuan.base.db.safety import refuse_unsafe, wal_syncs
from suyuan.base.db.schema import Migration, current_revision, migrate, newest_revision, revisions
from suyuan.base.db.server import Server, Started, StopMode
from suyuan.base.db.trouble import (
    BadDatabaseUrl,
    DatabaseTrouble,
    DatabaseUnreachable,
    NewerDatabase,
    ServerFailed,
    ServerRefused,
    UnsafeDatabase,
)

__all__ = [
    "BadDatabaseUrl",
    "DatabaseStatus",
    "DatabaseTrouble",
    "DatabaseUnreachable",
    "Fetch",
    "Migration",
    "NewerDatabase",
    "Place",
    "ReadPool",
    "Server",
    "ServerFailed",
    "ServerRefused",
    "Started",
    "StopMode",
    "Stopped",
    "UnsafeDatabase",
    "connect",
    "current_revision",
    "fetch_of",
    "for_asyncpg",
    "migrate",
    "migrate_place",
    "newest_revision",
    "refuse_unsafe",
    "revisions",
    "serving",
    "start",
    "status",
    "stop",
    "wal_syncs",
    "without_password",
]
