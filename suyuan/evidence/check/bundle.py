"""Evidence bundles: a zip file with records, their proofs, and a manifest with the digests of every file.

    manifest.json               canonical JSON: {"files":[{"bytes","name","sha256","sm3","type"}, …],"format"}
    policy.tlog-policy          whom to believe, in the maker's words
    records/<seq>/              of each record:
        record.json             the members that are shown
        openings.json           their salts, and the commitments to all members
        leaf.bin                the entry in the log
        record.tlog-proof       where it stands there

Checked, in this order: (1) the file is one plain zip; (2) the manifest lists every file but itself and the time stamp,
sorted, and each has its size, SHA-256 and SM3; (3) of each record, the members that are shown, its number among them,
fit the commitments and these the entry; (4) the entry is in a checkpoint that the policy believes; (5) the records fit
each other: those of one log stand there in the order of their numbers, without a gap or a double, and no two
checkpoints contradict each other.

Without a policy of one's own the bundle is asked whom to believe. It then agrees with itself, and nothing more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from suyuan.evidence.check.archive import read_archive
from suyuan.evidence.check.canonical import canonical, read_canonical
from suyuan.evidence.check.curve import Ed25519Verify, ed25519_verify
from suyuan.evidence.check.policy import Policy, read_policy
from suyuan.evidence.check.proof import CheckedProof, check_proof
from suyuan.evidence.check.record import read_record, record_entry
from suyuan.evidence.check.sm3 import sm3
from suyuan.evidence.check.wrong import BadEvidence, Wrong

BUNDLE_FORMAT = "suyuan-evidence-v1"
MANIFEST = "manifest.json"
TIMESTAMP = "timestamp.tsr"
POLICY = "policy.tlog-policy"
SIGNATURES_KEPT = 1_000

_RECORD = re.compile(r"records/(0|[1-9][0-9]{0,18})/(record\.json|openings\.json|leaf\.bin|record\.tlog-proof)")
_RECORD_PARTS = ("record.json", "openings.json", "leaf.bin", "record.tlog-proof")
_LISTED = {"bytes", "name", "sha256", "sm3", "type"}


class CheckedRecord(NamedTuple):
    """A record that is what was logged: its number in history, the members that are shown, and its proof."""

    seq: int
    record: dict[str, Any]
    proof: CheckedProof


class CheckedBundle(NamedTuple):
    """A bundle in which nothing is wrong. `agrees_only_with_itself` when its own policy was believed."""

    files: tuple[str, ...]
    manifest_sha256: str
    records: tuple[CheckedRecord, ...]
    agrees_only_with_itself: bool


def check_bundle(
    file: Path | BinaryIO, policy: Policy | None, *, verify: Ed25519Verify = ed25519_verify
) -> CheckedBundle:
    """Everything in the bundle that can be checked here. Raises `BadEvidence`, or `OSError` for an unreadable file."""
    files = read_archive(file)
    _check_manifest(files)
    believed = policy if policy is not None else _own_policy(files)
    # Many records are proven by one checkpoint, whose signatures are the dear part.
    verify_once = lru_cache(SIGNATURES_KEPT)(verify)
    records = tuple(_check_record(files, seq, believed, verify_once) for seq in _record_numbers(files))
    _check_together(records)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    return CheckedBundle(tuple(sorted(files)), digest, records, agrees_only_with_itself=policy is None)


def _file(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BadEvidence(Wrong.FILE_IS_MISSING, name=name)
    return files[name]


def _own_policy(files: dict[str, bytes]) -> Policy:
    content = _file(files, POLICY)
    with _inside(POLICY):
        return read_policy(content)


def _check_manifest(files: dict[str, bytes]) -> None:
    listed = list(_read_manifest(_file(files, MANIFEST)))
    names = [one["name"] for one in listed]
    if names != sorted(set(names)):
        raise BadEvidence(Wrong.MANIFEST_IS_MALFORMED, file=MANIFEST)
    for name in sorted(files.keys() - set(names) - {MANIFEST, TIMESTAMP}):
        raise BadEvidence(Wrong.FILE_IS_NOT_LISTED, name=name)
    for one in listed:
        content = _file(files, one["name"])
        if len(content) != one["bytes"] or hashlib.sha256(content).hexdigest() != one["sha256"]:
            raise BadEvidence(Wrong.FILE_WAS_ALTERED, name=one["name"], digest="SHA-256")
        if sm3(content).hex() != one["sm3"]:
            raise BadEvidence(Wrong.FILE_WAS_ALTERED, name=one["name"], digest="SM3")


def _read_manifest(content: bytes) -> Iterator[dict[str, Any]]:
    match read_canonical(content):
        case {"files": list(listed), "format": str(name), **rest} if not rest:
            if name != BUNDLE_FORMAT:
                raise BadEvidence(Wrong.MANIFEST_IS_OF_ANOTHER_FORMAT, format=name)
        case _:
            raise BadEvidence(Wrong.MANIFEST_IS_MALFORMED, file=MANIFEST)
    for one in listed:
        is_listed = isinstance(one, dict) and one.keys() == _LISTED and type(one["bytes"]) is int
        if not is_listed or not all(isinstance(one[name], str) for name in _LISTED - {"bytes"}):
            raise BadEvidence(Wrong.MANIFEST_IS_MALFORMED, file=MANIFEST)
        if one["name"] in (MANIFEST, TIMESTAMP):
            raise BadEvidence(Wrong.MANIFEST_IS_MALFORMED, file=MANIFEST)
        yield one


def _record_numbers(files: dict[str, bytes]) -> list[int]:
    inside = [name for name in files if name.startswith("records/")]
    for name in inside:
        if not _RECORD.fullmatch(name):
            raise BadEvidence(Wrong.FILE_IS_OUT_OF_PLACE, name=name)
    numbers = sorted({int(name.split("/")[1]) for name in inside})
    if not numbers:
        raise BadEvidence(Wrong.BUNDLE_HOLDS_NO_RECORD)
    return numbers


def _check_record(files: dict[str, bytes], seq: int, policy: Policy, verify: Ed25519Verify) -> CheckedRecord:
    folder = f"records/{seq}/"
    record, openings, leaf, proof = (_file(files, folder + part) for part in _RECORD_PARTS)
    with _inside(folder):
        shown, entry = read_record(record), record_entry(record, openings)
        if "seq" not in shown:
            raise BadEvidence(Wrong.RECORD_NUMBER_IS_NOT_SHOWN, file="record.json")
        if canonical(shown["seq"]) != canonical(seq):
            raise BadEvidence(Wrong.RECORD_IS_OF_ANOTHER_NUMBER, file="record.json", number=shown["seq"])
        if entry != leaf:
            raise BadEvidence(Wrong.ENTRY_IS_ANOTHER, file="leaf.bin")
    with _inside(folder + "record.tlog-proof"):
        return CheckedRecord(seq, shown, check_proof(proof, leaf, policy, verify=verify))


def _check_together(records: Iterable[CheckedRecord]) -> None:
    """In each log, number and index grow alike; and a size has one root, or the log has forked."""
    roots: dict[tuple[str, int], bytes] = {}
    firsts: dict[str, int] = {}
    for seq, _, proof in records:
        origin, size, root = proof.checkpoint
        if roots.setdefault((origin, size), root) != root:
            raise BadEvidence(Wrong.ROOTS_OF_ONE_SIZE_DIFFER, file=f"records/{seq}/record.tlog-proof", size=size)
        if firsts.setdefault(origin, seq - proof.index) != seq - proof.index:
            raise BadEvidence(Wrong.RECORDS_ARE_OUT_OF_STEP, file=f"records/{seq}/record.tlog-proof", index=proof.index)


@contextmanager
def _inside(where: str) -> Iterator[None]:
    """Says of what is wrong where in the bundle it is."""
    try:
        yield
    except BadEvidence as bad:
        raise bad.inside(where) from None
