"""`suyuan evidence verify` and `fsck`: bundles, proofs and a log's files, checked without asking anybody.

They need no platform, database, network or secret, so a stranger runs them as well as an officer.

    suyuan evidence verify case.suyuan-evidence.zip --policy mine.tlog-policy --tsa-ca tsa-root.pem
    suyuan evidence verify record.tlog-proof --policy mine.tlog-policy
    suyuan evidence fsck /srv/copy/of/log --policy mine.tlog-policy
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from suyuan.base import clock
from suyuan.base.crypto import NoSm2, PublicKey
from suyuan.base.refusals import Language
from suyuan.evidence.check import (
    BadEvidence,
    CheckedBundle,
    CheckedRecord,
    Checkpoint,
    Policy,
    check_proof,
    read_canonical,
    read_checkpoint,
    read_note,
    read_policy,
    read_vkey,
    record_entry,
    to_base64,
)
from suyuan.evidence.check.archive import BUNDLE_BYTES_MAX
from suyuan.evidence.check.policy import POLICY_BYTES_MAX
from suyuan.evidence.check.proof import PROOF_BYTES_MAX, PROOF_HEADER
from suyuan.evidence.check.record import RECORD_BYTES_MAX
from suyuan.evidence.check.report import Said, what_was_checked
from suyuan.evidence.log.fsck import Finding, fsck
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.tiles import CHECKPOINT
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.faces.cli.voucher import keys_for
from suyuan.faces.evidence_checking import Checked, Disproved, Looked, Trust, disproved, look_into

ROOTS_BYTES_MAX = 1 << 20
OPENINGS_BYTES_MAX = 2 * RECORD_BYTES_MAX

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "checked": "Checked:",
        "not_checked": "NOT checked:",
        "good": "{file} is good, as far as it was checked.",
        "bad": "{file} is NOT to be believed. {why}",
        "unread": "{file} cannot be read: {why}.",
        "no_policy": "A proof says nothing by itself: name whom you believe with --policy.",
        "no_keys": "Name the keys of the log, with --policy or --log-key: without them nothing vouches for its files.",
        "no_log": "{folder} is no folder of a log: it holds no checkpoint, and none of its folders does.",
        "whole": "{folder}: all {size} entries of {origin} are what the checkpoint says.",
        "broken": "{folder}: {count} findings.",
    },
    "zh": {
        "checked": "已核对：",
        "not_checked": "未核对：",
        "good": "就已核对的范围，{file} 无误。",
        "bad": "{file} 不可采信。{why}",
        "unread": "无法读取 {file}：{why}。",
        "no_policy": "证明本身不说明问题，请以 --policy 指定您信任谁。",
        "no_keys": "请以 --policy 或 --log-key 指定日志的公钥，否则其文件无从担保。",
        "no_log": "{folder} 不是日志文件夹：其中及其子文件夹均无检查点。",
        "whole": "{folder}：{origin} 的全部 {size} 条均与检查点相符。",
        "broken": "{folder}：发现 {count} 处问题。",
    },
}

# What a proof by itself leaves open.
_LEFT_BY_PROOF = [
    Said(
        "Whether what was logged was true. A log shows that a record has not changed since, no more.",
        "入账内容是否属实。日志只表明记录此后未变，不表明当时为真。",
    ),
    Said("Fields that are not shown, and what sealed fields hold.", "未出示的字段，以及密封字段所含的内容。"),
]


def verify(
    file: Annotated[Path, typer.Argument(help="a bundle (.suyuan-evidence.zip), or a tlog-proof")],
    *,
    policy: Annotated[Path | None, typer.Option(help="whom you believe, a c2sp.org/tlog-policy file")] = None,
    tsa_ca: Annotated[Path | None, typer.Option(help="PEM certificates to believe the time stamp by")] = None,
    log_key: Annotated[list[str] | None, typer.Option(help="a key of the log, as vkey text, for SM2 lines")] = None,
    platform_key: Annotated[
        list[str] | None, typer.Option(help="the platform's public key, ed25519:…, for the papers")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="of a proof: its record.json; else the one beside it")] = None,
    leaf: Annotated[Path | None, typer.Option(help="of a proof: the entry's 32 bytes, instead of a record")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Check a bundle or a proof offline, step by step. Leaves with 0 for a good one, 1 for every other."""
    language = language_of(lang)
    content = _read(file, BUNDLE_BYTES_MAX, language)
    try:
        believed = None if policy is None else _policy(policy, language)
        if content.startswith(PROOF_HEADER.encode()):
            if believed is None:
                fail(WORDS[language]["no_policy"])
            found = _proof(content[: PROOF_BYTES_MAX + 1], believed, _entry(file, record, leaf, language))
        else:
            roots = None if tsa_ca is None else _read(tsa_ca, ROOTS_BYTES_MAX, language)
            note_keys = tuple(read_vkey(text) for text in log_key or ())
            platform_keys = partial(_named, platform_key) if platform_key else None
            trust = Trust(believed, roots, note_keys, platform_keys)
            found = look_into(content, trust, now=clock.SystemClock().now())
    except BadEvidence as bad:
        _refuse(file, disproved(bad), language, is_for_machines=is_for_machines)
    except Disproved as bad:
        _refuse(file, bad, language, is_for_machines=is_for_machines)
    except NoSm2 as error:
        fail(f"{error}")
    if is_for_machines:
        as_json(_told(found, language))
        return
    for title, said in (("checked", found.done), ("not_checked", found.left)):
        print(WORDS[language][title])
        print("\n".join(f"- {_in(one, language)}" for one in said))
    tell(WORDS[language]["good"].format(file=file))


def fsck_command(
    folder: Annotated[Path, typer.Argument(help="the folder of a log, or of one shard of it; a copy will do")],
    *,
    policy: Annotated[Path | None, typer.Option(help="a tlog-policy file that names the log's keys")] = None,
    log_key: Annotated[list[str] | None, typer.Option(help="a key of the log, as vkey text")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Check every file of a log against its signed checkpoint. Leaves with 0 if all are good, 1 otherwise."""
    language = language_of(lang)
    try:
        keys = [log.vkey for log in _policy(policy, language).logs] if policy else []
        keys += [read_vkey(text) for text in log_key or ()]
    except BadEvidence as bad:
        fail(bad.zh if language == "zh" else str(bad))
    if not keys:
        fail(WORDS[language]["no_keys"])
    shards = _shards(folder)
    if not shards:
        fail(WORDS[language]["no_log"].format(folder=folder))
    found = {shard: fsck(shard, keys) for shard in shards}
    if is_for_machines:
        as_json({"good": not any(found.values()), "shards": [_found(shard, found[shard]) for shard in shards]})
    else:
        for shard in shards:
            _show_shard(shard, found[shard], language)
    raise typer.Exit(1 if any(found.values()) else 0)


def _shards(folder: Path) -> list[Path]:
    """The folder itself, or those in it, which hold a log's files."""
    return [one for one in (folder, *sorted(folder.glob("*"))) if (one / CHECKPOINT).is_file()]


def _show_shard(shard: Path, findings: list[Finding], language: Language) -> None:
    words = WORDS[language]
    for finding in findings:
        print(finding.zh if language == "zh" else finding.en)
    if findings:
        tell(words["broken"].format(folder=shard, count=len(findings)))
        return
    checkpoint = _checkpoint(shard)
    tell(words["whole"].format(folder=shard, size=checkpoint.size, origin=checkpoint.origin))


def _found(shard: Path, findings: list[Finding]) -> dict[str, Any]:
    """As machines read it; only a checkpoint without a finding is told of."""
    whole = {} if findings else {"origin": _checkpoint(shard).origin, "size": _checkpoint(shard).size}
    told = [{"code": one.code, "file": one.file, "index": one.index, "en": one.en, "zh": one.zh} for one in findings]
    return {"folder": str(shard), "good": not findings, **whole, "findings": told}


def _checkpoint(shard: Path) -> Checkpoint:
    note = Tiles(shard).checkpoint()
    assert note is not None, "it was there when the folder was examined"
    return read_checkpoint(read_note(note).text)


def _named(keys: list[str], paper: bytes, check: Checked) -> Mapping[str, PublicKey]:
    return keys_for(paper, keys, check)


def _proof(content: bytes, policy: Policy, given: tuple[bytes, dict[str, Any]]) -> Looked:
    """A proof by itself, of the entry or the record that is given. Raises `BadEvidence`."""
    entry, members = given
    proof = check_proof(content, entry, policy, verify=ed25519_fits)
    # Its number in history stands in the record, if it is shown; the index is the log's.
    checked = CheckedRecord(members.get("seq", proof.index), members, proof)
    bundle = CheckedBundle((), "", (checked,), agrees_only_with_itself=False)
    # The first thing that is said of a bundle is about its files.
    return Looked(bundle, list(islice(what_was_checked(bundle), 1, None)), _LEFT_BY_PROOF)


def _entry(proof: Path, record: Path | None, leaf: Path | None, language: Language) -> tuple[bytes, dict[str, Any]]:
    """What the proof is of, and which members of it are shown. Raises `BadEvidence`."""
    if leaf is not None:
        return _read(leaf, RECORD_BYTES_MAX, language), {}
    shown = record or proof.with_name("record.json")
    content = _read(shown, RECORD_BYTES_MAX, language)
    entry = record_entry(content, _read(shown.with_name("openings.json"), OPENINGS_BYTES_MAX, language))
    return entry, read_canonical(content) or {}


def _policy(file: Path, language: Language) -> Policy:
    try:
        return read_policy(_read(file, POLICY_BYTES_MAX, language))
    except BadEvidence as bad:
        raise bad.inside(str(file)) from None


def _read(file: Path, bytes_max: int, language: Language) -> bytes:
    """At most one byte more than there may be, which the reader of it refuses."""
    try:
        with file.open("rb") as opened:
            return opened.read(bytes_max + 1)
    except OSError as error:
        fail(WORDS[language]["unread"].format(file=file, why=error.strerror))


def _refuse(file: Path, bad: Disproved, language: Language, *, is_for_machines: bool) -> NoReturn:
    why = bad.zh if language == "zh" else str(bad)
    if is_for_machines:
        as_json({"good": False, "code": bad.code, "why": why})
    fail(WORDS[language]["bad"].format(file=file, why=why), code=1)


def _told(found: Looked, language: Language) -> dict[str, Any]:
    return {
        "good": True,
        "agrees_only_with_itself": found.bundle.agrees_only_with_itself,
        "manifest_sha256": found.bundle.manifest_sha256,
        "records": [_told_of(one) for one in found.bundle.records],
        "checked": [_in(one, language) for one in found.done],
        "not_checked": [_in(one, language) for one in found.left],
    }


def _told_of(one: CheckedRecord) -> dict[str, Any]:
    index, checkpoint, log, cosigned = one.proof
    return {
        "seq": one.record.get("seq"),
        "record": one.record,
        "origin": checkpoint.origin,
        "index": index,
        "size": checkpoint.size,
        "root": to_base64(checkpoint.root),
        "log_key_id": log.key_id.hex(),
        "cosigned": [{"name": signed.vkey.name, "at_s": signed.at} for signed in cosigned],
    }


def _in(said: Said, language: Language) -> str:
    return said.zh if language == "zh" else said.en
