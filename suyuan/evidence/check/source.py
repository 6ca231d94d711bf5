"""`verify.py`: the modules of this package, joined into one file that needs nothing but Python 3.11.

There is one checker and no copy of it that could fall behind: the file is made from these modules by taking out what
they import from each other. Its bytes depend on nothing but them, so that two people can compare what they have.

>>> source = verify_source()
>>> source == verify_source(), "import suyuan" in source, "from suyuan" in source
(True, False, False)
"""

from __future__ import annotations

import ast
from pathlib import Path

# Each stands behind those that it imports.
MODULES = (
    "wrong", "strict", "canonical", "sm3", "curve", "tree", "note", "checkpoint", "policy", "proof", "record",
    "archive", "bundle", "report", "alone",
)  # fmt: skip

_PACKAGE = "suyuan.evidence.check"
_HEAD = '''\
#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks an evidence bundle offline, with Python 3.11 and nothing else: python3 -I verify.py BUNDLE [--policy FILE]

离线核对证据包，只需 Python 3.11：python3 -I verify.py 证据包 [--policy 策略文件]

This file is joined from the package suyuan.evidence.check; below, each of its modules says what it promises.
"""

from __future__ import annotations

'''
_TAIL = """

if __name__ == "__main__":
    outcome = run_verify(sys.argv[1:])
    # A terminal that lacks a character shows its number rather than nothing.
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(outcome.text)
    raise SystemExit(outcome.status)
"""


def verify_source() -> str:
    """The text of `verify.py`."""
    folder = Path(__file__).parent
    imports, bodies = {"import sys"}, []
    for name in MODULES:
        text = (folder / f"{name}.py").read_text("utf-8")
        tree = ast.parse(text)
        imports.update(_imports_of_python(tree))
        bodies.append(f"\n\n# --- {name} ---\n\n{_prose(tree)}\n{_body(text, tree)}")
    return _HEAD + "\n".join(sorted(imports)) + "\n" + "".join(bodies) + _TAIL


def _imports_of_python(tree: ast.Module) -> list[str]:
    """One line each, so that what several modules import stands once."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith((_PACKAGE, "__future__")):
            found += [f"from {node.module} import {ast.unparse(alias)}" for alias in node.names]
    return found


def _prose(tree: ast.Module) -> str:
    """The module's docstring as comments, without its examples, which import from this package."""
    prose, _, _ = (ast.get_docstring(tree) or "").partition("\n>>> ")
    return "\n".join(f"# {line}".rstrip() for line in prose.strip().split("\n"))


def _body(text: str, tree: ast.Module) -> str:
    """All but the docstring and the imports."""
    lines = text.split("\n")
    behind = [node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(lines[max(behind) :]).strip("\n") + "\n"
