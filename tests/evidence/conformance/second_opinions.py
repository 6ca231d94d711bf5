"""Programs that other people wrote and that check what we write: how each is brought, and what is said where it lacks.

Whoever has none of them loses nothing but these tests, which say what would bring them. Where `CI` is set they must be
there: a check that nobody misses is no check.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

HERE = Path(__file__).resolve().parent
NPM = HERE.parents[2] / ".tools" / "npm"
# Where Debian puts the source of Go libraries, and with it the one that checks Go's own checksum database.
GOCODE = Path("/usr/share/gocode")


class Refused(Exception):
    """What a second opinion says is wrong."""


def lacking(checker: str, reason: str, packages: str) -> NoReturn:
    """Skips, so loudly that it is seen; fails where CI is set."""
    sentence = f"!! THE LOG IS NOT CHECKED BY {checker}: {reason}; `apt-get install {packages}` brings it"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def answer_of(command: list[str | Path], stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """What a program prints. Status 1 is its refusal; any other is a fault, and no fault may pass for a refusal."""
    words, settings = [str(word) for word in command], {**os.environ, **(env or {})}
    ran = subprocess.run(words, input=stdin, capture_output=True, check=False, env=settings)
    if ran.returncode == 1:
        raise Refused((ran.stderr or ran.stdout).decode())
    assert ran.returncode == 0, f"{command[0]} ended with {ran.returncode}: {ran.stderr.decode()}"
    return ran.stdout


class Checklog(NamedTuple):
    """Our few lines of Go around `golang.org/x/mod`; each method answers with what was counted, or raises `Refused`."""

    program: Path

    def tiles(
        self, folder: Path, log: str, witnesses: Iterable[str] = (), *, older: Iterable[Path] = (), step: int = 1
    ) -> dict[str, int]:
        """Reads a folder of tiles and proves entries and older checkpoints from it by itself."""
        return self._count(*self._keys(log, witnesses), "-step", str(step), "tiles", folder, *older)

    def proof(self, proof: Path, entry: Path, log: str, witnesses: Iterable[str] = ()) -> dict[str, int]:
        """Checks a tlog-proof file for the entry in another."""
        return self._count(*self._keys(log, witnesses), "proof", proof, entry)

    def proofs(self, lines: bytes) -> dict[str, int]:
        """Checks proofs that we made, one JSON object on a line."""
        return self._count("proofs", stdin=lines)

    @staticmethod
    def _keys(log: str, witnesses: Iterable[str]) -> list[str]:
        return ["-log", log, *(word for vkey in witnesses for word in ("-witness", vkey))]

    def _count(self, *words: str | Path, stdin: bytes = b"") -> dict[str, int]:
        counted: dict[str, int] = json.loads(answer_of([self.program, *words], stdin))
        return counted


def build_checklog(folder: Path) -> Checklog:
    """Compiles it with Debian's Go, from source that Debian signed, without a network."""
    packages = "golang-go golang-golang-x-mod-dev"
    if shutil.which("go") is None:
        lacking("GO", "there is no go command here", packages)
    if not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        lacking("GO", "the source of golang.org/x/mod is not here", packages)
    # Nothing of the user's own Go, settings or cache, is read or left behind.
    settings = {"GOENV": "off", "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    settings |= {"GO111MODULE": "off", "GOPATH": str(GOCODE)}
    program = folder / "checklog"
    answer_of(["go", "build", "-o", program, HERE / "checklog" / "main.go"], env=settings)
    return Checklog(program)


class Sigstore(NamedTuple):
    """The verifier that npm itself ships."""

    modules: Path

    def faults(self, vkey: str, proofs: list[dict[str, Any]]) -> list[str | None]:
        """What it finds wrong with each proof, or None where it holds."""
        asked = json.dumps({"vkey": vkey, "proofs": proofs}).encode()
        answer = answer_of(["node", HERE / "sigstore" / "check.cjs"], asked, {"NODE_PATH": str(self.modules)})
        faults: list[str | None] = json.loads(answer)
        return faults


def install_sigstore() -> Sigstore:
    """Installs what the lock says, hash by hash, from whatever registry this machine's npm is set to; once a lock."""
    for program, package in (("node", "nodejs"), ("npm", "npm")):
        if shutil.which(program) is None:
            lacking("SIGSTORE", f"there is no {program} command here", package)
    NPM.mkdir(parents=True, exist_ok=True)
    lock, stamp = (HERE / "sigstore" / "package-lock.json").read_bytes(), NPM / "installed-from"
    with (NPM / "setting-up").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_bytes() != lock:
            stamp.unlink(missing_ok=True)
            _npm_ci()
            stamp.write_bytes(lock)
    return Sigstore(NPM / "node_modules")


def _npm_ci() -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "sigstore" / name, NPM / name)
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    command = ["npm", "ci", *quietly, "--cache", str(NPM / "cache")]
    ran = subprocess.run(command, cwd=NPM, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        reason = f"npm could not install it from its registry ({ran.stderr.strip()[-300:]})"
        lacking("SIGSTORE", reason, "npm")


def find_openssl() -> str:
    """The command, from version 3 on, which is the first that takes a whole message for Ed25519."""
    program = shutil.which("openssl")
    if program is None:
        lacking("OPENSSL", "there is no openssl command here", "openssl")
    version = answer_of([program, "version"]).decode()
    if version.startswith(("OpenSSL 0", "OpenSSL 1", "LibreSSL")):
        lacking("OPENSSL", f"{version.strip()} is older than 3.0", "openssl")
    return program
