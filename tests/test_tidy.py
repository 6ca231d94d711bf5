"""The house rules that no ready-made linter knows, read from the syntax trees, each with the way out in its message.

`BITES` at the end plants one breach of each rule and expects that message, so no rule can fall asleep.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
POSITIONAL_MAX = 5

BASE = {"money", "clock", "ids", "refusals", "wire", "crypto", "db", "migrations"}
ENTRY_POINTS = {
    "suyuan.__main__",
    "suyuan.app.__main__",
    "suyuan.faces.cli",
    "suyuan.faces.http.__main__",
    "suyuan.faces.reference",
    "suyuan.faces.sdk",
    "suyuan.outside.sandbox.__main__",
}
SAY_NOTHING = {"data", "helper", "helpers", "manager", "managers", "misc", "process", "processor", "util", "utils"}

# (what is banned, where it is allowed, what to use): the names are as the code writes them.
CALLS = [
    (
        r"(datetime\.)?(datetime|date)\.(now|utcnow|today)|time\.(time|monotonic|perf_counter|process_time)(_ns)?",
        ("suyuan/base/clock.py",),
        "take `now` as an argument, or ask suyuan.base.clock",
    ),
    (
        r"random\.(?!Random\b)\w+|secrets\.\w+|os\.urandom|uuid\.uuid[14]",
        ("suyuan/base/crypto/", "suyuan/app", "suyuan/faces/"),
        "take chance as an argument, so that a run can be repeated; app and faces bring it",
    ),
    (
        r"os\.(environ\.get|getenv)",
        ("suyuan/config", "suyuan/base/db", "suyuan/faces/"),
        "let suyuan.config read it, and take the plain value as an argument",
    ),
    (r"print", ("suyuan/faces/",), "return the text, or log a fact; only faces print"),
]

# A host that stays is one whose page is the specification, or one that cannot exist.
HOSTS = re.compile(
    r"localhost|127(\.\d+){3}|\[::1\]|([\w-]+\.)*(example|invalid|test)(\.(com|org|net))?"
    r"|www\.rfc-editor\.org|datatracker\.ietf\.org|www\.iana\.org|www\.w3\.org|c2sp\.org|spec\.openapis\.org"
    r"|json-schema\.org|www\.apache\.org|keepachangelog\.com|semver\.org|www\.standardwebhooks\.com"
)
URL = re.compile(r"\b(?:https?|wss?)://([\w.\[\]:-]+)")
REGISTRY = re.compile(r"pythonhosted|pypi\.org|npmjs\.\w+|deb\.debian")
MACHINE_PATH = re.compile(r"(?<![\w./])/(?:root|home|work|Users)/[\w.]")


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    def at(self, line: int, sentence: str) -> str:
        return f"{self.path}:{line}: {sentence}"


def tracked(*patterns: str) -> list[str]:
    """Paths that git tracks or would track; in an unpacked release, which has no git, those that lie there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        return sorted(path for path in set(listed.stdout.split("\0")) if path and (ROOT / path).is_file())
    found = (path for pattern in patterns or ("*",) for path in ROOT.rglob(pattern) if path.is_file())
    relative = {str(path.relative_to(ROOT)) for path in found}
    return sorted(path for path in relative if not re.match(r"\.(venv|tools|git)/|.*__pycache__", path))


Rule = Callable[[Module], Iterator[str]]
MODULES = [Module(path, (ROOT / path).read_text("utf-8")) for path in tracked("*.py")]
PACKAGE = [module for module in MODULES if module.path.startswith("suyuan/")]


# --- The rules: each looks at one module and yields sentences ---------------------------------------------------------


def banned_calls(module: Module) -> Iterator[str]:
    """Time, chance, settings and the terminal are arguments."""
    for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        for banned, allowed, instead in CALLS:
            if re.fullmatch(banned, name) and not module.path.startswith(allowed):
                yield module.at(call.lineno, f"`{name}` is banned here: {instead}.")


def floats_in_settle(module: Module) -> Iterator[str]:
    """Money is whole fen, so settle has no way to make anything else."""
    if not module.path.startswith("suyuan/settle/"):
        return
    for node in ast.walk(module.tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_name = isinstance(node, ast.Name) and node.id == "float"
        is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
        if is_literal or is_name or is_division:
            yield module.at(
                getattr(node, "lineno", 1), "a float is banned in settle: use money.Ratio, floor_fen or `//`."
            )


def names_that_say_nothing(module: Module) -> Iterator[str]:
    words = re.split(r"[/_.]", module.path)
    classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    for word in SAY_NOTHING.intersection(words):
        yield module.at(1, f"`{word}` in a module's name says nothing: name what it holds or does.")
    for found in classes:
        for word in SAY_NOTHING.intersection(part.lower() for part in re.findall(r"[A-Z][a-z]+", found.name)):
            yield module.at(found.lineno, f"`{word}` in `{found.name}` says nothing: name what it is.")


def promises_in_comments(module: Module) -> Iterator[str]:
    for line, comment in module.comments:
        if found := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment):
            yield module.at(line, f"{found[0]} is banned: do it, or write it down where it will be found.")


def silenced_without_reason(module: Module) -> Iterator[str]:
    for line, comment in module.comments:
        directive = re.search(r"noqa|type: ?ignore|pragma: no cover", comment)
        reason = re.sub(r"#|noqa:?( ?[A-Z]+\d+,?)*|type: ?ignore(\[[\w, -]+\])?|pragma: no cover", "", comment)
        if directive and len(reason.split()) < 3:
            yield module.at(line, f"`{directive[0]}` needs its reason on the same line.")


def bare_excepts(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield module.at(node.lineno, "a bare except is banned: name what is expected, and let the rest be seen.")


def missing_docstring(module: Module) -> Iterator[str]:
    if module.text.strip() and ast.get_docstring(module.tree) is None:
        yield module.at(1, "a module opens with a docstring: what it promises.")


def long_files(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield module.at(1, f"{lines} lines are over {FILE_LINES_MAX}: make it a folder of two ideas.")


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def long_functions(module: Module) -> Iterator[str]:
    """Counted from `def` to the last line, without the docstring; a migration is one list and may be longer."""
    if "/migrations/" in module.path:
        return
    for function in functions(module):
        docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
        doc_lines = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
        lines = (function.end_lineno or function.lineno) - function.lineno + 1 - doc_lines
        if lines > FUNCTION_LINES_MAX:
            yield module.at(
                function.lineno, f"`{function.name}` has {lines} lines, over {FUNCTION_LINES_MAX}: split it."
            )


def many_positional(module: Module) -> Iterator[str]:
    for function in functions(module):
        names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > POSITIONAL_MAX and not function.name.startswith("test_"):
            message = f"`{function.name}` takes {count} positional arguments: after {POSITIONAL_MAX}, put `*`."
            yield module.at(function.lineno, message)


EVERYWHERE = [promises_in_comments, silenced_without_reason, bare_excepts, missing_docstring, long_files]
IN_THE_PACKAGE = [banned_calls, floats_in_settle, names_that_say_nothing, long_functions, many_positional]


@pytest.mark.parametrize("rule", EVERYWHERE)
def test_every_file_is_tidy(rule: Rule) -> None:
    findings = [finding for module in MODULES for finding in rule(module)]
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize("rule", IN_THE_PACKAGE)
def test_the_package_is_tidy(rule: Rule) -> None:
    findings = [finding for module in PACKAGE for finding in rule(module)]
    assert not findings, "\n" + "\n".join(findings)


# --- The tree as a whole ---------------------------------------------------------------------------------------------


def imported_names(module: Module) -> Iterator[str]:
    """Modules that this one names: by import, or in a string such as the one a server is started with."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("suyuan."):
            yield node.value.partition(":")[0]


def dead_modules(modules: list[Module]) -> list[str]:
    """Modules that no other module of the package imports. Alembic finds its revisions by their folder."""
    imported = {name for module in modules for name in imported_names(module) if name != module.name}
    found_by_folder = re.compile(r".*/(__init__\.py|migrations/.*)")
    names = {module.name for module in modules if not found_by_folder.fullmatch(module.path)}
    return sorted(names - imported - ENTRY_POINTS)


def test_no_module_is_dead() -> None:
    """A module that only tests import is a memory of something; delete it, or give it its caller."""
    assert dead_modules(PACKAGE) == []


def test_base_is_a_fixed_list() -> None:
    """A new word for everybody is a decision: change this list together with DESIGN's table in one commit."""
    found = {
        module.path.split("/")[2].removesuffix(".py") for module in PACKAGE if module.path.startswith("suyuan/base/")
    }
    assert found - {"__init__"} <= BASE


def test_every_part_says_what_it_is_for() -> None:
    parts = {module.path.split("/")[1] for module in PACKAGE if module.path.count("/") > 1}
    documented = {module.path for module in PACKAGE if ast.get_docstring(module.tree)}
    assert [part for part in sorted(parts) if f"suyuan/{part}/__init__.py" not in documented] == []


def parts_that_name(table: str, modules: list[Module]) -> set[str]:
    """The parts whose SQL names a table. Benches measure beside the house, so they are not asked."""
    in_sql = re.compile(rf"\b(?:FROM|INTO|UPDATE|JOIN|TABLE|COPY)\s+{table}\b")
    asked = [module for module in modules if not re.search(r"/(migrations|bench)/", module.path)]
    return {module.name.split(".")[1] for module in asked if in_sql.search(module.text)}


def test_each_table_belongs_to_one_part() -> None:
    """Whoever names a table may change its meaning; with two of them nobody knows what it promises."""
    revisions = "".join(module.text for module in PACKAGE if "/migrations/" in module.path)
    tables = re.findall(r"CREATE TABLE (\w+)", revisions)
    named = {table: parts_that_name(table, PACKAGE) for table in tables}
    assert {table: parts for table, parts in named.items() if len(parts) > 1} == {}


def foreign_places(path: str, text: str) -> Iterator[str]:
    """Hosts that are not a specification's, registries, and folders of one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        hosts = (re.sub(r":\d*$", "", url[1]).rstrip(".") for url in URL.finditer(line))
        for host in (host for host in hosts if host and not HOSTS.fullmatch(host)):
            yield f"{path}:{number}: `{host}` is neither a specification nor an example: take it out."
        if found := REGISTRY.search(line) or MACHINE_PATH.search(line):
            yield f"{path}:{number}: `{found[0]}` belongs to one machine: let its settings say it."


def test_no_file_names_a_machine_or_a_registry() -> None:
    """The tree must install from any mirror and run in any folder."""
    findings = []
    for path in (path for path in tracked() if path != "tests/test_tidy.py"):
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            findings += list(foreign_places(path, content.decode("utf-8")))
    assert not findings, "\n" + "\n".join(findings)


def test_locks_name_no_host_and_hash_every_package() -> None:
    locks = tracked("requirements*.txt")
    assert {"requirements.txt", "requirements-dev.txt", "requirements-tools.txt"} <= set(locks)
    for path in locks:
        text = (ROOT / path).read_text("utf-8")
        packages = re.split(r"\n(?=\w)", re.sub(r"(?m)^#.*\n", "", text).strip())
        unpinned = [
            package.split()[0] for package in packages if "==" not in package or "--hash=sha256:" not in package
        ]
        assert not unpinned, f"{path}: {unpinned} lack a version or a hash; run `python3 x.py lock`"
        assert "://" not in text, f"{path} names a host; run `python3 x.py lock`"


# --- Each rule bites -------------------------------------------------------------------------------------------------

BITES = [
    (banned_calls, "suyuan/settle/a.py", "datetime.now(UTC)", "suyuan.base.clock"),
    (banned_calls, "suyuan/flows/a.py", "time.time_ns()", "suyuan.base.clock"),
    (banned_calls, "suyuan/history/a.py", "secrets.token_bytes(16)", "chance as an argument"),
    (banned_calls, "suyuan/risk/a.py", "random.random()", "chance as an argument"),
    (banned_calls, "suyuan/settle/a.py", "os.getenv('HOME')", "suyuan.config"),
    (banned_calls, "suyuan/settle/a.py", "print('paid')", "only faces print"),
    (floats_in_settle, "suyuan/settle/a.py", "fee = 0.2", "a float is banned"),
    (floats_in_settle, "suyuan/settle/a.py", "half = face / 2", "a float is banned"),
    (floats_in_settle, "suyuan/settle/a.py", "def f(x: float) -> None: ...", "a float is banned"),
    (names_that_say_nothing, "suyuan/settle/card_utils.py", "", "`utils`"),
    (names_that_say_nothing, "suyuan/settle/a.py", "class CardManager: ...", "`manager`"),
    (promises_in_comments, "suyuan/a.py", "x = 1  # TODO: later", "TODO is banned"),
    (silenced_without_reason, "suyuan/a.py", "x = 1  # noqa: E501", "needs its reason"),
    (silenced_without_reason, "suyuan/a.py", "x = 1  # type: ignore[misc]", "needs its reason"),
    (bare_excepts, "suyuan/a.py", "try: ...\nexcept: ...", "bare except"),
    (missing_docstring, "suyuan/a.py", "x = 1", "opens with a docstring"),
    (long_files, "suyuan/a.py", "\n" * 501, "over 500"),
    (long_functions, "suyuan/a.py", "def f() -> None:" + "\n    ..." * 70, "over 70"),
    (many_positional, "suyuan/a.py", "def f(a, b, c, d, e, g) -> None: ...", "put `*`"),
]


@pytest.mark.parametrize(("rule", "path", "text", "expected"), BITES)
def test_each_rule_bites(rule: Rule, path: str, text: str, expected: str) -> None:
    assert [finding for finding in rule(Module(path, text)) if expected in finding]


def test_what_is_allowed_passes() -> None:
    """The same words where they belong, and a silence with its reason."""
    assert not list(banned_calls(Module("suyuan/base/clock.py", "time.time_ns()")))
    assert not list(banned_calls(Module("suyuan/faces/simulate.py", "random.Random(seed)\nprint(1)")))
    assert not list(floats_in_settle(Module("suyuan/faces/a.py", "share = 1 / 3")))
    assert not list(silenced_without_reason(Module("a.py", "x = 1  # noqa: S101 - the reader needs to see it")))


def test_a_module_nobody_imports_is_called_dead() -> None:
    used = Module("suyuan/settle/card.py", '"""Cards."""')
    user = Module("suyuan/faces/cli.py", "from suyuan.settle import card")
    alone = Module("suyuan/settle/old.py", '"""Old."""')
    assert dead_modules([used, user, alone]) == ["suyuan.settle.old"]


def test_a_second_owner_of_a_table_is_seen() -> None:
    owner = Module("suyuan/settle/card.py", 'SQL = "SELECT state FROM card"')
    second = Module("suyuan/flows/redeem_card.py", 'SQL = "UPDATE card SET state = 1"')
    assert parts_that_name("card", [owner, second]) == {"settle", "flows"}


@pytest.mark.parametrize("line", ["https://mirror.cloud/x", "see /root/.cache", "index = pypi.org"])
def test_a_foreign_place_is_found(line: str) -> None:
    assert list(foreign_places("README.md", line))
