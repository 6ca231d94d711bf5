"""`verify.py`: one file that a stranger runs with Python alone, and the package carried away by itself."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import suyuan.evidence.check
from suyuan.evidence.check import verify_source
from suyuan.evidence.check.sm3 import sm3_in_python
from suyuan.evidence.check.source import MODULES
from tests.evidence.check import made_bundle
from tests.evidence.check.signers import POLICY

PACKAGE = Path(suyuan.evidence.check.__file__).parent
TREES = {file.stem: ast.parse(file.read_text("utf-8")) for file in PACKAGE.glob("*.py")}


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder with `verify.py`, a good bundle and the policy, and nothing else."""
    (tmp_path / "verify.py").write_text(verify_source(), "utf-8")
    (tmp_path / "case.suyuan-evidence.zip").write_bytes(made_bundle.bundle())
    (tmp_path / "trusted.tlog-policy").write_bytes(POLICY)
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "verify.py", *arguments],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_it_runs_where_there_is_nothing_but_python(alone: Path) -> None:
    done = run(alone, "case.suyuan-evidence.zip", "--policy", "trusted.tlog-policy")
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "GOOD.",
        "无误",
        "NOT checked",
        "未核对",
        "Record 103",
        "第 103 号记录",
        "SM2",
        "time stamp",
        "时间戳",
    ):
        assert word in done.stdout
    assert "agrees with itself" not in done.stdout
    assert sorted(file.name for file in alone.iterdir()) == [
        "case.suyuan-evidence.zip", "trusted.tlog-policy", "verify.py",
    ]  # fmt: skip


def test_without_a_policy_it_says_that_this_shows_little(alone: Path) -> None:
    done = run(alone, "case.suyuan-evidence.zip")
    assert done.returncode == 0
    assert "WHOM TO BELIEVE was taken from the bundle itself" in done.stdout


def test_a_bad_bundle_or_policy_is_told_by_the_exit_status(alone: Path) -> None:
    broken = bytearray((alone / "case.suyuan-evidence.zip").read_bytes())
    broken[len(broken) // 2] ^= 1
    (alone / "broken.zip").write_bytes(bytes(broken))
    (alone / "torn.tlog-policy").write_bytes(POLICY[:-5])
    for arguments in (["broken.zip"], ["--policy", "torn.tlog-policy", "case.suyuan-evidence.zip"]):
        done = run(alone, *arguments)
        assert (done.returncode, done.stderr) == (1, "")
        assert re.match(r"BAD\. (The file|torn\.tlog-policy: The policy's) .*\n有误。.*。\n$", done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--help"], ["-x"], ["a", "b"], ["case.suyuan-evidence.zip", "--policy"], ["missing.zip"], ["."],
        ["case.suyuan-evidence.zip", "--policy", "missing"], ["--policy", "trusted.tlog-policy", "--policy"],
    ],
)  # fmt: skip
def test_where_nothing_was_checked_the_status_is_2(alone: Path, arguments: list[str]) -> None:
    done = run(alone, *arguments)
    assert (done.returncode, done.stderr) == (2, "")
    assert "用法" in done.stdout or "无法读取" in done.stdout


def test_a_terminal_without_chinese_is_served_too(alone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "verify.py", "case.suyuan-evidence.zip"],
        cwd=alone, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u65e0\\u8bef" in done.stdout


def test_it_is_the_same_file_everywhere() -> None:
    """Two people compare what they have by its digest, so no path, no clock and no order of a folder goes into it."""
    script = "import sys; sys.path.insert(0, '.'); from suyuan.evidence.check import verify_source as v; print(v())"
    root = PACKAGE.parents[2]
    other = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True
    )
    assert hashlib.sha256(other.stdout[:-1].replace(os.linesep.encode(), b"\n")).digest() == (
        hashlib.sha256(verify_source().encode()).digest()
    )


def test_every_module_is_in_it_behind_those_that_it_needs() -> None:
    assert set(MODULES) == set(TREES) - {"__init__", "source"}
    for place, name in enumerate(MODULES):
        assert {needed for needed, _ in inside_imports(TREES[name])} <= set(MODULES[:place]), name


def test_joining_changes_no_meaning() -> None:
    """No name is defined twice, and none is imported under another, so each means the same in the file."""
    joined = ast.parse(verify_source())
    assert [name for name, count in Counter(defined(joined)).items() if count > 1] == []
    assert all(alias.asname is None for tree in TREES.values() for _, alias in inside_imports(tree))


def test_the_package_imports_nothing_but_itself_and_the_standard_library() -> None:
    imported = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    outside = {name for name in imported if not name.startswith("suyuan.evidence.check.")}
    assert {name.split(".")[0] for name in outside} <= sys.stdlib_module_names


def test_the_package_can_be_carried_away(tmp_path: Path) -> None:
    """Its folder alone, in an empty environment: nothing of the house, no site-packages."""
    shutil.copytree(PACKAGE, tmp_path / "suyuan" / "evidence" / "check", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import sys; sys.path.insert(0, '.'); import suyuan.evidence.check as check; "
        "print(len(check.verify_source()), len([m for m in sys.modules if m.startswith('suyuan')]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout.split()) == (
        "", [str(len(verify_source())), str(len(TREES) + 2)]
    )  # fmt: skip


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 1000])
def test_sm3_without_openssl_is_the_same(length: int) -> None:
    """The lengths around which padding changes; GB/T 32905's second example has 64 bytes."""
    from suyuan.base.crypto import sm3

    content = bytes(number % 251 for number in range(length))
    assert sm3_in_python(content) == sm3(content)
    assert sm3_in_python(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_an_openssl_without_sm3_is_no_hindrance(alone: Path) -> None:
    source = (alone / "verify.py").read_text("utf-8")
    hashing = 'hashlib.new("sm3", content)'
    assert hashing in source
    (alone / "verify.py").write_text(source.replace(hashing, 'hashlib.new("sm3-is-missing", content)'), "utf-8")
    assert run(alone, "case.suyuan-evidence.zip", "--policy", "trusted.tlog-policy").returncode == 0


def inside_imports(tree: ast.Module) -> Iterator[tuple[str, ast.alias]]:
    """Modules of the package that this one imports from, and what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("suyuan.evidence.check."):
            for alias in node.names:
                yield (node.module or "").rpartition(".")[2], alias


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module binds at its top, in the order in which it does."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name for target in targets for name in ast.walk(target)]
            yield from (name.id for name in names if isinstance(name, ast.Name))
