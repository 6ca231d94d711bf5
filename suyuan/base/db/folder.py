"""The embedded server's folder: what lies in it, when we may use it, and how it is made.

    FOLDER/            owned by the account that runs PostgreSQL
      data/            PostgreSQL's own files, with `suyuan-layout` to show that we made them
      run              the socket's folder, or a link to one where this path is too long for a socket
      lock, owners     who lives and who uses it, see `server`
      stays            there while the server shall outlive its users (`suyuan db start`)
      server.log       what PostgreSQL has to say; it holds no personal value
      operator.conf    settings of yours; suyuan only makes the file
      programs-18.4/   a copy of the programs, only where the account cannot reach them otherwise

`data` is made under another name, synced and renamed, so it is there whole or not at all. A folder with anything else
in it is not ours, and nothing in it is touched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from suyuan.base.db import conf
from suyuan.base.db.programs import Account, Programs, root_name
from suyuan.base.db.trouble import ServerFailed, ServerRefused

LAYOUT = "1"
# A socket's path may have 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432"
LOG_BYTES_MAX = 8 << 20

_OURS = ("lock", "owners", "stays", "run", "data.new", "server.log", "server.log.old", "operator.conf")

_MAKE = """
bin=$1 folder=$2
rm -rf "$folder/data.new"
"$bin/initdb" --pgdata="$folder/data.new" --username=suyuan --encoding=UTF8 --no-locale --data-checksums \
    --auth=peer --no-instructions --no-sync
echo 'CREATE DATABASE suyuan' | "$bin/postgres" --single -c fsync=off -c exit_on_error=on -D "$folder/data.new" postgres
echo "$3" > "$folder/data.new/suyuan-layout"
"$bin/initdb" --pgdata="$folder/data.new" --sync-only
mv "$folder/data.new" "$folder/data"
"""
# The account makes the socket's folder itself: nobody else can then have made it first.
_MAKE_RUN = """
run=$1 keep_here=$2
if [ "$keep_here" = yes ]; then
    mkdir -p -m 0700 "$run"
elif [ ! -d "$run/" ]; then
    rm -f "$run"
    ln -s "$(mktemp -d /tmp/suyuan-XXXXXX)" "$run"
fi
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """The places in one server's folder."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def sockets(self) -> Path:
        """Where the socket is, by a path that is short enough."""
        run = self.path / "run"
        return run.readlink() if run.is_symlink() else run

    def last_words(self) -> str:
        """The last complaint in the log, for a sentence about what failed."""
        try:
            lines = self.log.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return "it left no log"
        grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line]
        return (grave or lines or ["it left an empty log"])[-1].strip()


def refuse_foreign(folder: Folder, major: str | None = None) -> None:
    """Raises `ServerRefused` for a folder that is not ours, not whole, or of another version."""
    try:
        names = {entry.name for entry in folder.path.iterdir()}
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ServerRefused(f"{folder.path} is not a folder: name another place for the database.") from None
    except PermissionError:
        raise ServerRefused(
            f"{folder.path} is closed to you: start suyuan as the user it belongs to, or name another folder."
        ) from None
    if "data" in names:
        return _refuse_data(folder.data, major)
    if "PG_VERSION" in names:
        raise ServerRefused(
            f"{folder.path} is a PostgreSQL data folder that suyuan did not make: start that PostgreSQL yourself and"
            " give suyuan its URL, or name an empty folder."
        )
    strange = sorted(name for name in names if name not in _OURS and not name.startswith("programs-"))
    if strange:
        raise ServerRefused(
            f"{folder.path} is not empty (it holds {strange[0]!r}) and suyuan did not make it: name an empty folder."
        )
    return None


def _refuse_data(data: Path, major: str | None) -> None:
    if not (data / "suyuan-layout").exists():
        raise ServerRefused(f"{data} was not made by suyuan: name an empty folder, or give that database's URL.")
    needed = ("PG_VERSION", "global/pg_control", "base", "pg_wal")
    if missing := [name for name in needed if not (data / name).exists()]:
        raise ServerRefused(
            f"The database in {data} is torn: {missing[0]} is missing. Restore the whole folder from a backup; what is"
            " left of it has been left as it is."
        )
    made_by = (data / "PG_VERSION").read_text("utf-8", errors="replace").strip()
    if major is not None and made_by != major:
        raise ServerRefused(
            f"The database in {data} is of PostgreSQL {made_by}, but the programs are of {major}: set SUYUAN_PG_BIN to"
            f" the programs of {made_by}, or dump with those, name an empty folder, and load the dump there."
        )


def open_folder(folder: Folder, account: Account) -> None:
    """Makes the folder if need be, and sees to it that the account can enter."""
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerRefused(f"{folder.path} cannot be made ({error.strerror}): name another folder.") from None
    # Looked at before its owner: another starter may be giving the folder away and filling it at this moment.
    is_empty = not any(folder.path.iterdir())
    if folder.path.stat().st_uid != account.uid:
        if os.geteuid() != 0 or not is_empty:
            raise ServerRefused(
                f"{folder.path} belongs to {_owner(folder.path)}, but PostgreSQL would run as {account.name!r}: give it"
                f" to that account (chown -R), or name an empty folder."
            )
        os.chown(folder.path, account.uid, account.gid)
    try:
        account.shell('cd "$1"', folder.path)
    except OSError:
        raise ServerRefused(
            f"The account {account.name!r}, which runs PostgreSQL because root may not, cannot enter {folder.path}:"
            " name a folder below one that is open to it, such as /var/lib/suyuan, or start suyuan as an ordinary user."
        ) from None


def make_data(folder: Folder, programs: Programs, account: Account, lock: int) -> None:
    """A fresh cluster with an empty database `suyuan`. Its makers hold the lock too, should we be killed meanwhile."""
    try:
        account.shell(_MAKE, programs.folder, folder.path, LAYOUT, pass_fds=(lock,))
    except OSError as error:
        raise ServerFailed(f"PostgreSQL could not make a database in {folder.path}: {error}") from None
    for renamed_in in (folder.path, folder.path.parent):
        _sync(renamed_in)


def make_ready(folder: Folder, account: Account) -> None:
    """What a start needs besides the data: settings, the socket's folder, a log that does not grow for ever."""
    here = len(os.fsencode(folder.path / "run" / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
    # PostgreSQL reads the setting as a list, and libpq a host too.
    here = here and not set(str(folder.path)) & set(",\"'\\")
    account.shell(_MAKE_RUN, folder.path / "run", "yes" if here else "no")
    texts = {
        "postgresql.conf": conf.SETTINGS,
        "pg_hba.conf": conf.WHO_MAY_ENTER,
        "pg_ident.conf": conf.names(account.name, root_name()),
    }
    for name, text in texts.items():
        place = folder.data / name
        if not place.exists() or place.read_text("utf-8") != text:
            account.shell('printf %s "$2" > "$1.new" && mv -f "$1.new" "$1"', place, text)
    operator = folder.path / "operator.conf"
    if not operator.exists():
        account.shell('printf %s "$2" > "$1"', operator, conf.OPERATOR)
    if folder.log.exists() and folder.log.stat().st_size > LOG_BYTES_MAX:
        account.shell('mv -f "$1" "$1.old"', folder.log)


def launch(folder: Folder, programs: Programs, account: Account, lock: int) -> None:
    """Starts the postmaster in a session of its own; a terminal's Ctrl-C is for us, not for the database.

    The shell puts it in the background and ends, so the server is nobody's child and leaves no zombie here. The lock's
    descriptor goes with it, and from it to each of its processes.
    """
    command: list[str | Path] = [
        "/bin/sh", "-euc", 'log=$1; shift; "$@" >> "$log" 2>&1 &', "sh", folder.log, programs.folder / "postgres",
        "-D", folder.data, "-c", f'unix_socket_directories="{folder.sockets}"', "-c", "port=5432",
    ]  # fmt: skip
    done = account.run(command, pass_fds=(lock,), new_session=True)
    if done.returncode != 0:
        raise ServerFailed(f"PostgreSQL could not be started: {done.stderr.strip()}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"
