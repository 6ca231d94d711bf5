"""`suyuan evidence bundle`: an officer makes a bundle of evidence, and the platform keeps that they did.

Without a warrant it holds the open members of the records, which say nothing of a person. With one, it tells of the
people whom the warrant names, and nothing of anybody else: what they are, in pseudonyms, and, of the fields that the
warrant names, what they hold, by the platform's signed word.
"""

from __future__ import annotations

import os
import platform as machine
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from suyuan.app.keys import load_keys
from suyuan.base import clock
from suyuan.base.crypto import PlatformKey, sha256
from suyuan.base.refusals import Language, Refusal
from suyuan.config import FILE, Settings
from suyuan.evidence import bundle as bundles
from suyuan.evidence.bundle import Assembled, Contents
from suyuan.evidence.bundle_facts import LOG, WITNESS, Custody, Environment, KeyListed, SelfCheck
from suyuan.evidence.check import BadEvidence, Policy, read_policy
from suyuan.evidence.fsck import fsck
from suyuan.evidence.leaves import shards
from suyuan.evidence.note import vkey_text
from suyuan.evidence.opening import BrokenLeaf
from suyuan.evidence.stops import LogStopped
from suyuan.evidence.timestamp import Unstamped
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import Connection, Office
from suyuan.faces.cli.evidence.platform import settings_of
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import fail, tell
from suyuan.faces.evidence_page import html
from suyuan.flows.make_bundle import Archive, BundleRecorded, BundleWish, Exhibits, exhibit_events
from suyuan.flows.publish_log import POLICY
from suyuan.history.frames import LineCaller
from suyuan.history.store import check_history
from suyuan.outside.timestamps import HttpTsa
from suyuan.privacy.purposes import ANSWER_AUTHORITY, RECORD_KEY
from suyuan.privacy.vault import Vault

PAPER_BYTES_MAX = 4 << 20
SOFTWARE = f"suyuan {version('suyuan')}"
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "made": "{file} holds {count} records; check it with: suyuan evidence verify {file} --policy POLICY",
        "no_policy": "There is no published log yet: start the platform, and let it seal.",
        "alone": "--subject and --field take the --warrant that names them.",
    },
    "zh": {
        "made": "{file} 含 {count} 条记录；核对方法：suyuan evidence verify {file} --policy 策略文件",
        "no_policy": "尚无已公开的日志：请先启动平台并等待封存。",
        "alone": "--subject 与 --field 须与指明它们的 --warrant 同用。",
    },
}


def bundle(
    what: Annotated[list[str], typer.Argument(help="places in history, or ids of redemptions, exports, requests, …")],
    *,
    out: Annotated[Path, typer.Option(help="the new file, ending in .suyuan-evidence.zip")],
    key: Annotated[Path, typer.Option("--key-file", help="the officer's key file")],
    reference: Annotated[str, typer.Option(help="the case, in your words; with a warrant, that is it")] = "",
    warrant: Annotated[str, typer.Option(help="wrt_…, which names the people and fields")] = "",
    subject: Annotated[list[str] | None, typer.Option(help="slr_… or rdm_… of whom it may tell")] = None,
    field: Annotated[list[str] | None, typer.Option(help="a sealed field to attest, as the warrant names it")] = None,
    paper: Annotated[list[Path] | None, typer.Option(help="a voucher or certificate to go with it")] = None,
    data: Annotated[Path, typer.Option("--data", help="the platform's data folder")] = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Make a bundle of evidence: records, proofs, papers, verifier and page in one file that checks itself."""
    language = language_of(lang)
    if (subject or field) and not warrant:
        fail(WORDS[language]["alone"])
    office = Office(settings_of(data), key, language, is_for_machines)
    settings, officer, now = office.settings, office.officer, clock.SystemClock().now()
    read = None
    if warrant:
        fields = [RECORD_KEY.name, *(field or ())]
        read = officers.read(officer, ANSWER_AUTHORITY.id, warrant, subjects=subject or (), fields=fields, now=now)
    wish = BundleWish(
        tuple(int(one) for one in what if one.isascii() and one.isdigit()),
        tuple(one for one in what if not one.isdigit()),
        read,
    )
    papers = _papers(paper or [])
    policy_file = settings.log_folder / POLICY
    if not policy_file.exists():
        fail(WORDS[language]["no_policy"], code=1)

    async def story(line: LineCaller, vault: Vault, connection: Connection) -> tuple[Assembled, bytes] | Refusal:
        found = await exhibit_events(_archive(settings, line, vault, connection), wish, now=now)
        if isinstance(found, Refusal):
            return found
        contents = _contents(office, found, policy_file.read_bytes(), papers, reference or warrant)
        assembled = bundles.assemble(contents, html(contents))
        records = [str(exhibit.seq) for exhibit in found.exhibits]
        told = officers.record_bundle(officer, assembled.digest.hex(), records, reference or warrant, now=now)
        answer = await line.submit(told)
        if isinstance(answer, Refusal):
            return answer
        assert isinstance(answer, BundleRecorded), "the line answers a bundle with nothing else"
        packed = await bundles.finish(assembled, _authority(settings))
        if isinstance(packed, Unstamped):
            fail(packed.zh if language == "zh" else packed.en, code=1)
        return assembled, packed

    try:
        _, packed = office.run(story)
        bundles.keep(packed, out)
    except (BadEvidence, LogStopped) as bad:
        fail(bad.zh if language == "zh" else str(bad), code=1)
    except (BrokenLeaf, bundles.NotAskedFor, ValueError) as bad:
        fail(str(bad), code=1)
    except FileExistsError:
        fail(f"{out} is there already; choose another name." if language == "en" else f"{out} 已存在，请另选文件名。")
    office.tell({"file": str(out), "sha256": sha256(packed).hex()})
    if not is_for_machines:
        tell(WORDS[language]["made"].format(file=out, count=len(what)))


def _archive(settings: Settings, line: LineCaller, vault: Vault, connection: Connection) -> Archive:
    keys = load_keys(settings)
    signing = (PlatformKey(keys.key_id, keys.signer),)
    return Archive(
        line, vault, connection, settings.log_folder, signing, settings.public_origin, SOFTWARE
    )  # fmt: skip


def _authority(settings: Settings) -> HttpTsa | None:
    if not settings.tsa_url:
        return None
    roots = (settings.data / settings.tsa_ca_file).read_bytes()
    return HttpTsa(settings.tsa_url, roots, clock=clock.SystemClock(), chance=os.urandom)


def _papers(files: list[Path]) -> Mapping[str, bytes]:
    try:
        return {file.name: file.read_bytes()[:PAPER_BYTES_MAX] for file in files}
    except OSError as trouble:
        fail(f"{trouble.filename}: {trouble.strerror}")


def _contents(office: Office, found: Exhibits, policy: bytes, papers: Mapping[str, bytes], reference: str) -> Contents:
    settings, now = office.settings, clock.SystemClock().now()
    believed = read_policy(policy)
    return Contents(
        exhibits=found.exhibits,
        policy=policy,
        keys=_keys(settings, believed),
        environment=_environment(office, believed, now),
        custody=Custody(
            extracted_by=office.officer.id,
            extracted_at=now,
            tool=SOFTWARE,
            command="suyuan evidence bundle",
            authority=ANSWER_AUTHORITY.ground.value if found.read_seq is not None else "",
            reference=reference,
            recorded_seq=found.read_seq,
        ),
        subjects=found.subjects,
        prelog=found.prelog,
        links=found.links,
        papers={**found.papers, **papers},
        tsa_chain=(settings.data / settings.tsa_ca_file).read_bytes() if settings.tsa_url else None,
    )


def _keys(settings: Settings, policy: Policy) -> tuple[KeyListed, ...]:
    """All keys that the policy names. How long they have been in use only the shards tell."""
    own = settings.controller_name or settings.log_prefix
    listed = [KeyListed(vkey_text(one.vkey), LOG, own, 0) for one in policy.logs]
    return tuple(listed + [KeyListed(vkey_text(one.vkey), WITNESS, name, 0) for name, one in policy.witnesses.items()])


def _environment(office: Office, policy: Policy, now: int) -> Environment:
    settings = office.settings
    file = settings.data / FILE
    with office.reading() as connection:
        history, known = tuple(check_history(connection)), shards(connection)
    keys = [one.vkey for one in policy.logs]
    checks = [SelfCheck("history", not history, history)]
    for start in known:
        findings = tuple(str(finding) for finding in fsck(settings.log_folder / start.name, keys))
        checks.append(SelfCheck(f"log {start.name}", not findings, findings))
    return Environment(
        made_at=now,
        software=SOFTWARE,
        commit="",
        python=sys.version.split()[0],
        system=f"{machine.system()} {machine.release()} {machine.machine()}",
        settings_sha256=sha256(file.read_bytes()).hex() if file.exists() else "",
        clock="the machine's, in UTC",
        self_checks=tuple(checks),
    )
