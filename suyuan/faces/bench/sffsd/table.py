"""The file S-FFSD.csv as columns of whole numbers.

Its header is `Time,Source,Target,Amount,Location,Type,Labels`; times count up from 0, amounts have at most two places
behind the point, labels are 0 good, 1 bad and 2 unknown. Names become numbers in the order of their first appearance,
which tells nothing of what comes later.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HEADER = ["Time", "Source", "Target", "Amount", "Location", "Type", "Labels"]
GOOD, BAD, UNKNOWN = 0, 1, 2
PUBLISHED_SHA256 = "a2d78b983dfacaae394e4d69ece46ae880fd6bd4761bc5ee759977ba12b185c6"
"""Of the file that the published figures were made on."""
BYTES_MAX = 64 << 20


class BadTable(Exception):
    """Raised for a file that is not S-FFSD; its text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The payments, in order of time."""

    sender: Ints
    receiver: Ints
    place: Ints
    type: Ints
    amount_cents: Ints
    label: Ints
    sha256: str

    def __len__(self) -> int:
        return len(self.label)

    @property
    def labelled(self) -> Ints:
        """The places of the rows whose label is known."""
        return np.flatnonzero(self.label != UNKNOWN)


def read_table(file: Path) -> Table:
    """The table of a file. Raises `BadTable`."""
    try:
        if file.stat().st_size > BYTES_MAX:
            raise BadTable(f"{file} is larger than {BYTES_MAX >> 20} MB; S-FFSD.csv has 3")
        content = file.read_bytes()
        lines = content.decode("ascii").splitlines()
    except OSError as fault:
        raise BadTable(f"{file} cannot be read ({fault.strerror}); give the path of S-FFSD.csv with --data") from fault
    except UnicodeDecodeError as fault:
        raise BadTable(f"{file} is no plain text; S-FFSD.csv is") from fault
    rows = list(_rows(file, lines))
    senders, receivers, amounts, places, types, labels = zip(*rows, strict=True) if rows else ([],) * 6
    return Table(
        sender=_numbered(senders),
        receiver=_numbered(receivers),
        place=_numbered(places),
        type=_numbered(types),
        amount_cents=np.array(amounts, np.int64),
        label=np.array(labels, np.int64),
        sha256=sha256(content).hexdigest(),
    )


def _rows(file: Path, lines: list[str]) -> Iterator[tuple[str, str, int, str, str, int]]:
    read = csv.reader(lines, strict=True)
    try:
        if next(read, None) != HEADER:
            raise BadTable(f"{file} does not begin with {','.join(HEADER)}")
        for number, row in enumerate(read):
            time, sender, receiver, amount, place, kind, label = row
            if int(time) != number or label not in ("0", "1", "2"):
                raise BadTable(f"{file}, row {number}: times count up from 0, and a label is 0, 1 or 2")
            yield sender, receiver, _cents(amount), place, kind, int(label)
    except (ValueError, InvalidOperation, csv.Error) as fault:
        raise BadTable(f"{file}, line {read.line_num}: it is not written as S-FFSD is ({fault})") from fault


def _cents(text: str) -> int:
    cents = Decimal(text) * 100
    if cents != cents.to_integral_value() or not 0 <= cents < 1 << 53:
        raise ValueError(f"`{text[:40]}` is no amount")
    return int(cents)


def _numbered(names: Sequence[str]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
