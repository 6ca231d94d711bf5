"""A bundle: records of history with their proofs and all that is needed to check them, in one file to hand over.

`<name>.suyuan-evidence.zip` holds, uncompressed, one folder with a year and day that say nothing (1980-01-01):

    manifest.json            each other file but the token: name, bytes, SHA-256, SM3, type
    timestamp.tsr            where there is one: an RFC 3161 token over the SHA-256 of manifest.json
    tsa-chain.pem            the certificates that the token is trusted by
    policy.tlog-policy       which keys and how many witnesses make a checkpoint good (c2sp.org/tlog-policy)
    keys.json … custody.json what stands in `evidence.bundle.facts`
    records/<seq>/           of each record:
        record.json          the members that are disclosed, canonical JSON
        openings.json        the commitments to all members, and the salts of the disclosed ones
        leaf.bin             the entry in the log, 32 bytes
        record.tlog-proof    where it stands in which signed checkpoint (c2sp.org/tlog-proof)
    papers/                  vouchers, certificates and opened fields, signed by the platform
    verify.py                checks all this, with Python's standard library alone
    README.md, README.zh-CN.md, page.html

Invariants: the same contents are the same bytes, on every machine; a member that was not asked for, or that is about
somebody who was not asked for, is in no file, and neither is its salt; no bundle leaves here that `evidence.check`
refuses. Nothing is dropped silently: whoever asks for what must not be told gets `NotAskedFor`.

The list of files with digests is what 法发〔2016〕22号 (2016), 14 asks of whoever hands over electronic data.

>>> from suyuan.evidence.records.commitment import commitments_of, digest_of, record_of
>>> from suyuan.evidence.records.leaves import Leaf
>>> from suyuan.evidence.records.opening import open_record
>>> from suyuan.history.events import PayoutPaid, encode
>>> from suyuan.history.store import Kept
>>> record = record_of(Kept(7, 1, "payout_paid/1", encode(PayoutPaid("rdm_1", "B-1", 8000, "money"))))
>>> leaf = Leaf(7, digest_of(record, commitments_of(record, [bytes(32)])), bytes(32), "", b"", "rdm_1")
>>> exhibit = Exhibit(record, open_record(record, leaf, {}, ["paid", "seq"]), proof=b"")
>>> exhibit.seq, exhibit.shown, exhibit.hidden
(7, {'paid': 8000, 'seq': 7}, 5)
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.base.crypto import sha256, sm3
from suyuan.evidence.bundle.facts import Custody, Environment, KeyList, KeyListed, Link, LinkList, Prelog, PrelogList
from suyuan.evidence.bundle.readme import readmes
from suyuan.evidence.bundle.timestamp import TimeStamper, Unstamped
from suyuan.evidence.check import (
    CheckedProof,
    Policy,
    check_bundle,
    check_proof,
    read_policy,
    verify_source,
)
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.log.tiles import sync_folder
from suyuan.evidence.records.commitment import OPEN_GROUP, Record
from suyuan.evidence.records.opening import Opened, names_of

SUFFIX = ".suyuan-evidence.zip"
MANIFEST, TOKEN, CHAIN, POLICY = "manifest.json", "timestamp.tsr", "tsa-chain.pem", "policy.tlog-policy"
KEYS, PRELOG, LINKS, ENVIRONMENT, CUSTODY = "keys.json", "prelog.json", "links.json", "environment.json", "custody.json"
RECORD, OPENINGS, LEAF, PROOF = "record.json", "openings.json", "leaf.bin", "record.tlog-proof"
PAGE, VERIFY = "page.html", "verify.py"

_PAPER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\.json")
_DAWN = (1980, 1, 1, 0, 0, 0)
_TYPES = {
    ".json": "application/json",
    ".bin": "application/octet-stream",
    ".tlog-proof": "text/plain; charset=utf-8",
    ".tlog-policy": "text/plain; charset=utf-8",
    ".pem": "application/pem-certificate-chain",
    ".py": "text/x-python; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
# One checkpoint stands in many proofs, and its signatures need to be checked once.
_fits_once = lru_cache(1024)(ed25519_fits)


class NotAskedFor(Exception):
    """Raised when a bundle would tell of somebody, or of something, that it was not asked for."""


@dataclass(frozen=True)
class Exhibit:
    """A record of history with what may be shown of it, and its proof. `record` says whom each member is about."""

    record: Record = field(repr=False)
    opened: Opened = field(repr=False)
    proof: bytes

    @cached_property
    def seq(self) -> int:
        """The number of the record in history; its first member, shown or not."""
        number: int = msgspec.json.decode(b"{%s}" % self.record.texts[0])["seq"]
        return number

    @cached_property
    def shown(self) -> dict[str, Any]:
        """What is disclosed: `record.json`."""
        members: dict[str, Any] = msgspec.json.decode(self.opened.record)
        return members

    @property
    def hidden(self) -> int:
        """How many members are not."""
        return len(self.record.texts) - len(self.shown)

    @property
    def about(self) -> dict[str, str]:
        """Whom each disclosed member is about, of those that are about somebody."""
        subjects = dict(enumerate(self.record.subjects, OPEN_GROUP + 1))
        groups = zip(names_of(self.record), self.record.groups, strict=True)
        return {name: subjects[group] for name, group in groups if name in self.shown and group != OPEN_GROUP}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything that a bundle is made of. `subjects` are the people whom it was asked about."""

    exhibits: Sequence[Exhibit]
    policy: bytes
    keys: tuple[KeyListed, ...]
    environment: Environment
    custody: Custody
    subjects: frozenset[str] = frozenset()
    prelog: tuple[Prelog, ...] = ()
    links: tuple[Link, ...] = ()
    papers: Mapping[str, bytes] = field(default_factory=dict)
    tsa_chain: bytes | None = None


class FileListed(msgspec.Struct, frozen=True):
    """A line of the manifest."""

    bytes: int
    name: str
    sha256: str
    sm3: str
    type: str


class Manifest(msgspec.Struct, frozen=True):
    """`manifest.json`."""

    files: tuple[FileListed, ...]
    format: str = "suyuan-evidence-v1"


class Assembled(NamedTuple):
    """A bundle that lacks its token only. What a TSA is asked to stamp is `digest`."""

    files: dict[str, bytes]

    @property
    def digest(self) -> bytes:
        return sha256(self.files[MANIFEST])


def check_exhibit(exhibit: Exhibit, policy: Policy) -> CheckedProof:
    """Where the record stands, and who signed for it. Raises `BadEvidence`."""
    return check_proof(exhibit.proof, exhibit.opened.entry, policy, verify=_fits_once)


def assemble(contents: Contents, page: str) -> Assembled:
    """All files but the token. Raises `NotAskedFor`."""
    assert contents.exhibits, "a bundle holds at least one record"
    files = _beside(contents)
    for exhibit in contents.exhibits:
        _demand_asked_for(exhibit, contents.subjects)
        folder = f"records/{exhibit.seq}/"
        if folder + RECORD in files:
            raise ValueError(f"record {exhibit.seq} stands in this bundle twice")
        files[folder + RECORD], files[folder + OPENINGS] = exhibit.opened.record, exhibit.opened.openings
        files[folder + LEAF], files[folder + PROOF] = exhibit.opened.entry, exhibit.proof
    files[PAGE] = page.encode()
    first, is_stamped = contents.exhibits[0], contents.tsa_chain is not None
    files |= readmes(contents.keys, first.seq, first.opened, first.proof, is_stamped=is_stamped)
    listed = tuple(_listed(name, files[name]) for name in sorted(files))
    return Assembled({MANIFEST: wire.canonical_record(Manifest(listed)), **files})


def pack(assembled: Assembled, token: bytes | None) -> bytes:
    """The file. Raises `BadEvidence` where `evidence.check` would refuse it, so that nobody is handed such a one."""
    files = assembled.files | ({TOKEN: token} if token is not None else {})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name])
    packed.seek(0)
    check_bundle(packed, read_policy(files[POLICY]), verify=_fits_once)
    return packed.getvalue()


async def finish(assembled: Assembled, authority: TimeStamper | None) -> bytes | Unstamped:
    """The file, stamped where there is an authority to do it; an authority that does not leaves no bundle."""
    token = None if authority is None else await authority.stamp(assembled.digest)
    return token if isinstance(token, Unstamped) else pack(assembled, token)


def keep(content: bytes, file: Path) -> None:
    """Writes the bundle whole or not at all, for its owner's eyes. Raises `FileExistsError` rather than replace one."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        # A link and not a rename, because it never takes the place of a file that is there.
        os.link(part, file)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(file.parent)


def _beside(contents: Contents) -> dict[str, bytes]:
    """What is not a record's."""
    files = {
        POLICY: contents.policy,
        KEYS: wire.canonical_record(KeyList(contents.keys)),
        PRELOG: wire.canonical_record(PrelogList(contents.prelog)),
        LINKS: wire.canonical_record(LinkList(contents.links)),
        ENVIRONMENT: wire.canonical_record(contents.environment),
        CUSTODY: wire.canonical_record(contents.custody),
        VERIFY: verify_source().encode(),
    }
    for name, paper in contents.papers.items():
        if not _PAPER.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a paper in a bundle; use small letters, digits and .json")
        files[f"papers/{name}"] = paper
    if contents.tsa_chain is not None:
        files[CHAIN] = contents.tsa_chain
    return files


def _demand_asked_for(exhibit: Exhibit, subjects: frozenset[str]) -> None:
    if unknown := exhibit.shown.keys() - set(names_of(exhibit.record)):
        raise NotAskedFor(f"what is shown is not of record {exhibit.seq}, which has no {', '.join(sorted(unknown))}")
    for name, subject in exhibit.about.items():
        if subject not in subjects:
            raise NotAskedFor(f"{name} of record {exhibit.seq} is about somebody whom this bundle was not asked about")


def _listed(name: str, content: bytes) -> FileListed:
    return FileListed(len(content), name, sha256(content).hex(), sm3(content).hex(), _TYPES[Path(name).suffix])


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DAWN)
    entry.create_system = 3  # Unix, wherever it is made: otherwise the mode below would mean something else.
    entry.external_attr = 0o600 << 16
    return entry
