"""The tables come forward from empty and from every revision that was ever released, and never go back."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from suyuan.base import db

# What a platform at each revision may have stored, and the question that must still find it at every later one.
# A new revision adds its line here, so that the next one is tried on a database with rows in it.
ROWS_LEFT_BY = {
    "0001": (
        "INSERT INTO event (seq, at, kind, body) VALUES (0, 1, 'seller_was_registered', '\\x7b7d')",
        "SELECT seq, at, kind, body = '\\x7b7d' FROM event",
        (0, 1, "seller_was_registered", True),
    ),
    "0002": (
        "INSERT INTO subject_key VALUES ('slr_1/finance', 1, decode(repeat('00', 60), 'hex'), '')",
        "SELECT id, epoch, length(wrapped) FROM subject_key",
        ("slr_1/finance", 1, 60),
    ),
    "0003": (
        "INSERT INTO warrant VALUES ('wrt_1', 'a', 'n', repeat('0', 64), 'slr_1', 'seller.name/1', 'o1', 'o2', 1, 2)",
        "SELECT id, subjects, ends_at FROM warrant",
        ("wrt_1", "slr_1", 2),
    ),
    "0004": (
        "INSERT INTO pseudonym VALUES (decode(repeat('00', 32), 'hex'), 'idn_1', 1)",
        "SELECT pseudonym, epoch, length(mark) FROM pseudonym",
        ("idn_1", 1, 32),
    ),
    "0005": (
        "INSERT INTO consent VALUES ('s/p/r', 's', 'p', 'r', 'given', repeat('0', 64), '"
        + 64 * "1"
        + "', 'zh', '{}', 'seller_key', 1, 'seller_key', 1)",
        "SELECT id, state, given_at FROM consent",
        ("s/p/r", "given", 1),
    ),
    "0006": (
        "INSERT INTO paper VALUES (rpad('pap_', 30, '0'), 's', 'shop_paper', 1, sha256(''), 'o', 1, 'kept', '', NULL)",
        "SELECT subject, kind, state FROM paper",
        ("s", "shop_paper", "kept"),
    ),
    "0007": (
        "INSERT INTO disclosure_count VALUES ('officer/ofc_1/property', 2026, 50, 0)",
        "SELECT id, items FROM disclosure_count",
        ("officer/ofc_1/property", 50),
    ),
    "0008": (
        "INSERT INTO code_count VALUES ('2026-11-22/number/a', 3, 5)",
        "SELECT id, codes FROM code_count",
        ("2026-11-22/number/a", 3),
    ),
    "0009": (
        "INSERT INTO shard VALUES ('2026', 0, 'api.example.com/log/2026', true, false)",
        "SELECT name, first_seq, origin FROM shard",
        ("2026", 0, "api.example.com/log/2026"),
    ),
    "0010": (
        "INSERT INTO decision VALUES ('rdm_1', 1, 2, 'ptn_1', 'slr_1', 'delay', 'r', 100, '', 'asked', 3, '\\x90')",
        "SELECT redemption, seq, action, review FROM decision",
        ("rdm_1", 1, "delay", "asked"),
    ),
}


def test_every_revision_leaves_rows_for_the_next() -> None:
    assert tuple(ROWS_LEFT_BY) == db.revisions()


def test_a_platform_comes_forward_one_release_at_a_time(empty: str) -> None:
    """It stores rows at each revision, migrates to the next, and finds every row of all those before."""
    before = None
    for number, revision in enumerate(db.revisions(), 1):
        assert db.migrate(empty, to=revision) == db.Migration(before, revision)
        with db.connect(empty) as connection:
            connection.execute(ROWS_LEFT_BY[revision][0].encode())
            for _, question, answer in list(ROWS_LEFT_BY.values())[:number]:
                assert connection.execute(question.encode()).fetchall() == [answer]
        before = revision
    assert before == db.newest_revision()


def test_from_empty_to_the_newest_in_one_step_and_then_nothing_to_do(empty: str) -> None:
    newest = db.newest_revision()
    with db.connect(empty) as connection:
        assert db.current_revision(connection) is None
    assert db.migrate(empty) == db.Migration(None, newest)
    assert db.migrate(empty) == db.Migration(newest, newest)
    with db.connect(empty) as connection:
        assert db.current_revision(connection) == newest


def test_two_starters_migrate_once(empty: str) -> None:
    """Both find an empty database at the same instant; the second waits and finds the work done."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: db.migrate(empty), range(2)))
    assert {each.to_revision for each in done} == {db.newest_revision()}
    assert [each.from_revision for each in done].count(None) == 1


def test_a_database_of_a_later_suyuan_is_refused(empty: str) -> None:
    db.migrate(empty)
    with db.connect(empty) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(db.NewerDatabase, match=r"stands at revision 9999.* start the later suyuan"):
        db.migrate(empty)


def test_a_revision_that_fails_leaves_nothing_behind(empty: str) -> None:
    """Something else has a table of that name: the sentence is PostgreSQL's, and the database is as it was."""
    with db.connect(empty) as connection:
        connection.execute("CREATE TABLE outbox (letter text)")
    with pytest.raises(Exception, match='"outbox" already exists'):
        db.migrate(empty)
    with db.connect(empty) as connection:
        assert db.current_revision(connection) is None
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (1,)


def test_alembic_sees_the_same_single_line_of_revisions() -> None:
    """We read revisions off the file names, to be quick; Alembic, which applies them, must agree."""
    from alembic.script import ScriptDirectory

    from suyuan.base.db.schema import MIGRATIONS

    walked = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert tuple(reversed(walked)) == db.revisions()


def test_importing_the_database_does_not_import_alembic() -> None:
    """It takes two seconds, which no command should pay that has nothing to migrate."""
    script = "import sys, suyuan.base.db; print([name for name in ('alembic', 'sqlalchemy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_gets_a_fresh_database_of_its_own(database: str, attempt: int) -> None:
    """The fixture that all other tests stand on: at the newest revision, and empty again each time."""
    with db.connect(database) as connection:
        assert db.current_revision(connection) == db.newest_revision()
        connection.execute("INSERT INTO event (seq, at, kind, body) VALUES (0, %s, 'same', '')", [attempt])
