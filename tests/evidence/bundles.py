"""A small log with its witnesses, and bundles made from it: everything real but the people.

The signature lines are made here by hand, from C2SP's texts, so that what reads them has no part in writing them.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from suyuan.base.crypto import PlatformKey, PublicKey, suite
from suyuan.evidence.bundle.facts import (
    LOG,
    WITNESS,
    Custody,
    Environment,
    KeyListed,
    Link,
    Prelog,
    SelfCheck,
)
from suyuan.evidence.bundle.packing import Contents, Exhibit, assemble, pack
from suyuan.evidence.check import Proof, leaf_hash, node_hash, write_proof
from suyuan.evidence.records.commitment import GROUP_KEY_BYTES, OPEN_GROUP, Record, commitments_of, digest_of, record_of
from suyuan.evidence.records.leaves import Leaf
from suyuan.evidence.records.opening import open_record
from suyuan.faces.evidence_page import html
from suyuan.history.events import Event, PayoutPaid, RedemptionTaken, encode, kind_of
from suyuan.history.privacy_events import SubjectsShredded
from suyuan.history.store import Kept
from suyuan.privacy.classes import BlindIndex, Sealed

ORIGIN = "suyuan.example/log/2026"
AT = 1_790_000_000_000_000
COSIGNED_S = 1_790_000_060
SEALED_NUMBER = "2a.c2VhbGVkIG51bWJlciBvZiBub2JvZHk"
SECRET_WORDS = (SEALED_NUMBER, "slr_other", "203.0.113.0/24")

ED25519, COSIGNATURE, SM2 = b"\x01", b"\x04", b"\xffsuyuan/sm2-sm3/v1"


class Key(NamedTuple):
    """A key that signs notes."""

    name: str
    kind: bytes
    secret: bytes

    @property
    def signer(self) -> Any:
        return suite("sm2-sm3" if self.kind == SM2 else "ed25519").signer(self.secret)

    @property
    def public(self) -> bytes:
        return bytes(self.signer.public)

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(self.kind + self.public).decode()}"

    def line(self, text: bytes) -> bytes:
        if self.kind == COSIGNATURE:
            at = COSIGNED_S.to_bytes(8, "big")
            blob = at + self.signer.sign(b"cosignature/v1\ntime %d\n" % COSIGNED_S + text)
        elif self.kind == SM2:
            blob = b"".join(one.to_bytes(32, "big") for one in decode_dss_signature(self.signer.sign(text)))
        else:
            blob = self.signer.sign(text)
        return f"— {self.name} {b64encode(self.id + blob).decode()}\n".encode()


def key(name: str, kind: bytes, seed: int) -> Key:
    return Key(name, kind, bytes([seed]) * 32)


LOG_KEY, LOG_SM2 = key(ORIGIN, ED25519, 1), key(ORIGIN, SM2, 2)
WITNESSES = (key("witness.notary.example", COSIGNATURE, 3), key("witness.partner.example", COSIGNATURE, 4))
FOREIGN = key(ORIGIN, ED25519, 9)
PLATFORM = PlatformKey("platform-1", suite("ed25519").signer(bytes([7]) * 32))
PLATFORM_KEYS = {PLATFORM.id: PublicKey("ed25519", PLATFORM.signer.public)}

POLICY = "".join(
    [f"log {LOG_KEY.vkey}\n", *(f"witness w{at} {one.vkey}\n" for at, one in enumerate(WITNESSES)),
     "group notary any w0\n", "group partner any w1\n", "group both 2 notary partner\n", "quorum both\n"]
).encode()  # fmt: skip


def paid(number: int) -> PayoutPaid:
    return PayoutPaid(f"rdm_{number}", f"B-{number}", 8000, "money")


def taken(number: int, seller: str = "slr_1") -> RedemptionTaken:
    return RedemptionTaken(
        redemption=f"rdm_{number}", partner="ptn_1", agent=None, key="key_1", contract="ctr_1", seller=seller,
        device=None, ip_prefix="203.0.113.0/24", source="card", operator="cmcc", source_index=BlindIndex("bix_1"),
        sealed_serial=Sealed("2a.c2VyaWFs"), sealed_secret=Sealed(SEALED_NUMBER), face_fen=10_000, paid=8000,
        fee_fen=2000, rounding_fen=0, debt_fen=0, value_kind="money", channel="bank_transfer",
        disposition="consume",
    )  # fmt: skip


def shredded(*subjects: str) -> SubjectsShredded:
    return SubjectsShredded(subjects=subjects, fingerprints=("00" * 16,), epoch=3)


EVENTS: tuple[Event, ...] = (taken(1), paid(1), taken(2, "slr_other"), paid(2), shredded("slr_1", "slr_other"))


class SmallLog:
    """A log of these events, its shard beginning with event 10."""

    first = 10

    def __init__(self, events: Sequence[Event] = EVENTS) -> None:
        kept = [
            Kept(self.first + at, AT + at, kind_of(event), encode(event)) for at, event in enumerate(events)
        ]  # fmt: skip
        self.records = [record_of(one) for one in kept]
        self.keys = [_keys(at, record) for at, record in enumerate(self.records)]
        pairs = list(zip(self.records, self.keys, strict=True))
        self.leaves = [_leaf(self.first + at, *pair) for at, pair in enumerate(pairs)]
        self.size = len(self.leaves)
        self.tree = Tree([leaf_hash(leaf.digest) for leaf in self.leaves])

    def note(self, size: int | None = None, signers: Iterable[Key] = (LOG_KEY, LOG_SM2, *WITNESSES)) -> bytes:
        size = self.size if size is None else size
        text = f"{ORIGIN}\n{size}\n{b64encode(self.tree.root(0, size)).decode()}\n".encode()
        return text + b"\n" + b"".join(one.line(text) for one in signers)

    def proof(self, index: int, size: int | None = None, note: bytes | None = None) -> bytes:
        size = self.size if size is None else size
        return write_proof(Proof(index, tuple(self.tree.path(index, 0, size)), note or self.note(size)))

    def exhibit(self, index: int, names: Sequence[str] | None = None, *, note: bytes | None = None) -> Exhibit:
        """With all groups' keys at hand, as an officer with every authority has them."""
        keys = dict(enumerate(self.keys[index][1:], OPEN_GROUP + 1))
        opened = open_record(self.records[index], self.leaves[index], keys, names)
        return Exhibit(self.records[index], opened, self.proof(index, note=note))


def _keys(index: int, record: Record) -> list[bytes]:
    groups = range(1 + len(record.subjects))
    return [hashlib.shake_256(b"group %d %d" % (index, one)).digest(GROUP_KEY_BYTES) for one in groups]


def _leaf(seq: int, record: Record, keys: list[bytes]) -> Leaf:
    commitments = commitments_of(record, keys)
    closed = b"".join(one for one, group in zip(commitments, record.groups, strict=True) if group != OPEN_GROUP)
    return Leaf(seq, digest_of(record, commitments), keys[OPEN_GROUP], "-", closed, record.thing)


class Tree:
    """RFC 9162, 2.1, by its own words; what stands between two leaves is hashed once."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._hashes = hashes
        self._known: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        """2.1.1."""
        if end - start == 1:
            return self._hashes[start]
        if (start, end) not in self._known:
            middle = start + _half(end - start)
            self._known[start, end] = node_hash(self.root(start, middle), self.root(middle, end))
        return self._known[start, end]

    def path(self, index: int, start: int, end: int) -> list[bytes]:
        """2.1.3.1."""
        if end - start == 1:
            return []
        middle = start + _half(end - start)
        if index < middle:
            return [*self.path(index, start, middle), self.root(middle, end)]
        return [*self.path(index, middle, end), self.root(start, middle)]


def _half(size: int) -> int:
    """The largest power of two below it."""
    return int(1 << (size - 1).bit_length() - 1)


OPEN_NAMES = ("at", "kind", "seq", "redemption", "partner", "operator", "face_fen", "paid", "fee_fen", "rounding_fen")


def contents_of(exhibits: Sequence[Exhibit], **more: Any) -> Contents:
    """A bundle's contents, whose words beside are what a platform would say."""
    custody = Custody(
        extracted_by="ofc_anna", extracted_at=AT + 3_600_000_000, tool="suyuan 0.1.0", command="evidence bundle rdm_1",
        authority="warrant", reference="调证字〔2026〕1号", recorded_seq=31,
    )  # fmt: skip
    environment = Environment(
        made_at=AT + 3_600_000_000, software="suyuan 0.1.0", commit="0123456789abcdef", python="3.11.7", system="Linux",
        settings_sha256="ab" * 32, clock="system clock, kept by NTP",
        self_checks=(SelfCheck("log files against checkpoint", is_good=True),),
    )  # fmt: skip
    listed = [KeyListed(one.vkey, LOG, "suyuan", AT) for one in (LOG_KEY, LOG_SM2)]
    listed += [KeyListed(one.vkey, WITNESS, one.name, AT) for one in WITNESSES]
    contents = Contents(
        exhibits=exhibits, policy=POLICY, keys=tuple(listed), environment=environment, custody=custody,
        subjects=frozenset({"slr_1"}),
        prelog=tuple(
            Prelog(one.seq, "partner ptn_1", "key_1", "ptn_1", "", "address prefix", "system clock", "suyuan", "")
            for one in exhibits
        ),
        links=(Link(11, 1, ORIGIN, "payout_paid/1", "the same redemption"),),
    )  # fmt: skip
    return replace(contents, **more)


def bundle_of(contents: Contents, token: Callable[[bytes], bytes] | None = None) -> bytes:
    assembled = assemble(contents, html(contents))
    return pack(assembled, None if token is None else token(assembled.digest))


def files_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed_again(files: dict[str, bytes]) -> bytes:
    """As a forger packs them: everything well-formed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()
