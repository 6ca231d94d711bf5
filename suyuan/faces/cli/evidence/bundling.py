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
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from suyuan.app.keys import load_keys
from suyuan.base import clock
from suyuan.base.crypto import PlatformKey, sha256
from suyuan.base.refusals import Language, Reason, Refusal
from suyuan.config import FILE, Settings
from suyuan.evidence.bundle import packing as bundles
from suyuan.evidence.bundle.facts import LOG, WITNESS, Custody, Environment, KeyListed, SelfCheck
from suyuan.evidence.bundle.packing import Contents
from suyuan.evidence.bundle.timestamp import NO_ROOTS, BadToken, Unstamped
from suyuan.evidence.check import BadEvidence, Policy, Wrong, read_policy
from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.log.shard_list import read_list
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.records.leaves import shards
from suyuan.evidence.records.opening import BrokenLeaf
from suyuan.faces import officers
from suyuan.faces.cli.admin.office import IS_THERE, Connection, Office
from suyuan.faces.cli.evidence.platform import Named, look_up, named, nothing_of, settings_of
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import fail, no_platform, sentence_of, tell
from suyuan.faces.evidence_checking import Disproved, Trust, look_into
from suyuan.faces.evidence_page import html
from suyuan.flows.make_bundle import RECORDS_MAX, Archive, BundleRecorded, BundleWish, Exhibits, exhibit_events
from suyuan.flows.publish_log import POLICY
from suyuan.flows.read_fields import ReadAsOfficer
from suyuan.history.frames import LineCaller
from suyuan.history.store import check_history, read
from suyuan.outside.timestamps import HttpTsa
from suyuan.privacy.purposes import ANSWER_AUTHORITY, RECORD_KEY
from suyuan.privacy.vault import Vault
from suyuan.settle import roll

PAPER_BYTES_MAX = 4 << 20
SOFTWARE = f"suyuan {version('suyuan')}"
SUFFIX = ".suyuan-evidence.zip"
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "made": "{file} holds {count} records; check it with: suyuan evidence verify {file} --policy POLICY",
        "no_policy": "Nothing is sealed yet; start the platform with `suyuan serve`, and ask again in two seconds.",
        "alone": "--subject and --field take the --warrant that names them.",
        "no_subject": "--warrant takes at least one --subject of whom to tell; leave it out to tell of nobody.",
        "no_reference": "Name the case with --reference, in your words: history and custody.json keep it.",
        "no_name": "{file} is no name for a bundle; choose one that ends in " + SUFFIX + ".",
        "no_folder": "There is no folder {folder}; make it, or name another with --out.",
        "warrant": "The warrant does not name all of this; a bundle takes one that names every --subject and --field,"
        " and the field leaf.sealed_keys/1.",
        "not_cosigned": "No bundle was made, for too few witnesses have cosigned these records yet; see"
        " `suyuan evidence witness`, and ask again. {why}",
        "too_many": "A bundle holds at most {most} records; make several.",
        "paper_twice": "There are two papers {name}; give yours another name.",
        "paper_names": "{name} names a seller; it goes with a bundle whose --warrant names them as a --subject.",
        "paper_too_large": "{file} is no paper of ours: it has more than {most} bytes.",
        "unstamped": "No bundle was made, and none is on record: {why}.",
    },
    "zh": {
        "made": "{file} 含 {count} 条记录；核对方法：suyuan evidence verify {file} --policy 策略文件",
        "no_policy": "尚未封存任何内容，请先用 `suyuan serve` 启动平台，一两秒后再试。",
        "alone": "--subject 与 --field 须与指明它们的 --warrant 同用。",
        "no_subject": "--warrant 须至少与一个 --subject 同用；不涉及任何人时请勿使用。",
        "no_reference": "请以 --reference 写明案由，历史记录与 custody.json 将予保存。",
        "no_name": "{file} 不能作为证据包的名称，请以 " + SUFFIX + " 结尾。",
        "no_folder": "没有文件夹 {folder}，请先建立，或以 --out 另行指定。",
        "warrant": "调取文书未列明全部内容；文书须列明每个 --subject、每个 --field，以及字段 leaf.sealed_keys/1。",
        "not_cosigned": "未制作证据包：联署的见证方尚未达到法定数，请见 `suyuan evidence witness`，稍后再试。{why}",
        "too_many": "一个证据包最多含 {most} 条记录，请分为多个。",
        "paper_twice": "有两份文书同名 {name}，请另取名称。",
        "paper_names": "{name} 指明了卖卡人，须与以 --warrant 及 --subject 指明其本人的证据包同用。",
        "paper_too_large": "{file} 不是本平台文书：超过 {most} 字节。",
        "unstamped": "未制作证据包，历史中亦无其记录：{why}",
    },
}


def bundle(
    what: Annotated[list[str], typer.Argument(help="places in history, or ids of redemptions, exports, requests, …")],
    *,
    out: Annotated[Path, typer.Option(help=f"the new file, ending in {SUFFIX}")],
    key: Annotated[Path, typer.Option("--key-file", help="the officer's key file")],
    reference: Annotated[str, typer.Option(help="the case, in your words; with a warrant, that is it")] = "",
    warrant: Annotated[
        str, typer.Option(help="wrt_…, which names the people, the fields, and the field leaf.sealed_keys/1")
    ] = "",
    subject: Annotated[list[str] | None, typer.Option(help="slr_… or rdm_… of whom it may tell")] = None,
    field: Annotated[list[str] | None, typer.Option(help="a sealed field to attest, as the warrant names it")] = None,
    paper: Annotated[list[Path] | None, typer.Option(help="a voucher or certificate to go with it")] = None,
    data: Annotated[Path, typer.Option("--data", help="the platform's data folder")] = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Make a bundle of evidence: records, proofs, papers, verifier and page in one file that checks itself.

    Nothing is handed out before history keeps that it was made. Where a time-stamping authority is configured and does
    not answer, no bundle is made.
    """
    language = language_of(lang)
    say = WORDS[language]
    if (subject or field) and not warrant:
        fail(say["alone"])
    if warrant and not subject:
        fail(say["no_subject"])
    if not (reference or warrant):
        fail(say["no_reference"])
    _demand_new_file(out, language)
    office = Office(settings_of(data), key, language, is_for_machines)
    policy = _policy(office)
    making = _Making(office, policy, _papers(paper or [], language), reference or warrant, *_authority(office))
    read = None
    if warrant:
        fields, now = [RECORD_KEY.name, *(field or ())], clock.SystemClock().now()
        read = officers.read(
            office.officer, ANSWER_AUTHORITY.id, warrant, subjects=subject or (), fields=fields, now=now
        )
    count, packed = making.make(named(what), read)
    try:
        bundles.keep(packed, out)
    except OSError as trouble:
        fail(f"{out}: {trouble.strerror}", code=1)
    office.tell({"file": str(out), "sha256": sha256(packed).hex()})
    if not is_for_machines:
        tell(say["made"].format(file=out, count=count))


def _demand_new_file(out: Path, language: Language) -> None:
    """Before anything is read or kept, because what was recorded stays, also of a bundle that has no place to go."""
    if not out.name.endswith(SUFFIX):
        fail(WORDS[language]["no_name"].format(file=out))
    if out.exists():
        fail(IS_THERE[language].format(file=out))
    if not out.parent.is_dir():
        fail(WORDS[language]["no_folder"].format(folder=out.parent))


@dataclass(frozen=True, slots=True)
class _Making:
    """What a bundle is made with, beside its records."""

    office: Office
    policy: bytes
    papers: Mapping[str, bytes]
    reference: str
    tsa_chain: bytes | None
    authority: HttpTsa | None

    def make(self, what: Named, read: ReadAsOfficer | None) -> tuple[int, bytes]:
        """How many records there are, and the file. Ends the command with a sentence where there is none to be had."""
        office, say = self.office, WORDS[self.office.language]

        async def story(line: LineCaller, vault: Vault, connection: Connection) -> tuple[int, bytes] | Refusal:
            archive = _archive(office.settings, line, vault, connection)
            places, missing = await look_up(archive.fetch, what)
            if missing is not None:
                fail(nothing_of(office.settings, missing, office.language), code=1)
            if len(places) > RECORDS_MAX:
                fail(say["too_many"].format(most=RECORDS_MAX))
            return await self._made(archive, BundleWish(*what, read))

        try:
            return office.run(story)
        except BadEvidence as bad:
            why = bad.zh if office.language == "zh" else str(bad)
            fail(say["not_cosigned"].format(why=why) if bad.code is Wrong.QUORUM_IS_MISSED else why, code=1)
        except Disproved as bad:
            fail(bad.zh if office.language == "zh" else str(bad), code=1)
        except LogStopped as stopped:
            fail(sentence_of(stopped, office.language), code=1)
        except (BrokenLeaf, bundles.NotAskedFor, ValueError) as bad:
            fail(str(bad), code=1)

    async def _made(self, archive: Archive, wish: BundleWish) -> tuple[int, bytes] | Refusal:
        """The stamp comes before the record of it, so that a bundle that never was stands nowhere."""
        office, now = self.office, clock.SystemClock().now()
        say = WORDS[office.language]
        found = await exhibit_events(archive, wish, now=now)
        if isinstance(found, Refusal):
            if found.reason is Reason.warrant_does_not_name_this:
                fail(say["warrant"], code=1)
            return found
        contents = self._contents(found)
        assembled = bundles.assemble(contents, html(contents))
        packed = await bundles.finish(assembled, self.authority)
        if isinstance(packed, Unstamped):
            _fail_unstamped(packed, office.language)
        self._check(packed)
        records = [str(exhibit.seq) for exhibit in found.exhibits]
        told = officers.record_bundle(office.officer, assembled.digest.hex(), records, self.reference, now=now)
        answer = await archive.line.submit(told)
        if isinstance(answer, Refusal):
            return answer
        assert isinstance(answer, BundleRecorded), "the line answers a bundle with nothing else"
        return len(records), packed

    def _check(self, packed: bytes) -> None:
        """As a reader will, who trusts our keys: a paper that is not ours, or about something else, goes nowhere."""
        own = load_keys(self.office.settings)
        named = {own.key_id: own.public_key}
        trust = Trust(read_policy(self.policy), self.tsa_chain, (), lambda _paper, _check: named)
        look_into(packed, trust, now=clock.SystemClock().now())

    def _contents(self, found: Exhibits) -> Contents:
        for name in found.papers.keys() & self.papers.keys():
            fail(WORDS[self.office.language]["paper_twice"].format(name=name), code=1)
        for name, paper in self.papers.items():
            if (seller := _seller_of(paper)) and seller not in found.subjects:
                fail(WORDS[self.office.language]["paper_names"].format(name=name), code=1)
        office, now = self.office, clock.SystemClock().now()
        believed = read_policy(self.policy)
        with office.reading() as connection:
            keys, environment = _keys(office.settings, believed, connection), _environment(office, believed, now)
        return Contents(
            exhibits=found.exhibits,
            policy=self.policy,
            keys=keys,
            environment=environment,
            custody=Custody(
                extracted_by=office.officer.id,
                extracted_at=now,
                tool=SOFTWARE,
                command="suyuan evidence bundle",
                authority=ANSWER_AUTHORITY.ground.value if found.read_seq is not None else "",
                reference=self.reference,
                recorded_seq=found.read_seq,
            ),
            subjects=found.subjects,
            prelog=found.prelog,
            links=found.links,
            papers={**found.papers, **self.papers},
            tsa_chain=self.tsa_chain,
        )


def _archive(settings: Settings, line: LineCaller, vault: Vault, connection: Connection) -> Archive:
    keys = load_keys(settings)
    signing = (PlatformKey(keys.key_id, keys.signer),)
    return Archive(line, vault, connection, settings.log_folder, signing, settings.public_origin, SOFTWARE)


def _policy(office: Office) -> bytes:
    """What the platform publishes of its log and witnesses. Ends the command where there is no log yet."""
    settings = office.settings
    place, file = settings.database_place, settings.log_folder / POLICY
    if isinstance(place, Path) and not place.exists():
        fail(no_platform(settings.data, office.language))
    if not file.exists():
        fail(WORDS[office.language]["no_policy"], code=1)
    return file.read_bytes()


def _authority(office: Office) -> tuple[bytes, HttpTsa] | tuple[None, None]:
    """The certificates to believe stamps by, and the authority; neither where none is configured."""
    settings = office.settings
    if not settings.tsa_url:
        return None, None
    try:
        roots = (settings.data / settings.tsa_ca_file).read_bytes()
        return roots, HttpTsa(settings.tsa_url, roots, clock=clock.SystemClock(), chance=os.urandom)
    except OSError:
        _fail_unstamped(NO_ROOTS, office.language)
    except BadToken as bad:
        _fail_unstamped(bad.why, office.language)


def _fail_unstamped(why: Unstamped, language: Language) -> NoReturn:
    fail(WORDS[language]["unstamped"].format(why=why.zh if language == "zh" else why.en), code=1)


class _Named(msgspec.Struct):
    """As much of a paper as says whom it names."""

    voucher: dict[str, Any] = {}


def _seller_of(paper: bytes) -> str:
    """The seller whom a voucher names by pseudonym; nothing for any other paper."""
    try:
        return str(msgspec.json.decode(paper, type=_Named).voucher.get("seller", ""))
    except msgspec.MsgspecError:
        return ""


def _papers(files: list[Path], language: Language) -> Mapping[str, bytes]:
    """Each whole, and by a name of its own."""
    papers: dict[str, bytes] = {}
    for file in files:
        try:
            with file.open("rb") as opened:
                content = opened.read(PAPER_BYTES_MAX + 1)
        except OSError as trouble:
            fail(f"{trouble.filename}: {trouble.strerror}")
        if len(content) > PAPER_BYTES_MAX:
            fail(WORDS[language]["paper_too_large"].format(file=file, most=PAPER_BYTES_MAX))
        if file.name in papers:
            fail(WORDS[language]["paper_twice"].format(name=file.name))
        papers[file.name] = content
    return papers


def _keys(settings: Settings, policy: Policy, connection: roll.Connection) -> tuple[KeyListed, ...]:
    """The keys of every shard, in use since its first event, and those of the witnesses."""
    own = settings.controller_name or settings.log_prefix
    listed = []
    for shard in read_list(settings.log_folder):
        begins_at = next((kept.at for kept in read(connection, shard.first_seq, to_seq=shard.first_seq + 1)), 0)
        listed += [KeyListed(vkey, LOG, own, begins_at) for vkey in shard.vkeys]
    witnesses = [KeyListed(vkey_text(one.vkey), WITNESS, name, 0) for name, one in policy.witnesses.items()]
    return tuple(listed + witnesses)


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
