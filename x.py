#!/usr/bin/env python3
"""Sets everything up and runs it: the one command of this repository.

    python3 x.py demo [--redemptions N] [--seed S] [--json] [--keep]   the platform, its traffic and its attackers
    python3 x.py test [arguments of pytest]      lint, format, types, layers and tests
    python3 x.py suyuan COMMAND ...              any command, in the prepared environment
    python3 x.py bench NAME ...                  short for `suyuan bench NAME ...`
    python3 x.py nightly [arguments of pytest]   the same with every long test at its full numbers, and with Spark
    python3 x.py lock [--upgrade]                makes the hashed requirements again from pyproject.toml
    python3 x.py                                 prepares the environment and does nothing else

It needs Python 3.11 or later with pip: no venv module, compiler, node, make or root. It writes to `.tools/` (uv) and
`.venv/` (everything else), both of which may be deleted at any time, and installs nothing that does not stand in
a lock with its hash, from whatever index this machine's pip is set to. A start that finds all in place takes a few
hundredths of a second; what it says goes to standard error, so standard output belongs to the command it runs.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
STAMP = VENV / "stamp"
TOOLS_LOCK = ROOT / "requirements-tools.txt"
DEV_LOCK = ROOT / "requirements-dev.txt"
SPARK_LOCK = ROOT / "requirements-spark.txt"

# uv reads neither pip.conf nor PIP_*, so what the machine told pip is told to uv again, in uv's words.
# The separator is what uv splits a list on; pip splits every list on white space.
PIP_TO_UV = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}

CHECKS = {
    "lint": ["ruff", "check", "--quiet"],
    "format": ["ruff", "format", "--check", "--quiet"],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-logo"],
}


# --- Settings of this machine ----------------------------------------------------------------------------------------


def uv_settings(pip_config: str) -> dict[str, str]:
    """What `pip config list` printed, as the variables that uv reads.

    >>> uv_settings("global.index-url='https://mirror.example/simple'")
    {'UV_DEFAULT_INDEX': 'https://mirror.example/simple'}
    """
    values: dict[str, str] = {}
    lines = [line.partition("=") for line in pip_config.splitlines() if "=" in line]
    # Weakest first, as pip has it: the general section, then the one of `pip install`, then the environment.
    for section in ("global", "install", ":env:"):
        for name, _, value in lines:
            found_in, _, key = name.rpartition(".")
            if found_in == section and key in PIP_TO_UV:
                values[key] = str(ast.literal_eval(value))
    settings = {}
    for key, value in values.items():
        variable, separator = PIP_TO_UV[key]
        if places := [place for place in value.split() if is_there(place)]:
            settings[variable] = separator.join(places)
    return settings


def is_there(place: str) -> bool:
    """Whether a place exists as far as this machine can tell: pip steps over a missing folder, uv would stop at it."""
    if place.startswith("file://"):
        return Path(unquote(urlsplit(place).path)).exists()
    return not place.startswith("/") or Path(place).exists()


def base_python() -> str:
    """The interpreter itself, even where x.py was started by the `.venv` that it may be about to replace."""
    return str(getattr(sys, "_base_executable", sys.executable))


def pip(*arguments: str, stdout: int) -> str:
    """What pip prints, if `stdout` is a pipe. Two settings meant for other installations would get in the way."""
    env = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [base_python(), "-m", "pip", *arguments]
    return subprocess.run(command, check=True, stdout=stdout, text=True, env=env).stdout


def cache_folder() -> Path:
    """uv's usual cache, shared between clones; one inside the tree where the usual one cannot be written."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where a user has no home at all.
    usual = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "uv")
    nearest = next((folder for folder in (usual, *usual.parents) if folder.exists()), None)
    is_ours = usual.is_absolute() and nearest is not None and os.access(nearest, os.W_OK)
    return usual if is_ours else TOOLS / "cache"


def uv_environment() -> dict[str, str]:
    """The environment for uv. Whatever the user set by uv's own variables stays as it is."""
    defaults = {
        "UV_CACHE_DIR": str(cache_folder()),
        "UV_PYTHON_DOWNLOADS": "never",
        # A local index may hold only some versions of a package. Looking at all of them is safe, because of the hashes.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_CUSTOM_COMPILE_COMMAND": "python3 x.py lock",
    }
    return defaults | uv_settings(pip("config", "list", stdout=subprocess.PIPE)) | os.environ


# --- Setting up ------------------------------------------------------------------------------------------------------


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def wanted_stamp() -> str:
    """What a finished `.venv` was made from: first where it lives, then what is in it."""
    import tomllib  # Here, because it is new in Python 3.11, and main has a sentence for older ones.

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    content = DEV_LOCK.read_bytes() + repr((project["project"], project["build-system"])).encode()
    place = f"python {sys.version_info.major}.{sys.version_info.minor} {ROOT}"
    return f"{place}\n{hashlib.sha256(content).hexdigest()}\n"


def found_stamp() -> str:
    return STAMP.read_text("utf-8") if STAMP.exists() and (VENV / "bin/python").exists() else ""


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two terminals may start x.py at once; the second waits, and then finds the work done."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setting-up").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def bring_uv() -> str:
    """The path of the pinned uv, installed by pip into a folder of its own: that needs no virtual environment."""
    program = TOOLS / "bin" / "uv"
    installed_from = TOOLS / TOOLS_LOCK.name
    if program.exists() and installed_from.exists() and installed_from.read_bytes() == TOOLS_LOCK.read_bytes():
        return str(program)
    install = ["install", "--quiet", "--root-user-action=ignore", "--upgrade", "--target", str(TOOLS)]
    pip(*install, "--require-hashes", "-r", str(TOOLS_LOCK), stdout=sys.stderr.fileno())
    installed_from.write_bytes(TOOLS_LOCK.read_bytes())
    return str(program)


def prepare() -> None:
    """Leaves a `.venv` that holds exactly what the lock says, and the project itself, editable."""
    if found_stamp() == wanted_stamp():
        return
    with one_at_a_time():
        found, wanted = found_stamp(), wanted_stamp()
        if found == wanted:
            return
        say("Preparing the environment (about half a minute on a fresh machine) ...")
        started = time.monotonic()
        # Without its stamp a half-made environment is never taken for a finished one.
        STAMP.unlink(missing_ok=True)
        uv, env = bring_uv(), uv_environment()
        in_venv = ["--quiet", "--python", str(VENV / "bin/python")]
        steps = [
            [uv, "pip", "sync", *in_venv, "--require-hashes", str(DEV_LOCK)],
            # The build backend came with the lock, so building ourselves must not need the network.
            [uv, "pip", "install", *in_venv, "--offline", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        ]
        if found.partition("\n")[0] != wanted.partition("\n")[0]:
            steps.insert(0, [uv, "venv", "--quiet", "--clear", "--no-project", "--python", base_python(), str(VENV)])
        for step in steps:
            subprocess.run(step, check=True, cwd=ROOT, env=env, stdout=sys.stderr)
        STAMP.write_text(wanted, "utf-8")
        say(f"Prepared in {time.monotonic() - started:.1f} s.")


def lock(arguments: list[str]) -> int:
    """Makes the four locks: what runs, that and what develops it, what runs with Spark, and uv itself.

    Only the default index is asked: a lock must install from any mirror, and nobody else has this machine's extras.
    """
    with one_at_a_time():
        uv = bring_uv()
    env = {name: value for name, value in uv_environment().items() if name not in ("UV_INDEX", "UV_FIND_LINKS")}
    compile_lock = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    compile_lock += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links", *arguments]
    sources = {
        "requirements.txt": ["pyproject.toml"],
        "requirements-dev.txt": ["pyproject.toml", "--group", "dev", "--constraints", "requirements.txt"],
        "requirements-spark.txt": ["pyproject.toml", "--extra", "spark", "--constraints", "requirements.txt"],
        "requirements-tools.txt": ["--group", "tools"],
    }
    for name, source in sources.items():
        command = [*compile_lock, *source, "--output-file", name]
        subprocess.run(command, check=True, cwd=ROOT, env=env, stdout=sys.stderr)
    return 0


# --- Running ---------------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The environment of an activated `.venv`."""
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.environ | {"VIRTUAL_ENV": str(VENV), "PATH": path}


def suyuan(arguments: list[str]) -> int:
    """Becomes the command, so that signals and the exit code are the command's own."""
    prepare()
    sys.stdout.flush()
    os.execve(VENV / "bin" / "suyuan", ["suyuan", *arguments], environment())


def check(pytest_arguments: list[str]) -> int:
    """All checks, each to its end; the summary is last, so it stands where the eye is."""
    prepare()
    os.chdir(ROOT)
    env = environment()
    started = {
        name: subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, command in CHECKS.items()
    }
    outputs = {name: running.communicate()[0] for name, running in started.items()}
    passed = {name: running.returncode == 0 for name, running in started.items()}
    for name in (name for name in CHECKS if not passed[name]):
        print(f"--- {name}: `{' '.join(CHECKS[name])}` found\n{outputs[name]}", flush=True)
    passed["tests"] = subprocess.run(["pytest", *pytest_arguments], env=env, check=False).returncode == 0
    print("  ".join(f"{name} {'ok' if fine else 'FAILED'}" for name, fine in passed.items()))
    return 0 if all(passed.values()) else 1


def only_prepare(_arguments: list[str]) -> int:
    prepare()
    return 0


def bring_spark() -> None:
    """Half a gigabyte that only the nightly tests want, on top of the environment, until that is made anew."""
    python = str(VENV / "bin/python")
    ask = "import os; from suyuan.risk.batch import spark; print(spark.lacking_java(os.environ.get('JAVA_HOME')))"
    asked = subprocess.run([python, "-c", ask], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if told := asked.stdout.strip():
        say(f"!! SPARK IS LEFT OUT: {told}")
        return
    with one_at_a_time():
        # pyspark comes as source. What builds it is there already, from the lock of those who develop.
        build = ["--no-build-isolation-package", "pyspark", "--require-hashes", "--requirements", str(SPARK_LOCK)]
        install = [bring_uv(), "pip", "install", "--quiet", "--python", python, *build]
        if subprocess.run(install, check=False, cwd=ROOT, env=uv_environment(), stdout=sys.stderr).returncode:
            say("!! SPARK IS LEFT OUT: it could not be installed; the reason stands above.")


def nightly(arguments: list[str]) -> int:
    prepare()
    bring_spark()
    return check(["-m", "nightly or not nightly", "--hypothesis-profile=nightly", *arguments])


COMMANDS = {
    "": only_prepare,
    "demo": lambda arguments: suyuan(["demo", *arguments]),
    "test": check,
    "suyuan": suyuan,
    "bench": lambda arguments: suyuan(["bench", *arguments]),
    "nightly": nightly,
    "lock": lock,
}


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - An older Python may well start this file, and deserves a sentence.
        say(f"suyuan needs Python 3.11 or later; this is {sys.version.split()[0]}.")
        return 2
    command = arguments[0] if arguments else ""
    if command not in COMMANDS:
        say(__doc__ or "")
        return 0 if command in ("-h", "--help", "help") else 2
    try:
        return COMMANDS[command](arguments[1:])
    except subprocess.CalledProcessError as failed:
        say(f"x.py stopped, and the reason stands above: {failed}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
