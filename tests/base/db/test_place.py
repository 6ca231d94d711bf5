"""What an operator may ask of a database, wherever it is."""

from pathlib import Path

from suyuan.base import db


def test_a_folder_is_woken_for_its_migration_and_sleeps_again(server: db.Server) -> None:
    """`suyuan db status`, `migrate`, `start`, `status`, `stop`: the answers of an ordinary day."""
    place = server.folder.path
    asleep = db.status(place)
    assert (asleep.embedded, asleep.running, asleep.pid, asleep.trouble) == (True, False, None, "")
    assert db.migrate_place(place) == db.Migration(None, db.newest_revision())
    assert not server.is_alive()
    started = db.start(place)
    awake = db.status(place)
    assert (awake.running, awake.pid, awake.revision, awake.trouble) == (True, started.pid, db.newest_revision(), "")
    assert awake.size_bytes > 1_000_000
    assert awake.server_version.startswith(("15.", "18."))
    assert db.stop(place).was_running


def test_a_url_is_served_as_it_stands(running: db.Server) -> None:
    """Somebody else's server is neither started nor stopped."""
    with db.serving(running.url()) as url:
        assert url == running.url()
    told = db.status(running.url())
    assert (told.embedded, told.running, told.pid, told.trouble) == (False, True, None, "")
    assert running.is_alive()


def test_a_folder_is_served_while_it_is_needed(server: db.Server) -> None:
    with db.serving(server.folder.path) as url, db.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not server.is_alive()


def test_a_silent_url_is_a_status_and_not_a_crash(tmp_path: Path) -> None:
    told = db.status(f"postgresql://u@/b?host={tmp_path}")
    assert (told.running, told.embedded) == (False, False)
    assert "cannot be reached" in told.trouble


def test_asking_after_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert not db.status(tmp_path / "none").running
    assert not db.stop(tmp_path / "none").was_running
    assert list(tmp_path.iterdir()) == []
