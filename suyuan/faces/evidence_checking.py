"""Evidence checked beyond what `evidence.check` knows: time stamps, SM2 lines and papers, against keys one names.

`look_into` takes a bundle in these steps, each on what the one before has shown: (1) files, records, proofs and
signatures, by `evidence.check`; (2) the RFC 3161 token over the manifest; (3) the SM2 lines under the checkpoints;
(4) the papers, by the platform's keys, and whether what they say agrees with the records beside them; (5) whether what
is there for people to read and run is what the records give (`evidence_made_again`). Whatever is wrong raises
`Disproved`; what nobody could look at, for want of a key, is said among what was not checked.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from suyuan.base import clock
from suyuan.base.clock import Micros
from suyuan.base.crypto import BadPaper, BadSignature, NoSm2, PublicKey, sm2
from suyuan.evidence.bundle.facts import LOG, KeyList
from suyuan.evidence.bundle.opened import OpenedFields, check_opened
from suyuan.evidence.bundle.packing import CHAIN, KEYS, TOKEN
from suyuan.evidence.bundle.timestamp import BadToken, check_token, roots_of
from suyuan.evidence.check import (
    SM2_SM3,
    BadEvidence,
    CheckedBundle,
    CheckedRecord,
    Note,
    Policy,
    Vkey,
    check_bundle,
    read_checkpoint,
    read_note,
    read_proof,
    read_vkey,
)
from suyuan.evidence.check.archive import read_archive
from suyuan.evidence.check.report import Said, Unchecked, what_was_checked, what_was_not_checked
from suyuan.evidence.check.wrong import printable
from suyuan.evidence.log.note import ed25519_fits, signature_fits
from suyuan.faces.evidence_made_again import compare_words
from suyuan.history.events import kind_of_type
from suyuan.history.privacy_events import SubjectsShredded
from suyuan.privacy.certificate import Certificate, check_certificate
from suyuan.settle.voucher import Voucher, check_voucher

PAPERS = "papers/"
PAPER_BYTES_MAX = 4 << 20

_OF_THE_BUNDLE = (" The key is the bundle's own: name it with --log-key.", "该公钥取自证据包，请以 --log-key 指定。")
SHREDDED_KIND = kind_of_type(SubjectsShredded)

Checked = Callable[[bytes, Mapping[str, PublicKey]], Voucher | Certificate | OpenedFields]
_CHECKS: dict[str, Checked] = {
    "voucher": check_voucher,
    "certificate": check_certificate,
    "opened": check_opened,
}


class Disproved(Exception):
    """Raised for evidence that is not to be believed; says why in both languages, with a code that stays."""

    def __init__(self, code: str, en: str, zh: str) -> None:
        super().__init__(en)
        self.code = code
        self.zh = zh


class Trust(NamedTuple):
    """Whom the reader believes. What is None was not named, and the bundle's own word is taken and said so."""

    policy: Policy | None
    roots_pem: bytes | None
    note_keys: tuple[Vkey, ...]
    platform_keys: Callable[[bytes, Checked], Mapping[str, PublicKey]] | None


class Looked(NamedTuple):
    """What was found: the bundle, what was checked of it, and what was not."""

    bundle: CheckedBundle
    done: list[Said]
    left: list[Said]


def look_into(content: bytes, trust: Trust, *, now: Micros) -> Looked:
    """Everything in a bundle that can be checked with what is trusted. Raises `Disproved`."""
    try:
        bundle = check_bundle(io.BytesIO(content), trust.policy, verify=ed25519_fits)
        files = read_archive(io.BytesIO(content))
        note_keys = trust.note_keys or _listed_keys(files)
    except BadEvidence as bad:
        raise disproved(bad) from None
    done, left = list(what_was_checked(bundle)), list(what_was_not_checked(bundle))
    for found, about in (
        (_token(files, bundle, trust, now=now), Unchecked.TIME_STAMP),
        (_sm2_lines(files, bundle, note_keys, are_named=bool(trust.note_keys)), Unchecked.SM2_LINES),
        (_papers(files, bundle, trust), Unchecked.PAPERS),
    ):
        said = list(found)
        done += said
        if said:
            # What was looked at after all is no longer among what was not.
            left = [one for one in left if one.about is not about]
    words = compare_words(files, bundle.records)
    left = [one for one in left if one.about is not Unchecked.WORDS]
    return Looked(bundle, [*done, *words.done], [*left, *words.left])


def disproved(bad: BadEvidence) -> Disproved:
    """What `evidence.check` has found, as this module says it."""
    return Disproved(bad.code, str(bad), bad.zh)


def _token(files: Mapping[str, bytes], bundle: CheckedBundle, trust: Trust, *, now: Micros) -> Iterator[Said]:
    roots_pem = trust.roots_pem if trust.roots_pem is not None else files.get(CHAIN)
    if roots_pem is None:
        return
    if TOKEN not in files:
        # The manifest cannot list it, so that nothing else shows that it was there.
        raise Disproved(
            "timestamp_is_missing",
            f"There is no {TOKEN}, though whom to believe it by is named, by you or in {CHAIN}: it was taken out.",
            f"缺少 {TOKEN}，而您或 {CHAIN} 已指明其信任来源：该时间戳已被删去。",
        )
    try:
        stamped = check_token(files[TOKEN], bytes.fromhex(bundle.manifest_sha256), roots_of(roots_pem), now=now)
    except BadToken as bad:
        raise Disproved("timestamp_is_bad", f"{TOKEN}: {bad}.", f"{TOKEN}：{bad.zh}") from None
    at, by = clock.text(stamped.at), printable(stamped.authority)
    yield Said(
        f"The manifest was there at {at}, stamped by {by} (RFC 3161).",
        f"清单于 {at} 已存在，由 {by} 签发时间戳（RFC 3161）。",
    )
    if trust.roots_pem is None:
        yield Said(
            f"The certificates that the stamp is believed by are the bundle's own ({CHAIN}): name yours with --tsa-ca.",
            f"时间戳所信任的证书取自证据包本身（{CHAIN}），请以 --tsa-ca 指定您自己的。",
        )


def _listed_keys(files: Mapping[str, bytes]) -> tuple[Vkey, ...]:
    """The log's keys as the bundle lists them."""
    try:
        listed = msgspec.json.decode(files.get(KEYS, b'{"keys":[]}'), type=KeyList)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Disproved("keys_are_malformed", f"{KEYS} is not a list of keys.", f"{KEYS} 不是公钥清单。") from None
    return tuple(read_vkey(one.vkey) for one in listed.keys if one.use == LOG)


def _sm2_lines(
    files: Mapping[str, bytes], bundle: CheckedBundle, keys: Iterable[Vkey], *, are_named: bool
) -> Iterator[Said]:
    """Lines by a key that the reader named must be there; those by one that the bundle lists must be good."""
    notes = {read_proof(files[f"records/{record.seq}/record.tlog-proof"]).note for record in bundle.records}
    if not (are_named or _has_sm2()):
        return
    for key in (key for key in keys if key.kind == SM2_SM3):
        own = [note for note in map(read_note, notes) if read_checkpoint(note.text).origin == key.name]
        signed = [_is_signed(note, key) for note in own]
        if are_named and not (own and all(signed)):
            raise Disproved(
                "sm2_signature_is_missing",
                f"A checkpoint lacks the SM2 signature by {key.name}, whose key was named: it was taken out.",
                f"检查点缺少所指定密钥 {key.name} 的 SM2 签名：已被删去。",
            )
        # Under each checkpoint, because it is said of all of them.
        if own and all(signed):
            en, zh = ("", "") if are_named else _OF_THE_BUNDLE
            yield Said(
                f"The log has signed by SM2 with SM3 too, with the key {key.key_id.hex()}.{en}",
                f"日志另以 SM2/SM3 签署，密钥标识 {key.key_id.hex()}。{zh}",
            )


def _has_sm2() -> bool:
    """Whether this machine computes SM2 at all."""
    try:
        sm2.engine()
    except NoSm2:
        return False
    return True


def _is_signed(note: Note, key: Vkey) -> bool:
    """Whether a line by this key is there. Raises `Disproved` for a bad one, as signed-note has it."""
    blobs = [line.blob for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    if not all(signature_fits(key, note.text, blob) for blob in blobs):
        raise Disproved(
            "sm2_signature_is_bad",
            f"The SM2 signature by {key.name} is not good: the checkpoint or the signature was altered.",
            f"{key.name} 的 SM2 签名无效：检查点或签名被改动。",
        )
    return bool(blobs)


# --- papers -----------------------------------------------------------------------------------------------------------


def _papers(files: Mapping[str, bytes], bundle: CheckedBundle, trust: Trust) -> Iterator[Said]:
    if trust.platform_keys is None:
        return
    for name in sorted(name for name in files if name.startswith(PAPERS)):
        paper = _paper(name, files[name], trust.platform_keys)
        against = [printable(one) for one in _contradictions(paper, bundle.records)]
        if against:
            raise Disproved(
                "paper_contradicts_records",
                f"{name} is signed, but says otherwise than the records: {', '.join(against)}.",
                f"{name} 签名有效，但与记录不符：{'、'.join(against)}。",
            )
        yield Said(
            f"{name} is signed by the platform and agrees with the records beside it.",
            f"{name} 由平台签名，且与包内记录一致。",
        )


def _paper(
    name: str, content: bytes, platform_keys: Callable[[bytes, Checked], Mapping[str, PublicKey]]
) -> Voucher | Certificate | OpenedFields:
    check = _CHECKS.get(_kind(content))
    try:
        if check is None:
            raise BadPaper("this is none of the platform's papers")
        return check(content, platform_keys(content, check))
    except (BadPaper, BadSignature) as bad:
        raise Disproved("paper_is_bad", f"{name}: {bad}.", f"{name}：不是有效的平台签名文书（{bad}）。") from None


def _kind(content: bytes) -> str:
    """The name under which a paper has its facts."""
    try:
        names = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).keys() - {"signatures"}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return next(iter(names), "")


def _contradictions(paper: Voucher | Certificate | OpenedFields, records: Iterable[CheckedRecord]) -> Iterator[str]:
    """The members on which a paper and the records differ; a paper about none of the records differs in all."""
    if isinstance(paper, OpenedFields):
        found = [one for one in records if one.seq == paper.seq]
        yield from (name for one in found for name in paper.differs_from(one.record))
    elif isinstance(paper, Voucher):
        # A record that does not say what it is of could not be told from one of something else.
        found = [one for one in records if one.record.get("redemption") == paper.redemption and "kind" in one.record]
        yield from (name for one in found for name in paper.differs_from(one.record | {"seq": one.seq}))
    else:
        # The record names nobody any more, so it is known by its place and by the fingerprints of the keys.
        found = [one for one in records if one.seq in paper.seqs]
        yield from ("kind" for one in found if one.record.get("kind", SHREDDED_KIND) != SHREDDED_KIND)
        # A person of many keys is shredded in several turns, and the certificate tells of the last one.
        yield from ("at" for one in found if one.record.get("at", 0) > paper.shredded_at)
        yield from ("epoch" for one in found if one.record.get("epoch", 0) > paper.epoch)
        gone = set(paper.fingerprints)
        yield from ("fingerprints" for one in found if not gone.issuperset(one.record.get("fingerprints", ())))
    if not found:
        yield "no record here is about it"
