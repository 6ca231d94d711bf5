"""The embedded server: it starts, is adopted, survives what kills it, and touches nothing that is not its own."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.db.programs import find_programs
from tests.conftest import clear, room_for_a_server

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand the server to another account")


def note(server: db.Server, word: str) -> None:
    with db.connect(server.url()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (word text UNIQUE)")
        connection.execute("INSERT INTO note VALUES (%s)", [word])


def notes(server: db.Server) -> list[str]:
    with db.connect(server.url()) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM note ORDER BY word")]


def settings(server: db.Server, *names: str) -> list[str]:
    with db.connect(server.url()) as connection:
        rows = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
    return [row[0] for row in rows if row]


def kill(server: db.Server) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def as_account(name: str, act: Callable[[], str]) -> str:
    """What `act` says in a child process that is another user of this machine."""
    account = pwd.getpwnam(name)
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.write(write, act().encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return said.read()


def owner_in_another_process(folder: Path) -> subprocess.Popen[str]:
    """A process that has entered the server and stays in it until it reads a line."""
    script = (
        "import sys; from pathlib import Path; from suyuan.base import db\n"
        "with db.Server(Path(sys.argv[1])): print('in', flush=True); sys.stdin.readline()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "in\n"
    return owner


def test_from_an_empty_folder_to_an_answer_and_back(folder: Path) -> None:
    """A folder, a server in it that speaks UTF-8, checks its pages and listens on no network; then silence."""
    with db.Server(folder) as server:
        asked = ("server_encoding", "data_checksums", "listen_addresses", "fsync", "synchronous_commit")
        assert settings(server, *asked) == ["UTF8", "on", "", "on", "on"]
        assert settings(server, "full_page_writes", "lc_messages", "TimeZone") == ["on", "C", "UTC"]
        note(server, "话费卡")
        for private in (folder / "data", folder / "run"):
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
        pid = server.pid()
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0), "a Ctrl-C in our terminal would stop the database"
    assert not server.is_alive()
    with server:
        assert notes(server) == ["话费卡"]


def test_rows_outlive_a_killed_postmaster(server: db.Server) -> None:
    """It is killed with -9, and what was confirmed is there after the next start."""
    first = server.ensure_running()
    note(server, "confirmed")
    kill(server)
    again = server.ensure_running()
    assert (again.adopted, again.url, notes(server)) == (False, first.url, ["confirmed"])
    assert again.pid != first.pid


def test_rows_outlive_an_immediate_stop(server: db.Server) -> None:
    server.ensure_running()
    note(server, "confirmed")
    assert server.stop("immediate")
    assert not server.stop("immediate"), "nothing of it lives any more"
    server.ensure_running()
    assert notes(server) == ["confirmed"]


def test_a_start_waits_for_a_session_that_outlived_its_postmaster(server: db.Server) -> None:
    """The postmaster is killed while a session counts; a second server on the same files would ruin them."""
    server.ensure_running()
    with ThreadPoolExecutor(1) as pool, db.connect(server.url(), autocommit=True) as busy:
        busy.execute("SET statement_timeout = 700")
        counting = pool.submit(busy.execute, "SELECT count(*) FROM generate_series(1, 1e10)")
        time.sleep(0.1)
        kill(server)
        time.sleep(0.1)
        assert server.is_alive()
        again = server.ensure_running()
        assert again.seconds > 0.2
        assert isinstance(counting.exception(), psycopg.Error)


def test_of_many_starters_one_starts_and_the_others_adopt(folder: Path) -> None:
    """Four processes' worth of starters meet in an empty folder; initdb runs once, and all get the same server."""
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: db.Server(folder).ensure_running(), range(4)))
    assert sorted(each.adopted for each in started) == [False, True, True, True]
    assert len({(each.pid, each.url) for each in started}) == 1


def test_the_last_owner_out_stops_it(server: db.Server) -> None:
    other = owner_in_another_process(server.folder.path)
    with server:
        other.communicate("leave\n")
        assert server.is_alive()
    assert not server.is_alive()


def test_a_killed_owner_leaves_it_running_for_the_next(server: db.Server) -> None:
    """kill -9 takes away the platform and not its database: the next one adopts it, and stops it in the end."""
    owner = owner_in_another_process(server.folder.path)
    owner.kill()
    owner.communicate()
    assert server.is_alive()
    assert server.ensure_running().adopted
    with server:
        """The only owner now."""
    assert not server.is_alive()


def test_what_is_started_to_stay_stays(server: db.Server) -> None:
    """`suyuan db start` outlives all owners, until `suyuan db stop`."""
    folder = server.folder.path
    assert not db.start(folder).adopted
    with server:
        """Comes and goes."""
    assert db.start(folder).adopted
    assert db.stop(folder).was_running
    assert not db.stop(folder).was_running
    with server:
        """Comes and goes; nobody wants it to stay any more."""
    assert not server.is_alive()


@pytest.mark.parametrize(
    "left_behind",
    ["", "1\n", "{pid}\n{data}\n1700000000\n5432\n{run}\n\n5432001 7\nready   \n"],
    ids=["empty", "torn", "whole"],
)
def test_a_stale_pid_file_does_not_stop_a_start(server: db.Server, left_behind: str) -> None:
    """After a power cut its number belongs to somebody else, us for instance; torn and empty ones occur too."""
    data, run = server.folder.data, server.folder.sockets
    (data / "postmaster.pid").write_text(left_behind.format(pid=os.getpid(), data=data, run=run))
    assert server.pid() is None
    assert not server.ensure_running().adopted


def test_a_server_that_we_did_not_start_is_left_alone(server: db.Server) -> None:
    """Somebody has started PostgreSQL on our data by hand; two postmasters would ruin it."""
    started = server.ensure_running()
    # Without its lock it is like one that was started by hand.
    (server.folder.path / "lock").unlink()
    (server.folder.path / "run").rename(server.folder.path / "moved")
    pid_file = server.folder.data / "postmaster.pid"
    noted = pid_file.read_text()
    pid_file.write_text(noted.replace(str(server.folder.path / "run"), str(server.folder.path / "moved")))
    with pytest.raises(db.ServerRefused, match=f"did not start is running on .*process {started.pid}"):
        server.ensure_running()
    os.kill(started.pid, signal.SIGQUIT)


@pytest.mark.parametrize("name", ["a" * 60 + "/" + "b" * 60, "with, a comma", "空 格"], ids=["long", "comma", "space"])
def test_any_folder_will_do(pristine: Path, folder: Path, name: str) -> None:
    """A socket's path has 107 bytes at most, and a comma would part two hosts."""
    deep = folder / name
    deep.parent.mkdir(exist_ok=True, parents=True)
    folder.chmod(0o755)
    deep.parent.chmod(0o755)
    subprocess.run(["cp", "-a", pristine, deep], check=True)
    shutil.rmtree(deep / "run")
    with db.Server(deep) as server:
        note(server, "here")
        assert len(os.fsencode(server.folder.sockets)) < 100
        assert stat.S_IMODE(server.folder.sockets.stat().st_mode) == 0o700
    clear(deep)


def test_a_folder_of_somebody_else_is_not_touched(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years of work")
    before = sorted(folder.iterdir())
    with pytest.raises(db.ServerRefused, match=r"holds 'thesis\.txt'.*name an empty folder"):
        db.Server(folder).ensure_running()
    assert sorted(folder.iterdir()) == before
    (folder / "thesis.txt").rename(folder / "PG_VERSION")
    with pytest.raises(db.ServerRefused, match="did not make: start that PostgreSQL yourself and give suyuan its URL"):
        db.Server(folder).ensure_running()
    (folder / "PG_VERSION").unlink()
    (folder / "data").mkdir()
    with pytest.raises(db.ServerRefused, match="not made by suyuan"):
        db.Server(folder).ensure_running()


def test_asking_about_a_folder_of_somebody_else_leaves_no_trace(folder: Path) -> None:
    (folder / "stays").touch()
    (folder / "thesis.txt").touch()
    assert "suyuan did not make it" in db.status(folder).trouble
    assert not db.stop(folder).was_running
    assert {path.name for path in folder.iterdir()} == {"stays", "thesis.txt"}


def test_a_file_is_no_folder(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(db.ServerRefused, match="is not a folder"):
        db.Server(folder / "file").ensure_running()
    with pytest.raises(db.ServerRefused, match="is not a folder"):
        db.Server(folder / "file/below").ensure_running()
    with pytest.raises(db.ServerRefused, match="cannot be made"):
        db.Server(Path("/proc/nowhere")).ensure_running()


def test_another_version_is_refused_and_named(server: db.Server) -> None:
    (server.folder.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(
        db.ServerRefused, match=r"of PostgreSQL 14, .* set SUYUAN_PG_BIN to the programs of 14, or dump"
    ):
        server.ensure_running()


def test_a_torn_folder_is_refused_and_kept(server: db.Server) -> None:
    (server.folder.data / "global/pg_control").unlink()
    with pytest.raises(db.ServerRefused, match=r"torn: global/pg_control is missing\. Restore .* from a backup"):
        server.ensure_running()
    assert (server.folder.data / "base").exists()


def test_a_torn_control_file_is_reported_in_the_servers_own_words(server: db.Server) -> None:
    control = server.folder.data / "global/pg_control"
    control.write_bytes(bytes(control.stat().st_size))
    with pytest.raises(db.ServerFailed, match=r"did not start: .*(FATAL|PANIC)"):
        server.ensure_running()


def test_an_operators_mistake_is_reported_and_an_operators_setting_wins(server: db.Server) -> None:
    mine = server.folder.path / "operator.conf"
    mine.write_text("work_mem = plenty\n")
    with pytest.raises(db.ServerFailed, match=r"did not start: .*configuration file"):
        server.ensure_running()
    mine.write_text("work_mem = '11MB'\n")
    with server:
        assert settings(server, "work_mem") == ["11MB"]


def test_a_half_made_database_is_made_again(server: db.Server) -> None:
    """The machine went down during initdb: what it left under the other name is not taken for a database."""
    server.folder.data.rename(server.folder.path / "data.new")
    (server.folder.path / "data.new/PG_VERSION").unlink()
    with server:
        note(server, "whole")
    assert not (server.folder.path / "data.new").exists()


def test_the_servers_log_holds_no_value(server: db.Server) -> None:
    """A refused row and a broken statement would otherwise be quoted in it, number and all."""
    with server:
        note(server, "13800138000")
        with pytest.raises(psycopg.errors.UniqueViolation):
            note(server, "13800138000")
        with db.connect(server.url()) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT '13800138000' FROM nowhere")
    log = server.folder.log.read_text()
    assert "note_word_key" in log
    assert "13800138000" not in log


@AS_ROOT
def test_root_hands_it_to_another_account(folder: Path) -> None:
    """The server, its files and its sockets belong to that account; root still gets in, by name and not by password."""
    with db.Server(folder, account="nobody") as server:
        pid = server.pid()
        assert Path(f"/proc/{pid}").owner() == "nobody"
        assert {path.owner() for path in [folder, *folder.iterdir()]} == {"nobody"}
        note(server, "root was here")
    with db.Server(folder) as server:
        assert Path(f"/proc/{server.pid()}").owner() == "nobody", "the folder's owner, whatever else is on offer"
    with pytest.raises(db.ServerRefused, match=r"no account nosuchone: name another in SUYUAN_PG_USER"):
        db.Server(folder / "other", account="nosuchone").ensure_running()


@AS_ROOT
def test_an_ordinary_user_needs_no_other_account(folder: Path) -> None:
    """The same folder, the same words, without root; and somebody else's folder stays closed."""
    shutil.chown(folder, "nobody")
    closed = room_for_a_server()
    inside = closed / "inside"

    def ordinary_day() -> str:
        with db.Server(folder / "own") as server, db.connect(server.url()) as connection:
            row = connection.execute("SELECT session_user || current_setting('data_directory')").fetchone()
        try:
            db.Server(inside).ensure_running()
        except db.ServerRefused as refused:
            return f"{row} {refused} {db.status(closed).trouble}"
        return "let in"

    said = as_account("nobody", ordinary_day)
    shutil.rmtree(closed)
    assert said.startswith(f"('suyuan{folder}/own/data',) {inside} is closed to you: ")
    assert f" {closed} is closed to you: start suyuan as the user it belongs to" in said


@AS_ROOT
def test_an_unreachable_folder_is_refused_by_name(folder: Path) -> None:
    """The folder above is closed to the account, and only its operator may open it."""
    folder.chmod(0o700)
    with pytest.raises(db.ServerRefused, match=r"cannot enter .* name a folder below one that is open to it"):
        db.Server(folder / "below").ensure_running()


@AS_ROOT
def test_programs_out_of_the_accounts_reach_are_copied(programs: Path | None, folder: Path) -> None:
    """Root has installed into a closed folder; the server is made and started from a copy beside its data."""
    if programs is not None:
        pytest.skip("Debian's programs are spread over the system and open to all")
    tree = find_programs().folder.parent
    closed = room_for_a_server()
    (closed / tree.parent.name).mkdir()
    subprocess.run(["cp", "-a", tree, closed / tree.parent.name], check=True)
    for libraries in tree.parents[1].glob(f"{tree.parent.name}.libs"):
        subprocess.run(["cp", "-a", libraries, closed], check=True)
    with db.Server(folder, programs=closed / tree.parent.name / tree.name / "bin") as server:
        note(server, "copied")
        assert Path(f"/proc/{server.pid()}/exe").readlink().is_relative_to(folder)
    shutil.rmtree(closed)


def test_programs_that_are_missing_are_named(folder: Path) -> None:
    with pytest.raises(db.ServerRefused, match=r"no working PostgreSQL programs in .*nowhere: set SUYUAN_PG_BIN"):
        db.Server(folder, programs=folder / "nowhere").ensure_running()
