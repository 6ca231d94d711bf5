"""Whose export, or whose reads, a leaked list fits: the list is laid beside history, and no sealed field is opened.

1. The rows are found again by what the register holds in the open: an id names its seller, as a pseudonym that was made
   for one recipient does, a redemption whoever sold it, and failing all of them the second of the registration a few
   whom the row may be about.
2. The candidates are all exports, and all that each officer has read on a screen, as history tells; what was read
   after the list had been seen cannot be its source and is left out.
3. The signs are weighed (`privacy.attribution`). The sellers of one partner belong together, so a list of them points
   at nobody for having read exactly those.

Masked numbers and names are compared with canaries alone, which follow from the platform's key. So nothing is read of
anybody, and there is no event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.flows.read_fields import OFFICER
from suyuan.history.disclosure_events import ExportApproved
from suyuan.history.privacy_events import FieldsRead, FieldsRead1
from suyuan.history.store import of_kinds
from suyuan.privacy.attribution import Attribution, Called, Candidate, LeakedRow, Lineup, attribute
from suyuan.privacy.canary import Shown
from suyuan.privacy.exports import pseudonym
from suyuan.privacy.leaked import is_whole, leaked_instant, leaked_name, leaked_number, plain
from suyuan.privacy.marks import mark_key
from suyuan.privacy.purposes import SELLER_IDENTITY, SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE
from suyuan.privacy.vault import Vault
from suyuan.settle import whose

EXPORT = "exp_"
GIVEN = "psn_"
_PSEUDONYMS = ("slr_", GIVEN)

Connection = psycopg.Connection[TupleRow]


class LeakedCells(NamedTuple):
    """A row of a list as it stands in the file; a column that is not there is empty."""

    line: int
    seller: str = ""
    redemption: str = ""
    name: str = ""
    number: str = ""
    identity_number: str = ""
    payee: str = ""
    registered_at: str = ""
    instants: tuple[str, ...] = ()
    """Of other columns that hold instants."""


def attribute_leak(
    connection: Connection, vault: Vault, cells: Sequence[LeakedCells], *, seen_at: int | None = None
) -> Attribution:
    """Weighs everybody who had the data, or had it before `seen_at` (micros)."""

    def called(recipient: str, subject: str) -> str:
        return pseudonym(vault, recipient, subject) if recipient else subject

    # (1) Whom the rows are about, which for some only their recipient's pseudonyms tell.
    candidates = candidates_of(connection, before=seen_at)
    rows = _found_again(connection, cells, _given(candidates, called) if _has_pseudonyms(cells) else {})
    # (2) Who had that.
    lineup = Lineup(candidates, key=mark_key(vault), called=called)
    # (3) How well it fits, beside whatever else may explain it.
    people = {subject for row in rows for subject in row.subjects}
    return attribute(
        rows,
        lineup,
        people=whose.count_sellers(connection),
        groups=whose.beside(connection, people),
        whole=_shown_whole(cells),
    )


# --- who had it ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Had:
    """What one candidate is known to have had, read by read."""

    asked_by: str
    subjects: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)


def candidates_of(connection: Connection, *, before: int | None = None) -> list[Candidate]:
    """Each export, and each officer with all that was read on a screen, in the order of their first reads."""
    had: dict[str, _Had] = {}
    given_to: dict[str, str] = {}
    for _, at, event in of_kinds(connection, (FieldsRead1, FieldsRead, ExportApproved)):
        if isinstance(event, ExportApproved):
            given_to[event.export] = event.recipient
            continue
        assert isinstance(event, FieldsRead1 | FieldsRead), "other kinds were not asked for"
        name = _candidate_of(event)
        if name and (before is None or at < before):
            known = had.setdefault(name, _Had(event.reader))
            known.subjects.update(event.subjects)
            known.whole.update(event.fields if isinstance(event, FieldsRead1) or event.shows_whole else ())
    return [
        Candidate(
            name,
            frozenset(known.subjects),
            is_marked=name.startswith(EXPORT),
            asked_by=known.asked_by,
            recipient=given_to.get(name, ""),
            whole=frozenset(known.whole),
        )
        for name, known in had.items()
    ]


def _candidate_of(event: FieldsRead1 | FieldsRead) -> str:
    """The export or officer that a read is ascribed to; nobody where the platform read for itself."""
    if isinstance(event, FieldsRead) and event.reference.startswith(EXPORT):
        return event.reference
    return event.reader if event.reader.startswith(OFFICER) else ""


# --- whom it is about ----------------------------------------------------------------------------


def _has_pseudonyms(cells: Sequence[LeakedCells]) -> bool:
    return any(plain(row.seller).startswith(GIVEN) for row in cells)


def _given(candidates: Sequence[Candidate], called: Called) -> Mapping[str, tuple[str, str]]:
    """Every pseudonym that a recipient was ever given: who, and of whom."""
    return {
        called(candidate.recipient, subject): (candidate.recipient, subject)
        for candidate in candidates
        if candidate.recipient
        for subject in candidate.subjects
    }


def _found_again(
    connection: Connection, cells: Sequence[LeakedCells], given: Mapping[str, tuple[str, str]]
) -> list[LeakedRow]:
    sellers = whose.registered(connection, {plain(row.seller) for row in cells if row.seller})
    sold = whose.who_sold(connection, {plain(row.redemption) for row in cells if row.redemption})
    instants = {row.line: leaked_instant(row.registered_at) for row in cells}
    by_second = whose.registered_in(connection, {instant.second for instant in instants.values() if instant})
    found = []
    for row in cells:
        seller, registered_at = plain(row.seller), instants[row.line]
        subjects: tuple[str, ...] = ()
        recipient, known = given.get(seller, ("", ""))
        if known:
            subjects = (known,)
        elif seller in sellers:
            subjects = (seller,)
        elif plain(row.redemption) in sold:
            subjects = (sold[plain(row.redemption)],)
        elif registered_at is not None and not seller.startswith(_PSEUDONYMS):
            subjects = by_second.get(registered_at.second, ())
        others = (leaked_instant(cell) for cell in row.instants)
        found.append(
            LeakedRow(
                line=row.line,
                subjects=subjects,
                shown=_shown(row),
                instants=tuple(instant for instant in (registered_at, *others) if instant is not None),
                given_to=recipient,
            )
        )
    return found


def _shown(row: LeakedCells) -> Shown:
    """What a canary would be recognised by. A column that holds something else, such as row numbers, is as if gone."""
    seller = plain(row.seller)
    return Shown(seller if seller.startswith(_PSEUDONYMS) else "", leaked_number(row.number), leaked_name(row.name))


def _shown_whole(cells: Sequence[LeakedCells]) -> frozenset[str]:
    """The sealed fields that most rows show unmasked; one odd cell among many masked ones says nothing."""
    columns = {SELLER_NAME: "name", SELLER_NUMBER: "number", SELLER_IDENTITY: "identity_number", SELLER_PAYEE: "payee"}
    shown = set()
    for sealed, column in columns.items():
        filled = [cell for row in cells if (cell := getattr(row, column))]
        if filled and sum(is_whole(cell) for cell in filled) * 2 > len(filled):
            shown.add(sealed.name)
    return frozenset(shown)
