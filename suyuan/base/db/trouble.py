"""What can be wrong with a database, each a sentence for the operator that says what to do.

All of them are raised, because none may be ignored, and none of them ever holds a password.

    DatabaseTrouble
     ├─ BadDatabaseUrl        the URL cannot be used as it is written
     ├─ DatabaseUnreachable   nobody answers there, or we are not let in
     ├─ UnsafeDatabase        it answers, but could forget what it confirmed
     ├─ NewerDatabase         its tables are from a later suyuan
     ├─ ServerRefused         we will not touch that folder
     └─ ServerFailed          the embedded server did not start or stop
"""


class DatabaseTrouble(Exception):
    """Something about the database that only its operator can put right."""


class BadDatabaseUrl(DatabaseTrouble):
    """The URL cannot be used as it is written."""


class DatabaseUnreachable(DatabaseTrouble):
    """Nobody answers at that address, or we are not let in."""


class UnsafeDatabase(DatabaseTrouble):
    """The database answers, but could forget what it has confirmed."""


class NewerDatabase(DatabaseTrouble):
    """The tables are from a later suyuan than this one."""


class ServerRefused(DatabaseTrouble):
    """The embedded server will not touch this folder, so that nothing in it is harmed."""


class ServerFailed(DatabaseTrouble):
    """The embedded server was told to start or to stop, and did not."""
