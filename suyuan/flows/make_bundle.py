"""A bundle of evidence: records of history with their proofs, for a court, a party or an investigator to keep.

1. Who makes it, and of whom it may tell. Without people it holds the open members of the records alone, which say
   nothing of anybody. With people it takes a warrant that names them and the keys of their records; the read is
   signed by the officer and stands in history first (`read_fields`).
2. Each record is opened as far as that goes, and proven (`prove_event`).
3. What the named sealed fields hold is attested by the platform's signature, since no log can prove it.
4. What belongs around it: where the records came from, what else there is of the same things, by whose hands.
5. Before the file is handed out, the line keeps that it was made: its digest, its records, and by which officer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.crypto import PlatformKey
from suyuan.base.db import Fetch, fetch_of
from suyuan.base.refusals import Reason, Refusal
from suyuan.evidence.bundle.facts import Link, Prelog
from suyuan.evidence.bundle.opened import OpenedField, OpenedFields, sign_opened
from suyuan.evidence.bundle.packing import Exhibit
from suyuan.evidence.records.commitment import NOBODY, Record
from suyuan.evidence.records.leaves import Leaf, closing_places, leaves_of, shard_of
from suyuan.evidence.records.opening import openable
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.prove_event import EVENTS_OF_A_THING_MAX, Publication, prove_sealed, sealed_event
from suyuan.flows.read_fields import ReadAsOfficer, read_as_officer
from suyuan.flows.shelves import Shelves
from suyuan.history.disclosure_events import BundleMade
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.recall import kept_at
from suyuan.history.store import Kept
from suyuan.privacy.authority import Authority
from suyuan.privacy.classes import Sealed
from suyuan.privacy.free_text import holds_personal_value, is_line
from suyuan.privacy.purposes import (
    BALANCE_NUMBER,
    CARD_SERIAL,
    RECORD_KEY,
    SELLER_IDENTITY,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    Field,
)
from suyuan.privacy.subject_keys import fetch_keys, key_id
from suyuan.privacy.vault import BrokenSeal, OpenKey, Vault

RECORDS_MAX = 10_000
# Which field a sealed member holds. A serial is a card's or a number's, as its data key tells.
_FIELDS: Mapping[str, tuple[Field, ...]] = {
    "sealed_name": (SELLER_NAME,), "sealed_identity": (SELLER_IDENTITY,), "sealed_number": (SELLER_NUMBER,),
    "sealed_payee": (SELLER_PAYEE,), "sealed_serial": (CARD_SERIAL, BALANCE_NUMBER),
}  # fmt: skip
SEALED = "sealed_"
_INDEXES = ("source_index", "identity_index", "payee_index")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLACE = re.compile(r"0|[1-9][0-9]{0,18}")

Connection = psycopg.AsyncConnection[TupleRow]


class BundleWish(NamedTuple):
    """What is to be shown: events by their places, and all of things by their ids; with people, the officer's read."""

    places: tuple[int, ...]
    things: tuple[str, ...]
    read: ReadAsOfficer | None = None


class Exhibits(NamedTuple):
    """What the records of a bundle are, and what is said beside them."""

    exhibits: tuple[Exhibit, ...]
    subjects: frozenset[str]
    prelog: tuple[Prelog, ...]
    links: tuple[Link, ...]
    papers: Mapping[str, bytes]
    read_seq: int | None


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the records of a bundle are found, and what signs for their sealed fields."""

    line: Commands
    vault: Vault
    connection: Connection
    folder: Path
    keys: Sequence[PlatformKey]
    origin: str
    software: str

    @property
    def fetch(self) -> Fetch:
        """As `base.db.ReadPool.fetch`."""
        return fetch_of(self.connection)


async def exhibit_events(archive: Archive, wish: BundleWish, *, now: int) -> Exhibits | Refusal:
    """The records that a bundle holds. Raises `NoAuthority`, `BrokenLeaf` and `LogStopped`."""
    # (1) Of whom it may tell.
    authority = None if wish.read is None else await read_as_officer(archive.line, wish.read)
    if isinstance(authority, Refusal):
        return authority
    # (2) The records.
    places = await _places(archive, wish)
    if not places:
        return Refusal(Reason.event_is_not_sealed_yet)
    published = Publication(archive.fetch, archive.folder)
    exhibits: list[Exhibit] = []
    prelog: list[Prelog] = []
    papers: dict[str, bytes] = {}
    for seq in places:
        event = await sealed_event(published, seq)
        if event is None:
            return Refusal(Reason.event_is_not_sealed_yet)
        told = _Told(archive, event.record, event.leaf, wish.read, authority, now)
        keys = await told.group_keys()
        proven = prove_sealed(published, event, keys=keys, names=told.asked_for(keys))
        if isinstance(proven, Refusal):
            return proven
        exhibits.append(Exhibit(event.record, proven.opened, proven.proof))
        prelog.append(_prelog(archive, event.kept))
        # (3) What their sealed fields hold.
        attested = await told.attested(exhibits[-1].shown)
        if attested is not None:
            papers[f"opened-{seq}.json"] = sign_opened(attested, archive.keys)
    # (4) What else there is.
    subjects = frozenset() if authority is None else authority.subjects
    read_seq = None if authority is None else authority.read_seq
    links = await _links(archive, exhibits)
    return Exhibits(tuple(exhibits), subjects, tuple(prelog), tuple(links), papers, read_seq)


async def _places(archive: Archive, wish: BundleWish) -> list[int]:
    places = set(wish.places)
    for thing in wish.things:
        places.update(await leaves_of(archive.fetch, thing, rows_max=EVENTS_OF_A_THING_MAX))
    return sorted(places)


@dataclass(frozen=True, slots=True)
class _Told:
    """What an authority opens of one record."""

    archive: Archive
    record: Record
    leaf: Leaf
    read: ReadAsOfficer | None
    authority: Authority | None
    now: int

    async def group_keys(self) -> dict[int, bytes]:
        """The keys of the groups of those whom the authority names, as far as they are there."""
        if self.authority is None:
            return {}
        opened: dict[int, bytes] = {}
        for group, subject in enumerate(self.record.subjects, 1):
            sealed = self.leaf.sealed[group - 1]
            if subject == NOBODY or subject not in self.authority.subjects:
                continue
            for key in await self._keys(closing_places([subject])):
                value = self._opened(sealed, key, RECORD_KEY)
                if value is not None:
                    opened[group] = bytes.fromhex(value)
        return opened

    def asked_for(self, keys: Mapping[int, bytes]) -> list[str]:
        """The members to be shown: those that are open or about whom it may tell, without what nobody asked for.

        That is a sealed text whose field the order does not name, and the index under which a card is known here.
        """
        return [name for name in openable(self.record, keys) if self._is_asked_for(name)]

    def _is_asked_for(self, name: str) -> bool:
        if name.startswith(SEALED):
            named = self.authority.fields if self.authority is not None else frozenset()
            return any(field.name in named for field in _FIELDS.get(name, ()))
        return name not in _INDEXES

    async def attested(self, shown: Mapping[str, Any]) -> OpenedFields | None:
        """What the sealed members hold that the read names; None where it names none."""
        if self.authority is None or self.read is None:
            return None
        fields = [
            OpenedField(name, sealed, value)
            for name, sealed in shown.items()
            if name in _FIELDS and (value := await self._value(name, sealed)) is not None
        ]
        if not fields:
            return None
        return OpenedFields(
            seq=self.leaf.seq,
            fields=tuple(fields),
            authority=self.authority.purpose.ground.value,
            reference=self.read.reference,
            opened_at=self.now,
            origin=self.archive.origin,
        )

    async def _value(self, name: str, sealed: str) -> str | None:
        authority = self.authority
        assert authority is not None
        for field in _FIELDS[name]:
            if field.name not in authority.fields:
                continue
            for key in await self._keys([key_id(subject, field.key_class) for subject in self.record.subjects]):
                if key.subject in authority.subjects and (value := self._opened(sealed, key, field)) is not None:
                    return value
        return None

    async def _keys(self, places: Iterable[str]) -> list[OpenKey]:
        rows = await fetch_keys(self.archive.connection, places)
        return self.archive.vault.unlock_whole(rows.values())

    def _opened(self, sealed: str, key: OpenKey, field: Field) -> str | None:
        assert self.authority is not None
        with contextlib.suppress(BrokenSeal):
            return self.archive.vault.open(Sealed(sealed), key, field, self.authority, now=self.now)
        return None


def _prelog(archive: Archive, kept: Kept) -> Prelog:
    """How a record came to be, in kinds: what identifies a device or a network stays where it is."""
    told = msgspec.json.decode(kept.body)
    return Prelog(
        seq=kept.seq,
        source=told.get("partner") or "platform",
        # A key on a person's device is theirs, and stays with what is about them.
        signed_by="" if told.get("device") else told.get("key") or "",
        operator=told.get("by") or told.get("reader") or "",
        device="key made on the device" if told.get("device") else "",
        network="network part of the address" if told.get("ip_prefix") else "",
        clock="the line's, in micros; strictly later than that of the record before",
        software=archive.software,
        commit="",
    )


async def _links(archive: Archive, exhibits: Sequence[Exhibit]) -> list[Link]:
    """The other records of the same things, whether they are shown or not."""
    links = []
    for thing in sorted({exhibit.record.thing for exhibit in exhibits} - {""}):
        for seq in await leaves_of(archive.fetch, thing, rows_max=EVENTS_OF_A_THING_MAX):
            kept, shard = await kept_at(archive.fetch, seq), await shard_of(archive.fetch, seq)
            if kept is not None and shard is not None:
                links.append(Link(seq, seq - shard.first_seq, shard.origin, kept.kind, f"of {thing}"))
    return links


# --- in the line ---------------------------------------------------------------------------------


class RecordBundle(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep that a bundle was made, signed by the officer who made it."""

    manifest_sha256: str
    records: tuple[str, ...]
    reference: str
    at: int
    officer: str
    signature: bytes


class BundleRecorded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It stands in history."""

    seq: int


def bundle_subject(command: RecordBundle) -> object:
    """What an officer signs of a bundle."""
    return {
        "manifest_sha256": command.manifest_sha256, "records": list(command.records),
        "reference": command.reference, "at": command.at,
    }  # fmt: skip


def want(shelves: Shelves, command: RecordBundle, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    return True


def apply(shelves: Shelves, command: RecordBundle, turn: Turn) -> Decided:
    """Keeps who made a bundle of which records."""
    signed = (command.signature, command.at)
    refusal = check_signed_now(
        shelves, command.officer, "bundle", bundle_subject(command), signed=signed, turn=turn
    )  # fmt: skip
    if refusal is not None:
        return Decided(refusal)
    # What an event says in the open stays for ever, so nothing but a digest and places gets in.
    if _DIGEST.fullmatch(command.manifest_sha256) is None:
        return Decided(Refusal(Reason.field_is_malformed, "manifest_sha256"))
    if not _are_places(command.records, behind=turn.seq):
        return Decided(Refusal(Reason.field_is_malformed, "records"))
    if not is_line(command.reference):
        return Decided(Refusal(Reason.field_is_malformed, "reference"))
    if holds_personal_value(command.reference):
        return Decided(Refusal(Reason.text_holds_personal_value, "reference"))
    event = BundleMade(command.manifest_sha256, command.records, command.reference, command.officer)
    return Decided(BundleRecorded(turn.seq), (event,))


def _are_places(records: Sequence[str], *, behind: int) -> bool:
    """Whether these are places of history, each once and in order, as a bundle has them."""
    if not 0 < len(records) <= RECORDS_MAX or not all(map(_PLACE.fullmatch, records)):
        return False
    places = [int(record) for record in records]
    return places == sorted(set(places)) and places[-1] < behind


APPLIER = Applier(want, apply)
