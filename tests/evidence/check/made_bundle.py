"""Bundles made by the description in EVIDENCE's formats alone, from a small log in memory, to be checked and broken."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from suyuan.base.crypto import sm3
from tests.evidence import naive_tree
from tests.evidence.check import signers
from tests.evidence.check.signers import NoteSigner

FIRST_SEQ = 101
MEMBERS: list[tuple[str, Any]] = [
    ("at", 1_790_000_000_000_000),
    ("kind", "payout_paid/1"),
    ("paid", 8000),
    ("redemption", "rdm_1"),
    ("source", None),
    ("subjects/0", "sealed…一"),
]


def names() -> list[str]:
    return ["seq", *(name for name, _ in MEMBERS)]


def base64(content: bytes) -> str:
    return b64encode(content).decode()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def salt(seq: int, place: int) -> bytes:
    return hashlib.sha256(b"salt %d %d" % (seq, place)).digest()


def commitments(seq: int) -> list[bytes]:
    texts = [canonical(name) + b":" + canonical(value) for name, value in [("seq", seq), *MEMBERS]]
    return [hashlib.sha256(salt(seq, place) + text).digest() for place, text in enumerate(texts)]


def entry(seq: int) -> bytes:
    lines = b"".join(b"%s\n" % name.encode() for name in names())
    return hashlib.sha256(b"suyuan record 1\n" + lines + b"\n" + b"".join(commitments(seq))).digest()


ENTRIES = [entry(seq) for seq in range(FIRST_SEQ, FIRST_SEQ + 11)]


def checkpoint(size: int, *by: NoteSigner) -> bytes:
    by = by or (signers.LOG, signers.NEUTRAL, signers.PARTNER_A)
    return signers.note(signers.checkpoint_text(size, naive_tree.root(ENTRIES[:size])), *by)


def proof(index: int, note: bytes, size: int = len(ENTRIES)) -> bytes:
    hashes = [base64(one) for one in naive_tree.inclusion(index, ENTRIES[:size])]
    return "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *hashes, "", ""]).encode() + note


def record_files(seq: int, shown: tuple[str, ...], note: bytes) -> dict[str, bytes]:
    """The four files of one record that shows these members."""
    places = {name: place for place, (name, _) in enumerate([("seq", seq), *MEMBERS])}
    values = {"seq": seq, **dict(MEMBERS)}
    openings = {
        "commitments": [base64(one) for one in commitments(seq)],
        "format": "suyuan-openings-v1",
        "names": names(),
        "salts": {name: [places[name], base64(salt(seq, places[name]))] for name in shown},
    }
    return {
        f"records/{seq}/record.json": canonical({name: values[name] for name in shown}),
        f"records/{seq}/openings.json": canonical(openings),
        f"records/{seq}/leaf.bin": entry(seq),
        f"records/{seq}/record.tlog-proof": proof(seq - FIRST_SEQ, note),
    }


def files(*seqs: int) -> dict[str, bytes]:
    """A good bundle's files, without the manifest."""
    note = checkpoint(len(ENTRIES))
    made = {
        "policy.tlog-policy": signers.POLICY,
        "README.md": "# 证据\n".encode(),
        "papers/voucher.json": b"{}",
        "custody.json": b"{}",
    }
    for seq in seqs or (103, 107):
        made |= record_files(seq, ("at", "kind", "paid", "seq", "subjects/0"), note)
    return made


def out_of_step() -> dict[str, bytes]:
    """A good bundle's files but for the log, which left out what stands between its two records."""
    entries = [entry(101), entry(105)]
    note = signers.note(
        signers.checkpoint_text(2, naive_tree.root(entries)), signers.LOG, signers.NEUTRAL, signers.PARTNER_A
    )
    made = {"policy.tlog-policy": signers.POLICY}
    for index, seq in enumerate((101, 105)):
        hashes = [base64(one) for one in naive_tree.inclusion(index, entries)]
        made |= record_files(seq, ("seq", "paid"), note)
        made[f"records/{seq}/record.tlog-proof"] = (
            "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *hashes, "", ""]).encode() + note
        )
    return made


def manifest(contents: Mapping[str, bytes]) -> bytes:
    listed = [
        {
            "bytes": len(content),
            "name": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "sm3": sm3(content).hex(),
            "type": "text/plain",
        }
        for name, content in sorted(contents.items())
    ]
    return canonical({"files": listed, "format": "suyuan-evidence-v1"})


def with_manifest(contents: Mapping[str, bytes], **more: bytes) -> dict[str, bytes]:
    return {**contents, "manifest.json": manifest(contents), **more}


def packed(contents: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """These files as `zipfile` packs them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def bundle(*seqs: int) -> bytes:
    return packed(with_manifest(files(*seqs)))
