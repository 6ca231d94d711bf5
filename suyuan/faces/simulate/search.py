"""After the day: is anything that identifies a person, or is worth money, to be found in the clear?

The simulator knows every name, number, account, face and card that it handed in. All of them are searched for in what
the platform has left: every table row by row, every file of the data folder as it lies on the disk (the database's own
files, its write-ahead log, logs, key files). What the sandbox keeps is the outside world's and is left out.

>>> secrets = Planted(digits=frozenset({b"13800000001"}), tokens=frozenset({b"acct-00ff"}), names=("王芳",))
>>> secrets.found_in(b'{"a":"x13800000001y","b":"acct-00ff"}') == {b"13800000001", b"acct-00ff"}
True
>>> secrets.found_in("王芳".encode()) == {"王芳".encode()}, secrets.found_in(b"138 0000 0001")
(True, set())
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from suyuan.base import db
from suyuan.faces.simulate.deeds import Plan, SimCard

CHUNK_BYTES = 1 << 22
# The end of a chunk is searched again with the next one; no planted value is as long.
OVERLAP_BYTES = 256
_DIGITS = re.compile(rb"[0-9]{8,}")
_TOKENS = re.compile(rb"[0-9A-Za-z-]{8,64}")


@dataclass(frozen=True)
class Planted:
    """What was handed in: runs of digits, other tokens of ASCII, and names."""

    digits: frozenset[bytes]
    tokens: frozenset[bytes]
    names: tuple[str, ...]

    @cached_property
    def lengths(self) -> frozenset[int]:
        """How long the runs of digits are."""
        return frozenset(map(len, self.digits))

    def found_in(self, content: bytes) -> set[bytes]:
        """Those that stand in these bytes; digits also inside longer runs of them."""
        found = {value for run in _DIGITS.findall(content) for value in self._windows(run)}
        found |= self.tokens.intersection(_TOKENS.findall(content))
        # A surname that is not there spares looking for all who bear it.
        there = {surname for surname in {name[0] for name in self.names} if surname.encode() in content}
        named = (name.encode() for name in self.names if name[0] in there)
        return found | {name for name in named if name in content}

    def _windows(self, run: bytes) -> Iterator[bytes]:
        for length in self.lengths:
            for start in range(len(run) - length + 1):
                if run[start : start + length] in self.digits:
                    yield run[start : start + length]


def planted_by(plan: Plan) -> Planted:
    """Everything in a plan that must not be found."""
    values: set[str] = set()
    for seller in plan.cast.sellers:
        values |= {seller.identity_number, seller.number, seller.payee, seller.capture}
    for sale in plan.sales:
        source = sale.source
        values |= {source.serial, source.pin} if isinstance(source, SimCard) else {source.number}
    digits = frozenset(value.encode() for value in values if value.isdigit())
    tokens = frozenset(value.encode() for value in values if not value.isdigit())
    return Planted(digits, tokens, tuple(sorted({seller.name for seller in plan.cast.sellers})))


def search(planted: Planted, folder: Path, url: str, *, besides: frozenset[str]) -> dict[str, int]:
    """Where how many of the values were found; nothing is the good answer. `besides` are names of files left out."""
    found: dict[str, int] = {}
    for where, chunks in _everything(folder, url, besides):
        values = {value for chunk in chunks for value in planted.found_in(chunk)}
        if values:
            found[where] = len(values)
    return found


def _everything(folder: Path, url: str, besides: frozenset[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    with db.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        names = [row[0] for row in connection.execute(_TABLES).fetchall()]
        for name in names:
            # In the binary format texts and bytes stand as they are, also those that the files hold compressed.
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT (FORMAT binary)'.encode()) as rows:
                yield f"table {name}", _overlapping(bytes(row) for row in rows)
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in besides:
            yield str(file.relative_to(folder)), _overlapping(_chunks(file))


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK_BYTES):
                yield chunk
    except FileNotFoundError:
        """The database removes files of its own while they are listed; what they held stands in its log."""


def _overlapping(chunks: Iterator[bytes]) -> Iterator[bytes]:
    end = b""
    for chunk in chunks:
        yield end + chunk
        end = (end + chunk)[-OVERLAP_BYTES:]


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
